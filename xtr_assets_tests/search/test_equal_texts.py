"""`collapse="text"`: one hit a text, and where else it stands, held against the rows of the generation."""

import pickle
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xtr_assets.core.text_groups import TextGroups
from xtr_assets.core.types import Chunk
from xtr_assets.search import Hit, Searcher, equal_texts
from xtr_assets.search.ranker import Mode
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import make_chunk, new_warehouse, publish, write_shard
from xtr_assets_tests.search.conftest import texts

MODES: tuple[Mode, ...] = ("hybrid", "exact", "dense", "xtr", "lexical")
QUERIES = ("parse date zebra", "lock thread queue", "+zebra index of a token", '"open file" path', "f2")
FILTERS: tuple[dict[str, Any] | None, ...] = (
    None,
    {"source": "docs"},
    {"path": {"glob": "pkg2/*"}},
    {"year": {"gte": 2019}},
    {"path": {"not": "pkg1/mod1.py"}},
)


@pytest.fixture(scope="module")
def repeated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searcher]:
    """Two sources that share texts, of which some stand five times; a file of copies is gone, another one came."""
    made, pool = Warehouse.create(tmp_path_factory.mktemp("repeated") / "warehouse"), texts(60, 3)
    chunks = {
        source: [
            make_chunk(
                f"pkg{i % 3}/m{i % 20}.py", f"f{i}", pool[(i * step) % 60], source=source, line=1 + i, metadata=metadata
            )
            for i in range(180)
        ]
        for source, step, metadata in (("code", 1, "{}"), ("docs", 7, '{"year": 2020}'))
    }
    for source, own in chunks.items():
        write_shard(made, source, own)
    publish(made, recipe="IVF8,Flat")
    write_shard(made, "code", [one for one in chunks["code"] if one.path != "pkg1/m1.py"][:170])
    publish(made, recipe="IVF8,Flat")
    with Searcher(made, device="cpu") as opened:
        yield opened


def rows_of(searcher: Searcher) -> dict[int, dict[str, Any]]:
    """The live rows by chunk_id."""
    return {row["chunk_id"]: row for row in searcher._now().generation.chunk_table().to_pylist()}


def text_of(row: Mapping[str, Any]) -> str:
    return f"{row['title']}\n{row['text']}" if row["title"] else row["text"]


def place_of(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["source"], row["path"], row["start_line"], row["chunk_id"]


def check_copies(hits: list[Hit], passing: Mapping[int, Mapping[str, Any]]) -> None:
    """Each hit names those of the rows that have its text, and no other."""
    for hit in hits:
        text = text_of(passing[hit.chunk_id])
        others = sorted(place_of(row) for one, row in passing.items() if text_of(row) == text and one != hit.chunk_id)
        assert hit.copies == len(others)
        assert [(one.source, one.path, one.start_line, one.chunk_id) for one in hit.also] == others[:20]
        assert all(one.symbol == passing[one.chunk_id]["symbol"] for one in hit.also)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("where", FILTERS)
def test_one_hit_a_text_is_the_first_of_each_and_says_where_else_it_stands(
    repeated: Searcher, mode: Mode, where: dict[str, Any] | None
) -> None:
    searcher, rows, copies = repeated, rows_of(repeated), 0
    for query in QUERIES:
        # All that pass, in their order, by the scores of lists that hold them all.
        every = searcher.search(query, 400, mode, where)
        # What shares no word is no hit of mode lexical, and passes.
        passing = {hit.chunk_id: rows[hit.chunk_id] for hit in searcher.search(query, 400, "exact", where)}
        first: dict[str, Hit] = {}
        for hit in every:
            first.setdefault(text_of(rows[hit.chunk_id]), hit)
        hits = searcher.search(query, 400, mode, where, collapse="text")
        assert [(hit.chunk_id, hit.score) for hit in hits] == [(hit.chunk_id, hit.score) for hit in first.values()]
        check_copies(hits, passing)
        ten = searcher.search(query, 10, mode, where, collapse="text")
        assert len(ten) == min(10, len(first))
        check_copies(ten, passing)
        copies += sum(hit.copies or 0 for hit in hits)
    assert copies


def test_nothing_else_of_a_hit_changes(repeated: Searcher) -> None:
    searcher = repeated
    plain, folded = (searcher.search(QUERIES[0], 10, collapse=one) for one in (None, "text"))
    assert {"copies", "also"} & plain[0].document(1).keys() == set()
    by_id = {hit.chunk_id: hit for hit in searcher.search(QUERIES[0], 60)}
    for hit in folded:
        assert replace(hit, copies=None, also=()) == by_id[hit.chunk_id]
        told = hit.document(1)
        assert told.pop("copies") == hit.copies and [one["id"] for one in told.pop("also")] == [
            str(one.chunk_id) for one in hit.also
        ]
        assert told == by_id[hit.chunk_id].document(1)
    assert searcher.search(QUERIES[0], 10, collapse="symbol")[0].copies is None
    assert pickle.loads(pickle.dumps(folded)) == folded


def test_nothing_is_built_before_it_is_asked_for_and_once_then(warehouse: Warehouse) -> None:
    with Searcher(warehouse, "cpu") as fresh:
        own = fresh._now().texts
        fresh.search(QUERIES[0])
        fresh.search(QUERIES[0], collapse="symbol")
        assert own._groups is None
        fresh.search(QUERIES[0], collapse="text")
        built = own._groups
        fresh.search(QUERIES[1], collapse="text")
        assert own._groups is built


def licensed(count: int) -> list[Chunk]:
    """As many copies of one header, and twelve texts of their own behind it in every ranking."""
    header = [make_chunk(f"v{i % 5}/f{i // 5}.py", "header", "zebra zebra licence", line=1) for i in range(count)]
    return [*header, *(make_chunk(f"own/{i}.py", "own", f"zebra of text number {i}", line=3) for i in range(12))]


@pytest.fixture(scope="module")
def headers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searcher]:
    with Searcher(new_warehouse(tmp_path_factory.mktemp("headers") / "warehouse", licensed(1500)), "cpu") as opened:
        yield opened


