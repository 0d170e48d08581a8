"""Runs of a build in the Dagster instance: executed in this process, recorded, and read.

Imported once there is something to do: Dagster takes half a second to import.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

import dagster as dg

from xtr_assets.config import IndexConfig
from xtr_assets.core.errors import XtrAssetsError
from xtr_assets.defs.context import AFRESH_TAG, CAUSE_TAG, COMPACT_TAG, ERASE, TRACE_TAG
from xtr_assets.defs.event_log import events_synced_at_the_end
from xtr_assets.defs.factory import build_index_defs
from xtr_assets.defs.held_signals import signals_delivered
from xtr_assets.defs.liveness import PROCESS_TAG, this_process
from xtr_assets.defs.names import Names
from xtr_assets.telemetry.tracing import traceparent

# Dagster writes a line for every event to standard error, in two colours; who builds from a terminal wants the bars.
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

# What a build tells of each shard it ingested.
SHARD_COUNTS = ("files", "files_touched", "added", "changed", "deleted", "kept", "quarantined", "encoded", "reused")

# An instance, or what opens it once a run has to be recorded.
Instance = dg.DagsterInstance | Callable[[], dg.DagsterInstance]


def opened(instance: Instance) -> dg.DagsterInstance:
    """The instance itself."""
    return instance if isinstance(instance, dg.DagsterInstance) else instance()


class RecordedRuns:
    """The runs of one build of an index. Closed by whoever made it: events are synced to the disk then."""

    def __init__(self, config: IndexConfig, instance: Instance, prefix: str, full: bool) -> None:
        with ExitStack() as stack:
            stack.enter_context(events_synced_at_the_end())
            # Where it cannot be opened nobody holds this object, and nobody closes it.
            self.instance, self.names, self.full = opened(instance), Names(config.name, prefix), full
            self.defs = build_index_defs(config, prefix)
            self._closing = stack.pop_all()
        self.raised: dict[str, BaseException] = {}

    def close(self) -> None:
        """Sync the events, and leave SQLite as it was."""
        self._closing.close()

    def ingest(self, shard: str) -> dict[str, Any]:
        """Ingest a shard; what it reports of its chunks. Raises what a step raised."""
        result = self._execute("ingest", {}, partition_key=shard)
        raise_failure(result, self.raised)
        report: dict[str, Any] = {}
        for event in result.get_asset_materialization_events():
            metadata = event.materialization.metadata
            report |= {name: metadata[name].value for name in SHARD_COUNTS if name in metadata}
        return report

    def generation(self, job: str, cause: str, *, erase: bool = False) -> dg.ExecuteInProcessResult:
        """The run of a job that makes a generation; `cause` : why its indexes are trained anew, "" where they are
        not. erase : a compaction leaves out every dead row."""
        return self._execute(job, {**({CAUSE_TAG: cause} if cause else {}), **({COMPACT_TAG: ERASE} if erase else {})})

    def _execute(self, job: str, more: Mapping[str, str], **options: Any) -> dg.ExecuteInProcessResult:
        parent = traceparent()
        traced = {} if parent is None else {TRACE_TAG: parent}
        tags = {PROCESS_TAG: this_process(), **({AFRESH_TAG: "true"} if self.full else {}), **traced, **more}
        self.raised = {}
        job_of_index = self.defs.resolve_job_def(self.names.named(job)).with_hooks({kept_errors(self.raised)})
        with signals_delivered():
            return job_of_index.execute_in_process(
                instance=self.instance, run_config=QUIET, raise_on_error=False, tags=tags, **options
            )


def raise_failure(result: dg.ExecuteInProcessResult, raised: Mapping[str, BaseException]) -> None:
    """Raise what the first failed step raised: `raised` by step. An error of ours tells a person what to do and is
    raised as it is; of any other the step and the run are told with it."""
    failures = [event for event in result.all_events if event.is_step_failure]
    if not failures:
        if not result.success:
            raise XtrAssetsError(f"run {result.run_id} failed before its first step; see the run in Dagster's UI")
        return
    step = str(failures[0].step_key)
    error = raised.get(step)
    if isinstance(error, XtrAssetsError):
        raise error
    where = f"step {step} of run {result.run_id}"
    if error is None:
        raise XtrAssetsError(f"{where} failed; see the run in Dagster's UI")
    raise XtrAssetsError(f"{where}: {type(error).__name__}: {error}") from error


def kept_errors(raised: dict[str, BaseException]) -> dg.HookDefinition:
    """A hook that keeps what steps of a run in this process raised, by step: Dagster's events hold its text only."""

    @dg.failure_hook(name="keep_error")
    def keep(context: dg.HookContext) -> None:
        error = context.op_exception
        while isinstance(error, dg.DagsterError) and error.__cause__ is not None:
            error = error.__cause__
        if error is not None:
            raised[context.step_key] = error

    return keep


def step_seconds(result: dg.ExecuteInProcessResult) -> dict[str, float]:
    """Wall seconds of each step of the run, by its name without the index'."""
    seconds = {}
    for event in result.all_events:
        if event.is_step_success and event.step_key is not None:
            name = event.step_key.partition("__")[2] or event.step_key
            seconds[name] = round(event.step_success_data.duration_ms / 1000, 3)
    return seconds
