"""Markdown, reStructuredText, plain text and notebooks: sections by headings, paragraphs, cells, up to max_chars."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from xtr_assets.core.chunking import TextStyle, chunk_text
from xtr_assets.core.chunking.notebook import cells_of, chunk_notebook
from xtr_assets.core.json_document import read_json
from xtr_assets.core.types import Chunk, Quarantined
from xtr_assets.sources.base import FileSource
from xtr_assets.sources.text_decoder import declared_encoding, decode

# A suffix that is not here, brought in by an include pattern of its own, is plain text.
_STYLES: dict[str, TextStyle] = {".md": "markdown", ".markdown": "markdown", ".rst": "rst"}


class TextTree(FileSource):
    """Kind `text`. UTF-8, or UTF-16 with a byte order mark."""

    suffixes: ClassVar[tuple[str, ...]] = (".md", ".markdown", ".txt", ".rst", ".ipynb")

    def read_file(self, path: str, file: Path) -> Iterator[Chunk | Quarantined]:
        data = file.read_bytes()
        text = decode(data, declared_encoding(data))
        if Path(path).suffix.lower() == ".ipynb":
            yield from self._notebook(path, text)
            return
        style = _STYLES.get(Path(path).suffix.lower(), "plain")
        yield from chunk_text(self.config.name, path, text, self.config.max_chars, style)

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
