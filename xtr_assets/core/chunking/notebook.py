"""Jupyter notebooks into chunks: a cell is one, under the headings of the Markdown cells above it; outputs are none."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from xtr_assets.core.chunking.headings import Heading
from xtr_assets.core.chunking.line_spans import Lines, normalize_newlines
from xtr_assets.core.chunking.markdown import markdown_outline
from xtr_assets.core.chunking.text import PATH_SEPARATOR, split_text
from xtr_assets.core.ids import chunk_id
from xtr_assets.core.types import Chunk


@dataclass(frozen=True, slots=True)
class Cell:
    """The cell's number, from 1, whether it is Markdown, and its source."""

    number: int
    markdown: bool
    text: str


def cells_of(notebook: Any) -> list[Cell]:
    """The cells of a notebook as read from JSON (nbformat 3 or 4). Raises ValueError for what is none."""
    if not isinstance(notebook, Mapping):
        raise ValueError("a notebook is a JSON object")
    sheets = notebook.get("worksheets")
    held = notebook.get("cells")
    if held is None and isinstance(sheets, list):
        held = [cell for sheet in sheets if isinstance(sheet, Mapping) for cell in sheet.get("cells") or ()]
    if not isinstance(held, list):
        raise ValueError("no list `cells`: not a notebook of nbformat 3 or 4")
    return [_cell(number, one) for number, one in enumerate(held, 1)]


def _cell(number: int, cell: Any) -> Cell:
    source = cell.get("source", cell.get("input", "")) if isinstance(cell, Mapping) else None
    parts = source if isinstance(source, list) else [source]
    said = [part for part in parts if isinstance(part, str)]
    if len(said) < len(parts):
        raise ValueError(f"cell {number} has no text as its `source`")
    return Cell(number, cell.get("cell_type") == "markdown", normalize_newlines("".join(said)))


def chunk_notebook(source: str, path: str, cells: list[Cell], max_chars: int) -> Iterator[Chunk]:
    """One chunk a cell, several where it is longer than `max_chars`; blank cells have none.

    `start_line` and `end_line` are the number of the cell. `symbol` and `title` are the heading path that the cell
    stands under, its own first heading included where it begins with one.
    """
    seen: Counter[str] = Counter()
    above: list[Heading] = []
    for cell in cells:
        headings = markdown_outline(Lines(cell.text)).headings if cell.markdown and cell.text.strip() else ()
        first = next((number for number, line in enumerate(cell.text.split("\n"), 1) if line.strip()), 0)
        opens = bool(headings) and headings[0].first == first
        if opens:
            above = _below(above, headings[0])
        symbol = PATH_SEPARATOR.join(heading.title for heading in above if heading.title)
        for heading in headings[1:] if opens else headings:
            above = _below(above, heading)
        if not cell.text.strip():
            continue
        occurrence = seen[symbol]
        seen[symbol] += 1
        for part, piece in enumerate(split_text(cell.text, max_chars)):
            yield Chunk(
                chunk_id=chunk_id(source, path, symbol, occurrence, part),
                source=source,
                path=path,
                symbol=symbol,
                kind="cell",
                part=part,
                start_line=cell.number,
                end_line=cell.number,
                title=symbol,
                text=piece,
            )


def _below(above: list[Heading], heading: Heading) -> list[Heading]:
    return [*(one for one in above if one.level < heading.level), heading]
