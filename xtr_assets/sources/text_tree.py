"""Markdown, reStructuredText, AsciiDoc, Org, LaTeX, plain text, notebooks, HTML, DOCX, ODT, PPTX, EPUB and PDF:
sections, paragraphs, cells, slides and pages."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from xtr_assets.core.chunking import TextStyle, chunk_text
from xtr_assets.core.chunking.blocks import DocumentRefused, chunk_blocks, chunk_pages, chunk_slides
from xtr_assets.core.chunking.headings import Heading
from xtr_assets.core.chunking.line_spans import normalize_newlines
from xtr_assets.core.chunking.notebook import cells_of, chunk_notebook
from xtr_assets.core.json_document import read_json
from xtr_assets.core.types import Chunk, Quarantined
from xtr_assets.sources.base import FileSource
from xtr_assets.sources.document_worker import LIBRARIES, WORKER, versions
from xtr_assets.sources.installed_version import installed_version
from xtr_assets.sources.place import SourceFile, refuse_pointer
from xtr_assets.sources.text_decoder import declared_encoding, decode, page_encoding

# Of what documents are read to say: 2 reads notes, headers and footers of DOCX, and no PDF whose letters are guessed; 3
# finds the headings of Markdown by other suffixes, and takes a pointer of Git LFS for no text; 4 reads DOCX behind a
# comment inside a text, and none whose parts have a document type; 5 reads DOCX of which nothing but text is whole, and
# categories of charts of several levels; 6 finds the sections of AsciiDoc, Org and LaTeX.
DOCUMENTS_VERSION = 6
# Markdown with JSX (MDX), and with cells of code (Quarto, R Markdown).
MARKDOWN = (".md", ".markdown", ".mdx", ".qmd", ".rmd")
# By suffix, of text with headings. A suffix that is not here, brought in by an include pattern of its own, is plain.
STYLES: dict[str, TextStyle] = {
    **dict.fromkeys(MARKDOWN, "markdown"),
    ".rst": "rst",
    **dict.fromkeys((".adoc", ".asciidoc", ".asc"), "asciidoc"),
    ".org": "org",
    **dict.fromkeys((".tex", ".latex"), "latex"),
}
# What keys and signatures of PGP begin with, whose suffix is that of AsciiDoc, too.
_ARMOR = "-----BEGIN PGP "
# Documents that are no text, and what makes chunks of their blocks.
_BINARY = {
    **dict.fromkeys((".docx", ".odt", ".epub"), chunk_blocks),
    ".pptx": chunk_slides,
    ".pdf": chunk_pages,
}


class TextTree(FileSource):
    """Kind `text`. UTF-8, or UTF-16 with a byte order mark; HTML also in the encoding that it declares."""

    suffixes: ClassVar[tuple[str, ...]] = (*STYLES, ".txt", ".ipynb", *LIBRARIES)

    def settings(self) -> dict[str, Any]:
        # Another release may read another text; and what was refused for want of a library comes up when it is there.
        # That of `regex` does not count: a release a month, which moves cuts within lines longer than a chunk at most.
        return {
            "libraries": versions(),
            "documents": DOCUMENTS_VERSION,
            "markdown": installed_version("markdown-it-py"),
        }

    def read_file(self, path: str, file: SourceFile) -> Iterator[Chunk | Quarantined]:
        data = file.read_bytes()
        refuse_pointer(data)
        suffix = Path(path).suffix.lower()
        if suffix in LIBRARIES:
            yield from self._document(path, suffix, data)
            return
        text = decode(data, declared_encoding(data))
        if suffix == ".ipynb":
            yield from self._notebook(path, text)
            return
        style = STYLES.get(suffix, "plain")
        if suffix == ".asc" and text.startswith(_ARMOR):
            detail = "a key or a signature of PGP, which .asc calls as well as AsciiDoc; exclude the file"
            yield self.refuse(path, 0, "unparsable", detail)
            return
        headings = self._titles(text) if style == "rst" else None
        yield from chunk_text(self.config.name, path, text, self.config.max_chars, style, headings)

    def _titles(self, text: str) -> list[Heading] | None:
        """By docutils; None where it is not installed, or fails: no text is lost then, and line rules find titles."""
        try:
            found = WORKER.read(".rst", normalize_newlines(text).encode())
        except DocumentRefused:
            return None
        return [Heading(one.first, one.last, one.level, one.text) for one in found]

    def _document(self, path: str, suffix: str, data: bytes) -> Iterator[Chunk | Quarantined]:
        name, most = self.config.name, self.config.max_chars
        if suffix not in _BINARY:
            data = normalize_newlines(decode(data, page_encoding(data))).encode()
        try:
            blocks = WORKER.read(suffix, data)
        except DocumentRefused as error:
            yield self.refuse(path, 0, error.reason, error.detail)
            return
        yield from _BINARY.get(suffix, chunk_blocks)(name, path, blocks, most)

    def _notebook(self, path: str, text: str) -> Iterator[Chunk | Quarantined]:
        try:
            cells = cells_of(read_json(text))
            # As an escape JSON may hold what no text file does: lone surrogates and null characters.
            if b"\0" in "".join(cell.text for cell in cells).encode():
                raise ValueError("a null character in a cell")
        except ValueError as error:
            yield self.refuse(path, 0, "unparsable", f"no notebook: {error!s:.200}")
            return
        yield from chunk_notebook(self.config.name, path, cells, self.config.max_chars)
