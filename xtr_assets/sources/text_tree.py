"""Markdown, reStructuredText and plain text trees: sections by headings, paragraphs packed up to max_chars."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from xtr_assets.core.chunking import TextStyle, chunk_text
from xtr_assets.core.types import Chunk, Quarantined
from xtr_assets.sources.base import FileSource
from xtr_assets.sources.text_decoder import Undecodable, declared_encoding, decode

# A suffix that is not here, brought in by an include pattern of its own, is plain text.
_STYLES: dict[str, TextStyle] = {".md": "markdown", ".markdown": "markdown", ".rst": "rst"}


class TextTree(FileSource):
    """Kind `text`. UTF-8, or UTF-16 with a byte order mark."""

    suffixes: ClassVar[tuple[str, ...]] = (".md", ".markdown", ".txt", ".rst")

    def read_file(self, path: str, file: Path) -> Iterator[Chunk | Quarantined]:
        data = file.read_bytes()
        try:
            text = decode(data, declared_encoding(data))
        except Undecodable as error:
            yield self.refuse(path, error.line, error.reason, error.detail)
            return
        style = _STYLES.get(Path(path).suffix.lower(), "plain")
        yield from chunk_text(self.config.name, path, text, self.config.max_chars, style)
