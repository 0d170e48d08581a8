"""Faults in what is derived from rows: FAISS, postings, the ID map, the catalog."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from xtr_assets.index.faiss_provider import load_faiss
from xtr_assets.index.late.postings import Postings
from xtr_assets.storage.generation import Generation
from xtr_assets_tests.mutants.fault import FULL, INCREMENTAL, Mutant, Plant, locally, replaced

faiss = load_faiss()

ROWS = frozenset({"rows_everywhere"})
ITSELF = frozenset({"finds_itself", "dense_recall", "dense_recall_new_rows"})
ITSELF_XTR = ROWS | {"finds_itself", "xtr_recall", "xtr_recall_new_rows"}
# Something to look among, at any size.
LISTS = "IVF16,Flat"


def _added(alter: Callable[[Any, Any, Any, Any], None]) -> Plant:
    """`alter(original, index, vectors, rows)` adds rows to FAISS."""
    return replaced("index.dense.recipe:add_stored", lambda original: lambda *given: alter(original, *given))


def _half(original: Any, index: Any, vectors: Any, rows: Any) -> None:
    original(index, vectors, rows[: len(rows) // 2])


def _shifted(_: Any, index: Any, vectors: Any, rows: Any) -> None:
    if len(rows):
        index.add_with_ids(np.ascontiguousarray(vectors.gather(rows)), np.ascontiguousarray(np.roll(rows, 1)))


def _twice(original: Any, index: Any, vectors: Any, rows: Any) -> None:
    original(index, vectors, rows)
    for _ in range(12):
        original(index, vectors, rows[:40])


def _halved(_: Any, index: Any, vectors: Any, rows: Any) -> None:
    if len(rows):
        found = vectors.gather(rows)
        found[:, found.shape[1] // 4 :] = 0
        index.add_with_ids(np.ascontiguousarray(found), np.ascontiguousarray(rows))


def _nothing_removed(_: Any) -> Any:
    return lambda index, _recipe, _present, _removed: faiss.clone_index(index)


def _nothing_changes(original: Any) -> Any:
    none = np.empty(0, np.int64)
    return lambda self, _removed, _added, vectors, **settings: original(self, none, none, vectors, **settings)


def _untuned(original: Any) -> Any:
    def save(self: Any, path: Any) -> None:
        self._use(replace(self._profile, nprobe=1))
        original(self, path)

    return save


def _postings(alter: Callable[[Any, int], Any]) -> Plant:
    """`alter(documents of a list, rows of the segment)`."""

    def make(original: Any) -> Any:
        def list_documents(numbers: Any, lengths: Any, centroids: int) -> Postings:
            made = original(numbers, lengths, centroids)
            bounds = zip(made.lists[:-1].tolist(), made.lists[1:].tolist(), strict=True)
            lists = [np.sort(alter(made.documents[start:stop], len(lengths))) for start, stop in bounds]
            ends = np.concatenate([[0], np.cumsum([len(one) for one in lists])]).astype(np.int32)
            return Postings(ends, np.concatenate([np.empty(0, np.int32), *lists]).astype(np.int32), made.numbers)

        return list_documents

    return replaced("index.late.postings:list_documents", make)


def _next_centroid(original: Any) -> Any:
    def assign(codes: Any, scales: Any, mean: Any, centroids: Any, steps: Any) -> Any:
        return (original(codes, scales, mean, centroids, steps) + 1) % len(centroids)

    return assign


def _parent(generation: Any) -> Any:
    return generation if generation.parent is None else Generation.open(generation.layout, generation.parent)


def _column(table: Any, name: str, alter: Callable[[Any], Any]) -> Any:
    import pyarrow as pa

    at = table.column_names.index(name)
    values = alter(table[name].to_numpy())
    return table.set_column(at, table.schema.field(name), pa.array(values, table.schema.field(name).type))


def _id_map(name: str, alter: Callable[[Any], Any]) -> Plant:
    return replaced("storage.id_map:id_map_table", lambda original: lambda one: _column(original(one), name, alter))


def _next_path(table: Any) -> Any:
    at = table.column_names.index("path")
    return table.set_column(at, table.schema.field(at), [[*table["path"].to_pylist()[1:], table["path"][0].as_py()]])


def _query(alter: Callable[[str], str]) -> Plant:
    return replaced("storage.catalog:_chunks_query", lambda original: lambda one: alter(original(one)))


MUTANTS = (
    Mutant("half of the added rows are missing in FAISS", "FAISS", _added(_half), ROWS),
    Mutant("half of the added rows are missing in FAISS, lists", "FAISS", _added(_half), ROWS, recipe=LISTS),
    Mutant("FAISS ids of added rows are shifted", "FAISS", _added(_shifted), ITSELF),
    Mutant("FAISS ids of added rows are shifted, lists", "FAISS", _added(_shifted), ITSELF, recipe=LISTS),
    Mutant("forty rows stand thirteen times in FAISS", "FAISS", _added(_twice), ROWS),
    Mutant("FAISS sees a quarter of each vector", "FAISS", _added(_halved), ITSELF),
    Mutant(
        "dead rows stay in FAISS",
        "FAISS",
        replaced("index.dense.evolve:copy_without", _nothing_removed),
        ROWS,
        INCREMENTAL,
    ),
    Mutant(
        "dead rows stay in FAISS, lists",
        "FAISS",
        replaced("index.dense.evolve:copy_without", _nothing_removed),
        ROWS,
        INCREMENTAL,
        recipe=LISTS,
    ),
    Mutant(
        "the parent's FAISS index",
        "FAISS",
        replaced("index.dense.index:DenseIndex.evolve", _nothing_changes),
        ROWS,
        INCREMENTAL,
    ),
    Mutant(
        "FAISS compares by another metric",
        "FAISS",
        locally("index.dense.recipe", "faiss", lambda original: _Other(original)),
        ITSELF,
        FULL,
        equivalent="the nearest unit vectors have the largest inner product, and the stored vectors rank them",
    ),
    Mutant(
        "a profile that probes one list",
        "FAISS",
        replaced("index.dense.index:DenseIndex.save_index", _untuned),
        frozenset({"dense_recall"}),
        recipe=LISTS,
    ),
    Mutant(
        "the second half of each segment has no postings",
        "postings",
        _postings(lambda found, rows: found[found < rows // 2]),
        ROWS | ITSELF_XTR,
        lists=True,
    ),
    Mutant(
        "no list holds anything",
        "postings",
        _postings(lambda found, _: found[:0]),
        ROWS | ITSELF_XTR,
        INCREMENTAL,
        lists=True,
    ),
    Mutant(
        "documents of postings are mixed up",
        "postings",
        _postings(lambda found, rows: rows - 1 - found),
        ITSELF_XTR,
        lists=True,
    ),
    Mutant(
        "lists are cut in the middle",
        "postings",
        _postings(lambda found, _: found[: (len(found) + 1) // 2]),
        ITSELF_XTR | ROWS,
        lists=True,
    ),
    Mutant(
        "tokens stand in the list of the next centroid",
        "postings",
        locally("index.late.postings", "assign", _next_centroid),
        ITSELF_XTR,
        lists=True,
    ),
    Mutant(
        "tokens of an index that scans stand in other lists",
        "postings",
        locally("index.late.postings", "assign", _next_centroid),
        ITSELF_XTR,
        FULL,
        equivalent="an index that scans reads no list",
    ),
    Mutant(
        "the ID map is shifted by one",
        "id map",
        _id_map("chunk_id", lambda found: np.roll(found, 1)),
        frozenset({"id_map_bijection"}),
    ),
    Mutant(
        "the ID map says that all rows live",
        "id map",
        _id_map("live", np.ones_like),
        frozenset({"id_map_bijection"}),
        INCREMENTAL,
    ),
    Mutant(
        "the ID map of the parent",
        "id map",
        replaced("storage.id_map:id_map_table", lambda original: lambda one: original(_parent(one))),
        frozenset({"id_map_bijection"}),
        INCREMENTAL,
    ),
    Mutant(
        "the catalog shows dead rows",
        "catalog",
        _query(lambda text: text.replace("WHERE m.live", "")),
        frozenset({"catalog_consistent"}),
        INCREMENTAL,
    ),
    Mutant(
        "the catalog of the parent",
        "catalog",
        replaced("storage.catalog:_chunks_query", lambda original: lambda one: original(_parent(one))),
        frozenset({"catalog_consistent"}),
        INCREMENTAL,
    ),
    Mutant(
        "the catalog lists files under the next one's path",
        "catalog",
        replaced("storage.catalog:_files", lambda original: lambda one: _next_path(original(one))),
        frozenset({"catalog_consistent"}),
    ),
    Mutant(
        "the catalog joins the row before",
        "catalog",
        _query(lambda text: text.replace("c.file_row_number", "(c.file_row_number + 1)")),
        frozenset({"catalog_consistent"}),
    ),
    Mutant(
        "the catalog forgets line shifts",
        "catalog",
        replaced("storage.catalog:_is_shifted", lambda _: lambda _one: False),
        frozenset({"catalog_consistent"}),
        INCREMENTAL,
    ),
    Mutant(
        "the catalog says titles for symbols",
        "catalog",
        _query(lambda text: text.replace("c.symbol", "c.title AS symbol")),
        frozenset({"catalog_consistent"}),
    ),
    Mutant(
        "the catalog cuts texts",
        "catalog",
        _query(lambda text: text.replace("c.text,", "c.text[:40] AS text,")),
        frozenset({"catalog_consistent"}),
    ),
)


class _Other:
    """faiss, with the metric of distances under the name of the other."""

    def __init__(self, module: Any) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, "METRIC_L2" if name == "METRIC_INNER_PRODUCT" else name)
