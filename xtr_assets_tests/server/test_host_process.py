"""A process that only serves: files for all its connections, and an orderly end when its terminal goes."""

import os
import resource
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from xtr_assets.server.host_process import OWN_FILES, end_on_hang_up, enough_files
from xtr_assets.server.limits import Limits
from xtr_assets.server.runner import Address
from xtr_assets.server.settings import ServerSettings
from xtr_assets.server.worker_pool import WorkerPool


@pytest.fixture
def files() -> Iterator[int]:
    """The hard limit; what a test changes is put back."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(900, soft), hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def hang_up() -> Iterator[None]:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def test_a_server_takes_files_for_all_its_connections(files: int, folder: Path) -> None:
    if files != resource.RLIM_INFINITY and files < 700 + OWN_FILES:
        pytest.skip("the hard limit is lower")
    ServerSettings(indexes=(("docs", folder),), address=Address(port=0), limits=Limits(connections=700)).server()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (700 + OWN_FILES, files)
    enough_files(10)
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 700 + OWN_FILES


def test_fewer_files_than_connections_are_said(
    files: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 1024))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: given.append(limits))
    enough_files(1000)
    assert given == [(1024, 1024)] and "1024 files may be open, 1000 connections want 1512" in caplog.text
    monkeypatch.undo()


def test_a_closed_terminal_ends_a_server_as_sigterm_does(folder: Path, hang_up: None) -> None:
    server = ServerSettings(indexes=(("docs", folder),), address=Address(port=0)).server()
    end_on_hang_up(server)
    os.kill(os.getpid(), signal.SIGHUP)
    assert server.should_exit and not server.force_exit


def test_what_was_started_by_nohup_goes_on(folder: Path, hang_up: None) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    server = ServerSettings(indexes=(("docs", folder),), address=Address(port=0)).server()
    end_on_hang_up(server)
    os.kill(os.getpid(), signal.SIGHUP)
    assert not server.should_exit


def test_a_closed_terminal_ends_a_pool(folder: Path, hang_up: None) -> None:
    pool = WorkerPool(ServerSettings(indexes=(("docs", folder),), address=Address(port=0), workers=2))
    with pool._told_to_stop():
        os.kill(os.getpid(), signal.SIGHUP)
    assert pool._stopping.is_set() and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL


def test_an_address_that_is_taken_is_named(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        pool = WorkerPool(ServerSettings(indexes=(("docs", folder),), address=Address(port=port), workers=2))
        with pytest.raises(OSError, match=f"cannot listen at 127.0.0.1:{port}: Address already in use"):
            pool.run()
