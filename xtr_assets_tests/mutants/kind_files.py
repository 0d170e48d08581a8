"""Configuration, tables, books, markup, components and more languages, and beside each file what it says: the oracle
reads that, and no parser takes part."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from xtr_assets_tests.books import book, heading, note, odt
from xtr_assets_tests.mutants.document_file import forget, tell
from xtr_assets_tests.workbooks import workbook

# (short plain words, as a name; a sentence of so many words)
Name = Callable[[], str]
Said = Callable[[int], str]


@dataclass(frozen=True, slots=True)
class Piece:
    """A chunk of a file of lines: what it is called, its text, what else of it differs from a section's."""

    symbol: str
    text: str
    title: str | None = None
    kind: str = ""


def write_pieces(folder: Path, source: str, name: str, pieces: Sequence[Piece], encoding: str = "utf-8") -> None:
    """Pieces between blank lines; one that begins with no line end of its own follows the one above at once."""
    kind = {"settings": "config", "guide": "section"}.get(source, "")
    text, chunks = "", list[dict[str, Any]]()
    for one in pieces:
        own = one.text.removeprefix("+")
        text += "" if not text else "\n" if own != one.text else "\n\n"
        first = text.count("\n") + 1
        text += own
        title = one.symbol if one.title is None else one.title
        lines = [first, first + own.count("\n")]
        again = sum(other["symbol"] == one.symbol for other in chunks)
        told = {"source": source, "symbol": one.symbol, "occurrence": again, "kind": one.kind or kind, "lines": lines}
        chunks.append({**told, "title": title, "text": own})
    (folder / source).mkdir(exist_ok=True)
    (folder / source / name).write_bytes(f"{text}\n".encode(encoding))
    tell(folder, name, chunks)


def write_settings(folder: Path, suffix: str, name: Name, said: Said, *, first: bool = False) -> None:
    """A file of configuration of each way to read one, or the first of them alone."""
    for file, make in list(_SETTINGS.items())[: 1 if first else None]:
        stem, dot, ending = file.partition(".")
        # What is known by its whole name lies in a folder.
        own = f"at{suffix}/{file}" if file[0].isupper() or ending == "json" else f"{stem}{suffix}{dot}{ending}"
        (folder / "settings" / f"at{suffix}").mkdir(parents=True, exist_ok=True)
        pieces = make(name, said)
        write_pieces(folder, "settings", own, pieces, "iso-8859-1" if ending == "properties" else "utf-8")


def _workflow(name: Name, said: Said) -> list[Piece]:
    jobs = [name() for _ in range(3)]
    first = f"# {said(8)}\nname: {said(3)}\non: push"
    told = [
        f"  # {said(6)}\n  {job}:\n    runs-on: &{job} linux\n    needs: [{jobs[0]}]\n    env: {{A: 1}}\n    steps:\n"
        f"      - uses: actions/checkout\n      - name: {said(4)}\n        run: |\n          echo {said(9)}\n"
        f"          echo {said(9)}\n      - name: {said(5)}\n        on: *{job}\n        run: make {name()}"
        for job in jobs
    ]
    told[0] = "jobs:\n" + told[0]
    return [
        Piece("", first),
        *(
            Piece(f"jobs.{job}", text if at == 0 else f"+{text}")
            for at, (job, text) in enumerate(zip(jobs, told, strict=True))
        ),
    ]


def _values(name: Name, said: Said) -> list[Piece]:
    """Keys inside keys that are too long to lie together, and a list whose items have names."""
    outer, inner, deep = name(), name(), [name() for _ in range(2)]
    limits = [f"      {one}:\n        limit: 3\n        says: {said(22)}\n        asks: {said(22)}" for one in deep]
    rules = [(name(), said(40), said(34)) for _ in range(3)]
    items = [
        f"    - uses: {name()}\n      name: {one}\n      says: {text}\n      more: {more}" for one, text, more in rules
    ]
    return [
        Piece(f"{outer}.{inner}.{deep[0]}", f"{outer}:\n  {inner}:\n{limits[0]}"),
        Piece(f"{outer}.{inner}.{deep[1]}", f"+{limits[1]}"),
        Piece(f"{outer}.rules.{rules[0][0]}", f"+  rules:\n{items[0]}"),
        Piece(f"{outer}.rules.{rules[1][0]}", f"+{items[1]}"),
        Piece(f"{outer}.rules.{rules[2][0]}", f"+{items[2]}"),
    ]


