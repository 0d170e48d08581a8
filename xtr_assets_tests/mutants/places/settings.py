"""Faults between a file of configuration and its chunks: outlines, names by keys, comments, encodings."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from xtr_assets.core.chunking.config_outline import Entry
from xtr_assets.core.types import Chunk
from xtr_assets_tests.mutants.fault import FULL, INCREMENTAL, Mutant, Plant, Run, locally, replaced
from xtr_assets_tests.mutants.places.sources import Item

AGREES = frozenset({"source_agrees"})
PLACE = "settings"
COVER = "core.chunking.config:_Cover"


def rows(alter: Callable[[list[Chunk]], list[Chunk]], *ends: str) -> Plant:
    """The chunks of each file with one of these ends, or of any file of configuration, are altered."""

    def make(original: Any) -> Any:
        def read(self: Any, path: str) -> Iterator[Item]:
            found = list(original(self, path))
            mine = path.endswith(ends) if ends else self.config.kind == "config"
            yield from alter(found) if mine else found

        return read

    return replaced("sources.base:FileSource.read", make)


def outline(style: str, alter: Callable[[list[Entry], list[str]], list[Entry] | None]) -> Plant:
    """What one style of configuration is read as is altered: `alter(entries, lines)`."""

    def make(original: Any) -> Any:
        def read(lines: list[str]) -> list[Entry] | None:
            found = original[style](lines)
            return None if found is None else alter(found, lines)

        return {**original, style: read}

    return locally("core.chunking.config", "_OUTLINES", make)


def lines_read(style: str, alter: Callable[[list[str]], list[str]]) -> Plant:
    """The lines that one style is outlined by are altered; the text of chunks is as it stands."""

    def make(original: Any) -> Any:
        return {**original, style: lambda lines: original[style](alter(lines))}

    return locally("core.chunking.config", "_OUTLINES", make)


def pieces(alter: Callable[[list[Any]], list[Any]]) -> Plant:
    """(symbol, lines) of the pieces of a file, as the outermost call gives them."""

    def make(original: Any) -> Any:
        def cut(self: Any, symbol: str, entries: Any, place: Any, depth: int) -> Iterator[Any]:
            found = list(original(self, symbol, entries, place, depth))
            yield from alter(found) if depth == 0 else found

        return cut

    return replaced(f"{COVER}.pieces", make)


def _walked(entries: list[Entry], act: Callable[[list[Entry]], None]) -> list[Entry]:
    act(entries)
    for one in entries:
        _walked(one.children, act)
    return entries


def _renamed(alter: Callable[[str], str]) -> Callable[[list[Entry], Any], list[Entry]]:
    def act(entries: list[Entry]) -> None:
        for one in entries:
            one.name = alter(one.name)

    return lambda entries, _: _walked(entries, act)


def _rolled(entries: list[Entry], _: Any) -> list[Entry]:
    """Each is called as the one before is."""

    def act(held: list[Entry]) -> None:
        names = [one.name for one in held]
        for one, name in zip(held[1:], names, strict=False):
            one.name = name

    return _walked(entries, act)


def _flat(entries: list[Entry], _: Any) -> list[Entry]:
    return [replace(one, children=[]) for one in entries]


def _shallow(entries: list[Entry], _: Any) -> list[Entry]:
    """Nothing stands apart."""

    def act(held: list[Entry]) -> None:
        for one in held:
            one.apart = False

    return _walked(entries, act)


def _as_uses(original: Any) -> Any:
    def item_name(item: Entry) -> str:
        keys = {one.name: one for one in item.children}
        return keys["uses"].value if "uses" in keys else original(item)

    return item_name


def _first_kind(original: Any) -> Any:
    seen: list[str] = []

    def document(root: Entry, start: int) -> Entry:
        found: Entry = original(root, start)
        seen.append(found.name)
        found.name = seen[0]
        return found

    return document


def _kind_alone(original: Any) -> Any:
    def document(root: Entry, start: int) -> Entry:
        found: Entry = original(root, start)
        found.name = found.name.partition("/")[0]
        return found

    return document


def _above_lost(found: list[Chunk]) -> list[Chunk]:
    """Comments above an entry are cut away."""

    def cut(one: Chunk) -> Chunk:
        lines = one.text.split("\n")
        count = next((at for at, line in enumerate(lines) if not line.lstrip().startswith(("#", ";", "//"))), 0)
        return replace(one, text="\n".join(lines[count:]), start_line=one.start_line + count)

    return [cut(one) for one in found]


def _joined_backwards(original: Any) -> Any:
    return lambda symbol, name: original(name, symbol)


def _decoded(alter: Callable[[str], str]) -> Plant:
    """Of files of configuration alone."""
    return locally(
        "sources.config_tree", "decode", lambda original: lambda data, encoding: alter(original(data, encoding))
    )


def _latin(encoding: str, errors: str) -> Plant:
    def make(_: Any) -> Any:
        return lambda data, _encoding: data.decode(encoding, errors)

    return locally("sources.config_tree", "decode", make)


def _unfenced(lines: list[str]) -> list[str]:
    """Quotes of several lines are none."""
    return [line.replace('"""', '""') for line in lines]


