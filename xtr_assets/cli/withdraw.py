"""`withdraw`: a generation that must never serve again."""

from typing import Annotated

import typer

from xtr_assets.cli.app import LIFE, ConfigOption, JsonOption, NumberArgument, WarehouseOption, app
from xtr_assets.cli.locate import find_place, open_one
from xtr_assets.cli.pointer import tell_pointer


@app.command(rich_help_panel=LIFE)
def withdraw(
    number: NumberArgument,
    reason: Annotated[str, typer.Option(help="Why; kept in the history.", show_default=False)],
    config: ConfigOption = None,
    warehouse: WarehouseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Mark a generation as never to be served again."""
    then = "; then `xtr-assets rollback` lets the set serve an earlier move"
    opened = open_one(find_place(config, warehouse), "withdraw", then)
    opened.withdraw(number, reason=reason)
    tell_pointer(opened, f"withdrew generation {number}", as_json)
