"""Search of a token index: one query or many, approximate or exact, and explanations of rows."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from xtr_assets.core.arguments import is_token_batch, result_count, token_batch
from xtr_assets.core.search_options import SearchOptions, search_options
from xtr_assets.core.types import Floats, Ints, Mask
from xtr_assets.index.late.gpu.device_search import DeviceSearch
from xtr_assets.index.late.options import SearchProfile
from xtr_assets.index.late.search import TokenMatch, TokenResult, explain_rows, score_rows, search_exact
from xtr_assets.index.late.search_many import search_all
from xtr_assets.index.late.state import IndexState
from xtr_assets.index.lifetime import Lifetime


class TokenRetrieval(Lifetime):
    """The half of TokenIndex that answers. Safe from many threads."""

    _held = ("_state", "profile", "_choice", "_on_device")

    def __init__(self, state: IndexState, profile: SearchProfile) -> None:
        self._state = state
        self.profile = profile
        self._on_device: DeviceSearch | None = None

    def search(
        self,
        query_tokens: Floats | Sequence[Floats],
        k: int,
        *,
        k_prime: int | None = None,
        nprobe: int | None = None,
        rescore: int | None = None,
        allowed: Mask | None = None,
    ) -> tuple[Floats, Ints]:
        """The k best rows by MaxSim divided by the number of query tokens.

        Parameters
        ----------
        query_tokens : float32 [t, d], or a list of such arrays for a batch; a query of no tokens finds nothing
        k_prime, nprobe, rescore : in place of the profile's
        allowed : bool [end_row], rows that may be returned; removed rows never are

        Returns
        -------
        scores float32 [k], rows int64 [k]; [q, k] for a batch of q
            Best first, equal scores by ascending row; padded by -inf and -1.
        """
        options = search_options(k, nprobe, None, k_prime, rescore, allowed)
        # One query or several: which of them is told by the dimensions, not by the type.
        asked: Any = query_tokens
        if is_token_batch(asked):
            return _stacked(self.answer(asked, options), options.k)
        (result,) = self.answer([asked], options)
        return result.scores, result.rows

    def search_detailed(
        self,
        query_tokens: Floats,
        k: int,
        *,
        k_prime: int | None = None,
        nprobe: int | None = None,
        rescore: int | None = None,
        allowed: Mask | None = None,
    ) -> TokenResult:
        """As `search` for one query, with what it did."""
        return self.answer([query_tokens], search_options(k, nprobe, None, k_prime, rescore, allowed))[0]

    def search_batch(
        self,
        queries: Sequence[Floats],
        k: int,
        *,
        k_prime: int | None = None,
        nprobe: int | None = None,
        rescore: int | None = None,
        allowed: Mask | None = None,
        threads: int | None = None,
    ) -> tuple[Floats, Ints]:
        """Many queries, each float32 [t, d]: (scores float32 [q, k], rows int64 [q, k]), the same as one by one.

        threads : queries searched at a time; by default, and at most, the processors that this process may use.
        """
        options = search_options(k, nprobe, None, k_prime, rescore, allowed)
        return _stacked(self.answer(queries, options, threads), options.k)

    def answer(
        self, queries: Sequence[Floats], options: SearchOptions, threads: int | None = None
    ) -> list[TokenResult]:
        """As `search_batch`, with what each search did."""
        state, profile = self._state, self.profile.override(options)
        tokens = token_batch(queries, state.model.dim)
        if self._on_device is not None:
            return self._on_device.search(state, profile, tokens, options.k, options.allowed)
        return search_all(state, profile, tokens, options, threads)

    def exact(self, query_tokens: Floats, k: int, *, allowed: Mask | None = None) -> tuple[Floats, Ints]:
        """The reference: MaxSim of every allowed row, in float32 over the store. Result as of `search`."""
        return search_exact(self._state, query_tokens, result_count(k), allowed)

    def score(self, query_tokens: Floats, rows: Ints) -> Floats:
        """MaxSim, divided by the number of query tokens, of stored rows in any order: float32 [len(rows)].

        Raises InvalidInput for a row that no segment holds; removed rows still have a score.
        """
        return score_rows(self._state, query_tokens, rows)

    def explain(self, query_tokens: Floats, row: int, options: SearchOptions | None = None) -> list[TokenMatch]:
        """What each query token, float32 [t, d], met in one row.

        options : those of the search that found it; by default one for a single row of all, under the profile.
        """
        return self.explain_rows(query_tokens, [row], options)[0]

    def explain_rows(
        self, query_tokens: Floats, rows: Sequence[int], options: SearchOptions | None = None
    ) -> list[list[TokenMatch]]:
        """`explain` for several rows and one query, float32 [t, d]: what the index reads for it is read once."""
        options = options or SearchOptions(1)
        profile = self.profile.override(options)
        found = explain_rows(self._state, profile, query_tokens, rows, options.k, options.allowed)
        if self._on_device is not None and self._on_device.scans:
            return [[replace(match, retrieved=True) for match in matches] for matches in found]
        return found


def _stacked(results: Sequence[TokenResult], k: int) -> tuple[Floats, Ints]:
    scores = np.array([result.scores for result in results], np.float32).reshape(len(results), k)
    rows = np.array([result.rows for result in results], np.int64).reshape(len(results), k)
    return scores, rows
