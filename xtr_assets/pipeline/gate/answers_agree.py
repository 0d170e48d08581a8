"""`answers_agree`: words asked as users ask them, with filters and without, in every mode, against brute force.

Other checks come with vectors of their own or look at one index. Here the whole way is asked: words, the query encoder,
filters, live rows, both spaces, their fusion, `k`. What is right is worked out from the segments' files by code of the
gate alone (where_truth.py, answer_truth.py), with the vectors that the gate's queries were given when they were drawn.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from xtr_assets.core.errors import XtrAssetsError
from xtr_assets.core.recall import upper_bound
from xtr_assets.core.types import Floats, Ints
from xtr_assets.core.where_syntax import parse_where
from xtr_assets.encoders.base import Tolerance
from xtr_assets.pipeline.gate.answer_truth import Doubles, KnownRows, Places, StoredVectors, known_rows, z_sums
from xtr_assets.pipeline.gate.demand_truth import demand_faults, drawn_demands
from xtr_assets.pipeline.gate.drawn_filters import drawn_filters, shown
from xtr_assets.pipeline.gate.drawn_questions import Question, drawn_questions
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.gate.where_truth import passes
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.search.hits import Hit
from xtr_assets.search.ranker import Mode
from xtr_assets.search.searcher import Searcher

K = 10
# A filter that lets few rows through is asked for all of them and one more, so that each shows; a hit takes .1 ms.
MOST_HITS = 40
# Filters that are asked, of each size.
FILTERS_ASKED = {"none": 2, "few": 6, "many": 5}
# As docs/searching.md says: no more rows than this, and all are scored in every mode.
SCANNED = 100
SPACES: Mapping[Mode, tuple[str, ...]] = {
    "dense": ("dense",),
    "xtr": ("xtr",),
    "lexical": ("lexical",),
    "hybrid": ("dense", "xtr"),
    "exact": ("dense", "xtr"),
}
MODES: tuple[Mode, ...] = ("hybrid", "dense", "xtr", "lexical")
# What sums in another order, and an int8 product, may add to what the encoder tolerates.
ROUNDING = {"dense": 1e-3, "xtr": 8e-3, "lexical": 1e-3}
# How far apart the scores of an answer may be that are the same: beside what the answer shows of it itself.
SAME = {"dense": 1e-4, "xtr": 4e-3, "lexical": 1e-4}
# Standard scores whose moments come from as good rows.
SAME_Z = 0.1
# Filtered searches through an index are asked for the best of the rows that pass: healthy ones find all but a few.
LEAST_FOUND, CONFIDENCE = 0.8, 0.999
SHOWN = 8
REMEDY = (
    "`xtr-assets search` with these words and this filter shows it; build again with --full; if it comes back, this is "
    "a defect of xtr-assets: report it with the case"
)


@dataclass(frozen=True, slots=True)
class Case:
    """One search. rows : int64, ascending, the live rows that may come; None where more live than were read."""

    question: Question
    mode: Mode
    k: int
    where: Mapping[str, Any] | None
    rows: Ints | None

    @property
    def whole(self) -> bool:
        """Whether nothing may be missed: the rows are few enough to be scored, or the mode scores them all."""
        return self.rows is not None and (self.mode in ("exact", "lexical") or len(self.rows) <= SCANNED)

    def __str__(self) -> str:
        return f"{self.question.text[:60]!r}, mode {self.mode}, k {self.k}, {shown(self.where)}"


@dataclass
class Verdict:
    """What was wrong, a sentence each; and of the best rows that an index was asked for, how many came."""

    problems: list[str] = field(default_factory=list)
    found: list[float] = field(default_factory=list)

    @property
    def surely_at_most(self) -> float:
        return upper_bound(float(np.mean(self.found)), len(self.found), CONFIDENCE) if self.found else 1.0


def check(session: DraftSession) -> Finding:
    """Ask, and work out what should have come. `value` is the number of things that are wrong."""
    draft = session.draft
    if not draft.live_rows:
        return Finding(True, 0.0, 0.0, "no live row: there is nothing to ask for", {"searches": 0})
    chance = np.random.default_rng([draft.number, draft.end_row])
    try:
        places = Places.read(draft)
        known = known_rows(draft, places, session.rows.new, session.rows.gone)
        filters = drawn_filters(list(known.live.values()), list(known.dead.values()), chance)
        truth = {i: _passing(known, one) for i, one in enumerate(filters)}
        searcher, questions = session.searcher(), drawn_questions(session)
        problems = _masks(searcher, places, known, [(one, truth[i]) for i, one in enumerate(filters)])
        order = chance.permutation(len(filters)).tolist()
        cases = [*_unfiltered(questions, known), *_filtered(questions, filters, truth, known, order)]
        verdict = _asked(session, searcher, cases, places)
        demands = drawn_demands(known, chance)
        problems += demand_faults(searcher, places, known, demands, MODES)
    except (XtrAssetsError, LookupError, ValueError) as error:
        # Arrow's errors are among these: an id map that names positions that are none.
        return Finding(False, None, 0.0, f"the draft cannot be asked: {error}", {"searches": 0}, REMEDY)
    problems += verdict.problems
    least = verdict.surely_at_most
    if least < LEAST_FOUND:
        problems.append(f"searches of an index find surely at most {least:.3f} of the best, {LEAST_FOUND:g} is asked")
    searches = len(cases) + len(demands)
    summary = f"{searches} searches in words, {len(filters)} filters over {len(known.live)} rows: all as brute force"
    if problems:
        summary = f"{len(problems)} answers are not those of brute force (0 may): {problems[0]}"
    details = {
        "searches": searches,
        "demands": len(demands),
        "filters": len(filters),
        "rows": len(known.live),
        "dead_rows": len(known.dead),
        "found": round(float(np.mean(verdict.found)), 4) if verdict.found else None,
        "problems": problems[:SHOWN],
    }
    return Finding(not problems, float(len(problems)), 0.0, summary, details, REMEDY if problems else "")


def _passing(known: KnownRows, where: Mapping[str, Any]) -> Ints:
    """Rows that are live and pass, ascending."""
    return np.array(sorted(row for row, columns in known.live.items() if passes(where, columns)), np.int64)


def _masks(
    searcher: Searcher, places: Places, known: KnownRows, filters: Iterable[tuple[Mapping[str, Any], Ints]]
) -> list[str]:
    """What the searcher takes for live, for the chunk at a row, and for the rows of a filter, on every row known."""
    problems = []
    with searcher.opened() as opened:
        live = np.zeros(len(opened.live), np.bool_)
        live[places.row[places.live]] = True
        if wrong := int((opened.live != live).sum()):
            problems.append(f"{wrong} rows are taken for live or dead that the id map says are not")
        if wrong := int((opened.chunk_ids[places.row] != places.chunk_id).sum()):
            problems.append(f"{wrong} rows are taken for other chunks than the id map says")
        rows = np.array(sorted({*known.live, *known.dead}), np.int64)
        for where, passing in filters:
            taken = opened.allowed(parse_where(where))
            true = np.isin(rows, passing)
            if wrong := int((taken[rows] != true).sum()):
                had = int(taken[rows].sum())
                problems.append(f"{shown(where)}: {wrong} rows are wrong, {had} are taken and {int(true.sum())} pass")
            elif int(taken.sum()) > int(true.sum()) and known.whole:
                problems.append(f"{shown(where)}: {int(taken.sum() - true.sum())} rows are taken that are none")
    return problems


def _unfiltered(questions: Sequence[Question], known: KnownRows) -> list[Case]:
    """Every mode over all rows; `exact` where that is cheap."""
    rows = np.array(sorted(known.live), np.int64) if known.whole else None
    modes: tuple[Mode, ...] = (*MODES, "exact") if known.whole else MODES
    return [Case(one, mode, K, None, rows) for mode in modes for one in questions[:: max(1, len(questions) // 2)][:2]]


def _filtered(
    questions: Sequence[Question],
    filters: Sequence[Mapping[str, Any]],
    truth: Mapping[int, Ints],
    known: KnownRows,
    order: Sequence[int],
) -> list[Case]:
    """Filters of each size, in turns of question and mode."""
    left, cases = dict(FILTERS_ASKED), list[Case]()
    for i in order:
        rows = truth[i]
        size = "none" if not len(rows) else "few" if len(rows) < MOST_HITS else "many"
        if not left[size]:
            continue
        left[size] -= 1
        where = filters[i] if "chunk_id" in filters[i] else {**filters[i], **known.restriction}
        turn = len(cases)
        k = K if size == "many" else len(rows) + 1
        cases.append(Case(questions[turn % len(questions)], MODES[turn % len(MODES)], k, where, rows))
    return cases


def _asked(session: DraftSession, searcher: Searcher, cases: Sequence[Case], places: Places) -> Verdict:
    stored, verdict = StoredVectors(session.draft, places), Verdict()
    tolerances = tolerated(session.encoder.tolerance)
    hybrid = session.draft.manifest.profile.get("hybrid") or {}
    depth = int(hybrid.get("candidates") or SCANNED)
    for case in cases:
        # A text of the corpus may hold quotes that demand nothing.
        hits = searcher.search(case.question.text, case.k, case.mode, case.where, syntax="plain")
        if case.mode == "lexical" and case.rows is not None:
            # What shares no word with the question is no answer to it.
            worded = case.rows[stored.lexical(case.rows, case.question.text) > 0]
            case = replace(case, rows=worded)
        judge(case, hits, places, stored, tolerances, depth, verdict)
    return verdict


def tolerated(tolerance: Tolerance) -> dict[str, float]:
    """How far a score may lie from that of the same words encoded before: as far as the vectors may."""
    return {
        "dense": float(np.sqrt(2 * (1 - tolerance.embedding))) + ROUNDING["dense"],
        "xtr": float(np.sqrt(2 * (1 - tolerance.mean_token))) + ROUNDING["xtr"],
        "lexical": ROUNDING["lexical"],
    }


def judge(
    case: Case,
    hits: Sequence[Hit],
    places: Places,
    stored: StoredVectors,
    tolerances: Mapping[str, float],
    depth: int,
    verdict: Verdict,
) -> None:
    """Hold one answer against what should have come."""
    found = places.live_rows_of(np.array([hit.chunk_id for hit in hits], np.int64))
    wrong = _not_allowed(case, hits, found) or _shown_scores(case, hits)
    if wrong:
        verdict.problems.append(f"{wrong} ({case})")
        return
    asked = found if case.rows is None else case.rows
    rows = np.unique(asked)
    if not len(rows):
        return
    spaces = SPACES[case.mode]
    scores = {name: _scores(case, stored, name, rows) for name in spaces}
    at = np.searchsorted(rows, found)
    # What the words scored now and when they were drawn: the same encoder, another batch.
    apart = {name: _furthest([hit.scores[name] for hit in hits], scores[name][at]) for name in spaces}
    for name in spaces:
        if not apart[name] <= tolerances[name]:
            verdict.problems.append(
                f"a score in {name} is {apart[name]:.4f} from that of its stored vectors, {tolerances[name]:.4f} is "
                f"tolerated ({case})"
            )
            return
    if case.rows is None:
        verdict.found.append(len(hits) / case.k)
        return
    _best(case, hits, at, scores, apart, depth, verdict)


def _furthest(shown_scores: Sequence[float], true: Any) -> float:
    """The largest difference; 0.0 of nothing."""
    return float(np.abs(np.array(shown_scores, np.float64) - true).max(initial=0.0))


def _scores(case: Case, stored: StoredVectors, space: str, rows: Ints) -> Floats:
    if space == "dense":
        return stored.dense(rows, case.question.embedding)
    if space == "lexical":
        return stored.lexical(rows, case.question.text)
    return stored.late(rows, case.question.tokens)


def _not_allowed(case: Case, hits: Sequence[Hit], found: Ints) -> str:
    """What may not be among the hits, whatever it scores."""
    if (found < 0).any():
        return f"{int((found < 0).sum())} hits are chunks that do not live"
    if len(np.unique(found)) < len(found):
        return f"{len(found) - len(np.unique(found))} hits come twice, or from a dead row of their chunk"
    if case.rows is not None and not np.isin(found, case.rows).all():
        return f"{int((~np.isin(found, case.rows)).sum())} of {len(found)} hits do not pass the filter"
    if len(hits) > case.k:
        return f"{len(hits)} hits where {case.k} were asked for"
    if case.whole and case.rows is not None and len(hits) != min(case.k, len(case.rows)):
        return f"{len(hits)} hits, {min(case.k, len(case.rows))} rows should have come"
    return ""


def _shown_scores(case: Case, hits: Sequence[Hit]) -> str:
    """What an answer says of its own scores."""
    spaces = SPACES[case.mode]
    for hit in hits:
        if set(hit.scores) != set(spaces):
            return f"scores in {sorted(hit.scores)}, mode {case.mode} compares in {sorted(spaces)}"
        if len(spaces) == 1 and abs(hit.score - hit.scores[spaces[0]]) > 1e-6:
            return f"score {hit.score:.4f} is not that of {spaces[0]}, {hit.scores[spaces[0]]:.4f}"
    order = [hit.score for hit in hits]
    if any(after > before for before, after in pairwise(order)):
        return "a better hit stands behind a worse one"
    return ""


def _best(
    case: Case,
    hits: Sequence[Hit],
    at: Ints,
    scores: Mapping[str, Floats],
    apart: Mapping[str, float],
    depth: int,
    verdict: Verdict,
) -> None:
    """Whether the best rows came: all of them where rows are scanned, else counted."""
    slack = {name: 2 * apart[name] + SAME[name] for name in scores}
    total: Floats | Doubles
    if len(scores) == 1:
        ((name, total),) = scores.items()
        room = slack[name]
    else:
        total, spreads = z_sums(scores, case.k, depth)
        room = SAME_Z + sum(2 * slack[name] / max(spreads[name], 1e-6) for name in scores)
        off = _furthest([hit.score for hit in hits], total[at])
        if case.whole and off > room:
            verdict.problems.append(f"a sum of standard scores is {off:.2f} off, {room:.2f} may be ({case})")
            return
    wanted = min(case.k, len(total))
    if not wanted:
        return
    last = float(np.sort(total)[-wanted])
    good = int((total[at] >= last - room).sum())
    if not case.whole:
        verdict.found.append(good / wanted)
    elif good < wanted:
        verdict.problems.append(f"{wanted - good} of the {wanted} best rows did not come ({case})")
