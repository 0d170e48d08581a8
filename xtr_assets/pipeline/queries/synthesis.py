"""Drawing gate queries from a corpus that has none: what names a piece first, then excerpts, then spans of its text."""

import random
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

import numpy as np
import numpy.typing as npt
import regex

from xtr_assets.core.known_items import RUNNING_SCRIPTS
from xtr_assets.core.sentences import SENTENCE_END
from xtr_assets.core.types import Ints

# How a query came about. given: a queries file; docstring, heading, title: what an author called the piece; symbol,
# sentence, span, text: the words of its name, half a sentence, a window of its text, all of it; vector: no text at all,
# a point near the piece's own vectors; drawn: by a release that did not keep it.
QueryKind = Literal[
    "given", "docstring", "heading", "title", "symbol", "sentence", "span", "text", "vector", "drawn"
]  # fmt: skip
# Kinds that name the piece they were drawn from: whoever asks so wants that piece.
NAMING: tuple[QueryKind, ...] = ("docstring", "heading", "title")

# Below two words a query says too little to have neighbours; beyond two dozen it is a paragraph, not a question.
MIN_WORDS, MAX_WORDS = 2, 24
# Windows of a text, in words: short ones as people type them, longer ones where a word is on every page.
SPAN_WORDS = (6, 4, 9, 3, 12, 2)
# Windows tried of a text before it counts as used up: six lengths at 40 places give a corpus of one text 200 queries.
SPANS_A_PIECE = 240

# Where words run together two characters stand for one: characters as people see them (\X), with their vowel signs.
_WORD = regex.compile(f"(?:(?=[{RUNNING_SCRIPTS}])\\X){{1,2}}|(?:(?=[^\\s{RUNNING_SCRIPTS}])\\X)+")
_DOCSTRING = re.compile(r":[ \t]*\n\s*[rRuU]?(?:\"\"\"|''')\s*(.+?)(?:[.:](?=\s|$)|\n\s*\n|\"\"\"|''')", re.DOTALL)
_SENTENCE = re.compile(rf"(?:{SENTENCE_END})|\n\s*\n")
# Kinds of chunks of code, in any language; what an author says of one stands in the comment above it.
CODE_KINDS = frozenset({"module", "class", "function", "method"})
# Its title is a path of keys, which many files have alike; a comment above them says what they are for.
CONFIG_KIND = "config"
_DOC_COMMENT = re.compile(r"\s*(?:/\*.*?\*/|(?:[ \t]*(?://|--|#(?!include|define|if|!))[^\n]*(?:\n|$))+)", re.DOTALL)
_COMMENT_SIGN = re.compile(r"/\*+!?|\*+/|(?m:^[ \t]*(?:\*|///?!?|--|#))")
_FIRST_SENTENCE = re.compile(r"[.:](?:\s|$)|@\w")
_WORD_BORDER = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[\W_]+")
_MARKUP = re.compile(r"[`*#]+")


