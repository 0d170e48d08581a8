"""Several processes behind one listening socket: started, started again when they die, stopped together.

Each is spawned, opens the indexes by itself and maps the same files, which the system holds once. The parent binds the
socket and never answers: a connection that comes while a worker is being started waits for the next one.
"""

import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from xtr_assets.core.owned_folder import SERVED, owned_folder, use_folder
from xtr_assets.server.host_process import end_on_hang_up
from xtr_assets.server.runner import GRACE_SECONDS
from xtr_assets.server.settings import ServerSettings
from xtr_assets.telemetry import metrics
from xtr_assets.telemetry.shared_metrics import SharedMetrics

log = logging.getLogger(__name__)

LOG_FORMAT = "%(asctime)s %(levelname)s %(process)d %(name)s: %(message)s"
# A worker that lived shorter died of something that will be there again: the next one waits, longer each time.
SHORT_LIFE = 5.0
FIRST_PAUSE, MOST_PAUSE = 0.2, 30.0
# Where no worker ever answered and each of them died so often, there is nothing to wait for.
MOST_DEATHS = 3
# How often the parent looks whether it was told to stop.
LOOK_SECONDS = 0.2
# Beyond what is under way: closing files, the query log.
LEAVE_SECONDS = GRACE_SECONDS + 10
BACKLOG = 2048
# A worker's own name, in files and in logs; never one of a worker before.
PARENT = "parent"


class _Slot:
    """One place in the pool, and who holds it now."""

    def __init__(self, cores: frozenset[int]) -> None:
        self.cores = cores
        self.process: SpawnProcess | None = None
        self.pipe: Connection | None = None
        self.name, self.pid = "", 0
        self.began = self.next_start = 0.0
        self.deaths = 0
        self.answered = False


class WorkerPool:
    """`run` serves until SIGTERM or SIGINT, or `stop` from another thread."""

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._context = multiprocessing.get_context("spawn")
        self._slots = [_Slot(cores) for cores in shares(_cores(), settings.workers)]
        self._stopping = threading.Event()
        self._started = 0
        # Workers that ended, whose counts are in no sum yet.
        self._ended: list[str] = []
        self._late = False
        self.port = 0

    @property
    def pids(self) -> list[int]:
        """The workers that live."""
        return [slot.pid for slot in self._slots if slot.pid]

    def stop(self) -> None:
        """Let `run` end."""
        self._stopping.set()

    def run(self) -> int:
        """Serve; the exit code: 1 where no worker could be started. Raises OSError where the address is taken."""
        address = self._settings.address
        with _listening(address.host, address.port) as listener, owned_folder(SERVED) as folder, self._told_to_stop():
            self.port = listener.getsockname()[1]
            shared = SharedMetrics(folder, PARENT)
            try:
                code = self._supervise(listener, shared)
            finally:
                # Nobody waits at a door that stays closed.
                listener.close()
                self._end()
            return code

    def _supervise(self, listener: socket.socket, shared: SharedMetrics) -> int:
        shared.write()
        told = False
        while not self._stopping.is_set():
            for slot in self._slots:
                if slot.process is None and monotonic() >= slot.next_start:
                    self._start(slot, listener, shared.folder)
            self._listen()
            if not told and any(slot.answered for slot in self._slots):
                told = True
                address = self._settings.address
                log.info("%d workers answer at http://%s:%d", len(self._slots), address.host, self.port)
            for slot in self._slots:
                if slot.process is not None and not slot.process.is_alive():
                    self._died(slot)
            self._bury(shared)
            if not told and all(slot.deaths >= MOST_DEATHS for slot in self._slots):
                log.error("no worker could be started; what is above says why")
                return 1
        return 0

    def _start(self, slot: _Slot, listener: socket.socket, folder: Path) -> None:
        self._started += 1
        slot.name, slot.began, slot.answered = f"worker-{self._started}", monotonic(), False
        try:
            slot.process, slot.pipe = self._begun(slot, listener, folder)
        except OSError as error:
            # No process, descriptor or memory is free at this moment: no reason for the others to end.
            pause = self._pause(slot, 0.0)
            log.error("%s cannot be started (%s); it is tried again in %.1f s", slot.name, error, pause)
        else:
            slot.pid = slot.process.pid or 0

    def _begun(self, slot: _Slot, listener: socket.socket, folder: Path) -> tuple[SpawnProcess, Connection]:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=work, args=(self._settings, listener, theirs, folder, slot.name, slot.cores), name=slot.name
        )
        try:
            process.start()
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        return process, ours

    def _listen(self) -> None:
        """Wait for word of a worker, or for the end of one."""
        pipes = {slot.pipe: slot for slot in self._slots if slot.pipe is not None and not slot.answered}
        ends = [slot.process.sentinel for slot in self._slots if slot.process is not None]
        for one in wait([*pipes, *ends], LOOK_SECONDS):
            if isinstance(one, Connection):
                try:
                    one.recv()
                    pipes[one].answered = True
                except (EOFError, OSError):
                    # It died before it said anything; its sentinel says so, too.
                    pipes[one].pipe = None
        if not ends:
            sleep(LOOK_SECONDS)

    def _died(self, slot: _Slot) -> None:
        process, slot.process, slot.pid = slot.process, None, 0
        assert process is not None
        code, lived = process.exitcode, monotonic() - slot.began
        process.close()
        pause = self._pause(slot, lived)
        log.error("%s ended with %s after %.1f s; another is started in %.1f s", slot.name, code, lived, pause)
        self._ended.append(slot.name)
        metrics.SERVER_WORKER_DEATHS.inc()
        if slot.pipe is not None:
            slot.pipe.close()
        slot.pipe = None

    def _bury(self, shared: SharedMetrics) -> None:
        """Add what workers counted that ended to the sums; at a later look where no file can be opened or written now,
        which is no reason for the others to end. To bury one twice changes nothing."""
        if not self._ended:
            return
        try:
            for name in self._ended:
                shared.bury(name)
            shared.write()
        except OSError as error:
            if not self._late:
                log.error("what %s counted is added to the metrics later: %s", self._ended[-1], error)
            self._late = True
        else:
            self._ended.clear()
            self._late = False

    def _pause(self, slot: _Slot, lived: float) -> float:
        """How long a place waits for its next worker."""
        slot.deaths = slot.deaths + 1 if lived < SHORT_LIFE else 1
        pause = 0.0 if lived >= SHORT_LIFE else min(MOST_PAUSE, FIRST_PAUSE * 2 ** (slot.deaths - 1))
        slot.next_start = monotonic() + pause
        return pause

    def _end(self) -> None:
        """Ask all to stop, wait for what is under way, kill who stays."""
        living = [slot.process for slot in self._slots if slot.process is not None]
        for process in living:
            process.terminate()
        until = monotonic() + LEAVE_SECONDS
        for process in living:
            process.join(max(0.0, until - monotonic()))
            if process.is_alive():
                log.error("%s did not stop within %d s and is killed", process.name, LEAVE_SECONDS)
                process.kill()
                process.join()

    @contextmanager
    def _told_to_stop(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        ends = [signal.SIGTERM, signal.SIGINT]
        if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
            ends.append(signal.SIGHUP)
        before = {one: signal.signal(one, lambda *_: self.stop()) for one in ends}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)


