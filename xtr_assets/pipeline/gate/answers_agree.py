"""`answers_agree`: words asked as users ask them, with filters and without, in every mode, against brute force.

Other checks come with vectors of their own or look at one index. Here the whole way is asked: words, the query encoder,
filters, live rows, every leg, their sum, one hit a symbol or a text, `k`. What is right is worked out from the
segments' files by code of the gate alone (where_truth.py, answer_truth.py, leg_truth.py, copy_truth.py), with the
vectors that the gate's queries were given when they were drawn.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from xtr_assets.core.errors import GenerationError, XtrAssetsError
from xtr_assets.core.search_options import Collapse
from xtr_assets.core.types import Ints, Leg
from xtr_assets.core.where_syntax import parse_where
from xtr_assets.pipeline.gate.answer_truth import KnownRows, Places, StoredVectors, known_rows, places_of
from xtr_assets.pipeline.gate.answer_verdict import Case, Judge, Verdict, tolerated
from xtr_assets.pipeline.gate.copy_truth import copy_faults, text_of
from xtr_assets.pipeline.gate.demand_truth import demand_faults, drawn_demands
from xtr_assets.pipeline.gate.drawn_filters import drawn_filters, shown
from xtr_assets.pipeline.gate.drawn_questions import Question, drawn_questions
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.gate.leg_truth import Told
from xtr_assets.pipeline.gate.name_truth import drawn_calls, drawn_digits, drawn_name, drawn_places, drawn_runs
from xtr_assets.pipeline.gate.vector_truth import vector_faults
from xtr_assets.pipeline.gate.where_truth import HeldRows, Row
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.search.hit_table import Hits
from xtr_assets.search.ranker import Mode
from xtr_assets.search.searcher import Searcher
from xtr_assets.storage.generation import Generation

K = 10
# A filter that lets few rows through is asked for all of them and one more, so that each shows; a hit takes .1 ms.
MOST_HITS = 40
# Filters that are asked, of each size.
FILTERS_ASKED = {"none": 2, "few": 6, "many": 5}
MODES: tuple[Mode, ...] = ("hybrid", "dense", "xtr", "lexical")
# The modes that sum legs, names and what rows are called.
_SUMMED: tuple[Mode, ...] = ("hybrid", "exact")
# The mode that asks a leg alone.
MODE_OF: Mapping[Leg, Mode] = {"dense": "dense", "tokens": "xtr"}
# Filtered searches through an index are asked for the best of the rows that pass: healthy ones find all but a few.
LEAST_FOUND = 0.8
SHOWN = 8
REMEDY = (
    "`xtr-assets search` with these words and this filter shows it; build again with --full; if it comes back, this is "
    "a defect of xtr-assets: report it with the case"
)
TOKENS_REMEDY = (
    "`xtr_assets.testing.check_encoder` says what is wrong with an encoder; `queries` in xtr.yaml names questions that "
    "it does make tokens of"
)


def check(session: DraftSession) -> Finding:
    """Ask, and work out what should have come. `value` is the number of things that are wrong."""
    draft = session.draft
    if not draft.live_rows:
        return Finding(True, 0.0, 0.0, "no live row: there is nothing to ask for", {"searches": 0})
    chance = np.random.default_rng([draft.number, draft.end_row])
    try:
        places = places_of(session)
        known = known_rows(draft, places, session.rows.new, session.rows.gone)
        filters = drawn_filters(list(known.live.values()), list(known.dead.values()), chance)
        held = HeldRows(known.live)
        truth = {i: held.passing(one) for i, one in enumerate(filters)}
        searcher, questions = session.searcher(), drawn_questions(session)
        if not questions:
            said = "the encoder makes no token of any question, its own corpus' words included: nothing can be asked"
            return Finding(False, None, 0.0, said, {"searches": 0}, TOKENS_REMEDY)
        problems = _masks(searcher, places, known, [(one, truth[i]) for i, one in enumerate(filters)])
        order = chance.permutation(len(filters)).tolist()
        modes = modes_of(draft)
        problems += _strange_modes(searcher, modes)
        folded_over = [*_by_name(known), *_by_text(known)]
        cases = [
            *_unfiltered(questions, known, modes),
            *_filtered(questions, filters, truth, known, order, modes),
            *_folded(questions, folded_over, modes),
            *_named(drawn_name(session, known.live, chance), known),
            *_called(drawn_calls(session, known.live, chance), known),
            *_called(drawn_places(session, known.live, np.random.default_rng([draft.number, draft.end_row, 1])), known),
            *_called(drawn_digits(session, known.live, np.random.default_rng([draft.number, draft.end_row, 2])), known),
            *_called(drawn_runs(session, known.live, np.random.default_rng([draft.number, draft.end_row, 3])), known),
        ]
        stored = StoredVectors(draft, places)
        verdict = _asked(session, searcher, cases, stored, places, known)
        problems += vector_faults(searcher, questions, places, stored, draft.legs)
        demands = drawn_demands(known, chance)
        problems += demand_faults(searcher, places, known, demands, modes)
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


def modes_of(generation: Generation) -> tuple[Mode, ...]:
    """The modes that a generation answers, by the legs that its manifest says it has."""
    absent = {mode for leg, mode in MODE_OF.items() if leg not in generation.legs}
    return tuple(mode for mode in MODES if mode not in absent)


def _strange_modes(searcher: Searcher, modes: Sequence[Mode]) -> list[str]:
    """A mode of a leg that is not there must be refused, with the modes there are; not answered by another."""
    problems = []
    for mode in set(MODES) - set(modes):
        try:
            hits = searcher.search("is there a leg", 1, mode)
        except GenerationError:
            continue
        problems.append(f"mode {mode} answers with {len(hits)} hits, and the generation has no such leg")
    return problems


def _unfiltered(questions: Sequence[Question], known: KnownRows, there: Sequence[Mode]) -> list[Case]:
    """Every mode over all rows; `exact` where that is cheap."""
    rows = np.array(sorted(known.live), np.int64) if known.whole else None
    modes: tuple[Mode, ...] = (*there, "exact") if known.whole else tuple(there)
    asked = questions[:: max(1, len(questions) // 2)][:2]
    cases = [Case(one, mode, K, None, rows) for mode in modes for one in asked]
    # Which symbol a row is of, and its text, is known of those that were read.
    folded: tuple[Collapse, ...] = ("symbol", "text") if known.whole and asked else ()
    return [*cases, *(Case(asked[0], mode, K, None, rows, one) for one in folded for mode in modes)]


def _named(questions: Sequence[Question], known: KnownRows) -> list[Case]:
    """A name alone, over the rows that were read."""
    rows = np.array(sorted(known.live), np.int64)
    return [Case(one, mode, K, known.restriction or None, rows) for one in questions for mode in _SUMMED]


def _called(questions: Sequence[Question], known: KnownRows) -> list[Case]:
    """What a row is called in words, or where rows stand, over the rows that were read."""
    rows, where = np.array(sorted(known.live), np.int64), known.restriction or None
    return [Case(one, mode, K, where, rows) for one, mode in zip(questions, _SUMMED, strict=False)]


# What is folded, over which rows, and the filter that lets these through.
FoldedOver = tuple[Collapse, Ints, Mapping[str, Any]]


def _folded(questions: Sequence[Question], over: Sequence[FoldedOver], there: Sequence[Mode]) -> list[Case]:
    """As many hits as there are symbols or texts, and one more."""
    modes: tuple[Mode, ...] = ("hybrid", "dense" if "dense" in there else "xtr", "exact")
    return [
        Case(questions[i % len(questions)], mode, len(rows) + 1, where, rows, folded)
        for folded, rows, where in over
        for i, mode in enumerate(modes)
    ]


def _by_name(known: KnownRows) -> list[FoldedOver]:
    """Rows of symbols that have several chunks, or that have a name which stands elsewhere too."""
    rows = _together(known, lambda columns: str(columns["symbol"]))
    return [("symbol", rows, _only(known, rows))] if len(rows) else []


def _by_text(known: KnownRows) -> list[FoldedOver]:
    """Rows of texts that stand several times; and all but the first of each text, which the filter hides then. The dead
    rows of these texts are let through, which nobody may be told of."""
    rows = _together(known, text_of)
    texts = [text_of(known.live[row]) for row in rows.tolist()]
    firsts = {text: row for row, text in zip(rows[::-1].tolist(), texts[::-1], strict=True)}
    others = rows[~np.isin(rows, list(firsts.values()))]
    dead = [row for row, columns in known.dead.items() if text_of(columns) in firsts]
    return [("text", some, _only(known, some, dead)) for some in (rows, others) if len(some)]


def _together(known: KnownRows, named: Callable[[Row], str]) -> Ints:
    """int64, ascending: rows that bear a name which others bear, those of the most common names first."""
    by_name: dict[str, list[int]] = {}
    for row, columns in sorted(known.live.items()):
        if name := named(columns):
            by_name.setdefault(name, []).append(row)
    chosen: list[int] = []
    for own in sorted(by_name.values(), key=len, reverse=True):
        if len(own) > 1 and len(chosen) < MOST_HITS:
            chosen += own[: MOST_HITS - len(chosen)]
    return np.array(sorted(chosen), np.int64)


def _only(known: KnownRows, rows: Ints, dead: Sequence[int] = ()) -> dict[str, Any]:
    """The filter that lets these rows through, and the chunks of dead ones, which live rows have no more."""
    alive = {columns["chunk_id"] for columns in known.live.values()}
    gone = {known.dead[row]["chunk_id"] for row in dead} - alive
    return {"chunk_id": [int(known.live[row]["chunk_id"]) for row in rows.tolist()] + sorted(map(int, gone))}


def _filtered(
    questions: Sequence[Question],
    filters: Sequence[Mapping[str, Any]],
    truth: Mapping[int, Ints],
    known: KnownRows,
    order: Sequence[int],
    modes: Sequence[Mode],
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
        mode = modes[turn % len(modes)]
        # Each mode in turn, then each again with one hit a symbol.
        folded: Collapse | None = "symbol" if size == "many" and turn // len(modes) % 2 == 1 else None
        cases.append(Case(questions[turn % len(questions)], mode, k, where, rows, folded))
    return cases


def _asked(
    session: DraftSession,
    searcher: Searcher,
    cases: Sequence[Case],
    stored: StoredVectors,
    places: Places,
    known: KnownRows,
) -> Verdict:
    verdict = Verdict()
    judge = Judge(places, stored, known.live, Told.read(session.draft), tolerated(session.encoder.tolerance))
    for asked in _alike(cases):
        answers = _answers(searcher, asked[0], [case.question.text for case in asked])
        for case, hits in zip(asked, answers, strict=True):
            judge.judge(_worded(case, stored), hits, verdict)
            rows = case.rows if case.folded == "text" else None
            verdict.problems += [f"{wrong} ({case})" for wrong in copy_faults(rows, hits, known.live)]
    return verdict


def _answers(searcher: Searcher, case: Case, texts: Sequence[str]) -> list[Hits]:
    """By both calls that people make: of one question, and of several. A text of the corpus may hold quotes that demand
    nothing."""
    collapse = case.folded
    if len(texts) > 1:
        return searcher.search_batch(texts, case.k, case.mode, case.where, syntax="plain", collapse=collapse)
    return [searcher.search(texts[0], case.k, case.mode, case.where, syntax="plain", collapse=collapse)]


def _alike(cases: Sequence[Case]) -> list[list[Case]]:
    """Cases that differ by their question alone, which stand side by side: words encoded together cost a third."""
    groups: list[list[Case]] = []
    for case in cases:
        if groups and _way(groups[-1][0]) == _way(case):
            groups[-1].append(case)
        else:
            groups.append([case])
    return groups


def _way(case: Case) -> tuple[Mode, int, Collapse | None, int, int]:
    """How it is asked; filters and rows that are one object are the same."""
    return case.mode, case.k, case.folded, id(case.where), id(case.rows)


def _worded(case: Case, stored: StoredVectors) -> Case:
    """What shares no word with the question is no answer to it in mode lexical."""
    if case.mode != "lexical" or case.rows is None:
        return case
    return replace(case, rows=case.rows[stored.lexical(case.rows, case.question.text) > 0])