def _last_document(entries: list[Entry], _: Any) -> list[Entry]:
    return entries[:1] if entries and entries[0].first == 1 and "/" in entries[0].name else entries


def _up(found: list[Any]) -> list[Any]:
    return [(symbol, (first + 1 if last > first else first, last)) for symbol, (first, last) in found]


def _shifted(found: list[Any]) -> list[Any]:
    """Each begins a line too late, and the one above it ends a line too late."""
    starts = [place[0] + (at > 0 and place[1] > place[0]) for at, (_, place) in enumerate(found)]
    ends = [*(start - 1 for start in starts[1:]), found[-1][1][1]] if found else []
    kept = [place[1] if place[1] < ends[at] - 1 else ends[at] for at, (_, place) in enumerate(found)]
    return [(symbol, (first, last)) for (symbol, _), first, last in zip(found, starts, kept, strict=True)]


def _named_by_first(original: Any) -> Any:
    def together(self: Any, symbol: str, held: Any, first: int) -> Any:
        called, place = original(self, symbol, held, first)
        return called or held[0][0].name, place

    return together


def _merged(found: list[Any]) -> list[Any]:
    """Two and two are one."""
    pairs = [found[at : at + 2] for at in range(0, len(found), 2)]
    return [(pair[0][0], (pair[0][1][0], pair[-1][1][1])) for pair in pairs]


def scanned(alter: Callable[[dict[str, Any], Any], dict[str, Any]], *kinds: str) -> Plant:
    """`alter(files now, files known)` of the sources of some kinds."""

    def make(original: Any) -> Any:
        def scan(self: Any, shard: str, known: Any) -> dict[str, Any]:
            found: dict[str, Any] = original(self, shard, known)
            return alter(found, known) if self.config.kind in kinds else found

        return scan

    return replaced("sources.base:FileSource.scan", make)


def _mutant(
    name: str, plant: Plant, runs: tuple[Run, ...] = FULL, also: frozenset[str] = frozenset(), equivalent: str = ""
) -> Mutant:
    return Mutant(name, PLACE, plant, AGREES | also, runs, files="kinds", equivalent=equivalent)


