"""Whole drafts for the checks of rows: every recipe family, changed in every way rows change, and faults planted."""

import shutil
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xtr_assets.config import IndexConfig, SourceConfig
from xtr_assets.core.files import record
from xtr_assets.core.types import Chunk
from xtr_assets.index.dense.serialization import read_index, write_index
from xtr_assets.index.late import centroids
from xtr_assets.pipeline.derive.exact_neighbors import exact_neighbors
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.pipeline.queries.gate_queries import GateQuery, encode, write_queries
from xtr_assets.search.loaders import DENSE_FILE
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.id_map import write_id_map
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import ENCODER, drafted, make_chunk, write_shard
from xtr_assets_tests.long_cases import kept

CONFIG = IndexConfig(sources=(SourceConfig(name="code", kind="text", path=Path("code")),))
EVERY = ("Flat", "SQ8", "HNSW16_SQ8", "IVF8,SQ8", "IVF8,PQ16x4fs", "SQfp16", "HNSW16", "IVF8,Flat", "IVF8,SQ4")
# One of each family; and of each way in which entries are kept: by place, in a graph, in lists.
RECIPES = kept(EVERY, EVERY[:5])
WAYS = ("Flat", "HNSW16_SQ8", "IVF8,PQ16x4fs")
WORDS = [f"word{i}" for i in range(400)]


def chunks(count: int, *, first: int = 0, source: str = "code", line: int = 1) -> list[Chunk]:
    """Chunks of random words, eight a file, all different."""
    made = []
    for number in range(first, first + count):
        words = np.random.default_rng(number).choice(WORDS, 12)
        path = f"{source}/f{number // 8}.py"
        made.append(make_chunk(path, f"s{number}", " ".join(words), source=source, line=line + 3 * (number % 8)))
    return made


def whole_draft(warehouse: Warehouse, recipe: str, named: Collection[str] = ()) -> Draft:
    """A draft over what the shards hold now, with everything that the checks of rows read."""
    draft = drafted(warehouse, recipe=recipe, named=named)
    queries = [GateQuery(f"q{i}", f"{WORDS[i]} {WORDS[i + 1]}", "fixed") for i in range(12)]
    queries += [GateQuery(f"n{i}", f"{WORDS[i]} {WORDS[i + 7]}", "new") for i in range(4)]
    gate = encode(queries, ENCODER, None)
    write_queries(draft, gate, ENCODER.token_dim)
    exact_neighbors(session_of(warehouse, draft))
    write_id_map(draft)
    return draft


def session_of(warehouse: Warehouse, draft: Draft) -> DraftSession:
    return DraftSession(warehouse, draft, CONFIG)


def built(folder: Path, recipe: str, count: int = 240) -> tuple[Warehouse, Draft]:
    """A first build, in a folder below that of a test."""

    def make(warehouse: Warehouse) -> Draft:
        write_shard(warehouse, "code", chunks(count))
        return whole_draft(warehouse, recipe)

    return copied(folder, f"built {recipe} {count}", make)


def changed(folder: Path, recipe: str, new: int = 40) -> tuple[Warehouse, Draft]:
    """A published build of 240 chunks, and a draft with 40 more and 16 fewer, in a folder below that of a test."""

    def make(warehouse: Warehouse) -> Draft:
        write_shard(warehouse, "code", chunks(240))
        warehouse.publish(whole_draft(warehouse, recipe).number, force_reason="no gate in this test")
        write_shard(warehouse, "code", chunks(240 + new)[16:])
        return whole_draft(warehouse, recipe)

    return copied(folder, f"changed {recipe} {new}", make)


# Draft numbers of what was made, by its folder.
_made: dict[Path, int] = {}


def copied(folder: Path, name: str, make: Callable[[Warehouse], Draft]) -> tuple[Warehouse, Draft]:
    """A copy of what `make` made for the first who asked: it lies beside the folders of tests, and goes with them.
    Tests of wide numbers of centroids have their own."""
    base = folder.parent.parent / f"{name} {centroids.NARROW_CENTROIDS}".replace(",", "-")
    if base not in _made:
        shutil.rmtree(base, ignore_errors=True)
        _made[base] = make(Warehouse.create(base)).number
    warehouse = Warehouse.open(shutil.copytree(base, folder))
    return warehouse, warehouse.open_draft(_made[base])


def rewrite(draft: Draft, name: str, write: Callable[[Path], None]) -> None:
    """Change a file that the manifest names in place, and its record with it: a writer that was wrong."""
    path = draft.layout.resolve(draft.file_name(name))
    write(path)
    key = draft.file_name(name)
    draft._update(lambda manifest: {"files": {**manifest.files, key: record(path)}})


def with_faiss(draft: Draft, change: Callable[[Any], Any]) -> None:
    """Change the FAISS index of a draft: `change` returns another or changes it in place."""

    def write(path: Path) -> None:
        index = read_index(path, DENSE_FILE)
        write_index(change(index) or index, path)

    rewrite(draft, DENSE_FILE, write)


def with_array(draft: Draft, name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Change a raw array of a draft."""
    rewrite(draft, name, lambda path: np.save(path, change(np.load(path))))


def newest_segment(draft: Draft) -> tuple[int, str, int]:
    """(base_row, segment_id, rows) of the last segment."""
    one = max(draft.manifest.segments, key=lambda one: one.base_row)
    return one.base_row, one.segment_id, one.rows


def postings_of(draft: Draft, segment_id: str) -> str:
    """The postings folder of a segment, by its name in the warehouse."""
    prefix = f"segments/{segment_id}/postings."
    return next(name.rpartition("/")[0] for name in draft.manifest.files if name.startswith(prefix))


def renumbered(index: Any, change: Callable[[np.ndarray], np.ndarray], faiss: Any) -> None:
    """Other rows for the entries of a FAISS index, in place: `change` maps int64 [n] to int64 [n]."""
    outer = faiss.downcast_index(index)
    if isinstance(outer, faiss.IndexIDMap):
        faiss.copy_array_to_vector(change(np.array(faiss.vector_to_array(outer.id_map))), outer.id_map)
        return
    stored = faiss.downcast_index(outer).invlists
    for number in range(stored.nlist):
        if size := stored.list_size(number):
            rows = faiss.rev_swig_ptr(stored.get_ids(number), size)
            rows[:] = change(rows.copy())


def positions(values: Sequence[int]) -> np.ndarray:
    return np.array(values, np.int64)
