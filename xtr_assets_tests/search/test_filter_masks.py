"""Masks of filters against a row-by-row reference in Python."""

import fnmatch
import json
import math
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.line_shifts import Shift
from xtr_assets.core.where_syntax import parse_where
from xtr_assets.search import filter_columns, filter_masks
from xtr_assets.search.distinct_values import DistinctValues, text_matches
from xtr_assets.search.filter_columns import MetadataColumns
from xtr_assets.search.filter_masks import RowFilters
from xtr_assets.search.metadata_shape import shaped_fields


@dataclass(frozen=True)
class FakeSegment:
    segment_id: str
    table: pa.Table

    @property
    def rows(self) -> int:
        return int(self.table.num_rows)

    def chunks(self) -> pa.Table:
        return self.table


@dataclass(frozen=True)
class FakePlaced:
    segment: FakeSegment
    base_row: int
    shifts: tuple[Shift, ...] = ()


def _table(rows: list[dict[str, Any]], dictionary: bool) -> pa.Table:
    def text(name: str) -> pa.Array:
        column = pa.array([row[name] for row in rows], pa.string())
        return column.dictionary_encode() if dictionary else column

    return pa.table(
        {
            "chunk_id": pa.array([row["chunk_id"] for row in rows], pa.int64()),
            **{name: text(name) for name in ("source", "path", "symbol", "kind")},
            **{name: pa.array([row[name] for row in rows], pa.int32()) for name in ("part", "start_line", "end_line")},
            "metadata": pa.array([json.dumps(row["metadata"]) for row in rows], pa.string()),
        }
    )


def _rows(random: np.random.Generator, count: int, start: int) -> list[dict[str, Any]]:
    def metadata() -> dict[str, Any]:
        fields: dict[str, Any] = {}
        if random.random() < 0.7:
            fields["year"] = int(random.integers(2015, 2020))
        if random.random() < 0.5:
            fields["rating"] = [1, 2.5, "high", True, None][random.integers(5)]
        if random.random() < 0.5:
            fields["tags"] = [["a"], ["a", "b"], [], "b"][random.integers(4)]
        return fields

    return [
        {
            "chunk_id": start + i,
            "source": ["stdlib", "docs"][random.integers(2)],
            "path": ["asyncio/base.py", "asyncio/a/b.py", "json/dec.py", "é.py"][random.integers(4)],
            "symbol": ["f", "_g", "A.h"][random.integers(3)],
            "kind": ["function", "class"][random.integers(2)],
            "part": int(random.integers(3)),
            "start_line": int(random.integers(100)),
            "end_line": int(random.integers(100, 200)),
            "metadata": metadata(),
        }
        for i in range(count)
    ]


RANDOM = np.random.default_rng(5)
FIRST, SECOND = _rows(RANDOM, 120, 0), _rows(RANDOM, 80, 1000)
# A hole of 10 rows between the segments, and some dead rows.
LIVE = np.ones(210, np.bool_)
LIVE[120:130] = False
LIVE[::7] = False
ROWS: list[dict[str, Any] | None] = [*FIRST, *([None] * 10), *SECOND]


def _filters() -> RowFilters:
    placed = [
        FakePlaced(FakeSegment("one", _table(FIRST, dictionary=True)), 0),
        FakePlaced(FakeSegment("two", _table(SECOND, dictionary=False)), 130),
    ]
    return RowFilters(placed, LIVE)


FILTERS = _filters()


def _equal(found: Any, wanted: Any) -> bool:
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    return bool(found == wanted)


def _holds(value: Any, condition: Any) -> bool:
    """The meaning of a condition, for one value (None: absent)."""
    if isinstance(condition, list):
        return any(_holds(value, wanted) for wanted in condition)
    if isinstance(condition, dict):
        return all(_operation(value, operator, operand) for operator, operand in condition.items())
    if condition is None:
        return value is None or value == []
    values = value if isinstance(value, list) else [value]
    return any(_equal(each, condition) for each in values)