def _cluster(name: Name, said: Said) -> list[Piece]:
    def document(kind: str) -> Piece:
        called = name()
        text = f"---\n# {said(6)}\napiVersion: v1\nkind: {kind}\nmetadata:\n  labels: {{app: x}}\n  name: {called}\n"
        return Piece(f"{kind}/{called}", f"+{text}spec:\n  image: {name()}\n  says: {said(24)}")

    return [document(kind) for kind in ("Deployment", "Service", "Deployment", "Secret")]


def _toml(name: Name, said: Said) -> list[Piece]:
    tables = [name() for _ in range(4)]
    first = f'[project]\nname = "{name()}"\ntext = """\n[no.table]\n{said(12)}\n"""\nlist = [\n  [1],\n  [2],\n]'
    return [
        Piece("project", first),
        *(Piece(f"tool.{one}", f'# {said(8)}\n[tool.{one}]\nsays = "{said(12)}"\nsize = 3') for one in tables),
        *(Piece("tool.items", f'[[tool.items]]\nname = "{name()}"\nsays = "{said(12)}"') for _ in range(2)),
    ]


def _ini(name: Name, said: Said) -> list[Piece]:
    sections = [name() for _ in range(5)]
    return [Piece(one, f"; {said(7)}\n[{one}]\nsays = {said(10)}\n  {said(6)}\nsize = 3") for one in sections]


def _docker(name: Name, said: Said) -> list[Piece]:
    stages = [name() for _ in range(4)]
    return [
        Piece(
            one,
            f"# {said(8)}\nFROM base:{at} AS {one}\nRUN echo {name()} && \\\n    FROM here\n"
            f"COPY <<END /x\nFROM {name()}\n{said(9)}\nEND",
        )
        for at, one in enumerate(stages)
    ]


def _make(name: Name, said: Said) -> list[Piece]:
    targets = [name() for _ in range(5)]
    return [
        Piece("", f"# {said(7)}\nCC := {name()}\nFLAGS = -a:b"),
        *(
            Piece(one, f".PHONY: {one}\n# {said(7)}\n{one}: {targets[0]}\n\t@echo {said(8)}\n\tFLAGS={name()} run")
            for one in targets
        ),
    ]


def _package(name: Name, said: Said) -> list[Piece]:
    groups = ["scripts", "engines", "jest"]
    held = [
        f'  "{one}": {{\n' + ",\n".join(f'    "{name()}": "{said(12)}"' for _ in range(4)) + "\n  }" for one in groups
    ]
    held[-1] = held[-1] + "\n}"
    return [
        Piece("", f'{{\n  "name": "{name()}",\n  "private": true,\n  "version": "1.0.0",'),
        *(Piece(one, f"+{text}" + ("," if one != groups[-1] else "")) for one, text in zip(groups, held, strict=True)),
    ]


def _cmake(name: Name, said: Said) -> list[Piece]:
    functions = [name() for _ in range(4)]
    return [
        Piece("", f'# {said(9)}\nproject({name()})\nset(SAYS "{said(9)}")'),
        *(
            Piece(one, f'# {said(9)}\nfunction({one} value)\n  message("{said(9)}")\nendfunction()')
            for one in functions
        ),
    ]


def _properties(name: Name, said: Said) -> list[Piece]:
    told = "\n\n".join(f"# gr\u00fc\u00dfe {said(6)}\n{name()}.says = \u00e9t\u00e9 {said(9)}" for _ in range(2))
    return [Piece("", told.encode("iso-8859-1", "ignore").decode("iso-8859-1"))]


def _gradle(name: Name, said: Said) -> list[Piece]:
    blocks = [name() for _ in range(4)]
    return [
        Piece(one, f"// {said(8)}\n{one} {{\n    says '{said(9)}'\n    {name()} {{\n        x 3\n    }}\n}}")
        for one in blocks
    ]


_SETTINGS: dict[str, Callable[[Name, Said], list[Piece]]] = {
    "ci.yml": _workflow,
    "values.yaml": _values,
    "cluster.yml": _cluster,
    "project.toml": _toml,
    "setup.cfg": _ini,
    "Dockerfile": _docker,
    "Makefile": _make,
    "package.json": _package,
    "CMakeLists.txt": _cmake,
    "app.properties": _properties,
    "build.gradle": _gradle,
}


