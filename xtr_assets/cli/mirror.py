"""`mirror`: an object store, copied to another or to a folder."""

from dataclasses import asdict
from typing import Annotated

import typer

from xtr_assets.cli.app import UPKEEP, JsonOption, StoreArgument, app
from xtr_assets.cli.console import emit, note, size


@app.command(rich_help_panel=UPKEEP)
def mirror(
    source: StoreArgument,
    target: StoreArgument,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be copied.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Copy a store to another one, every byte verified; what the source collected goes there too, a day later."""
    from xtr_assets.storage.warehouse import Warehouse

    report = Warehouse.mirror(source, target, dry_run=dry_run)
    if as_json:
        emit(asdict(report))
    else:
        done = "would mirror" if dry_run else "mirrored"
        copied = f"{report.files:,} files, {size(report.bytes)}, {report.moves} moves; {report.removed:,} removed"
        note(f"{done} generation {report.generation} of {report.source} to {report.target}: {copied}")
