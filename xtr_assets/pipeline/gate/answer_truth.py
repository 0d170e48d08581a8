"""Rows read anew, and what a question scores with them: brute force over the segments' own files.

Columns come from chunks.parquet (search reads chunks.arrow), which row lives from id_map.parquet, vectors from the
arrays of docs/format.md; scores are numpy's.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from xtr_assets.core.types import Floats, Ints, Mask
from xtr_assets.pipeline.gate.finds_itself import sample
from xtr_assets.pipeline.gate.lexical_truth import StoredWords
from xtr_assets.pipeline.gate.term_truth import asked, numbered
from xtr_assets.pipeline.gate.where_truth import COLUMNS, Row
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.id_map import ID_MAP_NAME

# Rows that filters are held against: all of a small index, else new ones, dead ones and some others, in runs of
# neighbours. A row takes .03 ms: Parquet, JSON, twenty filters.
NEW_ROWS, DEAD_ROWS, MOST_ROWS = 512, 256, 2_048
# Of the live rows of a large index so many hold a text that others hold, if any do: eight texts, and eight
# that dead rows hold, four rows of each.
REPEATED_TEXTS, REPEATED_ROWS = 8, 4
# Rows whose tokens are decoded at once: 256 of 100 tokens of 128 dimensions are 13 MB.
BLOCK = 256

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Places:
    """What id_map.parquet says, rows ascending: row, chunk_id, position int64 [n]; live bool [n]; the segment of each,
    as its number int64 [n] among `segments`."""

    row: Ints
    chunk_id: Ints
    position: Ints
    live: Mask
    segment: Ints
    segments: Sequence[str]

    @classmethod
    def read(cls, generation: Generation) -> "Places":
        table = pq.read_table(generation.path(ID_MAP_NAME))
        row, chunk_id, position = (table[name].to_numpy().astype(np.int64) for name in ("row", "chunk_id", "position"))
        live, named = table["live"].to_numpy().astype(np.bool_), table["segment"]
        if not pa.types.is_dictionary(named.type):
            named = named.dictionary_encode()
        encoded = named.unify_dictionaries().combine_chunks()
        segment = encoded.indices.to_numpy().astype(np.int64)
        return cls(row, chunk_id, position, live, segment, encoded.dictionary.to_pylist())

    def ids_of(self, rows: Ints) -> Ints:
        """int64 [n]: the chunk_id of each row."""
        return self.chunk_id[np.searchsorted(self.row, rows)]

    @cached_property
    def _by_chunk(self) -> tuple[Ints, Ints]:
        """(chunk_ids of live rows, ascending; their rows): sorted once, asked for every answer."""
        ids, rows = self.chunk_id[self.live], self.row[self.live]
        order = np.argsort(ids, kind="stable")
        return ids[order], rows[order]

    def live_rows_of(self, chunk_ids: Ints) -> Ints:
        """int64 [n]: the live row of each chunk, -1 where there is none."""
        ids, rows = self._by_chunk
        if not len(ids):
            return np.full(len(chunk_ids), -1, np.int64)
        at = np.minimum(np.searchsorted(ids, chunk_ids), len(ids) - 1)
        found: Ints = np.where(ids[at] == chunk_ids, rows[at], -1)
        return found


def places_of(session: DraftSession) -> Places:
    """What the draft's id map says, read once for the checks that ask it: 0.2 CPU s for a million rows."""
    draft = session.draft
    digest = draft.manifest.files[draft.file_name(ID_MAP_NAME)].sha256
    return session.kept("places", digest, lambda: Places.read(draft))


@dataclass(frozen=True)
class KnownRows:
    """Rows whose columns were read. live : those that live, dead : those that do not; whole : no other row lives."""

    live: Mapping[int, Row]
    dead: Mapping[int, Row]
    whole: bool

    @property
    def restriction(self) -> dict[str, Any]:
        """The filter that lets no live row through but those that are known, and the dead; nothing where all are."""
        rows = (*self.live.values(), *self.dead.values())
        return {} if self.whole else {"chunk_id": sorted({row["chunk_id"] for row in rows})}


