"""`rollback`: serve an earlier generation again."""

from typing import Annotated

import typer

from xtr_assets.cli.app import LIFE, ConfigOption, JsonOption, WarehouseOption, app
from xtr_assets.cli.locate import find_place, open_warehouse, part_set
from xtr_assets.cli.pointer import tell_move, tell_pointer


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
    """Let an earlier generation serve again; of an index of parts, the generations of an earlier move."""
    place = find_place(config, warehouse)
    if (parts := part_set(place)) is not None:
        tell_move(parts.rollback(number, reason=reason), "rolled back", as_json)
        return
    opened = open_warehouse(place)
    opened.rollback(number, reason=reason)
    tell_pointer(opened, "rolled back", as_json)
