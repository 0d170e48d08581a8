"""Faults between components of one file, files of more languages, and their chunks."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from xtr_assets.core.chunking.component import MARKUP, SCRIPT, STYLE, Block, Component
from xtr_assets.core.ids import chunk_id
from xtr_assets_tests.mutants.fault import FULL, Mutant, Plant, Run, locally, replaced
from xtr_assets_tests.mutants.places.settings import rows

AGREES = frozenset({"source_agrees"})
PLACE = "components"
ENDS = (".vue", ".svelte", ".astro")
LANGUAGES = (".hs", ".clj", ".scss", ".vim")


def component(alter: Callable[[Any], Any]) -> Plant:
    """What a component is taken apart into is altered."""

    def make(original: Any) -> Any:
        return lambda text, suffix: alter(original(text, suffix))

    return replaced("core.chunking.component:component", make)


def kinds(change: Callable[[str], str]) -> Callable[[Any], Any]:
    return lambda found: replace(found, blocks=tuple(replace(one, kind=change(one.kind)) for one in found.blocks))


def _joined(found: Any) -> Any:
    """Two blocks side by side are one."""
    first, *rest = found.blocks
    if not rest:
        return found
    place = (first.place[0], rest[0].place[1])
    return replace(found, blocks=(replace(first, place=place), *rest[1:]))


def _nameless(found: list[Any]) -> list[Any]:
    return [replace(one, symbol="", kind="text", title="") for one in found]


def _script(text: str) -> Any:
    return Component((Block((1, text.count("\n") + 1), SCRIPT),), text, ".js")


def _called(one: Any, symbol: str, occurrence: int = 0) -> Any:
    return replace(one, symbol=symbol, chunk_id=chunk_id(one.source, one.path, symbol, occurrence, one.part))


def _called_before(found: list[Any]) -> list[Any]:
    names = [one.symbol for one in found]
    return [_called(one, name) for one, name in zip(found, [*names[-1:], *names[:-1]], strict=True)]


def _paragraphs(found: list[Any]) -> list[Any]:
    """A parser that finds nothing: a file is one module."""
    text = "\n\n".join(one.text for one in found)
    last = found[-1].end_line if found else 0
    return [
        replace(_called(one, "<module>"), kind="module", title="", text=text, start_line=1, end_line=last)
        for one in found[:1]
    ]


def _comments_up(found: list[Any]) -> list[Any]:
    """The first line of each chunk is the last one of the chunk above."""
    told = []
    for at, one in enumerate(found):
        _, _, rest = one.text.partition("\n")
        text, start, end = (rest, one.start_line + 1, one.end_line) if at else (one.text, one.start_line, one.end_line)
        if at + 1 < len(found):
            text, end = f"{text}\n\n{found[at + 1].text.partition(chr(10))[0]}", found[at + 1].start_line
        told.append(replace(one, text=text, start_line=start, end_line=end))
    return told


def _mutant(
    name: str, plant: Plant, runs: tuple[Run, ...] = FULL, also: frozenset[str] = frozenset(), equivalent: str = ""
) -> Mutant:
    return Mutant(name, PLACE, plant, AGREES | also, runs, files="kinds", equivalent=equivalent)


SWAPPED = {MARKUP: STYLE, STYLE: MARKUP}

MUTANTS = (
    _mutant("markup is taken for style", component(kinds(lambda kind: SWAPPED.get(kind, kind)))),
    _mutant("markup is taken for script", component(kinds(lambda kind: SCRIPT if kind == MARKUP else kind))),
    _mutant("style is taken for script", component(kinds(lambda kind: SCRIPT if kind == STYLE else kind))),
    _mutant("script is taken for markup", component(kinds(lambda kind: MARKUP if kind == SCRIPT else kind))),
    _mutant("two blocks of a component are one", component(_joined)),
    _mutant(
        "lines of a script are counted from its own first",
        component(lambda found: replace(found, script=found.script.lstrip("\n"))),
    ),
    _mutant(
        "scripts behind the first are not read",
        component(lambda found: replace(found, script=found.script.split("\n\n\n")[0])),
    ),
    _mutant("the script of a component is not parsed", component(lambda found: replace(found, script="", suffix=""))),
    _mutant("a component has no names", rows(_nameless, *ENDS)),
    _mutant(
        "a component is called by its file",
        rows(
            lambda found: [replace(one, symbol="<script>" if one.symbol[0] != "<" else one.symbol) for one in found],
            *ENDS,
        ),
    ),
    _mutant(
        "components are read as scripts",
        locally("core.chunking.code", "component", lambda _: lambda text, suffix: _script(text)),
    ),
    _mutant("components are skipped", rows(lambda _: [], *ENDS), also=frozenset({"nothing_vanished"})),
    *(
        _mutant(f"files of {suffix} are skipped", rows(lambda _: [], suffix), also=frozenset({"nothing_vanished"}))
        for suffix in LANGUAGES
    ),
    *(_mutant(f"definitions of {suffix} are not found", rows(_paragraphs, suffix)) for suffix in LANGUAGES),
    *(
        _mutant(f"comments of {suffix} go with what stands above", rows(_comments_up, suffix))
        for suffix in (".clj", ".scss", ".vim")
    ),
    *(
        _mutant(f"definitions of {suffix} are called as the one before", rows(_called_before, suffix))
        for suffix in LANGUAGES
    ),
    _mutant(
        "names of more languages are cut",
        rows(lambda found: [_called(one, one.symbol[:-2]) for one in found], *LANGUAGES),
    ),
    _mutant(
        "functions of more languages are classes",
        rows(lambda found: [replace(one, kind="class") for one in found], *LANGUAGES),
    ),
)
