"""What people asked, as the commands show it, compare two generations by it, and delete it."""

import json
from pathlib import Path

import pytest

from xtr_assets.cli.serve import kept_logs
from xtr_assets.config import load_config
from xtr_assets.core.errors import ConfigError
from xtr_assets.pipeline.queries.logged_questions import log_of
from xtr_assets.pipeline.queries.question_log import logged_line
from xtr_assets.server.settings import ServerSettings
from xtr_assets_tests.cli.conftest import Command


@pytest.fixture
def asked(second: Path) -> Path:
    """Two generations, and a log of three questions; a stranger's text would colour the terminal."""
    with (second / "xtr.yaml").open("a") as file:
        file.write("query_log: {megabytes: 0.1}\n")
    lines = [("the zebra has stripes", 3), ("book a train", 1), ("\x1b[31mred [bold]zebra", 2)]
    for text, times in lines:
        line = logged_line(text, "hybrid", 10, None, "2026-01-01T00:00:00+00:00")
        assert line is not None
        log_of(load_config(second / "xtr.yaml")).append([line] * times)
    return second


@pytest.mark.usefixtures("asked")
def test_questions_are_listed_and_deleted(change: Command) -> None:
    shown = change("questions").stderr
    assert "6 questions, 3 different ones, in query-log/handbook.jsonl" in shown
    assert "\x1b[31m" not in shown and "?[31mred [bold]zebra" in shown
    found = json.loads(change("questions", "--json").stdout)["questions"]
    assert (found[0]["text"], found[0]["times"]) == ("the zebra has stripes", 3)
    assert "bytes of query-log/handbook.jsonl are deleted" in change("questions", "--delete").stderr
    assert json.loads(change("questions", "--json").stdout) == {"questions": []}
    assert json.loads(change("questions", "--delete", "--json").stdout) == {"deleted_bytes": 0}


@pytest.mark.usefixtures("asked")
def test_two_generations_are_compared_by_what_people_asked(change: Command) -> None:
    rows = json.loads(change("diff", "1", "2", "--log", "--json").stdout)["log"]
    assert {row["question"] for row in rows} == {"the zebra has stripes", "book a train", "\x1b[31mred [bold]zebra"}
    assert [row["kept"] for row in rows] == sorted(row["kept"] for row in rows) and rows[0]["kept"] < 1
    assert rows[0]["first_before"].startswith("animals.md:1")
    shown = change("diff", "1", "2", "--log").stderr
    assert "of 3 real questions change" in shown and "\x1b[31m" not in shown


@pytest.mark.usefixtures("second")
def test_an_index_without_a_log_says_how_to_keep_one(change: Command) -> None:
    for arguments in (["questions"], ["questions", "--delete"], ["diff", "1", "2", "--log"]):
        refused = change(*arguments)
        assert refused.exit_code == 2 and "write `query_log: {}` in xtr.yaml" in refused.stderr


def test_a_server_logs_where_somebody_said_so(asked: Path) -> None:
    logs, hook = kept_logs(["handbook"], [], None, None, None, None)
    assert [(one.index, one.folder, one.most_bytes) for one in logs] == [("handbook", asked / "query-log", 100_000)]
    assert hook is None
    elsewhere, _ = kept_logs(["handbook"], [], None, None, asked / "kept", None)
    assert [(one.folder, one.most_bytes) for one in elsewhere] == [(asked / "kept", 100_000)], (
        "the size is the config's"
    )
    names, named = ["handbook", "other"], "python:os.path:basename"
    both, hook = kept_logs(names, ["other=other"], None, None, asked / "kept", named)
    assert [one.index for one in both] == names and hook == named
    assert kept_logs(["other"], ["other=other"], None, None, None, None) == ((), None)
    settings = ServerSettings((("handbook", asked / "warehouse"),), logs=both, redact="python:nowhere:f")
    with pytest.raises(ConfigError, match="cannot be imported"):
        settings.check()