def write_markup(folder: Path, suffix: str, name: Name, said: Said) -> None:
    """AsciiDoc, Org and LaTeX: headings of three levels, some without a text of their own, what looks like one and is
    none, and what stands above a heading and belongs to it."""
    for ending, form in _MARKUPS.items():
        top, first, second, third, last = (said(3).rstrip(".") for _ in range(5))
        write_pieces(
            folder,
            "guide",
            f"markup{suffix}{ending}",
            [
                *(Piece("", text) for text in form.above),
                Piece(top, form.head.format(top, said(12))),
                Piece(f"{top} > {first}", form.second.format(first, said(14), name())),
                Piece(f"{top} > {first} > {second}", form.third.format(second, said(14), said(9))),
                Piece(f"{top} > {first} > {third}", form.third.format(third, said(14), said(9))),
                Piece(f"{top} > {last} > {second}", form.bare.format(last, second, said(16))),
            ],
        )


@dataclass(frozen=True, slots=True)
class _Markup:
    head: str
    second: str
    third: str
    bare: str
    above: tuple[str, ...] = ()


_MARKUPS = {
    ".adoc": _Markup(
        "= {0}\nSome Body <some@body.example>\n:toc:\n\n{1}",
        "[#{2}]\n== {0}\n\n{1}\n\n----\n== no heading\n----",
        "// a note of it\n[[x]]\n=== {0}\n\n{1}\n\n* {2}\n* two",
        "== {0}\n\n=== {1}\n\n{2}",
    ),
    ".org": _Markup(
        "* {0}\n{1}",
        "** TODO {0} :tag:\n:PROPERTIES:\n:ID: {2}\n:END:\n{1}\n#+begin_src text\n* no heading\n#+end_src",
        "*** DONE {0}\n{1}\n- {2}\n- two",
        "** {0}\n*** {1}\n{2}",
    ),
    ".tex": _Markup(
        "+\\chapter{{{0}}}\n{1}",
        "% a note of it\n\\section{{{0}}}\n\\label{{{2}}}\n{1}\n\n"
        "\\begin{{verbatim}}\n\\section{{no heading}}\n\\end{{verbatim}}",
        "\\subsection*{{{0}}}\n{1}\n\n\\begin{{itemize}}\n\\item {2}\n\\item two\n\\end{{itemize}}",
        "\\section{{{0}}}\n\\subsection{{{1}}}\n{2}",
        ("\\documentclass{book}\n\\begin{document}",),
    ),
}  # fmt: skip


def write_books(folder: Path, suffix: str, said: Said) -> None:
    """A book of chapters in parts, and a text of paragraphs, lists, notes and a table."""

    def section(symbol: str, places: tuple[int, int], *blocks: str) -> dict[str, Any]:
        place = {"symbol": symbol, "title": symbol, "kind": "section", "lines": list(places)}
        return {**place, "text": "\n\n".join(blocks)}

    parts = [said(3).rstrip(".") for _ in range(2)]
    told = [(said(3).rstrip("."), said(12), said(9), said(4)) for _ in range(4)]
    bodies = [
        f"<h2>{title}</h2><p>{text}</p><ul><li>{item}</li><li>b&#233;ta &amp; <b>{last}</b></li></ul>"
        for title, text, item, last in told
    ]
    contents = [
        (parts[0], 1, [(told[0][0], 1, ()), (told[1][0], 2, ())]),
        (parts[1], 3, [(told[at][0], at + 1, ()) for at in (2, 3)]),
    ]
    chunks = []
    for number, (title, text, item, last) in enumerate(told, 1):
        # The entry of a part names the first of its chapters before that chapter's own does.
        path = title if number in (1, 3) else f"{parts[number > 2]} > {title}"
        chunks.append(section(path, (number, number), title, text, item, f"b\u00e9ta & {last}"))
    data = book(bodies, contents)
    (folder / "guide" / f"book{suffix}.epub").write_bytes(data)
    tell(folder, f"book{suffix}.epub", chunks)

    body, chunks, at = "", [], 0
    for number, (title, text, item, last) in enumerate(told):
        level = 1 + number % 2
        body += heading(level, title)
        body += f"<text:p>{text.replace(' ', '<text:s/>', 1)}{note(last)}</text:p>"
        body += f"<text:list><text:list-item><text:p>{item}</text:p></text:list-item></text:list>"
        body += (
            "<table:table><table:table-row><table:table-cell><text:p>one</text:p></table:table-cell>"
            f"<table:table-cell><text:p>{last}</text:p></table:table-cell></table:table-row></table:table>"
        )
        path = title if level == 1 else f"{told[number - 1][0]} > {title}"
        chunks.append(section(path, (at + 1, at + 6), title, text, last, item, f"one\t{last}"))
        at += 6
    (folder / "guide" / f"letter{suffix}.odt").write_bytes(odt(body))
    tell(folder, f"letter{suffix}.odt", chunks)


