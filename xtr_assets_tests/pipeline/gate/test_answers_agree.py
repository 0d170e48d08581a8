"""`answers_agree`: silent on healthy drafts of any kind, loud where words, filters or modes are answered wrong."""

import pydoc
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xtr_assets.config import HashingConfig
from xtr_assets.core.fusion import beside
from xtr_assets.core.phrases import holds_phrase
from xtr_assets.core.query_syntax import Query, unquoted
from xtr_assets.core.verbatim import words_of
from xtr_assets.pipeline.gate import answer_truth, answers_agree, drawn_questions
from xtr_assets.pipeline.gate.answer_truth import Places, known_rows
from xtr_assets.pipeline.gate.answer_verdict import Verdict
from xtr_assets.pipeline.gate.answers_agree import check
from xtr_assets.pipeline.gate.demand_truth import demand_faults, drawn_demands
from xtr_assets.pipeline.gate.drawn_filters import drawn_filters
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.gate.leg_truth import Summed, Told, summed
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.pipeline.queries.gate_queries import GateQueries
from xtr_assets.search import answer, ranker, rare_digits, row_words
from xtr_assets.search.blend import Blend
from xtr_assets.search.collapse import Symbols
from xtr_assets.search.filter_columns import TextColumn
from xtr_assets.search.filter_masks import RowFilters
from xtr_assets.search.legs import Legs
from xtr_assets.search.query_encoder import QueryEncoder
from xtr_assets.search.ranker import Pooled, Ranker
from xtr_assets.search.reader import OpenGeneration
from xtr_assets.search.request import Ask
from xtr_assets.search.retrievers import Listed
from xtr_assets.search.row_places import RowPlaces
from xtr_assets.search.searcher import Searcher
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import make_chunk, write_shard
from xtr_assets_tests.pipeline.gate.drafts import CONFIG, RECIPES, built, changed, chunks, copied, whole_draft

HASHING = CONFIG.model_copy(update={"encoder": HashingConfig()})


def look(warehouse: Warehouse, draft: Draft) -> Finding:
    return check(DraftSession(warehouse, draft, HASHING))


