"""Commands over a warehouse whose serving generation has embeddings alone, beside one of both legs."""

import shutil
from pathlib import Path

import pytest

from xtr_assets_tests.cli.conftest import Command
from xtr_assets_tests.compat.test_format_7 import GOLDEN


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(shutil.copytree(GOLDEN, tmp_path / "lone"))


def test_status_shows_what_serves_and_nothing_of_the_leg_that_is_not_there(run: Command, path: str) -> None:
    found = run("status", "--warehouse", path, "--json")
    assert found.exit_code == 0 and '"token_dim": 0' in found.output
    assert '"xtr"' not in found.output.replace('"lone_leg"', "") and '"dense"' in found.output
    shown = run("status", "--warehouse", path)
    assert shown.exit_code == 0 and "backend: lexical" in shown.output and "backend: xtr" not in shown.output
    assert "hashing-16-0" in shown.output


def test_a_search_in_a_mode_that_is_not_there_is_wrong_use_and_names_those_that_are(run: Command, path: str) -> None:
    assert "stop" in run("search", "connection refused", "--warehouse", path, "--mode", "dense").output
    found = run("search", "connection refused", "--warehouse", path, "--mode", "xtr")
    assert found.exit_code not in (0, None)
    said = " ".join(found.output.replace("│", " ").split())
    assert "no token embeddings" in said and "answers in mode hybrid, dense, lexical, exact" in said


def test_diff_verify_and_plan_follow(run: Command, path: str) -> None:
    assert "dense, tokens" in run("diff", "1", "2", "--warehouse", path, "--json").output
    assert run("verify", "--warehouse", path).exit_code == 0
    assert "16 dims" in run("plan", "--warehouse", path).output
    run("rollback", "1", "--warehouse", path)
    run("publish", "3", "--warehouse", path, "--again", "--reason", "to see it")
    found = run("plan", "--warehouse", path)
    assert found.exit_code != 0 and "no embeddings" in " ".join(found.output.split())
