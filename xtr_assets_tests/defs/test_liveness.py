import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import dagster as dg
import pytest

from xtr_assets.core.errors import ConfigError
from xtr_assets.defs import build_index_defs
from xtr_assets.defs.context import INDEX_TAG
from xtr_assets.defs.liveness import QUIET_SECONDS, UNMARKED_SECONDS, is_gone, this_process
from xtr_assets.defs.sensor_cursor import DEAD_SECONDS
from xtr_assets.storage.run_mark import marked, read_mark
from xtr_assets_tests.defs.conftest import Project
from xtr_assets_tests.defs.test_sensors import Daemon, definitions


def test_a_process_is_gone_when_it_ended_or_another_one_has_its_number() -> None:
    me = this_process()
    host, number, began, numbered = me.split(" ")
    assert not is_gone(me)
    assert is_gone(f"{host} {number} {int(began or 0) + 1}")
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert is_gone(f"{host} {ended.pid} {began}") and is_gone(f"{host} {ended.pid} {began} {numbered}")


def test_of_a_container_with_the_name_of_its_host_nothing_is_said() -> None:
    """Its processes have numbers of their own: what was built there was asked for once more beside it."""
    host, number, began, numbered = this_process().split(" ")
    assert numbered
    for elsewhere in (f"{numbered}1", f"0{numbered}"):
        assert not is_gone(f"{host} {number} {int(began or 0) + 1} {elsewhere}")


def test_of_another_host_or_of_no_process_nothing_is_said() -> None:
    _, number, began, _ = this_process().split(" ")
    assert not is_gone(f"elsewhere {number} {int(began or 0) + 1}")
    assert not is_gone("")


@pytest.fixture
def waiting(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[float], Daemon]]:
    """A changed shard, and a daemon whose clock goes ahead by so many seconds."""
    (project.modules / "queue.py").unlink()
    daemon = Daemon(project)
    daemon.tick("source_changes")

    def ahead(seconds: float) -> Daemon:
        monkeypatch.setattr("xtr_assets.defs.sensors.clock", lambda: time.time() + seconds)
        return daemon

    yield ahead


def started(project: Project, job: str = "ingest") -> dg.DagsterRun:
    """A run that some worker began."""
    definition = definitions(project.config).resolve_job_def(job)
    tags = {**definition.tags, "dagster/partition": "modules"}
    return project.instance.create_run_for_job(definition, tags=tags, status=dg.DagsterRunStatus.STARTED)


def status(project: Project, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    found = project.instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status


def test_a_run_whose_process_lives_is_waited_for_however_silent(
    project: Project, waiting: Callable[[float], Daemon]
) -> None:
    run = started(project)
    with marked(project.warehouse.layout, run.run_id):
        # Dagster knows when it began alone: a first ingest takes days, and would be asked for beside itself.
        ticks = [waiting(seconds).tick("source_changes") for seconds in (3600, 3 * DEAD_SECONDS)]
    assert all("is being ingested" in str(tick.skip_message) for tick in ticks)
    assert status(project, run) == dg.DagsterRunStatus.STARTED


def test_a_run_whose_host_died_is_told_of_and_its_shard_is_asked_for(
    project: Project, waiting: Callable[[float], Daemon]
) -> None:
    run = started(project)
    with marked(project.warehouse.layout, run.run_id):
        pass
    assert not waiting(QUIET_SECONDS / 2).tick("source_changes").run_requests
    assert status(project, run) == dg.DagsterRunStatus.STARTED
    (request,) = waiting(QUIET_SECONDS * 2).tick("source_changes").run_requests
    assert request.partition_key == "modules"
    assert status(project, run) == dg.DagsterRunStatus.FAILURE
    # What comes back after all, and ends, is no harm: the locks were another's.
    daemon = waiting(QUIET_SECONDS * 2)
    daemon.run("ingest", request)
    assert daemon.settle() == (0, 1)


def test_a_run_that_never_took_a_mark_has_half_an_hour(project: Project, waiting: Callable[[float], Daemon]) -> None:
    runs, other = [started(project), started(project, "rollback")], started(project, "collect")
    waiting(UNMARKED_SECONDS - 60).tick("automation")
    assert {status(project, run) for run in runs} == {dg.DagsterRunStatus.STARTED}
    waiting(UNMARKED_SECONDS + 60).tick("automation")
    assert {status(project, run) for run in runs} == {dg.DagsterRunStatus.FAILURE}
    # A job that needs no mark may go on for hours.
    assert status(project, other) == dg.DagsterRunStatus.STARTED


def test_runs_of_another_index_are_left_alone(project: Project, waiting: Callable[[float], Daemon]) -> None:
    definition = definitions(project.config).resolve_job_def("ingest")
    tags = {INDEX_TAG: "another", "dagster/partition": "modules"}
    run = project.instance.create_run_for_job(definition, tags=tags, status=dg.DagsterRunStatus.STARTED)
    waiting(UNMARKED_SECONDS * 2).tick("source_changes")
    assert status(project, run) == dg.DagsterRunStatus.STARTED


def test_a_run_takes_its_mark_and_lets_go(project: Project, waiting: Callable[[float], Daemon]) -> None:
    daemon = waiting(0)
    (request,) = daemon.tick("source_changes").run_requests
    daemon.run("ingest", request)
    (run,) = project.instance.get_runs(limit=1)
    mark = read_mark(project.warehouse.layout, run.run_id)
    assert mark is not None
    assert not mark.held
    assert mark.holder == f"host {socket.gethostname()}, process {os.getpid()}"


def test_tags_of_a_deployment_reach_the_runs_of_their_job(project: Project) -> None:
    gpu = {"container_config": {"resources": {"limits": {"nvidia.com/gpu": 1}}}}
    defs = build_index_defs(
        project.config,
        run_tags={
            "ingest": {"dagster-celery/queue": "gpu", INDEX_TAG: "another"},
            "rebuild": {"dagster-k8s/config": gpu},
        },
    )
    ingest, rebuild = (dict(defs.resolve_job_def(job).tags) for job in ("ingest", "rebuild"))
    retried = ingest.pop("dagster/retry_on_asset_or_op_failure")
    assert (retried, ingest) == (
        "false",
        {"dagster-celery/queue": "gpu", INDEX_TAG: "small", "xtr-assets/kind": "ingest"},
    )
    assert json.loads(rebuild["dagster-k8s/config"]) == gpu
    assert "dagster-celery/queue" not in rebuild
    with pytest.raises(ConfigError, match="run_tags names ingets"):
        build_index_defs(project.config, run_tags={"ingets": {}})