def ranked(folder: Path, rows: int = 240) -> tuple[Warehouse, Draft]:
    """A draft with weights, names, texts of different length, symbols of two chunks, and documents without names, in a
    folder below a test's."""
    blend = Blend.standard().document()

    def make(warehouse: Warehouse) -> Draft:
        made = [
            replace(one, symbol=f"s{i // 2}", part=i % 2, text=" ".join(one.text.split()[: 2 + i % 11]))
            for i, one in enumerate(chunks(rows))
        ]
        write_shard(warehouse, "code", made[: rows - rows // 3])
        documents = [replace(one, source="docs", kind="section") for one in made[rows - rows // 3 :]]
        write_shard(warehouse, "docs", documents)
        draft = whole_draft(warehouse, "Flat", named=("code",))
        draft.set_profile("hybrid", blend)
        return draft

    return copied(folder, f"ranked {rows} {blend['candidates']}", make)


def test_a_healthy_draft_with_weights_names_and_symbols_passes(tmp_path: Path) -> None:
    found = look(*ranked(tmp_path / "w"))
    assert found.passed, found.details["problems"]


def test_an_encoder_that_makes_no_token_of_what_is_pinned_is_asked_in_words_of_the_corpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse, draft = ranked(tmp_path / "w", 16)
    told = GateQueries.told
    monkeypatch.setattr(GateQueries, "told", lambda gate: np.zeros_like(told(gate)))
    monkeypatch.setattr(drawn_questions, "PINNED", ())
    found = look(warehouse, draft)
    assert found.passed and found.details["searches"] > 10, found.summary
    # No evidence is no good evidence, and no error of ours.
    monkeypatch.setattr(drawn_questions, "WORDS", 0)
    found = look(warehouse, draft)
    assert not found.passed and "no token of any question" in found.summary and "check_encoder" in found.remedy


def test_lists_of_few_candidates_are_judged_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten candidates a leg of 60 rows: hybrid answers from their union, whose ends are ties of a few words."""
    for owner in ("ranker", "blend"):
        monkeypatch.setattr(f"xtr_assets.search.{owner}.CANDIDATES", 4)
    warehouse, draft = ranked(tmp_path / "w", 60)
    assert draft.manifest.profile["hybrid"]["candidates"] == 4
    found = look(warehouse, draft)
    assert found.passed, found.details["problems"]
    monkeypatch.setattr(Legs, "shortened", lambda self, rows: np.full(len(rows), 0.2))
    monkeypatch.setattr(Legs, "names_of", lambda self, query, rows: {})
    assert not look(warehouse, draft).passed


def test_a_length_term_that_is_left_out_where_maxsim_ranks_alone_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse, draft = ranked(tmp_path / "w", 60)
    monkeypatch.setattr(Legs, "shortened_alone", lambda self, rows: np.zeros(len(rows)))
    found = look(warehouse, draft)
    assert not found.passed and any("is not that of xtr" in one for one in found.details["problems"])


@pytest.mark.parametrize("weight", [0.0, 0.3, -0.6, 1.2])
def test_another_share_of_the_whole_text_where_maxsim_ranks_alone_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weight: float
) -> None:
    warehouse, draft = ranked(tmp_path / "w", 60)
    assert draft.manifest.profile["hybrid"]["pooled"] == 0.6
    right = answer.pooled_of

    def wrong(opened: OpenGeneration, ask: Ask) -> Pooled | None:
        found = right(opened, ask)
        return None if found is None or not weight else replace(found, weight=weight)

    monkeypatch.setattr(answer, "pooled_of", wrong)
    found = look(warehouse, draft)
    said = "the mode compares in ['dense', 'xtr']" if not weight else "is not that of xtr"
    assert not found.passed and any(said in one for one in found.details["problems"])


def test_a_healthy_draft_of_more_rows_than_the_tokens_list_passes(tmp_path: Path) -> None:
    found = look(*ranked(tmp_path / "w", 400))
    assert found.passed, found.details["problems"]


def test_rows_at_the_end_of_a_list_leave_a_sum_open() -> None:
    """Two rows tie at the cut of one leg, and the other leg has one of them far up: both moments are possible."""
    told = Told(2, {"dense": 1.0, "xtr": 1.0, "lexical": 1.0}, 0.0, False)
    scores = {
        "dense": np.array([0.9, 0.5, 0.5, 0.1], np.float32), "xtr": np.array([0.9, 0.8, 0.2, 0.1], np.float32),
        "lexical": np.zeros(4, np.float32),
    }  # fmt: skip
    slack = dict.fromkeys(scores, 1e-3)

    def made(**changed: float) -> Summed:
        given = {**scores, "dense": scores["dense"] + np.array([0, 0, changed.get("apart", 0.0), 0], np.float32)}
        return summed(given, None, np.ones(4, np.int64), np.array([7, 5, 6, 4]), told, 1, slack)

    # Equal scores are listed by chunk_id: row 1 is, and so is it by its tokens.
    tied = made()
    assert tied.listed.tolist() == [True, True, False, False] and tied.doubt > 0.5
    values = np.array([0.9, 0.5])
    assert tied.total[0] == pytest.approx((0.9 - values.mean()) / values.std() + 1.0, abs=1e-5)
    assert made(apart=-0.1).doubt == 0 and made(apart=-0.1).listed.tolist() == [True, True, False, False]
    assert made(apart=0.1).doubt == 0 and made(apart=0.1).listed.tolist() == [True, True, True, False]


def test_rows_that_only_hold_what_is_demanded_are_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Characters inside runs of Thai, which are no terms: all rows that hold one have to come in mode lexical too."""
    warehouse = Warehouse.create(tmp_path / "w")
    letters, chance = "กขคงจฉชซญดตถ", np.random.default_rng(3)
    texts = [" ".join("".join(chance.choice(list(letters), 4)) for _ in range(3)) for _ in range(30)]
    write_shard(warehouse, "code", [replace(one, text=text) for one, text in zip(chunks(30), texts, strict=True)])
    session = DraftSession(warehouse, whole_draft(warehouse, "Flat"), HASHING)
    places = Places.read(session.draft)
    known = known_rows(session.draft, places, session.rows.new, session.rows.gone)
    demands = [one for _ in range(8) for one in drawn_demands(known, chance) if one.query[0] == "+"]
    assert len({one.query for one in demands if len(one.query) == 2}) >= 2, "none of one character"

    def faults() -> list[str]:
        return demand_faults(session.searcher(), places, known, demands, ("lexical",))

    assert not faults()
    monkeypatch.setattr(answer.Asked, "_unlisted", lambda *_: Listed(np.empty(0, np.int64), np.empty(0, np.float32)))
    assert any("did not come (mode lexical" in one for one in faults())


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("silent", "stands nowhere as it is quoted, and the answer does not say so"),
        ("always", "hits do not hold what"),
        ("plus too", "hits do not hold what '+"),
    ],
)
def test_quotes_that_are_loosened_wrongly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, told: str
) -> None:
    warehouse = Warehouse.create(tmp_path / "w")
    words = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"]
    texts = [" ".join(np.random.default_rng(n).permutation(words)) + f" item{n}" for n in range(30)]
    write_shard(warehouse, "code", [replace(one, text=text) for one, text in zip(chunks(30), texts, strict=True)])
    session = DraftSession(warehouse, whole_draft(warehouse, "Flat"), HASHING)
    places = Places.read(session.draft)
    known = known_rows(session.draft, places, session.rows.new, session.rows.gone)
    drawn = [one for seed in range(12) for one in drawn_demands(known, np.random.default_rng(seed))]
    assert {(one.query[:1], bool(len(one.rows))) for one in drawn} >= {('"', False), ('"', True), ("+", False)}
    assert not demand_faults(session.searcher(), places, known, drawn, ("lexical", "exact", "hybrid"))
    if fault == "silent":
        monkeypatch.setattr(answer, "_loosened", lambda *_: None)
    elif fault == "always":
        monkeypatch.setattr(answer, "_loosened", lambda _, query, __: unquoted(query))
    else:
        monkeypatch.setattr(
            answer, "unquoted", lambda query: Query(query.text) if query.phrases or query.required else None
        )
    assert any(
        told in one for one in demand_faults(session.searcher(), places, known, drawn, ("lexical", "exact", "hybrid"))
    )


@pytest.mark.parametrize(
    ("call", "way"),
    [("search_vectors", "ids"), ("search_tokens", "ids"), ("search_vectors", "order"), ("search_vectors", "no number")],
)
def test_answers_to_vectors_of_ones_own_that_are_mixed_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, way: str
) -> None:
    original = getattr(Searcher, call)

    def mixed(self: Searcher, *given: Any) -> Any:
        scores, ids = original(self, *given)
        if way == "no number":
            return np.full_like(scores, np.nan), ids
        return (scores, np.roll(ids, 1, axis=1)) if way == "ids" else (scores[:, ::-1], ids[:, ::-1])

    warehouse, draft = ranked(tmp_path / "w", 60)
    monkeypatch.setattr(Searcher, call, mixed)
    found = look(warehouse, draft)
    assert not found.passed and any(one.startswith(call) for one in found.details["problems"]), found.summary


