"""A sudden new topic: refused for what the lists had learnt before it, and mended by one retrain that is asked for by
itself. Lists are searched 3 of 16 here; rows of a topic that none of them knows lie in all of them."""

import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from xtr_assets.config import parse_config
from xtr_assets.defs import build_index_defs
from xtr_assets.defs.in_process import build
from xtr_assets.defs.jobs import GENERATIONS
from xtr_assets.defs.sensor_cursor import FIRST_WAIT_SECONDS
from xtr_assets.pipeline.gate import drift
from xtr_assets.storage.generation import Generation
from xtr_assets_tests.defs.conftest import Project
from xtr_assets_tests.defs.test_sensors import Daemon
from xtr_assets_tests.long_cases import more

CONFIG = """
name: topics
warehouse: topics_warehouse
sources:
  - {name: notes, kind: records, path: notes}
encoder: {kind: hashing, dim: 128, token_dim: 32}
recall: {queries: 100}
dense: {recipe: "IVF16,SQ8"}
"""
TOPICS, EACH, SUDDEN = 16, 40, 30


def write(folder: Path, name: str, topic: str, count: int, words: int = 40) -> None:
    """A file of records whose texts are words of one topic."""
    chance = random.Random(name)
    said = [f"{topic}{i}x" for i in range(words)]
    lines = [{"_id": f"{name}-{i}", "text": " ".join(chance.choices(said, k=20))} for i in range(count)]
    (folder / "notes").mkdir(exist_ok=True)
    (folder / "notes" / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture(scope="module")
def built_topics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("topics")
    for topic in range(TOPICS):
        write(folder, f"t{topic}", f"topic{topic}w", EACH)
    with dg.DagsterInstance.ephemeral() as instance:
        assert build(parse_config(CONFIG, folder), instance).published
    return folder


@pytest.fixture
def topics(built_topics: Path, tmp_path: Path) -> Iterator[Project]:
    """Generation 1 serves sixteen topics."""
    shutil.copytree(built_topics, tmp_path, dirs_exist_ok=True)
    with dg.DagsterInstance.ephemeral() as instance:
        yield Project(tmp_path, instance, parse_config(CONFIG, tmp_path))


@pytest.fixture
def daemon(topics: Project) -> Daemon:
    """A daemon that has just seen a sudden topic refused."""
    write(topics.folder, "sudden", "fresh", SUDDEN, 60)
    daemon = Daemon(topics)
    assert daemon.settle() == (1, 1)
    assert topics.published == 1
    assert [name for name, one in draft(topics, 2).manifest.checks.items() if not one.passed] == [
        "dense_recall_new_rows"
    ]
    return daemon


def draft(project: Project, number: int) -> Generation:
    return project.warehouse.generation(number)


def request(daemon: Daemon) -> dg.RunRequest:
    (found,) = daemon.tick("drift").run_requests or []
    assert isinstance(found, dg.RunRequest)
    return found


def test_one_retrain_is_asked_for_with_the_cause_and_publishes_and_changes_follow(daemon: Daemon) -> None:
    project = daemon.project
    assert "the sensor `drift` asks for a retrain" in str(daemon.tick("automation").skip_message)

    asked = request(daemon)

    cause = asked.tags["xtr-assets/cause"]
    assert cause.startswith("dense_recall_new_rows 0."), cause
    assert " < 0.93, as new_rows 0." in cause
    assert cause.endswith(" > 0.02")
    assert not daemon.tick("drift").run_requests, "asked for once"
    assert daemon.run("retrain", asked)
    assert project.published == 3
    assert project.instance.get_runs(limit=1)[0].tags["xtr-assets/cause"] == cause
    assert daemon.settle() == (0, 0)
    assert not daemon.tick("drift").run_requests

    for change in range(more(1, 3)):
        write(project.folder, f"more{change}", "fresh", 3, 60)
        assert daemon.settle() == (1, 1)
        assert project.published == 4 + change
    assert project.runs().count("retrain") == 1


@pytest.mark.long
def test_the_next_change_does_not_inherit_the_refusal(daemon: Daemon) -> None:
    project = daemon.project
    write(project.folder, "more", "fresh", 3, 60)

    # The daemon looked at drift only after the change: it is ingested, and not evolved from lists that know nothing.
    assert daemon.settle() == (1, 0)
    asked = request(daemon)

    assert "dense_recall_new_rows" in asked.tags["xtr-assets/cause"]
    assert daemon.run("retrain", asked)
    assert project.published == 3
    assert draft(project, 3).live_rows == TOPICS * EACH + SUDDEN + 3
    assert daemon.settle() == (0, 0)


@pytest.mark.long
def test_where_the_topic_went_again_the_next_change_is_a_rebuild(daemon: Daemon) -> None:
    project = daemon.project
    (project.folder / "notes" / "sudden.jsonl").unlink()
    write(project.folder, "t0", "topic0w", EACH + 1)
    assert daemon.settle() == (1, 1)
    assert project.published == 3
    assert project.runs().count("retrain") == 0
    assert not daemon.tick("drift").run_requests


def test_a_retrain_that_is_refused_too_is_not_asked_for_again(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    project = daemon.project
    asked = request(daemon)
    with monkeypatch.context() as patch:
        patch.setattr("xtr_assets.pipeline.gate.new_row_recall.certain_new", nothing_is_right)
        assert not daemon.run("retrain", asked)
    assert project.published == 1
    assert not draft(project, 3).manifest.checks["dense_recall_new_rows"].passed

    for _ in range(3):
        assert not daemon.tick("drift").run_requests
        tick = daemon.tick("automation")
        assert not tick.run_requests
        assert "draft 3 holds exactly this and was not published" in str(tick.skip_message)


def nothing_is_right(exact_scores: Any, exact_rows: Any, *_: Any) -> list[Any]:
    """New neighbours that no index can find."""
    return [row[:1] + 1_000_000 for row in exact_rows]


@pytest.mark.long
def test_a_retrain_that_died_is_asked_for_again_after_a_while(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_800_000_000.0]
    monkeypatch.setattr("xtr_assets.defs.sensors.clock", lambda: now[0])
    asked = request(daemon)

    def dies(*_: object, **__: object) -> None:
        raise MemoryError("no more")

    with monkeypatch.context() as patch:
        patch.setattr("xtr_assets.defs.assets.faiss_index.derive_dense", dies)
        assert not daemon.run("retrain", asked)
    assert "the last retrain failed" in str(daemon.tick("drift").skip_message)
    assert not daemon.tick("automation").run_requests
    now[0] += FIRST_WAIT_SECONDS + 1

    assert daemon.run("retrain", request(daemon))
    assert daemon.project.published == 4


def test_a_running_retrain_is_waited_for_and_the_limit_decides(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal whose rows are not surely lost is no matter of training: what serves goes on, and a person looks."""
    with monkeypatch.context() as patch:
        patch.setitem(drift.LIMITS, "new_rows", 1.0)
        assert not daemon.tick("drift").run_requests
        assert "draft 2 holds exactly this" in str(daemon.tick("automation").skip_message)
    project = daemon.project
    job = build_index_defs(project.config).resolve_job_def("retrain")
    project.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    tick = daemon.tick("drift")
    assert not tick.run_requests
    assert "1 run of retrain has not ended" in str(tick.skip_message)


@pytest.mark.long
def test_nothing_follows_from_a_draft_of_what_no_longer_serves(topics: Project) -> None:
    write(topics.folder, "t0", "topic0w", EACH + 1)
    assert topics.build().published
    write(topics.folder, "sudden", "fresh", SUDDEN, 60)
    daemon = Daemon(topics)
    assert daemon.settle() == (1, 1)
    topics.warehouse.rollback()

    assert not daemon.tick("drift").run_requests
    assert not daemon.tick("automation").run_requests
    assert topics.published == 1


def test_what_was_withdrawn_meanwhile_does_not_come_back_by_a_retrain(topics: Project) -> None:
    write(topics.folder, "t0", "topic0w", EACH + 1)
    assert topics.build().published
    write(topics.folder, "sudden", "fresh", SUDDEN, 60)
    daemon = Daemon(topics)
    assert daemon.settle() == (1, 1)
    topics.warehouse.withdraw(2, "it answered badly")
    assert not daemon.tick("drift").run_requests
    assert topics.published == 1


@pytest.mark.long
def test_a_full_build_of_a_person_ends_it(daemon: Daemon) -> None:
    assert daemon.project.build(full=True).published
    assert not daemon.tick("drift").run_requests
    assert daemon.settle() == (0, 0)


def test_a_build_retrains_at_once_and_says_so(topics: Project) -> None:
    write(topics.folder, "sudden", "fresh", SUDDEN, 60)

    result = topics.build()

    assert result.ok
    assert (result.built, result.generation) == (3, 3)
    assert result.refused is not None
    assert result.refused.built == 2
    assert [check.name for check in result.refused.failed if check.blocking] == ["dense_recall_new_rows"]
    assert result.refused.cause in result.reason
    assert result.document()["refused"]["built"] == 2
    assert topics.runs()[-2:] == ["rebuild", "retrain"]
    assert topics.build().built is None


def test_a_build_after_a_refusal_that_automation_met_is_one_retrain(daemon: Daemon) -> None:
    result = daemon.project.build()
    assert (result.built, result.published, result.refused) == (3, True, None)
    assert daemon.project.runs()[-1] == "retrain"


@pytest.mark.long
def test_a_build_retrains_once_where_that_is_refused_too(topics: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    write(topics.folder, "sudden", "fresh", SUDDEN, 60)
    monkeypatch.setattr("xtr_assets.pipeline.gate.new_row_recall.certain_new", nothing_is_right)
    result = topics.build()
    assert not result.ok
    assert (result.built, result.generation) == (3, 1)
    assert result.refused is not None
    assert topics.runs()[-2:] == ["rebuild", "retrain"]


@pytest.mark.parametrize("job", sorted(GENERATIONS))
def test_every_job_that_makes_a_generation_is_seen_without_an_asset_selection(topics: Project, job: str) -> None:
    names = Daemon(topics)
    defined = build_index_defs(topics.config).resolve_job_def(job)
    topics.instance.create_run_for_job(defined, status=dg.DagsterRunStatus.STARTED, asset_selection=None)
    for sensor in ("automation", "drift"):
        assert f"1 run of {job} has not ended" in str(names.tick(sensor).skip_message)
