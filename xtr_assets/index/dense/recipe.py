"""From a recipe to a trained FAISS index, and what every family answers alike: which rows it holds, add, remove."""

from typing import Any

import numpy as np

from xtr_assets.core.errors import CorruptFile, InvalidInput
from xtr_assets.core.recipe_grammar import Recipe
from xtr_assets.core.recipe_shortlist import AXES_FROM_BYTES, FLAT_ROWS, enough_axes
from xtr_assets.core.row_store import RowVectors
from xtr_assets.core.types import Floats, Ints, Mask
from xtr_assets.index.faiss_provider import load_faiss
from xtr_assets.index.half_precision import gather

faiss = load_faiss()

# Any fixed value: the sample, k-means and the tuning queries must not change between two builds of the same rows.
SEED = 2026
# Rows that say how well lists fit: their tenth percentile is then known to a hundredth of the spread.
FIT_ROWS = 4_096
# Rows that say how many repeat others: of 300 vectors, equally frequent, half of them do. Vectors of a cosine this
# near 1 are of one text, or of the same words in another order.
REPEAT_ROWS, REPEATED = 512, 0.999
# Rows added to FAISS at a time: 150 MB of float32 at 384 dims.
ADD_ROWS = 98_304


def train_index(recipe: Recipe, dim: int, sample: Floats) -> Any:
    """An empty FAISS index for inner products, trained on sample float32 [n, dim].

    Flat and graph indexes number vectors by position: an IndexIDMap keeps the row of each position beside them, in the
    same file. Inverted lists hold rows themselves and are never wrapped (IDMap2 over IVF returns wrong rows after a
    removal).
    """
    recipe.check_dim(dim)
    if recipe.trained and not len(sample):
        raise InvalidInput(f"recipe {recipe.text} learns from vectors, there are none; use Flat, or auto")
    index = _made(recipe, dim, principal_axes(sample, recipe.axes) if recipe.axes else None)
    lists = inverted(index)
    if lists is not None:
        lists.cp.seed = SEED
        # Small corpora with an explicit recipe train on few vectors a list; the planner has bounded the sample.
        lists.cp.min_points_per_centroid = 1
        if recipe.code == "PQ":
            lists.pq.cp.min_points_per_centroid = 1
            # Reorders 8-bit codes for a filter that is never asked for (polysemous_ht), for 1.5 CPU s a part.
            if hasattr(lists, "do_polysemous_training"):
                lists.do_polysemous_training = False
    if recipe.trained:
        index.train(sample)
    return index


def _made(recipe: Recipe, dim: int, axes: Floats | None) -> Any:
    """An empty, untrained index; axes : float32 [recipe.axes, dim] that vectors are turned onto first, or None."""
    if axes is None:
        text = recipe.text if recipe.family == "ivf" else f"IDMap,{recipe.text}"
        return faiss.index_factory(dim, text, faiss.METRIC_INNER_PRODUCT)
    turn = faiss.LinearTransform(dim, recipe.axes, False)
    faiss.copy_array_to_vector(np.ascontiguousarray(axes).ravel(), turn.A)
    turn.is_trained = True
    lists = faiss.index_factory(recipe.axes, recipe.text.partition(",")[2], faiss.METRIC_INNER_PRODUCT)
    return faiss.IndexPreTransform(turn, lists)


def principal_axes(sample: Floats, count: int) -> Floats:
    """The axes of the largest second moments of sample float32 [n, dim]: float32 [count, dim], orthonormal."""
    moments = np.asarray(sample.T @ sample, np.float64)
    _, axes = np.linalg.eigh(moments)
    leading: Floats = np.ascontiguousarray(axes[:, ::-1][:, :count].T, np.float32)
    return leading


def leading_axes(vectors: RowVectors, rows: Ints) -> int:
    """`recipe_shortlist.enough_axes` of rows int64 [n], by a fixed sample; 0 where so few rows gain nothing."""
    if len(rows) * vectors.dim // 2 <= AXES_FROM_BYTES:
        return 0
    count = min(len(rows), FIT_ROWS)
    sample = gather(vectors, np.sort(np.random.default_rng(SEED).choice(rows, count, replace=False)))
    return enough_axes(np.linalg.eigvalsh(np.asarray(sample.T @ sample, np.float64))[::-1].tolist())


