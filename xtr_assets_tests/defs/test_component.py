"""`xtr_assets.RetrievalIndex` in a Dagster project: found, scaffolded, checked field by field, loaded twice over."""

import json
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster.components.testing import create_defs_folder_sandbox
from jsonschema import Draft202012Validator

import xtr_assets as xa
from xtr_assets.config.component_file import DAGSTER_FIELDS, INDEX_FIELDS
from xtr_assets.core.errors import ConfigError
from xtr_assets.defs.component import RetrievalIndex, RunTags
from xtr_assets.defs.component_scaffolder import IndexParameters, IndexScaffolder
from xtr_assets.defs.names import CORPUS, DERIVED

# Dagster reads a defs.yaml by means of its own that it calls beta, and that pydantic calls old.
pytestmark = pytest.mark.filterwarnings("ignore::dagster.BetaWarning", "ignore::pydantic.PydanticDeprecatedSince20")

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
SCHEMA = Draft202012Validator(RetrievalIndex.model().model_json_schema())
SMALL: dict[str, Any] = {
    "name": "small",
    "warehouse": "{{ context.project_root }}/store",
    "sources": [{"name": "pages", "kind": "text", "path": "pages", "shards": 2}],
    "encoder": {"kind": "hashing"},
}


def written(folder: Path, attributes: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "defs.yaml").write_text(yaml.safe_dump({"type": "xtr_assets.RetrievalIndex", "attributes": attributes}))
    return folder


@contextmanager
def loaded(*components: dict[str, Any]) -> Iterator[tuple[dg.Definitions, Path]]:
    """Definitions of a project with these components, and its root."""
    with create_defs_folder_sandbox() as sandbox:
        for number, attributes in enumerate(components):
            written(sandbox.defs_folder_path / f"part-{number}", attributes)
        with sandbox.build_all_defs() as defs:
            yield defs, sandbox.project_root


def test_dagster_finds_the_component_by_the_entry_point() -> None:
    points = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]["entry-points"]["dagster_dg_cli.registry_modules"]
    (module,) = points.values()
    found = [name for name in dir(import_module(module)) if hasattr(getattr(xa, name, None), "__dg_package_entry__")]
    assert (module, found) == ("xtr_assets", ["RetrievalIndex"])
    assert xa.RetrievalIndex is RetrievalIndex


def test_every_field_of_a_configuration_is_an_attribute() -> None:
    assert set(INDEX_FIELDS) <= set(SCHEMA.schema["properties"])
    # What the shell takes for a field: others it refuses, as Dagster does.
    assert set(SCHEMA.schema["properties"]) == {*INDEX_FIELDS, *DAGSTER_FIELDS}


@pytest.mark.parametrize("appended", [False, True])
def test_what_is_scaffolded_loads_and_says_every_field(tmp_path: Path, appended: bool) -> None:
    with create_defs_folder_sandbox() as sandbox:
        folder = sandbox.defs_folder_path / "hand-book"
        parameters = IndexParameters(path="content/Hand book", encoder="hashing")
        request = dg.ScaffoldRequest(
            "xtr_assets.RetrievalIndex", folder, "yaml", sandbox.project_root, parameters, append=False
        )
        IndexScaffolder().scaffold(request)
        text = (folder / "defs.yaml").read_text("utf-8")
        (document,) = yaml.safe_load_all(text)
        assert list(SCHEMA.iter_errors(document["attributes"])) == []
        # A line of comment is worth as much as it can be uncommented: each stands for a field that there is.
        for name in (
            *INDEX_FIELDS,
            "config",
            "owners",
            "tags",
            "group",
            "prefix",
            "schedules",
            "automation",
            "run_tags",
        ):
            assert f"  {name}:" in text or f"  # {name}:" in text, name
        if appended:
            there = folder / "defs.yaml"
            there.write_text("type: shop.Other\nattributes: {of: shop}")
            quoted = IndexParameters(path='"content"\\a', encoder="hashing")
            more = dg.ScaffoldRequest(
                "xtr_assets.RetrievalIndex", there, "yaml", sandbox.project_root, quoted, append=True
            )
            IndexScaffolder().scaffold(more)
            other, ours = yaml.safe_load_all(there.read_text("utf-8"))
            assert other == {"type": "shop.Other", "attributes": {"of": "shop"}}
            assert ours["attributes"]["sources"][0]["path"] == '{{ context.project_root }}/"content"\\a'
            return
        with sandbox.build_all_defs() as defs:
            graph = defs.resolve_asset_graph()
            assert {key.path[0] for key in graph.get_all_asset_keys()} == {"hand_book"}
            assert "hand_book_rebuild" in {job.name for job in defs.resolve_all_job_defs()}
            chunks = defs.get_assets_def(dg.AssetKey(["hand_book", "chunks"]))
            sources = chunks.metadata_by_key[dg.AssetKey(["hand_book", "chunks"])]["sources"]
            assert sources == dg.MetadataValue.json({"Hand_book": f"text: {sandbox.project_root}/content/Hand book"})


