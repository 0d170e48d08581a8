"""A second reading of HTML, DOCX, ODT, PPTX, EPUB and PDF: HTML by lexbor and by the raw lines, packages by `zipfile`
and expat (docx_, odt_, pptx_ and epub_evidence.py), PDF by PDFium (pdf_evidence.py). Nothing of what made the rows is
called."""

import html
import importlib.util
import io
import re
import zipfile
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import PurePosixPath

from xtr_assets.pipeline.gate.document_letters import LONG_HEADING, glued, headed, headings_in, parted_at, squeezed
from xtr_assets.pipeline.gate.docx_evidence import paragraphs_of, whole
from xtr_assets.pipeline.gate.epub_evidence import Book, book_of
from xtr_assets.pipeline.gate.odt_evidence import is_encrypted, odt_paragraphs
from xtr_assets.pipeline.gate.page_text import headings_of, nests, page_source_of, spoken
from xtr_assets.pipeline.gate.paragraph_evidence import heading_faults, paragraph_faults
from xtr_assets.pipeline.gate.pdf_evidence import page_faults, pdf_faults
from xtr_assets.pipeline.gate.pptx_evidence import slide_faults, slides_of
from xtr_assets.pipeline.gate.text_evidence import Row, place_id

HTML, DOCX, PPTX, PDF = frozenset({".html", ".htm", ".xhtml"}), ".docx", ".pptx", ".pdf"
ODT, EPUB = ".odt", ".epub"
SUFFIXES = HTML | {DOCX, ODT, PPTX, EPUB, PDF}
# What reads each kind, in the build or here.
_MODULES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(HTML, ("lxml", "selectolax")), **dict.fromkeys((DOCX, ODT, PPTX, EPUB), ("lxml",)),
    PDF: ("pypdf", "pypdfium2"),
    ".xlsx": ("lxml", "python_calamine"),
}  # fmt: skip
# Pages of PDF that are read again in one check, and of one file: 3 to 45 ms each; one of each file is, whatever their
# number. Of the others ids, columns and numbers are compared.
PDF_PAGES, PAGES_OF_FILE = 400, 100
# Sections of one line that are tried at a place, in all: a page of a megabyte on one line has some hundred.
PROBES = 1_000_000
_TAG, _ENTITY = re.compile(r"<[^<>]*>"), re.compile(r"&#?\w+;?")


def kind_of(path: str) -> str:
    """The suffix of a document that this module judges; "" for other files."""
    suffix = PurePosixPath(path).suffix.lower()
    return suffix if suffix in SUFFIXES else ""


def document_faults(path: str, data: bytes, rows: Sequence[Row], pages: int) -> Iterator[str]:
    """Whether the rows say what the document says, in its order and at its places. Of PDF `pages` are read at most."""
    suffix = kind_of(path)
    if suffix == PDF:
        yield from page_faults(path, rows)
        yield from pdf_faults(data, rows, pages)
        return
    if suffix == PPTX:
        yield from slide_faults(path, data, rows)
        return
    sections = _sections(path, rows)
    if suffix == EPUB:
        yield from _epub_faults(data, sections)
        return
    yield from _section_faults(sections)
    if suffix in (DOCX, ODT):
        paragraphs = paragraphs_of(data) if suffix == DOCX else odt_paragraphs(data)
        if paragraphs is None:
            yield "it has rows, and is no document"
        else:
            yield from paragraph_faults([one.text for one in paragraphs], rows, sections)
            yield from heading_faults(paragraphs, sections)
    else:
        yield from _html_faults(data, sections)


def want_faults(path: str, reasons: set[str]) -> Iterator[str]:
    """Whether a document that is in quarantine for want of a library may be there."""
    if "not-installed" in reasons and all(
        importlib.util.find_spec(name) for name in _MODULES[PurePosixPath(path).suffix.lower()]
    ):
        yield "it is in quarantine for want of a library that is installed"


def refusal_faults(path: str, data: bytes, reasons: set[str]) -> Iterator[str]:
    """Whether a document in quarantine may be there: what is said of it is looked at, and no parser is run on what
    is said to reach beyond limits."""
    suffix = kind_of(path)
    if "unparsable" in reasons and suffix == DOCX and paragraphs_of(data) and whole(data):
        yield "it is in quarantine and can be read"
    if "unparsable" in reasons and suffix == ODT and odt_paragraphs(data):
        yield "it is in quarantine and can be read"
    book = book_of(data, squeezed) if suffix == EPUB and reasons & {"unparsable", "no-text"} else None
    if book is not None and book.exact and book.said:
        yield "it is in quarantine and can be read"
    slides = slides_of(data) if suffix == PPTX and reasons & {"unparsable", "no-text"} else None
    if slides and ("no-text" in reasons or whole(data)) and any(squeezed(slide.text) for slide in slides):
        yield "it is in quarantine and can be read"
    if reasons & {"undecodable", "null-bytes"} and page_source_of(data) is not None:
        yield "it is in quarantine and can be read"
    if "unparsable" in reasons and suffix in HTML:
        yield "it is in quarantine, and any text is HTML"
    if "encrypted" in reasons and not _may_be_encrypted(suffix, data):
        yield "it is in quarantine as encrypted, and is not"


