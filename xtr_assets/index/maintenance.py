"""Local repair of an inverted-list index whose rows changed: long lists are cut, emptied ones given up, only the rows
around them move. And two indexes made one."""

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.recipes import Recipe, parse_recipe
from xtr_assets.core.rows import RowVectors, VectorPart
from xtr_assets.core.types import Floats, Ints
from xtr_assets.index.dense import DenseIndex
from xtr_assets.index.evolving import Evolution
from xtr_assets.index.exact import gather
from xtr_assets.index.provider import load_faiss
from xtr_assets.index.recipes import SEED, emptied_copy, inverted, list_rows, move_list

faiss = load_faiss()

# A list is cut when it is this many times as long as lists would be now, had they been trained: a query that probes it
# reads that many lists at once.
SPLIT_ABOVE = 3.0
# A list below this share of that length hardly helps any query: its rows go where they lie nearest.
MERGE_BELOW = 0.1
# Lists around a new centroid whose rows may now lie nearer to it (SPFresh's LIRE reassigns within 64 at a billion rows;
# here the ninth list already moves less than one row in a hundred).
NEIGHBOURS = 8
# Vectors a part that k-means cuts a list by.
TRAINING_VECTORS_PER_PART = 64
KMEANS_ROUNDS = 8
# A new centroid may draw more rows than its list had, and be cut again: at most so often.
ROUNDS = 5


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
    """What a local repair did: lists cut, lists given up, rows coded again, and the balance around it."""

    lists_split: int
    lists_merged: int
    rows_moved: int
    before: ListBalance
    after: ListBalance

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def list_balance(index: DenseIndex) -> ListBalance | None:
    """The balance of an inverted-list index; None for other families."""
    lists = inverted(index.faiss_index)
    return None if lists is None else _balance(_sizes(lists))


def repairable(recipe: Recipe) -> bool:
    """Whether lists can be cut: centroids in a graph cannot change."""
    return recipe.family == "ivf" and not recipe.quantizer_graph


def repair_lists(index: DenseIndex) -> Repair:
    """Cut lists that outgrew the others and give up lists that emptied, in place, at the cost of the lists touched.

    As SPFresh's LIRE (arXiv 2410.14452): a long list is cut by k-means; its rows, and those of neighbouring lists that
    now lie nearer to a new centroid, go where they lie nearest and are coded again from the stored vectors; so do the
    rows of lists given up. Lists may be this long: rows over (trained lists, times the root of the growth since). The
    number of lists, and with it the recipe, follows; codes of rows that stay are not touched.
    """
    if not repairable(parse_recipe(index.recipe)):
        raise InvalidInput(
            f"recipe {index.recipe} has no lists to repair, or keeps their centroids in a graph, which cannot change; "
            "rebuild instead"
        )
    lists = inverted(index.faiss_index)
    before = _balance(_sizes(lists))
    split = merged_lists = moved = 0
    for _ in range(ROUNDS):
        sizes = _sizes(inverted(index.faiss_index))
        length = _due_length(index, int(sizes.sum()))
        parts = np.where(sizes > max(SPLIT_ABOVE * length, 2), np.rint(sizes / length), 1).astype(np.int64)
        given_up = sizes < MERGE_BELOW * length
        if parts.max() == 1 and (split or not given_up.any()):
            break
        moved += _rearrange(index, parts, given_up)
        split, merged_lists = split + int((parts > 1).sum()), merged_lists + int(given_up.sum())
    return Repair(split, merged_lists, moved, before, _balance(_sizes(inverted(index.faiss_index))))


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


def _due_length(index: DenseIndex, rows: int) -> float:
    """Rows a list would hold if it were trained now: lists grow with the root of the rows."""
    profile = index.profile
    lists = profile["trained_lists"] or parse_recipe(index.recipe).nlist
    trained = profile["trained_rows"] or rows
    return max(1.0, rows / (lists * math.sqrt(max(1.0, rows / max(1, trained)))))


def _rearrange(index: DenseIndex, parts: Ints, given_up: Any) -> int:
    """Cut list i into parts[i] and give up those that are True; returns how many rows were coded again."""
    recipe = parse_recipe(index.recipe)
    old = inverted(index.faiss_index)
    centroids = faiss.vector_to_array(faiss.downcast_index(old.quantizer).codes).view(np.float32)
    centroids = centroids.reshape(old.nlist, index.dim).copy()
    cut = np.flatnonzero(parts > 1)
    fresh = [_parted(_some(index.vectors, list_rows(old.invlists, int(i)), int(parts[i])), int(parts[i])) for i in cut]
    made = np.concatenate([np.empty((0, index.dim), np.float32), *fresh])
    kept = np.flatnonzero((parts == 1) & ~given_up)
    leaving = [list_rows(old.invlists, int(number)) for number in np.flatnonzero((parts > 1) | given_up)]
    following = _boundary_rows(index.vectors, old, centroids, kept, made)
    rows = np.sort(np.concatenate([following, *leaving]))
    old.remove_ids(faiss.IDSelectorBatch(following))
    count = len(kept) + len(made)
    new = emptied_copy(index.faiss_index, replace(recipe, nlist=count, text=_text(recipe, count)), index.dim)
    new.quantizer.reset()
    new.quantizer.add(np.ascontiguousarray(np.concatenate([centroids[kept], made])))
    for place, number in enumerate(kept.tolist()):
        new.ntotal += move_list(old, number, new, place)
    index.replace_lists(new, _text(recipe, count), rows)
    return len(rows)


def _text(recipe: Recipe, lists: int) -> str:
    return f"IVF{lists},{recipe.text.partition(',')[2]}"


def _some(vectors: RowVectors, rows: Ints, parts: int) -> Floats:
    """The vectors of a list, or a fixed sample of them."""
    most = TRAINING_VECTORS_PER_PART * parts
    if len(rows) > most:
        rows = np.random.default_rng(SEED).choice(rows, most, replace=False)
    return gather(vectors, rows)


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


def _boundary_rows(vectors: RowVectors, lists: Any, centroids: Floats, kept: Ints, made: Floats) -> Ints:
    """Rows of the kept lists around new centroids that lie nearer to one of them than to their own."""
    if not len(made) or not len(kept):
        return np.empty(0, np.int64)
    near = np.argsort(-(made @ centroids[kept].T), axis=1, kind="stable")[:, :NEIGHBOURS]
    found = []
    for number in kept[np.unique(near)]:
        rows = list_rows(lists.invlists, int(number))
        if len(rows):
            stored = gather(vectors, rows)
            found.append(rows[(stored @ made.T).max(axis=1) > stored @ centroids[number]])
    return np.concatenate(found or [np.empty(0, np.int64)])
