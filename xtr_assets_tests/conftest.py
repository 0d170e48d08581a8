import fcntl
import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import hypothesis
import pytest

# Both would be timed assertions: what a busy machine takes for an example says nothing of the code.
hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("untimed")


# What all tests leave behind is 0.9 GB; workers take 2 GB of memory each.
MEMORY, ENOUGH, BESIDE = Path("/dev/shm"), 4 << 30, 8 << 30
OURS = "xtr-suite-"
# What leaves more behind: it lies where temporary files lie.
LONGER = {f"XTR_ASSETS_{name}" for name in ("LONG", "MUTANTS", "HEALTHY", "FUZZ", "STORES", "LIVES")}


def pytest_configure(config: pytest.Config) -> None:
    """Temporary files lie in memory, where there is enough of it: to write a generation takes a third less CPU time."""
    chosen = config.option.basetemp or os.environ.keys() & {"TMPDIR", "PYTEST_DEBUG_TEMPROOT", *LONGER}
    if hasattr(config, "workerinput") or chosen or not _in_memory():
        return
    folder, held = folder_of_a_run(MEMORY)
    # Some tests are another user.
    folder.chmod(0o1777)
    os.environ["TMPDIR"] = os.environ["PYTEST_DEBUG_TEMPROOT"] = str(folder)
    tempfile.tempdir = None
    config.add_cleanup(lambda: os.close(held))
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


def folder_of_a_run(memory: Path) -> tuple[Path, int]:
    """A new folder there, and what locks it as long as this process lives; what runs left that were killed goes.

    By a lock and not by a number of the process: these come again, and those of another container are not seen here.
    """
    for left in memory.glob(f"{OURS}*"):
        if (lock := _locked(left)) is not None:
            shutil.rmtree(left, ignore_errors=True)
            os.close(lock)
    while True:
        # A short name: that of a socket has at most 107 characters.
        folder = Path(tempfile.mkdtemp(prefix=OURS, dir=memory))
        if (lock := _locked(folder)) is not None and folder.is_dir():
            return folder, lock
        # Another run took it for one that was left, in the moment before it was locked.


def _locked(folder: Path) -> int | None:
    """What locks a folder; None where somebody has it, or it is no folder of ours."""
    try:
        found = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(found)
        return None
    return found


def _in_memory() -> bool:
    """Whether files may lie in memory: programs are run and devices opened there as on a disk."""
    if not MEMORY.is_dir() or not os.access(MEMORY, os.W_OK):
        return False
    found = os.statvfs(MEMORY)
    if found.f_flag & (os.ST_NOEXEC | os.ST_NODEV) or found.f_bavail * found.f_frsize < ENOUGH:
        return False
    stated = dict(line.split(":") for line in Path("/proc/meminfo").read_text("ascii").splitlines())
    room = [int(stated["MemAvailable"].split()[0]) << 10]
    # A container may have less than its host; "max" is no bound.
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):
            room.append(int(Path("/sys/fs/cgroup", name).read_text("ascii")))
    return min(room) > ENOUGH + BESIDE


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what is marked `long`, unless XTR_ASSETS_LONG is set."""
    if "XTR_ASSETS_LONG" not in os.environ:
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="long: `make test-long` runs it"))


def pytest_collection_finish() -> None:
    """What was imported stays: collections that walk it again and again are 5 % of the CPU time of the builds."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)


def pytest_unconfigure() -> None:
    """What the end of a process lets go of can be collected again."""
    gc.unfreeze()


@pytest.fixture(scope="session", autouse=True)
def cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What a host remembers of warehouses lies in the home of whoever runs the tests: not of these."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XTR_ASSETS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def nothing_waits_for_the_disk() -> Iterator[None]:
    """That fsync is called where it must be is what faults/ tests; elsewhere it makes each build wait 0.7 s."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield
