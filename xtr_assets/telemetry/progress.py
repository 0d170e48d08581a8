"""Progress of long work on standard error: a bar for people, rare lines for logs, nothing for programs.

- "bar": standard error is a terminal that can redraw (rich).
- "lines": a terminal that cannot (TERM=dumb), or a CI job (CI=true), whose log would otherwise look hung for minutes:
  one plain line at the start, every 10 seconds and at the end.
- "silent": anything else, so that pipes, services and Dagster's captured logs stay clean.

XTR_ASSETS_PROGRESS=bar|lines|silent overrides, and `silence()` (for `--json`) overrides that.
"""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import RLock
from time import monotonic
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from rich.progress import Progress, Task, TaskID

Style = Literal["bar", "lines", "silent"]
STYLES: tuple[Style, ...] = ("bar", "lines", "silent")
STYLE_VARIABLE = "XTR_ASSETS_PROGRESS"

# CI services kill a job that is quiet for ten minutes and people look after about one; at this rate an hour of
# encoding is 360 lines.
SECONDS_BETWEEN_LINES = 10.0

_lock = RLock()
_silenced = 0
_live: "Progress | None" = None
_open_bars = 0


class Bar(Protocol):
    """What the worker reports to; callable, so that it can be passed on as a `progress` callback."""

    def __call__(self, done: int = 1) -> None:
        """So many more units are done."""


@contextmanager
def silence() -> Iterator[None]:
    """No progress at all while this is open, in any thread."""
    global _silenced
    with _lock:
        _silenced += 1
    try:
        yield
    finally:
        with _lock:
            _silenced -= 1


def style() -> Style:
    """How progress is shown now."""
    if _silenced:
        return "silent"
    chosen = os.environ.get(STYLE_VARIABLE)
    if chosen in STYLES:
        return chosen
    if chosen:
        # Not worth failing a build for.
        warnings.warn(f"{STYLE_VARIABLE} is {chosen!r}; use one of {', '.join(STYLES)}, or unset it", stacklevel=2)
    dumb = os.environ.get("TERM", "") in ("", "dumb")
    if sys.stderr.isatty():
        return "lines" if dumb else "bar"
    return "lines" if os.environ.get("CI", "").lower() in ("1", "true") else "silent"


@contextmanager
def bar(total: int | None, label: str) -> Iterator[Bar]:
    """Show the progress of `total` units (None: unknown) under `label`. Bars may nest and run in several threads."""
    shown = style()
    if shown == "silent":
        yield _nothing
    elif shown == "lines":
        lines = _Lines(total, label)
        yield lines
        lines.end()
    else:
        with _rich() as progress:
            task = progress.add_task(label, total=total)
            yield _RichBar(progress, task)
            progress.update(task, total=progress.tasks[progress.task_ids.index(task)].completed)


def _nothing(done: int = 1) -> None:  # noqa: ARG001 (a Bar)
    return None


class _RichBar:
    def __init__(self, progress: "Progress", task: "TaskID") -> None:
        self._progress, self._task = progress, task

    def __call__(self, done: int = 1) -> None:
        self._progress.advance(self._task, done)


class _Lines:
    """Plain lines with the rate and what is left, at most one in SECONDS_BETWEEN_LINES."""

    def __init__(self, total: int | None, label: str) -> None:
        self._total, self._label, self._done = total, label, 0
        self._started = self._said = monotonic()
        self._lock = RLock()
        self._say()

    def __call__(self, done: int = 1) -> None:
        with self._lock:
            self._done += done
            now = monotonic()
            if now - self._said >= SECONDS_BETWEEN_LINES:
                self._said = now
                self._say()

    def end(self) -> None:
        self._say(f" in {monotonic() - self._started:.1f} s")

    def _pace(self) -> str:
        return pace(self._done, self._total, monotonic() - self._started)

    def _say(self, ending: str = "") -> None:
        of = "" if self._total is None else f" of {self._total}"
        ending = ending or self._pace()
        print(f"{self._label}: {self._done}{of}{ending}", file=sys.stderr, flush=True)


def pace(done: int, total: int | None, seconds: float) -> str:
    """How fast it goes, and what is left at that rate; nothing where nothing is done or to be done.

    >>> pace(50, 200, 10.0), pace(0, 200, 10.0), pace(200, 200, 10.0)
    (', 5.0/s, 0:00:30 left', '', '')
    """
    if total is None or not 0 < done < total or seconds <= 0:
        return ""
    rate = done / seconds
    return f", {rate:,.1f}/s, {timedelta(seconds=round((total - done) / rate))} left"


@contextmanager
def _rich() -> Iterator["Progress"]:
    """The one live display of the process: a terminal has one bottom, so that nested bars are rows of it."""
    global _live, _open_bars
    with _lock:
        if _live is None:
            _live = _display()
            _live.start()
        progress = _live
        _open_bars += 1
    try:
        yield progress
    finally:
        with _lock:
            _open_bars -= 1
            if not _open_bars:
                progress.stop()
                _live = None


def _display() -> "Progress":
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        """Units a second, once there were some."""

        def render(self, task: "Task") -> Text:
            return Text("" if task.speed is None else f"{task.speed:,.0f}/s", style="progress.data.speed")

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True))
