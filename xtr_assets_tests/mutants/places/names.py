"""Faults of the names that are encoded beside the texts: another row's, stale ones, none, and those of a compaction."""

from typing import Any

import numpy as np

from xtr_assets_tests.mutants.fault import COMPACT, FULL, INCREMENTAL, Mutant, both, replaced
from xtr_assets_tests.mutants.places.encodings import TEXTS

PLACE = "names"
# Every new row's name is worked out anew, and held against the hash of what was encoded.
WORDED = frozenset({"embeddings_valid"})
# What moves in the change of the corpus: new name -> the one before.
MOVED = {"moved.py": "m03.py"}


def _next_row(original: Any) -> Any:
    def gathered(places: Any, positions: Any, vectors_of: Any, dim: int) -> Any:
        vectors = original(places, positions, vectors_of, dim)
        named = np.flatnonzero(places >= 0)
        vectors[named] = vectors[np.roll(named, -1)]
        return vectors

    return gathered


def _name_of_next(original: Any) -> Any:
    return lambda table, rows: original(table, (rows + 1) % len(table))


def _rolled_hashes(original: Any) -> Any:
    def name_hashes(table: Any, naming: Any) -> Any:
        hashes = original(table, naming).copy()
        named = np.flatnonzero(hashes.any(axis=1))
        hashes[named] = hashes[np.roll(named, -1)]
        return hashes

    return name_hashes


def _every_third_nameless(original: Any) -> Any:
    def name_hashes(table: Any, naming: Any) -> Any:
        hashes = original(table, naming).copy()
        hashes[::3] = 0
        return hashes

    return name_hashes


def _of_before(original: Any) -> Any:
    return lambda path, *rest: original(MOVED.get(path, path), *rest)


def _without_path(original: Any) -> Any:
    return lambda path, *rest: original("", *rest)


def _none_listed(original: Any) -> Any:
    return lambda self, kind, *, names="": original(self, kind)


def _all_new_lack(original: Any) -> Any:
    """New segments go into a generation without their names; those of the parent keep theirs."""

    def encoding_listings(self: Any, kind: Any, *, names: str = "") -> Any:
        manifests = self.layout.generations.glob("*/manifest.json")
        known = any(self.segment_id in path.read_text() for path in manifests)
        return original(self, kind, names=names if known else "")

    return encoding_listings


def _rolled_block(original: Any) -> Any:
    def append(self: Any, vectors: Any, hashes: Any) -> Any:
        named = np.flatnonzero(hashes.any(axis=1))
        moved = np.asarray(vectors).copy()
        moved[named] = moved[np.roll(named, -1)]
        return original(self, moved, hashes)

    return append


MUTANTS = (
    Mutant(
        "names of the next row",
        PLACE,
        replaced("pipeline.ingest.encode_blocks:gathered", _next_row),
        TEXTS,
    ),
    Mutant(
        "names and their hashes of the next row",
        PLACE,
        both(
            replaced("pipeline.ingest.row_names:name_hashes", _rolled_hashes),
            replaced("pipeline.ingest.row_names:names_at", _name_of_next),
        ),
        frozenset({*WORDED, *TEXTS}),
    ),
    Mutant(
        "no name where a name is",
        PLACE,
        replaced("pipeline.ingest.row_names:name_hashes", _every_third_nameless),
        WORDED,
    ),
    Mutant("names without the path", PLACE, replaced("core.name_text:name_text", _without_path), WORDED),
    Mutant(
        "a file that moved keeps its names",
        PLACE,
        replaced("core.name_text:name_text", _of_before),
        WORDED,
        INCREMENTAL,
    ),
    Mutant(
        "a generation lists no names",
        PLACE,
        replaced("storage.segment:Segment.encoding_listings", _none_listed),
        WORDED,
        FULL,
    ),
    Mutant(
        "new segments are listed without their names",
        PLACE,
        replaced("storage.segment:Segment.encoding_listings", _all_new_lack),
        WORDED,
        INCREMENTAL,
    ),
    Mutant(
        "compaction copies names one row further",
        PLACE,
        replaced("storage.encoding_writer:NamesWriter.append", _rolled_block),
        TEXTS,
        COMPACT,
    ),
)