def _may_be_encrypted(suffix: str, data: bytes) -> bool:
    if suffix == PDF:
        return b"/Encrypt" in data
    # What a Word document lies in that is encrypted as a whole is no package.
    return is_encrypted(data) or (suffix in (DOCX, PPTX) and not zipfile.is_zipfile(io.BytesIO(data)))


def _sections(path: str, rows: Sequence[Row]) -> dict[tuple[str, int], list[Row]]:
    """Rows by symbol and by which of its sections they say, with their ids, that they lie in (-1: none); by part."""
    by_part: dict[tuple[str, int], list[Row]] = defaultdict(list)
    for row in rows:
        by_part[row["symbol"], row["part"]].append(row)
    found: dict[tuple[str, int], list[Row]] = defaultdict(list)
    reached: dict[str, Sequence[int]] = defaultdict(list)
    for (symbol, part), held in sorted(by_part.items(), key=lambda one: one[0]):
        # A part has one before it, so that few sections are asked for.
        known = range(len(held)) if part == 0 else reached[symbol]
        ids = {place_id(held[0]["source"], path, symbol, number, part): number for number in known}
        reached[symbol] = [ids[row["chunk_id"]] for row in held if row["chunk_id"] in ids]
        for row in held:
            found[symbol, ids.get(row["chunk_id"], -1)].append(row)
    return found


def _section_faults(sections: Mapping[tuple[str, int], Sequence[Row]], unsaid: Set[str] = frozenset()) -> Iterator[str]:
    """Kinds, titles, metadata and ids of chunks under headings; parts of each section count up. `unsaid` are names that
    need not stand in a text."""
    numbers: dict[str, list[int]] = defaultdict(list)
    for (symbol, occurrence), held in sections.items():
        numbers[symbol].append(occurrence)
        for row in held:
            where = f"{symbol!r} part {row['part']}"
            if (row["kind"], row["title"], row["metadata"]) != ("section", symbol, "{}"):
                yield f"{where}: kind {row['kind']!r}, title {row['title']!r}, metadata {row['metadata']}"
            if occurrence < 0:
                yield f"{where}: chunk_id {row['chunk_id']} is another place's"
        if [row["part"] for row in held] != list(range(len(held))):
            yield f"parts {[row['part'] for row in held]} of {symbol!r} do not count up"
        named = headings_in(symbol)[-1] if symbol else ""
        if named not in unsaid and named not in "".join(squeezed(row["text"]) for row in held):
            yield f"the heading {symbol!r} does not stand in its section"
    for symbol, found in numbers.items():
        if sorted(found) != list(range(len(found))):
            yield f"sections {sorted(found)} of {symbol!r} do not count up"


def _html_faults(data: bytes, sections: Mapping[tuple[str, int], Sequence[Row]]) -> Iterator[str]:
    source = page_source_of(data)
    if source is None:
        yield "it is no text, and not in quarantine"
        return
    lines = source.split("\n")
    rows = [row for held in sections.values() for row in held]
    # What two parsers make of a page whose tags do not nest is not the same, and neither is wrong.
    if nests(source):
        yield from _letter_faults(spoken(source), source, rows, sections)
        yield from _unnamed(headings_of(source), sections)
    raw: dict[tuple[int, int], str] = {}
    for row in rows:
        start, end = place = row["start_line"], row["end_line"]
        where = f"{row['symbol']!r} part {row['part']}"
        if not 1 <= start <= end <= len(lines):
            yield f"{where}: lines {start} to {end} of a page of {len(lines)}"
            continue
        # Of a page on one line all rows have the same place.
        if place not in raw:
            # In some tags an entity is what it is written as: both stand there, since a row may hold such a tag.
            written = "\n".join(lines[start - 1 : end])
            raw[place] = squeezed(_ENTITY.sub(lambda found: html.unescape(found[0]) + found[0], written))
        if not _in_order(squeezed(row["text"]), raw[place]):
            yield f"{where}: its text does not stand in lines {start} to {end}"


def _unnamed(headings: Sequence[str], sections: Mapping[tuple[str, int], Sequence[Row]]) -> Iterator[str]:
    """Headings of a page that name no section: whatever stands below them is said to be of another one."""
    named = {name for symbol, _ in sections for name in headings_in(symbol)}
    for heading in headings:
        # Headings are parted by " > ", which may stand in one; a long one is cut.
        text = squeezed(heading)
        if text and ">" not in text and len(heading) <= LONG_HEADING and text not in named:
            yield f"no section is named by the heading {heading.strip()!r}"


def _letter_faults(
    text: str, source: str, rows: Sequence[Row], sections: Mapping[tuple[str, int], Sequence[Row]]
) -> Iterator[str]:
    """Whether the rows are the letters of a page, in its order, and no words of it run together."""
    said = squeezed(text)
    held = "".join(squeezed(row["text"]) for row in rows)
    if Counter(held) != Counter(said):
        yield f"the rows say {len(held)} letters, the page {len(said)} or others"
        return
    # A mark behind a button or picture need not be parted from it.
    between = sorted(at for at in parted_at([text]) if said[at - 1 : at].isalnum() and said[at : at + 1].isalnum())
    moved, joined = _order_faults(said, between, sections)
    if not moved:
        yield from joined
        return
    # lexbor puts text between the rows of a table above it: then its order is not the source's, or the rows' is.
    plain = squeezed(html.unescape(_TAG.sub(" ", source)))
    if _in_order(said, plain) and not ("<table" in source.lower() and _in_order(_by_line(rows), plain)):
        yield from moved


