"""Explanations add up: z parts to the score, ranks to the order, token similarities to MaxSim."""

import json

import numpy as np
import pytest

from xtr_assets.search import Searcher
from xtr_assets.search.ranker import Mode

QUERY = "parse date zebra"


def test_the_z_parts_add_up_to_the_score(searcher: Searcher) -> None:
    for mode in ("hybrid", "exact"):
        for hit in searcher.search(QUERY, 10, mode, explain=True):
            assert hit.explanation is not None
            parts = [space.z for space in hit.explanation.spaces.values()]
            assert sum(part for part in parts if part is not None) == pytest.approx(hit.score, abs=1e-6)
            assert {name: space.score for name, space in hit.explanation.spaces.items()} == hit.scores


@pytest.mark.parametrize("mode", ["xtr", "hybrid", "exact"])
def test_the_similarities_of_the_tokens_average_to_the_xtr_score(searcher: Searcher, mode: Mode) -> None:
    for hit in searcher.search(QUERY, 5, mode, explain=True):
        assert hit.explanation is not None
        tokens = hit.explanation.tokens
        assert [match.query_token for match in tokens] == ["parse", "date", "zebra"]
        assert np.mean([match.similarity for match in tokens]) == pytest.approx(hit.scores["xtr"], abs=1e-4)
        words = hit.text.split() if hit.source == "code" else (hit.title + " " + hit.text).replace(">", "").split()
        for match in tokens:
            if match.query_token in words:
                assert words[match.position] == match.token == match.query_token
            if match.start is not None:
                assert hit.text[match.start : match.end] == match.token
            else:
                # In the title, or a word that the hashing encoder has forgotten.
                assert match.token.startswith("#") or match.token in hit.title.lower()


@pytest.mark.parametrize("mode", ["dense", "xtr"])
def test_exact_ranks_of_one_space_count_up(searcher: Searcher, mode: Mode) -> None:
    hits = searcher.search(QUERY, 10, mode, explain=True)
    ranks = [hit.explanation.spaces[mode].rank for hit in hits if hit.explanation is not None]
    assert ranks == list(range(1, 11))


def test_a_dense_explanation_has_no_tokens_and_no_z(searcher: Searcher) -> None:
    (hit,) = searcher.search(QUERY, 1, "dense", explain=True)
    assert hit.explanation is not None
    assert hit.explanation.tokens == ()
    assert hit.explanation.spaces["dense"].z is None
    assert hit.explanation.spaces["dense"].listed == 1


@pytest.mark.parametrize("mode", ["lexical", "hybrid", "exact"])
def test_the_words_that_stand_in_a_hit_add_up_to_its_bm25(legs: Searcher, mode: Mode) -> None:
    for hit in legs.search(QUERY, 10, mode, explain=True):
        assert hit.explanation is not None
        met = hit.explanation.terms
        written = f"{hit.title} {hit.text}".replace(">", " ").split()
        assert {one.term: one.count for one in met} == {
            term: written.count(word)
            for term, word in (("pars", "parse"), ("date", "date"), ("zebra", "zebra"))
            if word in written
        }
        assert all(one.rows >= 1 and one.score > 0 for one in met)
        assert [one.score for one in met] == sorted((one.score for one in met), reverse=True)
        assert sum(one.score for one in met) == pytest.approx(hit.scores["lexical"], abs=1e-4)


def test_a_mode_that_compares_no_words_lists_none(searcher: Searcher) -> None:
    for mode in ("dense", "xtr"):
        (hit,) = searcher.search(QUERY, 1, mode, explain=True)
        assert hit.explanation is not None and hit.explanation.terms == ()


def test_a_candidate_that_only_the_other_space_retrieved_says_so(searcher: Searcher) -> None:
    hits = searcher.search(QUERY, 100, "hybrid", explain=True)
    listed = [
        tuple(space.listed is not None for space in hit.explanation.spaces.values())
        for hit in hits
        if hit.explanation is not None
    ]
    assert all(any(one) for one in listed)
    assert not all(all(one) for one in listed)


def test_a_scan_has_no_lists(searcher: Searcher) -> None:
    (hit,) = searcher.search(QUERY, 1, "exact", explain=True)
    assert hit.explanation is not None
    assert all(space.listed is None for space in hit.explanation.spaces.values())
    assert hit.explanation.tokens
    assert not any(match.imputed for match in hit.explanation.tokens)
    assert hit.explanation.candidates == searcher.manifest.live_rows


def test_an_explanation_is_json_and_readable_text(searcher: Searcher) -> None:
    (hit,) = searcher.search(QUERY, 1, "hybrid", explain=True)
    assert hit.explanation is not None
    document = json.loads(json.dumps(hit.explanation.document()))
    assert set(document) == {"candidates", "spaces", "tokens", "terms"}
    shown = {"query_token", "token", "position", "similarity", "imputed", "start", "end"}
    assert set(document["tokens"][0]) == shown
    text = str(hit.explanation)
    assert "dense: " in text and "'zebra' met " in text and "retrieved at " in text