@pytest.mark.filterwarnings("ignore::dagster.PreviewWarning")
def test_python_that_is_scaffolded_loads_too() -> None:
    with create_defs_folder_sandbox() as sandbox:
        folder = sandbox.defs_folder_path / "notes"
        parameters = IndexParameters(encoder="hashing")
        request = dg.ScaffoldRequest("xtr_assets.RetrievalIndex", folder, "python", sandbox.project_root, parameters)
        IndexScaffolder().scaffold(request)
        with sandbox.build_all_defs() as defs:
            assert dg.AssetKey(["notes", "published"]) in defs.resolve_all_asset_keys()


def test_two_components_live_in_one_project_with_all_they_were_given() -> None:
    other = {
        **SMALL,
        "name": "other",
        "owners": ["team:search"],
        "tags": {"tier": 1},
        "group": "serving",
        "schedules": {"collection": None, "verification": "30 3 * * *", "timezone": "Europe/Berlin"},
        "automation": {"rebuild": False},
        "run_tags": {"ingest": {"dagster-celery/queue": "{{ 'g' }}pu", "dagster-k8s/config": {"job": {"ttl": 5}}}},
        "recall": {"k": "{{ 5 + 5 }}"},
    }
    with loaded(SMALL, other) as (defs, root):
        dg.Definitions.validate_loadable(defs)
        graph = defs.resolve_asset_graph()
        assert {graph.get(dg.AssetKey(["small", one])).group_name for one in (*CORPUS, *DERIVED)} == {"small"}
        node = graph.get(dg.AssetKey(["other", "published"]))
        assert (node.group_name, node.owners, node.tags["tier"]) == ("serving", ["team:search"], "1")
        assert {"small_rebuild", "other_rebuild"} <= {job.name for job in defs.resolve_all_job_defs()}
        assert {"small_search", "other_search"} <= set(defs.resources or {})
        plain = [one for one in defs.schedules or [] if isinstance(one, dg.ScheduleDefinition)]
        schedules = {one.name: (one.cron_schedule, one.execution_timezone) for one in plain}
        assert "other_nightly_collection" not in schedules and "small_nightly_collection" in schedules
        assert schedules["other_nightly_verification"] == ("30 3 * * *", "Europe/Berlin")
        stopped = {one.name for one in defs.sensors or [] if one.default_status == dg.DefaultSensorStatus.STOPPED}
        assert stopped == {"other_automation"}
        tags = {name: defs.resolve_job_def(name).tags for name in ("other_ingest", "other_rebuild", "small_ingest")}
        assert tags["other_ingest"]["dagster-celery/queue"] == "gpu"
        assert json.loads(tags["other_ingest"]["dagster-k8s/config"]) == {"job": {"ttl": 5}}
        assert all("dagster-celery/queue" not in tags[name] for name in ("other_rebuild", "small_ingest"))
        # Partitions are there with the definitions; nothing was run, and no instance written to.
        chunks = defs.get_assets_def(dg.AssetKey(["small", "chunks"]))
        assert chunks.partitions_def is not None
        assert chunks.partitions_def.get_partition_keys() == ["pages-00of02", "pages-01of02"]
        shown = graph.get(dg.AssetKey(["other", "published"])).metadata
        assert shown["warehouse"] == dg.MetadataValue.path(str(root / "store"))
        assert (shown["encoder"], shown["thresholds"].value["recall.k"]) == ("hashing", 10)
        links = [Path(str(one.file_path)).name for one in shown["dagster/code_references"].code_references]
        assert links == ["published.py", "defs.yaml"]
        columns = [
            one.name for one in graph.get(dg.AssetKey(["small", "chunks"])).metadata["dagster/column_schema"].columns
        ]
        assert columns[:3] == ["chunk_id", "source", "path"]


