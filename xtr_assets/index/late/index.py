"""TokenIndex: late interaction over segments. Candidates by XTR, results always by exact MaxSim."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from xtr_assets.core.arguments import boolean_mask, result_count, token_batch, whole
from xtr_assets.core.errors import EncoderMismatch, InvalidInput
from xtr_assets.core.parameter_text import parse_parameters
from xtr_assets.core.row_store import RowTokens, TokenPart
from xtr_assets.core.search_options import SearchOptions
from xtr_assets.core.token_codec import TOKEN_CODEC
from xtr_assets.core.types import Floats, Halves, Ints, Mask
from xtr_assets.index.late.backends.choice import BackendName
from xtr_assets.index.late.centroids import TokenModel
from xtr_assets.index.late.gpu.availability import Choice
from xtr_assets.index.late.gpu.placement import place
from xtr_assets.index.late.merge import merge_segments, taken_in
from xtr_assets.index.late.options import PARAMETERS, SearchProfile
from xtr_assets.index.late.postings import open_postings, write_postings
from xtr_assets.index.late.residual_codec import Codec, check_codec
from xtr_assets.index.late.retrieval import TokenRetrieval
from xtr_assets.index.late.search import TokenMatch, TokenResult
from xtr_assets.index.late.serialization import SavedIndex, Verify, load_folder, save_folder
from xtr_assets.index.late.state import IndexState, check_part, encode_documents, make_segment
from xtr_assets.index.late.training import train
from xtr_assets.index.late.tuner import TokenTuning, tune_state

__all__ = ["SearchProfile", "TokenIndex", "TokenMatch", "TokenModel", "TokenResult", "train", "write_postings"]


class TokenIndex(TokenRetrieval):
    """Search over token vectors. Rows are positions in the order of adding; removed rows keep their number.

    Safe to search from many threads; `add`, `remove` and `compact` exchange the state in one step, so that a search
    sees the index before or after, never between.

    What takes arrays raises InvalidInput for a wrong shape, for NaN, and for offsets or rows out of range;
    EncoderMismatch for another dim.
    """

    def __init__(self, state: IndexState, profile: SearchProfile | None = None) -> None:
        super().__init__(state, profile or SearchProfile())
        # What `reset` goes back to.
        self._begun = self.profile
        self._changing = threading.Lock()
        self._choice = Choice("cpu", "built here")

    @classmethod
    def build(
        cls,
        tokens: Floats | Halves,
        offsets: Ints,
        directory: Path | str | None = None,
        *,
        profile: SearchProfile | None = None,
        backend: BackendName = "auto",
        codec: Codec = TOKEN_CODEC,
    ) -> "TokenIndex":
        """Train on the documents, index them, and save where a directory is given.

        tokens : float32|float16 [T, d]; offsets : int64 [n + 1], document i has tokens[offsets[i]:offsets[i + 1]];
        codec : "int8-row-scale", or "residual-5-bit": rows of 80 bytes in place of 130 at dim 128, for the CPU alone.
        Raises InvalidInput naming the row that cannot be used; nothing is written then.
        """
        part = encode_documents(0, tokens, offsets)
        check_codec(codec)
        model = train(RowTokens([part], part.tokens.shape[1]))
        segment = make_segment(model, part, codec)
        index = cls(IndexState(model, (segment,), np.ones(part.rows, np.bool_), backend, codec), profile)
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
        device_memory: int | None = None,
    ) -> "TokenIndex":
        """Open segments over the model their postings were made with.

        parts : (the segment's int8 tokens, its postings folder), by ascending base_row; live : bool [end_row]; device,
        device_memory : see `to`.
        """
        shared = model if isinstance(model, TokenModel) else TokenModel.load(model)
        segments = []
        for part, folder in parts:
            check_part(part, shared)
            segments.append((part, open_postings(shared, part, folder)))
        state = IndexState(shared, tuple(segments), boolean_mask(live, "live").copy(), backend)
        # A live row that no segment holds is no answer: it has no token to score.
        state.live[:] &= state.stored
        return cls(state, profile).to(device, device_memory)

    @classmethod
    def load(
        cls,
        path: Path | str,
        device: str = "auto",
        mmap: bool = True,
        *,
        verify: Verify = "headers",
        backend: BackendName = "auto",
        device_memory: int | None = None,
    ) -> "TokenIndex":
        """Open what `save` wrote; see `to` for the device. Raises CorruptFile naming the file, UnknownFormat."""
        loaded = load_folder(Path(path), mmap=mmap, verify=verify)
        state = IndexState(loaded.model, tuple(loaded.segments), loaded.live, backend, loaded.codec)
        return cls(state, loaded.profile).to(device, device_memory)

    def to(self, device: str, memory_bytes: int | None = None) -> "TokenIndex":
        """Serve from another device. Returns self.

        device : "cpu", "cuda", "cuda:<n>" (ProviderError where that GPU cannot serve), or "auto": a GPU where there is
        one with room, else the CPU; `choice` says which and why.
        memory_bytes : what the index may hold on a GPU; None: half of what is free there now.
        """
        bound = None if memory_bytes is None else whole(memory_bytes, "device_memory", 0, instead=" (bytes)")
        self._choice, self._on_device = place(device, bound, self._state)
        return self

    def save(self, path: Path | str) -> None:
        """Write the index, or bring the one at `path` up to date: only new segments are written."""
        state = self._state
        save_folder(Path(path), SavedIndex(state.model, state.segments, state.live, self.profile, state.codec))

    @property
    def model(self) -> TokenModel:
        """The centroids that it was trained on."""
        return self._state.model

    @property
    def dim(self) -> int:
        """Dimensions of a token vector."""
        return self._state.model.dim

    @property
    def backend(self) -> str:
        """Which backend serves: native, numba or numpy."""
        return self._state.backend.name

    @property
    def codec(self) -> Codec:
        """How rows are stored: "int8-row-scale" or "residual-5-bit"."""
        return self._state.codec

    @property
    def device(self) -> str:
        """Where searches run: "cpu" or "cuda:<n>"."""
        return self._choice.device

    @property
    def choice(self) -> Choice:
        """The device that serves, and why that one."""
        return self._choice

    def describe(self) -> dict[str, Any]:
        """What metadata shows: counts, bytes, backend, device with its reason, and what a GPU holds."""
        return {
            "rows": len(self),
            "tokens": self.token_count,
            "segments": self.segments,
            "memory_bytes": self.memory_bytes,
            "codec": self.codec,
            "backend": self.backend,
            "device": self._choice.device,
            "device_reason": self._choice.reason,
            "on_device": None if self._on_device is None else self._on_device.describe(),
        }

    @property
    def live(self) -> Mask:
        """bool [end_row], a copy."""
        return self._state.live.copy()

    @property
    def token_count(self) -> int:
        """Stored tokens, those of removed rows included."""
        return self._state.token_count

    @property
    def segments(self) -> int:
        """How many segments there are: one for each `add`, until `compact`."""
        return len(self._state.segments)

    @property
    def memory_bytes(self) -> int:
        """Bytes of all arrays, mapped or not."""
        return self._state.memory_bytes

    def __len__(self) -> int:
        """Live rows."""
        return self._state.live_rows

    def tune(
        self,
        queries: Sequence[Floats],
        exact: tuple[Floats, Ints] | None = None,
        *,
        goal: float = 0.98,
        k: int = 10,
        keep: bool = False,
        may_scan: bool = True,
    ) -> TokenTuning:
        """Find the cheapest profile whose recall@k meets `goal` on these queries, and keep it.

        queries : float32 [t, d] each; exact : their exact (scores float32 [q, k], rows int64 [q, k]), computed where
        not given. Confirm it on other queries. With `keep` the profile stays where it meets the goal itself.
        may_scan : a small index scans (options.PLANNED_SCAN), and a larger one where lists do not meet the goal;
        without it lists serve always, and `met` says whether they do.
        """
        asked, k = token_batch(queries, self.dim), result_count(k)
        result = tune_state(self._state, self.profile, asked, exact, goal=goal, k=k, keep=keep, may_scan=may_scan)
        self.profile = result.profile
        return result

    def apply(self, parameters: str) -> SearchProfile:
        """Keep settings ("nprobe=9,k_prime=300,rescore=400") in the profile, which then scans no more. Returns it."""
        self.profile = self.profile.override(SearchOptions(**parse_parameters(parameters, PARAMETERS)))  # type: ignore[arg-type]
        return self.profile

    def reset(self) -> SearchProfile:
        """Search by the profile that it was opened or built with, whatever was tuned or applied since. Returns it."""
        self._check_open()
        self.profile = self._begun
        return self.profile

    def add(self, tokens: Floats | Halves, offsets: Ints) -> Ints:
        """Index more documents as a segment of their own. Returns the rows they got, int64 [n].

        tokens : float32|float16 [T, d]; offsets : int64 [n + 1], as of `build`. The centroids stay as trained.
        """
        encoded = encode_documents(0, tokens, offsets)
        if encoded.tokens.shape[1] != self.dim:
            raise EncoderMismatch(
                f"dim {self.dim} in the index, {encoded.tokens.shape[1]} in the tokens; use the index's encoder"
            )
        with self._changing:
            state = self._state
            base = len(state.live)
            part = replace(encoded, base_row=base)
            segment = make_segment(state.model, part, state.codec)
            live = np.concatenate([state.live, np.ones(part.rows, np.bool_)])
            self._state = replace(state, segments=(*state.segments, segment), live=live)
        return np.arange(base, len(live))

    def remove(self, rows: Ints | Sequence[int]) -> int:
        """Never return these rows, int64 [n], again; how many were live. InvalidInput for rows out of range or given
        twice."""
        with self._changing:
            before = self._state.live_rows
            self._state = self._state.without(rows)
            return before - self._state.live_rows

    def merge(self, other: "TokenIndex") -> Ints:
        """Take in the live rows of another index, which stays as it is: int64 [its end row], new row or -1.

        They become one segment under this index's model and codec. Between two codecs, and between two models of
        "residual-5-bit", rows are decoded and encoded again, which costs what that codec does. Raises EncoderMismatch
        for another dim, InvalidInput for the index itself.
        """
        if other is self:
            raise InvalidInput("an index cannot be merged into itself: each of its rows would be there twice")
        if other.dim != self.dim:
            raise EncoderMismatch(
                f"dim {self.dim} in the index, {other.dim} in the one to merge; both must be of one encoder"
            )
        theirs = other._state  # noqa: SLF001 (its own kind: one read of what never changes)
        with self._changing:
            state = self._state
            base = len(state.live)
            segment, new_rows = taken_in(state, theirs, base)
            if segment[0].rows:
                live = np.concatenate([state.live, np.ones(segment[0].rows, np.bool_)])
                self._state = replace(state, segments=(*state.segments, segment), live=live)
        return np.where(new_rows >= 0, new_rows + base, -1)

    def compact(self) -> Ints:
        """Make one segment of all live rows, which are renumbered: int64 [old end row], new row or -1.

        The model is kept, so that results are those of before.
        """
        with self._changing:
            state = self._state
            segment, new_rows = merge_segments(state.model, state.segments, state.live, state.codec)
            live = np.ones(segment[0].rows, np.bool_)
            self._state = replace(state, segments=(segment,) if segment[0].rows else (), live=live)
        return new_rows