def test_a_score_that_is_no_number_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original, warehouse, draft = Searcher.search_batch, *ranked(tmp_path / "w", 60)
    for mode, said in (("hybrid", "better hit"), ("dense", "score nan")):

        def answered(self: Searcher, texts: Any, k: int, asked: Any, *more: Any, no: str = mode, **named: Any) -> Any:
            found = original(self, texts, k, asked, *more, **named)
            return [[replace(hit, score=np.nan) for hit in hits] for hits in found] if asked == no else found

        monkeypatch.setattr(Searcher, "search_batch", answered)
        found = look(warehouse, draft)
        assert not found.passed and any(said in one for one in found.details["problems"]), found.details["problems"]


def test_a_filter_of_several_values_that_sees_the_first_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = TextColumn.compare
    monkeypatch.setattr(TextColumn, "compare", lambda self, one: original(self, replace(one, values=one.values[:1])))
    found = look(*ranked(tmp_path / "w", 60))
    assert not found.passed and any("[" in one for one in found.details["problems"]), found.summary


def test_a_phrase_whose_words_stand_in_another_order_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def in_any_order(text: str, phrase: str) -> bool:
        return all(holds_phrase(text, word) for word in phrase.split())

    monkeypatch.setattr("xtr_assets.search.required_text.holds_phrase", in_any_order)
    found = look(*ranked(tmp_path / "w", 60))
    assert not found.passed and any("stands nowhere as it is" in one for one in found.details["problems"]), (
        found.summary
    )


