"""Hits as a table."""

import json
import math
from dataclasses import replace

import pyarrow as pa
import pytest

from xtr_assets.core.errors import ProviderError
from xtr_assets.search import Hits, Searcher
from xtr_assets.search.hits import Hit


def test_a_list_of_hits_is_a_table_of_its_values(searcher: Searcher) -> None:
    hits = searcher.search("guide zebra", 5, where={"source": "docs"})
    table = hits.to_arrow()
    assert table.num_rows == 5
    for rank, (row, hit) in enumerate(zip(table.to_pylist(), hits, strict=True), 1):
        assert (row["rank"], row["chunk_id"], row["score"]) == (rank, hit.chunk_id, hit.score)
        assert {name: row[name] for name in ("dense", "xtr")} == hit.scores
        assert json.loads(row["metadata"]) == hit.metadata
        for name in ("source", "path", "symbol", "kind", "part", "start_line", "end_line", "title", "text"):
            assert row[name] == getattr(hit, name)


def test_every_table_has_the_same_columns(searcher: Searcher) -> None:
    full = searcher.search("zebra", 3).to_arrow()
    empty = searcher.search(" ").to_arrow()
    assert empty.num_rows == 0 and empty.schema == full.schema
    dense = searcher.search("zebra", 3, "dense").to_arrow()
    assert dense.schema == full.schema and dense["xtr"].null_count == 3 and dense["dense"].null_count == 0
    by_id = searcher.hydrate(full["chunk_id"].to_pylist()).to_arrow()
    assert by_id.schema == full.schema and math.isnan(by_id["score"][0].as_py()) and by_id["dense"].null_count == 3
    both = pa.concat_tables([one.to_arrow() for one in searcher.search_batch(["zebra", "lock"], 2)])
    assert both["rank"].to_pylist() == [1, 2, 1, 2]


def test_it_stays_a_list(searcher: Searcher) -> None:
    hits = searcher.search("zebra", 4)
    assert isinstance(hits, list) and hits == list(hits)
    assert isinstance(hits[:2], Hits) and hits[:2].to_arrow().num_rows == 2
    assert hits[0] == next(iter(hits))


def test_what_is_cut_off_it_says_how_it_was_asked(searcher: Searcher) -> None:
    hits = searcher.search("zebrra", 4, "lexical")
    assert hits.corrected == hits[:2].corrected == hits[2:].corrected == "zebra"


def test_hits_of_several_queries_make_a_set(searcher: Searcher) -> None:
    hits = searcher.search("zebra", 4, explain=True)
    assert {*hits, *searcher.search("zebra", 4, explain=True)} == set(hits) and len(set(hits)) == 4


def test_a_notebook_shows_text_and_runs_none_of_it(searcher: Searcher) -> None:
    (hit,) = searcher.search("zebra", 1)
    hostile = "<script>alert('x')</script>"
    shown = Hits([replace(hit, text=hostile, path=hostile, symbol="a&b", title=hostile), hit])._repr_html_()
    assert "<script" not in shown and "&lt;script&gt;" in shown and "a&amp;b" in shown
    assert shown.count("<tr>") == 3 and f"{hit.path}:{hit.start_line}-{hit.end_line}" in shown
    assert len(Hits([replace(hit, text="x" * 10**6)])._repr_html_()) < 2000


def test_without_pandas_it_says_so(searcher: Searcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xtr_assets.search.hit_table.find_spec", lambda name: None)
    with pytest.raises(ProviderError, match="pip install pandas"):
        searcher.search("zebra", 1).to_pandas()


def test_with_pandas_it_is_a_frame(searcher: Searcher) -> None:
    pytest.importorskip("pandas", reason="pandas is no dependency: it is not installed here")
    hits = searcher.search("zebra", 3)
    frame, table = hits.to_pandas(), hits.to_arrow()
    assert list(frame.columns) == table.column_names and len(frame) == 3
    for name in table.column_names:
        assert frame[name].tolist() == table[name].to_pylist(), name


def test_without_pandas_the_table_is_a_frame_to_others(searcher: Searcher) -> None:
    """By the protocol that data frame libraries share, which needs no pandas."""
    from pyarrow.interchange import from_dataframe

    table = searcher.search("zebra", 3).to_arrow()
    frame = table.__dataframe__()
    assert (frame.num_rows(), list(frame.column_names())) == (3, table.column_names)
    assert from_dataframe(frame).to_pydict() == table.to_pydict()


def test_each_column_of_the_table_is_that_of_the_hit() -> None:
    scores = {"dense": 0.5, "name": 0.25, "xtr": 0.125, "lexical": 7.5}
    hit = Hit(7, 1.5, scores, "code", "a.py", "f", "function", 2, 3, 9, "A", "def f():", {"team": "ui"}, None, 0.75)
    assert Hits([hit, replace(hit, scores={"lexical": 1.0}, confidence=None)]).to_arrow().to_pylist() == [
        {
            "rank": 1, "chunk_id": 7, "score": 1.5, "confidence": 0.75, **scores, "source": "code", "path": "a.py",
            "symbol": "f", "kind": "function", "part": 2, "start_line": 3, "end_line": 9, "title": "A",
            "text": "def f():", "metadata": '{"team": "ui"}',
        } | more
        for more in ({}, {"rank": 2, "confidence": None, "dense": None, "name": None, "xtr": None, "lexical": 1.0})
    ]  # fmt: skip


def test_metadata_with_half_a_character_is_a_cell_like_any(searcher: Searcher) -> None:
    hit = replace(searcher.search("zebra", 1)[0], metadata={"author": "\ud800", "place": "Ålesund"})
    (cell,) = Hits([hit]).to_arrow()["metadata"].to_pylist()
    assert json.loads(cell) == {"author": "\ud800", "place": "Ålesund"}
