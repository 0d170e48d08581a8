"""`export-idmap`: which chunk lies at which row, as a Parquet file of its own."""

from pathlib import Path
from typing import Annotated

import typer

from xtr_assets.cli.app import UPKEEP, ConfigOption, JsonOption, WarehouseOption, app
from xtr_assets.cli.console import emit, literal, say
from xtr_assets.cli.locate import asked_generation, find_place, open_warehouse, shown


@app.command(rich_help_panel=UPKEEP)
def export_idmap(
    path: Annotated[Path, typer.Argument(help="A .parquet file that does not exist yet.", show_default=False)],
    generation: Annotated[
        int | None, typer.Option(help="Another generation than the published one.", show_default=False)
    ] = None,
    config: ConfigOption = None,
    warehouse: WarehouseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the ID map: row, chunk_id, segment, position and whether the row is live, dead rows included."""
    from xtr_assets.storage.id_map import export_id_map

    opened = open_warehouse(find_place(config, warehouse))
    found = asked_generation(opened, generation)
    rows = export_id_map(found, path)
    if as_json:
        emit({"generation": found.number, "path": str(path), "rows": rows, "live_rows": found.live_rows})
    else:
        where = literal(shown(path))
        say(f"[green]exported[/green] the ID map of generation {found.number} ({rows:,} rows) to {where}")
