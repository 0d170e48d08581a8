"""`push`: what serves here, brought to an object store."""

from dataclasses import asdict
from typing import Annotated

import typer

from xtr_assets.cli.app import LIFE, ConfigOption, JsonOption, StoreArgument, WarehouseOption, app
from xtr_assets.cli.console import emit, note, size
from xtr_assets.cli.locate import find_place, open_warehouse


@app.command(rich_help_panel=LIFE)
def push(
    store: StoreArgument,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be sent.")] = False,
    config: ConfigOption = None,
    warehouse: WarehouseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring what serves here, its verdicts and its history into an object store, where it serves then."""
    report = open_warehouse(find_place(config, warehouse)).push(store, dry_run=dry_run)
    if as_json:
        emit(asdict(report))
    elif not report.moved:
        note(f"generation {report.generation} serves in {report.store} already (move {report.move}); nothing is sent")
    else:
        done = "would push" if dry_run else "pushed"
        sent = f"{report.files:,} files, {size(report.bytes)}; {report.there:,} are there"
        note(f"{done} generation {report.generation} to {report.store} as move {report.move}: {sent}")
