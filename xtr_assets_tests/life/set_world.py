"""What the life of a set is about: sources of records on the disk, and how the index over them is cut into parts."""

import hashlib
import json
import shutil
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from xtr_assets.config import IndexConfig, parse_config
from xtr_assets.core.types import Floats
from xtr_assets.search.searcher import Searcher
from xtr_assets.storage.generation import Generation
from xtr_assets_tests.life.steps import OneByOne

K, DIM = 4, 16
# (source, path, record) -> text
Rows = dict[tuple[str, str, str], str]
# A source of records without any is refused, not emptied: each has a file that stays.
KEPT = "kept.jsonl"

CONFIG = """
name: life
warehouse: {house}
parts: {{shards: {each}, max_chunks: {most}}}
sources:
{sources}
encoder: {{kind: hashing, dim: {dim}, token_dim: {token_dim}}}
recall: {{queries: 4, k: 3, dense: 0.0, xtr: 0.0, new_rows: 0.0}}
"""

_vectors: dict[str, Floats] = {}


@dataclass
class SetWorld:
    """Records below `folder`, by source and file, and the settings of the index over them. cuts : shards of a source.

    house : the folder of the set, below `folder`.
    """

    folder: Path
    house: str = "here"
    each: int = 1
    most: int = 1000
    token_dim: int = 0
    files: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)
    cuts: dict[str, int] = field(default_factory=dict)

    @property
    def config(self) -> IndexConfig:
        sources = [
            f"  - {{name: {name}, kind: records, path: sources/{name}, shards: {self.cuts[name]}}}"
            for name in self.files
        ]
        fields = {"house": self.house, "each": self.each, "most": self.most, "sources": "\n".join(sources)}
        return parse_config(CONFIG.format(**fields, dim=DIM, token_dim=self.token_dim), self.folder)

    def add(self, name: str, cuts: int) -> None:
        self.files[name], self.cuts[name] = {}, cuts
        (self.folder / "sources" / name).mkdir(parents=True)
        self.write(name, KEPT, {"kept": f"a note of {name} that stays"})

    def remove(self, name: str) -> None:
        del self.files[name], self.cuts[name]
        shutil.rmtree(self.folder / "sources" / name)

    def rename(self, name: str, other: str) -> None:
        self.files[other], self.cuts[other] = self.files.pop(name), self.cuts.pop(name)
        (self.folder / "sources" / name).rename(self.folder / "sources" / other)

    def write(self, name: str, path: str, records: dict[str, str]) -> None:
        """The file holds these; without any it is gone."""
        target = self.folder / "sources" / name / path
        if records:
            self.files[name][path] = dict(records)
            target.write_text("".join(json.dumps({"_id": key, "text": text}) + "\n" for key, text in records.items()))
        elif self.files[name].pop(path, None) is not None:
            target.unlink()

    def shards(self) -> set[str]:
        return {shard for name in self.files for shard in cut(name, self.cuts[name])}

    def rows(self, shards: Collection[str] | None = None) -> Rows:
        """What the sources hold; of some shards alone."""
        return {
            (name, path, key): text
            for name, files in self.files.items()
            for path, records in files.items()
            if shards is None or home(name, path, self.cuts[name]) in shards
            for key, text in records.items()
        }


def cut(name: str, count: int) -> list[str]:
    """The shards of a source."""
    return [name] if count == 1 else [f"{name}-{number:02d}of{count:02d}" for number in range(count)]


def home(name: str, path: str, count: int) -> str:
    """The shard of a file, as docs/format.md has it."""
    digest = hashlib.blake2b(path.encode(), digest_size=8).digest()
    return cut(name, count)[int.from_bytes(digest, "little") % count]


def rows_of(generation: Generation) -> Rows:
    """What a generation, or a set, holds. No row stands twice."""
    found = generation.chunk_table(["source", "path", "symbol", "text"]).to_pylist()
    rows = {(one["source"], one["path"], one["symbol"]): one["text"] for one in found}
    assert len(rows) == len(found), "a row stands twice"
    return rows


def check_answers(searcher: Searcher, rows: Rows, query: str) -> None:
    """Cosines of the best by brute force over the rows, and every row that has a word of the query."""
    hits = searcher.search(query, K, "dense")
    best = np.sort([float(_vector(text) @ _vector(query)) for text in rows.values()])[::-1][:K]
    for hit, score in zip(hits, best, strict=True):
        text = rows[hit.source, hit.path, hit.symbol]
        assert hit.text == text
        # float16 on the disk.
        assert abs(hit.scores["dense"] - score) < 2e-3
        assert abs(float(_vector(text) @ _vector(query)) - score) < 2e-3
    assert len({(hit.source, hit.path, hit.symbol) for hit in hits}) == len(hits)
    words = set(query.split())
    said = [key for key, text in rows.items() if words & set(text.split())]
    listed = {(hit.source, hit.path, hit.symbol) for hit in searcher.search(query, max(1, len(rows)), "lexical")}
    assert listed == set(said)


def _vector(text: str) -> Floats:
    if text not in _vectors:
        _vectors[text] = OneByOne(DIM, 0).encode_documents([text]).embeddings[0].astype(np.float32)
    return _vectors[text]
