"""What Dagster loads: names that are a contract, several indexes in one project, materializing piece by piece."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from xtr_assets.config import IndexConfig, parse_config
from xtr_assets.core.errors import ConfigError, GenerationError, PublishRefused
from xtr_assets.defs import SearchResource, WarehouseResource, build_index_defs, build_project_defs
from xtr_assets.defs.in_process import build
from xtr_assets.defs.names import CORPUS, DERIVED
from xtr_assets.pipeline.gate.registry import CHECKS, checks_of
from xtr_assets.pipeline.ingest.scan import source_of
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.defs.conftest import CONFIG, Project


def test_the_definitions_of_the_demo_load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XTR_ASSETS_CONFIG", raising=False)
    import importlib

    from xtr_assets import definitions

    defs = importlib.reload(definitions).defs
    dg.Definitions.validate_loadable(defs)
    keys = {key.to_user_string() for key in defs.resolve_all_asset_keys()}
    assert keys == {f"stdlib/{name}" for name in (*CORPUS, *DERIVED, "evaluation")}


def test_names_of_checks_jobs_and_resources_are_the_contract(project: Project) -> None:
    defs = build_index_defs(project.config)
    graph = defs.resolve_asset_graph()
    checks = {key.name: key.asset_key.path[-1] for key in graph.asset_check_keys}
    assert set(checks) == {check.name for check in checks_of(project.config)}
    assert {check.name for check in CHECKS} - set(checks) == {"judged_quality", "answers_shadow"}
    assert checks["chunks_schema"] == "chunks"
    assert {job.name for job in defs.resolve_all_job_defs()} >= {"ingest", "rebuild", "rollback"}
    assert set(defs.resources or {}) == {"warehouse", "encoder", "search"}
    judged = parse_config(CONFIG.format(name="judged") + "queries: {path: q.jsonl, judgments: q.tsv}\n", project.folder)
    graph = build_index_defs(judged).resolve_asset_graph()
    assert "judged_quality" in {key.name for key in graph.asset_check_keys}


def test_two_indexes_live_in_one_project(project: Project) -> None:
    other = parse_config(CONFIG.format(name="other"), project.folder)
    defs = build_project_defs([project.config, other])
    dg.Definitions.validate_loadable(defs)
    assert {"small_rebuild", "other_rebuild"} <= {job.name for job in defs.resolve_all_job_defs()}

    result = build(other, project.instance)

    assert (result.generation, result.published) == (1, True)
    assert Warehouse.open(other.warehouse).published is not None
    assert project.published == 1
    with pytest.raises(ConfigError, match="different names"):
        build_project_defs([other, other])
    shared = other.model_copy(update={"warehouse": project.config.warehouse})
    with pytest.raises(ConfigError, match=r"indexes small, other have one `warehouse`, .*; give each its own"):
        build_project_defs([project.config, shared])


def test_an_index_is_not_built_in_the_warehouse_of_another_nor_by_its_encoder(project: Project) -> None:
    other = build_index_defs(parse_config(CONFIG.format(name="other"), project.folder)).resources or {}
    mine = build_index_defs(project.config)
    keys = [dg.AssetKey(["small", name]) for name in CORPUS]
    for name, given, said in (
        ("warehouse", other["warehouse"], "is that of the index other, and the index small needs its own; .* a prefix"),
        ("encoder", other["encoder"], "is that of the index other"),
        ("warehouse", dg.ResourceDefinition.hardcoded_resource(3), "is of type int"),
    ):
        # As definitions of several origins come together in lists.
        defs = dg.Definitions(mine.assets, jobs=mine.jobs, resources={**(mine.resources or {}), name: given})
        ingest = defs.resolve_job_def("ingest")

        with pytest.raises(ConfigError, match=f"the resource `{name}` {said}"):
            ingest.execute_in_process(instance=project.instance, partition_key="modules", asset_selection=keys)

    assert not (project.folder / "other_warehouse" / "shards" / "modules").exists()
    # A warehouse that somebody names for a deployment of theirs is taken.
    own = {**(mine.resources or {}), "warehouse": WarehouseResource(path=str(project.config.warehouse))}
    ingest = dg.Definitions(mine.assets, jobs=mine.jobs, resources=own).resolve_job_def("ingest")
    assert ingest.execute_in_process(instance=project.instance, partition_key="modules").success


def test_a_downstream_asset_sees_one_generation_for_its_whole_step(project: Project) -> None:
    seen: list[tuple[int, int, list[str]]] = []

    @dg.asset(deps=[dg.AssetKey(["small", "published"])])
    def answers(search: SearchResource) -> None:
        before = search.generation
        hits = [hit.symbol for hit in search.search("insert item x in list a, and keep it sorted", k=3)]
        # Somebody publishes another generation meanwhile.
        (project.modules / "queue.py").unlink(missing_ok=True)
        project.build()
        seen.append((before, search.generation, hits))

    defs = dg.Definitions.merge(build_index_defs(project.config), dg.Definitions(assets=[answers]))
    job = defs.resolve_implicit_global_asset_job_def()

    def run() -> bool:
        return job.execute_in_process(instance=project.instance, asset_selection=[dg.AssetKey("answers")]).success

    assert run()
    assert seen[0][:2] == (1, 1)
    assert "insort_left" in seen[0][2]
    assert project.published == 2
    # The next step sees what is published by then.
    assert run()
    assert seen[1][:2] == (2, 2)


def test_a_step_after_published_in_the_same_run_sees_what_was_published_there(project: Project) -> None:
    seen: list[int] = []

    @dg.asset
    def earlier(search: SearchResource) -> None:
        seen.append(search.generation)

    @dg.asset(deps=[dg.AssetKey(["small", "published"])])
    def later(search: SearchResource) -> None:
        seen.append(search.generation)

    parts = build_index_defs(project.config)
    chain = [dg.AssetKey("earlier"), dg.AssetKey("later"), *(dg.AssetKey(["small", name]) for name in DERIVED)]
    job = dg.define_asset_job("together", dg.AssetSelection.assets(*chain), executor_def=dg.in_process_executor)
    defs = dg.Definitions.merge(parts, dg.Definitions(assets=[earlier, later], jobs=[job]))
    (project.modules / "queue.py").unlink()
    ingest = defs.resolve_job_def("ingest").execute_in_process(instance=project.instance, partition_key="modules")
    assert ingest.success

    assert defs.resolve_job_def("together").execute_in_process(instance=project.instance).success

    assert seen[-1] == 2
    assert project.published == 2


def run_assets(project: Project, names: list[str], **options: Any) -> dg.ExecuteInProcessResult:
    keys = [dg.AssetKey(["small", name]) for name in names]
    job = build_index_defs(project.config).resolve_implicit_global_asset_job_def()
    return job.execute_in_process(instance=project.instance, asset_selection=keys, **options)


def test_an_index_asset_alone_continues_the_open_draft_or_says_what_to_select(project: Project) -> None:
    with pytest.raises(GenerationError, match=r"Select generation, queries, .* together"):
        run_assets(project, ["faiss_index"])

    for name in ("generation", "queries", "exact_neighbors", "faiss_index"):
        run_assets(project, [name])

    draft = project.warehouse.newest_draft()
    assert draft is not None
    assert draft.number == 2
    assert draft.has_file("dense.faiss")
    assert not draft.has_file("id_map.parquet")
    assert project.published == 1


def test_a_draft_begun_before_the_pointer_moved_is_refused(project: Project) -> None:
    names = [name for name in DERIVED if name != "published"]
    run_assets(project, names)
    (project.modules / "queue.py").unlink()
    assert project.build().generation == 3

    with pytest.raises(PublishRefused, match="built from generation 1, but 3 serves"):
        run_assets(project, ["published"])
    assert project.published == 3


def test_an_unknown_shard_is_an_error_that_names_those_there_are(project: Project) -> None:
    with pytest.raises(dg.DagsterUnknownPartitionError, match="nowhere"):
        run_assets(project, ["chunks"], partition_key="nowhere")
    # A run that was queued before the shard left the configuration says which there are.
    with pytest.raises(ValueError, match=r"nowhere.*modules"):
        source_of(project.config, "nowhere")


@pytest.mark.parametrize(("ends", "found"), [((), "no partition"), (("modules", "more"), "2 partitions")])
def test_a_run_of_no_shard_or_several_says_which_to_launch(project: Project, ends: tuple[str, ...], found: str) -> None:
    (project.folder / "more").mkdir()
    both = CONFIG.format(name="small").replace("encoder:", "  - {name: more, kind: python, path: more}\nencoder:")
    project.configure(both)
    tags = {f"dagster/asset_partition_range_{end}": key for end, key in zip(("start", "end"), ends, strict=False)}
    ingest = build_index_defs(project.config).resolve_job_def("ingest")
    for assets in (["chunks"], ["embeddings", "token_embeddings"]):
        keys = [dg.AssetKey(["small", name]) for name in assets]
        made = ", ".join(f"small/{name}" for name in assets)
        with pytest.raises(ConfigError, match=f"the run has {found}, .* makes {made}; .* one of modules, more, or a"):
            ingest.execute_in_process(instance=project.instance, tags=tags, asset_selection=keys)


def test_the_config_of_an_index_is_not_changed_by_its_definitions(project: Project) -> None:
    config: IndexConfig = project.config
    build_index_defs(config)
    assert config == parse_config(CONFIG.format(name="small"), project.folder)
