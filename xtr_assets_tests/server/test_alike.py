"""Which questions may be answered by one call: those that differ in nothing but what is asked."""

from typing import Any

import pytest

from xtr_assets.server.limits import Limits
from xtr_assets.server.question import SETTINGS, parse_question

# Values of a filter that Python calls equal, and the library does not.
VALUES: tuple[Any, ...] = (1, 1.0, True, "1", [1], {"in": [1]}, {"gte": 1}, {"not": 1}, None)


def alike(**asked: Any) -> str:
    return parse_question({"query": "zebra", **asked}, Limits()).alike


def test_questions_of_other_texts_are_alike() -> None:
    where = {"path": {"glob": "a*"}, "kind": "class"}
    batch = parse_question({"queries": ["parse", "a"], "k": 3, "where": where, "explain": True}, Limits())
    assert batch.alike == alike(k=3, where=dict(reversed(where.items())), explain=True)
    assert alike(query="parse") == alike() == alike(k=10, mode="hybrid", where={}, nprobe=None)


def value(schema: dict[str, Any]) -> list[Any]:
    """Values of a setting other than none."""
    return schema["enum"] if "enum" in schema else [True] if schema["type"] == "boolean" else [3, 4]


def test_questions_that_differ_in_anything_else_are_not() -> None:
    asked: list[dict[str, Any]] = [{}, {"k": 3}, {"k": 4}, *({"mode": one} for one in ("dense", "xtr", "lexical"))]
    asked += [{name: one} for name, schema in SETTINGS["queries"].items() for one in value(schema)]
    asked += [{"where": {"year": one}} for one in VALUES] + [{"where": {"years": 1}}, {"where": {"year": 1, "a": 1}}]
    keys = [alike(**one) for one in asked]
    doubled = [one for one, key in zip(asked, keys, strict=True) if keys.count(key) > 1]
    assert not doubled


@pytest.mark.parametrize("first", [{"nprobe": 3}, {"where": {"a": 1}}])
def test_two_differences_do_not_make_up_for_each_other(first: dict[str, Any]) -> None:
    assert len({alike(**first, **more) for more in ({}, {"k": 3}, {"mode": "dense"}, {"rescore": 3})}) == 4
