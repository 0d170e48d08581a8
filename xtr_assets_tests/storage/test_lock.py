"""One writer at a time: across processes and threads; a dead one is taken over; the holder is named."""

import errno
import fcntl
import json
import logging
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from xtr_assets.core.errors import WarehouseLocked
from xtr_assets.storage.lock import committing, exclusive
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.storage.conftest import Laid
from xtr_assets_tests.storage.sample import draft, write

HOLD = """
import sys, time
from xtr_assets.storage.lock import committing
from xtr_assets.storage.warehouse import Warehouse
with Warehouse.open(sys.argv[1]).lock("a long build"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(warehouse: Warehouse):  # type: ignore[no-untyped-def]
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(warehouse.root)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_the_holder_is_named_by_host_process_purpose_and_time(
    warehouse: Warehouse, holder: "subprocess.Popen[str]"
) -> None:
    with pytest.raises(WarehouseLocked) as refused, warehouse.lock("mine"):
        pass
    message = str(refused.value)
    assert f"process {holder.pid}," in message and os.uname().nodename in message
    assert "'a long build'" in message and "since 20" in message and "'mine' waited 0 s" in message


def test_a_writing_step_is_refused_while_another_process_writes(
    warehouse: Warehouse, holder: "subprocess.Popen[str]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xtr_assets.storage.warehouse.STEP_WAIT_SECONDS", 0.3)
    with pytest.raises(WarehouseLocked, match="a long build"):
        draft(warehouse)
    assert warehouse.layout.numbers() == []


def test_shards_are_written_beside_whoever_builds(warehouse: Warehouse, holder: "subprocess.Popen[str]") -> None:
    made = write(warehouse, {"a.py": ["f"]})
    warehouse.note_look("s", 7)
    assert (made.added, warehouse.looked_at("s", made.snapshot.data_version)) == (1, 7)


def test_a_copy_under_flock_keeps_writers_away(laid: Laid, tmp_path: Path) -> None:
    lived = laid({"a.py": ["f one"]})
    with lived.layout.writer_lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(WarehouseLocked, match="a copy under `flock`"), lived.lock("build"):
            pass
        shutil.copytree(lived.root, tmp_path / "backup")
    assert Warehouse.open(tmp_path / "backup").verify().ok
    with lived.lock("build"):
        pass


def test_a_dead_holder_is_taken_over_and_named_in_the_log(
    warehouse: Warehouse, holder: "subprocess.Popen[str]", caplog: pytest.LogCaptureFixture
) -> None:
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with caplog.at_level(logging.WARNING), warehouse.lock("next"):
        pass
    assert f"process {holder.pid}," in caplog.text and "when it died" in caplog.text
    caplog.clear()
    with warehouse.lock("after that"):
        pass
    assert caplog.text == ""


def test_a_waiting_writer_gets_the_lock_when_it_is_free(warehouse: Warehouse) -> None:
    held, done = threading.Event(), threading.Event()

    def other() -> None:
        with warehouse.lock("first"):
            held.set()
            done.wait(10)

    thread = threading.Thread(target=other)
    thread.start()
    held.wait(10)
    with pytest.raises(WarehouseLocked, match="'first'"), warehouse.lock("second", wait_seconds=0.2):
        pass
    done.set()
    with warehouse.lock("second", wait_seconds=10):
        pass
    thread.join()


def test_the_thread_that_holds_it_takes_it_again_through_any_object(warehouse: Warehouse, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(warehouse.root)
    beside = Warehouse.open(tmp_path / "link")
    with warehouse.lock("outer"):
        with beside.lock("inner"):
            pass
        assert warehouse.layout.writer_lock.stat().st_size > 0
    assert warehouse.layout.writer_lock.stat().st_size == 0


def test_an_error_inside_gives_the_lock_back(warehouse: Warehouse) -> None:
    with pytest.raises(RuntimeError), warehouse.lock("first"):
        raise RuntimeError
    with warehouse.lock("second"):
        pass


def test_a_forked_child_does_not_keep_its_parents_lock(warehouse: Warehouse) -> None:
    script = """
import os, sys, time
from xtr_assets.storage.lock import committing
from xtr_assets.storage.warehouse import Warehouse
with Warehouse.open(sys.argv[1]).lock("parent"):
    child = os.fork()
    if child == 0:
        os.close(1), os.close(2)
        time.sleep(20)
        os._exit(0)
    print(child, flush=True)
    os._exit(1)
