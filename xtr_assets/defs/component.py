"""`xtr_assets.RetrievalIndex`: an index as a component of any Dagster project, configured in its defs.yaml."""

import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import dagster as dg
from pydantic import BaseModel, Field, ValidationError

from xtr_assets.config import IndexConfig
from xtr_assets.config.component_file import INDEX_FIELDS, component_index, component_prefix, nothing
from xtr_assets.config.dagster_project import DagsterProject
from xtr_assets.core.errors import ConfigError
from xtr_assets.core.field_problem import problems
from xtr_assets.defs.attribute_schema import attribute_schema
from xtr_assets.defs.code_links import with_file
from xtr_assets.defs.component_scaffolder import IndexScaffolder
from xtr_assets.defs.factory import build_index_defs
from xtr_assets.defs.schedules import COLLECT_AT, COMPACT_AT, EVALUATE_AT, VERIFY_AT, Nights

# Field -> the sensor that it is about.
SENSORS = {"ingest": "source_changes", "rebuild": "automation", "retrain": "drift"}


class Schedules(dg.Resolvable, dg.Model):
    """When the upkeep runs, as cron expressions; null leaves one out."""

    evaluation: Annotated[str | None, Field(description="Quality over judged queries, where there are some.")] = (
        EVALUATE_AT
    )
    compaction: Annotated[str | None, Field(description="Small segments merged, dead rows left out.")] = COMPACT_AT
    verification: Annotated[str | None, Field(description="Every byte that serves, against its sha256.")] = VERIFY_AT
    collection: Annotated[str | None, Field(description="Old generations removed.")] = COLLECT_AT
    timezone: Annotated[str, Field(description="A name like Europe/Berlin.")] = "UTC"


class Automation(dg.Resolvable, dg.Model):
    """Which sensors ask for runs from the start; each can be started and stopped in the UI."""

    ingest: Annotated[bool, Field(description="A run for each shard whose files changed.")] = True
    rebuild: Annotated[bool, Field(description="The next generation once all changed shards are in.")] = True
    retrain: Annotated[bool, Field(description="Indexes trained anew where they drifted.")] = True


Tags = dict[str, Any]


class RunTags(dg.Resolvable, dg.Model):
    """Tags for the runs of each job, which a launcher or the queue reads: a queue, limits of memory, a priority."""

    ingest: Annotated[Tags | None, Field(description="Chunks and vectors of one shard.")] = None
    rebuild: Annotated[Tags | None, Field(description="From the draft to the pointer.")] = None
    retrain: Annotated[Tags | None, Field(description="The same with nothing taken over.")] = None
    compact: Annotated[Tags | None, Field(description="Segments merged.")] = None
    tune: Annotated[Tags | None, Field(description="Search profiles found anew.")] = None
    evaluate: Annotated[Tags | None, Field(description="Quality of what serves.")] = None
    publish: Annotated[Tags | None, Field(description="A generation that a person names; the move of parts.")] = None
    rollback: Annotated[Tags | None, Field(description="The pointer moved back.")] = None
    withdraw: Annotated[Tags | None, Field(description="A generation that is never to serve again.")] = None
    collect: Annotated[Tags | None, Field(description="Old generations removed.")] = None
    verify: Annotated[Tags | None, Field(description="Every byte that serves.")] = None
    remove_part: Annotated[Tags | None, Field(description="Of an index of parts: a part taken out of it.")] = None
    train_head: Annotated[Tags | None, Field(description="A head of late interaction.")] = None

    def given(self) -> dict[str, Tags]:
        """Those of jobs that have any. Raises ConfigError for a tag whose template came to nothing: no queue is called
        null."""
        found = {job: tags for job in type(self).model_fields if (tags := getattr(self, job))}
        empty = [f"run_tags.{job}.{tag}" for job, tags in found.items() for tag, value in tags.items() if value is None]
        if empty:
            raise ConfigError(f"attributes.{empty[0]} is nothing here; set what its template names, or remove the tag")
        return found


class Look(dg.Resolvable, dg.Model):
    """What a component has beside the configuration of its index."""

    config: Annotated[str | None, Field(description="An xtr.yaml that holds the fields of the index.")] = None
    prefix: Annotated[
        str | None, Field(description="Before the names of jobs, sensors, schedules and resources; NAME_ by default.")
    ] = None
    owners: Annotated[tuple[str, ...], Field(description="Addresses, or team:NAME, of every asset.")] = ()
    tags: Annotated[dict[str, str | int | float | bool] | None, Field(description="Tags of every asset.")] = None
    group: Annotated[str | None, Field(description="The group of the assets; the index' name by default.")] = None
    schedules: Schedules = Schedules()
    automation: Automation = Automation()
    run_tags: RunTags = RunTags()


