"""What is answered together, or kept between questions, is never another question's, source's or generation's."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xtr_assets as xa
from xtr_assets.core.ids import chunk_id
from xtr_assets.core.types import Chunk
from xtr_assets.index.late.options import Route
from xtr_assets.search import Searcher
from xtr_assets.search.neighbourhood import neighbourhood
from xtr_assets.search.ranker import Mode
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import ENCODER, make_chunk, new_warehouse, publish, publish_chunks, write_shard

QUESTIONS = ("parse date zebra", "open file path", "thread queue event")


def test_a_query_of_no_tokens_takes_no_place_of_another(searcher: Searcher) -> None:
    first, second = ENCODER.encode_queries(list(QUESTIONS[:2])).tokens
    nothing = np.empty((0, first.shape[1]), np.float32)
    scores, ids = searcher.search_tokens([nothing, first, nothing, second], 5)
    assert (ids[[0, 2]] == -1).all() and np.isneginf(scores[[0, 2]]).all()
    for place, alone in ((1, first), (3, second)):
        assert np.array_equal(ids[place], searcher.search_tokens([alone], 5)[1][0])


@pytest.mark.parametrize("mode", ["xtr", "hybrid", "exact"])
def test_each_question_of_a_batch_is_explained_by_itself(legs: Searcher, mode: Mode) -> None:
    together = legs.search_batch(list(QUESTIONS), 4, mode, explain=True)
    assert together == [legs.search(question, 4, mode, explain=True) for question in QUESTIONS]


def test_a_token_that_the_index_did_not_retrieve_was_imputed(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So few rows are scanned: lists are read for this test.
    monkeypatch.setattr("xtr_assets.index.late.search.plan_search", lambda **_: Route(False, 2, "two lists a token"))
    with Searcher(warehouse, "cpu") as searcher:

        def imputed(mode: Mode) -> list[bool]:
            hits = searcher.search(QUESTIONS[0], 30, mode, explain=True)
            return [match.imputed for hit in hits for match in (hit.explanation.tokens if hit.explanation else ())]

        searcher.apply(xtr="k_prime=100")
        few, every = imputed("xtr"), imputed("exact")
    assert any(few) and not all(few)
    assert len(every) == 90 and not any(every)


def test_a_demand_that_two_questions_share_is_not_all_of_either(searcher: Searcher) -> None:
    for other in ("parse", "zebra", "weight"):
        hits = searcher.search(f"+date +{other}", 200, "exact")
        assert hits and all({"date", other} <= set(hit.text.split()) for hit in hits)


def test_a_refresh_asks_filters_of_what_serves_then(path: Path) -> None:
    """The second generation has the lines of one file moved, the third lacks a file: neither brings a row."""
    chunks = [make_chunk(f"f{i % 3}.py", f"s{i}", f"zebra parse text {i}", line=1 + i) for i in range(30)]
    warehouse = new_warehouse(path, chunks)
    low, first = {"start_line": {"lt": 9}}, {"path": {"glob": "f*"}}

    def asked(searcher: Searcher, where: Mapping[str, Any]) -> set[str]:
        return {hit.symbol for hit in searcher.search("zebra", 100, where=where)}

    with xa.open(path, device="cpu") as searcher:
        assert asked(searcher, low) == {f"s{i}" for i in range(8)}
        moved = [
            replace(one, start_line=one.start_line + 4, end_line=one.end_line + 4) if one.path == "f0.py" else one
            for one in chunks
        ]
        publish_chunks(warehouse, moved)
        assert warehouse.generation(2).end_row == 30 and searcher.refresh() == 2
        assert asked(searcher, low) == {f"s{i}" for i in range(8) if i % 3} | {"s0", "s3"}
        assert len(asked(searcher, first)) == 30
        publish_chunks(warehouse, [one for one in moved if one.path != "f1.py"])
        assert warehouse.generation(3).end_row == 30 and searcher.refresh() == 3
        assert asked(searcher, first) == {f"s{i}" for i in range(30) if i % 3 != 1}


def test_neighbours_are_of_the_same_source(path: Path) -> None:
    warehouse = new_warehouse(path, [make_chunk("same.py", f"a{i}", f"text {i}", line=1 + 2 * i) for i in range(4)])
    others = [make_chunk("same.py", f"b{i}", f"other {i}", source="docs", line=2 + 2 * i) for i in range(4)]
    write_shard(warehouse, "docs", others)
    publish(warehouse)
    with xa.open(path, device="cpu") as searcher, searcher.opened() as opened:
        found = neighbourhood(opened, others[1].chunk_id, 3, 3)
    assert [hit.symbol for hit in (*found.before, found.chunk, *found.after)] == ["b0", "b1", "b2", "b3"]


@pytest.mark.parametrize("mode", ["dense", "xtr", "lexical", "hybrid"])
def test_a_symbol_of_more_parts_than_a_list_holds_leaves_room_for_others(path: Path, mode: Mode) -> None:
    """300 parts of one symbol say just what is asked; the others say a word of it each."""
    parts = [part(number) for number in range(300)]
    others = [make_chunk(f"m{i}.py", f"s{i}", f"zebra text{i} about other things{i}") for i in range(40)]
    new_warehouse(path, [*parts, *others])
    with xa.open(path, device="cpu") as searcher:
        hits = searcher.search("zebra parse", 12, mode, collapse="symbol")
    symbols = [hit.symbol for hit in hits]
    assert len(symbols) == len(set(symbols)) == 12 and symbols[0] == "long"


def part(number: int) -> Chunk:
    whole = make_chunk("long.py", "long", "zebra parse", line=1 + number)
    return replace(whole, chunk_id=chunk_id("code", "long.py", "long", 0, number), part=number)