def test_a_filter_for_which_capitals_do_not_count_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = TextColumn.compare

    def folded(self: TextColumn, one: Any) -> Any:
        values = tuple(v.lower() if isinstance(v, str) else v for v in one.values)
        return original(self, replace(one, values=values))

    monkeypatch.setattr(TextColumn, "compare", folded)
    assert not look(*ranked(tmp_path / "w", 60)).passed


def test_filters_are_drawn_of_every_type_of_metadata_and_both_spellings_of_an_accent() -> None:
    held = {
        "flag": True,
        "tags": ["a", "b"],
        "year": 1990,
        "price": 0.1,
        "note": "x",
        "more": "y",
        "other": "z",
        "d": "d",
    }
    row: dict[str, Any] = dict.fromkeys(("part", "start_line", "end_line", "chunk_id"), 1)
    row |= {**dict.fromkeys(("source", "symbol", "kind"), "s"), "path": "caf\u00e9.txt", "metadata": held}
    for seed in range(20):
        filters = drawn_filters([row, row | {"chunk_id": 8}], [], np.random.default_rng(seed))
        assert {"flag", "tags", "year", "price"} <= {name for one in filters for name in one}
        assert {"path": "cafe\u0301.txt"} in filters and {"path": "CAF\u00c9.TXT"} in filters


@pytest.mark.parametrize("recipe", RECIPES)
def test_healthy_drafts_pass_first_and_changed(tmp_path: Path, recipe: str) -> None:
    warehouse, draft = changed(tmp_path / "w", recipe)
    found = look(warehouse, draft)
    assert found.passed, found.details["problems"]
    assert found.details["searches"] >= 10 and found.details["filters"] >= 15 and found.details["dead_rows"] == 16


def test_corpora_of_which_a_part_is_read_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"MOST_ROWS": 100, "NEW_ROWS": 32, "DEAD_ROWS": 16}.items():
        monkeypatch.setattr(answer_truth, name, value)
    warehouse, draft = changed(tmp_path / "w", "IVF8,SQ8")
    found = look(warehouse, draft)
    assert found.passed, found.details["problems"]
    assert found.details["rows"] < 110
    # Which rows should come is not known there; that some should is.
    original = Searcher.search_batch

    def answered(self: Searcher, texts: Any, k: int, mode: Any, where: Any, **named: Any) -> Any:
        return original(self, texts, k, mode, where, **named) if where else [[] for _ in texts]

    monkeypatch.setattr(Searcher, "search_batch", answered)
    found = look(warehouse, draft)
    assert not found.passed and "no hit, though nothing is filtered" in found.summary


def test_an_empty_draft_and_one_row_pass(tmp_path: Path) -> None:
    warehouse = Warehouse.create(tmp_path / "w")
    for count in (1, 0):
        write_shard(warehouse, "code", chunks(count))
        draft = whole_draft(warehouse, "Flat")
        assert look(warehouse, draft).passed
        warehouse.publish(draft.number, force_reason="no gate in this test")


def test_one_text_many_times_passes(tmp_path: Path) -> None:
    warehouse = Warehouse.create(tmp_path / "w")
    write_shard(warehouse, "code", [replace(one, text="the same words") for one in chunks(200)])
    found = look(warehouse, whole_draft(warehouse, "Flat"))
    assert found.passed, found.details["problems"]


def test_a_gate_without_words_is_asked_pinned_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warehouse, draft = built(tmp_path / "w", "Flat", 60)
    session = DraftSession(warehouse, draft, HASHING)
    gate = session.queries()
    none = replace(gate, queries=tuple(replace(one, kind="vector") for one in gate.queries))
    monkeypatch.setattr(DraftSession, "queries", lambda self: none)
    assert check(session).passed
    original = QueryEncoder.encode
    monkeypatch.setattr(
        QueryEncoder, "encode", lambda self, g, texts, s: original(self, g, ["other words"] * len(texts), s)
    )
    assert not look(warehouse, draft).passed


def _silently(self: Ranker, fused: Any, scores: Any, ids: Any) -> None:
    if self.legs is not None and "name" in scores and (found := beside(fused, ~np.isnan(scores["name"]), ids, 1.5)):
        fused[found[0]] = found[1]


