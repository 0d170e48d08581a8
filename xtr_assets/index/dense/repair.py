"""Local repair of an inverted-list index whose rows changed: lists that no longer fit are learnt anew, emptied ones
given up, only the rows around them move."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.recipe_grammar import Recipe, parse_recipe
from xtr_assets.core.recipe_shortlist import TRAINING_VECTORS_PER_LIST
from xtr_assets.core.top_k import ranked_columns
from xtr_assets.core.types import Floats, Ints, Mask
from xtr_assets.index.dense.index import DenseIndex
from xtr_assets.index.dense.recipe import SEED, coded, emptied_copy, inverted, list_rows, move_list
from xtr_assets.index.faiss_provider import load_faiss
from xtr_assets.index.half_precision import gather

faiss = load_faiss()

# A list is ill when it is this many times as long as lists would be now, had they been trained: a query that probes it
# reads that many lists at once.
LONG = 3.0
# Or when this share of its rows lies further from the centroid than nine tenths of the rows did that it learnt from:
# rows of new topics go to the nearest old centroid, however far, and no list of theirs need be long.
MISFITS = 0.3
# A list below this share of the due length hardly helps any query: its rows go where they lie nearest.
SHORT = 0.1
# Rows of a list that are looked at for its misfits: enough to tell 0.3 from 0.1.
LOOKED_AT = 128
# Lists around a new centroid whose rows may now lie nearer to it (SPFresh's LIRE reassigns within 64 at a billion rows;
# here the ninth list already moves less than one row in a hundred).
NEIGHBOURS = 8
KMEANS_ROUNDS = 10
# A new centroid may draw more rows than it was made for, and be cut again: at most so often.
ROUNDS = 3


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
    """What a local repair did: ill lists that were learnt anew, short ones given up, rows coded again, and the balance
    around it."""

    lists_ill: int
    lists_short: int
    rows_moved: int
    before: ListBalance
    after: ListBalance

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def repairable(recipe: Recipe) -> bool:
    """Whether lists can be cut: centroids in a graph cannot change."""
    return recipe.family == "ivf" and not recipe.quantizer_graph


def repair_lists(index: DenseIndex) -> Repair:
    """Learn ill lists anew and give up those that emptied, in place, at the cost of the rows around them.

    As SPFresh's LIRE (arXiv 2410.14452), with k-means over all ill lists at once in place of one cut a list: rows of
    new topics are scattered over many old lists, and cutting each of them leaves every topic in as many pieces. Rows of
    ill and short lists, and of neighbours that lie nearer to a new centroid, go where they lie nearest and are coded
    again from the stored vectors; other codes are not touched. Lists may hold rows over (trained lists, times the root
    of the growth since) each; the number of lists, and with it the recipe, follows.
    """
    if not repairable(parse_recipe(index.recipe)):
        raise InvalidInput(
            f"recipe {index.recipe} has no lists to repair, or keeps their centroids in a graph, which cannot change; "
            "rebuild instead"
        )
    before = _balance(_sizes(inverted(index.faiss_index)))
    ill_lists = short_lists = moved = 0
    for number in range(ROUNDS):
        lists = inverted(index.faiss_index)
        sizes = _sizes(lists)
        if not sizes.any():
            # Of no row no centroid can be learnt: the lists stay for what comes.
            break
        length = _due_length(index, int(sizes.sum()))
        # New centroids fit their rows as well as this index can: later rounds look at lengths alone.
        ill = _ill(index, sizes, length, misfits=not number)
        short = (sizes < SHORT * length) & ~ill
        if not ill.any() and (number or not short.any()):
            break
        moved += _relearn(index, ill, short, length)
        ill_lists, short_lists = ill_lists + int(ill.sum()), short_lists + int(short.sum())
    return Repair(ill_lists, short_lists, moved, before, _balance(_sizes(inverted(index.faiss_index))))


def misfit_share(index: DenseIndex) -> float:
    """Share of all rows that are misfits (see `misfit_shares`): about 0.1 as trained, whatever the data."""
    sizes = _sizes(inverted(index.faiss_index))
    return float((misfit_shares(index) * sizes).sum() / max(1, sizes.sum()))


def _ill(index: DenseIndex, sizes: Ints, length: float, *, misfits: bool) -> Mask:
    ill: Mask = sizes > max(LONG * length, 2)
    return ill | (misfit_shares(index) > MISFITS) if misfits else ill


def misfit_shares(index: DenseIndex) -> npt.NDArray[np.float64]:
    """float64 [lists]: share of each list's rows that lie further from its centroid than nine tenths of the rows did
    that were learnt from, by a fixed sample of each list."""
    lists, fit = inverted(index.faiss_index), index.profile["trained_fit"]
    shares = np.zeros(lists.nlist)
    if not fit:
        return shares
    centroids = _centroids(lists)
    generator = np.random.default_rng(SEED)
    for number in range(lists.nlist):
        rows = list_rows(lists.invlists, number)
        if len(rows) > LOOKED_AT:
            rows = generator.choice(rows, LOOKED_AT, replace=False)
        if len(rows):
            stored = coded(index.faiss_index, gather(index.vectors, rows))
            shares[number] = float((stored @ centroids[number] < fit).mean())
    return shares


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


def _relearn(index: DenseIndex, ill: Mask, short: Mask, length: float) -> int:
    """Centroids anew for the rows of ill lists, none for short ones; returns how many rows were coded again."""
    recipe = parse_recipe(index.recipe)
    old = inverted(index.faiss_index)
    centroids = _centroids(old)

    def stored(rows: Ints) -> Floats:
        return coded(index.faiss_index, gather(index.vectors, rows))

    none = np.empty(0, np.int64)
    sick = np.concatenate([none, *(list_rows(old.invlists, int(number)) for number in np.flatnonzero(ill))])
    spare = np.concatenate([none, *(list_rows(old.invlists, int(number)) for number in np.flatnonzero(short))])
    made = centroids[:0]
    if len(sick):
        made = _learnt(stored, sick, max(round(len(sick) / length), int(ill.sum())))
    kept = np.flatnonzero(~ill & ~short)
    following = _boundary_rows(stored, old, centroids, kept, made)
    index.faiss_index.remove_ids(faiss.IDSelectorBatch(following))
    changed = recipe.with_lists(len(kept) + len(made))
    copy = emptied_copy(index.faiss_index, changed, index.dim)
    new = inverted(copy)
    new.quantizer.reset()
    new.quantizer.add(np.ascontiguousarray(np.concatenate([centroids[kept], made])))
    for place, number in enumerate(kept.tolist()):
        new.ntotal += move_list(old, number, new, place)
    copy.ntotal = new.ntotal
    moving = np.sort(np.concatenate([sick, spare, following]))
    index.replace_lists(copy, changed.text, moving)
    return len(moving)


def _centroids(lists: Any) -> Floats:
    codes = faiss.vector_to_array(faiss.downcast_index(lists.quantizer).codes)
    found: Floats = codes.view(np.float32).reshape(lists.nlist, lists.d).copy()
    return found


def _learnt(stored: Callable[[Ints], Floats], rows: Ints, count: int) -> Floats:
    """Unit centroids float32 [count, d] of the rows, by k-means on a fixed sample; `stored` gives rows as coded."""
    most = TRAINING_VECTORS_PER_LIST * count
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(SEED).choice(rows, most, replace=False))
    sample = np.ascontiguousarray(stored(rows))
    dim = sample.shape[1]
    kmeans = faiss.Kmeans(
        dim, min(count, len(rows)), niter=KMEANS_ROUNDS, seed=SEED, spherical=True, min_points_per_centroid=1
    )
    kmeans.train(sample)
    learnt: Floats = kmeans.centroids.reshape(-1, dim)
    return learnt


def _boundary_rows(stored: Callable[[Ints], Floats], lists: Any, centroids: Floats, kept: Ints, made: Floats) -> Ints:
    """Rows of the kept lists around new centroids that lie nearer to one of them than to their own."""
    if not len(made) or not len(kept):
        return np.empty(0, np.int64)
    near = ranked_columns(made @ centroids[kept].T, NEIGHBOURS)
    found = []
    for number in kept[np.unique(near)]:
        rows = list_rows(lists.invlists, int(number))
        if len(rows):
            own = stored(rows)
            found.append(rows[(own @ made.T).max(axis=1) > own @ centroids[number]])
    return np.concatenate(found or [np.empty(0, np.int64)])
