"""A document of parts, and beside it what it says: the oracle reads that, and no parser takes part. So do pages whose
headings have marks, and files of languages that say above a definition what it does, each in its own way."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xtr_assets_tests.documents import pdf, word
from xtr_assets_tests.presentations import Slide, deck, shape

# The chunks of each document, by its name.
TOLD = "papers.json"
# Lines of a page before its first heading, from 1.
HEAD = ("<!DOCTYPE html>", "<html><head>", '<meta charset="utf-8"></head>', "<body>")


def write_document(folder: Path, name: str, parts: Sequence[tuple[str, str]]) -> None:
    """(heading, text) each: a page in a PDF, a slide in PPTX, a section in DOCX and HTML."""
    path = folder / "guide" / name
    if path.suffix == ".pdf":
        # The one font of the PDF has these letters.
        parts = [(_latin(title), _latin(text)) for title, text in parts]
        path.write_bytes(pdf([f"{title}\n{text}" for title, text in parts]))
        chunks = [_page(number, f"{title}\n{text}") for number, (title, text) in enumerate(parts, 1)]
    elif path.suffix == ".pptx":
        path.write_bytes(deck([Slide(shape(title, place="title") + shape(text)) for title, text in parts]))
        chunks = [_slide(number, *part) for number, part in enumerate(parts, 1)]
    elif path.suffix == ".docx":
        path.write_bytes(word(*(one for title, text in parts for one in ((1, title), text))))
        chunks = [_section(1 + 2 * at, *part) for at, part in enumerate(parts)]
    else:
        body = [line for title, text in parts for line in (f"<h1>{title}</h1>", f"<p>{text}</p>")]
        path.write_text("\n".join([*HEAD, *body]) + "</body></html>", "utf-8")
        chunks = [_section(len(HEAD) + 1 + 2 * at, *part) for at, part in enumerate(parts)]
    tell(folder, name, chunks)


def write_marked(folder: Path, name: str, parts: Sequence[tuple[str, str, str]]) -> None:
    """Sections of Markdown or reStructuredText, (first words, last words, text) each: headings with marks."""
    lines: list[str] = []
    chunks = []
    for number, (first, last, text) in enumerate(parts):
        if name.endswith(".rst"):
            marked, title = (one.format(first, last) for one in _RST[number % len(_RST)])
            own = [marked, "=" * len(marked), "", text]
        else:
            marked, title = (one.format(first, last) for one in _MARKDOWN[number % len(_MARKDOWN)])
            own = [f"# {marked}", "", text]
        section = {"symbol": title, "kind": "section", "lines": [len(lines) + 1, len(lines) + len(own)], "title": title}
        chunks.append({**section, "text": "\n".join(own)})
        lines += [*own, ""]
    (folder / "guide" / name).write_text("\n".join(lines), "utf-8")
    tell(folder, name, chunks)


def write_tongue(folder: Path, name: str, functions: Sequence[tuple[str, str, str]]) -> None:
    """Functions of one of TONGUES, by the suffix: (name, sentence, words of the body) each."""
    form, lines, chunks = TONGUES[Path(name).suffix], list[str](), []
    for function, sentence, words in functions:
        own = form.format(name=function, said=sentence, words=words).split("\n")
        section = {"symbol": function, "kind": "function", "lines": [len(lines) + 1, len(lines) + len(own)]}
        chunks.append({**section, "source": "scripts", "title": "", "text": "\n".join(own)})
        lines += [*own, ""]
    (folder / "scripts" / name).write_text("\n".join(lines), "utf-8")
    tell(folder, name, chunks)


# How a heading is written, and what a reader sees of it.
_MARKDOWN = (
    ("**{}** and `{}`", "{} and {}"),
    ("[{}](https://example.org/target#aside) {} {{#own-id}}", "{} {}"),
    ("*{}* \\* {} [#](#permalink)", "{} * {}"),
    ('<a name="anchor"></a>{} <kbd>{}</kbd>', "{} {}"),
)
_RST = (
    (":mod:`!{}` --- *{}*", "{} --- {}"),
    ("The :ref:`{} <a-target>`, ``{}``", "The {}, {}"),
    ("**{}** and `{} <https://example.org>`_", "{} and {}"),
    (":class:`~package.{}` {}", "{} {}"),
)
# A function with what is said of it.
TONGUES = {
    ".r": "#' {said}\n#'\n#' @export\n{name} <- function(value) {{\n  told <- '{words}'\n  told\n}}",
    ".lua": "--- {said}\n-- @param value any\nfunction {name}(value)\n  return '{words}'\nend",
    ".jl": '"""\n    {name}(value)\n\n{said}\n"""\nfunction {name}(value)\n    return "{words}"\nend',
    ".ps1": "<#\n.SYNOPSIS\n{said}\n#>\nfunction {name} {{\n  return '{words}'\n}}",
    ".go": '// {said}\nfunc {name}(value int) string {{\n\treturn "{words}"\n}}',
    ".rb": "# {said}\ndef {name}(value)\n  '{words}'\nend",
    ".sql": "-- {said}\nCREATE FUNCTION {name}() RETURNS text AS $$ SELECT '{words}' $$ LANGUAGE sql;",
}


def tell(folder: Path, name: str, chunks: Sequence[dict[str, Any]]) -> None:
    told = folder / TOLD
    known = json.loads(told.read_bytes()) if told.exists() else {}
    told.write_text(json.dumps({**known, name: chunks}, ensure_ascii=False), "utf-8")


def forget(folder: Path, name: str) -> None:
    """A file that is there no more says nothing."""
    known = json.loads((folder / TOLD).read_bytes())
    del known[name]
    (folder / TOLD).write_text(json.dumps(known, ensure_ascii=False), "utf-8")


def _page(number: int, text: str) -> dict[str, Any]:
    return {"symbol": f"page {number}", "kind": "page", "lines": [number, number], "title": "", "text": text}


def _slide(number: int, title: str, text: str) -> dict[str, Any]:
    told = f"{title}\n\n{text}"
    return {"symbol": title, "kind": "slide", "lines": [number, number], "title": title, "text": told}


def _section(first: int, title: str, text: str) -> dict[str, Any]:
    """A heading and a paragraph: two places."""
    told = f"{title}\n\n{text}"
    return {"symbol": title, "kind": "section", "lines": [first, first + 1], "title": title, "text": told}


def _latin(text: str) -> str:
    return text.encode("cp1252", "ignore").decode("cp1252")
