"""`build`: the whole graph in this process, recorded in the Dagster instance; what the command line calls.

Dagster is imported, and the instance opened, once there is something to do: see `recorded_runs`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from time import perf_counter
from typing import TYPE_CHECKING, Any

from xtr_assets.config import IndexConfig
from xtr_assets.core.address_space import refuse_narrow_build
from xtr_assets.core.errors import GenerationError
from xtr_assets.encoders import open_encoder
from xtr_assets.pipeline.ingest.intake import Intake, intake_of
from xtr_assets.pipeline.ingest.scan import ShardScan, note_unchanged, scan
from xtr_assets.pipeline.plan.after_refusal import forget_encodings
from xtr_assets.pipeline.plan.compaction_due import compaction_due
from xtr_assets.pipeline.plan.decide import COSTS_NOTE, decide, due, refused_for_training, wanted, wanted_kind
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.parts.part_set_reader import built_warehouse
from xtr_assets.storage.refusal import remedy, sentence
from xtr_assets.storage.requirement import unmade
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets.telemetry import metrics
from xtr_assets.telemetry.tracing import span

if TYPE_CHECKING:
    from xtr_assets.defs.recorded_runs import Instance, RecordedRuns


@dataclass(frozen=True, slots=True)
class FailedCheck:
    """A check that did not pass: value and threshold as recorded, whether it kept the generation from serving, what it
    found in one sentence, and which setting or command changes that, where one does."""

    name: str
    value: float | None
    threshold: float | None
    blocking: bool
    summary: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class RefusedBuild:
    """A build that was refused for what its indexes had learnt before it, and was followed by one that learns anew: its
    draft, the cause in words with both values, and the checks that did not pass."""

    built: int
    cause: str
    failed: tuple[FailedCheck, ...]


@dataclass(frozen=True)
class BuildResult:
    """What a build came to.

    generation : the number that serves now, None where none does. built : the number of the draft that was begun, None
    where nothing had to be. published : whether `built` serves. reason : why something, or nothing, was built.
    shards : what was ingested, by shard: why, and the chunks added, changed and deleted. retired : shards of what
    served that no source has any more. left : sources that the configuration lacks now. intake : what the sources hold
    that was left out or could not be read. accepted : sources whose shrink somebody accepted. unmade : what no
    step has made of a draft that a check refused before: it cannot be forced. refused : the build
    before this one in the same call, where a retrain followed it. seconds : by step.
    """

    generation: int | None
    built: int | None
    published: bool
    reason: str
    live_rows: int
    shards: dict[str, dict[str, Any]] = field(default_factory=dict)
    retired: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    intake: Intake = field(default_factory=Intake)
    accepted: tuple[str, ...] = ()
    failed: tuple[FailedCheck, ...] = ()
    unmade: tuple[str, ...] = ()
    refused: RefusedBuild | None = None
    costs: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether what was asked for was done: something was published, or there was nothing to do."""
        return self.published or self.built is None

    def document(self) -> dict[str, Any]:
        """JSON-able."""
        return {**asdict(replace(self, intake=Intake())), "intake": self.intake.document(), "ok": self.ok}


# What the commands run: `build`, `compact`, `tune`.
Work = Callable[..., BuildResult]


def compact(config: IndexConfig, instance: "Instance", *, erase: bool = False, prefix: str = "") -> BuildResult:
    """Merge small segments and leave dead rows out, then build, check and publish the generation over them.

    What a search finds stays the same. Nothing is built where no segment is worth writing anew, or where what serves is
    not what the shards hold. With `erase` every segment is written anew that holds a row which was deleted or edited,
    after a build where a shard changed; GenerationError where what serves is not what the shards hold then.
    """
    return _run(config, instance, "compaction", lambda run: run.compact(erase), prefix)


def tune(config: IndexConfig, instance: "Instance", *, prefix: str = "") -> BuildResult:
    """Build, check and publish a generation over the current shards with the profiles of both indexes found anew."""
    return _run(config, instance, "tuning", lambda run: run.tune(), prefix)


