"""Python, other code, configuration and text in one source, as a project's repository holds them: each file by its
name."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any, ClassVar

from xtr_assets.config import DEFAULT_FILE_BYTES, ContentKind
from xtr_assets.core.chunking.code_parser import require
from xtr_assets.core.chunking.config_names import config_style
from xtr_assets.core.errors import ProviderError
from xtr_assets.core.types import Chunk, Quarantined
from xtr_assets.sources.base import FileSource
from xtr_assets.sources.code_tree import CodeTree
from xtr_assets.sources.config_tree import ConfigTree
from xtr_assets.sources.globs import KnownNames
from xtr_assets.sources.place import SourceFile
from xtr_assets.sources.python_tree import PythonTree
from xtr_assets.sources.text_tree import TextTree

_KINDS: dict[ContentKind, type[FileSource]] = {
    "python": PythonTree,
    "code": CodeTree,
    "config": ConfigTree,
    "text": TextTree,
}


class MixedTree(FileSource):
    """`content: mixed`. A suffix that none of the kinds reads, brought in by a pattern of its own, is plain text."""

    suffixes: ClassVar[tuple[str, ...]] = tuple(one for kind in _KINDS.values() for one in kind.suffixes)
    names: ClassVar[KnownNames] = ConfigTree.names

    def settings(self) -> dict[str, Any]:
        return {name: kind.settings() for name, kind in self._readers.items()}

    def most_bytes(self, path: str) -> int | None:
        return self.config.max_file_bytes or DEFAULT_FILE_BYTES.get(kind_of(path))

    def read_file(self, path: str, file: SourceFile) -> Iterator[Chunk | Quarantined]:
        reader = self._readers.get(kind_of(path))
        if reader is None:
            # The rest of the project needs no 184 MB of parsers: it comes up when they are there.
            detail = "code needs the parsers of tree-sitter: pip install 'xtr-assets[code]'"
            yield self.refuse(path, 0, "not-installed", detail)
            return
        yield from reader.read_file(path, file)

    @cached_property
    def _readers(self) -> dict[ContentKind, FileSource]:
        try:
            require()
            kinds = _KINDS
        except ProviderError:
            kinds = {name: kind for name, kind in _KINDS.items() if name != "code"}
        return {name: kind(self.config, self.place) for name, kind in kinds.items()}


def kind_of(path: str) -> ContentKind:
    """Which kind reads a file, by its name.

    >>> kind_of("setup.PY"), kind_of("web/app.ts"), kind_of("lib/CMakeLists.txt"), kind_of("LICENSE")
    ('python', 'code', 'config', 'text')
    """
    suffix = PurePosixPath(path).suffix.lower()
    if suffix in PythonTree.suffixes:
        return "python"
    if suffix in CodeTree.suffixes:
        return "code"
    return "config" if config_style(path) else "text"
