"""Pairs of a question and the text that answers it, mined from chunks: what a head is trained on.

Nothing is labelled by hand. Whoever wrote a function's docstring, or a section's heading, asked the question; its body
answers. What the question is drawn from is cut out of the answer, or the words alone would find it.
"""

import ast
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, takewhile
from textwrap import dedent
from typing import Literal

from xtr_assets.core.chunking import python_syntax
from xtr_assets.core.sentences import SENTENCE_END
from xtr_assets.core.types import Chunk, encoded_text

PairKind = Literal["docstring", "name", "summary", "heading", "cloze"]

# A question of fewer words names nothing, one of more is a paragraph.
QUESTION_WORDS = (3, 40)
NAME_WORDS = 2
# An answer of fewer words is a stub: `return None`, `raise NotImplementedError`.
ANSWER_WORDS = 8
# A section gives a sentence away where so many are left.
CLOZE_SENTENCES = 4
# The share of letters and spaces in prose; of code and tables it is less.
LETTERS = 0.85

_WORD = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SENTENCE = re.compile(SENTENCE_END)
# Markup that no question holds: roles (:class:`X`), literals, links and emphasis keep their words.
_MARKUP = re.compile(r":[a-z:]+:(?=`)|[`*~]+|<[^>\s]*>`?_+")
# The heads of a docstring's lists, alone on a line: what follows is no prose, to the docstring's end.
_LIST_HEAD = re.compile(
    r"^\s*((Other |Keyword )?(Parameters|Args|Arguments)|Returns?|Yields|Raises|Examples?|Notes?|References|See Also|"
    r"Attributes|Methods|Warnings?|Warns|Usage)\s*:*\s*$",
    re.IGNORECASE,
)
# Lines that open a field, an example or a directive.
_FIELD = re.compile(r"^\s*(:[a-z]+\b[^:]*:|@[a-z]+\b|>>>|\.\. )")
_UNDERLINE = re.compile(r"^\s*([^\w\s])\1{2,}\s*$")
_HASH_HEADING = re.compile(r"^#{1,6}\s")


@dataclass(frozen=True, slots=True)
class Pair:
    """A question and the text that answers it. `origin` is the package or source, `place` the path and symbol."""

    question: str
    answer: str
    kind: PairKind
    origin: str
    place: str


def pairs_of(chunk: Chunk) -> Iterator[Pair]:
    """The pairs of one chunk: of a function by its docstring and its name, of a section by its heading and a sentence.

    A chunk that is one part of a longer definition, or no whole Python, gives none.
    """
    if chunk.kind in ("function", "method"):
        found = _function_pairs(chunk)
    elif chunk.kind in ("section", "text", "record"):
        found = _section_pairs(chunk)
    else:
        found = iter(())
    for pair in found:
        if _usable(pair):
            yield pair


