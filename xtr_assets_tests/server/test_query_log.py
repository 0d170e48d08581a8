"""The query log of a server: opt-in, private, bounded, redacted before it is written, gone when it is deleted."""

import errno
import json
import os
import stat
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from xtr_assets.core.errors import ConfigError
from xtr_assets.pipeline.queries.question_log import QuestionLog
from xtr_assets.search.hit_table import Hits
from xtr_assets.search.searcher import Searcher
from xtr_assets.server import query_log
from xtr_assets.server.hosted_index import HostedIndex
from xtr_assets.server.limits import Limits
from xtr_assets.server.query_log import QueryLog, find_redact
from xtr_assets.server.question import parse_question
from xtr_assets.server.runner import Address
from xtr_assets.server.settings import KeptLog, ServerSettings
from xtr_assets.server.witness import Told
from xtr_assets.telemetry import metrics
from xtr_assets_tests.server.site import served
from xtr_assets_tests.server.test_hot_swap import until

MEGABYTE = 1_000_000


def told(text: str, **document: Any) -> Told:
    question = parse_question({"query": text, **document}, Limits())
    return Told(HostedIndex("docs", Path("nowhere")), 1, text, question, Hits())


def counted(outcome: str) -> float:
    return float(metrics.QUERY_LOG.labels("docs", outcome)._value.get())


def test_a_server_keeps_what_it_is_asked_and_nothing_of_who_asked(folder: Path, tmp_path: Path) -> None:
    log = QuestionLog(tmp_path / "log", "docs", MEGABYTE)
    with served({"docs": folder}, query_log=QueryLog({"docs": log})) as url:
        for _ in range(2):
            httpx.post(url + "/v1/search", json={"query": "zebra", "where": {"source": "code"}, "mode": "dense"})
        httpx.post(url + "/v1/search", json={"queries": ["parse", " "]}, headers={"x-mine": "secret"})
        assert httpx.post(url + "/v1/search", json={"query": "refused", "where": {"no": 1}}).status_code == 400
        until(lambda: len(log.read()) == 2)
    asked = [(one.text, one.mode, one.filter, one.times) for one in log.read()]
    assert asked == [("zebra", "dense", {"source": "code"}, 2), ("parse", "hybrid", None, 1)]
    now = log.files[1]
    assert stat.S_IMODE(now.stat().st_mode) == 0o600 and stat.S_IMODE(now.parent.stat().st_mode) == 0o700
    assert {*json.loads(now.read_bytes().split(b"\n")[0])} == {"at", "text", "mode", "k", "where"}


def test_what_was_asked_is_written_when_the_server_stops(folder: Path, tmp_path: Path) -> None:
    log = QuestionLog(tmp_path / "log", "docs", MEGABYTE)
    with served({"docs": folder}, query_log=QueryLog({"docs": log})) as url:
        httpx.post(url + "/v1/search", json={"query": "the last one"})
    assert log.texts() == ["the last one"]


def test_the_hook_decides_what_is_kept_and_its_mistakes_keep_nothing(tmp_path: Path, caplog: Any) -> None:
    log = QuestionLog(tmp_path, "docs", MEGABYTE)

    def redact(text: str) -> Any:
        if "mistake" in text:
            raise ValueError(text)
        return {"number": 7, "secret": None}.get(text, text.replace("anna@example.org", "<mail>"))

    keeping = QueryLog({"docs": log}, redact)
    before = {one: counted(one) for one in ("written", "withheld", "failed")}
    for text in ("ask anna@example.org", "secret", "number", "mistake of anna"):
        keeping.tell(told(text, where={"path": "anna.md"}))
    keeping.flush()
    assert log.files[1].read_bytes().count(b"\n") == 1 and b"anna" not in log.files[1].read_bytes()
    (kept,) = log.read()
    assert (kept.text, kept.filter) == ("ask <mail>", None)
    assert {one: counted(one) - before[one] for one in before} == {"written": 1, "withheld": 1, "failed": 2}
    assert "anna" not in caplog.text


