"""One generation, opened for searching: what a search holds on to from its first step to its last."""

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol
from weakref import ref

import numpy as np

from xtr_assets.core.errors import InvalidInput, NotInThisIndex
from xtr_assets.core.search_options import Collapse
from xtr_assets.core.types import SPACE_OF, Int32s, Ints, Mask
from xtr_assets.core.where_syntax import Where
from xtr_assets.index.machine import WORDS_REASON
from xtr_assets.search.blend import LEGS, Blend
from xtr_assets.search.collapse import Fold, Symbols
from xtr_assets.search.confidence import PROFILE_KEY, Confidence, LowestConfidence
from xtr_assets.search.equal_texts import EqualTexts
from xtr_assets.search.filter_masks import RowFilters
from xtr_assets.search.instrumentation import show_dense, show_lexical, show_tokens
from xtr_assets.search.legs import Legs
from xtr_assets.search.lexical_space import LexicalSpace
from xtr_assets.search.loaders import lexical_lack, open_dense, open_lexical, open_tokens
from xtr_assets.search.part_spaces import DenseParts, TokenParts
from xtr_assets.search.ranker import Mode
from xtr_assets.search.request import MODES, SUMMED, Ask
from xtr_assets.search.required_text import RequiredText
from xtr_assets.search.retrievers import DenseSpace, Space, TokenSpace
from xtr_assets.search.row_marks import RowMarks
from xtr_assets.search.row_places import RowPlaces
from xtr_assets.storage.generation import Generation, PlacedSegment, leg_lack
from xtr_assets.storage.manifest import TRACE_NOTE
from xtr_assets.storage.row_hydration import Hydrator
from xtr_assets.storage.scrub import Scrub, Verify
from xtr_assets.storage.segment import TokenArrays
from xtr_assets.telemetry import metrics

if TYPE_CHECKING:
    from xtr_assets.index import DenseIndex, TokenIndex
    from xtr_assets.index.lexical.index import LexicalIndex

# The dense, the token and the lexical index of a generation; None for one that it does not have.
Indexes = tuple["DenseIndex | None", "TokenIndex | None", "LexicalIndex | None"]


# The same as spaces, which may be those of several parts.
Spaces = tuple["DenseSpace | DenseParts | None", "TokenSpace | TokenParts | None", "LexicalSpace | None"]


class Hydrates(Protocol):
    """Reads what hits show: one dict of columns per row, in the order asked for."""

    def rows(self, rows: Iterable[int]) -> list[dict[str, Any]]: ...


@dataclass(frozen=True, slots=True, eq=False)
class ServedIndexes:
    """The indexes of vectors of one generation. part : its name in a set of parts, "" by itself."""

    part: str
    generation: Generation
    dense: "DenseIndex | None"
    tokens: "TokenIndex | None"


