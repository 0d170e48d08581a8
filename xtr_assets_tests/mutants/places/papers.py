"""Faults between a document (PDF, DOCX, PPTX, HTML) and its chunks: its reader, its pages and places, whose rows they
are."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from xtr_assets.core.types import Chunk, Quarantined
from xtr_assets_tests.mutants.fault import BOTH, FULL, INCREMENTAL, Mutant, Plant, Run, replaced

AGREES = frozenset({"source_agrees"})
PLACE = "documents"
READER = "sources.document_worker:DocumentWorker.read"
SUFFIXES = (".pdf", ".docx", ".pptx", ".html")


def blocks(suffix: str, alter: Callable[[list[Any]], list[Any]]) -> Plant:
    """What the reader of documents makes of a file with this suffix is altered: pages, paragraphs, headings."""

    def make(original: Any) -> Any:
        def read(self: Any, own: str, data: bytes) -> list[Any]:
            found: list[Any] = original(self, own, data)
            return alter(found) if own == suffix else found

        return read

    return replaced(READER, make)


def rows(alter: Callable[[Any, str, list[Any]], list[Any]]) -> Plant:
    """`alter(the source, path, chunks)` of each document."""

    def make(original: Any) -> Any:
        def read(self: Any, path: str) -> Iterator[Any]:
            found = list(original(self, path))
            yield from alter(self, path, found) if path.endswith(SUFFIXES) else found

        return read

    return replaced("sources.base:FileSource.read", make)


def _before(original: Any) -> Any:
    seen: dict[str, list[Any]] = {}

    def read(self: Any, suffix: str, data: bytes) -> list[Any]:
        found: list[Any] = original(self, suffix, data)
        before, seen[suffix] = seen.get(suffix, found), found
        return before

    return read


def _quarantined(_source: Any, path: str, found: list[Any]) -> list[Any]:
    """Each second one is said to be encrypted."""
    if path[0] == "b":
        return [Quarantined("guide", path, 0, "encrypted", "it opens with a password only")]
    return found


def _cut(found: list[Any]) -> list[Any]:
    return [replace(one, text=one.text[: len(one.text) // 2]) for one in found]


def _glued(found: list[Any]) -> list[Any]:
    """No blank, tab or end of a line is left."""
    return [replace(one, text="".join(one.text.split())) for one in found]


def _up(found: list[Any]) -> list[Any]:
    return [replace(one, first=one.first + 1, last=one.last + 1) for one in found]


def _swapped(found: list[Any]) -> list[Any]:
    """Texts of the second and the third page, each on the other's."""
    if len(found) < 3:
        return found
    second, third = found[1], found[2]
    return [found[0], replace(second, text=third.text), replace(third, text=second.text), *found[3:]]


def _untitled(found: list[Any]) -> list[Any]:
    return [replace(one, level=0) for one in found]


def _same_pages(_source: Any, path: str, found: list[Any]) -> list[Any]:
    """Rows of pages keep their ids, and all say that they are of the first page."""
    pages = [one for one in found if isinstance(one, Chunk) and one.kind == "page"]
    return [replace(one, start_line=1, end_line=1) for one in pages] if pages else found


def _mutant(name: str, plant: Plant, runs: tuple[Run, ...] = BOTH, also: frozenset[str] = frozenset()) -> Mutant:
    return Mutant(name, PLACE, plant, AGREES | also, runs, files="papers")


MUTANTS = (
    _mutant("pages of a PDF are cut in half", blocks(".pdf", _cut)),
    _mutant("paragraphs of a DOCX are cut in half", blocks(".docx", _cut)),
    _mutant("texts of a page are cut in half", blocks(".html", _cut)),
    _mutant("words of a DOCX run together", blocks(".docx", _glued), FULL),
    _mutant("words of a presentation run together", blocks(".pptx", _glued), FULL),
    _mutant("words of a page run together", blocks(".html", _glued), FULL),
    _mutant("pages of a PDF are counted from two", blocks(".pdf", _up)),
    _mutant("paragraphs of a DOCX are counted from two", blocks(".docx", _up)),
    _mutant("slides are counted from two", blocks(".pptx", _up)),
    _mutant("lines of a page are one too low", blocks(".html", _up)),
    _mutant("two pages of a PDF change places", blocks(".pdf", _swapped)),
    _mutant("a PDF ends before its last page", blocks(".pdf", lambda found: found[:-1])),
    _mutant("a DOCX ends before its last paragraph", blocks(".docx", lambda found: found[:-1])),
    _mutant("a presentation ends before its last shape", blocks(".pptx", lambda found: found[:-1])),
    _mutant("shapes of a presentation are cut in half", blocks(".pptx", _cut)),
    _mutant("titles of slides are shapes", blocks(".pptx", _untitled)),
    _mutant("headings of a DOCX are paragraphs", blocks(".docx", _untitled)),
    _mutant("headings of a page are paragraphs", blocks(".html", _untitled)),
    _mutant("every page is the first", rows(_same_pages)),
    _mutant(
        "a document says what the one before said",
        replaced(READER, _before),
    ),
    _mutant("documents are skipped", rows(lambda *_: []), also=frozenset({"nothing_vanished"})),
    _mutant("each second document is said to be encrypted", rows(_quarantined), also=frozenset({"nothing_vanished"})),
    _mutant("new documents are skipped", rows(lambda _, path, found: [] if path[0] == "c" else found), INCREMENTAL),
)
