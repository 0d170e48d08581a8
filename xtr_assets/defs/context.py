"""What every asset and check of one index shares: its config, its names, and how to get at warehouse and draft."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, TypeVar

import dagster as dg

from xtr_assets.config import IndexConfig
from xtr_assets.core.errors import ConfigError, WarehouseLocked
from xtr_assets.defs.asked_run import runs_of
from xtr_assets.defs.definition_metadata import definition_metadata
from xtr_assets.defs.names import Names
from xtr_assets.defs.part_resources import PartSetResource
from xtr_assets.defs.resources import EncoderResource, WarehouseResource
from xtr_assets.defs.upstream_assets import DagsterReader
from xtr_assets.encoders.base import Encoder
from xtr_assets.pipeline.cost_report import costed_step
from xtr_assets.pipeline.costs import Step
from xtr_assets.pipeline.gate.gate_check import LEG_OF_ASSET
from xtr_assets.pipeline.plan.decide import continued
from xtr_assets.pipeline.plan.draft_session import DraftSession, session_of, standing_draft
from xtr_assets.sources.asset_reader import has_assets, lending, lent_reader
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets.telemetry.tracing import below

# How long a step waits for another writer: longer than encoding a large shard between two of its writes takes, short
# enough that a forgotten writer is found the same day.
LOCK_WAIT_SECONDS = 3600.0

# A run with this tag takes nothing over: every file is chunked again, indexes are trained anew, exact neighbours are
# computed over all rows. Texts that are encoded stay encoded.
AFRESH_TAG = "xtr-assets/afresh"

# A run with this tag writes segments anew before its generation is begun.
COMPACT_TAG = "xtr-assets/compact"
# Its value where every dead row is to go; "true" otherwise.
ERASE = "erase"

# A run with this tag finds the profiles of both indexes anew, whatever the parent's were.
TUNE_TAG = "xtr-assets/tune"

# On every run of a job of ours: the index, and what the job is called without a prefix.
INDEX_TAG, KIND_TAG = "xtr-assets/index", "xtr-assets/kind"

# On every run that was asked for while somebody listens to spans: what its steps are below.
TRACE_TAG = "xtr-assets/traceparent"

# Why a retrain was asked for.
CAUSE_TAG = "xtr-assets/cause"

# What the names of all of these begin with; those that ask for something, and those that only tell: a person may write
# the former by hand.
TAGS = "xtr-assets/"
ASKING = (AFRESH_TAG, COMPACT_TAG, TUNE_TAG)
TELLING = (INDEX_TAG, KIND_TAG, TRACE_TAG, CAUSE_TAG)
# Fields of `rebuild` and `publish`, which no tag stands for.
FIELDS = ("accept_shrink", "again", "force")
# How alike two names are that are one with a mistake, as difflib counts: "afersh" is 0.83, "team" beside "tune" 0.5.
ALIKE = 0.7

# Where the instance has `run_retries`, Dagster runs a job whose step failed again at once: a draft that a check refused
# is refused once more for each. The sensors ask again for what failed, later, and never for what was refused. A run
# that died is retried as everywhere. `run_tags` may say otherwise.
NO_RETRY = {"dagster/retry_on_asset_or_op_failure": "false"}

# Steps of one run share opened indexes and the loaded encoder; a process of its own for each took 7.7 s a step.
EXECUTOR = dg.in_process_executor

Own = TypeVar("Own", WarehouseResource, EncoderResource, PartSetResource)

StepContext = dg.AssetExecutionContext | dg.AssetCheckExecutionContext
Context = StepContext | dg.OpExecutionContext | dg.SensorEvaluationContext | dg.ScheduleEvaluationContext


@dataclass(frozen=True, slots=True)
class Site:
    """One index in Dagster."""

    config: IndexConfig
    names: Names
    # Tags of a deployment for the runs of a job, by its name without the prefix.
    run_tags: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def job_tags(self, job: str) -> dict[str, Any]:
        """Tags of a job's runs: those of the deployment, whose index and which job it is."""
        return {**self.run_tags.get(job, {}), INDEX_TAG: self.config.name, KIND_TAG: job}

    def warehouse(self, context: Context) -> Warehouse:
        """The warehouse of the context's resources."""
        return self._own(context, self.names.warehouse, WarehouseResource).open()

    def encoder(self, context: Context) -> Encoder:
        """The encoder of the context's resources."""
        return self._own(context, self.names.encoder, EncoderResource).open()

    def part_set(self, context: Context) -> PartSet:
        """The set of parts of the context's resources."""
        return self._own(context, self.names.parts, PartSetResource).open()

    def _own(self, context: Context, name: str, kind: type[Own]) -> Own:
        """A resource of this index. Dagster knows one namespace of them: ConfigError where another index, or the
        project, has one of its name, as when definitions are put together from lists. This index would be built in
        the other's warehouse, and what that serves would go."""
        given = getattr(context.resources, name)
        if isinstance(given, kind) and given.index in ("", self.config.name):
            return given
        whose = (
            f"is that of the index {given.index}" if isinstance(given, kind) else f"is of type {type(given).__name__}"
        )
        raise ConfigError(
            f"the resource `{name}` {whose}, and the index {self.config.name} needs its own; give each index a prefix, "
            f'`build_index_defs(config, prefix="{self.config.name}_")`, so that no two names meet'
        )

    def there(self, assets: Iterable[str]) -> tuple[str, ...]:
        """Those of the assets that the index has: none of a leg that its encoder does not give."""
        return tuple(one for one in assets if LEG_OF_ASSET.get(one) in (None, *self.config.legs))

    @property
    def needs_warehouse(self) -> set[str]:
        return {self.names.warehouse}

    @property
    def needs_encoder(self) -> set[str]:
        return {self.names.warehouse, self.names.encoder}

    @contextmanager
    def writing(self, context: StepContext, purpose: str) -> Iterator[Warehouse]:
        """The warehouse, with the writer lock held."""
        warehouse = self.warehouse(context)
        purpose = f"{purpose} of {self.config.name}, run {context.run.run_id}"
        with self.traced(context), patient(context, lambda wait: warehouse.lock(purpose, wait)):
            yield warehouse

    def traced(self, context: StepContext) -> AbstractContextManager[None]:
        """Spans inside belong to the trace of whoever asked for the run."""
        return below(context.run.tags.get(TRACE_TAG))

    @contextmanager
    def chunking(self, context: StepContext, shard: str) -> Iterator[Warehouse]:
        """The warehouse, with the lock of one shard held: shards are chunked side by side, on any number of hosts."""
        warehouse = self.warehouse(context)
        purpose = f"chunks of {shard} of {self.config.name}, run {context.run.run_id}"
        with patient(context, lambda wait: warehouse.shard_lock(shard, purpose, wait)):
            yield warehouse

    @contextmanager
    def session(self, context: StepContext, warehouse: Warehouse) -> Iterator[DraftSession]:
        """The draft that this run works on, opened once a process; the writer lock is held."""
        afresh = self.afresh(context)
        draft = standing_draft(warehouse, context.run.run_id) or self._draft(context, warehouse)
        # The step that opens the session need not be one that has the encoder; each that has it lends its own.
        lent = hasattr(context.resources, self.names.encoder)
        opener = (lambda: self.encoder(context)) if lent else None
        with session_of(warehouse, draft, self.config, afresh=afresh, encoder=opener) as session:
            yield session

    def _draft(self, context: StepContext, warehouse: Warehouse) -> Draft:
        """The draft that a run works on which has none of its own yet, or whose process has just begun.

        A run that was to begin one works on no other; one that was executed again goes on with that of the run before.
        """
        begins = any(node.name == self.names.key("generation").to_python_identifier() for node in context.job_def.nodes)
        return continued(warehouse, runs_of(context), begins=begins)

    @contextmanager
    def step(self, context: StepContext, name: str, purpose: str) -> Iterator[tuple[DraftSession, Step]]:
        """The session as in `session`, with what is done to its draft kept as the cost of the step `name`."""
        with (
            self.writing(context, purpose) as warehouse,
            self.session(context, warehouse) as session,
            costed_step(session, name) as cost,
        ):
            yield session, cost

    def upstream(self, context: StepContext | dg.SensorEvaluationContext) -> AbstractContextManager[None]:
        """Inside, sources that are assets of the project can be read."""
        if not has_assets(self.config) or lent_reader() is not None:
            return nullcontext()
        repository = _repository(context)
        where = "the definitions of this code location"
        return lending(None if repository is None else DagsterReader(repository, context.instance, where))

    def afresh(self, context: StepContext) -> bool:
        """Whether this run was asked to take nothing over."""
        return _asked(context, AFRESH_TAG, "true") == "true"

    def compacting(self, context: StepContext) -> bool:
        """Whether this run was asked to compact."""
        return _asked(context, COMPACT_TAG, "true", ERASE) in ("true", ERASE)

    def erasing(self, context: StepContext) -> bool:
        """Whether it was asked to leave out every dead row."""
        return _asked(context, COMPACT_TAG, "true", ERASE) == ERASE

    def tuning(self, context: StepContext) -> bool:
        """Whether this run was asked to tune."""
        return _asked(context, TUNE_TAG, "true") == "true"

    def idle(self, context: StepContext) -> bool:
        """Whether this run builds nothing where what serves holds what the shards hold, or somebody took that back: one
        of the job `rebuild`, which a schedule of the project's own may ask for every night. Assets that somebody
        selected are made."""
        if self.afresh(context) or self.compacting(context) or self.tuning(context):
            return False
        return context.run.tags.get(KIND_TAG) == "rebuild"

    def asset(
        self,
        name: str,
        kinds: set[str],
        description: str,
        *,
        deps: Sequence[str] = (),
        upstream: Sequence[dg.AssetDep] = (),
        encoder: bool = False,
        partitions: dg.PartitionsDefinition[str] | None = None,
        checks: Sequence[dg.AssetCheckSpec] = (),
        optional: bool = False,
    ) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
        """`dagster.asset` with what all assets of the index have in common; `deps` are names of its assets, `upstream`
        are other assets of the project.

        One that is `optional` may yield nothing: what depends on it is skipped then, and the run ends well.
        """
        decorate: Callable[[Callable[..., Any]], dg.AssetsDefinition] = dg.asset(
            key=self.names.key(name),
            group_name=self.group,
            kinds=kinds,
            metadata=definition_metadata(self.config, name),
            description=description,
            deps=[*self.names.keys(self.there(deps)), *upstream],
            required_resource_keys=self.needs_encoder if encoder else self.needs_warehouse,
            partitions_def=partitions,
            check_specs=checks,
            output_required=not optional,
        )
        return decorate

    @property
    def group(self) -> str:
        """The group of the index' assets. One for all of them: the lineage of a project that has a single group is
        drawn with its assets, that of several as closed boxes."""
        return self.config.name


