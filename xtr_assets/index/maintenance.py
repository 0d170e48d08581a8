"""Keeping an index good while its rows change: balance of the lists, local repair of drift, merging two indexes."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.rows import RowVectors, VectorPart
from xtr_assets.core.types import Floats, Ints
from xtr_assets.index.dense import DenseIndex
from xtr_assets.index.evolving import Evolution
from xtr_assets.index.exact import gather
from xtr_assets.index.provider import load_faiss
from xtr_assets.index.recipes import inverted, list_rows

faiss = load_faiss()

# A list is split when it is this many times the mean: a query that probes it reads that many lists at once.
SPLIT_ABOVE = 3.0
# A list below this share of the mean hardly helps any query: its centroid is worth more elsewhere.
MERGE_BELOW = 0.3
# Lists around a new centroid whose rows may now lie nearer to it (SPFresh's LIRE reassigns within 64 at a billion rows;
# here the ninth list already moves less than one row in a hundred).
NEIGHBOURS = 8
KMEANS_ROUNDS = 8
# Repeated at most so often, and only while a round takes this much off the imbalance.
ROUNDS, ENOUGH = 5, 0.97


@dataclass(frozen=True, slots=True)
class ListBalance:
    """How evenly rows lie in the lists. imbalance is 1 for equal lists: the cost of a probe against equal lists'."""

    lists: int
    empty: int
    mean: float
    largest: int
    imbalance: float


@dataclass(frozen=True, slots=True)
class Repair:
    """What a local repair did: lists split (into their own place and those of merged ones), rows coded again."""

    lists_split: int
    rows_moved: int
    before: ListBalance
    after: ListBalance


def list_balance(index: DenseIndex) -> ListBalance | None:
    """The balance of an inverted-list index; None for other families."""
    lists = inverted(index.faiss_index)
    return None if lists is None else _balance(_sizes(lists))


def repair_lists(index: DenseIndex) -> Repair:
    """Split lists that outgrew the others and give up lists that emptied, in place, at the cost of the lists touched.

    As SPFresh's LIRE (arXiv 2410.14452): a long list is cut into lists of about the mean by k-means; the new centroids
    take the places of the shortest lists, whose rows go where they lie nearest; rows of neighbouring lists that now lie
    nearer to a new centroid follow. All of them are coded again from the stored vectors. A new centroid may draw more
    rows than its list had, so this is repeated while it helps. The number of lists, and so the recipe, stays.
    """
    lists = inverted(index.faiss_index)
    if lists is None:
        raise InvalidInput(f"recipe {index.recipe} has no lists to repair")
    if not isinstance(faiss.downcast_index(lists.quantizer), faiss.IndexFlat):
        raise InvalidInput(
            f"recipe {index.recipe} keeps its centroids in a graph, which cannot change; rebuild instead"
        )
    before = after = _balance(_sizes(lists))
    split = moved = 0
    for _ in range(ROUNDS):
        cuts = _cuts(_sizes(lists))
        if not cuts:
            break
        moved += _cut(index, lists, cuts)
        split += len(cuts)
        last, after = after, _balance(_sizes(lists))
        if after.imbalance >= last.imbalance * ENOUGH:
            break
    return Repair(split, moved, before, after)


def merged(first: DenseIndex, second: DenseIndex) -> tuple[DenseIndex, int, Evolution]:
    """Both indexes in one, nothing lost: the second's rows come after the first's, moved by the returned offset.

    Derived from the first (or rebuilt where it outgrew itself, as the Evolution says); both stay as they are.
    """
    if first.dim != second.dim:
        raise InvalidInput(f"dim {first.dim} in one index, {second.dim} in the other; only equal dims can be merged")
    offset = first.vectors.end_row
    parts = [VectorPart(part.base_row + offset, part.vectors) for part in second.vectors.parts]
    vectors = RowVectors([*first.vectors.parts, *parts], first.dim)
    none = np.empty(0, np.int64)
    index, evolution = first.evolve(none, np.flatnonzero(second.present) + offset, vectors)
    return index, offset, evolution