def _by_line(rows: Sequence[Row]) -> str:
    return "".join(squeezed(row["text"]) for row in sorted(rows, key=lambda row: (row["start_line"], row["part"])))


def _in_order(letters: str, among: str) -> bool:
    """Whether the letters stand among others, in this order."""
    at = -1
    for letter in letters:
        at = among.find(letter, at + 1)
        if at < 0:
            return False
    return True


def _order_faults(
    said: str,
    parted: Sequence[int],
    sections: Mapping[tuple[str, int], Sequence[Row]],
    book: Book | None = None,
) -> tuple[list[str], list[str]]:
    """(whether the sections, in order of lines, are the page from end to end, each under headings that stand above;
    whether white space stands in them where it surely does in the page: behind so many letters (`parted`)).

    Sections that begin on one line may come in any order there; of those that say the same it is the one whose headings
    stand nearest above, and the order of their occurrence.
    """
    one: Sequence[Row]
    faults, joined = list[str](), list[str]()
    by_line: dict[int, dict[str, list[Sequence[Row]]]] = defaultdict(lambda: defaultdict(list))
    for _, held in sorted(sections.items(), key=lambda one: one[0][1]):
        by_line[held[0]["start_line"]]["".join(squeezed(row["text"]) for row in held)].append(held)
    at = probes = 0
    for line, waiting in sorted(by_line.items()):
        while waiting:
            lengths = sorted({len(text) for text in waiting}, reverse=True)
            probes += len(lengths)
            if probes > PROBES:
                return faults, joined
            text = next((said[at : at + n] for n in lengths if said[at : at + n] in waiting), None)
            if text is None:
                faults.append(f"what stands after {said[max(0, at - 20) : at]!r} is no section of line {line}")
                return faults, joined
            probes += len(waiting[text])
            end = at + len(text)
            one = max(waiting[text], key=lambda held: _last_above(held[0], said, end))
            if book is not None:
                names = book.names_at(end)
                one = next((held for held in waiting[text] if not any(_misnamed(held[-1], names))), one)
            alone = len(waiting[text]) == 1
            waiting[text].remove(one)
            for row in one:
                start, at = at, at + len(squeezed(row["text"]))
                if alone:  # Of sections with the same letters nobody knows which one stands here.
                    inner = parted[bisect_right(parted, start) : bisect_left(parted, at)]
                    joined += glued({place - start for place in inner}, [row["text"]], said[start:at])
                faults += () if book is None else _chaptered(row, book, start, at)
            if book is None:
                faults += headed(one[-1], said, at)
            elif book.sure:
                faults += _misnamed(one[-1], book.names_at(at))
            if not waiting[text]:
                del waiting[text]
    return faults, joined


def _epub_faults(data: bytes, sections: Mapping[tuple[str, int], Sequence[Row]]) -> Iterator[str]:
    """Whether the rows are the letters of a book, in its order and its chapters, each under its headings."""
    book = book_of(data, squeezed)
    if book is None:
        yield "it has rows, and is no book"
        return
    unsaid = {squeezed(mark.text) for mark in book.marks if not mark.spoken}
    if not book.listed:
        unsaid = {name for symbol, _ in sections for name in headings_in(symbol)}
    yield from _section_faults(sections, unsaid)
    if not book.exact:
        return
    held = "".join(squeezed(row["text"]) for rows in sections.values() for row in rows)
    if Counter(held) != Counter(book.said):
        yield f"the rows say {len(held)} letters, the book {len(book.said)} or others"
        return
    faults, joined = _order_faults(book.said, book.parted, sections, book)
    yield from (*faults, *joined)


def _chaptered(row: Row, book: Book, start: int, end: int) -> Iterator[str]:
    """Whether a row of these letters has the numbers of their chapters. One that was cut has those of its paragraph."""
    first, last = bisect_right(book.ends, start) + 1, bisect_left(book.ends, end) + 1
    if (row["start_line"], row["end_line"]) != (first, last):
        yield f"{row['symbol']!r} part {row['part']} is in chapters {first} to {last}, and not where it says"


def _misnamed(row: Row, names: Sequence[str]) -> Iterator[str]:
    true, said = (squeezed(" ".join(one)).replace(">", "") for one in (names, [row["symbol"]]))
    if true != said and all(len(one) <= LONG_HEADING for one in names):
        yield f"{row['symbol']!r} stands under {' > '.join(names)!r}"


def _last_above(row: Row, said: str, end: int) -> list[int]:
    """Where the headings of a row stand last, from the one above its own up; -1 for one that does not."""
    return [said.rfind(heading, 0, end) for heading in reversed(headings_in(row["symbol"])[:-1])]