def known_rows(generation: Generation, places: Places, new: Mask, gone: Mask) -> KnownRows:
    """Read the rows that filters are held against.

    new : bool [end_row], rows that came; gone : bool, rows of the parent that died, which stand for the dead.
    """
    live, died = (
        _masked(places.row[places.live], generation.end_row),
        _masked(places.row[~places.live], generation.end_row),
    )
    just = died.copy()
    just[: len(gone)] &= gone[: len(just)]
    just[len(gone) :] = False
    dead = sample(just if just.any() else died, DEAD_ROWS)
    # The chunks of the dead that live on in another row are looked at too.
    again = places.live_rows_of(places.chunk_id[np.searchsorted(places.row, dead)])
    if live.sum() <= MOST_ROWS:
        chosen = np.flatnonzero(live)
    else:
        parts = [
            sample(live & new, NEW_ROWS),
            sample(live, MOST_ROWS - NEW_ROWS - DEAD_ROWS),
            again[again >= 0],
            _repeated(generation, live, dead),
        ]
        chosen = np.unique(np.concatenate(parts))
    return KnownRows(
        _columns(generation, places, chosen), _columns(generation, places, dead), len(chosen) == int(live.sum())
    )


def _repeated(generation: Generation, live: Mask, dead: Ints) -> Ints:
    """Some live rows of texts that stand several times. What is equal is told by the first word of the hashes here,
    and by the texts where answers are judged. 0.1 CPU s of a million rows."""
    first = np.zeros(generation.end_row, np.uint64)
    for one in generation.segments:
        first[one.base_row : one.end_row] = one.segment.text_hashes()[:, 0]
    rows = np.flatnonzero(live)
    order = rows[np.argsort(first[rows], kind="stable")]
    begins = np.flatnonzero(np.append(True, first[order][1:] != first[order][:-1]))
    counts = np.diff(np.append(begins, len(order)))
    several = begins[counts > 1]
    died = several[np.isin(first[order[several]], first[dead])]
    texts = np.concatenate([died[:REPEATED_TEXTS], several[sample(np.ones(len(several), np.bool_), REPEATED_TEXTS)]])
    return np.concatenate([order[:0], *(order[at : at + REPEATED_ROWS] for at in texts.tolist())])


def _masked(rows: Ints, size: int) -> Mask:
    mask = np.zeros(size, np.bool_)
    mask[rows[rows < size]] = True
    return mask


def _columns(generation: Generation, places: Places, rows: Ints) -> dict[int, Row]:
    """Columns of rows by row, lines where they stand now."""
    at = np.searchsorted(places.row, rows)
    by_segment: dict[str, list[int]] = {}
    for place in at.tolist():
        by_segment.setdefault(places.segments[places.segment[place]], []).append(place)
    shifts = {one.segment_id: one.shifts for one in generation.manifest.segments}
    found: dict[int, Row] = {}
    for name, inside in by_segment.items():
        positions = places.position[inside]
        table = stored_rows(generation, name, positions, (*COLUMNS, "title", "text", "metadata", "text_hash"))
        for place, position, row in zip(inside, positions.tolist(), table, strict=True):
            moved = sum(by for start, stop, by in shifts.get(name, ()) if start <= position < stop)
            lines = {column: row[column] + moved for column in ("start_line", "end_line")}
            found[int(places.row[place])] = {**row, **lines, "metadata": json.loads(row["metadata"])}
    return found


def stored_rows(
    generation: Generation, segment_id: str, positions: Ints, columns: Sequence[str]
) -> list[dict[str, Any]]:
    """Rows of chunks.parquet at ascending positions; of its row groups only those that hold them are read."""
    found: list[dict[str, Any]] = []
    with pq.ParquetFile(generation.layout.segment(segment_id) / "chunks.parquet") as file:
        first = 0
        for group in range(file.num_row_groups):
            count = file.metadata.row_group(group).num_rows
            inside = positions[(positions >= first) & (positions < first + count)] - first
            if len(inside):
                found += file.read_row_group(group, columns=list(columns)).take(pa.array(inside)).to_pylist()
            first += count
    return found