def test_only_indexes_with_a_log_are_logged_and_a_full_disk_fails_nobody(tmp_path: Path) -> None:
    keeping = QueryLog({"other": QuestionLog(tmp_path, "other", MEGABYTE)})
    keeping.tell(told("zebra"))
    keeping.flush()
    assert [*tmp_path.iterdir()] == []
    (tmp_path / "taken").write_bytes(b"")
    broken = QueryLog({"docs": QuestionLog(tmp_path / "taken", "docs", MEGABYTE)})
    before = counted("failed")
    broken.tell(told("zebra"))
    broken.flush()
    assert counted("failed") == before + 1


FULL = "1 questions of index docs were not logged: OSError: [Errno 28] No space left on device"


def test_a_full_disk_is_told_once_and_no_line_stands_behind_half_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    log = QuestionLog(tmp_path, "docs", MEGABYTE)
    keeping = QueryLog({"docs": log})
    caplog.set_level("INFO", "xtr_assets.server.query_log")
    write, room = os.write, [10]

    def full(descriptor: int, data: Any) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = write(descriptor, data[: room[0]])
        room[0] -= written
        return written

    def asked(text: str) -> None:
        keeping.tell(told(text))
        keeping.flush()

    asked("first")
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        for number in range(3):
            room[0] = 10
            asked(f"lost {number}")
    asked("last")
    assert sorted(log.texts()) == ["first", "last"]
    assert log.files[1].read_bytes().count(b"\n") == 2
    said = [one.getMessage() for one in caplog.records]
    assert said == [FULL, "questions of index docs are logged again"]


def test_what_cannot_be_written_fast_enough_is_dropped_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query_log, "WAITING", 3)
    log = QuestionLog(tmp_path, "docs", MEGABYTE)
    keeping, before = QueryLog({"docs": log}), counted("dropped")
    for number in range(5):
        keeping.tell(told(f"zebra {number}"))
    keeping.flush()
    assert sorted(log.texts()) == ["zebra 0", "zebra 1", "zebra 2"] and counted("dropped") == before + 2


def test_a_question_with_a_huge_filter_is_not_kept(tmp_path: Path) -> None:
    log = QuestionLog(tmp_path, "docs", MEGABYTE)
    keeping = QueryLog({"docs": log})
    keeping.tell(told("zebra", where={"path": "x" * 100_000}))
    keeping.tell(told("parse"))
    keeping.flush()
    assert log.texts() == ["parse"]


@pytest.mark.parametrize("named", ["python:json:nothing", "python:nowhere_at_all:f", "json:loads", "python:sys:path"])
def test_a_hook_that_is_not_there_keeps_a_server_from_starting(named: str) -> None:
    with pytest.raises(ConfigError, match="`redact` is"):
        find_redact(named)


def test_a_folder_that_nothing_can_be_kept_in_keeps_a_server_from_starting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match=r"cannot be kept in .*/file/log \(Not a directory\); name a folder"):
        ServerSettings(
            indexes=(), address=Address(port=0), logs=(KeptLog("docs", tmp_path / "file" / "log", MEGABYTE),)
        ).check()


def test_a_hook_is_found_by_its_name() -> None:
    assert find_redact("python:os.path:basename") is os.path.basename


def test_a_server_that_was_not_asked_to_keeps_nothing(url: str, folder: Path, local: Searcher) -> None:
    before = set(folder.parent.rglob("*"))
    httpx.post(url + "/v1/search", json={"query": "zebra"})
    assert local.search("zebra") and set(folder.parent.rglob("*")) == before


def test_a_hook_that_hangs_does_not_hold_up_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_log, "LEAVE_SECONDS", 0.05)
    go_on = threading.Event()

    def hangs(text: str) -> str:
        go_on.wait(20)
        return text

    keeping = QueryLog({"docs": QuestionLog(tmp_path, "docs", MEGABYTE)}, hangs)
    keeping.start()
    keeping.tell(told("zebra"))
    keeping.close()
    go_on.set()
