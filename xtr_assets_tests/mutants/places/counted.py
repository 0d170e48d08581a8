"""Faults in what is done once for many: a listing of shards, numbers of centroids, first bits of hashes, filters."""

from dataclasses import replace
from typing import Any

import numpy as np

from xtr_assets_tests.mutants.fault import FULL, INCREMENTAL, Mutant, locally, replaced

AGREES = frozenset({"source_agrees"})
ROWS = frozenset({"rows_everywhere", "xtr_recall", "xtr_recall_new_rows", "finds_itself"})


def _next_shard(original: Any) -> Any:
    """A file belongs to the shard after its own, in the listing that they share."""

    def shard_at(self: Any, path: str, shards: Any) -> str:
        found: str = shards[(shards.index(original(self, path, shards)) + 1) % len(shards)]
        return found

    return shard_at


def _without_last(original: Any) -> Any:
    """The last file of each shard gets lost where a listing is cut into shards."""

    def look(self: Any, shards: Any) -> Any:
        found = original(self, shards)
        return replace(found, files={shard: paths[:-1] or paths for shard, paths in found.files.items()})

    return look


def _low_byte(original: Any) -> Any:
    """Numbers are cut short once the lists are made: 256 centroids are counted."""

    def listed(numbers: Any, lengths: Any, centroids: int) -> Any:
        found = original(numbers, lengths, centroids)
        return replace(found, numbers=(found.numbers & 0xFF).astype(found.numbers.dtype))

    return listed


def _low_byte_throughout(original: Any) -> Any:
    """Numbers are cut short before: lists hold tokens of centroids that lie elsewhere."""

    def listed(numbers: Any, lengths: Any, centroids: int) -> Any:
        return original((numbers & 0xFF).astype(numbers.dtype), lengths, centroids)

    return listed


def _half_of_them(original: Any) -> Any:
    """First bits of a hash are taken for those of none."""
    return lambda wanted, stored: original(wanted, stored)[::2]


def _first_word(_: Any) -> Any:
    """Hashes whose first bits are alike count as the same."""

    def matches(unique: Any, stored: Any) -> Any:
        pairs = []
        for bits in (np.uint64(58),):
            firsts = {int(one): place for place, one in enumerate((unique[:, 0] >> bits).tolist())}
            at = [(firsts[one], row) for row, one in enumerate((stored[:, 0] >> bits).tolist()) if one in firsts]
            if at:
                pairs.append(tuple(np.array(side, np.int64) for side in zip(*at, strict=True)))
        return pairs

    return matches


def _first_condition(original: Any) -> Any:
    return lambda self: original(self)[:1]


MUTANTS = (
    Mutant(
        "files lie in the shard after their own",
        "looks",
        replaced("sources.base:FileSource.shard_at", _next_shard),
        AGREES,
    ),
    Mutant(
        "the last file of a shard is cut off", "looks", replaced("sources.base:FileSource._look", _without_last), AGREES
    ),
    Mutant(
        "numbers of centroids lose bits",
        "postings",
        replaced("index.late.postings:list_documents", _low_byte),
        ROWS,
        lists=True,
    ),
    Mutant(
        "numbers of centroids lose bits before lists are made",
        "postings",
        replaced("index.late.postings:list_documents", _low_byte_throughout),
        ROWS,
        lists=True,
    ),
    Mutant(
        "numbers of centroids have 32 bits",
        "postings",
        locally("index.late.centroids", "NARROW_CENTROIDS", lambda _: 16),
        frozenset(),
        FULL,
        equivalent="they count the same centroids",
        serves=True,
        lists=True,
    ),
    Mutant(
        "texts that are there are not found by their first bits",
        "encoding",
        replaced("storage.encoding_lookup:_maybe", _half_of_them),
        frozenset({"embeddings_valid"}),
        INCREMENTAL,
        equivalent="they are encoded again, to the same vectors",
    ),
    Mutant(
        "texts whose hashes begin alike are one",
        "encoding",
        replaced("storage.encoding_lookup:_matches", _first_word),
        frozenset({"vectors_are_the_texts", "embeddings_valid"}),
        INCREMENTAL,
    ),
    Mutant(
        "of two conditions the first counts",
        "filters",
        replaced("core.where_syntax:Where.parts", _first_condition),
        frozenset({"answers_agree"}),
        serves=True,
    ),
)
