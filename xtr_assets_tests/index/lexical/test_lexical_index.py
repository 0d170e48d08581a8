"""The lexical index against dictionaries: the same rows, the same order, the same bits, however rows are cut."""

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtr_assets.core.errors import IndexClosed, InvalidInput
from xtr_assets.core.search_options import SearchOptions
from xtr_assets.index.lexical import pruned_search
from xtr_assets.index.lexical.collection import Collection
from xtr_assets.index.lexical.index import LexicalIndex
from xtr_assets_tests.index.lexical.dictionary_bm25 import DictionaryBM25
from xtr_assets_tests.index.lexical.segments import SCANS, Scan, opened, write_part

TERMS = ["a", "ab", "b", "c", "\u00e9", "\u732b", "\ue000", "\U0001f600", "\ud800", "", "\x00", "rare", "z" * 300]
TEXT = st.lists(st.sampled_from(TERMS), max_size=12)


@st.composite
def collections(draw: st.DrawFn) -> dict[str, Any]:
    """Rows with holes, cuts between segments, dead rows, filters, queries with repeats and unknown terms."""
    documents = draw(st.lists(st.one_of(TEXT, TEXT, TEXT, st.none()), max_size=40))
    rows = len(documents)
    masks = st.lists(st.booleans(), min_size=rows, max_size=rows)
    return {
        "documents": documents,
        "live": draw(st.one_of(st.just([True] * rows), masks)),
        "cuts": draw(st.lists(st.integers(0, max(rows - 1, 0)), max_size=4)),
        "allowed": draw(st.one_of(st.none(), masks)),
        "queries": draw(st.lists(st.lists(st.sampled_from([*TERMS, "unknown"]), max_size=6), max_size=4)),
        "k": draw(st.integers(1, 50)),
    }


@pytest.mark.parametrize("scan", SCANS)
@given(given_=collections())
def test_answers_scores_and_matches_are_those_of_the_dictionaries(scan: Scan, given_: dict[str, Any]) -> None:
    documents, live, allowed, k = given_["documents"], given_["live"], given_["allowed"], given_["k"]
    reference = DictionaryBM25(documents, live)
    stored = [row for row, one in enumerate(documents) if one is not None]
    with opened(scan, documents, live, given_["cuts"]) as index:
        options = SearchOptions(k=k, allowed=None if allowed is None else np.array(allowed, np.bool_))
        for query, found in zip(given_["queries"], index.answer(given_["queries"], options), strict=True):
            expected = reference.best(query, k, allowed)
            assert found.rows.tolist() == [row for row, _ in expected]
            assert found.scores.tobytes() == np.array([one for _, one in expected], np.float32).tobytes()
            assert (found.scores.dtype.str, found.rows.dtype.str) == ("<f4", "<i8")
            with patch.object(pruned_search, "WORTH_IT", 0), patch.object(pruned_search, "BEYOND", 1):
                (again,) = index.answer([query], options)
            assert (again.rows.tobytes(), again.scores.tobytes()) == (found.rows.tobytes(), found.scores.tobytes())
            # Rows in any order and twice; dead ones too.
            rows = np.array([*reversed(stored), *stored], np.int64)
            scores = index.score(query, rows)
            assert scores.tobytes() == np.array([reference.score_float32(query, r) for r in rows], np.float32).tobytes()
            assert scores == pytest.approx([reference.score(query, row) for row in rows], rel=1e-5, abs=1e-6)
            assert index.matching(query).tolist() == reference.matching([(term,) for term in query])
            pairs = list(zip(query[::2], query[1::2], strict=False))
            assert index.matching(pairs).tolist() == reference.matching(pairs)


def _commonplace(rows: int) -> list[list[str]]:
    """Rows that all hold "the" and mostly "of", and a rare word each, a few of which are the same."""
    return [["the"] * (1 + row % 3) + ["of"] * (row % 5) + [f"w{row % 97}"] + ["b"] * (row % 2) for row in range(rows)]