"""
    run = subprocess.run(
        [sys.executable, "-c", script, str(warehouse.root)], capture_output=True, text=True, check=False
    )
    try:
        with warehouse.lock("next"):
            pass
    finally:
        os.kill(int(run.stdout), signal.SIGKILL)


def test_a_lock_whose_file_was_removed_still_holds(
    warehouse: Warehouse, holder: "subprocess.Popen[str]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xtr_assets.storage.warehouse.STEP_WAIT_SECONDS", 0.2)
    for _ in range(2):
        warehouse.layout.writer_lock.unlink()
        with pytest.raises(WarehouseLocked, match="whose lock file was removed"):
            draft(warehouse)
    holder.kill()
    holder.wait()
    assert draft(warehouse).number == 1


@pytest.mark.parametrize("by", ["removed", "taken", "taken and let go", "told"])
def test_who_lost_its_lock_on_nfs_moves_nothing(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    """Its host was cut off for two minutes, or somebody took the file for what a dead one left. It went on, and what
    another one had published meanwhile was lost."""
    real, lock, told = fcntl.flock, warehouse.layout.writer_lock, False

    def of_files(descriptor: int, how: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EBADF, "NFS locks no folder")
        if told and os.path.samestat(os.fstat(descriptor), lock.stat()):
            raise OSError(errno.EIO, "a lock that the server gave to another host")
        real(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", of_files)
    write(warehouse, {"a.py": ["f one"]})
    made = draft(warehouse)
    other = {"host": "other", "pid": 7, "purpose": "publish", "since": "2026-01-01T00:00:00+00:00"}
    with warehouse.lock("a build"):
        if by == "removed":
            lock.unlink()
        lock.write_text(left := "" if by == "taken and let go" else json.dumps(other))
        told = by == "told"
        with pytest.raises(WarehouseLocked, match=r"another process" if "let go" in by else "'publish' on host other"):
            warehouse.publish(made.number, force_reason="a test")
    # The note is of him who has the lock now: without it he would take his own for lost.
    assert lock.read_text() == left
    told = False
    assert warehouse.published is None and not warehouse.history()
    assert warehouse.publish(made.number, force_reason="a test").number == made.number


def test_who_lost_its_lock_of_a_set_on_nfs_writes_none_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """parts.json has no name that is taken, as a move has: what another host had placed meanwhile was lost."""
    real, parts = fcntl.flock, PartSet.create(tmp_path / "set")

    def of_files(descriptor: int, how: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EBADF, "NFS locks no folder")
        real(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", of_files)
    with exclusive(parts.layout.writer_lock, "placing shards"):
        parts.layout.writer_lock.write_text("")
        with pytest.raises(WarehouseLocked, match="lost its lock"):
            parts.add("a")
    assert parts.info.parts == ()
    parts.add("a")


def test_the_moment_of_a_commit_is_not_the_lock_of_a_build(
    warehouse: Warehouse, holder: "subprocess.Popen[str]"
) -> None:
    """What steps commit while another process holds the writer lock does not wait for it."""
    with committing(warehouse.layout, "an encoding"), committing(warehouse.layout, "within it"):
        pass


HOLD_SHARD = """
import sys, time
from xtr_assets.storage.warehouse import Warehouse
with Warehouse.open(sys.argv[1]).shard_lock("s", "chunks of s"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_shard_has_one_writer_and_another_shard_another(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xtr_assets.storage.warehouse.STEP_WAIT_SECONDS", 0.2)
    monkeypatch.setattr("xtr_assets.storage.warehouse.SHARD_WAIT_SECONDS", 0.2)
    before = write(warehouse, {"a.py": ["f"]}).snapshot
    command = [sys.executable, "-c", HOLD_SHARD, str(warehouse.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        with pytest.raises(WarehouseLocked, match="'chunks of s' on host"):
            write(warehouse, {"a.py": ["g"]})
        with pytest.raises(WarehouseLocked, match="'chunks of s' on host"):
            warehouse.compact({"s": ((before.segments[0].segment_id,),)})
        # Who holds it notes its own look.
        warehouse.note_look("s", 7)
        assert warehouse.looked_at("s", before.data_version) == 0
        assert write(warehouse, {"b.py": ["f"]}, "t").added == 1
        # Nor does it keep anybody from building of what is there.
        assert draft(warehouse).number == 1
        other.kill()
    assert warehouse.snapshot("s") == before
    assert write(warehouse, {"a.py": ["g"]}).added == 1


TWO_CONTENTS = """
import sys
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.storage.sample import write
warehouse, shard = Warehouse.open(sys.argv[1]), sys.argv[2]
for number in range(int(sys.argv[3])):
    write(warehouse, {"a.py": [f"f {shard} {number % 2}"]}, shard)
    for one in warehouse.snapshot(shard).segments:
        assert warehouse.segment(one.segment_id).chunks().num_rows == one.rows
print("whole")
"""


def test_a_collection_takes_nothing_from_shards_that_are_written_beside_it(warehouse: Warehouse) -> None:
    """Each shard goes back and forth between two contents, so that what was garbage a moment ago is named again."""
    command = [sys.executable, "-c", TWO_CONTENTS, str(warehouse.root)]
    writers = [
        subprocess.Popen([*command, shard, "40"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for shard in ("s", "t")
    ]
    collections = 0
    while any(one.poll() is None for one in writers):
        warehouse.collect(1)
        collections += 1
    for one in writers:
        said, error = one.communicate()
        assert (one.returncode, said) == (0, "whole\n"), error
    assert collections > 1 and warehouse.verify().problems == ()
    warehouse.collect(1)
    assert len(list(warehouse.layout.segments.glob("*"))) == 2
