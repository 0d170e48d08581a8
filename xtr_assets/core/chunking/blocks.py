"""Documents without lines of text (HTML, DOCX, ODT, PPTX, EPUB, PDF) into chunks: blocks that were read, packed under
their headings."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from xtr_assets.core.chunking.headings import titled
from xtr_assets.core.chunking.text import PATH_SEPARATOR, split_text
from xtr_assets.core.ids import chunk_id
from xtr_assets.core.types import Chunk


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, row of a table or heading (level 1 to 9, else 0) at places first..last of its document: lines of
    HTML, paragraphs of DOCX and ODT, slides of PPTX, pages of PDF, chapters of EPUB.

    A level below 0 is that of a name which a table of contents gives to what follows, and which is no text of it.
    """

    first: int
    last: int
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph of an office document. row : the row of a table that it lies in, any object; None in none."""

    text: str
    row: object | None
    level: int = 0


def paragraph_blocks(paragraphs: Iterable[Paragraph]) -> Iterator[Block]:
    """Blocks of paragraphs, whose places are their numbers from 1: those of one row are one block, its cells parted by
    tabs, and what says nothing is none."""
    row: object | None = None
    held: list[tuple[int, str]] = []
    for number, one in enumerate(paragraphs, 1):
        if held and (one.row is None or one.row is not row):
            yield _row(held)
            held = []
        row = one.row
        if not one.text:
            continue
        if row is not None:
            held.append((number, " ".join(one.text.split())))
        else:
            yield Block(number, number, one.level, one.text)
    if held:
        yield _row(held)


def _row(held: list[tuple[int, str]]) -> Block:
    return Block(held[0][0], held[-1][0], 0, "\t".join(text for _, text in held))


Refusal = Literal["unparsable", "encrypted", "no-text", "beyond-limits", "not-installed"]


class DocumentRefused(Exception):
    """A document that cannot be used. `detail` says what it is and the remedy."""

    def __init__(self, reason: Refusal, detail: str) -> None:
        self.reason, self.detail = reason, detail
        super().__init__(detail)


def chunk_blocks(source: str, path: str, blocks: Iterable[Block], max_chars: int) -> Iterator[Chunk]:
    """Chunks of a document with headings, kind `section`; `title` and `symbol` are the heading path.

    A heading stands above its own text. `start_line` and `end_line` are the places of the first and the last block; of
    a block that is longer than `max_chars` each piece has the places of all of it.
    """
    sections = ((symbol, symbol, held) for symbol, held in _sections(blocks))
    return _chunks(source, path, "section", sections, max_chars)


def chunk_pages(source: str, path: str, pages: Iterable[Block], max_chars: int) -> Iterator[Chunk]:
    """Chunks of pages, kind `page`: one a page, several where it is longer than `max_chars`. `symbol` is `page N`, and
    so are the lines; a page has no title."""
    for page in pages:
        symbol = f"page {page.first}"
        pieces = (piece for piece in split_text(page.text, max_chars) if piece.strip())
        for part, text in enumerate(pieces):
            yield Chunk(
                chunk_id=chunk_id(source, path, symbol, 0, part),
                source=source,
                path=path,
                symbol=symbol,
                kind="page",
                part=part,
                start_line=page.first,
                end_line=page.last,
                title="",
                text=text,
            )


def chunk_slides(source: str, path: str, blocks: Iterable[Block], max_chars: int) -> Iterator[Chunk]:
    """Chunks of slides, kind `slide`: one a slide, several where it is longer than `max_chars`. `title` and `symbol`
    are the title of the slide; one without has the symbol `slide N`. The lines are its number."""
    return _chunks(source, path, "slide", _slides(blocks), max_chars)


def _slides(blocks: Iterable[Block]) -> Iterator[tuple[str, str, list[Block]]]:
    """(symbol, title, blocks) of each slide."""
    for number, shapes in groupby(blocks, lambda one: one.first):
        held = list(shapes)
        title = next((titled(block.text) for block in held if block.level), "")
        yield title or f"slide {number}", title, held


def _chunks(
    source: str, path: str, kind: str, sections: Iterable[tuple[str, str, list[Block]]], max_chars: int
) -> Iterator[Chunk]:
    """Chunks of sections, (symbol, title, blocks) each; those of one symbol are told apart by their order."""
    seen: Counter[str] = Counter()
    for symbol, title, held in sections:
        occurrence = seen[symbol]
        seen[symbol] += 1
        for part, (first, last, text) in enumerate(_packed(held, max_chars)):
            yield Chunk(
                chunk_id=chunk_id(source, path, symbol, occurrence, part),
                source=source,
                path=path,
                symbol=symbol,
                kind=kind,
                part=part,
                start_line=first,
                end_line=last,
                title=title,
                text=text,
            )


def _sections(blocks: Iterable[Block]) -> Iterator[tuple[str, list[Block]]]:
    """(heading path, blocks). A heading without text of its own stands in the section of the first heading below it."""
    above: list[tuple[int, str]] = []
    placed: list[tuple[int, str, Block]] = []
    number = 0
    path = ""
    bare: Block | None = None  # The heading that nothing but headings has followed yet.
    for block in blocks:
        if block.level:
            level = abs(block.level)
            above = [*(one for one in above if one[0] < level), (level, titled(block.text))]
            path = PATH_SEPARATOR.join(title for _, title in above if title)
            if block.level < 0:
                number, bare = number + 1, None
                continue
            if bare is not None and block.level > bare.level:
                # Those that wait, the last ones, move down with it.
                first = len(placed)
                while first and placed[first - 1][0] == number:
                    first -= 1
                placed[first:] = [(number, path, held) for _, _, held in placed[first:]]
            else:
                number += 1
            bare = block
        else:
            bare = None
        placed.append((number, path, block))
    for (_, symbol), held in groupby(placed, lambda one: one[:2]):
        yield symbol, [block for _, _, block in held]


def _packed(blocks: Iterable[Block], max_chars: int) -> Iterator[tuple[int, int, str]]:
    """As many whole blocks as fit, a blank line between them; one that does not fit is cut."""
    held: list[Block] = []
    length = 0
    for block in blocks:
        if held and length + 2 + len(block.text) > max_chars:
            yield _joined(held)
            held, length = [], 0
        if len(block.text) > max_chars:
            for piece in split_text(block.text, max_chars):
                if piece.strip():
                    yield block.first, block.last, piece
            continue
        length += len(block.text) + (2 if held else 0)
        held.append(block)
    if held:
        yield _joined(held)


def _joined(blocks: list[Block]) -> tuple[int, int, str]:
    return blocks[0].first, max(block.last for block in blocks), "\n\n".join(block.text for block in blocks)
