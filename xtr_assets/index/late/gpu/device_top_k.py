"""The best of many scores on a device, ties by ascending row, as core/top_k.py orders them on the CPU."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

# Bytes a row and query while the best are chosen: the score, three masks and a running count, with room.
SELECT_BYTES = 16


def best_columns(scores: "Tensor", keep: int) -> "Tensor":
    """Columns of the `keep` best scores of each line, ascending; equal scores at the edge by ascending column.

    scores : float32 or int64 [q, n], n >= keep >= 1. Returns int64 [q, keep].
    """
    import torch

    edge = scores.topk(keep, dim=1).values[:, -1:]
    above, ties = scores > edge, scores == edge
    room = keep - above.sum(dim=1, keepdim=True)
    chosen = above | (ties & (ties.cumsum(dim=1, dtype=torch.int32) <= room))
    return chosen.nonzero()[:, 1].reshape(len(scores), keep)
