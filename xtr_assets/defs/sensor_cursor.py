"""The cursor of a sensor, kept from tick to tick: the runs it asked for, the attempts, and what it saw once."""

from collections import Counter
from collections.abc import Sequence
from typing import Self

import dagster as dg
from pydantic import BaseModel, ConfigDict

from xtr_assets.defs.context import INDEX_TAG, KIND_TAG
from xtr_assets.defs.jobs import GENERATIONS
from xtr_assets.defs.liveness import PROCESS_TAG, QUIET_SECONDS, is_gone
from xtr_assets.defs.names import CORPUS, DERIVED, POINTER_JOBS, Names
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.run_mark import read_mark

# After a run that failed the same work is asked for again, four times at most: after 2, 8, 32 and 128 minutes. What
# fails five times needs a person, or other content.
RETRIES, FIRST_WAIT_SECONDS, WAIT_FACTOR = 4, 120.0, 4.0

# What Dagster calls the job of assets that were selected by hand.
IMPLICIT_JOB = "__ASSET_JOB"

IN_PROGRESS = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
# A run that began, or was asked for, so long ago, and whose mark no process holds, died with its machine; nobody told
# Dagster, which says when a run began and not whether it is at work.
DEAD_SECONDS = 6 * 3600.0


# On each run that a sensor asked for: which sensor, and the number of its request. They are for the next cursor alone:
# Dagster's lists of runs have a line for each tag of a run but those that begin so. Runs of before have the others.
SENSOR_TAG, SEQUENCE_TAG = ".dagster/xtr-assets-sensor", ".dagster/xtr-assets-sequence"
_TAGS_BEFORE = ("xtr-assets/asked-by", "xtr-assets/sequence")
# So many of the latest runs of a sensor are looked at for the highest number; they end in another order than asked.
LATEST_RUNS = 50


# What runs of other jobs are to materialize, by run, for the next looks of this process: a deployment with hundreds of
# them in progress is asked once for each, not every few seconds.
MOST_PLANS = 10_000
_plans: dict[str, frozenset[dg.AssetKey]] = {}


class Asked(BaseModel):
    """Work that was asked for: its content, how often, and when last (seconds since the epoch)."""

    model_config = ConfigDict(frozen=True)

    content: str
    times: int
    at: float

    def again_at(self) -> float:
        """When the same content may be asked for once more; infinity where it was asked for often enough."""
        if self.times > RETRIES:
            return float("inf")
        return self.at + FIRST_WAIT_SECONDS * WAIT_FACTOR ** (self.times - 1)


class Memory(BaseModel):
    """The cursor. `sequence` counts requests, so that the same content is a new run when it comes back later.
    `changing`: since when (seconds since the epoch) what no look saw twice alike has been changing. `told`: what was
    wrong at the look before, which is in the log already. `announced`: the generation of which Dagster knows
    that it serves."""

    model_config = ConfigDict(frozen=True)

    sequence: int = 0
    seen: dict[str, str] = {}
    asked: dict[str, Asked] = {}
    changing: dict[str, float] = {}
    told: tuple[str, ...] = ()
    announced: int = 0

    @classmethod
    def of(cls, cursor: str | None, instance: dg.DagsterInstance, sensor: str) -> Self:
        """Read a cursor. One that is lost, or that another release wrote and cannot be read, begins after the last
        request that the runs of the sensor tell of: Dagster answers a key that was used with the run that is there."""
        try:
            if cursor:
                return cls.model_validate_json(cursor)
        except ValueError:
            pass
        used = [
            int(run.tags[number])
            for asked_by, number in ((SENSOR_TAG, SEQUENCE_TAG), _TAGS_BEFORE)
            for run in instance.get_runs(dg.RunsFilter(tags={asked_by: sensor}), limit=LATEST_RUNS)
        ]
        return cls(sequence=max(used, default=-1) + 1)

    def news(self, messages: Sequence[str]) -> tuple[list[str], "Memory"]:
        """(those of `messages` that the look before did not have, each once; the memory that knows them).

        What a tick logs is a file in DAGSTER_HOME that Dagster never removes: a source that is away for a week is told
        of once there, and at each tick in its own line, which Dagster purges.
        """
        told = tuple(dict.fromkeys(messages))
        return [one for one in told if one not in self.told], self.model_copy(update={"told": told})

    def request(self, sensor: str) -> dict[str, str]:
        """The tags of the request that this memory was about to make."""
        return {SENSOR_TAG: sensor, SEQUENCE_TAG: str(self.sequence)}

    def ask(self, name: str, content: str, now: float) -> tuple["Memory", str] | None:
        """(the memory after asking, the run key), or None where this content was asked for and has to wait."""
        before = self.asked.get(name)
        times = 1
        if before is not None and before.content == content:
            # What was asked for in the future was so by a clock that was set back.
            if before.times > RETRIES or before.at <= now < before.again_at():
                return None
            times = before.times + 1
        after = self.model_copy(
            update={
                "sequence": self.sequence + 1,
                "asked": {**self.asked, name: Asked(content=content, times=times, at=now)},
            }
        )
        # A tick that dies before its cursor is kept asks again with the same key, which Dagster answers with the run
        # that is there.
        return after, f"{name}:{content[:16]}:{self.sequence}"


