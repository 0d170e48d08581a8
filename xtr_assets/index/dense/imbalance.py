"""List imbalance: how unevenly the inverted lists of a dense index are filled."""

import numpy as np

from xtr_assets.core.types import Ints
from xtr_assets.index.dense.index import DenseIndex
from xtr_assets.index.dense.recipe import inverted


def imbalance(index: DenseIndex) -> float | None:
    """FAISS's imbalance factor: 1.0 where all lists are equally long, k where a query reads k times as much as it would
    then. None where the index has no lists, or no rows."""
    lists = inverted(index.faiss_index)
    if lists is None or not len(index):
        return None
    return float(lists.invlists.imbalance_factor())


def list_sizes(index: DenseIndex) -> Ints | None:
    """Rows in each inverted list, int64 [nlist]; None where the index has no lists."""
    lists = inverted(index.faiss_index)
    if lists is None:
        return None
    return np.array([lists.invlists.list_size(number) for number in range(lists.nlist)], np.int64)
