"""`export`: a generation in a folder of its own."""

from pathlib import Path
from typing import Annotated

import typer

from xtr_assets.cli.app import UPKEEP, ConfigOption, JsonOption, WarehouseOption, app
from xtr_assets.cli.console import emit, say, size
from xtr_assets.cli.locate import asked_generation, find_place, open_one, shown


@app.command(rich_help_panel=UPKEEP)
def export(
    path: Annotated[Path, typer.Argument(help="A folder that does not exist yet.", show_default=False)],
    generation: Annotated[
        int | None, typer.Option(help="Another generation than the published one.", show_default=False)
    ] = None,
    config: ConfigOption = None,
    warehouse: WarehouseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy a generation and all it needs into a folder that another host opens."""
    opened = open_one(find_place(config, warehouse), "export", "; `xtr-assets push` copies the set")
    number = asked_generation(opened, generation).number
    copied = opened.export(number, path)
    found = copied.generation(number)
    if as_json:
        emit({"generation": number, "path": str(path), "bytes": found.bytes()})
    else:
        say(f"[green]exported[/green] generation {number} ({size(found.bytes())}) to {shown(path)}; there it serves")
