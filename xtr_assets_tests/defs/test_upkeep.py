"""Compaction, retraining and collection: jobs that change how a generation is laid out, never what it finds."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest

from xtr_assets.core.errors import GenerationError
from xtr_assets.core.search_options import SearchOptions
from xtr_assets.core.types import Floats
from xtr_assets.defs import build_index_defs
from xtr_assets.defs.in_process import compact
from xtr_assets.index.late.index import TokenResult
from xtr_assets.search.searcher import Searcher
from xtr_assets_tests.defs.conftest import CONFIG, STDLIB, Project

QUESTIONS = (
    "insert item x in list a, and keep it sorted",
    "wrap text",
    "find files by a pattern",
    "put into the queue",
)

# An index with lists over so few rows misses more than the usual gate lets pass.
IVF = CONFIG.format(name="small").replace("queries: 10", "queries: 10, dense: 0.0, new_rows: 0.0")
IVF += "dense: {recipe: 'IVF4,Flat'}\n"

Answers = dict[tuple[str, str], list[tuple[int, float]]]


def answers(project: Project) -> Answers:
    """(chunk_id, score) of the best ten by mode and question."""
    found: Answers = {}
    with Searcher(project.warehouse, "cpu") as searcher:
        for mode in ("exact", "hybrid"):
            for question in QUESTIONS:
                hits = searcher.search(question, 10, mode)
                found[mode, question] = [(hit.chunk_id, hit.score) for hit in hits]
    return found


def job(project: Project, name: str, **options: Any) -> dg.ExecuteInProcessResult:
    definition = build_index_defs(project.config).resolve_job_def(name)
    return definition.execute_in_process(instance=project.instance, **options)


def test_compaction_publishes_fewer_segments_with_the_same_answers_and_ids(grown: Project) -> None:
    project = grown
    before, ids, answered = project.warehouse.generation(project.published), project.ids(), answers(project)
    assert len(before.manifest.segments) >= 4
    assert not before.live.all()

    result = compact(project.config, project.instance)

    assert (result.published, result.built) == (True, before.number + 1)
    assert "segments of modules become" in result.reason
    after = project.warehouse.generation(project.published)
    assert len(after.manifest.segments) < len(before.manifest.segments)
    assert project.ids() == ids
    assert after.live_rows == before.live_rows
    for asked, found in answers(project).items():
        assert [chunk_id for chunk_id, _ in found] == [chunk_id for chunk_id, _ in answered[asked]], asked
        assert np.allclose([s for _, s in found], [s for _, s in answered[asked]], atol=1e-6), asked
    assert {check.name: check.passed for check in after.check_results()}["dense_recall"]
    assert after.manifest.notes["costs"]["generation"]["segments_replaced"] >= 4
    assert project.warehouse.verify().ok
    # Nothing is left to do, neither for compaction nor for a build.
    again = compact(project.config, project.instance)
    assert again.ok
    assert again.reason == "nothing to do: no shard has segments worth writing anew"
    assert project.build().built is None


def test_a_rebuild_that_somebody_schedules_leaves_what_serves_where_nothing_changed(project: Project) -> None:
    result = job(project, "rebuild")

    assert result.success
    assert (result.get_asset_materialization_events(), result.get_asset_check_evaluations()) == ([], [])
    assert [one.number for one in project.warehouse.generations()] == [1]


@pytest.mark.long
def test_a_change_after_a_compaction_is_built_by_delta(grown: Project) -> None:
    project = grown
    compact(project.config, project.instance)
    shutil.copy(STDLIB / "sched.py", project.modules)

    result = project.build()

    assert result.published
    assert "scheduler.enter" in project.symbols()
    assert result.shards["modules"]["encoded"] < result.live_rows / 2
    assert result.costs["exact_neighbors"]["dense_carried"] > 0


def test_what_was_rolled_back_is_not_published_again_by_a_compaction(grown: Project) -> None:
    project = grown
    project.warehouse.rollback()
    serving = project.published

    result = compact(project.config, project.instance)

    assert result.ok
    assert result.built is None
    assert f"generation {serving} does not hold what the shards hold" in result.reason
    with pytest.raises(GenerationError, match="cannot compact"):
        job(project, "compact")
    assert project.published == serving


def test_a_refused_compaction_leaves_what_serves_and_is_tried_again(
    grown: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = grown
    serving, answered = project.published, answers(project)
    with monkeypatch.context() as patch:
        patch.setattr("xtr_assets.pipeline.plan.draft_session.DraftSession.tokens", lambda _: FindsNothing())
        refused = compact(project.config, project.instance)
    assert not refused.ok
    assert "xtr_recall" in [check.name for check in refused.failed if check.blocking]
    assert project.published == serving
    assert answers(project) == answered

    assert compact(project.config, project.instance).published


class FindsNothing:
    """In the place of a token index."""

    def answer(
        self, queries: Sequence[Floats], options: SearchOptions, threads: int | None = None
    ) -> list[TokenResult]:
        nothing = np.full(options.k, -np.inf, np.float32), np.full(options.k, -1)
        one = TokenResult(*nothing, scanned=False, retrieved=0, candidates=0, rescored=0, seconds={})
        return [one] * len(queries)


def test_the_collect_job_keeps_what_the_config_or_the_run_says(grown: Project) -> None:
    project = grown
    project.configure(CONFIG.format(name="small") + "upkeep: {keep: 2}\n")
    looked = job(project, "collect", run_config={"ops": {"remove_old_generations": {"config": {"dry_run": True}}}})
    (output,) = [event.step_output_data for event in looked.all_events if event.is_successful_output]
    assert output.metadata["generations_removed"].value == [1, 2, 3] and len(project.warehouse.generations()) == 5
    assert job(project, "collect").success
    assert [one.number for one in project.warehouse.generations()] == [4, 5]

    config = {"ops": {"remove_old_generations": {"config": {"keep": 1}}}}
    assert job(project, "collect", run_config=config).success
    assert [one.number for one in project.warehouse.generations()] == [5]
    assert project.warehouse.verify().ok


def test_retrain_takes_nothing_over_and_encodes_nothing(project: Project) -> None:
    # Few lists: the gate's curve over nprobe ends at all of them.
    project.configure(IVF)
    assert project.build().published

    result = job(project, "retrain", tags={"xtr-assets/cause": "imbalance"})

    assert result.success
    assert project.published == 3
    events = result.get_asset_materialization_events()
    made = {event.materialization.asset_key.path[-1]: event.materialization.metadata for event in events}
    assert made["faiss_index"]["how"].value == "built"
    assert made["xtr_index"]["how"].value == "trained"
    run = project.instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.tags["xtr-assets/cause"] == "imbalance"
    assert run.tags["xtr-assets/afresh"] == "true"


@pytest.fixture
def lasting(project: Project, tmp_path: Path) -> Iterator[Project]:
    """The project with an instance that a schedule can open by its reference."""
    folder = tmp_path / "instance"
    folder.mkdir()
    with dg.DagsterInstance.local_temp(str(folder)) as instance:
        yield replace(project, instance=instance)


def night(project: Project, name: str) -> Any:
    """What a schedule asks for at its hour."""
    defs = build_index_defs(project.config)
    with dg.build_schedule_context(
        instance=project.instance,
        scheduled_execution_time=datetime(2026, 1, 1, 2, tzinfo=UTC),
        resources={key: (defs.resources or {})[key] for key in ("warehouse", "encoder")},
    ) as context:
        return defs.resolve_schedule_def(name).evaluate_tick(context)


def test_schedules_run_from_the_start(project: Project) -> None:
    defs = build_index_defs(project.config)
    assert {one.name for one in defs.schedules or []} == {
        "nightly_compaction",
        "nightly_verification",
        "nightly_collection",
    }
    assert all(one.default_status == dg.DefaultScheduleStatus.RUNNING for one in defs.schedules or [])


def test_judged_queries_are_asked_every_night(lasting: Project) -> None:
    (lasting.folder / "queries.jsonl").write_text('{"_id": "1", "text": "wrap text"}\n')
    (lasting.folder / "qrels.tsv").write_text("1\twrap\t1\n")
    queries = "queries: {path: queries.jsonl, judgments: qrels.tsv}\n"
    lasting.configure(CONFIG.format(name="small") + queries)
    assert len(night(lasting, "nightly_evaluation").run_requests) == 1


def test_the_night_compacts_only_where_there_is_something_to_compact(lasting: Project, grown: Project) -> None:
    tick = night(lasting, "nightly_compaction")
    assert not tick.run_requests
    assert "no shard has segments worth writing anew" in tick.skip_message
    lasting = replace(grown, instance=lasting.instance)
    tick = night(lasting, "nightly_compaction")
    assert "segments of modules become" in tick.run_requests[0].tags["xtr-assets/reason"]
    definition = build_index_defs(lasting.config).resolve_job_def("rebuild")
    lasting.instance.create_run_for_job(definition, status=dg.DagsterRunStatus.STARTED)
    assert "1 run of rebuild has not ended" in night(lasting, "nightly_compaction").skip_message
