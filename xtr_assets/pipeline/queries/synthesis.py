"""Drawing gate queries from a corpus that has none: what its authors wrote about a piece, never the piece itself."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xtr_assets.core.types import Ints

# Below two words a query says too little to have neighbours; beyond two dozen it is a paragraph, not a question.
MIN_WORDS, MAX_WORDS = 2, 24

_DOCSTRING = re.compile(r":[ \t]*\n\s*[rRuU]?(?:\"\"\"|''')\s*(.+?)(?:[.:](?=\s|$)|\n\s*\n|\"\"\"|''')", re.DOTALL)
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n\s*\n")
_WORD_BORDER = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[\W_]+")


@dataclass(frozen=True, slots=True)
class Piece:
    """What drawing reads of a chunk."""

    chunk_id: int
    path: str
    symbol: str
    title: str
    text: str


def rank(chunk_ids: Ints) -> npt.NDArray[np.uint64]:
    """uint64 [n]: a fixed pseudo-random order of chunk_ids (splitmix64), the same in every generation.

    The n smallest ranks are a sample that changes only where its own members come or go.
    """
    state = np.asarray(chunk_ids).astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: npt.NDArray[np.uint64] = state ^ (state >> np.uint64(31))
    return mixed


def described(piece: Piece) -> str | None:
    """The first docstring sentence of a function or class, the heading of a section; None where there is neither."""
    if piece.path.endswith((".py", ".pyi")):
        found = _DOCSTRING.search(piece.text)
        return _query(found.group(1), piece) if found else None
    return _query(re.split(r"\s*[>\u203a\n]\s*", piece.title)[-1], piece) if piece.title else None


def excerpted(piece: Piece) -> str | None:
    """A part of a sentence of the text, or the words of the symbol: what is left where nobody described the piece."""
    if piece.path.endswith((".py", ".pyi")):
        return _query(" ".join(_WORD_BORDER.split(piece.symbol)), piece)
    sentences = [s.split() for s in _SENTENCE.split(piece.text)]
    longest = max(sentences, key=len, default=[])
    # Half of the longest sentence, from its second quarter on: the words of the piece without its exact wording.
    start = len(longest) // 4
    return _query(" ".join(longest[start : start + max(len(longest) // 2, MIN_WORDS)]), piece)


def draw(pieces: Iterable[Piece], count: int, taken: Iterable[str] = ()) -> Iterator[tuple[int, str]]:
    """(chunk_id, query text) of at most `count` different queries, described pieces before excerpted ones.

    `pieces` come in the order of `rank`; those that nobody described are remembered until the others run out, at most
    `count` of them. `taken` are texts that are queries already.
    """
    seen = {text.casefold() for text in taken}
    spare: list[tuple[int, str]] = []
    given = 0

    for piece in pieces:
        if given == count:
            return
        text = described(piece)
        if text is not None and text.casefold() not in seen:
            seen.add(text.casefold())
            given += 1
            yield piece.chunk_id, text
        elif len(spare) < count and (other := excerpted(piece)) is not None:
            spare.append((piece.chunk_id, other))
    for chunk_id, text in spare:
        if given == count:
            return
        if text.casefold() not in seen:
            seen.add(text.casefold())
            given += 1
            yield chunk_id, text


def _query(text: str, piece: Piece) -> str | None:
    words = re.sub(r"[`*#]+", " ", text).split()
    if len(words) < MIN_WORDS:
        return None
    query = " ".join(words[:MAX_WORDS])
    # A query that is the whole piece finds itself at once in any index, and proves nothing.
    return None if query.casefold() == " ".join(piece.text.split()).strip("# ").casefold() else query
