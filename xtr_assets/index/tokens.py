"""TokenIndex: late interaction over segments. Candidates by XTR, results always by exact MaxSim."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xtr_assets.core.maxsim import best_rows
from xtr_assets.core.rows import RowTokens, TokenPart
from xtr_assets.core.types import Floats, Halves, Ints, Mask
from xtr_assets.index.xtr.backends import BackendName
from xtr_assets.index.xtr.folder import Verify, load_folder, make_segment, save_folder
from xtr_assets.index.xtr.model import TokenModel
from xtr_assets.index.xtr.plan import SearchProfile
from xtr_assets.index.xtr.postings import open_postings, write_postings
from xtr_assets.index.xtr.query import as_tokens, make_query
from xtr_assets.index.xtr.segments import IndexState, check_part, check_tokens
from xtr_assets.index.xtr.training import train

__all__ = ["SearchProfile", "TokenIndex", "TokenMatch", "TokenModel", "TokenResult", "train", "write_postings"]

# Where lists are read, no posting counts for nothing.
ALL_POSTINGS = 1 << 31
# After the integer scores, this many more than asked for are scored in float32: quantizing a query of unit tokens moves
# a score by less than .002, and so few documents lie closer together than that.
FINAL_SLACK = 16


@dataclass(frozen=True, slots=True, eq=False)
class TokenResult:
    """scores float32 [k], rows int64 [k] (padded by -inf and -1), and what the search did.

    scanned : every allowed row was scored; retrieved : postings read; candidates : rows that had a counted posting;
    rescored : rows that got MaxSim; seconds : by phase, "retrieve" and "rescore".
    """

    scores: Floats
    rows: Ints
    scanned: bool
    retrieved: int
    candidates: int
    rescored: int
    seconds: dict[str, float]


@dataclass(frozen=True, slots=True)
class TokenMatch:
    """What one query token met in a document.

    position : the document token, counted from 0; similarity : their inner product in the store; retrieved : whether
    the candidate search read it, else the document was given the imputed score there.
    """

    query_token: int
    position: int
    similarity: float
    retrieved: bool


class TokenIndex:
    """Search over token vectors. Rows are positions in the order of adding; removed rows keep their number.

    Safe to search from many threads; `add`, `remove` and `compact` exchange the state in one step, so that a search
    sees the index before or after, never between.
    """

    def __init__(self, state: IndexState, profile: SearchProfile | None = None) -> None:
        self._state = state
        self.profile = profile or SearchProfile()

    @classmethod
    def build(
        cls,
        tokens: Floats | Halves,
        offsets: Ints,
        directory: Path | str | None = None,
        *,
        profile: SearchProfile | None = None,
        backend: BackendName = "auto",
    ) -> "TokenIndex":
        """Train on the documents, index them, and save where a directory is given.

        tokens : float32|float16 [T, d]; offsets : int64 [n + 1], document i has tokens[offsets[i]:offsets[i + 1]].
        Raises InvalidInput naming the row that cannot be used; nothing is written then.
        """
        values, bounds = check_tokens(tokens, offsets)
        model = train(RowTokens([TokenPart(0, values, None, bounds)], values.shape[1]))
        segment = make_segment(model, 0, values, bounds)
        index = cls(IndexState(model, (segment,), np.ones(len(bounds) - 1, np.bool_), backend), profile)
        if directory is not None:
            index.save(directory)
        return index

    @classmethod
    def open(
        cls,
        model: Path | TokenModel,
        parts: Sequence[tuple[TokenPart, Path]],
        live: Mask,
        device: str = "auto",
        *,
        profile: SearchProfile | None = None,
        backend: BackendName = "auto",
    ) -> "TokenIndex":
        """Open segments over the model their postings were made with.

        parts : (the segment's int8 tokens, its postings folder), by ascending base_row; live : bool [end_row].
        """
        check_device(device)
        shared = model if isinstance(model, TokenModel) else TokenModel.load(model)
        segments = []
        for part, folder in parts:
            check_part(part, shared)
            segments.append((part, open_postings(shared, part, folder)))
        return cls(IndexState(shared, tuple(segments), np.array(live, np.bool_), backend), profile)

    @classmethod
    def load(
        cls,
        path: Path | str,
        device: str = "auto",
        mmap: bool = True,
        *,
        verify: Verify = "headers",
        backend: BackendName = "auto",
    ) -> "TokenIndex":
        """Open what `save` wrote. Raises CorruptFile naming the file, UnknownFormat."""
        check_device(device)
        model, segments, live, profile = load_folder(Path(path), mmap=mmap, verify=verify)
        return cls(IndexState(model, tuple(segments), live, backend), profile)

    def save(self, path: Path | str) -> None:
        """Write the index, or bring the one at `path` up to date: only new segments are written."""
        state = self._state
        save_folder(Path(path), state.model, state.segments, state.live, self.profile)

    @property
    def model(self) -> TokenModel:
        return self._state.model

    @property
    def dim(self) -> int:
        return self._state.model.dim

    @property
    def backend(self) -> str:
        """Which backend serves: native, numba or numpy."""
        return self._state.backend.name

    @property
    def live(self) -> Mask:
        """bool [end_row], a copy."""
        return self._state.live.copy()

    @property
    def token_count(self) -> int:
        return self._state.token_count

    @property
    def segments(self) -> int:
        return len(self._state.segments)

    @property
    def memory_bytes(self) -> int:
        """Bytes of all arrays, mapped or not."""
        state = self._state
        store = sum(
            p.tokens.nbytes + p.offsets.nbytes + (0 if p.scales is None else p.scales.nbytes)
            for p in state.tokens.parts
        )
        return store + state.model.memory_bytes + sum(postings.memory_bytes for _, postings in state.segments)

    def __len__(self) -> int:
        """Live rows."""
        return self._state.live_rows

    def search(
        self,
        query_tokens: Floats,
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
        query_tokens : float32 [t, d]; a query of no tokens finds nothing
        k_prime, nprobe, rescore : in place of the profile's
        allowed : bool [end_row], rows that may be returned; removed rows never are

        Returns
        -------
        scores float32 [k], rows int64 [k]
            Best first, equal scores by ascending row; padded by -inf and -1.
        """
        result = self.search_detailed(query_tokens, k, k_prime=k_prime, nprobe=nprobe, rescore=rescore, allowed=allowed)
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
        """As `search`, with what it did."""
        state, profile = self._state, self.profile.override(nprobe, k_prime, rescore)
        tokens = as_tokens(query_tokens, self.dim)
        mask, count = state.allowed(allowed)
        started = time.perf_counter()
        if not len(tokens) or k == 0 or count == 0:
            scores, rows = best_rows(np.empty(0, np.float32), np.empty(0, np.int64), k)
            return TokenResult(scores, rows, True, 0, 0, 0, {"retrieve": 0.0, "rescore": 0.0})
        query = make_query(state.model, tokens)
        limit = max(profile.rescore, 2 * k)
        route = self._route(state, count, profile.nprobe, limit)
        retrieved, touched, found = 0, count, np.empty(0, np.int64)
        if not route.scan:
            wanted = min(k, count)
            candidates = state.backend.retrieve(query, route.nprobe, profile.k_prime or ALL_POSTINGS, limit, mask)
            found, retrieved, touched = candidates.rows, candidates.retrieved, candidates.touched
            if len(found) < wanted:
                # More results than the lists met: everything allowed is scored, so that k rows come back.
                route = self._route(state, count, state.token_count, limit)
        if route.scan or len(found) < min(k, count):
            found = state.rows_of(mask)
        middle = time.perf_counter()
        scores, rows = self._rescore(state, query, found, k)
        ended = time.perf_counter()
        seconds = {"retrieve": middle - started, "rescore": ended - middle}
        return TokenResult(scores, rows, route.scan, retrieved, touched, len(found), seconds)