def repeated_share(vectors: RowVectors, rows: Ints) -> float:
    """The share of rows int64 [n] that are another row's vector again, by a fixed sample: copies, permutations of the
    same words, texts of which an encoder knows no word. 0.0 for so few rows that nothing would follow."""
    if len(rows) <= FLAT_ROWS:
        return 0.0
    count = min(len(rows), REPEAT_ROWS)
    sample = gather(vectors, np.sort(np.random.default_rng(SEED).choice(rows, count, replace=False)))
    sample /= np.maximum(np.linalg.norm(sample, axis=1, keepdims=True), 1e-12)
    return float((np.tril(sample @ sample.T, -1) > REPEATED).any(axis=1).mean())


def axes_of(index: Any) -> Floats | None:
    """float32 [axes, dim] that vectors are turned onto before lists and codes see them; None where they are not."""
    outer = faiss.downcast_index(index)
    if not isinstance(outer, faiss.IndexPreTransform):
        return None
    turn = faiss.downcast_VectorTransform(outer.chain.at(0))
    found: Floats = faiss.vector_to_array(turn.A).reshape(turn.d_out, turn.d_in)
    return found


def coded(index: Any, vectors: Floats) -> Floats:
    """Vectors float32 [n, dim] as lists and codes see them: float32 [n, lists.d]."""
    axes = axes_of(index)
    return vectors if axes is None else vectors @ axes.T


def build_index(recipe: Recipe, vectors: RowVectors, rows: Ints, training_rows: int) -> Any:
    """Train on a sample of rows int64 [n] drawn with a fixed seed, then add them all."""
    chosen = rows[:0]
    if recipe.trained:
        chosen = rows
        if training_rows < len(rows):
            chosen = np.sort(np.random.default_rng(SEED).choice(rows, training_rows, replace=False))
    index = train_index(recipe, vectors.dim, gather(vectors, chosen))
    add_stored(index, vectors, rows)
    return index


def list_fit(index: Any, vectors: RowVectors, rows: Ints) -> float:
    """The inner product with its centroid that nine tenths of the rows int64 [n] reach, by a fixed sample; 0.0 for
    indexes without lists."""
    lists = inverted(index)
    if lists is None or not len(rows):
        return 0.0
    if len(rows) > FIT_ROWS:
        rows = np.sort(np.random.default_rng(SEED).choice(rows, FIT_ROWS, replace=False))
    fits, _ = lists.quantizer.search(np.ascontiguousarray(coded(index, gather(vectors, rows))), 1)
    return round(float(np.quantile(fits, 0.1)), 6)


def emptied_copy(index: Any, recipe: Recipe, dim: int) -> Any:
    """An IVF index of another number of lists that learnt what `index` learnt, but for the centroids: codes of the one
    mean the same in the other. Holds no rows."""
    copy = _made(recipe, dim, axes_of(index))
    old, new = inverted(index), inverted(copy)
    for learnt in ("pq", "sq"):
        if hasattr(old, learnt):
            setattr(new, learnt, getattr(old, learnt))
    copy.is_trained = new.is_trained = True
    return copy