def _operation(value: Any, operator: str, operand: Any) -> bool:
    if operator == "not":
        return not _holds(value, operand)
    if operator == "in":
        return _holds(value, operand)
    values = value if isinstance(value, list) else [value]
    return any(_ordered(each, operator, operand) for each in values)


def _ordered(value: Any, operator: str, operand: Any) -> bool:
    if operator in ("glob", "prefix"):
        if not isinstance(value, str):
            return False
        # The globs drawn below hold no slash next to a star, where fnmatch differs.
        return fnmatch.fnmatchcase(value, operand) if operator == "glob" else value.startswith(operand)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(value, str) != isinstance(operand, str) or not (number or isinstance(value, str)):
        return False
    return bool(
        {"gt": value > operand, "gte": value >= operand, "lt": value < operand, "lte": value <= operand}[operator]
    )


def _reference(where: dict[str, Any]) -> list[int]:
    def value(row: dict[str, Any], column: str) -> Any:
        return row[column] if column in row else row["metadata"].get(column.removeprefix("metadata."))

    return [
        number
        for number, row in enumerate(ROWS)
        if row is not None and LIVE[number] and all(_holds(value(row, c), condition) for c, condition in where.items())
    ]


text_values = st.sampled_from(["stdlib", "docs", "asyncio/base.py", "f", "_g", "class", "function", "nothing"])
text_conditions = st.one_of(
    text_values,
    st.lists(text_values, max_size=3),
    st.fixed_dictionaries({"prefix": st.sampled_from(["a", "_", "std", ""])}),
    st.fixed_dictionaries({"glob": st.sampled_from(["*.py", "?", "A.h", "c[kl]ass"])}),
    st.fixed_dictionaries({"gt": text_values}, optional={"lte": text_values}),
)
integers = st.integers(-1, 201)
integer_conditions = st.one_of(
    integers,
    st.lists(integers, max_size=3),
    st.fixed_dictionaries({"gte": integers}, optional={"lt": integers}),
)
loose = st.sampled_from([2016, 2017.0, 2.5, 1, True, False, "high", "a", "b", None, 10**30])
metadata_conditions = st.one_of(
    loose,
    st.lists(loose, max_size=3),
    st.fixed_dictionaries({"gte": st.sampled_from([2016, 2.5, "a", -(10**30)])}),
    st.fixed_dictionaries({"prefix": st.just("h")}),
)


def _negatable(conditions: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(conditions, conditions.map(lambda condition: {"not": condition}))


wheres = st.dictionaries(
    st.sampled_from(["source", "symbol", "kind"]), _negatable(text_conditions), max_size=2
).flatmap(
    lambda texts: st.dictionaries(
        st.sampled_from(["part", "start_line", "chunk_id"]), _negatable(integer_conditions), max_size=1
    ).flatmap(
        lambda numbers: st.dictionaries(
            st.sampled_from(["year", "rating", "tags", "metadata.year"]), _negatable(metadata_conditions), max_size=2
        ).map(lambda fields: texts | numbers | fields)
    )
)


@settings(max_examples=300)
@given(wheres)
def test_a_mask_holds_exactly_the_live_rows_the_reference_finds(where: dict[str, Any]) -> None:
    assert np.flatnonzero(FILTERS.mask(parse_where(where))).tolist() == _reference(where)


# Numbers at the edges where integers and doubles part: 2**53, 64 bits, the largest double, zeros of both signs.
edges = st.one_of(
    st.sampled_from([2**53, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 10**400, -(10**400)]),
    st.sampled_from([0, 1, 0.0, -0.0, 0.5, -0.5, float(2**53), 2.0**63, 1.8e308, float("inf"), float("-inf")]),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, width=32),
)
askable = edges.filter(lambda number: not math.isinf(number) if isinstance(number, float) else abs(number) < 2**1024)


