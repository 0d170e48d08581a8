"""A project of three small sources, ingested and drafted without indexes: what checks of sources are shown."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from xtr_assets.config import IndexConfig, parse_config
from xtr_assets.core.types import Chunk, Quarantined
from xtr_assets.pipeline.ingest.scan import scan, write_chunks
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.sources.base import FileSource
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import ENCODER, encode

CONFIG = """\
name: docs
sources:
  - {name: guide, kind: text, path: guide, shards: 4}
  - {name: tools, kind: python, path: tools, max_chars: 300}
  - {name: papers, kind: records, path: papers, metadata: [year]}
encoder: {kind: hashing, dim: 64, token_dim: 32}
"""

PAGES, MODULES, FILES = 24, 8, 34

Items = list[Chunk | Quarantined]
Plant = Callable[[Callable[[str, str, Items], Items]], None]


@dataclass
class World:
    """Sources on disk and the warehouse made of them."""

    folder: Path
    config: IndexConfig
    warehouse: Warehouse

    def write(self, path: str, content: str | bytes) -> Path:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def ingest(self, *, full: bool = False) -> None:
        """Chunk what changed, with stand-in vectors."""
        for one in scan(self.warehouse, self.config):
            if full or one.changed:
                write_chunks(self.warehouse, one, one.readable if full else one.touched)
        for segment in self.warehouse.segments():
            encode(segment)

    def session(self, **versions: str | None) -> DraftSession:
        """A draft over the current shards; `versions` replaces or, with None, leaves out some of them."""
        held: dict[str, str | None] = {
            shard: snapshot.data_version
            for shard in self.warehouse.shards()
            if (snapshot := self.warehouse.snapshot(shard))
        }
        held |= {name.replace("__", "-"): version for name, version in versions.items()}
        draft = self.warehouse.draft(
            "run",
            encoder=ENCODER.describe(),
            fingerprint=ENCODER.fingerprint,
            snapshots={shard: version for shard, version in held.items() if version},
        )
        return DraftSession(self.warehouse, draft, self.config)

    def build(self, *, full: bool = False) -> DraftSession:
        self.ingest(full=full)
        return self.session()

    def publish(self) -> None:
        """What the sources hold now serves."""
        self.warehouse.publish(self.build().draft.number, required=(), force_reason="a test")

    def config_with(self, **changes: Any) -> None:
        self.config = self.config.model_copy(update=changes)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """PAGES documents, MODULES modules, sixty records in two files."""
    return written(tmp_path)


@pytest.fixture(scope="session")
def served_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of such a world of which everything serves. Never changed: `served` gives each test a copy."""
    folder = tmp_path_factory.mktemp("served")
    written(folder).publish()
    return folder


@pytest.fixture
def served(served_once: Path, tmp_path: Path) -> World:
    """Everything serves."""
    shutil.copytree(served_once, tmp_path, dirs_exist_ok=True)
    return World(tmp_path, parse_config(CONFIG, tmp_path), Warehouse.open(tmp_path / "warehouse"))


def written(folder: Path) -> World:
    """What `world` is made of, in an empty folder."""
    made = World(folder, parse_config(CONFIG, folder), Warehouse.create(folder / "warehouse"))
    for n in range(PAGES):
        made.write(f"guide/{n}.md", f"# Page {n}\n\nText of page {n}.\n\n## More {n}\n\nNothing {n} else.\n")
    for n in range(MODULES):
        made.write(f"tools/m{n}.py", MODULE.replace("NAME", f"thing{n}"))
    made.write("papers/a.jsonl", records(range(40)))
    made.write("papers/b.jsonl", records(range(40, 60)))
    return made


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Plant:
    """Puts a fault between sources and warehouse: what a file gave, by source and path, becomes something else."""
    read = FileSource.read

    def planted(fault: Callable[[str, str, Items], Items]) -> None:
        def wrong(self: FileSource, path: str) -> Iterator[Chunk | Quarantined]:
            yield from fault(self.config.name, path, list(read(self, path)))

        monkeypatch.setattr(FileSource, "read", wrong)

    return planted


def records(numbers: range) -> str:
    return "".join(
        f'{{"_id": "p{n}", "title": "Paper {n}", "text": "What paper {n} found.", "year": {1990 + n}}}\n'
        for n in numbers
    )


MODULE = '''\
"""The module of NAME."""

import os


def NAME_open(path):
    """Open."""
    return os.open(path, 0)


class NAME:
    """A NAME of things."""

    size = 3

    def first(self):
        return self.size

    @property
    def second(self):
        return 2

    __third__ = second


def NAME_long(values):
    """Long enough to be cut."""
    total = 0
    for value in values:
        total += value * 1000000000000000000000
        total -= value * 2000000000000000000000

    for value in values:
        total += value * 3000000000000000000000
        total -= value * 4000000000000000000000
    return total


CONSTANT = 1
'''