class StoredVectors:
    """Scores of rows by what lies in their segments."""

    def __init__(self, generation: Generation, places: Places) -> None:
        legs, made_by = generation.legs, generation.fingerprint
        self._embeddings = [
            (one.base_row, one.end_row, one.segment.embeddings(made_by))
            for one in generation.segments
            if "dense" in legs
        ]
        self._tokens = [
            (one.base_row, one.end_row, one.segment.tokens(made_by)) for one in generation.segments if "tokens" in legs
        ]
        self._names = [
            one.segment.names(made_by) if one.segment.has_names(made_by) else None
            for one in generation.segments
            if "dense" in legs
        ]
        live = _masked(places.row[places.live], generation.end_row)
        self._words = StoredWords(generation, live)
        self._worded: dict[str, Doubles] = {}

    def dense(self, rows: Ints, query: Floats) -> Floats:
        """float32 [n]: inner products of an embedding with those of ascending rows."""
        parts = [np.empty(0, np.float32)]
        for first, stop, embeddings in self._embeddings:
            inside = rows[(rows >= first) & (rows < stop)] - first
            if len(inside):
                parts.append(np.asarray(embeddings[inside], np.float32) @ query)
        return np.concatenate(parts)

    @property
    def named(self) -> bool:
        """Whether any row has a name."""
        return any(names is not None for names in self._names)

    def names(self, rows: Ints, query: Floats) -> Floats:
        """float32 [n]: inner products of an embedding with the names of ascending rows, 0 where a row has none."""
        parts = [np.empty(0, np.float32)]
        for (first, stop, _), names in zip(self._embeddings, self._names, strict=True):
            inside = rows[(rows >= first) & (rows < stop)] - first
            parts.append(
                np.zeros(len(inside), np.float32) if names is None else np.asarray(names[inside], np.float32) @ query
            )
        return np.concatenate(parts)

    def tokens(self, rows: Ints) -> Ints:
        """int64 [n]: how many tokens ascending rows keep; 0 where they have none."""
        if not self._tokens:
            return np.zeros(len(rows), np.int64)
        parts = [np.empty(0, np.int64)]
        for first, stop, arrays in self._tokens:
            inside = rows[(rows >= first) & (rows < stop)] - first
            parts.append(np.asarray(arrays.offsets[inside + 1] - arrays.offsets[inside], np.int64))
        return np.concatenate(parts)

    def lexical(self, rows: Ints, text: str) -> Floats:
        """float32 [n]: BM25 of a question's words in rows."""
        if text not in self._worded:
            self._worded[text] = self._words.scores(asked(text))
        return self._worded[text][rows].astype(np.float32)

    def digits(self, rows: Ints, text: str) -> Doubles:
        """float64 [n]: the share of a question's rare words with a digit that rows hold."""
        return self._words.digits(numbered(asked(text)))[rows]

    def rarity(self, text: str) -> dict[str, float]:
        """How rare each term of a question is that some live row holds."""
        return self._words.rarity(asked(text))

    def late(self, rows: Ints, query: Floats) -> Floats:
        """float32 [n]: MaxSim of query tokens float32 [t, token_dim] with ascending rows, per query token."""
        parts = [np.empty(0, np.float32)]
        for first, stop, arrays in self._tokens:
            inside = rows[(rows >= first) & (rows < stop)] - first
            for start in range(0, len(inside), BLOCK):
                block = inside[start : start + BLOCK]
                counts = arrays.offsets[block + 1] - arrays.offsets[block]
                begins = np.concatenate([[0], np.cumsum(counts)[:-1]])
                taken = np.repeat(arrays.offsets[block] - begins, counts) + np.arange(int(counts.sum()))
                tokens = arrays.tokens[taken].astype(np.float32)
                products = (tokens @ query.T) * arrays.scales[taken].astype(np.float32)[:, None]
                parts.append(np.maximum.reduceat(products, begins, axis=0).sum(axis=1) / np.float32(len(query)))
        return np.concatenate(parts)
