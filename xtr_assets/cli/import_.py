"""`import`: what `export` wrote, taken in. Its own name is a keyword, which no module can bear."""

from pathlib import Path
from typing import Annotated

import typer

from xtr_assets.cli.app import UPKEEP, ConfigOption, JsonOption, WarehouseOption, app
from xtr_assets.cli.console import emit, say
from xtr_assets.cli.locate import find_place, open_warehouse


@app.command("import", rich_help_panel=UPKEEP)
def import_(
    path: Annotated[Path, typer.Argument(help="What `export` wrote.", show_default=False)],
    config: ConfigOption = None,
    warehouse: WarehouseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take in an exported generation, every byte verified; `publish` lets it serve."""
    taken = open_warehouse(find_place(config, warehouse)).import_generation(path)
    if as_json:
        emit({"generation": taken.number, "state": taken.state, "bytes": taken.bytes()})
    else:
        say(f"[green]imported[/green] generation {taken.number}; `xtr-assets publish {taken.number}` lets it serve")
