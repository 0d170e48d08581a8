"""Live recall: a sampled share of real questions, answered again by scanning every row of the same generation.

The gate measures recall over queries that it drew; this measures it over what people ask, with the filters that they
ask with. It works behind the answers, in one thread of the lowest priority, for a bounded share of a core.
"""

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from random import random
from time import monotonic, perf_counter
from typing import Any

import numpy as np

from xtr_assets.core.query_syntax import demands
from xtr_assets.core.recall import MAXSIM_TIE_TOLERANCE, TIE_TOLERANCE
from xtr_assets.core.search_options import SETTINGS, SearchOptions
from xtr_assets.core.where_syntax import parse_where
from xtr_assets.search.hits import Hit
from xtr_assets.search.searcher import Searcher
from xtr_assets.server.recall_tally import RecallTally
from xtr_assets.server.witness import Told
from xtr_assets.telemetry import metrics

log = logging.getLogger(__name__)

# One question in a hundred: at 10,000 a day the mean of recall at 10 is known to about .01.
SHARE = 0.01
# Of one core, in the long run. A scan of 100,000 chunks takes about a second: so one a minute.
BUDGET = 0.02
# Questions that wait for their scan. The latest are kept: a generation that went meanwhile cannot be asked any more.
WAITING = 8
# What `exact` answers is the reference, and the lexical index lists every row that shares a word.
MEASURED = ("hybrid", "dense", "xtr")
LOWEST_PRIORITY = 19


class LiveRecall:
    """A witness. `start` and `close` around its use.

    share : of the questions that are measured, 0 for none. budget : the share of one core that it may take, above 0 and
    at most 1. chance : gives numbers from 0 to 1.
    """

    def __init__(self, share: float = SHARE, budget: float = BUDGET, chance: Callable[[], float] = random) -> None:
        self.share, self.budget, self._chance = share, budget, chance
        self.tally = RecallTally()
        self._waiting: deque[Told] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def tell(self, told: Told) -> None:
        """Choose the question, or not."""
        question = told.question
        # Settings of the question's own say what the client wanted, not what the generation was proved with.
        if question.mode not in MEASURED or any(name in question.settings for name in SETTINGS):
            return
        if not told.text.strip() or self._chance() >= self.share:
            return
        with self._changed:
            self._waiting.append(told)
            dropped = self._waiting.popleft() if len(self._waiting) > WAITING else None
            self._changed.notify()
        if dropped is not None:
            self._count(dropped, "dropped")

    def start(self) -> None:
        """Begin to measure."""
        if self.share > 0:
            self._thread = threading.Thread(target=self._run, name="xtr-live-recall", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop. A scan that is under way holds its generation to its end, and is not waited for: it may be long."""
        with self._changed:
            self._stopping = True
            self._waiting.clear()
            self._changed.notify()

    def document(self, index: str, others: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
        """What was measured of an index, as /v1/state gives it. others : the snapshots of other processes."""
        whole = RecallTally()
        for one in (self.tally.snapshot(), *others):
            whole.absorb(one)
        return {"share": self.share, "budget": self.budget, **whole.document(index)}

    def measure(self, told: Told) -> str:
        """Scan for one question, note its recall, and say what became of it: an outcome of the counter."""
        with told.index.still(told.generation) as searcher:
            if searcher is None:
                return "moved"
            # Of equal texts each row counts, as the gate counts them.
            found = _asked(searcher, told) if told.question.settings.get("collapse") == "text" else told.hits
            reference = _scanned(searcher, told)
            left = _left(searcher, told)
        recall = recall_of(found, reference, told.question.k, _tolerance(told.question.mode))
        if recall is None:
            return "empty"
        metrics.LIVE_RECALL.labels(told.index.name, told.question.mode, left).observe(recall)
        self.tally.add(told.index.name, told.generation, told.question.mode, left, recall)
        return "measured"

    def _run(self) -> None:
        _step_back()
        while (told := self._next()) is not None:
            started = perf_counter()
            try:
                outcome = self.measure(told)
            except Exception:
                # An index that is being closed, a file that went, a defect: what people are answered goes on.
                log.warning("live recall of index %s failed", told.index.name, exc_info=True)
                outcome = "failed"
            self._count(told, outcome)
            took = perf_counter() - started
            metrics.LIVE_RECALL_CPU.labels(told.index.name).inc(took)
            self._rest(took * (1 / self.budget - 1))

    def _next(self) -> Told | None:
        with self._changed:
            while not self._waiting and not self._stopping:
                self._changed.wait()
            return None if self._stopping else self._waiting.popleft()

    def _rest(self, seconds: float) -> None:
        """As long as it takes until what was spent is the budget's share of the time."""
        until = monotonic() + seconds
        with self._changed:
            while not self._stopping and (left := until - monotonic()) > 0:
                self._changed.wait(left)

    def _count(self, told: Told, outcome: str) -> None:
        metrics.LIVE_RECALL_SAMPLES.labels(told.index.name, outcome).inc()
        self.tally.count(told.index.name, outcome)


def recall_of(found: Sequence[Hit], reference: Sequence[Hit], k: int, tolerance: float) -> float | None:
    """Share of the k best by scanning that were found; None where scanning finds nothing either.

    reference : by scanning, best first, some more than k: those that tie with the k-th are as right as it.
    """
    wanted = reference[:k]
    if not wanted:
        return None
    right = {hit.chunk_id for hit in reference if hit.score >= wanted[-1].score - tolerance}
    return min(len(wanted), len(right & {hit.chunk_id for hit in found})) / len(wanted)


def _scanned(searcher: Searcher, told: Told) -> list[Hit]:
    return _asked(searcher, told, scan=True)


def _asked(searcher: Searcher, told: Told, *, scan: bool = False) -> list[Hit]:
    question, settings = told.question, told.question.settings
    own = {name: settings[name] for name in ("fusion", "collapse") if settings.get(name) not in (None, "text")}
    options = SearchOptions(question.k, **own)
    text, syntax = told.hits.corrected or told.text, settings.get("syntax", "terms")
    # As it was asked: alone, more words of it might be corrected than in its batch.
    said: Any = syntax if not told.hits.corrected and demands(text, syntax) else "plain"
    mode: Any = question.mode
    return searcher.answer([text], options, mode, question.where, syntax=said, scan=scan).hits[0]


def _left(searcher: Searcher, told: Told) -> str:
    """How much the filter leaves, as a label."""
    if not told.question.where:
        return "none"
    with searcher.opened() as opened:
        left = np.count_nonzero(opened.allowed(parse_where(told.question.where)))
        share = left / max(1, opened.generation.live_rows)
    return "leaves over 0.1" if share > 0.1 else "leaves 0.01 to 0.1" if share >= 0.01 else "leaves below 0.01"


def _tolerance(mode: str) -> float:
    return TIE_TOLERANCE if mode == "dense" else MAXSIM_TIE_TOLERANCE


def _step_back() -> None:
    """Let everything else run first. On Linux a priority is a thread's; elsewhere it would be the process'."""
    if hasattr(os, "setpriority") and os.uname().sysname == "Linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)
