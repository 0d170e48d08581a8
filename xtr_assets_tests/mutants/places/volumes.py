"""Faults between a book (EPUB) or a text of OpenDocument and their sections: order, contents, lists, notes."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from xtr_assets_tests.mutants.fault import FULL, Mutant, Plant, Run, locally, replaced
from xtr_assets_tests.mutants.places.papers import blocks
from xtr_assets_tests.mutants.places.tables import at_home

AGREES = frozenset({"source_agrees"})
PLACE = "books"
EPUB, ODT = "core.chunking.epub_chapters", "core.chunking.odt_body"


def chapters(alter: Callable[[str], str]) -> Plant:
    """The page of each chapter is altered."""
    return at_home(replaced(f"{EPUB}:_page", lambda original: lambda part: alter(original(part))))


def contents(alter: Callable[[dict[str, Any]], dict[str, Any]]) -> Plant:
    """What the table of contents says is altered."""

    def make(original: Any) -> Any:
        return lambda package, folder, items: alter(dict(original(package, folder, items)))

    return at_home(replaced(f"{EPUB}:_contents", make))


def _lasting_fault(found: list[Any]) -> list[Any]:
    return found[:-1]


def _by_name(found: list[Any]) -> list[Any]:
    """The second chapter comes first."""
    other = {1: 2, 2: 1}
    moved = (replace(one, first=other.get(one.first, one.first), last=other.get(one.last, one.last)) for one in found)
    return sorted(moved, key=lambda one: one.first)


def _reversed(found: list[Any]) -> list[Any]:
    last = found[-1].last
    return sorted(
        (replace(one, first=last + 1 - one.first, last=last + 1 - one.last) for one in found), key=lambda one: one.first
    )


def _rolled(found: dict[str, Any]) -> dict[str, Any]:
    names = list(found.values())
    return dict(zip(found, [*names[1:], *names[:1]], strict=True))


def _without_items(found: list[Any]) -> list[Any]:
    return [
        one for at, one in enumerate(found) if one.level or (at and found[at - 1].level) or one.text.startswith("one\t")
    ]


def _glued(found: list[Any]) -> list[Any]:
    return [one if one.level else replace(one, text=one.text.replace(" ", "")) for one in found]


def _some_glued(found: list[Any]) -> list[Any]:
    return [one if one.level else replace(one, text=one.text.replace(" ", "", 1)) for one in found]


def _no_notes(original: Any) -> Any:
    def walked(element: Any, row: Any, beside: bool, notes: Any) -> Iterator[Any]:
        yield from (one for one in original(element, row, beside, notes) if beside or not one[2])

    return walked


def _mutant(
    name: str, plant: Plant, runs: tuple[Run, ...] = FULL, also: frozenset[str] = frozenset(), equivalent: str = ""
) -> Mutant:
    return Mutant(name, PLACE, plant, AGREES | also, runs, files="kinds", equivalent=equivalent)


MUTANTS = (
    _mutant("chapters come in another order", blocks(".epub", _by_name)),
    _mutant("a book is read from its end", blocks(".epub", _reversed)),
    _mutant(
        "the last chapter is lost", blocks(".epub", lambda found: [one for one in found if one.first < found[-1].first])
    ),
    _mutant("the last paragraph of a book is lost", blocks(".epub", _lasting_fault)),
    _mutant(
        "chapters are counted from 0",
        blocks(".epub", lambda found: [replace(one, first=one.first - 1, last=one.last - 1) for one in found]),
    ),
    _mutant(
        "chapters are counted by the contents",
        blocks(".epub", lambda found: [replace(one, first=one.first + 1, last=one.last + 1) for one in found]),
    ),
    _mutant(
        "headings of a book are paragraphs",
        blocks(".epub", lambda found: [replace(one, level=min(one.level, 0)) for one in found]),
    ),
    _mutant("items of lists in a book are lost", blocks(".epub", _without_items)),
    _mutant(
        "letters of a book that are written as numbers are lost", chapters(lambda page: re.sub("&#?\\w+;", "", page))
    ),
    _mutant("what is bold in a book is lost", chapters(lambda page: re.sub("<b>.*?</b>", "", page))),
    _mutant("titles of a book's chapters are its own", chapters(lambda page: page.replace("<h2>", "<h2>The book "))),
    _mutant(
        "headings of a book are all of one level",
        blocks(".epub", lambda found: [replace(one, level=1 if one.level > 0 else one.level) for one in found]),
    ),
    _mutant("the table of contents is not read", contents(lambda _: {})),
    _mutant("chapters stand under the next entry", contents(_rolled)),
    _mutant(
        "entries of the contents have none above",
        contents(lambda found: {key: names[-1:] for key, names in found.items()}),
    ),
    _mutant(
        "entries of the contents are all below the first",
        contents(lambda found: {key: (*next(iter(found.values())), *names[-1:]) for key, names in found.items()}),
    ),
    _mutant(
        "names of the contents are texts",
        blocks(".epub", lambda found: [replace(one, level=abs(one.level)) for one in found]),
    ),
    _mutant("words of a book run together", blocks(".epub", _glued)),
    _mutant("two words of each paragraph of a book run together", blocks(".epub", _some_glued)),
    _mutant("notes are lost", at_home(replaced(f"{ODT}:_walked", _no_notes))),
    _mutant("items of lists in a text are lost", blocks(".odt", _without_items)),
    _mutant(
        "rows of tables are lost",
        blocks(".odt", lambda found: [one for one in found if not one.text.startswith("one\t")]),
    ),
    _mutant(
        "cells of a row run together",
        blocks(".odt", lambda found: [replace(one, text=one.text.replace("\t", "")) for one in found]),
    ),
    _mutant("the last paragraph of a text is lost", blocks(".odt", _lasting_fault)),
    _mutant(
        "paragraphs are counted from 0",
        blocks(".odt", lambda found: [replace(one, first=one.first - 1, last=one.last - 1) for one in found]),
    ),
    _mutant(
        "paragraphs without a text are not counted",
        blocks(".odt", lambda found: [replace(one, first=at, last=at) for at, one in enumerate(found, 1)]),
    ),
    _mutant(
        "headings of a text are paragraphs", blocks(".odt", lambda found: [replace(one, level=0) for one in found])
    ),
    _mutant(
        "headings of a text are all of one level",
        blocks(".odt", lambda found: [replace(one, level=min(one.level, 1)) for one in found]),
    ),
    _mutant(
        "headings of a text are a level too deep",
        blocks(
            ".odt", lambda found: [replace(one, level=one.level + 1 if one.level > 1 else one.level) for one in found]
        ),
        equivalent="the second level is the third, and all stand as they stood",
    ),
    _mutant("spaces that are elements are lost", at_home(locally(ODT, "_MOST_SPACES", lambda _: 0))),
    _mutant("words of a text run together", blocks(".odt", _glued)),
    _mutant("two words of each paragraph of a text run together", blocks(".odt", _some_glued)),
)
