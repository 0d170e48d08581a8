"""Parsing filters: one canonical form, and errors that say what to write instead."""

from datetime import date
from enum import Enum, IntEnum, StrEnum

import numpy as np
import pytest

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.where_syntax import Compare, Every, Not, parse_where


def test_a_value_a_list_and_in_are_the_same_condition() -> None:
    forms = ({"kind": "class"}, {"kind": ["class"]}, {"kind": {"in": ["class", "class"]}})
    assert {parse_where(form).canonical for form in forms} == {parse_where({"kind": "class"}).canonical}
    assert parse_where({"kind": "class"}).columns == (("kind", Compare("in", ("class",))),)


def test_the_canonical_form_forgets_order_but_not_types() -> None:
    assert parse_where({"a": 1, "b": [2, 3]}).canonical == parse_where({"b": [3, 2], "a": 1}).canonical
    assert len({parse_where({"flag": value}).canonical for value in (True, 1, "1", "true", None)}) == 5


def test_operators_are_joined_and_nested() -> None:
    parsed = parse_where({"start_line": {"lt": 5, "gte": 1}, "symbol": {"not": {"in": ["a", "b"]}}})
    assert dict(parsed.columns) == {
        "start_line": Every((Compare("gte", (1,)), Compare("lt", (5,)))),
        "symbol": Not(Compare("in", ("a", "b"))),
    }


class Line(IntEnum):
    FIRST = 3


def test_numpy_scalars_are_values() -> None:
    # Of another type than int, `in range(-(2**63), 2**63)` counts to it, which never ends.
    assert parse_where({"start_line": Line.FIRST}).canonical == parse_where({"start_line": 3}).canonical
    assert parse_where({"start_line": np.int64(3)}).canonical == parse_where({"start_line": 3}).canonical
    assert parse_where({"start_line": np.array([3, 5])}) == parse_where({"start_line": {"in": np.array([5, 3])}})
    assert parse_where({"start_line": np.array([3, 5])}) == parse_where({"start_line": [3, 5]})


class Kind(StrEnum):
    CLASS = "class"


class Share(float, Enum):
    HALF = 0.5


@pytest.mark.parametrize(
    ("member", "plain"), [(Line.FIRST, 3), (Kind.CLASS, "class"), (Share.HALF, 0.5), (np.str_("class"), "class")]
)
def test_members_of_enumerations_are_their_values(member: object, plain: object) -> None:
    """What evaluates a filter goes by exact types: of a member of an enumeration it knew none."""
    for given in (member, [member], {"not": [member, None]}):
        ((_, condition),) = parse_where({"field": given}).columns
        held = condition.condition if isinstance(condition, Not) else condition
        assert isinstance(held, Compare) and plain in held.values
        assert {type(one) for one in held.values} <= {type(plain), type(None)}
    assert parse_where({"field": member}) == parse_where({"field": plain})


def deep_not(levels: int) -> object:
    condition: object = 1
    for _ in range(levels):
        condition = {"not": condition}
    return condition


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (["source"], "where is a list; use a mapping"),
        ({3: "x"}, "column 3; column names are text"),
        ({"path": {}}, r"where\['path'\] is empty"),
        ({"path": {"like": "x"}}, "operator 'like'; use one of not, in, glob, prefix, gt, gte, lt, lte"),
        ({"path": {"in": "abc"}}, "'abc'; give a list"),
        ({"path": {"glob": 3}}, "give text"),
        ({"path": {"glob": "[z-a]"}}, "has the glob .* runs backwards; write a-z"),
        ({"path": 3}, "compares with 3; the column holds text"),
        ({"path": None}, "compares with None; the column holds text"),
        ({"start_line": "3"}, "compares with '3'; the column holds 64-bit integers"),
        ({"start_line": True}, "compares with True; the column holds 64-bit integers"),
        ({"chunk_id": 2**63}, "the column holds 64-bit integers"),
        ({"start_line": {"prefix": "1"}}, "the column holds 64-bit integers"),
        ({"start_line": {"not": [1, 2.5]}}, "compares with 2.5"),
        ({"year": float("nan")}, "use a finite number"),
        ({"year": {"gt": None}}, "give a number or text"),
        ({"year": {"gt": True}}, "give a number or text"),
        ({"year": object()}, "compares with <object .*, a object"),
        ({"year": b"x"}, "compares with b'x', a bytes"),
        ({"year": [[1]]}, r"compares with \[1\], a list"),
        ({"when": date(2024, 1, 5)}, r"datetime.date\(2024, 1, 5\), a date; use text \(a date as ISO text\)"),
        ({"when": {"gte": np.datetime64("2024-01-05", "ns")}}, "a datetime64; use text"),
        ({"when": np.array(["2024-01-05"], "datetime64[ns]")}, "a datetime64; use text"),
        ({"when": np.datetime64("NaT")}, "a datetime64; use text"),
        ({"year": np.timedelta64(3, "ns")}, "a timedelta64; use text"),
        ({"year": np.array([[1]])}, "a ndarray; use text"),
        ({"path": {"glob": "*" * 1_000_000}}, "has 1000000 characters, at most 4096"),
        ({"p" * 5000: 1}, "a column's name has 5000 characters"),
        ({"path": "\ud800"}, "a surrogate"),
        ({"path": {"prefix": "x\udfff"}}, "a surrogate"),
        ({"\ud800": 1}, "a surrogate"),
        ({"year": 10**5000}, "an integer of 16610 bits; use less than 1024"),
        ({"year": list(range(100_001))}, "lists 100001 values, at most 100000"),
        ({"year": deep_not(900)}, "nests conditions deeper than 32"),
        ({"year": {("not",): 1}}, r"the operator \('not',\)"),
        ({"year": {True: 1}}, "the operator True"),
    ],
)
def test_a_wrong_filter_says_what_is_wrong_and_what_is_allowed(where: object, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        parse_where(where)  # type: ignore[arg-type]
