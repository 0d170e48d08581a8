"""A text column by its different values: what rows share is compared once, a path once for all chunks of its file."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from xtr_assets.core.types import Mask
from xtr_assets.core.where_syntax import Condition
from xtr_assets.search.filter_columns import PathColumn, TextColumn, holds

# Rows looked at before a column is taken apart, and how many of them have to share a value: symbols of records are all
# different, and cost 85 ns a row to find that out.
LOOKED_AT, SHARING = 4_096, 4


@dataclass(frozen=True, slots=True, eq=False)
class DistinctValues:
    """values : the different texts; which : [rows], the place of each row's among them, as few bytes as hold it.

    A glob over 77,600 paths of 776 files takes 0.3 CPU ms so, and 6 where each row's is matched.
    """

    column: str
    values: pa.Array
    which: Any

    @classmethod
    def of(cls, column: str, texts: pa.ChunkedArray) -> "DistinctValues | None":
        """None where too few rows share a value."""
        first = texts.slice(0, LOOKED_AT)
        if SHARING * len(first.unique()) > len(first):
            return None
        # All texts in one piece could be more than the 2 GiB that Arrow counts.
        encoded = texts.dictionary_encode().unify_dictionaries().combine_chunks()
        if SHARING * len(encoded.dictionary) > len(texts):
            return None
        which = encoded.indices.to_numpy().astype(np.min_scalar_type(len(encoded.dictionary)))
        return cls(column, encoded.dictionary, which)

    def matches(self, condition: Condition) -> Mask:
        """bool [rows]: where the condition holds."""
        of_value = text_matches(self.column, self.values, condition)
        matching: Mask = of_value[self.which]
        return matching


def text_matches(column: str, texts: pa.ChunkedArray | pa.Array, condition: Condition) -> Mask:
    """bool [len(texts)]: where the condition on this column holds."""
    compared = PathColumn(texts) if column == "path" else TextColumn(texts)
    return holds(condition, compared, len(texts))
