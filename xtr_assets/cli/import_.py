"""`import`: what `export` wrote, taken in. Its own name is a keyword, which no module can bear."""

import os
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from xtr_assets.cli.app import UPKEEP, ConfigOption, JsonOption, WarehouseOption, app
from xtr_assets.cli.console import emit, say
from xtr_assets.cli.locate import Place, find_place, open_warehouse, shown
from xtr_assets.core.errors import GenerationError

if TYPE_CHECKING:
    from xtr_assets.storage.warehouse import Warehouse


@app.command("import", rich_help_panel=UPKEEP)
def import_(
    path: Annotated[Path, typer.Argument(help="What `export` wrote.", show_default=False)],
    config: ConfigOption = None,
    warehouse: WarehouseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take in an exported generation, every byte verified; `publish` lets it serve. The warehouse is made where there
    is none."""
    from rich.markup import escape

    place = find_place(config, warehouse)
    taken = (_made(place, path) or open_warehouse(place)).import_generation(path)
    if as_json:
        emit({"generation": taken.number, "state": taken.state, "bytes": taken.bytes()})
    else:
        named = f" -w {quote(str(place.warehouse))}" if place.config is None else ""
        command = f"`xtr-assets publish {taken.number}{escape(named)}`"
        say(f"[green]imported[/green] generation {taken.number}; {command} lets it serve")


def _made(place: Place, path: Path) -> "Warehouse | None":
    """A new warehouse where nothing is yet; None where something is."""
    from xtr_assets.storage.layout import Layout, holds_other_things
    from xtr_assets.storage.remote.address import address_of
    from xtr_assets.storage.warehouse import Warehouse

    here = place.warehouse
    if address_of(here) is not None:
        return None
    if os.path.lexists(here) and not (here.is_dir() and not holds_other_things(Layout(here))):
        return None
    # Looked at first: no folder is made for what cannot come.
    if Warehouse.open(path).published is None:
        raise GenerationError(f"{shown(path)} has no published generation; publish the one to import there first")
    return Warehouse.create(here, exist_ok=True)
