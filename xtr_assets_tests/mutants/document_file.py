"""A document of parts, and beside it what it says: the oracle reads that, and no parser takes part."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xtr_assets_tests.documents import pdf, word

# The chunks of each document, by its name.
TOLD = "papers.json"
# Lines of a page before its first heading, from 1.
HEAD = ("<!DOCTYPE html>", "<html><head>", '<meta charset="utf-8"></head>', "<body>")


def write_document(folder: Path, name: str, parts: Sequence[tuple[str, str]]) -> None:
    """(heading, text) each: a page in a PDF, a section in DOCX and HTML."""
    path = folder / "guide" / name
    if path.suffix == ".pdf":
        # The one font of the PDF has these letters.
        parts = [(_latin(title), _latin(text)) for title, text in parts]
        path.write_bytes(pdf([f"{title}\n{text}" for title, text in parts]))
        chunks = [_page(number, f"{title}\n{text}") for number, (title, text) in enumerate(parts, 1)]
    elif path.suffix == ".docx":
        path.write_bytes(word(*(one for title, text in parts for one in ((1, title), text))))
        chunks = [_section(1 + 2 * at, *part) for at, part in enumerate(parts)]
    else:
        body = [line for title, text in parts for line in (f"<h1>{title}</h1>", f"<p>{text}</p>")]
        path.write_text("\n".join([*HEAD, *body]) + "</body></html>", "utf-8")
        chunks = [_section(len(HEAD) + 1 + 2 * at, *part) for at, part in enumerate(parts)]
    told = folder / TOLD
    known = json.loads(told.read_bytes()) if told.exists() else {}
    told.write_text(json.dumps({**known, name: chunks}, ensure_ascii=False), "utf-8")


def _page(number: int, text: str) -> dict[str, Any]:
    return {"symbol": f"page {number}", "kind": "page", "lines": [number, number], "title": "", "text": text}


def _section(first: int, title: str, text: str) -> dict[str, Any]:
    """A heading and a paragraph: two places."""
    told = f"{title}\n\n{text}"
    return {"symbol": title, "kind": "section", "lines": [first, first + 1], "title": title, "text": told}


def _latin(text: str) -> str:
    return text.encode("cp1252", "ignore").decode("cp1252")