@settings(max_examples=300)
@given(
    st.lists(
        st.one_of(edges, st.lists(edges, max_size=2), st.sampled_from([True, "1", None])), min_size=1, max_size=12
    ),
    st.one_of(
        askable,
        st.lists(askable, max_size=3),
        st.sampled_from(["gt", "gte", "lt", "lte"]).flatmap(lambda name: askable.map(lambda number: {name: number})),
    ),
)
def test_numbers_of_all_types_compare_exactly(column: list[Any], condition: Any) -> None:
    rows = [row | {"metadata": {"order": value}} for row, value in zip(FIRST, column, strict=False)]
    segment = FakeSegment("one", _table(rows, dictionary=False))
    found = RowFilters([FakePlaced(segment, 0)], np.ones(len(rows), np.bool_)).mask(parse_where({"order": condition}))
    assert found.tolist() == [_holds(value, condition) for value in column]


# Records as a source writes them, most of one shape; what is of none is parsed, and means the same.
ODD: list[dict[str, Any]] = [
    {"year": 2016, "title": "word1"},
    {"title": 'a "quoted" word1', "year": -3},
    {"title": "w\u00f6rd1", "year": 2016},
    {"title": "tab\there", "year": 10**30},
    {"title": ["word1", "b"], "year": 2016.0},
    {"title": "word1", "year": True},
    {"title": None, "year": "2016"},
    {"title": "word1"},
    {"title": "", "year": 0, "more": "word1"},
    {},
]
SHAPED = [{"title": f"word{i % 5}", "year": 2015 + i % 4} if i % 9 else ODD[i // 9 % len(ODD)] for i in range(600)]


@pytest.mark.parametrize(
    "where",
    [
        {"title": "word1"},
        {"title": {"not": "word1"}},
        {"title": {"prefix": "w"}},
        {"title": {"glob": "*1"}},
        {"title": None},
        {"title": ""},
        {"title": {"gt": "word2"}, "year": {"lt": 2018}},
        {"year": 2016},
        {"year": [2016, None]},
        {"year": {"gte": 2017}},
        {"year": {"lt": 0}},
        {"year": "2016"},
        {"year": True},
        {"year": {"not": {"gte": 2016.5}}},
        {"more": "word1"},
        {"more": None, "title": "word3"},
    ],
)
@pytest.mark.parametrize("first", [1, 0], ids=["a plain record first", "an odd one first"])
def test_metadata_of_one_shape_means_what_a_parser_says(where: dict[str, Any], first: int) -> None:
    held = SHAPED[first:]
    # As it is written: without spaces, each object another one.
    texts = [json.dumps({**one, "id": str(i)}, separators=(",", ":"), ensure_ascii=False) for i, one in enumerate(held)]
    table = _table([FIRST[0] | {"metadata": {}}] * len(held), dictionary=False)
    table = table.set_column(table.column_names.index("metadata"), "metadata", pa.array(texts, pa.string()))
    found = RowFilters([FakePlaced(FakeSegment("one", table), 0)], np.ones(len(held), np.bool_)).mask(
        parse_where(where)
    )
    assert found.tolist() == [all(_holds(one.get(name), wanted) for name, wanted in where.items()) for one in held]


def test_a_shape_reads_most_records_and_leaves_the_others_to_the_parser() -> None:
    texts = [json.dumps(one, separators=(",", ":")) for one in SHAPED[1:]]
    found = shaped_fields(pa.array(texts))
    assert len(found.owners) > 500 and len(found.rest) > 50
    assert found.owners.tolist() == sorted({*range(len(texts))} - {*found.rest.tolist()})
    for at, owner in enumerate(found.owners.tolist()):
        assert {name: values[at].as_py() for name, values in found.fields.items()} == json.loads(texts[owner])


@pytest.mark.parametrize(
    "text", ['{"a":1.5}', '{"a":true}', '{"a":[1]}', '{"a b":"c"}', "{}", "[]", '{"a":"b"', '{"a":"b","a":"c"}']
)
def test_what_has_no_shape_is_parsed(text: str) -> None:
    found = shaped_fields(pa.array([text] * 300))
    assert not found.fields or not len(found.owners)
    assert found.rest.tolist() == list(range(300))


def test_paths_that_rows_share_are_compared_once() -> None:
    texts = pa.chunked_array([[f"dir/{i // 50}.py" for i in range(5_000)], ["dir/7.py", "e\u0301.py"]])
    shared = DistinctValues.of("path", texts)
    assert shared is not None and len(shared.values) == 101 and shared.which.dtype == np.uint8
    for asked in ("dir/7.py", {"glob": "dir/*7.py"}, {"not": {"prefix": "dir/"}}, "\u00e9.py", ["dir/1.py", "no"]):
        ((_, condition),) = parse_where({"path": asked}).columns
        assert shared.matches(condition).tolist() == text_matches("path", texts, condition).tolist()
    assert DistinctValues.of("symbol", pa.chunked_array([[str(i) for i in range(500)]])) is None
    # Those that are looked at share a value, all others do not.
    assert DistinctValues.of("symbol", pa.chunked_array([["f"] * 4_096 + [str(i) for i in range(9_000)]])) is None


def test_an_identifier_beyond_doubles_is_found_alone_beside_a_float() -> None:
    column = [1234567890123456788, 1234567890123456789, 1234567890123456790, 0.5, -0.0, 0]
    rows = [row | {"metadata": {"order": value}} for row, value in zip(FIRST, column, strict=False)]
    only = RowFilters([FakePlaced(FakeSegment("one", _table(rows, dictionary=False)), 0)], np.ones(6, np.bool_))
    assert np.flatnonzero(only.mask(parse_where({"order": 1234567890123456789}))).tolist() == [1]
    assert np.flatnonzero(only.mask(parse_where({"order": 0}))).tolist() == [4, 5]
    assert np.flatnonzero(only.mask(parse_where({"order": {"gt": 1234567890123456788.0}}))).tolist() == [0, 1, 2]


class Year(IntEnum):
    THIRD = 3


def test_a_member_of_an_enumeration_filters_metadata_as_its_value_does() -> None:
    rows = [FIRST[0] | {"metadata": {"year": year}} for year in (3, 4)]
    only = RowFilters([FakePlaced(FakeSegment("one", _table(rows, dictionary=False)), 0)], np.ones(2, np.bool_))
    assert only.mask(parse_where({"year": Year.THIRD})).tolist() == [True, False]


def test_metadata_with_half_a_character_hides_no_other_row() -> None:
    rows = [FIRST[0] | {"metadata": {"tag": tag}} for tag in ("\ud800", "plain")]
    only = RowFilters([FakePlaced(FakeSegment("one", _table(rows, dictionary=False)), 0)], np.ones(2, np.bool_))
    assert only.mask(parse_where({"tag": "plain"})).tolist() == [False, True]


@settings(max_examples=200)
@given(st.sampled_from(["path", "tags"]), st.sampled_from(["glob", "prefix", "gt", "in"]), st.text(max_size=12))
def test_any_text_is_a_condition_or_is_refused(column: str, operator: str, text: str) -> None:
    given_condition = {operator: [text] if operator == "in" else text}
    try:
        where = parse_where({column: given_condition})
    except InvalidInput:
        return
    assert FILTERS.mask(where).shape == LIVE.shape


def test_a_path_glob_stays_within_a_part_and_is_exact_on_unicode() -> None:
    found = np.flatnonzero(FILTERS.mask(parse_where({"path": {"glob": "asyncio/*"}})))
    assert {ROWS[row]["path"] for row in found} == {"asyncio/base.py"}  # type: ignore[index]
    assert FILTERS.mask(parse_where({"path": {"glob": "?.py"}})).any()


def test_an_unknown_column_is_refused_with_the_columns_and_fields_there_are() -> None:
    with pytest.raises(InvalidInput, match=r"'yaer'.*source, path.*metadata fields rating, tags, year"):
        FILTERS.mask(parse_where({"yaer": 2016}))


def test_without_metadata_the_message_says_so() -> None:
    bare = [row | {"metadata": {}} for row in FIRST]
    only = RowFilters([FakePlaced(FakeSegment("one", _table(bare, dictionary=False)), 0)], np.ones(120, np.bool_))
    with pytest.raises(InvalidInput, match="no metadata fields"):
        only.mask(parse_where({"year": 2016}))


def test_a_metadata_field_named_like_a_column_is_reached_by_its_prefix() -> None:
    rows = [row | {"metadata": {"kind": "thesis"}} for row in FIRST]
    only = RowFilters([FakePlaced(FakeSegment("one", _table(rows, dictionary=False)), 0)], np.ones(120, np.bool_))
    assert only.mask(parse_where({"metadata.kind": "thesis"})).all()
    assert not only.mask(parse_where({"kind": "thesis"})).any()


def test_equal_filters_share_one_read_only_mask() -> None:
    first = FILTERS.mask(parse_where({"kind": ["class", "function"], "part": 1}))
    assert FILTERS.mask(parse_where({"part": [1], "kind": ["function", "class"]})) is first
    with pytest.raises(ValueError, match="read-only"):
        first[0] = True


def test_the_cache_of_masks_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filter_masks, "CACHED_MASK_BYTES", 2 * len(LIVE))
    fresh = _filters()
    first = fresh.mask(parse_where({"part": 0}))
    for part in (1, 2):
        fresh.mask(parse_where({"part": part}))
    again = fresh.mask(parse_where({"part": 0}))
    assert again is not first
    np.testing.assert_array_equal(again, first)


def test_a_following_generation_reuses_what_was_parsed_and_not_the_masks() -> None:
    fewer = LIVE.copy()
    fewer[1] = False
    before = FILTERS.mask(parse_where({"part": [0, 1, 2]}))
    assert before[1]
    segment = FakeSegment("one", _table(FIRST, dictionary=True))
    following = RowFilters([FakePlaced(replace(segment), 0)], fewer[:120], FILTERS)
    assert not following.mask(parse_where({"part": [0, 1, 2]}))[1]
    assert following.fields() == ("rating", "tags", "year")


def test_a_generation_without_segments_matches_nothing() -> None:
    empty = RowFilters([], np.zeros(0, np.bool_))
    assert empty.mask(parse_where({"source": "stdlib"})).shape == (0,)


def test_metadata_that_rows_do_not_share_is_read_as_shared_metadata_is(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [
        *(f'{{"title":"t{i}","year":{i % 7}}}' for i in range(300)),
        *(json.dumps({"tags": [str(i % 3), None, i], "year": i / 2, "on": i % 2 == 0}) for i in range(300)),
        *('{"title":"both"}', "{}", '{"title":null}', '{"year":123456789012345678901}') * 3,
    ]
    column = pa.chunked_array([texts[:100], texts[100:300], texts[300:]])
    made = {}
    for looked_at in (len(texts), 64):
        monkeypatch.setattr(filter_columns, "LOOKED_AT", looked_at)
        made[looked_at] = MetadataColumns(column)
    shared, own = made.values()
    assert shared._pieces[0]._distinct_of_row is not None and own._pieces[0]._distinct_of_row is None
    # More than one array of strings can be: Arrow refuses to make one of them.
    monkeypatch.setattr(filter_columns, "PIECE_BYTES", column.chunks[0].nbytes + column.chunks[1].nbytes)
    apart = MetadataColumns(column)
    assert [piece._distinct for piece in apart._pieces] == [300, len(texts) - 300]
    assert set(shared.fields) == set(own.fields) == set(apart.fields)
    for where in (
        {"title": "t7"}, {"title": None}, {"title": {"prefix": "t1"}}, {"year": {"gte": 3}}, {"year": [1, 2.5, None]},
        {"tags": "1"}, {"tags": {"not": 4}}, {"on": True}, {"year": 123456789012345678901}, {"nowhere": None},
    ):  # fmt: skip
        ((name, condition),) = parse_where(where).columns
        assert shared.matches(name, condition).tolist() == own.matches(name, condition).tolist()
        assert shared.matches(name, condition).tolist() == apart.matches(name, condition).tolist()


def test_conditions_of_a_filter_are_those_of_filters_of_their_own() -> None:
    assert [one.canonical for one in parse_where({"source": "a", "year": {"gt": 3}}).parts()] == [
        parse_where(one).canonical for one in ({"source": "a"}, {"year": {"gt": 3}})
    ]
