"""Faults in syntax: each differs from the module by one place, runs where it should, and can be read again."""

import ast
import random

import pytest

from xtr_assets_tests.mutants.syntax.operators import Slip, slip

MODULE = '''\
"""A module."""

LIMIT = 3


def rows(ids: list[int], *, most: int = LIMIT) -> list[int]:
    """Rows."""
    found = []
    for one in sorted(ids):
        if one > 2 and not one % 5:
            found.append(one + 1)
        total = 0
        total += min(one, most)
    if not found:
        raise ValueError(f"{1 + 1} of {len(ids)}")
    return found[1:most] if -most < 0 else list(reversed(found))
'''


def slips(lines: range, count: int = 300) -> list[Slip]:
    chosen = random.Random(1)
    return [one for _ in range(count) if (one := slip(MODULE, lines, chosen)) is not None]


def test_a_fault_is_one_place_that_differs() -> None:
    found = slips(range(1, 100))
    assert len({one.text for one in found}) > 30
    clean = ast.unparse(ast.parse(MODULE))
    for one in found:
        assert one.before != one.after and one.text != clean
        compile(one.text, "module", "exec")
        assert sum(a != b for a, b in zip(clean.splitlines(), one.text.splitlines(), strict=False)) >= 1


def test_every_kind_is_drawn() -> None:
    kinds = {one.kind for one in slips(range(1, 100), 900)}
    expected = {"compare", "count", "and-or", "one condition less", "sign", "constant", "always", "never", "border"}
    assert kinds >= expected | {"arguments swapped", "called", "left out", "set", "last one less", "first one less"}


@pytest.mark.parametrize(("line", "some"), [(3, False), (7, False), (10, True), (15, False)])
def test_faults_lie_in_lines_that_run_of_functions_and_not_in_what_is_said(line: int, some: bool) -> None:
    assert bool(slips(range(line, line + 1))) is some
    assert all(one.line == line for one in slips(range(line, line + 1)))