def _pairs(triples: Any, text: str) -> int:
    asked = {pair for triple in triples for pair in (triple[:2], triple[1:])}
    words = words_of(text)
    return 4 if any(pair in asked for pair in pairwise(words)) else 0


def _worst_beside(sums: Any, named: Any, ids: Any, most: float) -> tuple[int, float]:
    others = np.flatnonzero(named != named[np.lexsort((ids, -sums))[0]])
    worst = int(others[sums[others].argmin()])
    return worst, float(sums[worst]) + most


Alter = Callable[[Any], Any]
FAULTS: dict[str, tuple[Any, str, Alter, str]] = {
    "a mask that lets all through": (
        RowFilters, "mask",
        lambda original: lambda self, where, **said: np.ones_like(original(self, where, **said)), "rows are wrong",
    ),
    "other words": (
        QueryEncoder, "encode",
        lambda original: lambda self, g, texts, s: original(self, g, [one[::-1] for one in texts], s), "stored vectors",
    ),
    "the first hit is lost": (
        Searcher, "search",
        lambda original: (
            lambda self, text, k, *more, **named: original(self, text, k + 1, *more, **named)[1 : k + 1]
        ), "best rows",
    ),
    "the last hit is lost": (
        Searcher, "search",
        lambda original: lambda self, *given, **named: original(self, *given, **named)[:-1], "hits",
    ),
    "hits in turned order": (
        Searcher, "search",
        lambda original: lambda self, *given, **named: original(self, *given, **named)[::-1], "better hit",
    ),
    "one hit twice": (
        Searcher, "search",
        lambda original: lambda self, *given, **named: [
            one for one in original(self, *given, **named)[:5] for _ in (1, 2)
        ], "twice",
    ),
    "scores of another question": (
        Searcher, "search",
        lambda original: lambda self, *given, **named: [
            replace(one, scores={name: value + 0.05 for name, value in one.scores.items()}, score=one.score + 0.05)
            for one in original(self, *given, **named)
        ], "stored vectors",
    ),
    "length is added": (
        Legs, "shortened", lambda original: lambda self, rows: -original(self, rows), "standard scores",
    ),
    "names of the next candidate": (
        Legs, "names_of",
        lambda original: lambda self, query, rows: {
            name: np.roll(one, 1) for name, one in original(self, query, rows).items()
        }, "score in name",
    ),
    "what bears the name that was asked for is forgotten": (
        Legs, "borne_by", lambda original: lambda self, query, rows, scores: {}, "compares in",
    ),
    "another row bears the name": (
        Legs, "borne_by",
        lambda original: lambda self, query, rows, scores: {
            name: np.roll(one, 3) for name, one in original(self, query, rows, scores).items()
        }, "compares in",
    ),
    "a borne name takes away": (
        Legs, "of",
        lambda original: lambda self, rows, scores: {
            name: -one if name == "symbol" else one for name, one in original(self, rows, scores).items()
        }, "standard scores",
    ),
    "what chunks are called is forgotten": (
        Legs, "called_by", lambda original: lambda self, query, rarity, rows, scores: {}, "compares in",
    ),
    "the next row is called so": (
        Legs, "called_by",
        lambda original: lambda self, query, rarity, rows, scores: {
            name: np.roll(one, 1) for name, one in original(self, query, rarity, rows, scores).items()
        }, "called|compares in",
    ),
    "each word of a name counts the same": (
        Legs, "called_by",
        lambda original: lambda self, query, rarity, rows, scores: original(
            self, query, dict.fromkeys(rarity, 1.0), rows, scores
        ), "of the question",
    ),
    "a name that says the question takes away": (
        Legs, "of",
        lambda original: lambda self, rows, scores: {
            name: -one if name == "called" else one for name, one in original(self, rows, scores).items()
        }, "standard scores",
    ),
    "words with a digit are forgotten": (
        Legs, "digits_by", lambda original: lambda self, query, rows, spaces: {}, "compares in",
    ),
    "the next row holds the word with a digit": (
        Legs, "digits_by",
        lambda original: lambda self, query, rows, spaces: {
            name: np.roll(one, 1) for name, one in original(self, query, rows, spaces).items()
        }, "words with a digit|compares in",
    ),
    "a word with a digit that many rows hold counts too": (
        rare_digits, "FEW", lambda original: 10**9, "words with a digit|compares in",
    ),
    "a row that holds a word with a digit loses": (
        Legs, "of",
        lambda original: lambda self, rows, scores: {
            name: -one if name == "digits" else one for name, one in original(self, rows, scores).items()
        }, "standard scores",
    ),
    "words in a row are forgotten": (
        Legs, "verbatim_by", lambda original: lambda self, *given: {}, "words of the question in a row and shows none",
    ),
    "the next row has the words in a row": (
        Legs, "verbatim_by",
        lambda original: lambda self, *given: {name: np.roll(one, 1) for name, one in original(self, *given).items()},
        "in a row",
    ),
    "two words make a row": (row_words, "longest_run", lambda original: _pairs, "in a row and shows"),
    "a row of words is one longer": (
        row_words, "longest_run", lambda original: lambda *given: (found := original(*given)) and found + 1,
        "in a row and shows",
    ),
    "words in a row weigh half": (
        Ranker, "_factor", lambda original: property(lambda self: 0.5), "standard scores|best rows|better hit",
    ),
    "texts without a name are read too": (
        row_words, "NAME", lambda original: "lexical", "none of the best by words that have a name",
    ),
    "the worst by words are read": (
        row_words, "best_positions",
        lambda original: lambda values, ids, n: original(-values, ids, n), "shows none|none of the best",
    ),
    "nothing comes beside the first": (
        ranker, "beside", lambda original: lambda *given: None, "the best row of the other kind",
    ),
    "what comes beside the first is of its kind": (
        ranker, "beside", lambda original: lambda sums, named, *more: original(sums, ~named[::-1], *more), "kind",
    ),
    "the worst of the other kind comes beside the first": (
        ranker, "beside", lambda original: lambda *given: original(*given) and _worst_beside(*given), "kind",
    ),
    "what comes beside the first gains more than it may": (
        ranker, "beside", lambda original: lambda sums, named, ids, most: original(sums, named, ids, 3 * most), "kind",
    ),
    "what comes beside the first comes before it": (
        ranker, "beside",
        lambda original: lambda *given: (found := original(*given)) and (found[0], given[0].max() + 0.1), "kind",
    ),
    "what comes beside the first does not say so": (
        Ranker, "_beside", lambda original: _silently, "standard scores|best rows|better hit",
    ),
    "rows at a place are forgotten": (
        Legs, "placed_by", lambda original: lambda self, query, rows: {}, "compares in|rows at places",
    ),
    "the next row stands at the place": (
        Legs, "placed_by",
        lambda original: lambda self, query, rows: {
            name: np.roll(one, 1) for name, one in original(self, query, rows).items()
        }, "compares in|rows at places",
    ),
    "the outermost frame is taken for the innermost": (
        Legs, "standing_at",
        lambda original: lambda self, query: original(self, replace(query, places=query.places[::-1])), "stands",
    ),
    "any file of that name is the place": (
        RowPlaces, "standing",
        lambda original: lambda self, places: original(
            self, tuple(replace(one, path=one.path[-1:]) for one in places)
        ), "stands|compares in",
    ),
    "a place takes away": (
        Legs, "of",
        lambda original: lambda self, rows, scores: {
            name: -one if name == "place" else one for name, one in original(self, rows, scores).items()
        }, "rows at places",
    ),
    "words are forgotten": (
        OpenGeneration, "spaces",
        lambda original: lambda self, mode: tuple(
            one for one in original(self, mode) if one.name != "lexical" or mode == "lexical"
        ), "compares in",
    ),
    "other weights than the manifest's": (
        Blend, "of",
        lambda original: lambda kept: replace(original(kept), weights={"dense": 1.0, "xtr": 1.0, "lexical": 1.0}),
        "standard scores",
    ),
    "one symbol twice": (
        Symbols, "first", lambda original: lambda self, rows, k: np.arange(min(k, len(rows))), "symbol that another",
    ),
    "another chunk of the symbol": (
        Symbols, "first",
        lambda original: lambda self, rows, k: np.sort(
            len(rows) - 1 - original(self, rows[::-1].copy(), len(rows))
        )[:k], "best chunk of their symbol",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_refused_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    warehouse, draft = ranked(tmp_path / "w")
    owner, name, alter, words = FAULTS[fault]
    monkeypatch.setattr(answers_agree, "SHOWN", 100)
    monkeypatch.setattr(owner, name, alter(getattr(owner, name)))
    found = look(warehouse, draft)
    assert not found.passed and found.value and found.remedy
    assert any(part in one for one in found.details["problems"] for part in words.split("|")), found.details["problems"]


def _letters(number: int) -> str:
    return "k" + "".join("abcdefghij"[int(digit)] for digit in str(number))


def _path(source: str, number: int) -> str:
    """One of two languages, and of four files one of tests."""
    shelf = "tests/" if number // 8 % 4 == 1 else ""
    return f"{source}/{shelf}{_letters(number // 8)}.{('py', 'rs')[number % 2]}"


CALLS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "rows without a name are called too": (
        "xtr_assets.search.legs.Legs.called_by",
        lambda original: lambda self, query, rarity, rows, scores: original(
            self, query, rarity, rows, {**scores, "name": np.nan_to_num(scores["name"])}
        ),
    ),
    "words of paths are forgotten": (
        "xtr_assets.search.collapse.called_terms", lambda original: lambda path, symbol: original("", symbol),
    ),
    "the language that a question names is forgotten": (
        "xtr_assets.search.row_marks.RowMarks.elsewhere",
        lambda original: lambda self, asked, rows: np.zeros(len(rows), np.bool_),
    ),
    "it is that of the row behind": (
        "xtr_assets.search.row_marks.RowMarks.elsewhere",
        lambda original: lambda self, asked, rows: np.roll(original(self, asked, rows), 1),
    ),
    "what is of tests is forgotten": (
        "xtr_assets.search.row_marks.RowMarks.of_tests",
        lambda original: lambda self, rows: np.zeros(len(rows), np.bool_),
    ),
    "what is of tests is told of the row behind": (
        "xtr_assets.search.row_marks.RowMarks.of_tests",
        lambda original: lambda self, rows: np.roll(original(self, rows), 1),
    ),
    "tests lose also where they are asked for": (
        "xtr_assets.search.legs.asks_for_tests", lambda original: lambda terms: False,
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        *((fault, ("code",)) for fault in (None, *CALLS)),
        (None, ()),
        ("the language that a question names is forgotten", ()),
    ],
)
def test_what_rows_are_called_is_asked_of_those_with_a_name_and_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str | None, named: tuple[str, ...]
) -> None:
    """No question of the gate says a word of a path or a symbol here, and a name alone says none of a path."""
    warehouse = Warehouse.create(tmp_path / "w")
    for source, head in (("code", "S"), ("guide", "Part ")):
        called = [
            replace(one, symbol=f"{head}{_letters(i + 700)}", path=_path(source, i))
            for i, one in enumerate(chunks(100, source=source))
        ]
        write_shard(warehouse, source, called)
    draft = whole_draft(warehouse, "Flat", named=named)
    draft.set_profile("hybrid", Blend.standard().document())
    if fault is not None:
        name, alter = CALLS[fault]
        owner, _, attribute = name.rpartition(".")
        monkeypatch.setattr(name, alter(getattr(pydoc.locate(owner), attribute)))
    found = look(warehouse, draft)
    assert found.passed == (fault is None), found.summary
    assert fault is None or "compares in" in found.summary or "of the question" in found.summary, found.summary


def test_an_index_that_finds_half_of_what_passes_is_refused() -> None:
    verdict = Verdict(found=[0.5] * 20)
    assert verdict.surely_at_most < answers_agree.LEAST_FOUND
    assert Verdict(found=[1.0, 0.9] * 3).surely_at_most >= answers_agree.LEAST_FOUND


def test_a_share_that_a_language_takes_off_whole_is_no_fault(tmp_path: Path) -> None:
    """Three of four words, all as rare: "alpha_beta gamma in Rust" of what stands beside `gamma` in Python."""
    warehouse = Warehouse.create(tmp_path / "w")
    places = [(f"alpha_beta.{suffix}", symbol) for suffix in ("rs", "py") for symbol in ("gamma", "delta")]
    write_shard(warehouse, "code", [make_chunk(path, symbol, "calls gamma delta") for path, symbol in places])
    draft = whole_draft(warehouse, "Flat", named=("code",))
    draft.set_profile("hybrid", Blend.standard().document())
    found = look(warehouse, draft)
    assert found.passed, found.summary
