"""A real `xtr-assets build`, killed: readers read on, the next build is clean, and nothing is lost or left behind."""

import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
import pytest

from xtr_assets.defs.in_process import build
from xtr_assets.defs.liveness import QUIET_SECONDS
from xtr_assets.pipeline.ingest.encode import missing_encodings
from xtr_assets.search.searcher import Searcher
from xtr_assets.storage.lock import read_holder
from xtr_assets.storage.run_mark import read_mark
from xtr_assets_tests.defs.conftest import CONFIG, STDLIB, Project
from xtr_assets_tests.defs.test_sensors import Daemon
from xtr_assets_tests.long_cases import kept

# In place of which function the process is killed, and what serves then.
POINTS = {
    "chunks": ("xtr_assets.storage.shard_writer.commit_snapshot", 1),
    "encode": ("xtr_assets.pipeline.ingest.encode.tokens_writer", 1),
    "faiss_index": ("xtr_assets.index.dense.serialization.write_index", 1),
    "published": ("xtr_assets.storage.publish.move_pointer", 1),
    "noted": ("xtr_assets.storage.publish.append_history", 2),
}

KILLED = """
import os, signal, sys
from importlib import import_module
module, _, name = sys.argv[1].rpartition(".")
setattr(import_module(module), name, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
sys.argv = ["xtr-assets", "build", "--json"]
from xtr_assets.cli import main
main()
"""


@contextmanager
def at_home(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """The project with the instance that a command in its folder uses."""
    (project.folder / "xtr.yaml").write_text(CONFIG.format(name="small"))
    (project.folder / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    monkeypatch.setenv("DAGSTER_HOME", str(project.folder))
    with dg.DagsterInstance.get() as instance:
        yield Project(project.folder, instance, project.config)


# Each point costs two builds. That encodings are gone on with is told by test_upgrade.py too.
@pytest.mark.parametrize("point", kept(POINTS, ["published"]))
def test_a_build_may_be_killed_anywhere(project: Project, point: str, monkeypatch: pytest.MonkeyPatch) -> None:
    function, serving = POINTS[point]
    warehouse = project.warehouse
    shutil.copy(STDLIB / "glob.py", project.modules)
    with at_home(project, monkeypatch) as home, Searcher(warehouse, "cpu") as reader:
        before = reader.search("split text into lines of a given width", 5)

        done = subprocess.run([sys.executable, "-c", KILLED, function], cwd=project.folder, capture_output=True)

        assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-2000:]
        assert reader.search("split text into lines of a given width", 5) == before
        assert project.published == serving
        assert warehouse.verify().problems == ()
        holder = read_holder(warehouse.layout.writer_lock)
        assert holder is not None
        assert "build of small" in holder.purpose
        # The run is still under way as far as Dagster knows; the sensors know better.
        assert [run.status for run in home.instance.get_runs(limit=1)] == [dg.DagsterRunStatus.STARTED]
        tick = Daemon(home).tick("automation")
        assert "not ended" not in str(tick.skip_message)
        # A minute later it is certain, for sensors on other hosts too, and Dagster is told.
        monkeypatch.setattr("xtr_assets.defs.sensors.clock", lambda: time.time() + 2 * QUIET_SECONDS)
        Daemon(home).tick("automation")
        (dead,) = home.instance.get_runs(limit=1)
        assert dead.status == dg.DagsterRunStatus.FAILURE
        mark = read_mark(warehouse.layout, dead.run_id)
        assert mark is not None
        assert not mark.held
        assert socket.gethostname() in mark.holder

        result = build(project.config, home.instance)

        assert result.ok
        assert "glob" in project.symbols()
        (shard,) = result.shards.values() or [{"encoded": 0}]
        assert (shard["encoded"] > 0) == (point in ("chunks", "encode"))
        snapshot, generation = warehouse.snapshot("modules"), warehouse.published
        assert snapshot is not None
        assert generation is not None
        assert missing_encodings(warehouse, snapshot, generation.vector_kind) == []
        assert reader.refresh() == generation.number
    warehouse.collect(keep=1)
    assert [entry.generation for entry in warehouse.history()] == [1, generation.number]
    assert warehouse.collect(keep=1, dry_run=True).removed == {}
    assert not any(warehouse.layout.scratch.iterdir())
    assert not list(warehouse.root.rglob("*.tmp"))
    assert [one.number for one in warehouse.generations()] == [generation.number]
    assert warehouse.verify().ok
