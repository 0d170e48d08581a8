"""`pull`: what an object store serves, brought here."""

from collections.abc import Collection
from dataclasses import asdict
from itertools import count
from pathlib import Path
from time import sleep
from typing import Annotated

import typer

from xtr_assets.cli.app import LIFE, ConfigOption, JsonOption, StoreArgument, WarehouseOption, app
from xtr_assets.cli.console import emit, note, size
from xtr_assets.cli.locate import find_place, shown
from xtr_assets.core.errors import XtrAssetsError


@app.command(rich_help_panel=LIFE)
def pull(
    store: StoreArgument,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would come.")] = False,
    part: Annotated[
        list[str] | None,
        typer.Option(
            help="Of an index of parts: bring this part alone; repeatable.", show_default=False, metavar="NAME"
        ),
    ] = None,
    moves: Annotated[
        bool, typer.Option("--moves", help="Of an index of parts: bring the moves alone, which a front reads.")
    ] = False,
    follow: Annotated[
        float | None,
        typer.Option(
            help="Of an index of parts: look again every so many seconds, and remove what no move names any more.",
            min=0.1,
            show_default=False,
            metavar="SECONDS",
        ),
    ] = None,
    config: ConfigOption = None,
    warehouse: WarehouseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Serve here what an object store serves, with its history; the warehouse is made where there is none. Of an
    index of parts: the generations that its last move names, then the moves."""
    from xtr_assets.storage.layout import Layout
    from xtr_assets.storage.parts.set_store import SetStore
    from xtr_assets.storage.remote import download
    from xtr_assets.storage.remote.object_store import ObjectStore
    from xtr_assets.storage.warehouse import Warehouse

    place = find_place(config, warehouse).warehouse
    if SetStore.at(store).holds():
        if dry_run:
            raise typer.BadParameter("--dry-run says nothing of an index of parts; leave it out")
        _pull_set(store, place, [] if moves else part, follow, as_json)
        return
    if part or moves or follow:
        raise typer.BadParameter(f"{store} holds no index of parts, which --part, --moves and --follow are for")
    if dry_run:
        opened = ObjectStore.at(store)
        report = download.pull(Layout(place.absolute()), opened, download.head_of(opened), dry_run=True)
    else:
        # Looked at first: no folder is made for what cannot come.
        download.head_of(ObjectStore.at(store))
        report = Warehouse.create(place, exist_ok=True).pull(store)
    if as_json:
        emit(asdict(report))
    elif report.ahead:
        note(
            f"{shown(place)} is ahead of {report.store} by {report.ahead} lines of its history; `xtr-assets push` "
            "brings them there"
        )
    elif not report.moved:
        note(f"generation {report.generation} of {report.store} serves here already (move {report.move})")
    else:
        done = "would pull" if dry_run else "pulled"
        came = f"{report.files:,} files, {size(report.bytes)}; {report.there:,} were here"
        note(f"{done} generation {report.generation} of {report.store} (move {report.move}): {came}")


def _pull_set(store: str, place: Path, parts: Collection[str] | None, follow: float | None, as_json: bool) -> None:
    """Once; with `follow` again and again, and what fails is told and tried again."""
    for look in count():
        try:
            _pull_once(store, place, parts, as_json, quiet=look > 0)
            if follow is not None:
                _collect(place, parts)
        except (XtrAssetsError, OSError) as error:
            if follow is None:
                raise
            note(" ".join(str(error).split()))
        if follow is None:
            return
        sleep(follow)


def _pull_once(store: str, place: Path, parts: Collection[str] | None, as_json: bool, quiet: bool) -> None:
    from xtr_assets.storage.parts.part_set import PartSet

    report = PartSet.pull(place, store, parts=parts)
    if quiet and not report.moved:
        return
    if as_json:
        emit(asdict(report))
    elif report.ahead:
        note(f"{shown(place)} is ahead of {report.store} by {report.ahead} moves; `xtr-assets push` brings them there")
    elif not report.moved:
        note(f"move {report.move} of {report.store} serves here already")
    else:
        came = f"{report.files:,} files, {size(report.bytes)} of {len(report.parts)} parts"
        note(f"pulled move {report.move} of {report.store}: {came}")


def _collect(place: Path, parts: Collection[str] | None) -> None:
    """Remove what neither serves nor is named by the last moves."""
    from xtr_assets.storage.parts.part_set import PartSet

    opened = PartSet.open(place)
    for part in opened.info.parts if parts is None else parts:
        opened.warehouse(part).collect(1)
