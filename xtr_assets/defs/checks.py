"""The gate as asset checks: those of one asset are one step, which looks at the draft and shows what it recorded."""

from collections.abc import Iterator, Mapping, Sequence

import dagster as dg

from xtr_assets.defs.context import Site
from xtr_assets.defs.metadata import record_metadata
from xtr_assets.defs.names import DERIVED
from xtr_assets.pipeline.cost_report import costed_step
from xtr_assets.pipeline.gate.gate_check import GateCheck
from xtr_assets.pipeline.gate.joined_quality import set_check_names
from xtr_assets.pipeline.gate.registry import check_named, checks_of, run_check
from xtr_assets.storage.manifest import CheckRecord
from xtr_assets.storage.parts.part_records import PartMove

Results = Iterator[dg.AssetCheckResult]


def index_checks(site: Site) -> list[dg.AssetChecksDefinition]:
    """The checks of the assets from `generation` to `catalog`, a step for each asset that has some."""
    groups = {
        asset: [check for check in checks_of(site.config) if check.asset == asset] for asset in site.there(DERIVED)
    }
    return [check_group(site, asset, checks) for asset, checks in groups.items() if checks]


def check_group(site: Site, asset: str, checks: Sequence[GateCheck]) -> dg.AssetChecksDefinition:
    """The checks of one asset: a step, a commit of the manifest. What one of them raises does not keep the others from
    being recorded."""
    by_name = {check.name: check for check in checks}

    @dg.multi_asset_check(
        name=site.names.step(f"check_{asset}"),
        specs=[check_spec(site, check, asset, site.names.keys(site.there(check.deps))) for check in checks],
        required_resource_keys=site.needs_encoder,
        can_subset=True,
    )
    def look(context: dg.AssetCheckExecutionContext) -> Results:
        chosen = sorted(key.name for key in context.selected_asset_check_keys)
        records, errors = [], []
        with (
            site.upstream(context),
            site.writing(context, f"checks of {asset}") as warehouse,
            site.session(context, warehouse) as session,
        ):
            draft = session.draft.number
            for check in checks:
                if check.name not in chosen:
                    continue
                try:
                    with costed_step(session, f"check.{check.name}"):
                        records.append(run_check(session, check))
                except Exception as error:
                    context.log.exception(f"check {check.name} could not look")
                    errors.append(error)
        for record in records:
            check = by_name[record.name]
            yield check_result(site, check, asset, record, {"generation": str(draft)}, blocks=check.blocking)
        if errors:
            raise errors[0]

    return look


def check_spec(site: Site, check: GateCheck, asset: str, deps: Sequence[dg.AssetKey] = ()) -> dg.AssetCheckSpec:
    """A check of the gate as one of an asset of the index."""
    key = site.names.key(asset)
    return dg.AssetCheckSpec(
        check.name, asset=key, description=check.what, blocking=check.blocking, additional_deps=deps
    )


def check_result(
    site: Site, check: GateCheck, asset: str, record: CheckRecord, about: Mapping[str, str], *, blocks: bool
) -> dg.AssetCheckResult:
    """A record as Dagster shows it; one that does not block warns. about : what was looked at, which of a check that is
    executed alone is the newest open draft and not what serves. In words: a number would be plotted."""
    severity = dg.AssetCheckSeverity.ERROR if blocks else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(
        check_name=check.name,
        asset_key=site.names.key(asset),
        passed=record.passed,
        severity=severity,
        description=str(record.details.get("summary", "")),
        metadata={**record_metadata(record), **about},
    )


def set_check_result(site: Site, record: CheckRecord, move: PartMove | None) -> dg.AssetCheckResult:
    """What was found of all parts of an index together, for a move, None where it was refused. One that serves by a
    person's word keeps nothing that follows from it."""
    about = {"move": "refused" if move is None else str(move.number)}
    return check_result(site, check_named(record.name), "published", record, about, blocks=move is None)


def set_check_events(site: Site, move: PartMove) -> list[dg.AssetCheckEvaluation]:
    """The same as events outside of a run, of a move whose run ended before it told them."""
    asked = set_check_names(site.config)
    found = [set_check_result(site, record, move) for name, record in move.checks.items() if name in asked]
    return [
        dg.AssetCheckEvaluation(
            site.names.key("published"),
            str(one.check_name),
            one.passed,
            metadata=one.metadata,
            severity=one.severity,
            description=one.description,
        )
        for one in found
    ]