def distinct(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs without those whose question or answer stood before among those of their kind, word for word."""
    seen: set[tuple[str, ...]] = set()
    kept = []
    for pair in pairs:
        keys = {(pair.kind, "question", *words(pair.question)), (pair.kind, "answer", *words(pair.answer))}
        if not keys & seen:
            kept.append(pair)
        seen |= keys
    return kept


def spread(pairs: Sequence[Pair], count: int, seed: int) -> list[Pair]:
    """At most `count` pairs, of each origin and kind as many as of the others while they last, in an order by seed.

    >>> many = [Pair(str(i), "", "name", "a", "") for i in range(9)] + [Pair("x", "", "name", "b", "")]
    >>> sorted(pair.origin for pair in spread(many, 3, 0))
    ['a', 'a', 'b']
    """
    count = max(0, count)
    shuffled = random.Random(seed).sample(list(pairs), len(pairs))
    nth: dict[tuple[str, str], int] = {}
    ranked = []
    for pair in shuffled:
        group = (pair.origin, pair.kind)
        nth[group] = nth.get(group, 0) + 1
        ranked.append((nth[group], pair))
    ranked.sort(key=lambda one: one[0])
    return random.Random(seed).sample([pair for _, pair in ranked[:count]], min(count, len(ranked)))


# How people ask for code: the bare words, with the language before or behind. (template, share), the rest as it is.
FORMS = (("python {}", 0.25), ("how to {} in python", 0.1), ("{} in python", 0.1))


def asked(pairs: Sequence[Pair], seed: int) -> list[str]:
    """The questions in the forms in which people ask: a head that never saw "python" in one would search for it."""
    draw, found = random.Random(seed), []
    for pair in pairs:
        text = pair.question
        if pair.kind in ("docstring", "name"):
            at, text = draw.random(), text.rstrip(".")
            for form, share in FORMS:
                if 0.0 <= at < share:
                    text = form.format(text[:1].lower() + text[1:])
                at -= share
        found.append(text)
    return found


def words(text: str) -> tuple[str, ...]:
    """Its words, folded; what is compared is the same whatever the case and punctuation."""
    return tuple(word.casefold() for word in _WORD.findall(text))


def name_words(name: str) -> str:
    """The words of an identifier.

    >>> name_words("parseHTTPDate_now")
    'parse http date now'
    """
    return " ".join(word.lower() for part in _WORD.findall(name) for word in _CAMEL.split(part))


def _function_pairs(chunk: Chunk) -> Iterator[Pair]:
    text = dedent(chunk.text)
    try:
        tree = python_syntax.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    node = tree.body[0] if tree.body else None
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return
    docstring = ast.get_docstring(node)
    if docstring is None or not node.body[1:]:
        return
    paragraphs = prose_paragraphs(docstring, docstring=True)
    if not paragraphs:
        return
    base = Pair("", "", "docstring", chunk.source, f"{chunk.path}:{chunk.symbol}")
    first, rest = _first_sentence(paragraphs)
    yield replace(base, question=first, answer=encoded_text(chunk.title, _without(text, node.body[0])))
    nameless = re.sub(rf"\bdef\s+{re.escape(node.name)}\b", "def f", text, count=1)
    yield replace(base, kind="name", question=name_words(node.name), answer=encoded_text(chunk.title, nameless))
    yield replace(base, kind="summary", question=first, answer=rest)


def _section_pairs(chunk: Chunk) -> Iterator[Pair]:
    paragraphs = prose_paragraphs(chunk.text)
    base = Pair("", "", "heading", chunk.source, f"{chunk.path}:{chunk.symbol}")
    heading = chunk.title.rpartition(" > ")[2]
    whole = "\n".join(paragraphs)
    if heading:
        yield replace(base, question=clean(heading), answer=whole)
    sentences = [one.strip() for paragraph in paragraphs for one in split_sentences(paragraph)]
    if len(sentences) > CLOZE_SENTENCES:
        # Drawn by the text itself: the same section always gives the same sentence.
        taken = random.Random(whole).randrange(len(sentences))
        left = " ".join(sentences[:taken] + sentences[taken + 1 :])
        yield replace(base, kind="cloze", question=sentences[taken], answer=left)


def prose_paragraphs(text: str, docstring: bool = False) -> list[str]:
    """The paragraphs of a section, or of a docstring up to its lists, that are sentences: no headings, fields,
    examples, code or tables."""
    found = []
    for block in re.split(r"\n[ \t]*\n", text):
        lines = [line for line in block.splitlines() if line.strip()]
        if docstring and lines and _LIST_HEAD.match(lines[0]):
            break
        if lines and (_UNDERLINE.match(lines[0]) or _HASH_HEADING.match(lines[0])):
            lines = lines[1:]
        if len(lines) >= 2 and _UNDERLINE.match(lines[1]):
            lines = lines[2:]
        joined = clean(" ".join(takewhile(lambda line: not _FIELD.match(line), lines)))
        letters = sum(character.isalpha() or character.isspace() for character in joined)
        if len(_WORD.findall(joined)) >= QUESTION_WORDS[0] and letters >= LETTERS * len(joined):
            found.append(joined)
    return found


def clean(text: str) -> str:
    """Without markup, white space as single spaces."""
    return " ".join(_MARKUP.sub("", text).split())


def split_sentences(text: str) -> list[str]:
    """The sentences of a paragraph."""
    cuts = [0, *(match.end() for match in _SENTENCE.finditer(text)), len(text)]
    return [text[start:stop] for start, stop in pairwise(cuts) if text[start:stop].strip()]


def _first_sentence(paragraphs: Sequence[str]) -> tuple[str, str]:
    sentences = split_sentences(paragraphs[0])
    return sentences[0].strip(), " ".join([*sentences[1:], *paragraphs[1:]]).strip()


def _without(text: str, statement: ast.stmt) -> str:
    """The text without the lines of a docstring."""
    lines = text.encode().split(b"\n")
    last = statement.end_lineno or statement.lineno
    before, after = lines[statement.lineno - 1][: statement.col_offset], lines[last - 1][statement.end_col_offset :]
    # Behind the colon of a function on one line, or on a line of its own.
    joined = before.rstrip() + (b" " if before.strip() else b"") + after.lstrip(b"; ")
    middle = [joined] if joined.strip() else []
    return b"\n".join([*lines[: statement.lineno - 1], *middle, *lines[last:]]).decode()


def _usable(pair: Pair) -> bool:
    asked = len(_WORD.findall(pair.question))
    least = NAME_WORDS if pair.kind in ("name", "heading") else QUESTION_WORDS[0]
    if not least <= asked <= QUESTION_WORDS[1]:
        return False
    return len(_WORD.findall(pair.answer)) >= ANSWER_WORDS
