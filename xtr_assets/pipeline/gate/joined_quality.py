"""`judged_quality` of an index of parts: all of them together, before a move names them. Not recall."""

from functools import partial

from xtr_assets.config import IndexConfig
from xtr_assets.core.errors import EncoderMismatch
from xtr_assets.core.files import sha256_file
from xtr_assets.pipeline.gate.finding import Finding, finite
from xtr_assets.pipeline.gate.judgments import CHECK, judge, rivals
from xtr_assets.pipeline.gate.registry import check_named, has_judgments
from xtr_assets.search.searcher import Searcher
from xtr_assets.storage.lock import now
from xtr_assets.storage.manifest import CheckRecord
from xtr_assets.storage.parts.joined_generation import JoinedGeneration
from xtr_assets.storage.parts.part_records import PartMove
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets.storage.parts.set_check import SetCheck
from xtr_assets.storage.stored_json import canonical_json, sha256_bytes
from xtr_assets.telemetry import metrics

# What was refused is no move, which `evaluate` could ask.
REMEDY = (
    "mend the part whose documents lost and build it, or `xtr-assets rollback -w SET/parts/PART`; lower "
    "`queries.floor`, or `xtr-assets parts publish SET --force REASON` (in Dagster: `publish` with `force`) where it "
    "is meant"
)
# Of parts that wait to be built by another encoder.
OTHER_ENCODER = (
    "`xtr-assets parts publish SET --config` with the configuration that they were built by, or `--force REASON` where "
    "it is meant"
)


def set_check_names(config: IndexConfig) -> tuple[str, ...]:
    """What is asked of all parts of an index together, by name: no file is read for it."""
    return (CHECK,) if has_judgments(config) else ()


def set_checks(config: IndexConfig) -> tuple[SetCheck, ...]:
    """What is asked of all parts of an index together, before a move names them: nothing without judgments."""
    queries = config.queries
    if queries is None or queries.judgments is None:
        return ()
    files = [sha256_file(one) if one.is_file() else None for one in (queries.path, queries.judgments)]
    return (SetCheck(CHECK, sha256_bytes(canonical_json(files)), queries.floor, partial(_look, config)),)


def _look(config: IndexConfig, candidate: JoinedGeneration, serving: PartMove | None, digest: str) -> CheckRecord:
    queries = config.queries
    assert queries is not None and has_judgments(config)
    before = {} if serving is None else rivals(serving.checks.get(CHECK), serving.number)
    try:
        with Searcher(PartSet(candidate.set_layout), "cpu", candidate, encoder=config.encoder) as searcher:
            found = judge(searcher, queries, before, REMEDY)
    except EncoderMismatch as error:
        found = Finding(False, None, queries.floor, f"no quality is measured: {error}", remedy=OTHER_ENCODER)
    metrics.count_check(CHECK, found.passed)
    words = {"summary": found.summary, **({"remedy": found.remedy} if found.remedy else {})}
    return CheckRecord(
        name=CHECK,
        passed=found.passed,
        value=finite(found.value),
        threshold=found.threshold,
        subject=(),
        digest=digest,
        at=now(),
        details=finite({**found.details, **words}),
        version=check_named(CHECK).version,
    )