def shares(cores: Sequence[int], workers: int) -> list[frozenset[int]]:
    """The cores that each worker keeps to, as evenly as can be; none where the system knows no such thing. Threads that
    take turns at Python's lock cost more on two cores than on one: 0.83 ms of CPU a question of 32 connections in place
    of 0.53.

    >>> shares([0, 1, 2], 2), shares([4], 2)
    ([frozenset({0, 2}), frozenset({1})], [frozenset({4}), frozenset({4})])
    """
    if not cores:
        return [frozenset()] * workers
    return [frozenset(cores[place::workers] or [cores[place % len(cores)]]) for place in range(workers)]


def _cores() -> list[int]:
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def work(
    settings: ServerSettings,
    listener: socket.socket,
    pipe: Connection,
    folder: Path,
    name: str,
    cores: frozenset[int],
) -> None:
    """A worker: serve from the socket until SIGTERM, or until the parent is gone."""
    if cores:
        os.sched_setaffinity(0, cores)
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    # Held until this process ends, also where its parent is killed and it is still answering.
    use_folder(folder)
    server = settings.server(SharedMetrics(folder, name))
    threading.Thread(target=_watch, args=(server, pipe), daemon=True).start()
    end_on_hang_up(server)
    server.run(sockets=[listener])
    if not server.started:
        sys.exit(1)


def _watch(server: Any, pipe: Connection) -> None:
    while not server.started:
        sleep(0.02)
    try:
        pipe.send("answers")
        # Nothing is ever sent: this returns when the other end is closed, however the parent came to its end.
        pipe.recv()
    except (EOFError, OSError):
        log.error("the parent of this worker is gone; it stops")
        server.should_exit = True


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise OSError(error.errno, f"cannot listen at {host}:{port}: {error.strerror}") from error
        listener.listen(BACKLOG)
        listener.setblocking(False)
        yield listener
