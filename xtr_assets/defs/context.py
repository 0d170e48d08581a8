"""What every asset and check of one index shares: its config, its names, and how to get at warehouse and draft."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import dagster as dg

from xtr_assets.config import IndexConfig
from xtr_assets.defs.names import Names
from xtr_assets.encoders.base import Encoder
from xtr_assets.pipeline.cost_report import bytes_written
from xtr_assets.pipeline.costs import Step, step
from xtr_assets.pipeline.plan.decide import add_cost, continued, parent_of, same_encoder
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.warehouse import Warehouse

# How long a step waits for another writer: longer than encoding a large shard between two of its writes takes, short
# enough that a forgotten writer is found the same day.
LOCK_WAIT_SECONDS = 3600.0

# A run with this tag takes nothing over: every file is chunked again, indexes are trained anew, exact neighbours are
# computed over all rows. Texts that are encoded stay encoded.
AFRESH_TAG = "xtr-assets/afresh"

# A run with this tag writes segments anew before its generation is begun.
COMPACT_TAG = "xtr-assets/compact"

# A run with this tag finds the profiles of both indexes anew, whatever the parent's were.
TUNE_TAG = "xtr-assets/tune"

# Steps of one run share opened indexes and the loaded encoder; a process of its own for each took 7.7 s a step.
EXECUTOR = dg.in_process_executor

StepContext = dg.AssetExecutionContext | dg.AssetCheckExecutionContext
Context = StepContext | dg.OpExecutionContext | dg.SensorEvaluationContext | dg.ScheduleEvaluationContext


@dataclass(frozen=True, slots=True)
class Site:
    """One index in Dagster."""

    config: IndexConfig
    names: Names

    def warehouse(self, context: Context) -> Warehouse:
        """The warehouse of the context's resources."""
        opened: Warehouse = getattr(context.resources, self.names.warehouse).open()
        return opened

    def encoder(self, context: Context) -> Encoder:
        """The encoder of the context's resources."""
        opened: Encoder = getattr(context.resources, self.names.encoder).open()
        return opened

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
        with warehouse.lock(f"{purpose} of {self.config.name}, run {context.run.run_id}", LOCK_WAIT_SECONDS):
            yield warehouse

    @contextmanager
    def draft(self, context: StepContext, purpose: str) -> Iterator[tuple[Warehouse, Draft]]:
        """The draft this run works on, with the writer lock held."""
        with self.writing(context, purpose) as warehouse:
            yield warehouse, continued(warehouse, context.run.run_id)

    @contextmanager
    def costed(self, context: StepContext, name: str, purpose: str) -> Iterator[tuple[Warehouse, Draft, Step]]:
        """The draft as in `draft`, with what is done to it kept in its manifest as the cost of the step `name`."""
        with self.draft(context, purpose) as (warehouse, draft):
            parent, before = parent_of(warehouse, draft), set(draft.manifest.files)
            with step(name) as cost:
                yield warehouse, draft, cost
            cost.count(bytes=bytes_written(draft, parent, before))
            add_cost(draft, name, cost.report())

    def afresh(self, context: StepContext) -> bool:
        """Whether this run was asked to take nothing over."""
        return context.run.tags.get(AFRESH_TAG) == "true"

    def compacting(self, context: StepContext) -> bool:
        """Whether this run was asked to compact."""
        return context.run.tags.get(COMPACT_TAG) == "true"

    def tuning(self, context: StepContext) -> bool:
        """Whether this run was asked to tune."""
        return context.run.tags.get(TUNE_TAG) == "true"

    def carried(self, context: StepContext, warehouse: Warehouse, draft: Draft) -> Generation | None:
        """The parent whose indexes and neighbours the draft's can be derived from; None where they are made anew."""
        return None if self.afresh(context) else same_encoder(parent_of(warehouse, draft), draft)

    def asset(
        self,
        name: str,
        group: str,
        kinds: set[str],
        description: str,
        *,
        deps: Sequence[str] = (),
        encoder: bool = False,
        partitions: dg.DynamicPartitionsDefinition | None = None,
        checks: Sequence[dg.AssetCheckSpec] = (),
        optional: bool = False,
    ) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
        """`dagster.asset` with what all assets of the index have in common; `deps` are asset names.

        One that is `optional` may yield nothing: what depends on it is skipped then, and the run ends well.
        """
        decorate: Callable[[Callable[..., Any]], dg.AssetsDefinition] = dg.asset(
            key=self.names.key(name),
            group_name=self.group(group),
            kinds=kinds,
            description=description,
            deps=self.names.keys(deps),
            required_resource_keys=self.needs_encoder if encoder else self.needs_warehouse,
            partitions_def=partitions,
            check_specs=checks,
            output_required=not optional,
        )
        return decorate

    def check(
        self,
        name: str,
        asset: str,
        description: str,
        *,
        blocking: bool = True,
        deps: Sequence[str] = (),
    ) -> Callable[[Callable[..., Any]], dg.AssetChecksDefinition]:
        """`dagster.asset_check` of an asset of this index; `deps` are names of assets it reads besides."""
        decorate: Callable[[Callable[..., Any]], dg.AssetChecksDefinition] = dg.asset_check(
            name=name,
            asset=self.names.key(asset),
            description=description,
            blocking=blocking,
            additional_deps=self.names.keys(deps),
            required_resource_keys=self.needs_warehouse,
        )
        return decorate

    def group(self, name: str) -> str:
        """The group of assets as the UI shows it."""
        return f"{self.config.name}_{name}"
