"""`gc`: old generations and what nothing needs, removed."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xtr_assets.cli.app import UPKEEP, ConfigOption, JsonOption, WarehouseOption, app
from xtr_assets.cli.console import console, emit, literal, say, size, table
from xtr_assets.cli.locate import find_place, open_warehouse, part_configs, part_set

if TYPE_CHECKING:
    from xtr_assets.config import IndexConfig
    from xtr_assets.storage.garbage import CollectReport
    from xtr_assets.storage.remote.store_garbage import StoreReport
    from xtr_assets.storage.warehouse import Warehouse


@app.command(rich_help_panel=UPKEEP)
def gc(
    keep: Annotated[int, typer.Option(help="How many generations stay, the serving one among them.", min=1)] = 3,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    store: Annotated[
        str | None, typer.Option(help="An object store (s3://...), in place of the warehouse.", show_default=False)
    ] = None,
    grace: Annotated[
        float, typer.Option(help="Of a store: what served or came within so many hours stays.", min=0, metavar="HOURS")
    ] = 24.0,
    config: ConfigOption = None,
    warehouse: WarehouseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove old generations and what nothing kept needs; never one that a reader has open."""
    if store is not None:
        _store(store, keep, grace, dry_run, as_json)
        return
    place = find_place(config, warehouse)
    if (parts := part_set(place)) is not None:
        configs = part_configs(place)
        reports = {part: _collect(parts.warehouse(part), configs.get(part), keep, dry_run) for part in parts.info.parts}
        if as_json:
            emit({part: _document(report) for part, report in reports.items()})
            return
        for part, report in reports.items():
            say(f"part {part}")
            _show(report, dry_run)
        return
    report = _collect(open_warehouse(place), place.config, keep, dry_run)
    if as_json:
        emit(_document(report))
        return
    _show(report, dry_run)


def _collect(opened: "Warehouse", known: "IndexConfig | None", keep: int, dry_run: bool) -> "CollectReport":
    from xtr_assets.encoders import open_encoder
    from xtr_assets.pipeline.ingest.intake import configured_shards
    from xtr_assets.pipeline.plan.decide import wanted_kind

    # What the config's encoder has encoded stays: the next build needs it, though nothing may serve it yet.
    kind = None if known is None else wanted_kind(opened, known, lambda: open_encoder(known.encoder))
    shards = None if known is None else configured_shards(opened, known)
    return opened.collect(keep, dry_run=dry_run, encoder=None if kind is None else kind.fingerprint, shards=shards)


def _document(report: "CollectReport") -> dict[str, Any]:
    fields = {"kept": report.kept, "pinned": report.pinned, "generations": report.generations}
    shards = {"retired": report.retired, "unused": report.unused}
    return {"dry_run": report.dry_run, **fields, **shards, "bytes": report.bytes, "removed": report.removed}


def _show(report: "CollectReport", dry_run: bool) -> None:
    if report.removed:
        rows = [(path, size(count)) for path, count in sorted(report.removed.items())]
        console().print(table(None, ("path", "bytes"), rows, right=("bytes",)))
    done = "would remove" if dry_run else "removed"
    stay = f"generations {', '.join(map(str, report.kept))} stay" if report.kept else "no generation is there"
    say(f"{done} {size(report.bytes)}; {stay}")
    if report.pinned:
        why = "a reader has them open, or a move of the set names them"
        say(f"generations {', '.join(map(str, report.pinned))} stay because {why}")
    if report.retired:
        say(f"shards that no source has any more {'would go' if dry_run else 'went'}: {', '.join(report.retired)}")
    if report.unused:
        from xtr_assets.storage.retired_shards import GRACE_DAYS

        say(
            f"no source has the shards {', '.join(report.unused)}, and their texts stay: one that what serves notes as "
            f"left goes {GRACE_DAYS:g} days after somebody wanted it last, any other by hand (docs/operations.md)"
        )


def _store(store: str, keep: int, grace: float, dry_run: bool, as_json: bool) -> None:
    from xtr_assets.storage.parts.set_store import SetStore

    if SetStore.at(store).holds():
        from xtr_assets.storage.parts.part_set import PartSet

        reports = PartSet.collect_store(store, keep, grace_hours=grace, dry_run=dry_run)
        if as_json:
            emit({part: asdict(report) for part, report in reports.items()})
            return
        for report in reports.values():
            _show_store(report, dry_run)
        return
    from xtr_assets.storage.warehouse import Warehouse

    report = Warehouse.collect_store(store, keep, grace_hours=grace, dry_run=dry_run)
    if as_json:
        emit(asdict(report))
        return
    _show_store(report, dry_run)


def _show_store(report: "StoreReport", dry_run: bool) -> None:
    done = "would remove" if dry_run else "removed"
    kept, store = ", ".join(map(str, report.kept)), literal(str(report.store))
    say(f"{done} {report.objects:,} objects, {size(report.bytes)}, of {store}; generations {kept} stay")
    if report.leased:
        say(f"generations {', '.join(map(str, report.leased))} stay because they are read, or were lately")
    if report.named:
        say(f"generations {', '.join(map(str, report.named))} stay because moves of the set name them")
