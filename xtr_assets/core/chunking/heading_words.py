"""The words of a heading that a reader sees: without marks of Markdown or reStructuredText, and targets of links."""

import re
from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

# A title has 200 characters. Of a heading no more is parsed: what is longer is a paragraph that a rule underlines.
MOST_PARSED = 2000

# `{#id}`, `{.unnumbered}`, `{: .class}` and `{-}` behind a heading name it to a renderer.
_ATTRIBUTES = re.compile(r"\s*\{(?:[#:][^{}]*|\.[A-Za-z][^{}]*|-)\}\s*$")
_WORD = re.compile(r"\w")


def markdown_words(text: str, parser: MarkdownIt, references: Any) -> str:
    """What stands in a heading of Markdown, `references` being those of its document.

    >>> parser = MarkdownIt("commonmark")
    >>> markdown_words('<a name="x"></a>**Install** [`xa`](https://a.b) {#setup}', parser, {})
    'Install xa'
    """
    plain = text[:MOST_PARSED]
    while len(shorter := _ATTRIBUTES.sub("", plain)) < len(plain):
        plain = shorter
    if plain.isalnum():
        return plain
    parsed: list[Token] = []
    parser.inline.parse(plain.strip(), parser, references, parsed)
    words = _seen(parsed)
    # A badge says nothing beside words; alone it is the heading.
    return words if _WORD.search(words) else _seen(parsed, pictures=True)


def _seen(tokens: Sequence[Token], *, pictures: bool = False) -> str:
    said: list[str] = []
    opened: list[tuple[int, str]] = []
    for token in tokens:
        if token.type == "link_open":
            opened.append((len(said), str(token.attrGet("href") or "")))
        elif token.type == "link_close" and opened:
            start, target = opened.pop()
            # `[#](#install)`, `[¶](#install)`: a sign to click, on the heading itself.
            if target.startswith("#") and not _WORD.search("".join(said[start:])):
                del said[start:]
        elif token.type in ("softbreak", "hardbreak"):
            said.append(" ")
        elif token.type == "html_inline":
            said.append(" " if token.content[:3].lower() == "<br" else "")
        elif token.type == "image":
            said.append(_seen(token.children or [], pictures=pictures) if pictures else "")
        else:
            said.append(token.content)
    return "".join(said).strip()


# Marks begin behind white space or one of these, and end before white space or punctuation.
_BEFORE, _AFTER = r"(?<![^\s'\"(\[{</:-])", r"(?![^\s'\")\]}>/:.,;!?\\-])"
_LITERAL = re.compile(rf"{_BEFORE}``(?=\S)(.+?)(?<=\S)``{_AFTER}")
_INTERPRETED = re.compile(rf"{_BEFORE}_?(:[\w.+:-]+:)?`(?=\S)([^`]+?)(?<=\S)`(:[\w.+:-]+:(?!`))?_{{0,2}}{_AFTER}")
_TARGET = re.compile(r"(.*\S)\s*<[^<>]*>", re.DOTALL)
_STRONG = re.compile(rf"{_BEFORE}\*\*(?=[^\s*])(.+?)(?<=[^\s\\])\*\*{_AFTER}")
_EMPHASIS = re.compile(rf"{_BEFORE}\*(?=[^\s*])([^*]+?)(?<=[^\s\\])\*{_AFTER}")
_SUBSTITUTED = re.compile(rf"{_BEFORE}\|(?=\S)([^|]+?)(?<=\S)\|_{{0,2}}{_AFTER}")
_NOTE = re.compile(rf"\s*{_BEFORE}\[(?:\d+|[#*][\w-]*)\]_{_AFTER}")
_NAMED = re.compile(rf"{_BEFORE}((?:[^\W_]|(?<=[^\W_])[.+:_-](?=[^\W_]))+)__?{_AFTER}")
_ESCAPED = re.compile(r"\\(?:\s|(\S))")


def rst_words(text: str) -> str:
    r"""What stands in a title of reStructuredText.

    >>> rst_words(":mod:`!asyncio` --- *Asynchronous* ``I/O``"), rst_words("The :ref:`tutorial <tut-intro>`, `here`_")
    ('asyncio --- Asynchronous I/O', 'The tutorial, here')
    """
    literals: list[str] = []

    def kept(literal: str) -> str:
        literals.append(literal)
        return f"\0{len(literals) - 1}\0"

    plain = _LITERAL.sub(lambda found: kept(found.group(1)), text[:MOST_PARSED].replace("\0", ""))
    plain = _INTERPRETED.sub(lambda found: kept(_shown(found.group(2), bool(found.group(1) or found.group(3)))), plain)
    plain = _NOTE.sub("", plain)
    for mark in (_STRONG, _EMPHASIS, _SUBSTITUTED, _NAMED):
        plain = mark.sub(r"\1", plain)
    plain = _ESCAPED.sub(lambda found: found.group(1) or "", plain)
    return re.sub("\0(\\d+)\0", lambda found: literals[int(found.group(1))], plain)


def _shown(content: str, role: bool) -> str:
    titled = _TARGET.fullmatch(content)
    if titled is not None:
        return titled.group(1)
    if role and content[:1] == "~":
        return content[1:].rpartition(".")[2]
    return content[1:] if role and content[:1] == "!" else content
