"""What a filter means, worked out by hand, and as search works it out: two pieces of code that share none."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xtr_assets.core.types import Chunk
from xtr_assets.core.where_syntax import parse_where
from xtr_assets.pipeline.gate.drawn_filters import drawn_filters
from xtr_assets.pipeline.gate.where_truth import HeldRows, glob_matches
from xtr_assets.search.reader import OpenGeneration
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import drafted, make_chunk, write_shard

ROW = {
    "source": "code", "path": "a/b/c.py", "symbol": "C.run", "kind": "method", "part": 0, "start_line": 10,
    "end_line": 12, "chunk_id": 7,
    "metadata": {"year": 2019, "tags": ["x", "y"], "draft": True, "none": None, "kind": "k"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("where", "holds"),
    [
        ({"source": "code"}, True),
        ({"source": "Code"}, False),
        ({"kind": ["class", "method"]}, True),
        ({"kind": []}, False),
        ({"start_line": {"gte": 10, "lt": 11}}, True),
        ({"start_line": {"gt": 10}}, False),
        ({"end_line": {"lte": 12}}, True),
        ({"end_line": {"lt": 12}}, False),
        ({"symbol": {"not": {"prefix": "C."}}}, False),
        ({"symbol": {"prefix": "run"}}, False),
        ({"year": 2019.0}, True),
        ({"year": "2019"}, False),
        ({"draft": 1}, False),
        ({"draft": True}, True),
        ({"tags": "y"}, True),
        ({"tags": {"not": "y"}}, False),
        ({"tags": {"gt": "x"}}, True),
        ({"none": None}, True),
        ({"gone": None}, True),
        ({"year": None}, False),
        ({"gone": {"not": 1}}, True),
        ({"year": [None, 2019]}, True),
        ({"metadata.kind": "k"}, True),
        ({"source": "code", "year": {"lt": 2019}}, False),
    ],
)
def test_a_filter_means_what_the_page_says(where: dict[str, object], holds: bool) -> None:
    assert HeldRows({3: ROW}).passing(where).tolist() == ([3] if holds else [])


def test_what_is_remembered_of_one_row_is_said_of_no_other_kind() -> None:
    values = [1, True, 1.0, "1", [1, "x"], [True], {"x": 1}, [[1]], None]
    rows = {at: {**ROW, "metadata": {"year": value}} for at, value in enumerate(values)}
    asked: list[Any] = [1, True, {"not": 1}, ["1", None], {"gte": 1}, {"gte": "0"}, {"prefix": "1"}]
    for one in (*asked, {"glob": "*"}, {"lt": "2"}, {"not": {"gt": "0"}}):
        where = {"year": one}
        alone = [at for at in rows if len(HeldRows({at: rows[at]}).passing(where))]
        assert HeldRows(rows).passing(where).tolist() == alone
    assert HeldRows(rows).passing({"year": 1}).tolist() == [0, 2, 4]
    assert HeldRows(rows).passing({"year": True}).tolist() == [1, 5]


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("*.py", "a.py", True),
        ("*.py", "a/b.py", False),
        ("**.py", "a/b.py", False),
        ("**.py", "b.py", True),
        ("a/**", "a", False),
        ("[ab].py", "b.py", True),
        ("[!/]", "[!/]", True),
        ("**/*.py", "b.py", True),
        ("a/**/c.py", "a/c.py", True),
        ("a/**/c.py", "a/x/y/c.py", True),
        ("a/**/c.py", "ab/c.py", False),
        ("a/**", "a/x/y", True),
        ("?.py", "/.py", False),
        ("a", "ab", False),
        ("b", "ab", False),
        ("", "", True),
        ("*", "", True),
    ],
)
def test_globs(pattern: str, text: str, matches: bool) -> None:
    assert glob_matches(pattern, text) is matches


def test_search_takes_the_same_rows_for_every_drawn_filter(tmp_path: Path) -> None:
    """Odd paths, fields of every type, rows that died: of 300 filters each mask is the truth's."""
    chance = random.Random(5)
    warehouse = Warehouse.create(tmp_path / "w")

    def chunks(first: int, last: int) -> list[Chunk]:
        made = []
        for number in range(first, last):
            fields: dict[str, object] = {"number": number % 7, "name": f"n{number % 5}", "flag": number % 2 == 0}
            fields |= {"list": [number % 3, "x"], "kind": "own", "half": number / 2, "empty": []}
            # As JSON lines have them: an object, and another type in each record.
            fields |= {"deep": {"a": number % 2}, "mixed": (1, "1", True, {"1": 1}, [[1]], [1, "1"])[number % 6]}
            kept = {name: value for name, value in fields.items() if chance.random() < 0.7}
            path = f"{'[a]' if number % 4 else 'd*r'}/s{number % 3}/f?{number // 9}.{'md' if number % 2 else 'py'}"
            text = f"words of number {number}"
            made.append(make_chunk(path, f"s{number}", text, line=1 + number % 11, metadata=json.dumps(kept)))
        return made

    write_shard(warehouse, "code", chunks(0, 60))
    warehouse.publish(drafted(warehouse).number, required=(), force_reason="a test")
    write_shard(warehouse, "code", chunks(9, 80))
    draft = drafted(warehouse)
    table = draft.chunk_table(
        ["chunk_id", "source", "path", "symbol", "kind", "part", "start_line", "end_line", "metadata"]
    )
    rows = {row["row"]: {**row, "metadata": json.loads(row["metadata"])} for row in table.to_pylist()}
    opened = OpenGeneration(draft, "cpu")
    filters = [
        one
        for seed in range(12)
        for one in drawn_filters(list(rows.values()), list(rows.values())[:9], np.random.default_rng(seed))
    ]
    opened.leave()
    assert len(filters) > 300
    some, held = 0, HeldRows(rows)
    for where in filters:
        true = set(held.passing(where).tolist())
        assert set(np.flatnonzero(opened.filters.mask(parse_where(where))).tolist()) == true, where
        some += 0 < len(true) < len(rows)
    assert some > 150, "most filters pass some rows and not others"
