"""An id map read back as a user's own program would: from the Parquet file, by its columns."""

import numpy as np
import pyarrow.parquet as pq

from xtr_assets.core.types import Ints
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.id_map import ID_MAP_NAME


def mapped_ids(generation: Generation) -> Ints:
    """int64 [end_row]: the chunk of each live row, -1 in holes and where a row is dead."""
    found = np.full(generation.end_row, -1, np.int64)
    for one in pq.read_table(generation.path(ID_MAP_NAME)).to_pylist():
        if one["live"]:
            found[one["row"]] = one["chunk_id"]
    return found