def move_list(source: Any, number: int, target: Any, place: int) -> int:
    """Copy rows and codes of one inverted list into an empty one, without decoding; returns the number of rows."""
    old, new = faiss.downcast_InvertedLists(source.invlists), faiss.downcast_InvertedLists(target.invlists)
    size = old.list_size(number)
    if not size:
        return 0
    new.resize(place, size)
    # Fast scan keeps codes in blocks; the last one is copied with its padding.
    blocks = isinstance(old, faiss.BlockInvertedLists)
    code_bytes = -(-size // old.n_per_block) * old.block_size if blocks else size * old.code_size
    for read, write, count in (
        (old.get_ids(number), new.get_ids(place), size),
        (old.get_codes(number), new.get_codes(place), code_bytes),
    ):
        faiss.rev_swig_ptr(write, count)[:] = faiss.rev_swig_ptr(read, count)
    return int(size)


def inner(index: Any) -> Any:
    """The index below an IndexIDMap, or behind a change of axes, as its own class."""
    index = faiss.downcast_index(index)
    wrapped = isinstance(index, faiss.IndexIDMap | faiss.IndexPreTransform)
    return faiss.downcast_index(index.index) if wrapped else index


def inverted(index: Any) -> Any:
    """The IndexIVF, or None for other families."""
    found = inner(index)
    return found if isinstance(found, faiss.IndexIVF) else None


def row_map(index: Any) -> Ints:
    """int64 [positions]: the row of each position of a flat or graph index, -1 where it was removed from the graph."""
    return np.array(faiss.vector_to_array(faiss.downcast_index(index).id_map), np.int64)


def held_rows(index: Any) -> Ints:
    """All rows the index holds, in no order, masked ones left out: int64 [n]."""
    lists = inverted(index)
    if lists is None:
        rows = row_map(index)
        return rows[rows >= 0]
    stored = lists.invlists
    pieces = [list_rows(stored, number) for number in range(lists.nlist) if stored.list_size(number)]
    return np.concatenate(pieces or [np.empty(0, np.int64)])


def entries(index: Any) -> int:
    """How many entries a search may meet, doubled and forgotten ones included: counted, not taken from `ntotal`."""
    lists = inverted(index)
    return int(faiss.downcast_index(index).id_map.size() if lists is None else lists.invlists.compute_ntotal())


def dead_rows(index: Any, present: Mask) -> Ints:
    """Rows that the index holds beside its own, int64 [n]; `present` bool [end_row] are these."""
    if entries(index) == np.count_nonzero(present):
        # Its own are different ones that it holds, so that as many entries are these, once each.
        return np.empty(0, np.int64)
    held = held_rows(index)
    return held[~present[held]]


def held_mask(index: Any, vectors: RowVectors) -> Mask:
    """bool [end_row]: the rows the index holds. Raises InvalidInput where it does not belong to the vectors."""
    if index.d != vectors.dim:
        raise InvalidInput(f"dim {index.d} in the index, {vectors.dim} in the vectors; rebuild the index")
    rows = held_rows(index)
    if len(rows) and not 0 <= rows.min() <= rows.max() < vectors.end_row:
        raise InvalidInput(f"the index holds rows up to {rows.max()}, the vectors end at row {vectors.end_row}")
    held = np.zeros(vectors.end_row, np.bool_)
    held[rows] = True
    stored = np.zeros(vectors.end_row, np.bool_)
    stored[vectors.rows()] = True
    if (lost := np.flatnonzero(held & ~stored)).size:
        raise InvalidInput(f"the index holds row {lost[0]}, which lies in a hole between the vectors' segments")
    return held


def check_family(index: Any, recipe: Recipe, name: str) -> None:
    """Raise CorruptFile(name) unless the parsed index is what the recipe makes."""
    lists, kind = inverted(index), type(inner(index)).__name__
    graph = isinstance(inner(index), faiss.IndexHNSW)
    if (lists is not None) != (recipe.family == "ivf") or graph != (recipe.family == "hnsw"):
        raise CorruptFile(name, f"an index of recipe {recipe.text}", kind)
    if lists is not None and lists.nlist != recipe.nlist:
        raise CorruptFile(name, f"{recipe.nlist} lists", f"{lists.nlist} lists")
    axes = axes_of(index)
    if (0 if axes is None else len(axes)) != recipe.axes:
        raise CorruptFile(name, f"{recipe.axes} axes", f"{0 if axes is None else len(axes)} axes")
    if lists is None and not isinstance(faiss.downcast_index(index), faiss.IndexIDMap):
        raise CorruptFile(name, "an index with its row map", kind)


def list_rows(stored: Any, number: int) -> Ints:
    """The rows of one inverted list, copied: int64 [n]."""
    size = stored.list_size(number)
    if not size:
        return np.empty(0, np.int64)
    pointer = stored.get_ids(number)
    try:
        return np.array(faiss.rev_swig_ptr(pointer, size), np.int64)
    finally:
        stored.release_ids(number, pointer)


def add_stored(index: Any, vectors: RowVectors, rows: Ints) -> None:
    """Add stored rows int64 [n] to a trained index, some at a time."""
    for start in range(0, len(rows), ADD_ROWS):
        block = np.ascontiguousarray(rows[start : start + ADD_ROWS], np.int64)
        index.add_with_ids(gather(vectors, block), block)


def remove(index: Any, recipe: Recipe, rows: Ints) -> None:
    """Remove rows that the index holds: from lists and scans physically, in a graph by forgetting their number.

    A graph's node stays where it is, is walked through and never returned.
    """
    if not len(rows):
        return
    if recipe.removable:
        index.remove_ids(faiss.IDSelectorBatch(np.ascontiguousarray(rows, np.int64)))
        return
    numbers = row_map(index)
    numbers[np.isin(numbers, rows)] = -1
    faiss.copy_array_to_vector(numbers, faiss.downcast_index(index).id_map)


def dead_share(index: Any) -> float:
    """Share of a graph's nodes that were removed; 0 for families that forget."""
    if inverted(index) is not None or not index.ntotal:
        return 0.0
    return float(np.mean(row_map(index) < 0))
