"""The files of a query log: bounded by rotation, shared by processes, read whatever stands in them."""

import json
import os
import stat
import threading
from pathlib import Path

import pytest

from xtr_assets.config import HashingConfig, IndexConfig, QueryLogConfig, SourceConfig, parse_config
from xtr_assets.core.errors import ConfigError, CorruptFile
from xtr_assets.pipeline.plan.index_settings import settings_of
from xtr_assets.pipeline.queries.logged_questions import log_of, logged_queries
from xtr_assets.pipeline.queries.question_log import MOST_LINE, QuestionLog, logged_line

SOURCES = (SourceConfig(name="code", kind="text", path=Path("code")),)


def line(text: str, mode: str = "hybrid", at: str = "2026-01-01T00:00:00+00:00") -> bytes:
    made = logged_line(text, mode, 10, None, at)
    assert made is not None
    return made


def test_two_files_hold_the_latest_and_never_more_than_may_be(tmp_path: Path) -> None:
    log = QuestionLog(tmp_path, "docs", 2000)
    for number in range(100):
        log.append([line(f"question {number}")])
        assert sum(path.stat().st_size for path in log.files if path.exists()) <= 2000
    kept = sorted(int(text.split()[1]) for text in log.texts())
    assert kept == [*range(100 - len(kept), 100)] and len(kept) >= 8


def test_a_batch_longer_than_a_file_keeps_its_end(tmp_path: Path) -> None:
    log = QuestionLog(tmp_path, "docs", 2000)
    log.append([line(f"question {number}") for number in range(100)])
    assert sum(path.stat().st_size for path in log.files) <= 2000 and "question 99" in log.texts()
    log.append([line("x" * 5000), line("after it")])
    assert "after it" in log.texts() and "x" * 5000 not in log.texts()


def test_several_writers_lose_nothing_and_tear_no_line(tmp_path: Path) -> None:
    logs = [QuestionLog(tmp_path, "docs", 1_000_000) for _ in range(4)]

    def write(number: int) -> None:
        for i in range(25):
            logs[number].append([line(f"{number} {i} {'word ' * 50}")])

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(logs[0].read()) == 100


def test_what_is_asked_most_comes_first_then_the_latest(tmp_path: Path) -> None:
    log = QuestionLog(tmp_path, "docs", 100_000)
    log.append([line("old"), line("twice"), line("new", at="2026-02-01T00:00:00+00:00"), line("twice", "dense")])
    log.append([line("twice")])
    assert [(one.text, one.mode, one.times) for one in log.read()] == [
        ("twice", "hybrid", 2),
        ("new", "hybrid", 1),
        ("old", "hybrid", 1),
        ("twice", "dense", 1),
    ]
    assert log.texts() == ["twice", "new", "old"]


def test_lines_that_are_none_are_left_out(tmp_path: Path) -> None:
    log = QuestionLog(tmp_path, "docs", 1_000_000)
    wrong = [b"", b"{", b"[]", b"null", b'"text"', b'{"text": 1, "mode": "hybrid"}', b"\xff\xfe", b"[" * 10_000]
    wrong += [b'{"text": "x"}', b'{"text": "x", "mode": "no"}', b'{"text": "x", "mode": "dense", "where": [1]}']
    wrong += [line("good").replace(b"good", b"half of a \\ud800 character")]
    wrong += [b'{"text": " ", "mode": "dense"}', b'{"text": "x", "mode": "dense", "at": 5}', line("torn")[:20]]
    log.append([line("good")])
    with log.files[1].open("ab") as file:
        file.write(b"\n".join(wrong))
    assert log.texts() == ["good"]


def test_deleting_leaves_nothing_and_writing_goes_on(tmp_path: Path) -> None:
    log = QuestionLog(tmp_path, "docs", 300)
    for number in range(5):
        log.append([line(f"question {number}")])
    held = sum(path.stat().st_size for path in log.files)
    assert log.delete() == held > 0 and log.read() == [] and log.delete() == 0
    log.append([line("anew")])
    assert log.texts() == ["anew"]
    assert QuestionLog(tmp_path / "none", "docs", 300).delete() == 0 and not (tmp_path / "none").exists()


def test_a_file_that_others_can_read_is_closed_to_them(tmp_path: Path) -> None:
    log = QuestionLog(tmp_path, "docs", 10_000)
    log.files[1].write_bytes(b"")
    log.files[1].chmod(0o644)
    log.append([line("private")])
    assert stat.S_IMODE(log.files[1].stat().st_mode) == 0o600


def test_a_link_or_a_pipe_in_its_place_is_not_followed(tmp_path: Path) -> None:
    log = QuestionLog(tmp_path / "log", "docs", 10_000)
    log.folder.mkdir()
    (tmp_path / "precious").write_bytes(b"mine")
    log.files[1].symlink_to(tmp_path / "precious")
    with pytest.raises(OSError):
        log.append([line("x")])
    with pytest.raises(CorruptFile):
        log.read()
    assert log.delete() > 0 and (tmp_path / "precious").read_bytes() == b"mine"
    os.mkfifo(log.files[1])
    with pytest.raises(OSError):
        log.append([line("x")])


def test_a_line_has_an_end() -> None:
    assert logged_line("x", "dense", 3, {"path": "y" * MOST_LINE}, "") is None
    assert json.loads(line("\x1b[31m\n")) == {
        "at": "2026-01-01T00:00:00+00:00",
        "text": "\x1b[31m\n",
        "mode": "hybrid",
        "k": 10,
    }


def config(folder: Path, **more: object) -> IndexConfig:
    return IndexConfig(sources=SOURCES, encoder=HashingConfig(), query_log=QueryLogConfig(folder=folder), **more)  # type: ignore[arg-type]


def test_the_gate_asks_the_same_texts_of_a_log_that_grows(tmp_path: Path) -> None:
    asking = config(tmp_path, queries_from_log=True)
    assert logged_queries(asking, 5) == []
    log_of(asking).append([line(f"question {number}") for number in range(40)])
    before = {query.text for query in logged_queries(asking, 5)}
    log_of(asking).append([line(f"question {number}") for number in range(43)])
    after = logged_queries(asking, 5)
    assert len(before) == len(after) == 5 and len(before & {query.text for query in after}) >= 4
    assert {query.kind for query in after} == {"given"} and len({query.query_id for query in after}) == 5


def test_a_log_that_grows_is_no_reason_to_build_and_asking_it_is_one(tmp_path: Path) -> None:
    plain, asking = config(tmp_path), config(tmp_path, queries_from_log=True)
    before = settings_of(asking)
    log_of(asking).append([line("new")])
    assert settings_of(asking) == before != settings_of(plain)


def test_the_configuration_says_where_it_lies_and_refuses_half_of_it(tmp_path: Path) -> None:
    text = "sources: [{name: a, kind: text, path: a}]\n"
    found = parse_config(text + "queries: log\nquery_log: {folder: asked, megabytes: 0.5}\n", tmp_path)
    assert found.queries_from_log and found.queries is None
    assert log_of(found).files[1] == tmp_path / "asked" / "docs.jsonl"
    assert found.query_log is not None and found.query_log.most_bytes == 500_000
    with pytest.raises(ConfigError, match="`queries: log` needs a `query_log`"):
        parse_config(text + "queries: log\n", tmp_path)
    with pytest.raises(ConfigError, match="redact"):
        parse_config(text + "query_log: {redact: my_module}\n", tmp_path)
    with pytest.raises(ConfigError, match=r"keeps no `query_log`"):
        log_of(parse_config(text, tmp_path))
