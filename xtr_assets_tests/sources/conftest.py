from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from xtr_assets.config import SourceConfig
from xtr_assets.core.types import Chunk, Quarantined
from xtr_assets.sources import Source, open_source

Opener = Callable[..., Source]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opener]:
    """Opens a source named `lib` over tmp_path."""

    def opener(kind: str, **fields: Any) -> Source:
        return open_source(SourceConfig.model_validate({"name": "lib", "kind": kind, "path": tmp_path, **fields}))

    yield opener


def write(root: Path, path: str, content: str | bytes = "x = 1\n") -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def chunks(source: Source, path: str) -> list[Chunk]:
    """The chunks of a file that has nothing in quarantine."""
    found = list(source.read(path))
    assert [item for item in found if isinstance(item, Quarantined)] == []
    return [item for item in found if isinstance(item, Chunk)]


def refusals(source: Source, path: str) -> list[tuple[int, str]]:
    """(line, reason) of what a file has in quarantine."""
    return [(item.line, item.reason) for item in source.read(path) if isinstance(item, Quarantined)]
