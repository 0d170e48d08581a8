"""Faults of what is kept from one generation to the next: dead and compacted rows, times of files, encoded texts."""

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xtr_assets.core.types import FileState
from xtr_assets_tests.mutants.fault import COMPACT, FULL, INCREMENTAL, Mutant, both, locally, on_disk, replaced
from xtr_assets_tests.mutants.places.encodings import TEXTS
from xtr_assets_tests.mutants.places.rows import _part
from xtr_assets_tests.mutants.places.serving import ANSWERS, ITSELF, WHOLE, _asked

AGREES = frozenset({"source_agrees"})
ROWS = frozenset({"rows_everywhere", "source_agrees"})
PLACE = "kept"


def _one_further(original: Any) -> Any:
    return lambda self, segment_id: np.roll(original(self, segment_id), 1)


def _of_another(original: Any) -> Any:
    """Dead rows of the segment before, as far as they fit."""

    def dead_mask(self: Any, segment_id: str) -> Any:
        own = original(self, segment_id)
        names = [one.segment_id for one in self.segments]
        other = original(self, names[names.index(segment_id) - 1])
        mask = np.zeros_like(own)
        mask[: len(other)] = other[: len(own)]
        return mask

    return dead_mask


def _mtime_alone(original: Any) -> Any:
    def file_state(
        root: Path, path: str, known: FileState | None, now_ns: int, most_bytes: int | None = None
    ) -> FileState | None:
        file = root / path
        if known is not None and file.is_file():
            found = file.stat()
            if found.st_size == known.size and found.st_mtime_ns <= max(known.mtime_ns, 1):
                return known
        state: FileState | None = original(root, path, known, now_ns, most_bytes)
        return state

    return file_state


def _copied_with_its_time(folder: Path) -> None:
    """As `cp --preserve` and archives do: of the size and the time that it had."""
    for name in ("code/m08.py", "guide/page01.md"):
        os.utime(folder / name, ns=(0, 0))
    # What is younger than the look by the kernel's clock is no fault: it may have come meanwhile.
    time.sleep(0.1)


def _unfiltered(original: Any) -> Any:
    return lambda self, queries, options: original(self, queries, replace(options, allowed=None))


def _swapped(original: Any) -> Any:
    def numbers(self: Any) -> Any:
        other = {"dense": "xtr", "xtr": "dense"}
        for score, known, confidence in original(self):
            yield score, {other.get(name, name): value for name, value in known.items()}, confidence

    return numbers


def _first_value(original: Any) -> Any:
    return lambda self, compare: original(self, replace(compare, values=compare.values[:1]))


def _without_capitals(original: Any) -> Any:
    def compare(self: Any, asked: Any) -> Any:
        if asked.operator != "in":
            return original(self, asked)
        held = pc.utf8_lower(pc.cast(self._values, pa.string()))
        wanted = pa.array([one.lower() for one in asked.values if isinstance(one, str)], pa.string())
        return np.asarray(pc.is_in(held, wanted), np.bool_)

    return compare


def _ids_of_next(original: Any) -> Any:
    def arrays(*given: Any) -> Any:
        scores, ids = original(*given)
        return scores, np.roll(ids, 1, axis=1)

    return arrays


MUTANTS = (
    Mutant(
        "dead rows are those behind them",
        PLACE,
        replaced("storage.snapshot:Snapshot.dead_mask", _one_further),
        ROWS | {"InvalidInput"},
        INCREMENTAL,
    ),
    Mutant(
        "dead rows are those of another segment",
        PLACE,
        replaced("storage.snapshot:Snapshot.dead_mask", _of_another),
        ROWS | {"InvalidInput"},
        INCREMENTAL,
    ),
    Mutant(
        "compaction moves lines twice",
        PLACE,
        _part(lambda s, p, x: (s, p, tuple((a, b, 2 * by) for a, b, by in x))),
        AGREES,
        COMPACT,
    ),
    Mutant(
        "compaction leaves names behind",
        PLACE,
        replaced("storage.segment_compaction:_copy_names", lambda _: lambda *_rest: None),
        frozenset({"embeddings_valid", "StorageError"}),
        COMPACT,
    ),
    Mutant(
        "a file that was copied with its time is unchanged",
        PLACE,
        both(on_disk(_copied_with_its_time), replaced("sources.file_scan:file_state", _mtime_alone)),
        AGREES,
        INCREMENTAL,
    ),
    Mutant(
        "titles are encoded up to ten letters",
        PLACE,
        locally("pipeline.ingest.fresh_blocks", "encoded_text", lambda original: lambda t, x: original(t[:10], x)),
        TEXTS,
    ),
    Mutant(
        "long texts lose their end before they are encoded",
        PLACE,
        locally("pipeline.ingest.fresh_blocks", "encoded_text", lambda original: lambda t, x: original(t, x[:300])),
        TEXTS,
        FULL,
    ),
    Mutant(
        "queries begin with a word of the model's",
        "search",
        _asked(lambda text: f"query: {text}"),
        ANSWERS,
        serves=True,
    ),
    Mutant(
        "scores of two spaces stand under the other's name",
        "search",
        replaced("search.ranker:Ranking.numbers", _swapped),
        ANSWERS,
        serves=True,
    ),
    Mutant(
        "the dense side ignores filters",
        "search",
        replaced("search.retrievers:DenseSpace.retrieve", _unfiltered),
        ANSWERS | ITSELF,
        serves=True,
    ),
    Mutant(
        "the dense side ignores filters, lists",
        "search",
        replaced("search.retrievers:DenseSpace.retrieve", _unfiltered),
        ANSWERS | ITSELF,
        serves=True,
        recipe="IVF16,Flat",
    ),
    Mutant(
        "of several values a filter sees the first",
        "filters",
        replaced("search.filter_columns:TextColumn.compare", _first_value),
        ANSWERS,
        serves=True,
    ),
    Mutant(
        "capitals of a filter do not count",
        "filters",
        replaced("search.filter_columns:TextColumn.compare", _without_capitals),
        ANSWERS,
        serves=True,
    ),
    Mutant(
        "words of a phrase may stand in any order",
        "words",
        replaced(
            "search.required_text:holds_phrase",
            lambda original: lambda text, phrase: all(original(text, one) for one in phrase.split()),
        ),
        ANSWERS,
        serves=True,
    ),
    Mutant(
        "an encoder reads eight words of a query",
        "encoder",
        replaced(
            "encoders.hashing:Hashing.encode_queries",
            lambda original: lambda self, texts: original(self, [" ".join(one.split()[:8]) for one in texts]),
        ),
        frozenset({"encoder_canary"}),
        FULL,
        serves=True,
    ),
    Mutant(
        "ids of one's own vectors are the next hit's",
        "search",
        locally("search.searcher", "rank_arrays", _ids_of_next),
        ITSELF,
        serves=True,
    ),
    Mutant(
        "hits lose their metadata",
        "hydration",
        replaced(
            "search.hits:Hit.of", lambda original: lambda *given, **more: replace(original(*given, **more), metadata={})
        ),
        WHOLE,
        serves=True,
    ),
    Mutant(
        "dead rows count for how rare a word is",
        "words",
        locally(
            "index.lexical.index", "mean_length", lambda original: lambda lengths, live: original(lengths, live | True)
        ),
        frozenset({"lexical_agrees", "answers_agree"}),
        INCREMENTAL,
        serves=True,
    ),
)