def build(
    config: IndexConfig,
    instance: "Instance",
    *,
    full: bool = False,
    accept_shrink: Sequence[str] = (),
    reason: str | None = None,
    again_reason: str | None = None,
    prefix: str = "",
) -> BuildResult:
    """Ingest the shards that changed, then build, check and publish the next generation where anything did.

    After a change of encoder or settings a generation is built too. With `full` every file is chunked again, and the
    indexes are made anew; texts that were encoded are not encoded again, but for those of a draft that was refused for
    its vectors. Where the build is refused for what its
    indexes had learnt before it, they are trained anew at once, in a second build. `accept_shrink` names sources that
    may hold as much less than what serves as they do now, for `reason`. What was rolled back or withdrawn is built only
    with `again_reason`. Both are kept. `prefix` goes before the names of jobs, as in the project. Raises what a step
    raised; a failed check is a result.
    """
    return _run(config, instance, "build", lambda run: run.build(accept_shrink, reason, again_reason), prefix, full)


def _run(
    config: IndexConfig,
    instance: "Instance",
    purpose: str,
    work: "Callable[[_Build], BuildResult]",
    prefix: str = "",
    full: bool = False,
) -> BuildResult:
    warehouse = built_warehouse(config.warehouse)
    with (
        span(purpose, index=config.name),
        warehouse.lock(f"{purpose} of {config.name}"),
        closing(_Build(config, instance, warehouse, prefix, full)) as run,
    ):
        try:
            result = work(run)
        except BaseException:
            metrics.BUILDS.labels("failed").inc()
            raise
    outcome = "unchanged" if result.built is None else "published" if result.published else "refused"
    metrics.BUILDS.labels(outcome).inc()
    return result


