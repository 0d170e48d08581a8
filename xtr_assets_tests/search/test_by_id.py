"""Chunks by their id, as a hit once showed it."""

import json
import math

import numpy as np
import pytest

from xtr_assets.core.errors import GenerationError, InvalidInput
from xtr_assets.search import Hits, Searcher
from xtr_assets.storage.warehouse import Warehouse

SHOWN = ("chunk_id", "source", "path", "symbol", "kind", "part", "start_line", "end_line", "title", "text", "metadata")


def test_a_chunk_asked_for_by_id_is_the_hit_without_its_scores(searcher: Searcher) -> None:
    hits = searcher.search("guide zebra", 8)
    asked = [hit.chunk_id for hit in hits][::-1]
    found = searcher.hydrate(asked)
    assert isinstance(found, Hits)
    assert [one.chunk_id for one in found] == asked
    for one, hit in zip(found, hits[::-1], strict=True):
        assert [getattr(one, name) for name in SHOWN] == [getattr(hit, name) for name in SHOWN]
        assert math.isnan(one.score) and one.scores == {} and one.explanation is None


def test_ids_come_as_they_are_kept(searcher: Searcher) -> None:
    ids = np.array([hit.chunk_id for hit in searcher.search("zebra", 3)])
    assert [one.chunk_id for one in searcher.hydrate(ids)] == ids.tolist()  # type: ignore[arg-type]
    # A generator is read once, whatever reads it: nothing would be found, and nobody told.
    assert [one.chunk_id for one in searcher.hydrate(int(one) for one in ids)] == ids.tolist()  # type: ignore[arg-type]
    stored = searcher.reconstruct(int(one) for one in ids)  # type: ignore[arg-type]
    assert [one.chunk_id for one in stored] == ids.tolist()
    with pytest.raises(InvalidInput, match="chunk -1 is not in generation 2"):
        searcher.hydrate(one for one in (-1,))  # type: ignore[arg-type]
    twice = [int(ids[0])] * 2
    assert [one.chunk_id for one in searcher.hydrate(twice)] == twice
    assert searcher.hydrate([]) == []


def test_it_is_json_like_any_hit(searcher: Searcher) -> None:
    (one,) = searcher.hydrate([searcher.search("zebra", 1)[0].chunk_id])
    written = json.loads(json.dumps(one.document(1), allow_nan=False))
    assert (written["score"], written["scores"], written["text"]) == (None, {}, one.text)


def test_an_id_that_is_not_there_is_named(warehouse: Warehouse, searcher: Searcher) -> None:
    """A chunk of the generation before is gone, whatever segment still holds its row."""
    first = Searcher(warehouse, "cpu", generation=1)
    with first:
        gone = first.search("date", 1, where={"path": "pkg3/mod3.py"})[0].chunk_id
        assert first.hydrate([gone])[0].path == "pkg3/mod3.py"
    known = searcher.search("zebra", 1)[0].chunk_id
    for ids in ([gone], [known, gone]):
        with pytest.raises(InvalidInput, match=f"chunk {gone} is not in generation 2"):
            searcher.hydrate(ids)
    with pytest.raises(InvalidInput, match="chunk -1 is not in generation 2"):
        searcher.hydrate([-1])
    with pytest.raises(GenerationError, match="closed"):
        first.hydrate([known])


@pytest.mark.parametrize("wrong", [[1.5], [True], ["1"], [None], "12", 7, [2**70]])
def test_what_is_no_list_of_ids_is_refused(searcher: Searcher, wrong: object) -> None:
    with pytest.raises(InvalidInput, match="chunk"):
        searcher.hydrate(wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="chunk"):
        searcher.reconstruct(wrong)  # type: ignore[arg-type]