def test_a_file_may_hold_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "xtr.yaml").write_text(
        "name: filed\nsources: [{name: a, kind: text, path: a}]\nencoder: {kind: hashing}\n"
    )
    with loaded({"config": str(tmp_path / "xtr.yaml"), "prefix": ""}) as (defs, _):
        assert "rebuild" in {job.name for job in defs.resolve_all_job_defs()}
        node = defs.resolve_asset_graph().get(dg.AssetKey(["filed", "chunks"]))
        assert node.metadata["warehouse"] == dg.MetadataValue.path(str(tmp_path / "warehouse"))
        links = [
            one.label or Path(str(one.file_path)).name
            for one in node.metadata["dagster/code_references"].code_references
        ]
        assert links == ["chunks.py", "xtr.yaml", "defs.yaml"]


WRONG: list[tuple[dict[str, Any], str, str]] = [
    (
        {"sources": [{"name": "a", "kind": "text", "path": "a", "shards": 0}]},
        "$.sources[0].shards",
        "`sources.0.shards`",
    ),
    ({"sources": [{"kind": "text", "path": "a"}]}, "$.sources[0]", "`sources.0.name` is missing"),
    ({"encoder": {"kind": "hashing", "dim": 3}}, "$.encoder.dim", "`encoder.dim` is 3"),
    ({"encoder": {"kind": "minilm", "wieghts": 1}}, "$.encoder", "has no field `wieghts`"),
    ({"encoder": {"dense": {"kind": "static"}}}, "$.encoder.dense", "`encoder.dense.model` is missing"),
    ({"recall": {"k": 0}}, "$.recall.k", "`recall.k` is 0: give 1 or more"),
    ({"recal": {}}, "$", "recal"),
    ({"owners": "me"}, "$.owners", "owners"),
    ({"schedules": {"compaktion": "0 1 * * *"}}, "$.schedules", "compaktion"),
    ({"automation": {"rebuild": "sometimes"}}, "$.automation.rebuild", "rebuild"),
    ({"run_tags": {"ingets": {"dagster-celery/queue": "gpu"}}}, "$.run_tags", "ingets"),
    ({"run_tags": {"ingest": "gpu"}}, "$.run_tags.ingest", "ingest"),
]


@pytest.mark.parametrize(("change", "place", "told"), WRONG, ids=[place for _, place, _ in WRONG])
def test_the_check_of_yaml_and_that_of_definitions_name_the_field(
    change: dict[str, Any], place: str, told: str
) -> None:
    attributes = {**SMALL, **change}
    assert [one.json_path for one in SCHEMA.iter_errors(attributes)] == [place]
    with pytest.raises(Exception) as raised, loaded(attributes):
        pass
    chain = []
    error: BaseException | None = raised.value
    while error is not None:
        chain.append(str(error))
        error = error.__cause__ or error.__context__
    assert told in "\n".join(chain)


