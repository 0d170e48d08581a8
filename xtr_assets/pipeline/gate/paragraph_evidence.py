"""Whether the rows of a document of paragraphs (DOCX, ODT) are these, each under the headings that it stands under."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

from xtr_assets.pipeline.gate.document_letters import LONG_HEADING, glued, headed, parted_at, squeezed
from xtr_assets.pipeline.gate.docx_headings import Paragraph, headings_above
from xtr_assets.pipeline.gate.text_evidence import Row, runs_of


def paragraph_faults(
    paragraphs: Sequence[str], rows: Sequence[Row], sections: Mapping[tuple[str, int], Sequence[Row]]
) -> Iterator[str]:
    """Whether each paragraph lies in just one place, and the rows of a place say what its paragraphs say."""
    texts = ["", *(squeezed(text) for text in paragraphs)]
    places: dict[tuple[int, int], list[Row]] = defaultdict(list)
    for row in rows:
        places[row["start_line"], row["end_line"]].append(row)
    reached = 0
    for (start, end), held in sorted(places.items()):
        if not reached < start <= end < len(texts):
            yield f"paragraphs {start} to {end} after {reached}, of a document of {len(paragraphs)}"
            continue
        if any(texts[reached + 1 : start]):
            yield f"a paragraph between {reached} and {start} has no row"
        pieces = "".join(squeezed(row["text"]) for row in sorted(held, key=lambda row: int(row["part"])))
        if pieces != "".join(texts[start : end + 1]):
            yield f"the text at paragraphs {start} to {end} is not theirs"
        else:
            said = sorted(held, key=lambda row: int(row["part"]))
            yield from glued(parted_at(paragraphs[start - 1 : end]), [row["text"] for row in said], pieces)
        reached = end
    if any(texts[reached + 1 :]):
        yield f"a paragraph below {reached} has no row"
    if any(len({row["symbol"] for row in run}) > 1 for run in runs_of(rows)):
        yield "parts of one section have several symbols"
    whole, ends = "".join(texts), list(accumulate(len(text) for text in texts))
    for section in sections.values():
        if section[-1]["end_line"] < len(texts):
            yield from headed(section[-1], whole, ends[section[-1]["end_line"]])


def heading_faults(paragraphs: Sequence[Paragraph], sections: Mapping[tuple[str, int], Sequence[Row]]) -> Iterator[str]:
    """Whether each section ends under the headings that it is named by, and none between. A heading without a text of
    its own stands in the section of the one below it, so that the last row tells."""
    above = headings_above(paragraphs)
    for (symbol, _), held in sections.items():
        end = max(row["end_line"] for row in held)
        if not 1 <= end <= len(above) or any(len(one) > LONG_HEADING for one in above[end - 1]):
            continue
        # " > " parts headings, and may stand in one.
        true, said = (squeezed(" ".join(one)).replace(">", "") for one in (above[end - 1], [symbol]))
        if true != said:
            yield f"paragraph {end} stands under {' > '.join(above[end - 1])!r}, its section is called {symbol!r}"
