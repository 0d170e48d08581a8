"""What of a test is for `make test-long` alone: cases beyond those that the suite keeps, and larger numbers.

The suite keeps a case of each mechanism, branch and format, and each that a fault of the past is named by.
"""

import os
from collections.abc import Iterable
from typing import Any, TypeVar

import pytest

LONG = "XTR_ASSETS_LONG" in os.environ
Case = TypeVar("Case")
One = TypeVar("One")
Other = TypeVar("Other")


def kept(cases: Iterable[Case], suite: Iterable[Case]) -> list[Any]:
    """All cases for `parametrize`, in their order; those that are none of the `suite` have the mark `long`.

    A case is one value or a tuple of values. ValueError where the suite is to keep what is no case.
    """
    every, stay = list(cases), list(suite)
    if unknown := [one for one in stay if one not in every]:
        raise ValueError(f"no cases: {unknown}")
    return [
        pytest.param(*(one if isinstance(one, tuple) else (one,)), marks=() if one in stay else pytest.mark.long)
        for one in every
    ]


def in_turn(ones: Iterable[One], others: Iterable[Other]) -> list[tuple[One, Other]]:
    """Pairs in which each of the ones and each of the others comes: as many as the longer list has."""
    first, second = list(ones), list(others)
    return [(first[i % len(first)], second[i % len(second)]) for i in range(max(len(first), len(second)))]


def pairs(ones: Iterable[One], others: Iterable[Other]) -> list[Any]:
    """Each of the ones with each of the others; the suite keeps `in_turn`."""
    first, second = list(ones), list(others)
    return kept([(one, other) for one in first for other in second], in_turn(first, second))


def more(suite: int, long: int) -> int:
    """A number of examples, steps or rows."""
    return long if LONG else suite
