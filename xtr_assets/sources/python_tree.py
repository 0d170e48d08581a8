"""Python source trees: one chunk per function, method, class header and run of module code."""

import io
import sys
import tokenize
from collections.abc import Iterator
from typing import Any, ClassVar

from xtr_assets.core.chunking import chunk_python
from xtr_assets.core.types import Chunk, Quarantined
from xtr_assets.sources.base import FileSource
from xtr_assets.sources.place import SourceFile
from xtr_assets.sources.text_decoder import Undecodable, decode


class PythonTree(FileSource):
    """Kind `python`. Encodings are those that the files declare (PEP 263, byte order mark), else UTF-8."""

    suffixes: ClassVar[tuple[str, ...]] = (".py",)

    def settings(self) -> dict[str, Any]:
        # The parser is the running Python's: a file that an older one refused must come up again under a newer one.
        return {"python": list(sys.version_info[:2])}

    def read_file(self, path: str, file: SourceFile) -> Iterator[Chunk | Quarantined]:
        data = file.read_bytes()
        text = _decode_source(data)
        try:
            yield from chunk_python(self.config.name, path, text, self.config.max_chars)
        except SyntaxError as error:
            yield self.refuse(path, error.lineno or 0, "unparsable", error.msg)
        except (ValueError, RecursionError, MemoryError) as error:
            detail = f"too deeply nested for Python's parser ({type(error).__name__}: {error})"
            yield self.refuse(path, 0, "unparsable", detail)


def _decode_source(data: bytes) -> str:
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    except SyntaxError as error:
        raise Undecodable("undecodable", 1, error.msg) from error
    return decode(data, encoding)
