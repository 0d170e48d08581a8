"""A second reading of notebooks by `json` alone: which cell says what, and in which order."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from xtr_assets.pipeline.gate.heading_evidence import MARKDOWN, Paths, every_heading
from xtr_assets.pipeline.gate.text_evidence import Row, lines_of, part_faults, place_id, text_of


def sources_of(data: bytes) -> list[str] | None:
    """The source of each cell in order; None for what is no notebook."""
    text = text_of(data)
    if text is None:
        return None
    try:
        loaded: Any = json.loads(text)
        held = loaded["cells"] if "cells" in loaded else [c for sheet in loaded["worksheets"] for c in sheet["cells"]]
        texts = [cell.get("source", cell.get("input", "")) for cell in held]
        found = ["".join(text) for text in texts]
        return None if b"\0" in "".join(found).encode() else found
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def notebook_faults(path: str, cells: Sequence[str], rows: Sequence[Row], max_chars: int) -> Iterator[str]:
    """Whether each cell that is not blank has its rows, which say what it says under a heading at or above it."""
    by_cell: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        by_cell[row["start_line"]].append(row)
        if row["start_line"] != row["end_line"] or not 1 <= row["start_line"] <= len(cells):
            yield f"cells {row['start_line']} to {row['end_line']} of a notebook of {len(cells)}"
    seen: Counter[str] = Counter()
    paths = Paths(MARKDOWN)
    # Headings of the last cell that was not blank: those that it does not begin with stand above the next one.
    above: list[str] = []
    for number, text in enumerate(cells, 1):
        held = sorted(by_cell.get(number, []), key=lambda row: int(row["part"]))
        if "".join("".join(row["text"] for row in held).split()) != "".join(text.split()):
            yield f"the rows of cell {number} do not say what it says"
        if not held:
            continue
        if len(held) > 1 and len(text) <= max_chars:
            yield f"cell {number} is {len(held)} chunks and fits into one"
        own = list(every_heading(lines_of(text)))
        yield from part_faults([held])
        symbol = held[0]["symbol"]
        occurrence = seen[symbol]
        seen[symbol] += 1
        spelled, above = paths.spelled(symbol, [*above, *own], optional=True), own
        if not spelled:
            yield f"no heading {symbol!r} stands at or above cell {number}"
        for row in held:
            where = f"cell {number} part {row['part']}"
            if (row["kind"], row["title"], row["metadata"]) != ("cell", symbol, "{}"):
                yield f"{where}: kind {row['kind']!r}, title {row['title']!r}, metadata {row['metadata']}"
            if row["chunk_id"] != place_id(row["source"], path, symbol, occurrence, row["part"]):
                yield f"{where}: chunk_id {row['chunk_id']} is another place's"
