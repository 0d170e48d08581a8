"""Documents of a project: pages for a browser, a word processor, a printer and a notebook, of texts of any language."""

import html
import json
from collections.abc import Sequence
from pathlib import Path

from xtr_assets_tests.documents import pdf, word
from xtr_assets_tests.presentations import Slide, deck, shape

# In the order in which a project writes them.
SUFFIXES = (".html", ".docx", ".pdf", ".ipynb", ".pptx")
# A page of a printed document has so many characters a line.
LINE = 90

# (title, text)
Part = tuple[str, str]


def printable(text: str) -> bool:
    """Whether the one font of `documents.pdf` has all its letters."""
    try:
        text.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True


def write_document(path: Path, parts: Sequence[Part]) -> None:
    """Parts under their titles, in the form that the suffix says; a page each in a PDF."""
    # No document holds control characters.
    told = [(_shown(title), "\n".join(map(_shown, text.split("\n")))) for title, text in parts]
    if path.suffix in (".html", ".htm"):
        body = "\n".join(f"<h2>{html.escape(title)}</h2>\n<p>{html.escape(text)}</p>" for title, text in told)
        page = f'<!DOCTYPE html>\n<html><head><meta charset="utf-8"></head>\n<body>\n{body}\n</body></html>\n'
        path.write_text(page, "utf-8")
    elif path.suffix == ".docx":
        paragraphs: list[str | tuple[int, str]] = []
        for title, text in told:
            paragraphs += [(2, title), *filter(None, (line.strip() for line in text.split("\n")))]
        path.write_bytes(word(*paragraphs))
    elif path.suffix == ".pptx":
        slides = [Slide(shape(title, place="title") + shape(*text.split("\n")), text[:40]) for title, text in told]
        path.write_bytes(deck(slides))
    elif path.suffix == ".ipynb":
        cells = [
            {"cell_type": kind, "source": source}
            for title, text in told
            for kind, source in (("markdown", f"## {title}\n\n{text}"), ("code", f"told = {title!r}"))
        ]
        path.write_text(json.dumps({"nbformat": 4, "cells": cells}, ensure_ascii=False), "utf-8")
    else:
        path.write_bytes(pdf(["\n".join([title, *_lines(text)]) for title, text in told]))


def _shown(text: str) -> str:
    return "".join(one if one.isprintable() else " " for one in text)


def _lines(text: str) -> list[str]:
    return [line[at : at + LINE] for line in text.split("\n") for at in range(0, len(line), LINE)]
