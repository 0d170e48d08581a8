"""Code and documents in one index: the best of the kind that is not first comes beside the first."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import xtr_assets as xa
from xtr_assets.core.fusion import beside
from xtr_assets.search.blend import Blend
from xtr_assets.search.ranker import Mode
from xtr_assets_tests.fixtures import drafted, make_chunk, new_warehouse, write_shard

FUSED: tuple[Mode, ...] = ("hybrid", "exact")
QUERY = "retry the request after a pause"


def mixed(folder: Path, changed: Mapping[str, Any] | None = None) -> Path:
    """Thirty functions that all say what is asked, and a guide that says it in fewer of its words."""
    code = [
        make_chunk(f"lib/retry{i}.py", f"retry_request{i}", f"retry the request after a pause, way {i}", line=1 + i)
        for i in range(30)
    ]
    guide = [
        make_chunk(f"guide/{i}.md", f"Chapter {i}", text, source="docs", kind="section")
        for i, text in enumerate(["a request may be sent again after a pause", "what a pause is", "on music"])
    ]
    made = new_warehouse(folder, code)
    write_shard(made, "docs", guide)
    draft = drafted(made, recipe="Flat", named=("code",))
    draft.set_profile("hybrid", {**Blend.standard().document(), **(changed or {})})
    made.publish(draft.number, force_reason="these tests have no gate")
    return made.layout.root


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mixed(tmp_path_factory.mktemp("beside") / "w", {"beside": 50.0})


def test_the_best_document_stands_just_behind_the_first_function(index: Path) -> None:
    with xa.open(index, "cpu") as searcher:
        for mode in FUSED:
            first, second, third = searcher.search(QUERY, 3, mode, explain=True)
            assert [first.source, second.source, third.source] == ["code", "docs", "code"]
            assert second.path == "guide/0.md" and 0 < second.scores["beside"] < 1
            assert second.score == np.nextafter(first.score, -np.inf)
            assert "beside" not in first.scores and "beside" not in third.scores
            assert second.explanation is not None
            told = second.explanation.spaces["beside"]
            assert (told.weight, told.rank, told.score) == (50.0, 1, second.scores["beside"])
            parts = [one.z * one.weight for one in second.explanation.spaces.values() if one.z and one.weight]
            assert sum(parts) == pytest.approx(second.score, abs=1e-5)
            for collapse in ("symbol", "text"):
                folded = searcher.search(QUERY, 3, mode, collapse=collapse)
                assert [hit.chunk_id for hit in folded] == [first.chunk_id, second.chunk_id, third.chunk_id]
            # A first hit alone is what it was.
            assert searcher.search(QUERY, 1, mode)[0].chunk_id == first.chunk_id


def test_it_gains_no_more_than_the_profile_says(tmp_path: Path, index: Path) -> None:
    with xa.open(index, "cpu") as searcher:
        own = {hit.chunk_id: hit for hit in searcher.search(QUERY, 40)}
    with xa.open(mixed(tmp_path / "less", {"beside": 0.25}), "cpu") as searcher:
        hits = searcher.search(QUERY, 40)
        (gained,) = [hit for hit in hits if "beside" in hit.scores]
        assert gained.scores["beside"] == 1.0 and gained.path == "guide/0.md"
        before = own[gained.chunk_id]
        assert gained.score == pytest.approx(before.score - 50.0 * before.scores["beside"] + 0.25, abs=1e-4)
    with xa.open(mixed(tmp_path / "none", {"beside": 0.0}), "cpu") as searcher:
        assert not any("beside" in hit.scores for hit in searcher.search(QUERY, 40))


def test_it_is_of_the_sum_alone_and_where_both_kinds_pass(index: Path) -> None:
    with xa.open(index, "cpu") as searcher:
        for mode in ("dense", "xtr", "lexical"):
            assert not any("beside" in hit.scores for hit in searcher.search(QUERY, 40, mode))
        assert not any("beside" in hit.scores for hit in searcher.search(QUERY, 40, fusion="rrf"))
        for where in ({"source": "code"}, {"source": "docs"}):
            assert not any("beside" in hit.scores for hit in searcher.search(QUERY, 40, where=where))
        # The other way round: a document is first, and the best function stands beside it.
        chapter = searcher.search("on music, Chapter 2", 2)
        assert [hit.source for hit in chapter] == ["docs", "code"]


def test_what_stands_second_by_itself_gains_nothing(tmp_path: Path) -> None:
    with xa.open(mixed(tmp_path / "w", {"beside": 50.0}), "cpu") as searcher:
        where = {"path": ["lib/retry3.py", "guide/0.md", "guide/2.md"]}
        hits = searcher.search(QUERY, 3, where=where)
        assert [hit.source for hit in hits] == ["code", "docs", "docs"]
        assert not any("beside" in hit.scores for hit in hits)


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 1.0, 1.5, 2.0, 7.25]), st.booleans()), min_size=1, max_size=9),
    st.sampled_from([0.0, 0.5, 1.5, 100.0]),
)
def test_only_the_best_of_the_other_kind_moves_and_never_before_the_first(
    rows: list[tuple[float, bool]], most: float
) -> None:
    sums, named, ids = np.array([one for one, _ in rows]), np.array([one for _, one in rows]), np.arange(len(rows))
    found = beside(sums, named, ids, most)
    order = sorted(ids.tolist(), key=lambda i: (-sums[i], i))
    others = [i for i in order if named[i] != named[order[0]]]
    if found is None:
        assert not others or not most or order[1] == others[0] or sums[others[0]] == sums[order[0]]
        return
    place, reached = found
    assert place == others[0] and sums[place] < reached < sums[order[0]] and reached <= sums[place] + most
