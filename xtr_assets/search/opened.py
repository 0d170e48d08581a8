"""One generation, opened for searching: what a search holds on to from its first step to its last."""

from contextlib import ExitStack
from threading import Lock

import numpy as np

from xtr_assets.core.filtering import Where
from xtr_assets.core.types import Ints, Mask
from xtr_assets.search.filters import RowFilters
from xtr_assets.search.opening import open_dense, open_tokens
from xtr_assets.search.spaces import DenseSpace, TokenSpace
from xtr_assets.storage import Generation, Hydrator


class OpenGeneration:
    """A pinned generation with its indexes, filters and hydrator. Immutable: many threads search it at once.

    It is opened with one user, the searcher; each search adds itself, and the last to leave unpins the generation, so
    that a refresh takes nothing away from searches that are under way.
    """

    def __init__(self, generation: Generation, device: str, previous: "OpenGeneration | None" = None) -> None:
        self.generation = generation
        self._users, self._lock = 1, Lock()
        with ExitStack() as stack:
            stack.enter_context(generation.pin())
            dense, tokens = open_dense(generation, device), open_tokens(generation, device)
            self.dense = DenseSpace(dense, generation.vectors())
            self.tokens = TokenSpace(tokens, generation.end_row)
            self.devices = {"dense": str(dense.device), "xtr": str(tokens.device)}
            self.filters = RowFilters(generation.segments, generation.live, previous and previous.filters)
            self.hydrator = Hydrator(generation)
            self.chunk_ids = _chunk_ids(generation)
            self._stack = stack.pop_all()

    @property
    def number(self) -> int:
        """The generation's number."""
        return self.generation.number

    @property
    def live(self) -> Mask:
        """bool [end_row]"""
        return self.generation.live

    def allowed(self, where: Where | None) -> Mask:
        """Rows that may be returned: bool [end_row]."""
        return self.live if where is None else self.filters.mask(where)

    def join(self) -> bool:
        """Add a user; False where the last one has left and this generation may be gone."""
        with self._lock:
            if not self._users:
                return False
            self._users += 1
            return True

    def leave(self) -> None:
        """Take a user away; the last one closes the door."""
        with self._lock:
            self._users -= 1
            last = not self._users
        if last:
            self._stack.close()


def _chunk_ids(generation: Generation) -> Ints:
    """int64 [end_row], -1 in holes."""
    ids = np.full(generation.end_row, -1, np.int64)
    for placed in generation.segments:
        ids[placed.base_row : placed.end_row] = placed.segment.chunk_ids()
    return ids