@pytest.mark.parametrize("scan", SCANS)
def test_words_of_most_rows_are_not_read_for_the_best_of_rare_ones(scan: Scan) -> None:
    documents = _commonplace(2_000)
    live, allowed = [row % 11 > 0 for row in range(2_000)], np.arange(2_000) % 3 > 0
    queries = [["the", "w5", "of"], ["the", "the", "w7", "w8", "unknown"], ["of", "the"], ["w1"], ["the", "b", "w2"]]
    with opened(scan, documents, live, cuts=[700, 1_400]) as index:
        for k in (1, 10, 19, 40):
            for mask in (None, allowed):
                options = SearchOptions(k=k, allowed=mask)
                plain = index.answer(queries, options)
                with (
                    patch.object(pruned_search, "WORTH_IT", 1),
                    patch("xtr_assets.index.lexical.index.pruned_search", wraps=pruned_search.pruned_search) as pruned,
                ):
                    found = index.answer(queries, options)
                for one, other in zip(plain, found, strict=True):
                    assert (one.rows.tobytes(), one.scores.tobytes()) == (other.rows.tobytes(), other.scores.tobytes())
                assert pruned.call_count >= 3
        asked = index._asked(queries[0])
        common = np.array([term in ("the", "of") for term in asked.terms])
        # A k-th best by rare words is there, and what "the" and "of" add does not reach it: their lists are not read.
        assert pruned_search.pruned_search(index._scan, asked.lists, asked.weights, common, 10, None) is not None
        # As many rows as hold the rare word: others of common ones alone come then.
        assert pruned_search.pruned_search(index._scan, asked.lists, asked.weights, common, 40, None) is None


@given(given_=collections())
@settings(max_examples=30)
def test_what_is_stored_is_what_was_given(given_: dict[str, Any]) -> None:
    documents = given_["documents"]
    stored = [row for row, one in enumerate(documents) if one is not None]
    with opened(SCANS[0].values[0], documents, given_["live"], given_["cuts"]) as index:  # type: ignore[arg-type]
        found = index.stored_terms(np.array(stored, np.int64))
        reference = DictionaryBM25(documents, given_["live"])
        assert found == [dict(reference.counts[row] or {}) for row in stored]
        listed: dict[int, dict[str, int]] = {row: {} for row in stored}
        for part in index.parts:
            for term, rows, counts in part.postings.entries():
                for row, count in zip(rows.tolist(), counts.tolist(), strict=True):
                    listed[part.base_row + row][term] = count
        assert [listed[row] for row in stored] == found


@pytest.mark.parametrize("scan", SCANS)
def test_a_word_a_million_times_counts_as_if_it_were_65535_times(scan: Scan) -> None:
    documents = [["same"] * 1_000_000, ["same", "other"], ["other"] * 65_536, []]
    reference = DictionaryBM25(documents, [True] * 4)
    with opened(scan, documents) as index:
        assert index.stored_terms(np.array([0, 2])) == [{"same": 65_535}, {"other": 65_535}]
        for query in (["same"], ["other"], ["same", "other", "same"]):
            expected = reference.best(query, 4)
            found = index.answer([query], SearchOptions(k=4))[0]
            assert list(zip(found.rows.tolist(), found.scores, strict=True)) == expected


@pytest.mark.parametrize("scan", SCANS)
def test_equal_rows_of_different_segments_tie_and_rows_decide(scan: Scan) -> None:
    documents = [["x", "y"], ["x", "y"], None, ["y", "x"], ["x", "y", "z"]] * 5
    with opened(scan, documents, cuts=[1, 7, 13]) as index:
        (found,) = index.answer([["x", "y"]], SearchOptions(k=8))
        equal = [row for row, one in enumerate(documents) if one and sorted(one) == ["x", "y"]]
        assert found.rows.tolist() == equal[:8]
        assert len(set(found.scores.tolist())) == 1


@pytest.mark.parametrize("scan", SCANS)
def test_thousands_of_rows_and_long_lists(scan: Scan) -> None:
    """Longer than every block of the scan, with dead rows among them."""
    random = np.random.default_rng(3)
    words = [f"w{number}" for number in range(60)]
    documents = [[words[i] for i in random.geometric(0.08, random.integers(0, 40)) % 60] for _ in range(3000)]
    live = (random.random(3000) < 0.8).tolist()
    reference = DictionaryBM25(documents, live, 0.9, 0.4)
    with opened(scan, documents, live, cuts=[1000, 1001, 2900], k1=0.9, b=0.4) as index:
        for query in (["w1", "w2", "w1"], ["w0"], words, ["w59", "w58", "nothing"]):
            for k in (1, 10, 3000):
                expected = reference.best(query, k)
                found = index.answer([query], SearchOptions(k=k))[0]
                assert list(zip(found.rows.tolist(), found.scores.tolist(), strict=True)) == expected
            rows = random.integers(0, 3000, 500)
            assert index.score(query, rows).tolist() == [reference.score_float32(query, int(row)) for row in rows]


@pytest.mark.parametrize("scan", SCANS)
def test_dead_rows_count_for_nothing(scan: Scan) -> None:
    """Frequencies and the mean length are those of an index that never held the dead rows."""
    alive, dead = [["a", "b"], ["b", "c", "c"], ["a"]], ["a", "a", "b", "d", "d", "d", "d"]
    documents = [dead, alive[0], dead, alive[1], alive[2], dead]
    live = [False, True, False, True, True, False]
    with opened(scan, documents, live) as index, opened(scan, alive) as fresh:
        for query in (["a"], ["a", "b", "c"], ["d"]):
            (found,), (expected,) = (one.answer([query], SearchOptions(k=5)) for one in (index, fresh))
            assert found.scores.tobytes() == expected.scores.tobytes()
            assert found.rows.tolist() == [[1, 3, 4][row] for row in expected.rows]
        assert index.mean_length == 2.0
        assert (index.live_rows, index.backend) == (3, scan.name)