class OpenGeneration:
    """A pinned generation with its indexes, filters and hydrator. Immutable: many threads search it at once.

    It is opened with one user, the searcher; each search adds itself, and the last to leave unpins the generation, so
    that a refresh takes nothing away from searches that are under way.
    """

    def __init__(
        self,
        generation: Generation,
        device: str,
        previous: "OpenGeneration | None" = None,
        device_memory: int | None = None,
        indexes: "Indexes | None" = None,
        verify: Verify | None = None,
    ) -> None:
        self.generation = generation
        # Of what published it: the first search links to that.
        self._trace = generation.manifest.notes.get(TRACE_NOTE)
        self._users, self._lock = 1, Lock()
        with ExitStack() as stack:
            stack.enter_context(generation.pin())
            self.scrub = self._scrub(generation, verify)
            stack.callback(self.scrub.end)
            self.devices: dict[str, str] = {}
            self.reasons: dict[str, str] = {}
            # None where this generation has none.
            self.dense: DenseSpace | DenseParts | None
            self.tokens: TokenSpace | TokenParts | None
            self.dense, self.tokens, self.lexical = self._spaces(generation, device, device_memory, indexes, previous)
            words = None if self.lexical is None else self.lexical.index
            if words is not None:
                self.devices["lexical"], self.reasons["lexical"] = "cpu", WORDS_REASON
            self.required = RequiredText(generation, words)
            self.filters: RowFilters = RowFilters(
                generation.segments, generation.live, None if previous is None else previous.filters
            )
            self.hydrator = self._hydrator(generation)
            self.chunk_ids = self._chunk_ids(generation)
            self._token_arrays: dict[int, TokenArrays] = {}
            self.symbols = Symbols(generation)
            self.places: RowPlaces = RowPlaces(generation.segments, None if previous is None else previous.places)
            self.texts = EqualTexts(generation)
            self.legs = self._legs(generation)
            self.confidence = self._confidence(generation)
            self._show(generation.layout.root.name, stack)
            self._stack = stack.pop_all()

    def _scrub(self, generation: Generation, verify: Verify | None) -> Scrub:
        return Scrub(generation, verify)

    def _spaces(
        self,
        generation: Generation,
        device: str,
        device_memory: int | None,
        indexes: "Indexes | None",
        previous: "OpenGeneration | None",  # noqa: ARG002 (a set of parts keeps what did not change)
    ) -> Spaces:
        dense, tokens, words = indexes or (
            open_dense(generation, device) if "dense" in generation.legs else None,
            open_tokens(generation, device, device_memory) if "tokens" in generation.legs else None,
            open_lexical(generation),
        )
        if dense is not None:
            self.devices["dense"], self.reasons["dense"] = dense.placement.device, dense.placement.reason
        if tokens is not None:
            self.devices["xtr"], self.reasons["xtr"] = tokens.device, tokens.choice.reason
        return (
            None if dense is None else DenseSpace(dense, generation.vectors()),
            None if tokens is None else TokenSpace(tokens, generation.end_row),
            None if words is None else LexicalSpace(words, generation.end_row),
        )

    def _confidence(self, generation: Generation) -> Confidence | LowestConfidence | None:
        return Confidence.of(generation.manifest.profile.get(PROFILE_KEY))

    def _hydrator(self, generation: Generation) -> "Hydrates":
        return Hydrator(generation)

    def _chunk_ids(self, generation: Generation) -> Ints:
        """int64 [end_row], -1 in holes."""
        ids = np.full(generation.end_row, -1, np.int64)
        for placed in generation.segments:
            ids[placed.base_row : placed.end_row] = placed.segment.chunk_ids()
        return ids

    def _legs(self, generation: Generation) -> Legs:
        blend = Blend.of(generation.manifest.profile.get("hybrid"))
        log_tokens = None
        if "tokens" in generation.legs:
            # A row in a hole has no token; nothing asks for it.
            log_tokens = np.log(np.maximum(generation.tokens().counts(), 1)).astype(np.float32)
        names = generation.names() if blend.names else None
        marks = None if self.lexical is None else RowMarks(self.lexical.index)
        told = self.symbols.bearing, self.symbols.called, marks, self.places.standing
        return Legs(blend, log_tokens, names, *told, Hydrator(generation, ("text",)))

    def lack(self, ask: Ask | None, *, whole: bool = False) -> str:  # noqa: ARG002 (what is still arriving lacks some)
        """Why a question cannot be answered before more of the generation is here; empty where it can.

        ask : None for what reads all that is stored of a chunk; whole : whether it reads more than its mode says
        """
        return ""

    def all_here(self, *, wait: bool) -> bool:  # noqa: ARG002
        """Whether all files of the generation are here; with `wait` once they are. Raises what keeps them away."""
        return True

    @property
    def served(self) -> "tuple[ServedIndexes, ...]":
        """The indexes that search, with what they were published with: one entry, of a set of parts one for each."""
        dense, tokens = self.dense, self.tokens
        assert not isinstance(dense, DenseParts) and not isinstance(tokens, TokenParts)
        one = ServedIndexes(
            "", self.generation, None if dense is None else dense.index, None if tokens is None else tokens.index
        )
        return (one,)

    def first_of(self) -> str | None:
        """The traceparent of what published the generation, for the first search that asks; None for all others."""
        trace, self._trace = self._trace, None
        return trace if isinstance(trace, str) else None

    def _show(self, warehouse: str, stack: ExitStack) -> None:
        """Let the metrics show the indexes as long as they are open; a searcher that nobody closed may still go."""
        assert not isinstance(self.dense, DenseParts) and not isinstance(self.tokens, TokenParts)
        show_spaces(warehouse, stack, self.dense, self.tokens, self.lexical)

    @property
    def modes(self) -> tuple[Mode, ...]:
        """The modes that this generation answers."""
        there = self._there
        return tuple(mode for mode in MODES if mode in SUMMED or there[mode] is not None)

    def spaces(self, mode: Mode) -> tuple[Space, ...]:
        """What a mode compares in: its one space, or the legs that the generation has and weighs. NotInThisIndex where
        it has not what the mode asks for, with the modes that it answers."""
        there = self._there
        if mode in there:
            if (only := there[mode]) is None:
                raise NotInThisIndex(f"{self._lack(mode)}; it answers in mode {', '.join(self.modes)}")
            return (only,)
        weights = self.legs.blend.weights
        return tuple(space for name in LEGS if (space := there[name]) is not None and weights.get(name))

    @property
    def _there(self) -> dict[str, Space | None]:
        return {"dense": self.dense, "xtr": self.tokens, "lexical": self.lexical}

    def _lack(self, mode: Mode) -> str:
        legs = {space: leg for leg, space in SPACE_OF.items()}
        return leg_lack(self.generation, legs[mode]) if mode in legs else lexical_lack(self.generation)

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

    def fold(self, collapse: Collapse) -> Fold:
        """Which rows are one hit."""
        return self.symbols if collapse == "symbol" else self.texts

    def token_ids(self, row: int) -> Int32s:
        """int32 [tokens]: what the tokenizer called the tokens of a document."""
        for placed in self.generation.segments:
            if placed.base_row <= row < placed.end_row:
                arrays = self._arrays(placed)
                start, stop = arrays.offsets[row - placed.base_row : row - placed.base_row + 2]
                return np.asarray(arrays.token_ids[start:stop])
        raise InvalidInput(f"row {row} lies in no segment")

    def open_explanations(self) -> None:
        """Open now what the first search that explains would: a server whose folder was moved away answers on."""
        if self.tokens is not None:
            for placed in self.generation.segments:
                self._arrays(placed)

    def _arrays(self, placed: PlacedSegment) -> TokenArrays:
        arrays = self._token_arrays.get(placed.base_row)
        if arrays is None:
            # Opening them takes 2 ms; a search that explains asks for each hit.
            arrays = self._token_arrays[placed.base_row] = placed.segment.tokens(self.generation.fingerprint)
        return arrays

    def join(self) -> bool:
        """Add a user; False where the last one has left and this generation may be gone. CorruptFile where one of its
        arrays was found damaged since it was opened."""
        self.scrub.check()
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


def show_spaces(
    warehouse: str,
    stack: ExitStack,
    dense: DenseSpace | None,
    tokens: TokenSpace | None,
    lexical: LexicalSpace | None = None,
) -> None:
    """Show spaces in the metrics until the stack is closed."""
    if dense is not None:
        of_dense = ref(dense)
        stack.callback(metrics.OPEN_INDEXES.add(warehouse, "dense", lambda: show_dense(of_dense())))
    if tokens is not None:
        of_tokens = ref(tokens)
        stack.callback(metrics.OPEN_INDEXES.add(warehouse, "xtr", lambda: show_tokens(of_tokens())))
    if lexical is not None:
        of_words = ref(lexical)
        stack.callback(metrics.OPEN_INDEXES.add(warehouse, "lexical", lambda: show_lexical(of_words())))
