"""Letters of documents, as two readings of them are compared, and the headings that a section is named by."""

from collections.abc import Iterator

from xtr_assets.pipeline.gate.text_evidence import Row

# Each reader has its own idea of what a control character is; white space goes anyway.
_CONTROLS = dict.fromkeys([*range(9), *range(14, 28), *range(127, 133), *range(134, 160)])
# A longer heading is cut where it names a section.
LONG_HEADING = 150


def squeezed(text: str) -> str:
    """A text without white space and without what a chunk cannot hold."""
    return "".join(text.translate(_CONTROLS).encode("utf-8", "ignore").decode().split())


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
