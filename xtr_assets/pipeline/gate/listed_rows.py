"""Rows that lists name, read from the raw arrays: documents in postings of either kind, neighbours in exact lists."""

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

from xtr_assets.core.types import SPACE_OF, Floats, Int32s, Ints, Mask
from xtr_assets.pipeline.derive.neighbor_lists import neighbor_files
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.search.loaders import LEXICAL_FILE, TOKEN_FILE
from xtr_assets.storage.draft import Draft

Fault = tuple[str, Ints]

# A word is counted no further in a row.
MOST_COUNTED = 65_535
# Tokens compared with their lists at a time: 200 MB while they are sorted. 1,000,000 rows of 50 tokens take 5 CPU s.
BLOCK_TOKENS = 4_000_000
# Tokens of a segment whose centroid is looked for again among all: postings that belong to another segment name the
# right one for a token in hundreds.
PROBED_TOKENS = 64
# A centroid is the nearest where no other is nearer by more than float32 sums of 128 products differ.
NEAREST = 1e-3
# Of the probed tokens so many lie with their nearest centroid; all of them do in a healthy index.
LEAST_NEAREST = 0.9


def posting_faults(session: DraftSession, live: Mask, vouched: frozenset[str]) -> Iterator[Fault]:
    """What is wrong with the postings of the segments that nobody vouches for: (what, rows int64)."""
    draft = session.draft
    described = json.loads(draft.path(TOKEN_FILE).read_bytes())
    for one in draft.manifest.segments:
        if one.segment_id in vouched:
            continue
        rows = np.arange(one.base_row, one.base_row + one.rows)
        alive = rows[live[rows]]
        name = described["postings"].get(one.segment_id)
        if name is None:
            yield f"live rows of segment {one.segment_id}, which the token index does not name", alive
            continue
        segment = draft.layout.segment(one.segment_id)
        folder, tokens = segment / name, segment / f"tokens.{draft.fingerprint[:8]}"
        lists, documents, numbers = (
            np.load(folder / f"{array}.npy", mmap_mode=None) for array in ("lists", "documents", "numbers")
        )
        offsets = np.load(tokens / "offsets.npy")
        for what, positions in _segment_faults(lists, documents, numbers, offsets, one.rows):
            yield f"{what} of segment {one.segment_id}", one.base_row + positions
        misplaced = _misplaced(session, tokens, numbers, offsets)
        if misplaced is not None:
            yield (
                f"rows of segment {one.segment_id}, whose tokens lie with other tokens' centroids",
                one.base_row + misplaced,
            )


def _segment_faults(lists: Ints, documents: Ints, numbers: Ints, offsets: Ints, rows: int) -> Iterator[Fault]:
    """Every document under the centroids of its tokens, once each and in order, and nothing else: by position."""
    every = np.arange(rows)
    if len(offsets) != rows + 1 or offsets[-1] - offsets[0] != len(numbers):
        yield "rows whose tokens are not those that were listed", every
        return
    if lists[0] != 0 or lists[-1] != len(documents) or (np.diff(lists) < 0).any():
        yield "rows of lists without bounds", every
        return
    if len(documents) and not 0 <= documents.min() <= documents.max() < rows:
        outside = (documents < 0) | (documents >= rows)
        yield "listed documents that lie outside", np.unique(documents[outside]).astype(np.int64)
        return
    lengths = np.diff(offsets)
    # Looked at before they are counted: a damaged number of 32 bits would ask for 32 GB of counts.
    if len(numbers) and int(numbers.max()) >= len(lists) - 1:
        beyond = np.flatnonzero(numbers >= len(lists) - 1) + offsets[0]
        yield (
            "rows with a token of a centroid that has no list",
            np.unique(np.searchsorted(offsets, beyond, side="right") - 1),
        )
        return
    counts = np.bincount(numbers, minlength=len(lists) - 1)
    owners = np.repeat(np.arange(rows, dtype=np.int32), lengths)
    wrong: dict[str, list[Ints]] = {}
    for first, last in _ranges(counts):
        listed, pairs = _keys(lists, documents, first, last, rows), _token_keys(numbers, owners, first, last, rows)
        if np.array_equal(listed, pairs):
            continue
        for what, keys in (
            ("rows that one list names twice, or out of order", listed[:-1][np.diff(listed) <= 0]),
            ("rows that a centroid of their tokens does not list", np.setdiff1d(pairs, listed)),
            ("rows that are listed under a centroid that none of their tokens has", np.setdiff1d(listed, pairs)),
        ):
            wrong.setdefault(what, []).append(keys % rows)
    if wrong and len(unlisted := np.setdiff1d(np.flatnonzero(lengths), documents)):
        yield "rows with tokens that no list names", unlisted
    for what, found in wrong.items():
        if len(positions := np.unique(np.concatenate(found))):
            yield what, positions


