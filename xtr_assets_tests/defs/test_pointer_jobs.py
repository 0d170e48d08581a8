"""`publish`, `rollback` and `withdraw` as jobs: what the commands do, by people without a shell. Runs wait in queues,
are launched by two people at once, and are executed again after their process died: nothing is done twice or unseen."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Event, Thread
from typing import Any

import dagster as dg
import pytest

from xtr_assets.config import parse_config
from xtr_assets.defs import build_index_defs
from xtr_assets.defs.asked_run import run_of
from xtr_assets.storage import history, publish
from xtr_assets_tests.defs.conftest import CONFIG, Project
from xtr_assets_tests.defs.test_automation import EAGER, Follower, change
from xtr_assets_tests.defs.test_by_hand import said
from xtr_assets_tests.defs.test_sensors import Daemon

OPS = {"publish": "serve_generation", "rollback": "move_pointer_back", "withdraw": "withdraw_generation"}
PUBLISHED = dg.AssetKey(["small", "published"])
LATER = "2999-01-01T00:00:00+00:00"
WHY = "lions matter"
STRICT = CONFIG.format(name="small").replace("queries: 10", "queries: 10, dense: 1.01")


@pytest.fixture(scope="module")
def refused_once(built_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generation 1 serves, and draft 2 was refused for its recall."""
    folder = tmp_path_factory.mktemp("refused")
    shutil.copytree(built_once, folder, dirs_exist_ok=True)
    with dg.DagsterInstance.ephemeral() as instance:
        project = Project(folder, instance, parse_config(STRICT, folder))
        change(project)
        assert project.build().failed
    return folder


@pytest.fixture
def refused(refused_once: Path, tmp_path: Path) -> Iterator[Project]:
    shutil.copytree(refused_once, tmp_path, dirs_exist_ok=True)
    with dg.DagsterInstance.ephemeral() as instance:
        yield Project(tmp_path, instance, parse_config(STRICT, tmp_path))


@pytest.fixture
def two(refused: Project) -> Project:
    """Generation 2 serves, and 1 did before."""
    refused.warehouse.publish(2, force_reason=WHY)
    return refused


def run(project: Project, name: str, tags: Mapping[str, str] | None = None, **config: Any) -> dg.ExecuteInProcessResult:
    job = build_index_defs(project.config).resolve_job_def(name)
    asked = {"ops": {OPS[name]: {"config": config}}}
    return job.execute_in_process(instance=project.instance, run_config=asked, tags=tags, raise_on_error=False)


def made_anew(folder: str, job: str) -> dg.JobDefinition:
    """The job, found by this module's name: what is executed again is opened anew."""
    return build_index_defs(parse_config(STRICT, Path(folder))).resolve_job_def(job)


def again(project: Project, before: dg.ExecuteInProcessResult) -> dg.JobExecutionResult:
    """The run executed again, as `run_retries` and people do."""
    asked = {"folder": str(project.folder), "job": before.dagster_run.job_name}
    job = dg.build_reconstructable_job(__name__, made_anew.__name__, reconstructable_kwargs=asked)
    return dg.execute_job(job, project.instance, reexecution_options=dg.ReexecutionOptions(before.run_id))


def lines(project: Project) -> list[tuple[str, int]]:
    return [(one.action, one.generation) for one in project.warehouse.history()]


def observed(project: Project) -> dict[str, Any]:
    """The metadata of the newest observation of `published`."""
    (record,) = project.instance.fetch_observations(PUBLISHED, limit=1).records
    assert record.asset_observation is not None
    return {name: one.value for name, one in record.asset_observation.metadata.items()}


def test_a_refused_draft_serves_by_a_persons_word_and_what_follows_is_asked_for(refused: Project) -> None:
    follower = Follower(refused, "published", EAGER)
    assert "`xtr-assets publish 2 --force" in said(run(refused, "publish", generation=2))
    assert "force needs a reason" in said(run(refused, "publish", generation=2, force="  "))
    assert lines(refused) == [("published", 1)] and follower.tick() == 0

    result = run(refused, "publish", {"user": "ann@example.com"}, generation=2, force=WHY)

    assert result.success and refused.published == 2
    line = refused.warehouse.history()[-1]
    assert (line.forced, line.reason, line.who) == (True, WHY, f"dagster run {result.run_id}, ann@example.com")
    assert run_of(line.who) == result.run_id
    assert follower.tick() == 1
    event = refused.instance.get_latest_materialization_event(PUBLISHED)
    assert event is not None and event.asset_materialization is not None
    shown = event.asset_materialization.metadata
    assert [shown[name].value for name in ("generation", "forced", "by", "reason")] == [2, WHY, line.who, WHY]
    assert "dense_recall_over_generations" in shown
    # Executed again, by a person or since the process died before it said so.
    assert again(refused, result).success
    assert lines(refused) == [("published", 1), ("published", 2)]