@pytest.mark.parametrize("mode", MODES)
def test_more_copies_than_lists_hold_leave_room_for_others(headers: Searcher, mode: Mode) -> None:
    hits = headers.search("zebra zebra licence", 10, mode, collapse="text")
    assert len({hit.text for hit in hits}) == 10
    assert hits[0].copies == 1499 and len(hits[0].also) == 20
    assert [one.path for one in hits[0].also[:2]] == sorted(
        f"v0/f{i}.py" for i in range(300) if hits[0].path != f"v0/f{i}.py"
    )[:2]
    assert [hit.copies for hit in hits[1:]] == [0] * 9
    assert len(headers.search("zebra zebra licence", 40, mode, collapse="text")) == 13


def test_many_copies_are_ordered_as_few_are(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names beyond ASCII, lines that moved, a hole, and two sources."""
    made = Warehouse.create(path)
    names = ("Ab", "a", "\u00e9", "\U0001f993", "\ufb01", "z", "a/b", "a-b", "A")
    shards = {
        source: [
            make_chunk(f"{name}.md", f"s{i}", "zebra", source=source, line=10 - i) for name in names for i in range(3)
        ]
        for source in ("docs", "Docs")
    }
    for moved in (0, 4):
        for source, chunks in shards.items():
            by = moved if source == "docs" else 0
            lower = [replace(one, start_line=one.start_line + by, end_line=one.end_line + by) for one in chunks]
            write_shard(made, source, lower[by:])
        publish(made)
    found = []
    for most in (1000, 2):
        monkeypatch.setattr(equal_texts, "MANY", most)
        with Searcher(made, "cpu") as searcher, searcher.opened() as opened:
            found.append([opened.texts.copies(row, opened.live) for row in np.flatnonzero(opened.live).tolist()])
    assert found[0] == found[1] and found[0][0].count == 49


def test_equal_titles_are_part_of_the_text(path: Path) -> None:
    chunks = [
        make_chunk("a.md", "a", "install it", title="Linux"),
        make_chunk("b.md", "b", "install it", title="Mac"),
        make_chunk("c.md", "c", "install it", title="Linux"),
        make_chunk("d.md", "d", "install it"),
        # What an encoder is given is the same.
        make_chunk("e.md", "e", "Linux\ninstall it"),
    ]
    with Searcher(new_warehouse(path, chunks), "cpu") as searcher:
        hits = searcher.search("install it", 10, "dense", collapse="text")
        assert sorted((hit.copies, len(hit.also)) for hit in hits) == [(0, 0), (0, 0), (2, 2)]
        assert {one.path for hit in hits for one in hit.also} < {"a.md", "c.md", "e.md"}


def test_a_generation_tells_its_own_copies(path: Path) -> None:
    """What was deleted, what came, and lines that moved; whoever holds the one before is told of that."""
    made = Warehouse.create(path)
    old = [make_chunk(f"{name}.md", name, "install zebra", line=1) for name in "abc"]
    write_shard(made, "code", old)
    publish(made)
    with Searcher(made, "cpu") as before, Searcher(made, "cpu") as follows:
        moved = replace(old[1], start_line=7, end_line=7)
        came = make_chunk("d.md", "d", "install zebra", line=1)
        write_shard(made, "code", [old[0], moved, came])
        publish(made)
        follows.refresh()
        for searcher, places in ((before, [("b.md", 1), ("c.md", 1)]), (follows, [("b.md", 7), ("d.md", 1)])):
            (hit,) = searcher.search("install zebra", 10, "lexical", {"path": {"not": "nowhere"}}, collapse="text")
            own = [("a.md", 1), *places]
            own.remove((hit.path, hit.start_line))
            assert [(one.path, one.start_line) for one in hit.also] == own and hit.copies == 2


def test_texts_that_share_the_first_half_of_their_hashes_are_apart() -> None:
    hashes = np.array([[5, 2], [5, 1], [5, 2], [4, 9], [5, 1]], np.uint64)
    groups = TextGroups.of(hashes, np.array([0, 2, 3, 6, 300]), 301)
    assert [groups.equal(row).tolist() for row in (0, 2, 3, 6, 300)] == [[0, 3], [2, 300], [0, 3], [6], [2, 300]]
    assert groups.texts(np.array([0, 2, 3, 6, 300])).tolist() == [2, 1, 2, 0, 1]
    assert groups.hashes(np.array([300, 0])).tolist() == [[5, 1], [5, 2]]
    assert [groups.holding(*pair).tolist() for pair in ((5, 1), (5, 3), (9, 9), (0, 0))] == [[2, 300], [], [], []]