def _sizes(lists: Any) -> Ints:
    return np.array([lists.invlists.list_size(number) for number in range(lists.nlist)], np.int64)


def _balance(sizes: Ints) -> ListBalance:
    total = int(sizes.sum())
    return ListBalance(
        lists=len(sizes),
        empty=int((sizes == 0).sum()),
        mean=total / len(sizes),
        largest=int(sizes.max()),
        imbalance=float((sizes.astype(np.float64) ** 2).sum() * len(sizes) / total**2) if total else 1.0,
    )


def _cuts(sizes: Ints) -> list[tuple[int, Ints]]:
    """The long lists, longest first, each with the short lists whose places its parts will take."""
    order = np.argsort(sizes, kind="stable")
    mean = float(sizes.mean())
    short = order[sizes[order] < MERGE_BELOW * mean]
    cuts = []
    for number in order[::-1][sizes[order[::-1]] > max(SPLIT_ABOVE * mean, 2)]:
        parts = min(round(float(sizes[number]) / mean) - 1, len(short))
        if parts:
            cuts.append((int(number), short[:parts]))
            short = short[parts:]
    return cuts


def _cut(index: DenseIndex, lists: Any, cuts: list[tuple[int, Ints]]) -> int:
    """Carry the cuts out; returns how many rows were coded again."""
    quantizer = faiss.downcast_index(lists.quantizer)
    centroids = faiss.vector_to_array(quantizer.codes).view(np.float32).reshape(lists.nlist, index.dim).copy()
    moved, changed = [], []
    for number, places in cuts:
        rows = list_rows(lists.invlists, number)
        slots = np.concatenate([[number], places])
        centroids[slots] = _parted(gather(index.vectors, rows), len(slots))
        moved += [rows, *(list_rows(lists.invlists, int(place)) for place in places)]
        changed.append(slots)
    moved.append(_boundary_rows(index.vectors, lists, centroids, np.concatenate(changed)))
    rows = np.concatenate(moved)
    index.remove(rows)
    faiss.copy_array_to_vector(centroids.reshape(-1).view(np.uint8), quantizer.codes)
    index.add_rows(rows)
    return len(rows)


def _parted(vectors: Floats, parts: int) -> Floats:
    """Unit centroids float32 [parts, dim] by spherical k-means, begun at vectors far from each other."""
    chosen = [int(np.argmin(vectors @ vectors.mean(axis=0)))]
    nearest = vectors @ vectors[chosen[0]]
    while len(chosen) < parts:
        chosen.append(int(np.argmin(nearest)))
        nearest = np.maximum(nearest, vectors @ vectors[chosen[-1]])
    centroids = vectors[chosen].copy()
    for _ in range(KMEANS_ROUNDS):
        owner = np.argmax(vectors @ centroids.T, axis=1)
        for part in np.unique(owner):
            mean = vectors[owner == part].mean(axis=0)
            centroids[part] = mean / max(float(np.linalg.norm(mean)), 1e-12)
    return centroids


def _boundary_rows(vectors: RowVectors, lists: Any, centroids: Floats, changed: Ints) -> Ints:
    """Rows of the lists around the changed ones that lie nearer to a changed centroid than to their own."""
    unchanged = np.setdiff1d(np.arange(lists.nlist), changed)
    if not len(unchanged):
        return np.empty(0, np.int64)
    near = np.argsort(-(centroids[changed] @ centroids[unchanged].T), axis=1, kind="stable")[:, :NEIGHBOURS]
    found = []
    for number in unchanged[np.unique(near)]:
        rows = list_rows(lists.invlists, int(number))
        if len(rows):
            stored = gather(vectors, rows)
            found.append(rows[(stored @ centroids[changed].T).max(axis=1) > stored @ centroids[number]])
    return np.concatenate(found or [np.empty(0, np.int64)])
