"""`export`: a generation in a folder of its own."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xtr_assets.cli.app import UPKEEP, ConfigOption, JsonOption, WarehouseOption, app
from xtr_assets.cli.console import emit, literal, say, size
from xtr_assets.cli.locate import asked_generation, find_place, open_warehouse, part_set, shown

if TYPE_CHECKING:
    from xtr_assets.storage.parts.part_set import PartSet


@app.command(rich_help_panel=UPKEEP)
def export(
    path: Annotated[Path, typer.Argument(help="A folder that does not exist yet.", show_default=False)],
    generation: Annotated[
        int | None, typer.Option(help="Another generation, or move, than what serves.", show_default=False)
    ] = None,
    config: ConfigOption = None,
    warehouse: WarehouseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy a generation and all it needs into a folder that another host opens. Of an index of parts: what a move names
    of all of them, as a set of its own."""
    place = find_place(config, warehouse)
    if (parts := part_set(place)) is not None:
        _set(parts, generation, path, as_json)
        return
    opened = open_warehouse(place)
    number = asked_generation(opened, generation).number
    copied = opened.export(number, path)
    found = copied.generation(number)
    if as_json:
        emit({"generation": number, "path": str(path), "bytes": found.bytes()})
    else:
        where = literal(shown(path))
        say(f"[green]exported[/green] generation {number} ({size(found.bytes())}) to {where}; there it serves")


def _set(parts: "PartSet", number: int | None, path: Path, as_json: bool) -> None:
    found = parts.export(path, number).published
    assert found is not None
    if as_json:
        emit({"move": found.number, "path": str(path), "bytes": found.bytes()})
    else:
        where = literal(shown(path))
        say(f"[green]exported[/green] move {found.number} ({size(found.bytes())}) to {where}; there it serves")
