"""Code of other languages: one chunk per function, method, class header and run of code between."""

from collections.abc import Iterator
from typing import Any, ClassVar

from xtr_assets.core.chunking import chunk_code
from xtr_assets.core.chunking.code_grammar import CODE_SUFFIXES, LANGUAGES_VERSION
from xtr_assets.core.chunking.code_parser import Unparsable, require
from xtr_assets.core.types import Chunk, Quarantined
from xtr_assets.sources.base import FileSource
from xtr_assets.sources.installed_version import installed_version
from xtr_assets.sources.place import SourceFile, refuse_pointer
from xtr_assets.sources.text_decoder import declared_encoding, decode


class CodeTree(FileSource):
    """Kind `code`. UTF-8, or UTF-16 with a byte order mark; the language goes by the suffix. ProviderError where the
    parsers are not installed."""

    suffixes: ClassVar[tuple[str, ...]] = CODE_SUFFIXES

    def settings(self) -> dict[str, Any]:
        # Another release of the parsers may find other definitions in the same file. Without patterns no file was read
        # whose language was not known.
        require()
        parsers = [installed_version("tree-sitter"), installed_version("tree-sitter-language-pack")]
        return {"parsers": parsers} | ({"languages": LANGUAGES_VERSION} if self.config.include else {})

    def read_file(self, path: str, file: SourceFile) -> Iterator[Chunk | Quarantined]:
        data = file.read_bytes()
        refuse_pointer(data)
        text = decode(data, declared_encoding(data))
        try:
            yield from chunk_code(self.config.name, path, text, self.config.max_chars)
        except Unparsable as error:
            yield self.refuse(path, error.line, "unparsable", error.detail)
