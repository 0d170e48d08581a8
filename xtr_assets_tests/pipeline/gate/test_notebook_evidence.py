"""Faults planted in the rows of a notebook, and healthy notebooks."""

import dataclasses
import json

import pytest

from xtr_assets.core.types import Chunk
from xtr_assets.pipeline.gate.source_agrees import check
from xtr_assets_tests.core.chunking.test_notebook import notebook
from xtr_assets_tests.pipeline.gate.conftest import Plant, World
from xtr_assets_tests.pipeline.gate.test_source_agrees import FAULTS, Change, in_file

CELLS = [("markdown", "# Guide\n\nIntro."), ("code", "load(a)"), ("markdown", "## Save"), ("code", "save(b)\nmore(c)")]
HELD = json.dumps(notebook(*CELLS))


def in_other_order(held: list[Chunk]) -> list[Chunk]:
    """Each cell has the number of the one that mirrors it."""
    numbers = [one.start_line for one in reversed(held)]
    return [dataclasses.replace(one, start_line=n, end_line=n) for one, n in zip(held, numbers, strict=True)]


@pytest.mark.parametrize("change", [*FAULTS.values(), in_other_order])
def test_a_fault_in_the_rows_of_a_notebook_is_found_and_told(world: World, plant: Plant, change: Change) -> None:
    world.write("guide/a.ipynb", HELD)
    plant(in_file("a.ipynb", change))
    found = check(world.build())
    assert not found.passed and "a.ipynb" in found.summary


def test_healthy_notebooks_pass_and_broken_ones_are_in_quarantine(world: World) -> None:
    world.write("guide/a.ipynb", HELD)
    world.write("guide/bom.ipynb", b"\xef\xbb\xbf" + HELD.encode())
    world.write("guide/long.ipynb", json.dumps(notebook(("code", "x = 1\n" * 3000), ("raw", ""))))
    # A heading in the midst of a text above a rule, one over a form feed, and a line that looks blank and is none.
    odd = [("markdown", "text\n# Mid\n---"), ("code", "a"), ("markdown", "`of` \n\x0b\ntwo\n==="), ("code", "b")]
    world.write("guide/odd.ipynb", json.dumps(notebook(*odd)))
    world.write("guide/wide.ipynb", HELD.encode("utf-16"))
    world.write("guide/utf32.ipynb", HELD.encode("utf-32"))
    world.write("guide/crlf.ipynb", json.dumps(notebook(("markdown", "# A\r\n\r\ntext"), ("code", "a\rb"))))
    for number, broken in enumerate(["{", "[]", '{"cells": [1]}', '{"cells": [{"source": "\\ud800"}]}', "[" * 9999]):
        world.write(f"guide/broken{number}.ipynb", broken)
    world.write("guide/null.ipynb", json.dumps(notebook(("code", "\0"))))
    found = check(world.build())
    assert found.passed, found.details["faults"]
    kept = [one for shard in world.warehouse.shards() if (one := world.warehouse.snapshot(shard))]
    assert sum(len(one.quarantine) for one in kept) == 7
