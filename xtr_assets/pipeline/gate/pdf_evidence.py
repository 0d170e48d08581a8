"""A second reading of PDF by PDFium, which shares no code with the library that made the rows.

Two readers need not agree in the order of columns, in spaces and hyphens, in how a ligature is written. So the letters
of a page are compared, in compatibility form and in any order, and its parts in order where both tell it.
"""

import ctypes
import re
import threading
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from xtr_assets.pipeline.gate.text_evidence import Row, place_id

# Of the letters of a page so many may differ; a page of less than 50 has to be exact. Of 184 pages of 40 files the
# worst differed in 0.5 %, but for those of `_untold` and text that is drawn twice (docs/measurements.md).
DIFFERING = 0.02
_PAGE = re.compile(rb"/Type\s*/Page\b")
# PDFium may not be called by two threads at a time.
_lock = threading.Lock()


def page_faults(path: str, rows: Sequence[Row]) -> Iterator[str]:
    """Columns and ids of pages."""
    pages: dict[int, list[int]] = defaultdict(list)
    for row in rows:
        where = f"page {row['start_line']} part {row['part']}"
        pages[row["start_line"]].append(row["part"])
        columns = (row["kind"], row["symbol"], row["title"], row["metadata"], row["end_line"])
        if columns != ("page", f"page {row['start_line']}", "", "{}", row["start_line"]):
            yield f"{where}: its columns are {columns}"
        if row["chunk_id"] != place_id(row["source"], path, f"page {row['start_line']}", 0, row["part"]):
            yield f"{where}: chunk_id {row['chunk_id']} is another place's"
    for number, parts in pages.items():
        if sorted(parts) != list(range(len(parts))):
            yield f"parts {sorted(parts)} of page {number} do not count up"


def pdf_faults(data: bytes, rows: Sequence[Row], most: int) -> Iterator[str]:
    """Whether the rows of each page say what PDFium reads on it, and a page without rows says nothing. `most` pages are
    read. A file that PDFium does not open is no evidence against its rows: of it columns and ids are known alone."""
    import pypdfium2 as pdfium

    held: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        held[row["start_line"]].append(row)
    with _lock:
        try:
            document = pdfium.PdfDocument(data)
        except pdfium.PdfiumError:
            return
        try:
            count = len(document)
            # A file may say that it has fewer pages than it has, which PDFium believes.
            last = max(count, len(_PAGE.findall(data)))
            if beyond := [number for number in list(held) if not 1 <= number <= last]:
                yield f"page {beyond[0]} of {last}"
            # From end to end in even steps, so that a page lost near the end is met as well.
            for number in range(1, count + 1, max(1, -(-count // max(1, most)))):
                texts = [row["text"] for row in sorted(held[number], key=lambda row: int(row["part"]))]
                if not _says(document, number, texts):
                    yield f"the rows of page {number} do not say what it says"
        finally:
            document.close()


def letters_of(text: str) -> str:
    """A text in compatibility form (of a ligature its letters), without white space, hyphens and controls."""
    return "".join(letter for letter in unicodedata.normalize("NFKC", text) if _drawn(letter))


def _drawn(letter: str) -> bool:
    # One reader leaves out the hyphen at the end of a line, another writes a control or half of a surrogate pair.
    return not letter.isspace() and unicodedata.category(letter) not in ("Pd", "Cc", "Cf", "Cs", "Cn")


def _says(document: Any, number: int, texts: Sequence[str]) -> bool:
    import pypdfium2 as pdfium

    try:
        page = document[number - 1]
        drawn = page.get_textpage()
    except pdfium.PdfiumError:
        return True  # PDFium cannot read it: nothing is known.
    said = letters_of(drawn.get_text_range())
    parts = [letters_of(text) for text in texts]
    held = "".join(parts)
    if said == held:
        return True
    wanted, there = Counter(said), Counter(held)
    # Of text that is drawn twice for bold PDFium tells one, and of text of size 0 nothing: more is no fault where it is
    # of the page's own letters.
    lacking, added = wanted - there, there - wanted
    strange = Counter({letter: n for letter, n in added.items() if n > wanted[letter]})
    if said and max(lacking.total(), strange.total()) > DIFFERING * len(said):
        return bool(held) and _untold(page, drawn)
    return _ascends([said.find(part) for part in parts if len(part) > 1 and said.count(part) == 1])


def _ascends(places: Sequence[int]) -> bool:
    return all(one < other for one, other in pairwise(places))


def _untold(page: Any, drawn: Any) -> bool:
    """Whether a page draws what nobody can tell the letters of (a font without a table of them), or has other words in
    place of what it draws (ActualText): readers differ there, and neither is wrong."""
    import pypdfium2.raw as raw

    if any(raw.FPDFText_HasUnicodeMapError(drawn, place) == 1 for place in range(drawn.count_chars())):
        return True
    return any("ActualText" in _keys(raw, drawing) for drawing in page.get_objects())


def _keys(raw: Any, drawing: Any) -> set[str]:
    """The names of what is said beside a drawing."""
    found = set[str]()
    for number in range(max(0, raw.FPDFPageObj_CountMarks(drawing))):
        mark = raw.FPDFPageObj_GetMark(drawing, number)
        for key in range(max(0, raw.FPDFPageObjMark_CountParams(mark))):
            name, size = (ctypes.c_ushort * 64)(), ctypes.c_ulong()
            if raw.FPDFPageObjMark_GetParamKey(mark, key, name, 128, size):
                found.add(bytes(name)[: max(0, size.value - 2)].decode("utf-16-le", "replace"))
    return found