class _Build:
    """One call of `build`, `compact` or `tune`, step by step."""

    def __init__(
        self, config: IndexConfig, instance: "Instance", warehouse: Warehouse, prefix: str, full: bool
    ) -> None:
        self.config, self.warehouse, self.full = config, warehouse, full
        self._instance, self._prefix = instance, prefix
        # A build that finds nothing to do loads no model.
        self.kind = wanted_kind(warehouse, config, lambda: open_encoder(config.encoder))
        self.seconds: dict[str, float] = {}
        self.shards: dict[str, dict[str, Any]] = {}
        self.retired: tuple[str, ...] = ()
        self.left: tuple[str, ...] = ()
        self.intake = Intake()
        self.accepted: tuple[str, ...] = ()

    @cached_property
    def runs(self) -> "RecordedRuns":
        """The runs of this build; asked for once one has to be made."""
        from xtr_assets.defs.recorded_runs import RecordedRuns

        refuse_narrow_build()
        return RecordedRuns(self.config, self._instance, self._prefix, self.full)

    def close(self) -> None:
        """Sync what was recorded, where something was."""
        if "runs" in self.__dict__:
            self.runs.close()

    def build(self, accept_shrink: Sequence[str], why: str | None, again_reason: str | None) -> BuildResult:
        if accept_shrink:
            from xtr_assets.pipeline.gate.nothing_vanished import accept, check_sources

            check_sources(self.config, accept_shrink)
        forget_encodings(self.warehouse)
        with self._timed("scan"):
            scans = list(scan(self.warehouse, self.config))
            note_unchanged(self.warehouse, scans)
            serving = self.warehouse.published
            before = () if serving is None else serving.manifest.snapshots
            self.retired = tuple(sorted(set(before) - {one.shard for one in scans}))
            if self.retired:
                from xtr_assets.pipeline.gate.source_stock import source_name

                # A source that is cut otherwise has other shards, and is there.
                self.left = tuple(sorted(set(map(source_name, self.retired)).difference(self.config.known_sources)))
        with self._timed("ingest"):
            self.shards = {one.shard: self._ingest(one, reason) for one in scans if (reason := self._due(one))}
        self.intake = intake_of(self.warehouse, self.config)
        if accept_shrink:
            self.accepted = tuple(accept(self.warehouse, self.config, accept_shrink, why))
        want = wanted(self.warehouse, self.config, self.kind.fingerprint)
        if again_reason is not None:
            want.allow_again(self.warehouse, again_reason)
        decision = decide(self.warehouse, self.config, want, again=True)
        if not (decision.build or self.full):
            return self._nothing(decision.reason)
        if self.full:
            return self._generation("rebuild", "built in full")
        if decision.cause:
            return self._generation("retrain", decision.reason, decision.cause)
        result = self._generation("rebuild", decision.reason)
        found = None if result.ok else refused_for_training(self.warehouse, self.config, self.warehouse.published)
        if found is None or found.draft.number != result.built:
            return result
        refused = RefusedBuild(found.draft.number, found.cause, result.failed)
        reason = f"draft {refused.built} was refused: {refused.cause}"
        return replace(self._generation("retrain", reason, found.cause), refused=refused)

    def compact(self, erase: bool) -> BuildResult:
        if erase and any(map(self._due, scan(self.warehouse, self.config))):
            # What was deleted since is live until it is ingested, and would seem to be erased. What is written to all
            # the time changes after that too: nothing of it was deleted when somebody asked.
            built = self.build((), None, None)
            if not built.ok:
                return built
        want = wanted(self.warehouse, self.config, self.kind.fingerprint)
        found = compaction_due(self.warehouse, want, erase=erase)
        if erase and not found.possible:
            raise GenerationError(f"what was deleted cannot be erased yet: {found.reason}; `xtr-assets build` first")
        if not found.due:
            return self._nothing(found.reason)
        return self._generation("compact", found.reason, erase=erase)

    def tune(self) -> BuildResult:
        wanted(self.warehouse, self.config, self.kind.fingerprint)
        return self._generation("tune", "profiles are found anew")

    def _nothing(self, reason: str) -> BuildResult:
        serving = self.warehouse.published
        return BuildResult(
            generation=None if serving is None else serving.number,
            built=None,
            published=False,
            reason=f"nothing to do: {reason}",
            live_rows=0 if serving is None else serving.live_rows,
            shards=self.shards,
            retired=self.retired,
            left=self.left,
            intake=self.intake,
            accepted=self.accepted,
            seconds=self.seconds,
        )

    def _generation(self, job: str, reason: str, cause: str = "", *, erase: bool = False) -> BuildResult:
        from xtr_assets.defs.recorded_runs import raise_failure, step_seconds

        with self._timed(job):
            result = self.runs.generation(job, cause, erase=erase)
        draft = draft_of(self.warehouse, result.run_id)
        checks = () if draft is None else _failed(draft, self.config)
        # A check that only warns refuses nothing: what failed is a step.
        if not any(check.blocking for check in checks):
            raise_failure(result, self.runs.raised)
        assert draft is not None
        serving = self.warehouse.published
        return BuildResult(
            generation=None if serving is None else serving.number,
            built=draft.number,
            published=draft.state == "published",
            reason=reason,
            live_rows=draft.live_rows,
            failed=checks,
            unmade=() if draft.state == "published" else tuple(unmade(draft.manifest, draft.manifest.required)),
            costs=dict(draft.manifest.notes.get(COSTS_NOTE, {})),
            shards=self.shards,
            retired=self.retired,
            left=self.left,
            intake=self.intake,
            accepted=self.accepted,
            seconds={**self.seconds, **step_seconds(result)},
        )

    def _due(self, one: ShardScan) -> str:
        """Why a shard has to be ingested; empty where it has not."""
        if self.full:
            return "built in full"
        return due(self.warehouse, one, self.kind)

    def _ingest(self, one: ShardScan, reason: str) -> dict[str, Any]:
        return {"reason": reason, **self.runs.ingest(one.shard)}

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        started = perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = round(perf_counter() - started, 3)


def draft_of(warehouse: Warehouse, run_id: str) -> Generation | None:
    """The generation that a run began, published or not; None where it did not come so far."""
    found = [one for one in warehouse.generations() if one.manifest.run_id == run_id]
    return found[-1] if found else None


def _failed(generation: Generation, config: IndexConfig) -> tuple[FailedCheck, ...]:
    from xtr_assets.pipeline.gate.registry import required_checks

    required = required_checks(config)
    return tuple(
        FailedCheck(
            record.name, record.value, record.threshold, record.name in required, sentence(record), remedy(record)
        )
        for record in generation.check_results()
        if not record.passed
    )