def _ranges(counts: Ints) -> Iterator[tuple[int, int]]:
    """Runs of centroids that hold about BLOCK_TOKENS tokens together, at least one centroid each."""
    ends = np.cumsum(counts)
    cuts: list[int] = []
    if len(ends):
        cuts = (np.searchsorted(ends, np.arange(BLOCK_TOKENS, ends[-1], BLOCK_TOKENS)) + 1).tolist()
    yield from pairwise(sorted({0, *cuts, len(counts)}))


def _keys(lists: Ints, documents: Ints, first: int, last: int, rows: int) -> Ints:
    """int64: (centroid, document) of each entry of some lists as one number, as they lie."""
    centroids = np.repeat(np.arange(first, last), np.diff(lists[first : last + 1]))
    keys: Ints = centroids * rows + documents[lists[first] : lists[last]]
    return keys


def _token_keys(numbers: Ints, owners: Int32s, first: int, last: int, rows: int) -> Ints:
    """The same of the tokens of these centroids, each pair once, ascending: a stable sort by centroid leaves documents
    as they come."""
    mine = np.flatnonzero((numbers >= first) & (numbers < last))
    order = mine[np.argsort(numbers[mine], kind="stable")]
    keys = numbers[order].astype(np.int64) * rows + owners[order]
    unlike: Ints = keys[np.diff(keys, prepend=-1) != 0]
    return unlike


def _misplaced(session: DraftSession, folder: Path, numbers: Ints, offsets: Ints) -> Ints | None:
    """Positions of probed tokens that lie with another centroid than their nearest, where too many do."""
    if not len(numbers):
        return None
    model = session.tokens().model
    probed = np.unique(np.linspace(0, len(numbers) - 1, PROBED_TOKENS).astype(np.int64))
    codes, scales = (np.load(folder / f"{name}.npy", mmap_mode="r")[probed] for name in ("tokens", "scales"))
    tokens: Floats = codes.astype(np.float32) * scales.astype(np.float32)[:, None]
    centroids = model.centroids.astype(np.float32) * np.asarray(model.centroid_scales, np.float32)[:, None]
    nearness = (tokens - model.mean) @ centroids.T - np.einsum("cd,cd->c", centroids, centroids) / 2
    assigned = numbers[probed].astype(np.int64)
    if assigned.max() >= len(centroids):
        every: Ints = np.unique(np.searchsorted(offsets, probed, side="right") - 1)
        return every
    far = nearness.max(axis=1) - nearness[np.arange(len(probed)), assigned] > NEAREST
    if far.mean() <= 1 - LEAST_NEAREST:
        return None
    wrong: Ints = np.unique(np.searchsorted(offsets, probed[far], side="right") - 1)
    return wrong


def lexical_faults(draft: Draft, live: Mask, vouched: frozenset[str]) -> Iterator[Fault]:
    """What is wrong with the lexical postings of the segments that nobody vouches for: (what, rows int64).

    Every row with words is listed, as often as its length says, and none other; a row without words has the length 0.
    """
    described = json.loads(draft.path(LEXICAL_FILE).read_bytes())
    for one in draft.manifest.segments:
        if one.segment_id in vouched:
            continue
        rows = np.arange(one.base_row, one.base_row + one.rows)
        name = described["postings"].get(one.segment_id)
        if name is None:
            yield f"live rows of segment {one.segment_id}, which the lexical index does not name", rows[live[rows]]
            continue
        folder = draft.layout.segment(one.segment_id) / name
        lists, documents, counts, lengths = (
            np.load(folder / f"{array}.npy", mmap_mode=None) for array in ("lists", "documents", "counts", "lengths")
        )
        for what, positions in _lexical_segment_faults(lists, documents, counts, lengths, one.rows):
            yield f"{what} of segment {one.segment_id}", one.base_row + positions


