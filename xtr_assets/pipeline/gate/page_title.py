"""What front matter calls a page, read a second time by its lines: it stands above the paths of the page's sections.

Nothing is parsed. The letters of what stands there must be those of a line that says `title`; where the front matter is
plain and no heading calls the page, it must stand there.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import takewhile

from xtr_assets.pipeline.gate.heading_evidence import CLOSES

_SEPARATOR = " > "
_TITLE = re.compile(r"[\"']?title[\"']?\s*[:=]")
# Front matter that can be nothing else: keys of small letters, and plain words.
_PLAIN_KEY = re.compile(r"[a-z]+: [A-Za-z0-9][A-Za-z0-9 ]*")
_PLAIN_TITLE = re.compile(r"title: (?!(?:null|Null|NULL)$)([A-Za-z][A-Za-z ]*[A-Za-z])")
# Where a table of TOML surely begins, in which a title is another's.
_TABLE = re.compile(r"\[\[?[A-Za-z_.-]+\]\]?")
# What may call a page: a heading of the first level, wherever it stands.
_FIRST_LEVEL = re.compile(r"\s*(?:#(?:\s.*)?|=+\s*)")


def page_faults(lines: Sequence[str], named: Sequence[tuple[str, str]]) -> Iterator[str]:
    """named : the different (symbol, title) of the sections of a Markdown file, but for its front matter's."""
    above = {symbol: _above(symbol, title) for symbol, title in named}
    yield from (f"{symbol!r}: its title is {title!r}" for symbol, title in named if above[symbol] is None)
    pages = sorted({page for page in above.values() if page})
    if len(pages) > 1:
        yield f"its sections stand under {pages[0]!r} and under {pages[1]!r}"
        return
    sure = _surely(lines)
    page = pages[0] if pages else sure
    if not page:
        return
    for symbol, one in above.items():
        if one == "" and symbol != page and not symbol.startswith(f"{page}{_SEPARATOR}"):
            yield f"the page is called {page!r}, and the title of {symbol!r} does not say so"
    told = _told(lines)
    if sure and page != sure:
        yield f"its sections stand under {page!r}, the page is called {sure!r}"
    elif "\\" not in told and _letters(page) not in _letters(told):
        yield f"its sections stand under {page!r}, which its front matter does not say"


def is_plain_front(lines: Sequence[str]) -> bool:
    """Whether a file begins with front matter that can be nothing else."""
    return bool(_plain_keys(lines))


def _plain_keys(lines: Sequence[str]) -> list[str]:
    """The lines between the rules of front matter that can be nothing else; none of what can."""
    keys = list(takewhile(_PLAIN_KEY.fullmatch, lines[1:])) if lines and lines[0] == "---" else []
    return keys if lines[len(keys) + 1 : len(keys) + 2] == ["---"] else []


def _above(symbol: str, title: str) -> str | None:
    """What stands above the path of a section in its title; None where the title does not end in it."""
    if title == symbol:
        return ""
    if not symbol:
        return title
    return title.removesuffix(f"{_SEPARATOR}{symbol}") if title.endswith(f"{_SEPARATOR}{symbol}") else None


def _told(lines: Sequence[str]) -> str:
    """The lines of the front matter from `title` on that may say it."""
    closes = CLOSES.get(lines[0].rstrip(), ())
    front = list(takewhile(lambda line: line.rstrip() not in closes, lines[1:]))
    if lines[0] == "+++":
        front = list(takewhile(lambda line: not _TABLE.fullmatch(line), front))
    at = next((at for at, line in enumerate(front, 1) if _TITLE.match(line)), 0)
    if not at or not closes:
        return ""
    return "".join([lines[at].partition("title")[2], *takewhile(lambda line: line[:1] in (" ", "\t"), lines[at + 1 :])])


def _surely(lines: Sequence[str]) -> str:
    """What the page is called where nothing else can be read; "" where something can."""
    keys = _plain_keys(lines)
    titles = [found[1] for found in map(_PLAIN_TITLE.fullmatch, keys) if found]
    if (
        len(titles) != 1
        or sum(key.startswith("title:") for key in keys) > 1
        or any(map(_FIRST_LEVEL.fullmatch, lines[len(keys) + 1 :]))
    ):
        return ""
    return " ".join(titles[0].split())[:200] if len(titles[0]) <= 200 else ""


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text))