def test_a_wrong_field_is_told_with_its_line() -> None:
    with create_defs_folder_sandbox() as sandbox:
        folder = written(sandbox.defs_folder_path / "a", {**SMALL, "recall": {"k": "{{ 0 * 1 }}"}})
        line = (folder / "defs.yaml").read_text().splitlines().index("    k: '{{ 0 * 1 }}'") + 1
        with pytest.raises(Exception) as raised, sandbox.build_all_defs():
            pass
        cause = raised.value.__cause__
        assert isinstance(cause, ConfigError)
        assert f"{folder}/defs.yaml:{line} - attributes.recall.k" in str(cause)
        assert "`recall.k` is 0: give 1 or more" in str(cause)


@pytest.mark.parametrize(
    "attributes",
    [
        SMALL,
        {"config": "xtr.yaml"},
        {**SMALL, "encoder": {"dense": {"kind": "static", "model": "m"}, "tokens": {"kind": "minilm"}}},
        {**SMALL, "encoder": {"kind": "python:a.b:c", "settings": {"x": 1}}},
        {**SMALL, "encoder": {}},
        {**SMALL, "queries": "log", "query_log": {}},
        {**SMALL, "encoder": "{{ encoder }}", "recall": {"dense": "{{ env.RECALL }}"}},
        {**SMALL, "queries": {"path": "q.jsonl", "judgments": "q.tsv", "floor": 0.5}, "upkeep": {"keep": 2}},
    ],
    ids=["small", "file", "pair", "python", "default", "log", "templates", "queries"],
)
def test_what_a_configuration_takes_the_schema_takes(attributes: dict[str, Any]) -> None:
    assert [one.message for one in SCHEMA.iter_errors(attributes)] == []


def test_a_warehouse_among_the_definitions_is_refused_before_anything_is_written() -> None:
    with create_defs_folder_sandbox() as sandbox:
        folder = written(sandbox.defs_folder_path / "a", {**SMALL, "warehouse": "store"})
        with pytest.raises(Exception) as raised, sandbox.build_all_defs():
            pass
        assert isinstance(raised.value.__cause__, ConfigError)
        assert 'write "{{ context.project_root }}/warehouse/small"' in str(raised.value.__cause__)
        assert [one.name for one in folder.iterdir()] == ["defs.yaml"]


def test_a_template_that_comes_to_nothing_is_no_field_left_out() -> None:
    with pytest.raises(Exception) as raised, loaded({**SMALL, "warehouse": "{{ env.NOT_SET_HERE }}"}):
        pass
    assert "attributes.warehouse is '{{ env.NOT_SET_HERE }}', which is nothing here" in str(raised.value.__cause__)


def test_a_value_that_dagster_reads_when_a_run_begins_is_no_text(tmp_path: Path) -> None:
    encoder = {"kind": "endpoint", "url": "http://localhost:9/v1", "model": dg.EnvVar("MODEL")}
    component = xa.RetrievalIndex(sources=[{"name": "pages", "kind": "text", "path": "pages"}], encoder=encoder)
    with pytest.raises(ConfigError, match=r"`attributes.encoder.model` is EnvVar\('MODEL'\), .* os.environ\[.MODEL.\]"):
        component.index(tmp_path)


def test_no_run_is_sent_to_a_queue_called_null() -> None:
    tags = {"ingest": {"dagster-celery/queue": "{{ env.NOT_SET_HERE }}"}}
    with pytest.raises(Exception) as raised, loaded({**SMALL, "run_tags": tags}):
        pass
    assert "attributes.run_tags.ingest.dagster-celery/queue is nothing here" in str(raised.value.__cause__)


def test_every_job_of_an_index_takes_tags() -> None:
    with loaded(SMALL) as (defs, _):
        jobs = {job.name.removeprefix("small_") for job in defs.resolve_all_job_defs() if job.name.startswith("small_")}
        # `remove_part` is a job of an index of parts.
        assert set(RunTags.model_fields) - {"remove_part"} == jobs


def test_a_file_and_fields_beside_it_are_refused() -> None:
    with pytest.raises(Exception) as raised, loaded({**SMALL, "config": "xtr.yaml"}):
        pass
    assert "which says it all; remove name, warehouse, sources, encoder" in str(raised.value.__cause__)