@dg.scaffold_with(IndexScaffolder)
class RetrievalIndex(dg.Component, Look):
    """A search index over documents: built by delta, gated by recall, published by pointer.

    The fields of an xtr.yaml stand here as they are, or `config` names the file. Relative paths are taken from the
    folder of the defs.yaml; `{{ context.project_root }}` is the project's.
    """

    # The fields of xtr.yaml: templates are resolved first, then they are checked as a configuration is.
    name: Any = None
    warehouse: Any = None
    parts: Any = None
    sources: Any = None
    encoder: Any = None
    recall: Any = None
    gate: Any = None
    queries: Any = None
    query_log: Any = None
    dense: Any = None
    upkeep: Any = None

    @classmethod
    def get_spec(cls) -> dg.ComponentTypeSpec:
        """What `dg list components` says."""
        return dg.ComponentTypeSpec(
            description="A search index (dense, late interaction, lexical) over documents, gated and published.",
            tags=["search", "retrieval"],
            produces=["asset", "asset_check", "job", "schedule", "sensor", "resource"],
        )

    @classmethod
    def model(cls) -> type[BaseModel]:
        """The attributes as `dg check yaml` and editors know them: with every field of the configuration."""
        return _described(super().model())

    @classmethod
    def resolve_from_model(cls, context: dg.ResolutionContext, model: BaseModel) -> "RetrievalIndex":
        """The component of attributes. What is wrong in them is told with the line it stands in."""
        made: RetrievalIndex = super().resolve_from_model(context, model)
        for name in ("config", *INDEX_FIELDS):
            if getattr(model, name) is not None and getattr(made, name) is None:
                raise ConfigError(nothing(f"attributes.{name}", getattr(model, name)))
        if made.config is None:
            inline = {**made.inline(), "name": made.name or "docs"}
            try:
                IndexConfig.model_validate(inline)
            except ValidationError as error:
                raise ConfigError(_told(context, error)) from None
        return made

    def inline(self) -> dict[str, Any]:
        """The fields of the configuration that were given."""
        return {name: value for name in INDEX_FIELDS if (value := getattr(self, name)) is not None}

    def index(self, folder: Path, project: DagsterProject | None = None, origin: str = "defs.yaml") -> IndexConfig:
        """The configuration; relative paths from `folder`. ConfigError where a value is one that Dagster reads at run
        time."""
        values = {**self.inline(), "config": self.config}
        _refuse_deferred(values, "attributes")
        return component_index(values, folder, project, origin)

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Assets, checks, jobs, sensors, schedules and resources of the index."""
        folder = context.path if context.path.is_dir() else context.path.parent
        config = self.index(folder, DagsterProject(context.project_root, context.defs_module_path))
        prefix = component_prefix({"prefix": self.prefix}, config)
        nights = Nights(**self.schedules.model_dump())
        running = [SENSORS[name] for name, wanted in self.automation.model_dump().items() if wanted]
        tags = self.run_tags.given()
        return build_index_defs(config, prefix, nights, running, lambda spec: self._shown(spec, folder), run_tags=tags)

    def _shown(self, spec: dg.AssetSpec, folder: Path) -> dg.AssetSpec:
        """An asset with what the component says of all of its assets."""
        tags = {name: str(value) for name, value in (self.tags or {}).items()}
        made = spec.merge_attributes(owners=list(self.owners), tags=tags)
        if self.group is not None:
            made = made.replace_attributes(group_name=self.group)
        return made if self.config is None else with_file(made, folder / Path(self.config).expanduser())


@cache
def _described(derived: type[BaseModel]) -> type[BaseModel]:
    """The model with the schema of the configuration in place of fields that may be anything."""

    class Attributes(derived):  # type: ignore[valid-type, misc]
        @classmethod
        def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> dict[str, Any]:
            return attribute_schema(Look.model_json_schema())

    return Attributes


def _told(context: dg.ResolutionContext, error: ValidationError) -> str:
    """Each fault in our words, with the lines of the file around it where the file is known."""
    # Of a union each alternative is listed as a fault of its own, with its name in the place.
    by_place: dict[tuple[str | int, ...], list[dict[str, Any]]] = {}
    for fault in error.errors():
        place = tuple(part for part in fault["loc"] if re.fullmatch(r"\w+", str(part)))
        by_place.setdefault(place, []).append({**fault, "loc": place})
    parts = []
    for place, faults in by_place.items():
        said = problems(faults)
        tree = context.source_position_tree
        if tree is not None:
            path = [*context.path, *place]
            found = tree.source_error(yaml_path=path, inline_error_message=said, value_error=True)
            said = f"{found.file_name}:{found.start_line_no} - {found.location}\n{found.snippet}\n{said}"
        parts.append(said)
    return "\n".join(parts)


def _refuse_deferred(value: Any, place: str) -> None:
    """Raise ConfigError for a `dg.EnvVar`. Where it is taken for a text it is the name of its variable: a model of that
    name would be looked for."""
    if isinstance(value, dg.EnvVar):
        variable = value.env_var_name
        raise ConfigError(
            f"`{place}` is EnvVar({variable!r}), which Dagster reads when a run begins, and an index is configured as "
            f'definitions are loaded; give os.environ["{variable}"], or {{{{ env.{variable} }}}} in a defs.yaml'
        )
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    for name, one in parts:
        _refuse_deferred(one, f"{place}.{name}")
