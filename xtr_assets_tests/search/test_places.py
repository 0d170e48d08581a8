"""Rows at the places that a query names: brought whatever the legs list, first whatever these say, as filters allow."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xtr_assets as xa
from xtr_assets.search.blend import Blend
from xtr_assets.search.ranker import Mode, Ranker
from xtr_assets.search.retrievers import Listed
from xtr_assets.search.row_places import RowPlaces
from xtr_assets.search.searcher import Searcher
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import drafted, make_chunk, write_shard

ANIMALS = "zebra lion tiger"
LINES = "\n".join(["one"] * 10)
CODE = [
    make_chunk("lib/json/decoder.py", "scan", LINES, line=1),
    make_chunk("lib/json/decoder.py", "Decoder", LINES, line=11),
    make_chunk("lib/json/decoder.py", "Decoder.decode", "one\none", line=15),
    make_chunk("lib/json/__init__.py", "loads", LINES, line=11),
    make_chunk("job.py", "main", LINES, line=1),
    make_chunk("caf\u00e9 menu/d\u00e9j\u00e0.py", "vu", LINES, line=1),
    *(make_chunk(f"zoo/a{i}.md", f"s{i}", f"{ANIMALS} {'x' * i}", kind="section") for i in range(20)),
    *(make_chunk(f"fill/b{i}.py", f"b{i}", f"filler number {i}", line=15) for i in range(120)),
]
PROFILE = {**Blend.standard().document(), "candidates": 4}
FUSED: tuple[Mode, ...] = ("hybrid", "exact")
TRACEBACK = """Traceback (most recent call last):
  File "/opt/me/job.py", line 7, in main
    json.loads("{")
  File "/usr/lib/python3.11/json/__init__.py", line 12, in loads
    return decoder.decode(s, "strict")
  File "/usr/lib/python3.11/json/decoder.py", line 15, in decode
  File "/usr/lib/python3.11/json/scanner.py", line 3, in scan
json.decoder.JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)
"""


def published(folder: Path, profile: dict[str, Any]) -> Warehouse:
    made = Warehouse.create(folder)
    write_shard(made, "code", CODE)
    draft = drafted(made, recipe="Flat")
    draft.set_profile("hybrid", profile)
    made.publish(draft.number, force_reason="these tests have no gate")
    return made


@pytest.fixture(scope="module")
def searcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searcher]:
    with xa.open(published(tmp_path_factory.mktemp("places") / "w", PROFILE), device="cpu") as opened:
        yield opened


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searcher]:
    """The same, published without."""
    without = {name: value for name, value in PROFILE.items() if name != "place"}
    with xa.open(published(tmp_path_factory.mktemp("before") / "w", without), device="cpu") as opened:
        yield opened


@pytest.mark.parametrize("mode", FUSED)
def test_what_no_leg_lists_comes_first_and_the_scores_of_others_stay(
    searcher: Searcher, before: Searcher, mode: Mode
) -> None:
    query = f"{ANIMALS} /x/json/decoder.py:5"
    # Lists of four.
    first, *others = searcher.search(query, 4, mode, explain=True)
    assert first.symbol == "scan" and first.scores["place"] == pytest.approx(1 + (1 + 1 - np.log2(10) / 10) / 4)
    assert first.explanation is not None
    spaces = first.explanation.spaces
    assert spaces["place"].weight == 10 and spaces["place"].z == pytest.approx(first.scores["place"])
    assert [name for name, one in spaces.items() if one.listed] == (["place"] if mode == "hybrid" else [])
    assert first.score == pytest.approx(sum(one.z * one.weight for one in spaces.values() if one.z and one.weight))
    # The others rank and score as they did.
    ranked = before.search(query, 4, mode)
    assert [(hit.chunk_id, hit.score) for hit in others] == [(hit.chunk_id, hit.score) for hit in ranked][:3]
    assert "scan" not in {hit.symbol for hit in ranked} and not any("place" in hit.scores for hit in ranked)


def test_a_row_that_the_indexes_missed_moves_no_mean(
    searcher: Searcher, before: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The best row of each leg, had one listed it: only the place brings it."""
    query = f"{LINES} decoder.py:5"
    (missed,) = before.search(query, 1, where={"symbol": "scan"})
    row = int(np.flatnonzero(before._now().chunk_ids == missed.chunk_id)[0])
    retrieve = Ranker.retrieve

    def missing(*given: Any) -> list[dict[str, Listed]]:
        return [
            {name: Listed(one.rows[one.rows != row], one.scores[one.rows != row]) for name, one in lists.items()}
            for lists in retrieve(*given)
        ]

    monkeypatch.setattr(Ranker, "retrieve", missing)
    first, *others = searcher.search(query, 4)
    assert first.chunk_id == missed.chunk_id
    assert [(hit.chunk_id, hit.score) for hit in others] == [
        (hit.chunk_id, hit.score) for hit in before.search(query, 3)
    ]