TEAMS = ("search", "ingest", "storage", "ui")
COLUMNS = ("_id", "title", "text", "team", "due", "count", "price")


def records_of(stem: str, count: int, said: Said) -> list[dict[str, Any]]:
    """Records as people keep them: texts of several lines, quotes, blanks at the ends, numbers with zeros, dates."""
    found = []
    for number in range(count):
        text = said(14)
        if number % 3 == 1:
            text = f'{text}\n"{said(4)}", {said(5)}'
        told = {"_id": f"{stem}-{number:03d}", "title": said(4).rstrip("."), "text": text, "team": TEAMS[number % 4]}
        found.append(
            {**told, "due": date(2024, 1 + number % 12, 2 + number), "count": number * 7, "price": 2.5 + number}
        )
    # The same text under another id.
    found[-1]["text"] = found[-2]["text"]
    return found


def write_tables(folder: Path, suffix: str, said: Said, count: int = 7) -> None:
    """The same kind of records as CSV, TSV and a workbook with a second sheet, a hidden one, and a gap."""
    (folder / "tables").mkdir(exist_ok=True)
    for ending, mark in ((".csv", ","), (".tsv", "\t")):
        held = records_of(f"{ending[1].upper()}{suffix}", count, said)
        _write_csv(folder, f"table{suffix}{ending}", mark, held)
    _write_xlsx(folder, f"book{suffix}.xlsx", records_of(f"X{suffix}", count, said), said)


def _write_csv(folder: Path, name: str, mark: str, held: Sequence[dict[str, Any]]) -> None:
    file, chunks = io.StringIO(), []
    print(mark.join(COLUMNS), file=file)
    line = 1
    for number, one in enumerate(held):
        cells = {key: str(value) for key, value in one.items()}
        cells["due"] = "03/04/2024" if number % 5 == 2 else cells["due"]
        cells["count"] = f"00{cells['count']}"
        cells["price"] = "NA" if number % 5 == 3 else "" if number % 5 == 4 else f"{cells['price']}0"
        # Signs at the ends of a text are its own, and so is a blank.
        cells["text"] = f" {cells['text']}" if number % 4 == 2 else cells["text"]
        quoted = [
            '"{}"'.format(cell.replace('"', '""')) if any(sign in cell for sign in f'{mark}"\n') else cell
            for cell in cells.values()
        ]
        print(mark.join(quoted), file=file)
        first, line = line + 1, line + 1 + cells["text"].count("\n")
        chunks.append(_record({**cells, "count": int(cells["count"])}, (first, line)))
    (folder / "tables" / name).write_bytes(b"\xef\xbb\xbf" + file.getvalue().encode())
    tell(folder, name, chunks)


def _write_xlsx(folder: Path, name: str, held: Sequence[dict[str, Any]], said: Said) -> None:
    rows: list[list[Any]] = [[said(3)], [], list(COLUMNS)]
    old: list[list[Any]] = [
        list(COLUMNS),
        *([f"OLD-{at}", said(3), said(9), "ui", date(2020, 1, 1), 1, 1.5] for at in range(3)),
    ]
    chunks = []
    for number, one in enumerate(held):
        cells = dict(one)
        if number == 4:
            rows.append([])
        if number % 5 == 3:
            cells["team"] = None
        rows.append(list(cells.values()))
        chunks.append(_record(cells, (len(rows), len(rows))))
    data = workbook({"Old": old, "Notes": [[said(5)], [said(6)]], "Now": rows}, hidden=("Old",))
    (folder / "tables" / name).write_bytes(data)
    tell(folder, name, chunks)