MUTANTS = (
    _mutant("pieces begin a line too late", pieces(_shifted)),
    _mutant("the first line of a piece is lost", pieces(_up)),
    _mutant("the last piece of a file is lost", pieces(lambda found: found[:-1] or found)),
    _mutant("two pieces are one", pieces(_merged)),
    _mutant(
        "comments go with what stands above", replaced(f"{COVER}._above", lambda _: lambda self, first, least: first)
    ),
    _mutant("comments above an entry are lost", rows(_above_lost)),
    _mutant(
        "the outer keys are lost",
        replaced("core.chunking.config:_joined", lambda _: lambda symbol, name: name or symbol),
    ),
    _mutant(
        "an entry's own key is lost",
        replaced("core.chunking.config:_joined", lambda _: lambda symbol, name: symbol or name),
    ),
    _mutant("keys are joined from the inner one", replaced("core.chunking.config:_joined", _joined_backwards)),
    *(
        _mutant(f"keys of {style} are those of the one before", outline(style, _rolled))
        for style in ("yaml", "toml", "ini", "docker", "make", "json", "cmake", "braces")
    ),
    *(
        _mutant(f"entries of {style} have no names", outline(style, _renamed(lambda _: "")))
        for style in ("yaml", "toml", "ini", "docker", "make", "json", "cmake", "braces")
    ),
    _mutant("what is inside of a key is not looked into", outline("yaml", _flat)),
    _mutant("nothing stands apart", outline("yaml", _shallow)),
    _mutant("a document of YAML is one text", outline("yaml", lambda *_: None)),
    _mutant("documents behind the first are not found", outline("yaml", _last_document)),
    _mutant("all documents are called as the first", replaced("core.chunking.config_trees:_document", _first_kind)),
    _mutant("documents are called by their kind alone", replaced("core.chunking.config_trees:_document", _kind_alone)),
    _mutant("items are called by what they use", replaced("core.chunking.config_outline:_item_name", _as_uses)),
    _mutant(
        "items of lists have no names", replaced("core.chunking.config_outline:_item_name", lambda _: lambda item: "")
    ),
    _mutant("names are cut", outline("yaml", _renamed(lambda name: name[:6]))),
    _mutant("names are written in small letters", outline("yaml", _renamed(str.lower))),
    _mutant("names of tables keep their last part", outline("toml", _renamed(lambda name: name.rpartition(".")[2]))),
    _mutant("tables within a text are tables", lines_read("toml", _unfenced)),
    _mutant(
        "lists of tables are no tables", lines_read("toml", lambda lines: [line.replace("[[", "= [") for line in lines])
    ),
    _mutant(
        "stages are called by their image",
        lines_read("docker", lambda lines: [re.sub(" AS .*", "", line) for line in lines]),
    ),
    _mutant(
        "what goes on behind a backslash begins anew",
        lines_read("docker", lambda lines: [line.rstrip("\\") for line in lines]),
    ),
    _mutant(
        "a document within a Dockerfile is instructions",
        lines_read("docker", lambda lines: [line.replace("<<", "") for line in lines]),
    ),
    _mutant(
        "variables of a makefile are targets",
        lines_read("make", lambda lines: [line.replace(":=", ": ") for line in lines]),
    ),
    _mutant(
        "recipes of a makefile are targets",
        lines_read("make", lambda lines: [line.removeprefix("\t") for line in lines]),
    ),
    _mutant(
        "functions of CMake go on to the next",
        lines_read("cmake", lambda lines: [line.replace("endfunction", "end") for line in lines]),
    ),
    _mutant("Latin-1 is read as Windows-1251", _latin("cp1251", "replace")),
    _mutant("Latin-1 is read as UTF-8", _latin("utf-8", "ignore")),
    _mutant("tabs become blanks", _decoded(lambda text: text.replace("\t", "    "))),
    _mutant(
        "blanks at the ends of lines are lost",
        _decoded(lambda text: re.sub(" +\n", "\n", text)),
        equivalent="no line has any",
    ),
    _mutant(
        "ids are those of files alone", rows(lambda found: [replace(one, chunk_id=one.chunk_id ^ 2) for one in found])
    ),
    _mutant(
        "titles are the last key alone",
        rows(lambda found: [replace(one, title=one.title.rpartition(".")[2]) for one in found]),
    ),
    _mutant("the kind of configuration is text", rows(lambda found: [replace(one, kind="text") for one in found])),
    _mutant(
        "configuration and tables that are deleted stay",
        scanned(lambda found, known: {**known, **found}, "config", "records"),
        INCREMENTAL,
    ),
    _mutant(
        "configuration and tables that changed are taken for what they were",
        scanned(
            lambda found, known: {**found, **{path: known[path] for path in found if path in known}},
            "config",
            "records",
        ),
        INCREMENTAL,
    ),
    _mutant(
        "new configuration and tables are not seen",
        scanned(
            lambda found, known: {path: found[path] for path in found if not known or path in known},
            "config",
            "records",
        ),
        INCREMENTAL,
        also=frozenset({"nothing_vanished"}),
    ),
)
