"""The text of a PDF, page by page, by pypdf."""

import io
import logging

from pypdf import PageObject, PdfReader
from pypdf.errors import PyPdfError
from pypdf.generic import ArrayObject, DictionaryObject, PdfObject

from xtr_assets.core.chunking.blocks import Block, DocumentRefused

# A page of text takes 5 to 50 ms; the standard of C++ has 2,100 pages.
MAX_PAGES = 10_000
# Of a page, and of all. A page of small print has 10,000.
MAX_PAGE_CHARS, MAX_CHARS = 2_000_000, 50_000_000
# Adobe's collections of glyphs: a glyph of theirs has a number that is no letter's.
COLLECTIONS = frozenset({"Japan1", "Japan2", "GB1", "CNS1", "Korea1", "KR"})


def pdf_pages(data: bytes) -> list[Block]:
    """A block for each page that says something. Raises DocumentRefused, and what pypdf raises for a hostile file."""
    # It warns of every oddity of every object.
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        return _pages(data)
    except PyPdfError as error:
        detail = f"no PDF that can be read: {error!s:.200}; print it to PDF again"
        raise DocumentRefused("unparsable", detail) from error


def _pages(data: bytes) -> list[Block]:
    reader = PdfReader(io.BytesIO(data))
    # Many are encrypted so that they cannot be printed, with no password to read them.
    if reader.is_encrypted and not reader.decrypt(""):
        raise DocumentRefused("encrypted", "it opens with a password only; save it without one")
    # Counted page by page: what the file says of their number may be anything, and a tree may hold itself.
    found: list[Block] = []
    size = number = 0
    for number, page in enumerate(reader.pages, 1):
        if number > MAX_PAGES:
            raise DocumentRefused("beyond-limits", f"more than {MAX_PAGES:,} pages; split or exclude the file")
        text = _usable(page.extract_text())
        if text.strip() and (collection := _unknown_letters(page)):
            detail = (
                f"page {number} has a font of the collection {collection} without a table of its letters (ToUnicode), "
                "which pypdf reads as other letters; print it to PDF again, or exclude the file"
            )
            raise DocumentRefused("unparsable", detail)
        size += len(text)
        if len(text) > MAX_PAGE_CHARS or size > MAX_CHARS:
            detail = (
                f"page {number} brings it to {size:,} characters, {MAX_PAGE_CHARS:,} of one page and {MAX_CHARS:,} of "
                "all are allowed; split or exclude the file"
            )
            raise DocumentRefused("beyond-limits", detail)
        if text.strip():
            found.append(Block(number, number, 0, text))
    if not found:
        detail = f"no text on its {number} pages: most likely scanned; recognize its text first (ocrmypdf IN OUT)"
        raise DocumentRefused("no-text", detail)
    return found


def _unknown_letters(page: PageObject) -> str:
    """The collection of a font of the page whose numbers of glyphs pypdf takes for letters; "" where there is none."""
    fonts = _entries(_entries(page.get("/Resources")).get("/Font"))
    for font in map(_entries, fonts.values()):
        if "/ToUnicode" in font or font.get("/Encoding") not in ("/Identity-H", "/Identity-V"):
            continue
        below = font.get("/DescendantFonts")
        below = below.get_object() if isinstance(below, PdfObject) else None
        for one in below if isinstance(below, ArrayObject) else []:
            ordering = str(_entries(_entries(one).get("/CIDSystemInfo")).get("/Ordering", ""))
            if ordering in COLLECTIONS:
                return ordering
    return ""


def _entries(value: object) -> DictionaryObject:
    """A dictionary of a PDF, or an empty one where something else stands."""
    found = value.get_object() if isinstance(value, PdfObject) else None
    return found if isinstance(found, DictionaryObject) else DictionaryObject()


def _usable(text: str) -> str:
    """Without null characters and halves of surrogate pairs, which fonts with a wrong table give."""
    return text.replace("\0", "").encode("utf-8", "ignore").decode().strip("\n")