def _record(cells: dict[str, Any], lines: tuple[int, int]) -> dict[str, Any]:
    fields = {key: value.isoformat() if isinstance(value, date) else value or None for key, value in cells.items()}
    metadata = {key: fields[key] if cells[key] != 0 else 0 for key in ("title", "team", "due", "count", "price")}
    place = {"source": "tables", "symbol": cells["_id"], "kind": "record", "lines": list(lines)}
    return {**place, "title": cells["title"], "text": cells["text"], "metadata": metadata}


def write_components(folder: Path, suffix: str, name: Name, said: Said) -> None:
    """Components of one file: script, markup and style; and files of more languages."""
    for ending, form in _COMPONENTS.items():
        functions = [(name(), said(7), said(9)) for _ in range(2)]
        pieces = [Piece(one, text.removesuffix("\n"), "", kind) for one, text, kind in form(functions, said)]
        write_pieces(folder, "scripts", f"part{suffix}{ending}", pieces)
    for ending, told in LANGUAGES.items():
        functions = [(name(), said(7), said(9)) for _ in range(5)]
        texts = [told.format(name=one, said=text, words=words) for one, text, words in functions]
        pieces = [Piece(one, text, "", "function") for (one, _, _), text in zip(functions, texts, strict=True)]
        write_pieces(folder, "scripts", f"more{suffix}{ending}", pieces)


def _function(one: tuple[str, str, str]) -> str:
    return f"/** {one[1]} */\nfunction {one[0]}(value) {{\n  return '{one[2]}'\n}}"


def _vue(functions: Sequence[tuple[str, str, str]], said: Said) -> list[tuple[str, str, str]]:
    first, second = map(_function, functions)
    return [
        ("<template>", f'<template>\n  <p title="{said(5)}">{said(9)}</p>\n</template>', "module"),
        ("<module>", '<script setup lang="ts">', "module"),
        (functions[0][0], f"+{first}", "function"),
        (functions[1][0], f"{second}\n</script>", "function"),
        ("<style>", f"<style scoped>\n.{functions[0][0]} {{ color: red }}\n</style>", "module"),
    ]


def _svelte(functions: Sequence[tuple[str, str, str]], said: Said) -> list[tuple[str, str, str]]:
    first, second = map(_function, functions)
    return [
        ("<module>", '<script context="module">', "module"),
        (functions[0][0], f"+{first}\n</script>", "function"),
        ("<module>", "<script>", "module"),
        (functions[1][0], f"+{second}\n</script>", "function"),
        ("<template>", f"<!-- <style> {said(4)} -->\n<p>{said(9)}</p>", "module"),
        ("<style>", f"<style>\n.{functions[0][0]} {{ color: red }}\n</style>", "module"),
    ]


def _astro(functions: Sequence[tuple[str, str, str]], said: Said) -> list[tuple[str, str, str]]:
    first, second = map(_function, functions)
    return [
        ("<module>", "---", "module"),
        (functions[0][0], f"+{first}", "function"),
        (functions[1][0], f"{second}\n---", "function"),
        ("<template>", f"<h1>{said(6)}</h1>", "module"),
        ("<style>", f"<style>\n.{functions[0][0]} {{ color: red }}\n</style>", "module"),
    ]


_COMPONENTS = {".vue": _vue, ".svelte": _svelte, ".astro": _astro}
# A function with what is said of it.
LANGUAGES = {
    ".hs": "{name} :: Int -> Int\n{name} 0 = 1\n{name} n = n -- {said} {words}",
    ".clj": ';; {said}\n(defn {name}\n  "{said}"\n  [value]\n  "{words}")',
    ".scss": "// {said}\n@mixin {name}($value) {{\n  content: '{words}';\n}}",
    ".vim": "\" {said}\nfunction! {name}(value)\n  return '{words}'\nendfunction",
}


def remove(folder: Path, suffix: str) -> None:
    """A file of each kind goes, and what is told of it."""
    gone = [
        f"settings/ci{suffix}.yml",
        f"tables/table{suffix}.csv",
        f"guide/markup{suffix}.adoc",
        f"guide/book{suffix}.epub",
    ]
    for name in (*gone, f"scripts/part{suffix}.vue"):
        (folder / name).unlink()
        forget(folder, name.partition("/")[2])
