"""`rollback`: serve an earlier generation again."""

from typing import Annotated

import typer

from xtr_assets.cli.app import LIFE, ConfigOption, JsonOption, WarehouseOption, app
from xtr_assets.cli.locate import find_place, open_warehouse
from xtr_assets.cli.pointer import tell_pointer


@app.command(rich_help_panel=LIFE)
def rollback(
    number: Annotated[
        int | None,
        typer.Argument(metavar="[N]", help="Where to; the one before without it.", min=1, show_default=False),
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Why; kept in the history.", show_default=False)] = None,
    config: ConfigOption = None,
    warehouse: WarehouseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let an earlier generation serve again."""
    opened = open_warehouse(find_place(config, warehouse))
    opened.rollback(number, reason=reason)
    tell_pointer(opened, "rolled back", as_json)