@pytest.mark.parametrize("scan", SCANS)
def test_a_word_is_as_rare_as_the_live_rows_of_the_whole_say(scan: Scan) -> None:
    documents = [["b", "a", "b"], ["a", "c"], ["c", "dead"], ["a"]]
    asked = ["c", "a", "unknown", "dead", "a"]
    with opened(scan, documents, [True, True, False, True], [2]) as index:
        rare = {term: math.log(1 + (3 - n + 0.5) / (n + 0.5)) for term, n in {"a": 3, "c": 1}.items()}
        assert index.rarity(asked) == pytest.approx(rare) and list(index.rarity(asked)) == ["a", "c"]
        # A part of seven rows, four of them elsewhere: also of words that no row here holds.
        share = index.within(Collection(7, 20, {"a": 5, "unknown": 2}))
        rare = {term: math.log(1 + (7 - n + 0.5) / (n + 0.5)) for term, n in {"a": 5, "unknown": 2}.items()}
        assert share.rarity(asked) == pytest.approx(rare)
        assert index.rarity([]) == {}


@pytest.mark.parametrize("scan", SCANS)
def test_an_explanation_adds_up(scan: Scan) -> None:
    documents = [["b", "a", "b"], ["a", "c"], ["c"]]
    with opened(scan, documents, [True, True, False]) as index:
        matches = index.explain(["b", "unknown", "a", "c"], 0)
        assert [(one.term, one.count, one.rows) for one in matches] == [
            ("a", 1, 2),
            ("b", 2, 1),
            ("c", 0, 1),
            ("unknown", 0, 0),
        ]
        total = np.float32(0)
        for one in matches:
            total += np.float32(one.score)
        assert total == index.score(["b", "unknown", "a", "c"], np.array([0]))[0]


@pytest.mark.parametrize("scan", SCANS)
@pytest.mark.parametrize("documents", [[], [None, None], [[], []]])
def test_nothing_to_find(scan: Scan, documents: list[list[str] | None]) -> None:
    with opened(scan, documents) as index:
        for found in index.answer([["a"], [], ["a", "b"]], SearchOptions(k=3)):
            assert (len(found.scores), len(found.rows)) == (0, 0)
        assert index.matching(["a"]).tolist() == []
        assert index.score(["a"], np.empty(0, np.int64)).tolist() == []


@pytest.mark.parametrize("scan", SCANS)
def test_what_cannot_be_asked_is_said(scan: Scan) -> None:
    with opened(scan, [["a"], None, ["b"]]) as index:
        with pytest.raises(InvalidInput, match="row 1 is in no segment"):
            index.score(["a"], np.array([0, 1]))
        with pytest.raises(InvalidInput, match="the rows here are 0 to 2"):
            index.score(["a"], np.array([3]))
        with pytest.raises(InvalidInput, match="`allowed` has 2 entries"):
            index.answer([["a"]], SearchOptions(k=1, allowed=np.ones(2, np.bool_)))
        with pytest.raises(InvalidInput, match="is in no segment"):
            index.explain(["a"], 1)
    with pytest.raises(IndexClosed):
        index.answer([["a"]], SearchOptions(k=1))


def test_parts_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    one, other = write_part(tmp_path / "a", 0, [["a"], ["b"]]), write_part(tmp_path / "b", 1, [["a"]])
    with pytest.raises(InvalidInput, match="rows 1 to 1 after row 1, of 5 in all"):
        LexicalIndex([one, other], np.ones(5, np.bool_))
    with pytest.raises(InvalidInput, match="of 1 in all"):
        LexicalIndex([one], np.ones(1, np.bool_))


@pytest.mark.parametrize("scan", SCANS)
def test_threads_do_not_disturb_each_other(scan: Scan) -> None:
    random = np.random.default_rng(7)
    documents = [[f"w{i}" for i in random.integers(0, 30, 20)] for _ in range(500)]
    queries = [[f"w{i}" for i in random.integers(0, 30, 4)] for _ in range(60)]
    with opened(scan, documents, cuts=[250]) as index:
        expected = [one.scores.tobytes() for one in index.answer(queries, SearchOptions(k=10))]
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda query: index.answer([query], SearchOptions(k=10))[0], queries))
        assert [one.scores.tobytes() for one in found] == expected