def in_progress(
    instance: dg.DagsterInstance, layout: Layout, names: Names, assets: Sequence[str], now: float
) -> list[dg.DagsterRun]:
    """Runs that have not ended and materialize one of these assets, or execute checks of one alone, or move the pointer
    (`published`), whether a sensor, a person or a script began them; dead ones are left out. layout : where the runs
    leave their marks."""
    keys = set(names.keys(assets))
    records = instance.get_run_records(dg.RunsFilter(statuses=IN_PROGRESS))
    mine = [one for one in records if _materializes(instance, one.dagster_run, names, keys)]
    alive = [one for one in mine if not is_gone(one.dagster_run.tags.get(PROCESS_TAG, ""))]
    return [one.dagster_run for one in alive if _may_live(layout, one, now)]


def at_work(instance: dg.DagsterInstance, layout: Layout, names: Names, now: float) -> str:
    """The words for what changes the shards or builds a generation and has not ended; empty where nothing does."""
    assets = (*CORPUS, *DERIVED)
    if running := in_progress(instance, layout, names, assets, now):
        return unended(running)
    # Between two runs of a backfill, while the next one waits for Dagster's daemon, none is in progress.
    keys = set(names.keys(assets))
    for any_backfill in instance.get_backfills(limit=1):
        # By status: one that takes days has many later ones, and each is large. The names of states are not public.
        requested = type(any_backfill.status)("REQUESTED")
        for one in instance.get_backfills(status=requested):
            if keys.intersection(one.asset_selection or ()):
                return f"backfill {one.backfill_id} has not ended"
    return ""


def unended(runs: Sequence[dg.DagsterRun]) -> str:
    """The words for runs that are waited for: "2 runs of ingest and 1 of selected assets have not ended"."""
    counts = Counter("selected assets" if run.job_name == IMPLICIT_JOB else run.job_name for run in runs)
    (job, number), *others = counts.most_common()
    told = [f"{number} {'run' if number == 1 else 'runs'} of {job}", *(f"{count} of {name}" for name, count in others)]
    return f"{' and '.join(told)} {'has' if len(runs) == 1 else 'have'} not ended"


def _may_live(layout: Layout, record: dg.RunRecord, now: float) -> bool:
    """Whether a run waits in Dagster's queue, where nothing of it can die, or began not long ago, or some process
    executes it now: a first ingest takes days."""
    if record.dagster_run.status == dg.DagsterRunStatus.QUEUED:
        return True
    if now - record.update_timestamp.timestamp() < DEAD_SECONDS:
        return True
    mark = read_mark(layout, record.dagster_run.run_id)
    # Between two steps nobody holds it.
    return mark is not None and (mark.held or now - mark.at <= QUIET_SECONDS)


def _materializes(instance: dg.DagsterInstance, run: dg.DagsterRun, names: Names, keys: set[dg.AssetKey]) -> bool:
    if run.asset_selection:
        return bool(keys & run.asset_selection)
    # A job of ours runs all its assets, whatever prefix the shell or the project asked for it under; the job without a
    # name, all assets of the project.
    moves = dict.fromkeys(POINTER_JOBS, ("published",))
    jobs = {"ingest": CORPUS, **dict.fromkeys(GENERATIONS, DERIVED), **moves}
    kind = run.tags.get(KIND_TAG) if run.tags.get(INDEX_TAG) == names.index else None
    for job, assets in jobs.items():
        if kind == job or run.job_name == names.named(job):
            return bool(keys & set(names.keys(assets)))
    if run.job_name == IMPLICIT_JOB:
        # One of checks alone materializes nothing; those of the index look at its draft.
        checks = run.asset_check_selection
        return not checks or any(one.asset_key in keys for one in checks)
    # A job of the project's own may have ours among its assets.
    return bool(keys & _planned(instance, run))


def _planned(instance: dg.DagsterInstance, run: dg.DagsterRun) -> frozenset[dg.AssetKey]:
    """The assets that a run is to materialize, which Dagster notes as it makes the run and before it is queued."""
    if (known := _plans.get(run.run_id)) is not None:
        return known
    logs = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED)
    events = (one.dagster_event for one in logs)
    found = frozenset(event.asset_key for event in events if event is not None and event.asset_key is not None)
    if run.status != dg.DagsterRunStatus.NOT_STARTED:
        if len(_plans) >= MOST_PLANS:
            _plans.clear()
        _plans[run.run_id] = found
    return found
