"""Faults of where texts are cut and what stands above them: chunks too small, headings, definitions, words."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from xtr_assets_tests.mutants.fault import FULL, Mutant, Plant, replaced
from xtr_assets_tests.mutants.places.sources import _settings, each

AGREES = frozenset({"source_agrees"})
PLACE = "spans"


def outline(alter: Callable[[list[Any]], list[Any]]) -> Plant:
    """The headings of a document are others."""

    def make(original: Any) -> Any:
        def found(lines: Any, style: Any) -> Any:
            own = original(lines, style)
            return replace(own, headings=tuple(alter(list(own.headings))))

        return found

    return replaced("core.chunking.text:_outline", make)


def _nested(headings: list[Any]) -> list[Any]:
    return [replace(one, level=level) for level, one in enumerate(headings, 1)]


def _anywhere(_: Any) -> Any:
    return lambda text, most: [text[at : at + most] for at in range(0, len(text), most)]


MUTANTS = (
    Mutant("texts are cut much smaller than max_chars", PLACE, _settings(max_chars=200), AGREES),
    Mutant("no heading ends the one before", PLACE, outline(_nested), AGREES),
    Mutant(
        "headings forget what they stand under",
        PLACE,
        outline(lambda found: [replace(one, level=1) for one in found]),
        AGREES,
    ),
    Mutant(
        "headings below the first level are text",
        PLACE,
        outline(lambda found: [one for one in found if one.level == 1]),
        AGREES,
    ),
    Mutant("no heading is found", PLACE, outline(lambda _: []), AGREES),
    Mutant(
        "a parser of code finds no definition",
        PLACE,
        replaced("core.chunking.code_syntax:definitions", lambda _: lambda _scope, _in_class, _forms=None: iter(())),
        AGREES,
        # Of one file that comes nobody can tell whether it has any: where several do it shows.
        FULL,
    ),
    Mutant(
        "methods stand in the chunk of their class",
        PLACE,
        replaced("core.chunking.python:_Module._separate", lambda _: lambda _self, kind, _node: kind == "module"),
        AGREES,
    ),
    Mutant("records are cut within words", PLACE, replaced("core.chunking.text:split_text", _anywhere), AGREES),
    Mutant("titles are cut after ten letters", PLACE, each(lambda one, _: replace(one, title=one.title[:10])), AGREES),
)
