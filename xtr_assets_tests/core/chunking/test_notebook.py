import json
from typing import Any

import pytest

from xtr_assets.core.chunking.notebook import cells_of, chunk_notebook
from xtr_assets.core.types import Chunk


def notebook(*cells: tuple[str, Any]) -> dict[str, Any]:
    return {"nbformat": 4, "metadata": {}, "cells": [{"cell_type": kind, "source": text} for kind, text in cells]}


def chunks(held: Any, max_chars: int = 2000) -> list[Chunk]:
    return list(chunk_notebook("docs", "a.ipynb", cells_of(json.loads(json.dumps(held))), max_chars))


def test_a_cell_is_a_chunk_under_the_headings_above_it() -> None:
    held = notebook(
        ("code", "import a\n"),
        ("markdown", ["# Guide\n", "\n", "Intro.\n", "## Load\n"]),
        ("code", ["x = 1\n", "# no heading\n"]),
        ("markdown", "  "),
        ("raw", "# raw is no heading"),
        ("markdown", "Prose first.\n\n## Save\n"),
        ("code", "save(x)"),
    )
    assert [(c.start_line, c.end_line, c.symbol, c.text) for c in chunks(held)] == [
        (1, 1, "", "import a\n"),
        (2, 2, "Guide", "# Guide\n\nIntro.\n## Load\n"),
        (3, 3, "Guide > Load", "x = 1\n# no heading\n"),
        (5, 5, "Guide > Load", "# raw is no heading"),
        (6, 6, "Guide > Load", "Prose first.\n\n## Save\n"),
        (7, 7, "Guide > Save", "save(x)"),
    ]
    assert {(c.kind, c.title == c.symbol) for c in chunks(held)} == {("cell", True)}


def test_a_long_cell_has_parts_and_ids_differ() -> None:
    found = chunks(notebook(("code", "x = 1\n" * 100), ("code", "y")), 200)
    assert "".join("".join(c.text for c in found).split()) == "x=1" * 100 + "y"
    assert all(len(c.text) <= 200 for c in found) and len({c.chunk_id for c in found}) == len(found)


def test_a_change_under_one_heading_changes_no_id_under_another() -> None:
    one = [("markdown", "# A"), ("code", "a"), ("markdown", "# B"), ("code", "b")]
    before = chunks(notebook(*one))
    after = chunks(notebook(*one[:2], ("code", "new"), *one[2:]))
    assert {c.chunk_id for c in before} < {c.chunk_id for c in after}


def test_the_older_format_is_read() -> None:
    held = {"worksheets": [{"cells": [{"cell_type": "code", "input": ["a\n", "b"]}]}]}
    assert [c.text for c in chunks(held)] == ["a\nb"]


@pytest.mark.parametrize("held", [[], {}, {"cells": {}}, {"cells": [1]}, {"cells": [{"source": 3}]}, "x", None])
def test_what_is_no_notebook_says_so(held: Any) -> None:
    with pytest.raises(ValueError, match=r"cell|object"):
        cells_of(held)
