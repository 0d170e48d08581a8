"""What people see (standard error) and what programs read (standard output); rich is imported when it is needed."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

# Wide enough for a place, a symbol and some text beside them; what is no terminal has no width of its own.
PLAIN_WIDTH = 120
# Embeddings, overrides and isolates of bidirectional text: after one of them a name reads as another one.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def emit(document: Any) -> None:
    """One JSON document and a line end on standard output, in escapes where its encoding lacks a character."""
    written = json.dumps(document, ensure_ascii=False, allow_nan=False)
    try:
        written.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        # Latin-1 and ASCII terminals, and half characters of file names that are no UTF-8.
        written = json.dumps(document, allow_nan=False)
    sys.stdout.write(written + "\n")
    sys.stdout.flush()


def console() -> "Console":
    """Standard error as rich sees it. Names of files and texts are anybody's: what would steer the terminal in them is
    shown as an escape."""
    harmless = _console_class()
    probe = harmless(stderr=True)
    return probe if probe.is_terminal else harmless(stderr=True, width=PLAIN_WIDTH)


@lru_cache(maxsize=1)
def _console_class() -> "type[Console]":
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

    class Harmless(Console):
        def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
            for text, style, control in super().render(renderable, options):
                yield Segment(text if control else escaped(text), style, control)

    return Harmless


def escaped(text: str) -> str:
    """A text without what steers a terminal: controls, and marks that turn the direction of what follows.

    >>> print(escaped(chr(27) + "[31m red " + chr(0x202E) + "txt"))
    \\x1b[31m red \\u202etxt
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(letter) if _steers(letter) else letter for letter in text)


def one_line(text: str) -> str:
    """The same for a name, which may hold line ends: they would break the row of a table.

    >>> print(one_line("two" + chr(10) + "lines"))
    two\\nlines
    """
    return "".join(_escape(letter) if letter in "\n\t" else letter for letter in escaped(text))


def _steers(letter: str) -> bool:
    return (letter < " " and letter not in "\n\t") or "\x7f" <= letter <= "\x9f" or letter in _TURNING


def _escape(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")


def say(message: str) -> None:
    """One line to people; rich markup allowed: names, paths and texts of anybody go through `literal`."""
    console().print(message, highlight=False, soft_wrap=True)


def literal(text: str) -> str:
    """A text as markup that shows it as it is: `app/[id]/page.tsx` has a tag in it otherwise, which is swallowed."""
    from rich.markup import escape

    return escape(text)


def note(message: str) -> None:
    """One line to people as it is: paths and patterns may hold brackets."""
    console().print(message, highlight=False, soft_wrap=True, markup=False)


def table(
    title: str | None, columns: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[str] = ()
) -> "Table":
    """A table of plain text; `right` names the columns of numbers."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    titled = None if title is None else Text(title)
    made = Table(
        title=titled,
        box=SIMPLE_HEAD,
        title_justify="left",
        title_style="bold",
        pad_edge=False,
    )
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*(Text(one_line(cell)) for cell in row))
    return made


def plain(text: str) -> str:
    """A text of strangers on one line: what would move a terminal's cursor or colour it is a `?`.

    >>> plain("red \\x1b[31m\\nalert")
    'red ?[31m?alert'
    """
    return "".join(one if one.isprintable() else "?" for one in text)


def size(count: int) -> str:
    """Bytes for people.

    >>> size(2_340_000)
    '2.3 MB'
    """
    from rich.filesize import decimal

    return decimal(count)


def pairs(values: Mapping[str, Any]) -> str:
    """`key value, key value` of a flat mapping.

    >>> pairs({"dense": 0.61234, "recipe": "Flat"})
    'dense 0.612, recipe Flat'
    """
    return ", ".join(
        f"{key} {value:.3f}" if isinstance(value, float) else f"{key} {value}" for key, value in values.items()
    )
