"""`pull`: what an object store serves, brought here."""

from dataclasses import asdict
from typing import Annotated

import typer

from xtr_assets.cli.app import LIFE, ConfigOption, JsonOption, StoreArgument, WarehouseOption, app
from xtr_assets.cli.console import emit, note, size
from xtr_assets.cli.locate import find_place, shown


@app.command(rich_help_panel=LIFE)
def pull(
    store: StoreArgument,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would come.")] = False,
    config: ConfigOption = None,
    warehouse: WarehouseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Serve here what an object store serves, with its history; the warehouse is made where there is none."""
    from xtr_assets.storage.layout import Layout
    from xtr_assets.storage.remote import download
    from xtr_assets.storage.remote.object_store import ObjectStore
    from xtr_assets.storage.warehouse import Warehouse

    place = find_place(config, warehouse).warehouse
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