def test_what_serves_by_a_move_that_its_run_did_not_tell_is_told_by_the_next_one(refused: Project) -> None:
    """Killed between the pointer and the materialization: a retry tells it, and so does the sensor."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xtr_assets.defs.pointer_jobs._published", killed)
        result = run(refused, "publish", generation=2, force=WHY)
    assert not result.success and refused.published == 2
    assert refused.instance.get_latest_materialization_event(PUBLISHED) is None
    (event,) = Daemon(refused).tick("automation").asset_events
    assert event.metadata["generation"].value == 2
    assert again(refused, result).success
    assert refused.instance.get_latest_materialization_event(PUBLISHED) is not None
    assert lines(refused) == [("published", 1), ("published", 2)]


def test_nobody_passes_by_what_happened_while_his_run_waited(two: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of two people goes back by one, and means the same generation."""
    with monkeypatch.context() as patch:
        patch.setattr(history, "now", lambda: LATER)
        assert run(two, "rollback", reason="bad answers").success
    assert two.published == 1
    shown = observed(two)
    assert (shown["action"], shown["generation"], shown["reason"]) == ("rolled back", 1, "bad answers")
    moved = lines(two)
    second = said(run(two, "rollback"))
    assert f"generation 1 was rolled back to on {LATER}" in second and "`to` names the generation" in second
    assert "launch a new run" in said(run(two, "publish", generation=2, again="I looked before that"))
    assert "is the published one already" in said(run(two, "rollback", to=1))
    assert lines(two) == moved


def test_a_run_that_is_executed_again_goes_back_once(two: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    two.warehouse.publish(1, again_reason="there are three to go back along")
    two.warehouse.publish(2)
    before = lines(two)
    result = run(two, "rollback")
    assert again(two, result).success
    assert lines(two) == [*before, ("rolled_back", 1)]
    # Something else serves since: whoever executes it again is to look.
    two.warehouse.publish(2, again_reason="it was good")
    assert "generation 2 serves since; launch a new run" in said(again(two, result))
    # Killed between the pointer and the history: the next writer notes the move as its own.
    with monkeypatch.context() as patch:
        patch.setattr(publish, "_note", killed)
        killed_run = run(two, "rollback")
    assert not killed_run.success and two.published == 1
    with monkeypatch.context() as patch:
        patch.setattr(history, "now", lambda: LATER)
        assert "generation 1 was found to serve" in said(again(two, killed_run))
    assert two.published == 1


def test_a_generation_is_withdrawn_once_and_taken_back_by_a_word(two: Project) -> None:
    assert "9" in said(run(two, "withdraw", generation=9, reason=WHY))
    assert "withdraw needs a reason" in said(run(two, "withdraw", generation=2, reason=" "))
    assert two.published == 2

    result = run(two, "withdraw", generation=2, reason="it leaks")

    assert result.success and two.published == 1
    assert lines(two)[-2:] == [("rolled_back", 1), ("withdrawn", 2)]
    shown = observed(two)
    assert (shown["action"], shown["generation"], shown["serves"]) == ("withdrawn", 2, "generation 1")
    assert again(two, result).success
    assert "it leaks" in said(run(two, "withdraw", generation=2, reason="twice"))
    assert "nothing was published before it" in said(run(two, "withdraw", generation=1, reason="all of it"))
    assert len(lines(two)) == 4
    # Somebody who did not see the withdrawal does not undo it.
    assert "`xtr-assets publish 2 --again" in said(run(two, "publish", generation=2))
    assert run(two, "publish", generation=2, again="it does not").success and two.published == 2
    assert "let serve again since" in said(again(two, result))


def test_a_build_and_a_person_wait_for_each_other(refused: Project) -> None:
    job = build_index_defs(refused.config).resolve_job_def
    waits = refused.instance.create_run_for_job(job("rollback"), status=dg.DagsterRunStatus.STARTED)
    assert Daemon(refused).tick("automation").skip_message == "1 run of rollback has not ended"
    refused.instance.delete_run(waits.run_id)
    building = refused.warehouse.generation(2).manifest.run_id
    refused.instance.create_run_for_job(job("rebuild"), run_id=building, status=dg.DagsterRunStatus.STARTED)
    assert f"generation 2 is being built by run {building}" in said(run(refused, "publish", generation=2, force=WHY))
    assert refused.published == 1


def test_a_rebuild_that_somebody_schedules_builds_nothing_of_what_was_rolled_back(two: Project) -> None:
    """It built all of it each night, and failed at the last step."""
    two.warehouse.rollback(reason="bad answers")
    result = build_index_defs(two.config).resolve_job_def("rebuild").execute_in_process(instance=two.instance)
    assert result.success and not result.get_asset_materialization_events()
    assert two.warehouse.newest_draft() is None and two.published == 1
    told = [one.user_message for one in two.instance.all_logs(result.run_id)]
    assert any("nothing to do: generation 2 held exactly this and was rolled back" in one for one in told)


@pytest.mark.parametrize("name", ["rollback", "rebuild", "collect", "ingest"])
def test_a_run_says_who_has_the_lock_and_waits_for_it(two: Project, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    held, let_go = Event(), Event()
    shard = "modules" if name == "ingest" else None

    def build() -> None:
        lock = two.warehouse.lock("a long step") if shard is None else two.warehouse.shard_lock(shard, "a long step")
        with lock:
            held.set()
            let_go.wait()

    builder = Thread(target=build)
    builder.start()
    held.wait()
    # The first look after it said so.
    monkeypatch.setattr("xtr_assets.storage.lock.time.sleep", lambda _: let_go.set())
    job = build_index_defs(two.config).resolve_job_def(name)
    result = job.execute_in_process(instance=two.instance, partition_key=shard)
    builder.join()
    assert result.success and two.published == (1 if name == "rollback" else 2)
    assert any("'a long step' on host" in one.user_message for one in two.instance.all_logs(result.run_id))


def killed(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt
