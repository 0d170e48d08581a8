"""Progress goes to standard error, and only where somebody reads it."""

import pytest

from xtr_assets.telemetry import progress


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (progress.STYLE_VARIABLE, "CI", "TERM"):
        monkeypatch.delenv(variable, raising=False)


def _terminal(monkeypatch: pytest.MonkeyPatch, term: str) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", term)


def test_a_pipe_gets_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.bar(3, "encoding") as done:
        done(3)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_a_bar_and_a_dumb_one_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    _terminal(monkeypatch, "xterm-256color")
    assert progress.style() == "bar"
    _terminal(monkeypatch, "dumb")
    assert progress.style() == "lines"


def test_a_ci_log_gets_a_line_at_both_ends_and_no_flood(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CI", "true")
    with progress.bar(1000, "encoding") as done:
        for _ in range(1000):
            done()
    out, err = capsys.readouterr()
    first, last = err.splitlines()
    assert (out, first) == ("", "encoding: 0 of 1000")
    assert last.startswith("encoding: 1000 of 1000 in ")


def test_lines_come_again_after_the_pause(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv(progress.STYLE_VARIABLE, "lines")
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    with progress.bar(None, "scanning") as done:
        done(4)
        done(5)
    assert capsys.readouterr().err.splitlines()[:3] == ["scanning: 0", "scanning: 4", "scanning: 9"]


def test_silence_wins_over_the_environment_and_ends_with_its_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(progress.STYLE_VARIABLE, "lines")
    with progress.silence():
        assert progress.style() == "silent"
    assert progress.style() == "lines"


def test_an_unknown_style_is_named_and_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(progress.STYLE_VARIABLE, "fancy")
    with pytest.warns(UserWarning, match="'fancy'; use one of bar, lines, silent"):
        assert progress.style() == "silent"


def test_nested_bars_share_one_display_and_leave_standard_output_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(progress.STYLE_VARIABLE, "bar")
    with progress.bar(2, "outer") as outer, progress.bar(None, "inner") as inner:
        inner(5)
        outer(2)
    out, err = capsys.readouterr()
    assert out == ""
    assert "outer" in err and "inner" in err and "2/2" in err and "5/5" in err


def test_a_failure_inside_a_bar_frees_the_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(progress.STYLE_VARIABLE, "bar")
    with pytest.raises(ValueError), progress.bar(2, "work"):
        raise ValueError
    with progress.bar(1, "again") as done:
        done()