def _lexical_segment_faults(
    lists: Ints, documents: Int32s, counts: Ints, lengths: Int32s, rows: int
) -> Iterator[Fault]:
    every = np.arange(rows)
    if len(lengths) != rows or len(counts) != len(documents) or (lengths < 0).any():
        yield "rows whose words are those of other rows: another number of them has a length", every
        return
    if lists[0] != 0 or lists[-1] != len(documents) or (np.diff(lists) <= 0).any():
        yield "rows in lexical lists without bounds", every
        return
    outside = (documents < 0) | (documents >= rows)
    if outside.any():
        yield "listed rows of words that lie outside", np.unique(documents[outside]).astype(np.int64)
        return
    first = np.zeros(len(documents), np.bool_)
    first[lists[:-1]] = True
    again = np.flatnonzero((np.diff(documents, prepend=-1) <= 0) & ~first)
    if len(again):
        yield "rows that a list of a word names twice, or out of order", np.unique(documents[again]).astype(np.int64)
    sums = np.bincount(documents, counts, rows).astype(np.int64)
    full = np.zeros(rows, np.bool_)
    full[documents[counts == MOST_COUNTED]] = True
    unlike = np.where(full, sums > lengths, sums != lengths)
    if (none := unlike & (sums == 0)).any():
        yield "rows with words that no list names", np.flatnonzero(none)
    if (more := unlike & (sums > 0)).any():
        yield "rows that lists count other words of than their length says", np.flatnonzero(more)


def exact_list_faults(draft: Draft, live: Mask, k: int) -> Iterator[Fault]:
    """What is wrong with the exact neighbours that recall is measured against: (what, rows int64)."""
    for space in sorted(SPACE_OF[leg] for leg in draft.legs):
        names = neighbor_files(space)
        if not draft.has_file(names[0]):
            continue
        rows, scores = (np.load(draft.path(name), allow_pickle=False) for name in names)
        given = rows >= 0
        if rows.shape != scores.shape or rows.ndim != 2:
            yield f"exact lists of {space} with {rows.shape} rows and {scores.shape} scores", np.arange(len(rows))
            continue
        if (outside := given & (rows >= len(live))).any() or (rows < -1).any():
            yield f"rows out of range in exact lists of {space}", np.unique(rows[outside | (rows < -1)])
            continue
        # A corpus of no row has lists of pads alone.
        if len(dead := rows[given][~live[rows[given]]]):
            yield f"dead rows in exact lists of {space}", np.unique(dead)
        ordered = np.sort(rows, axis=1)
        if (twice := (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any():
            yield f"rows twice in one exact list of {space}", np.unique(ordered[:, 1:][twice])
        # Best first, then pads of -1 with -inf; as deep as the gate looks, or every row there is.
        badly = (given[:, 1:] & ~given[:, :-1]).any(axis=1)
        badly |= (np.isfinite(scores) != given).any(axis=1)
        with np.errstate(invalid="ignore"):
            badly |= (given[:, 1:] & (scores[:, 1:] > scores[:, :-1])).any(axis=1)
        least = min(k, _comparable(draft, live, space), rows.shape[1])
        badly |= given.sum(axis=1) < least
        if badly.any():
            queries = np.flatnonzero(badly)
            first = rows[queries, 0]
            yield f"exact lists of {space} that are out of order, padded within, or too short; their first", first


def _comparable(draft: Draft, live: Mask, space: str) -> int:
    """How many live rows a query can be compared with: those that have tokens, or all."""
    if space == "dense":
        return int(live.sum())
    count = 0
    for one in draft.manifest.segments:
        offsets = np.load(
            draft.layout.segment(one.segment_id) / f"tokens.{draft.fingerprint[:8]}" / "offsets.npy", mmap_mode="r"
        )
        count += int((live[one.base_row : one.base_row + one.rows] & (np.diff(offsets) > 0)).sum())
    return count
