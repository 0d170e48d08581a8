"""Letters of documents, as two readings of them are compared, and the headings that a section is named by."""

from collections.abc import Iterable, Iterator, Set

from xtr_assets.pipeline.gate.text_evidence import Row

# Each reader has its own idea of what a control character is; white space goes anyway.
_CONTROLS = dict.fromkeys([*range(9), *range(14, 28), *range(127, 133), *range(134, 160)])
# A longer heading is cut where it names a section.
LONG_HEADING = 150


def squeezed(text: str) -> str:
    """A text without white space and without what a chunk cannot hold."""
    return "".join(squeezed_words(text))


def parted_at(pieces: Iterable[str]) -> set[int]:
    """Behind how many letters white space stands, in pieces that are each parted from the next.

    >>> sorted(parted_at(["Tie two", "ropes"]))
    [3, 6, 11]
    """
    found: set[int] = set()
    at = 0
    for piece in pieces:
        for word in squeezed_words(piece):
            at += len(word)
            found.add(at)
    return found


def squeezed_words(text: str) -> list[str]:
    """The words of a text, without what a chunk cannot hold."""
    return text.translate(_CONTROLS).encode("utf-8", "ignore").decode().split()


def glued(sure: Set[int], rows: Iterable[str], said: str) -> Iterator[str]:
    """Whether words run together in rows that say these letters: white space that surely stands there is lost."""
    if lost := sorted(sure - parted_at(rows)):
        where = said[max(0, lost[0] - 20) : lost[0] + 20]
        yield f"words run together at {len(lost)} places, the first: {where!r}"


def headings_in(symbol: str) -> list[str]:
    return [squeezed(heading) for heading in symbol.split(" > ") if heading]


def headed(row: Row, said: str, end: int) -> Iterator[str]:
    """Whether the headings of the last row of a section stand at or above its end, in their order: of headings without
    a text of their own, the first ones may fill a row."""
    if any(len(heading) > LONG_HEADING for heading in row["symbol"].split(" > ")):
        return  # Longer than a chunk may be: its parts end within it, or before it.
    at = 0
    for heading in headings_in(row["symbol"]):
        at = said.find(heading, at, end)
        if at < 0:
            yield f"no heading {row['symbol']!r} stands at or above place {row['end_line']}"
            return
        at += len(heading)