@dataclass(frozen=True, slots=True)
class Piece:
    """What drawing reads of a chunk."""

    chunk_id: int
    path: str
    symbol: str
    title: str
    text: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A query, the chunk it was drawn from and how."""

    chunk_id: int
    text: str
    kind: QueryKind


def rank(chunk_ids: Ints) -> npt.NDArray[np.uint64]:
    """uint64 [n]: a fixed pseudo-random order of chunk_ids (splitmix64), the same in every generation.

    The n smallest ranks are a sample that changes only where its own members come or go.
    """
    state = np.asarray(chunk_ids).astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: npt.NDArray[np.uint64] = state ^ (state >> np.uint64(31))
    return mixed


def words_of(text: str) -> list[str]:
    """The words of a text in any script; pairs of characters where words are not told apart. Punctuation is none.

    >>> words_of("two words - no more"), words_of("検索の索引。")
    (['two', 'words', 'no', 'more'], ['検索', 'の索', '引'])
    """
    return [text[start:stop] for start, stop in _words(text)]


def named(piece: Piece) -> Drawn | None:
    """What its author called the piece: the first sentence of a docstring or a comment above, the heading of a
    section, the title of a record.

    None where there is neither, or where it is all the piece says.
    """
    if piece.path.endswith((".py", ".pyi")):
        found = _DOCSTRING.search(piece.text)
        return _query(found.group(1), piece, "docstring") if found else None
    if piece.kind in CODE_KINDS or piece.kind == CONFIG_KIND:
        found = _DOC_COMMENT.match(piece.text)
        said = " ".join(_COMMENT_SIGN.sub(" ", found.group()).split()) if found else ""
        return _query(_FIRST_SENTENCE.split(said, maxsplit=1)[0], piece, "docstring")
    if not piece.title:
        return None
    if piece.kind == "record":
        return _query(piece.title, piece, "title")
    return _query(re.split(r"\s*[>\u203a\n]\s*", piece.title)[-1], piece, "heading")


def excerpted(piece: Piece) -> Drawn | None:
    """A part of a sentence of the text, or the words of the symbol: what is left where nobody named the piece."""
    if piece.path.endswith((".py", ".pyi")) or piece.kind in CODE_KINDS:
        return _query(" ".join(_WORD_BORDER.split(piece.symbol)), piece, "symbol")
    sentences = [(sentence, _words(sentence)) for sentence in _SENTENCE.split(piece.text)]
    longest, words = max(sentences, key=lambda one: len(one[1]))
    # Half of the longest sentence, from its second quarter on: the words of the piece without its exact wording.
    start = len(words) // 4
    return _query(_window(longest, words, start, max(len(words) // 2, MIN_WORDS)), piece, "sentence")


def spans(piece: Piece) -> Iterator[Drawn]:
    """Windows of the text, of two words at least, in an order that the chunk_id decides."""
    text = _plain(piece.text)
    words, chosen = _words(text), random.Random(piece.chunk_id)
    lengths = [length for length in SPAN_WORDS if length <= len(words)]
    if not lengths:
        return
    for turn in range(SPANS_A_PIECE):
        length = lengths[turn % len(lengths)]
        window = _window(text, words, chosen.randrange(len(words) - length + 1), length)
        if (query := _query(window, piece, "span")) is not None:
            yield query


def remnants(piece: Piece) -> Iterator[Drawn]:
    """Single words and the whole text: all that a text of one or two words has to offer."""
    text = _plain(piece.text)
    words = _words(text)
    for start, stop in words[:MAX_WORDS]:
        if (start, stop) != (0, len(text)):
            yield Drawn(piece.chunk_id, text[start:stop], "span")
    if words and len(words) <= MAX_WORDS:
        yield Drawn(piece.chunk_id, text, "text")


def draw(pieces: Iterable[Piece], kept: int, taken: Iterable[str] = ()) -> Iterator[Drawn]:
    """Different queries, as many as are taken from it: those of `stages`, one stage after the other."""
    return chain.from_iterable(stages(pieces, kept, taken))


def stages(pieces: Iterable[Piece], kept: int, taken: Iterable[str] = ()) -> Iterator[Iterator[Drawn]]:
    """Different queries of named pieces, then excerpts, then spans, then single words: an iterator of each, which may
    be left for the next before it ends.

    `pieces` come in the order of `rank`; of those that nobody named `kept` of different text are remembered until the
    others run out. Spans go round: every piece gives one before any gives another. `taken` are texts that are queries
    already.
    """
    seen = {text.casefold() for text in taken}
    spare: list[Piece] = []
    texts: set[str] = set()
    left = iter(pieces)

    def fresh(query: Drawn | None) -> bool:
        if query is None or query.text.casefold() in seen:
            return False
        seen.add(query.text.casefold())
        return True

    def remembered(piece: Piece) -> Piece:
        if len(spare) < kept and piece.text not in texts:
            texts.add(piece.text)
            spare.append(piece)
        return piece

    yield (query for piece in left if (query := named(remembered(piece))) is not None and fresh(query))
    while len(spare) < kept and (piece := next(left, None)) is not None:
        remembered(piece)
    # Those that were named have given their best: they come after the others.
    spare.sort(key=lambda piece: named(piece) is not None)
    for offers in ([iter(_one(excerpted(p))) for p in spare], [spans(p) for p in spare], [remnants(p) for p in spare]):
        yield filter(fresh, _in_turns(offers))


def _one(query: Drawn | None) -> Sequence[Drawn]:
    return () if query is None else (query,)


def _in_turns(offers: Iterable[Iterator[Drawn]]) -> Iterator[Drawn]:
    """The first of each, the second of each, and so on."""
    waiting = list(offers)
    while waiting:
        left = []
        for offer in waiting:
            if (query := next(offer, None)) is not None:
                left.append(offer)
                yield query
        waiting = left


def _words(text: str) -> list[tuple[int, int]]:
    """(start, stop) of each word."""
    return [match.span() for match in _WORD.finditer(text) if _says(match.group())]


def _says(word: str) -> bool:
    return any(one.isalnum() or unicodedata.category(one) == "So" for one in word)


def _window(text: str, words: Sequence[tuple[int, int]], first: int, count: int) -> str:
    """The text from one word on."""
    chosen = words[first : first + count]
    return text[chosen[0][0] : chosen[-1][1]] if chosen else ""


def _plain(text: str) -> str:
    return " ".join(_MARKUP.sub(" ", text).split())


def _query(text: str, piece: Piece, kind: QueryKind) -> Drawn | None:
    text = _plain(text)
    words = _words(text)
    if len(words) < MIN_WORDS:
        return None
    query = text if len(words) <= MAX_WORDS else _window(text, words, 0, MAX_WORDS)
    # A query that is the whole piece finds itself at once in any index, and proves nothing.
    whole = query.casefold() == " ".join(piece.text.split()).strip("# ").casefold()
    return None if whole else Drawn(piece.chunk_id, query, kind)
