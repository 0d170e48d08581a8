"""Automation looks at the state, not at events: what it did not see happen, it finds."""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from xtr_assets.defs import build_index_defs
from xtr_assets.defs.names import DERIVED, Names
from xtr_assets.defs.sensor_cursor import DEAD_SECONDS, FIRST_WAIT_SECONDS, in_progress
from xtr_assets.storage.layout import Layout
from xtr_assets_tests.defs.conftest import STDLIB, Project
from xtr_assets_tests.defs.test_sensors import Daemon
from xtr_assets_tests.long_cases import LONG, more


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time as the sensors see it, to be moved by hand."""
    now = [1_800_000_000.0]
    monkeypatch.setattr("xtr_assets.defs.sensors.clock", lambda: now[0])
    return now


def test_changes_while_no_daemon_ran_are_built_once_when_one_comes_back_without_its_memory(project: Project) -> None:
    # A daemon begins without a memory in most tests of sensors: that it finds what changed before is told there too.
    if LONG:
        for name in ("glob.py", "shlex.py"):
            shutil.copy(STDLIB / name, project.modules)
        (project.modules / "queue.py").unlink()
        assert Daemon(project).settle() == (1, 1)
        assert project.published == 2
        assert {"glob", "shlex.split"} & project.symbols()
    # Ingested by somebody who then went away, and a daemon that knows nothing of it.
    shutil.copy(STDLIB / "sched.py", project.modules)
    assert (
        build_index_defs(project.config)
        .resolve_job_def("ingest")
        .execute_in_process(instance=project.instance, partition_key="modules")
        .success
    )
    assert Daemon(project).settle() == (0, 1)
    assert project.published == more(2, 3)


def test_a_run_that_died_with_its_machine_is_not_waited_for_for_ever(project: Project, clock: list[float]) -> None:
    (project.modules / "queue.py").unlink()
    job = build_index_defs(project.config).resolve_job_def("rebuild")
    project.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    (record,) = project.instance.get_run_records(limit=1)
    begun = record.update_timestamp.timestamp()
    daemon = Daemon(project)
    clock[0] = begun + DEAD_SECONDS - 60
    assert daemon.settle()[1] == 0
    assert "1 run of rebuild has not ended" in str(daemon.tick("automation").skip_message)
    clock[0] = begun + DEAD_SECONDS + 60
    assert daemon.settle() == (0, 1)
    assert project.published == 2


@pytest.mark.parametrize(("status", "counts"), [("QUEUED", 1), ("STARTED", 0)])
def test_a_run_that_waits_in_the_queue_is_in_progress_however_long(tmp_path: Path, status: str, counts: int) -> None:
    """Nothing of it can have died: it is run some day, however full the queue is."""
    run = SimpleNamespace(
        status=dg.DagsterRunStatus[status], run_id="r", tags={}, asset_selection=None, job_name="rebuild"
    )
    record = SimpleNamespace(dagster_run=run, update_timestamp=datetime.fromtimestamp(0, UTC))
    instance: Any = SimpleNamespace(get_run_records=lambda _: [record])
    found = in_progress(instance, Layout(tmp_path), Names("small"), DERIVED, now=2 * DEAD_SECONDS)
    assert len(found) == counts


def test_a_rebuild_that_failed_is_asked_for_again_after_a_while_and_serves_then(
    project: Project, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = Daemon(project)
    shutil.copy(STDLIB / "glob.py", project.modules)

    def dies(*_: object, **__: object) -> None:
        raise MemoryError("no more")

    with monkeypatch.context() as patch:
        patch.setattr("xtr_assets.defs.assets.xtr_index.derive_tokens", dies)
        assert daemon.settle() == (1, 1)
    assert project.published == 1
    assert "the last rebuild failed" in str(daemon.tick("automation").skip_message)
    clock[0] += FIRST_WAIT_SECONDS + 1
    assert daemon.settle() == (0, 1)
    # Draft 2 is what the run that died left behind.
    assert project.published == 3
    assert "glob" in project.symbols()
