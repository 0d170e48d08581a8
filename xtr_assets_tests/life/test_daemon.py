"""A real daemon over a real folder: nobody asks for anything, and what is written is found.

`XTR_ASSETS_DAEMON=1 pytest -m daemon`: two minutes on an idle machine.
"""

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from xtr_assets.core.errors import WarehouseNotFound
from xtr_assets.search.searcher import Searcher
from xtr_assets.storage.warehouse import Warehouse

pytestmark = [
    pytest.mark.daemon,
    pytest.mark.skipif("XTR_ASSETS_DAEMON" not in os.environ, reason="XTR_ASSETS_DAEMON=1 runs a real daemon, minutes"),
]

CONFIG = """
name: watched
sources:
  - {name: modules, kind: python, path: modules}
encoder: {kind: hashing}
recall: {queries: 10}
"""
WORKSPACE = "load_from:\n  - python_module: {module_name: xtr_assets.definitions, location_name: xtr_assets}\n"
PATIENCE_SECONDS = float(os.environ.get("XTR_ASSETS_DAEMON_PATIENCE", "300"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project with a daemon and its code server, both ended afterwards."""
    (tmp_path / "modules").mkdir()
    for name in ("bisect.py", "heapq.py"):
        shutil.copy(Path(sysconfig.get_paths()["stdlib"]) / name, tmp_path / "modules")
    (tmp_path / "xtr.yaml").write_text(CONFIG)
    (tmp_path / "workspace.yaml").write_text(WORKSPACE)
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("XTR_ASSETS_CONFIG", str(tmp_path / "xtr.yaml"))
    command = [str(Path(sys.executable).with_name("dagster-daemon")), "run", "-w", "workspace.yaml"]
    with (tmp_path / "daemon.log").open("w") as log:
        # A session of its own: its code server and its runs end with it.
        daemon = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log, start_new_session=True)
        try:
            yield tmp_path
        finally:
            os.killpg(daemon.pid, signal.SIGTERM)
            try:
                daemon.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(daemon.pid, signal.SIGKILL)
                daemon.wait()


def wait_for(what: str, look: Callable[[], bool], folder: Path) -> float:
    """Seconds until `look` said so."""
    started = time.monotonic()
    while not look():
        if time.monotonic() - started > PATIENCE_SECONDS:
            pytest.fail(f"{what}: not within {PATIENCE_SECONDS} s\n{(folder / 'daemon.log').read_text()[-4000:]}")
        time.sleep(1)
    return time.monotonic() - started


def symbols(folder: Path) -> set[str]:
    """What the best hits for a question are called; nothing where nothing serves yet."""
    try:
        warehouse = Warehouse.open(folder / "warehouse")
    except WarehouseNotFound:
        return set()
    if warehouse.published is None:
        return set()
    with Searcher(warehouse, "cpu") as searcher:
        return {hit.symbol for hit in searcher.search("water the tomatoes in the greenhouse", 3)}


def test_what_is_written_is_found_and_what_is_deleted_is_not(folder: Path) -> None:
    took = {"first": wait_for("the first generation", lambda: bool(symbols(folder)), folder)}
    module = folder / "modules" / "garden.py"
    module.write_text('def sprinkle():\n    """Water the tomatoes in the greenhouse."""\n')
    took["written"] = wait_for("the new function", lambda: "sprinkle" in symbols(folder), folder)
    module.unlink()
    took["deleted"] = wait_for("its end", lambda: "sprinkle" not in symbols(folder), folder)

    warehouse = Warehouse.open(folder / "warehouse")
    assert [(one.action, one.generation) for one in warehouse.history()] == [("published", n) for n in (1, 2, 3)]
    with dg.DagsterInstance.get() as instance:
        # The run that published may still be writing its last events.
        wait_for("the runs' end", lambda: all(run.is_finished for run in instance.get_runs()), folder)
        runs = sorted(instance.get_run_records(), key=lambda record: record.create_timestamp)
        names = [record.dagster_run.job_name for record in runs]
        assert names == ["ingest", "rebuild"] * 3
        assert {record.dagster_run.status for record in runs} == {dg.DagsterRunStatus.SUCCESS}
    assert warehouse.verify().ok
    print("seconds:", {name: round(seconds, 1) for name, seconds in took.items()})
