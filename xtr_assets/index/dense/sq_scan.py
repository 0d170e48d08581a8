"""Search over FAISS's own lists of bytes or half bytes, by integer products in the C++ extension.

FAISS stores dimension d of a vector as a code c that stands for low[d] + (c + 0.5) / largest * span[d], and decodes
each to a float when it searches. A score is linear in the codes:

    q . x  =  q . centroid  +  sum_d q[d] (low[d] + 0.5 step[d])  +  sum_d (q[d] step[d]) c[d],    step = span / largest

The last sum is one of bytes times bytes once q step is rounded to 127 steps, which processors do 64 at a time (VNNI).
Rounding moves the score of a row by about a hundredth of the spread between rows: the true best are among twice as many
candidates, and those are ranked by the stored vectors as ever. 24,000 x 384 at recall@10 0.95: 50 us a query, where
FAISS's own search of the same lists takes 380 (docs/measurements.md, "Dense index").
"""

from typing import Any

import numpy as np

from xtr_assets.core.recipe_grammar import Recipe
from xtr_assets.core.types import Floats, Ints, Mask
from xtr_assets.index import native
from xtr_assets.index.dense.recipe import axes_of, inverted
from xtr_assets.index.faiss_provider import load_faiss

faiss = load_faiss()


class CodeScan:
    """Searches the lists of one FAISS index, which it keeps alive. To be made anew after every change of the lists."""

    def __init__(self, index: Any, recipe: Recipe, end_row: int, instructions: str | None = None) -> None:
        """index : a trained IVF index of scalar codes for inner products, with or without a change of axes. Rows are
        below end_row."""
        self._index, lists, axes = index, inverted(index), axes_of(index)
        places = np.array([_place(lists.invlists, number) for number in range(lists.nlist)], np.int64)
        learnt = faiss.vector_to_array(lists.sq.trained)
        self._scan = native.kernels.Scan(
            places,
            np.ascontiguousarray(lists.quantizer.reconstruct_n(0, lists.nlist)),
            np.ascontiguousarray(learnt[: lists.d]),
            np.ascontiguousarray(learnt[lists.d :]),
            recipe.integer_bits,
            bool(lists.by_residual),
            axes,
            end_row,
            instructions or native.fastest(),
        )

    @property
    def instructions(self) -> str:
        """The instruction set in use; all give the same results."""
        return str(self._scan.instructions)

    def search(
        self, queries: Floats, nprobe: int, count: int, allowed: Mask | None, threads: int = 1
    ) -> tuple[Floats, Ints]:
        """The `count` best rows of the nprobe nearest lists by their codes, then by row.

        queries : float32 [q, dim], contiguous; allowed : bool [end_row], or None.
        Returns scores float32 [q, count] and rows int64 [q, count]; -inf and -1 pad.
        """
        mask = None if allowed is None else np.ascontiguousarray(allowed).view(np.uint8)
        found: tuple[Floats, Ints] = self._scan.search(queries, nprobe, count, mask, threads)
        return found


def _place(stored: Any, number: int) -> tuple[int, int, int]:
    """Address of a list's codes, address of its rows, number of both; FAISS has no address for what is empty."""
    size = int(stored.list_size(number))
    return (int(stored.get_codes(number)), int(stored.get_ids(number)), size) if size else (0, 0, 0)


def code_scan(index: Any, recipe: Recipe, end_row: int) -> CodeScan | None:
    """What searches an index in place of FAISS; None where FAISS does."""
    return CodeScan(index, recipe, end_row) if native.available() and recipe.integer_bits else None
