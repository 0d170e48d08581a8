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
    """Copy a store to another one, every byte verified; what the source collected goes there too, a day later. Of an
    index of parts: the stores of all parts, then the moves."""
    from xtr_assets.storage.parts.set_store import SetStore

    done = "would mirror" if dry_run else "mirrored"
    if SetStore.at(source).holds():
        from xtr_assets.storage.parts.part_set import PartSet

        whole = PartSet.mirror(source, target, dry_run=dry_run)
        copied = f"{whole.files:,} files, {size(whole.bytes)}, {whole.pushes} pushes; {whole.removed:,} removed"
        told = f"move {whole.move} of {whole.source}, {len(whole.parts)} parts, to {whole.target}: {copied}"
        document = asdict(whole)
    else:
        from xtr_assets.storage.warehouse import Warehouse

        report = Warehouse.mirror(source, target, dry_run=dry_run)
        copied = f"{report.files:,} files, {size(report.bytes)}, {report.moves} moves; {report.removed:,} removed"
        told = f"generation {report.generation} of {report.source} to {report.target}: {copied}"
        document = asdict(report)
    if as_json:
        emit(document)
    else:
        note(f"{done} {told}")