@contextmanager
def patient(
    context: StepContext | dg.OpExecutionContext, lock: Callable[[float], AbstractContextManager[Any]]
) -> Iterator[None]:
    """The lock held, given how long to wait for it. Where somebody has it the run says who, before it waits."""
    with ExitStack() as stack:
        try:
            stack.enter_context(lock(0.0))
        except WarehouseLocked as error:
            context.log.info(f"{error}. This run waits up to {LOCK_WAIT_SECONDS / 60:g} minutes for that")
            stack.enter_context(lock(LOCK_WAIT_SECONDS))
        yield


def _asked(context: StepContext, tag: str, *values: str) -> str:
    """What a tag of the run says, "false" where it has none. People write tags by hand: ConfigError where it says
    something else than `values`, or another tag of the run seems to be meant for one that asks for something: that
    would be a run that did not do what it was asked for, and ended well."""
    for name in context.run.tags:
        if name.startswith(TAGS) and name not in (*ASKING, *TELLING):
            refuse_mistyped(name)
    said = str(context.run.tags.get(tag, "false"))
    if said not in ("false", *values):
        raise ConfigError(f"the tag `{tag}` of this run is {said!r}; give {', '.join(values)} or false, or remove it")
    return said


def refuse_mistyped(tag: str) -> None:
    """ConfigError for a tag whose name is nearly that of one that asks for something, or that of a field of a job."""
    word = tag.removeprefix(TAGS)
    if word.replace("-", "_").lower() in FIELDS:
        raise ConfigError(
            f"the tag `{tag}` of this run asks for nothing: in the launchpad `{word.replace('-', '_').lower()}` is a "
            "field of a step (docs/dagster.md, Without a shell)"
        )
    near = get_close_matches(word.lower(), [one.removeprefix(TAGS) for one in ASKING], 1, ALIKE)
    if near:
        raise ConfigError(f"the tag `{tag}` of this run asks for nothing; write `{TAGS}{near[0]}`, or remove it")


def _repository(context: StepContext | dg.SensorEvaluationContext) -> dg.RepositoryDefinition | None:
    """The definitions around a step or a look; None for a run that is of no code location, as one that a test begins
    by `materialize` or `execute_in_process`."""
    try:
        return context.repository_def
    except Exception:  # Dagster's own, which has no public name.
        return None