@pytest.mark.parametrize("mode", FUSED)
@pytest.mark.parametrize("collapse", [None, "symbol"])
def test_frames_come_from_the_innermost_that_is_there_outwards(searcher: Searcher, mode: Mode, collapse: Any) -> None:
    hits = searcher.search(TRACEBACK, 6, mode, collapse=collapse)
    # Of two rows that hold the line the shorter one.
    assert [hit.symbol for hit in hits[:4]] == ["Decoder.decode", "Decoder", "loads", "main"]
    assert hits.corrected == "" and not any("place" in hit.scores for hit in hits[4:])


@pytest.mark.parametrize(
    ("query", "symbols"),
    [
        ("decoder.py:12", {"Decoder"}),
        ("json/decoder.py#L9-L12", {"scan", "Decoder"}),
        (r"at f() in C:\lib\json\decoder.py:line 16", {"Decoder", "Decoder.decode"}),
        ("json/decoder.py", {"scan", "Decoder", "Decoder.decode"}),
        ('why "cafe\u0301 menu/De\u0301ja\u0300.py", line 3', {"vu"}),
        # Neither ends the other.
        ("yaml/decoder.py:12", set()),
        ("json/decoder.py:400", set()),
        ("see json/decoder.py", set()),
        ("localhost:8080 at 10:30", set()),
    ],
)
def test_which_rows_stand_at_a_place(searcher: Searcher, query: str, symbols: set[str]) -> None:
    for mode in FUSED:
        hits = searcher.search(query, 20, mode)
        assert {hit.symbol for hit in hits if "place" in hit.scores} == symbols
        assert {hit.symbol for hit in hits[: len(symbols)]} == symbols
        assert searcher.search(query, 20, mode, syntax="plain")[:3] == hits[:3]


def test_filters_and_demands_hold(searcher: Searcher) -> None:
    for mode in FUSED:
        assert not searcher.search("decoder.py:5", 5, mode, {"symbol": "nowhere"})
        (only,) = searcher.search("decoder.py:15", 5, mode, {"path": {"glob": "**/decoder.py"}, "symbol": "Decoder"})
        assert only.symbol == "Decoder"
        hits = searcher.search('decoder.py:5 "tiger"', 5, mode)
        assert len(hits) == 5 and all("tiger" in hit.text for hit in hits)


def test_a_place_adds_to_sums_of_scores_alone(searcher: Searcher) -> None:
    alone: tuple[Mode, ...] = ("dense", "xtr", "lexical")
    for mode in alone:
        assert not any("place" in hit.scores for hit in searcher.search("json/decoder.py:5", 20, mode))
    hits = searcher.search(f"{ANIMALS} json/decoder.py:5", 20, fusion="rrf", explain=True)
    assert not any("place" in hit.scores for hit in hits)


def test_many_rows_at_a_place_are_no_more_than_a_list_holds(searcher: Searcher) -> None:
    """In each file of 120 a row stands at line 15; four of them are brought, and more where more hits are asked for."""
    write = [f"b{i}.py:15" for i in range(30)]
    hits = searcher.search(" ".join(write), 4, explain=True)
    assert [hit.path for hit in hits] == [f"fill/b{i}.py" for i in range(4)]
    # All thirty would be more than these.
    assert all(hit.explanation is not None and hit.explanation.candidates < 30 for hit in hits)
    assert [hit.path for hit in searcher.search(" ".join(write), 30)] == [f"fill/b{i}.py" for i in range(30)]


def test_rows_stand_where_their_lines_moved_and_dead_ones_nowhere(tmp_path: Path) -> None:
    made = Warehouse.create(tmp_path / "w")
    rows = [make_chunk("a/x.py", name, f"def {name}", line=line) for name, line in (("f", 1), ("g", 5))]
    write_shard(made, "code", [*rows, make_chunk("a/y.py", "h", "def h", line=5)])
    draft = drafted(made)
    draft.set_profile("hybrid", PROFILE)
    made.publish(draft.number, force_reason="these tests have no gate")
    with xa.open(made, device="cpu") as opened:
        assert opened.search("x.py:5", 1)[0].symbol == "g"
        # Two lines came above, and the other file went.
        moved = [replace(one, start_line=one.start_line + 2, end_line=one.end_line + 2) for one in rows]
        write_shard(made, "code", moved)
        draft = drafted(made)
        draft.set_profile("hybrid", PROFILE)
        made.publish(draft.number, force_reason="these tests have no gate")
        assert opened.refresh() == 2
        assert any(one.shifts for one in opened._now().generation.segments)
        said = {query: opened.search(query, 1)[0] for query in ("x.py:5", "x.py:7", "y.py:5")}
        assert [(query, hit.symbol) for query, hit in said.items() if "place" in hit.scores] == [("x.py:7", "g")]


def test_what_was_taken_apart_of_a_segment_serves_the_next_generation(searcher: Searcher) -> None:
    searcher.search("json/decoder.py:5")
    generation = searcher._now().generation
    old = searcher._now().places
    new = RowPlaces(generation.segments, old)
    assert set(new._files) == {one.segment_id for one in generation.manifest.segments}
    assert RowPlaces((), old)._files == {}
