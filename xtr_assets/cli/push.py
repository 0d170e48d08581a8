"""`push`: what serves here, brought to an object store."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from xtr_assets.cli.app import LIFE, ConfigOption, JsonOption, StoreArgument, WarehouseOption, app
from xtr_assets.cli.console import emit, note, size
from xtr_assets.cli.locate import find_place, open_warehouse, part_set

if TYPE_CHECKING:
    from xtr_assets.storage.parts.set_push import SetPushReport


@app.command(rich_help_panel=LIFE)
def push(
    store: StoreArgument,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be sent.")] = False,
    config: ConfigOption = None,
    warehouse: WarehouseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring what serves here, its verdicts and its history into an object store, where it serves then; of
    an index of parts, all that its last move names."""
    place = find_place(config, warehouse)
    if (parts := part_set(place)) is not None:
        _tell_set(parts.push(store, dry_run=dry_run), as_json)
        return
    opened = open_warehouse(place)
    report = opened.push(store, dry_run=dry_run)
    if as_json:
        emit(asdict(report))
    elif not report.moved:
        sent = _lost(report.files, report.bytes, dry_run)
        note(f"generation {report.generation} serves in {report.store} already (move {report.move}); {sent}")
    else:
        done = "would push" if dry_run else "pushed"
        sent = f"{report.files:,} files, {size(report.bytes)}; {report.there:,} are there"
        note(f"{done} generation {report.generation} to {report.store} as move {report.move}: {sent}")
    if not as_json and (serving := opened.published) is not None and serving.number != report.generation:
        note(f"generation {serving.number} serves here since; `xtr-assets push` once more brings it there")


def _lost(files: int, total: int, dry_run: bool) -> str:
    """What a push of something that is there already sends."""
    if not files:
        return "it lacks no file"
    return f"{files:,} files that were lost there {'would be' if dry_run else 'are'} sent anew, {size(total)}"


def _tell_set(report: "SetPushReport", as_json: bool) -> None:
    if as_json:
        emit(asdict(report))
    elif not report.moved:
        sent = _lost(report.files, report.bytes, report.dry_run)
        note(f"move {report.move} of the set is in {report.store} already (push {report.push}); {sent}")
    else:
        done = "would push" if report.dry_run else "pushed"
        sent = f"{report.files:,} files, {size(report.bytes)}"
        note(f"{done} move {report.move} of the set to {report.store} as push {report.push}: {sent}")
