"""A pasted message finds the code that says it: words that a row has in a row as the query has them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import xtr_assets as xa
from xtr_assets.core.verbatim import MOST_WORDS, asked_words, longest_run, triples_of, words_of
from xtr_assets.pipeline.gate.run_truth import in_a_row
from xtr_assets.search.blend import Blend
from xtr_assets.search.ranker import Mode
from xtr_assets.search.row_words import READ
from xtr_assets_tests.fixtures import drafted, make_chunk, new_warehouse, write_shard

FUSED: tuple[Mode, ...] = ("hybrid", "exact")
SAYS = 'raise PoolError(f"the pool of {name!r} is closed and takes no more work")'
PASTED = "2026-11-30 10:12:33 ERROR PoolError: the pool of 'a' is closed and takes no more work"


def printing(folder: Path, changed: Mapping[str, Any] | None = None) -> Path:
    """A function that says it, thirty of which most have as many of its words, and a document that quotes it whole."""
    words = "closed pool error, error pool, work"
    code = [make_chunk(f"lib/pool{i}.py", f"Pool.close{i}", f"{words} {i}", line=1 + i) for i in range(30)]
    code.append(make_chunk("lib/say.py", "check", f"def check(name):\n    {SAYS}\n" + "    # more of it\n" * 12))
    made = new_warehouse(folder, code)
    guide = make_chunk("guide.md", "Errors", f"It may say: {PASTED}", source="docs", kind="section")
    write_shard(made, "docs", [guide])
    draft = drafted(made, recipe="Flat", named=("code",))
    draft.set_profile("hybrid", {**Blend.standard().document(), "beside": 0.0, **(changed or {})})
    made.publish(draft.number, force_reason="these tests have no gate")
    return made.layout.root


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return printing(tmp_path_factory.mktemp("verbatim") / "w", {"verbatim": 10.0})


def test_who_says_it_comes_first_and_says_how_many_words(index: Path) -> None:
    with xa.open(index, "cpu") as searcher:
        for mode in FUSED:
            first, *others = searcher.search(PASTED, 10, mode, explain=True)
            assert (first.path, first.scores["verbatim"]) == ("lib/say.py", 7 - 2)
            assert not any("verbatim" in hit.scores for hit in others)
            assert first.explanation is not None
            told = first.explanation.spaces["verbatim"]
            assert (told.weight, told.rank, told.score) == (10.0, 1, 5.0)
            parts = [one.z * one.weight for one in first.explanation.spaces.values() if one.z and one.weight]
            assert sum(parts) == pytest.approx(first.score, abs=1e-5)
            for collapse in ("symbol", "text"):
                assert searcher.search(PASTED, 3, mode, collapse=collapse)[0].chunk_id == first.chunk_id
            (alone,) = searcher.search(PASTED, 1, mode)
            assert (alone.chunk_id, alone.score) == (first.chunk_id, first.score)


def test_it_is_of_the_sum_alone_and_of_rows_with_a_name_that_pass(index: Path, tmp_path: Path) -> None:
    with xa.open(index, "cpu") as searcher:
        for mode in ("dense", "xtr", "lexical"):
            assert not any("verbatim" in hit.scores for hit in searcher.search(PASTED, 40, mode))
        assert not any("verbatim" in hit.scores for hit in searcher.search(PASTED, 40, fusion="rrf"))
        for where in ({"source": "docs"}, {"path": {"glob": "lib/pool*"}}):
            assert not any("verbatim" in hit.scores for hit in searcher.search(PASTED, 40, where=where))
        # Three words may be so by chance.
        assert not any("verbatim" in hit.scores for hit in searcher.search("the pool of", 40))
        # In another order they are other words.
        turned = " ".join(reversed(PASTED.split()))
        assert not any("verbatim" in hit.scores for hit in searcher.search(turned, 40))
        assert len(searcher.search_batch([PASTED, "the pool of", turned], 3)) == 3
    with xa.open(printing(tmp_path / "none", {"verbatim": 0.0}), "cpu") as searcher:
        assert not any("verbatim" in hit.scores for hit in searcher.search(PASTED, 40))


def test_texts_of_the_best_by_words_are_read_alone(tmp_path: Path) -> None:
    """More rows say it than are read: those that say it shortly."""
    code = [make_chunk(f"lib/{i:02}.py", f"say{i}", SAYS + " of it all" * (i + 1), line=1 + i) for i in range(READ + 8)]
    made = new_warehouse(tmp_path / "w", code)
    draft = drafted(made, recipe="Flat", named=("code",))
    draft.set_profile("hybrid", Blend.standard().document())
    made.publish(draft.number, force_reason="these tests have no gate")
    with xa.open(made.layout.root, "cpu") as searcher:
        hits = searcher.search(PASTED, 40)
        best = sorted(hits, key=lambda hit: (-hit.scores["lexical"], hit.chunk_id))[:READ]
        assert {hit.chunk_id for hit in hits if "verbatim" in hit.scores} == {hit.chunk_id for hit in best}


def test_confidence_does_not_take_it_for_evidence(index: Path, tmp_path: Path) -> None:
    """What the sums say of a hit is what they say without it."""
    with xa.open(index, "cpu") as searcher, searcher.opened() as opened:
        from xtr_assets.core.search_options import SearchOptions
        from xtr_assets.search.answer import rank
        from xtr_assets.search.phase_times import Timing
        from xtr_assets.search.request import Ask

        (query,) = searcher.encoder.encode(opened.generation, [PASTED], ("dense", "xtr", "lexical"))
        (ranking,) = rank(opened, [query], Ask.checked(SearchOptions(40), "hybrid", None), Timing())
    runs = np.nan_to_num(ranking.by_space["verbatim"].astype(np.float64))
    np.testing.assert_allclose(ranking.scores, ranking.sums + 10.0 * runs)
    assert ranking.leaders[0] == ranking.sums.max()


WORDS = st.lists(st.sampled_from(["a", "b", "c", "the"]), max_size=14)


@given(WORDS, WORDS)
def test_the_longest_run_is_what_a_slow_search_finds(asked: list[str], held: list[str]) -> None:
    slow = 0
    for start in range(len(asked)):
        for end in range(start + 1, len(asked) + 1):
            if any(held[at : at + end - start] == asked[start:end] for at in range(len(held))):
                slow = max(slow, end - start)
    question, text = " ".join(asked), "(" + "), ".join(held)
    found = longest_run(triples_of(asked_words(question)), text)
    assert found == (slow if slow > 3 else 0)
    assert in_a_row(question, text) == (slow - 2 if slow > 3 else 0)


@given(st.text(max_size=80), st.text(max_size=80))
def test_both_readings_know_the_same_words(one: str, other: str) -> None:
    text = f"{one} {other} {one}"
    found = longest_run(triples_of(asked_words(one)), text)
    assert in_a_row(one, text) == max(0, found - 2)
    assert found == (len(words_of(one)) if 3 < len(words_of(one)) <= MOST_WORDS else found)


def test_the_last_words_of_a_long_question_count() -> None:
    question = " ".join(f"w{i}" for i in range(3 * MOST_WORDS))
    last = " ".join(f"w{i}" for i in range(3 * MOST_WORDS - 6, 3 * MOST_WORDS))
    triples = triples_of(asked_words(question))
    assert longest_run(triples, last) == 6 and longest_run(triples, "w0 w1 w2 w3 w4") == 0
    assert in_a_row(question, last) == 4 and in_a_row(question, "w0 w1 w2 w3 w4") == 0
