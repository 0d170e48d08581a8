"""One run's draft: opened once, with its row diff, its queries and its indexes, by every step of a process."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from xtr_assets.config import IndexConfig
from xtr_assets.core.errors import GenerationError
from xtr_assets.core.types import Space
from xtr_assets.encoders import open_encoder, open_fresh
from xtr_assets.encoders.base import Encoder
from xtr_assets.index import DenseIndex, TokenIndex
from xtr_assets.pipeline.derive.neighbor_lists import Neighbors, neighbor_files, read_neighbors
from xtr_assets.pipeline.plan.asked_texts import AskedTexts
from xtr_assets.pipeline.plan.row_diff import RowDiff
from xtr_assets.pipeline.queries.gate_queries import QUERIES_FILE, GateQueries, read_queries
from xtr_assets.pipeline.queries.tuning_queries import TUNING_NOTE, TuningQueries, read_tuning
from xtr_assets.search.confidence import PROFILE_KEY
from xtr_assets.search.loaders import (
    DENSE_FILE,
    LEXICAL_FILE,
    TOKEN_FILE,
    lexical_lack,
    open_dense,
    open_lexical,
    open_tokens,
    token_profile,
)
from xtr_assets.search.reader import Indexes
from xtr_assets.search.searcher import Searcher
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.history import read_published
from xtr_assets.storage.warehouse import Warehouse

if TYPE_CHECKING:
    from xtr_assets.index.lexical.index import LexicalIndex

T = TypeVar("T")

# Names of what judges: a second encoder is 100 MB, which no step after the one that asks it needs.
FRESH_ENCODER, JUDGE = "fresh encoder", "judge"
JUDGES = (FRESH_ENCODER, JUDGE)


class DraftSession:
    """A draft with what its steps share. What is opened from the draft's files is opened again when those change.

    config, warehouse, draft : what is built, where, and the draft. afresh : whether nothing is taken over from the
    parent but encodings.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        draft: Draft,
        config: IndexConfig,
        *,
        afresh: bool = False,
        encoder: Callable[[], Encoder] | None = None,
    ) -> None:
        self.warehouse, self.draft, self.config, self.afresh = warehouse, draft, config, afresh
        self._open_encoder = encoder or (lambda: open_encoder(config.encoder))
        self._opened: dict[str, tuple[Hashable, object]] = {}

    # -- generations --------------------------------------------------------------------------------------------------

    @cached_property
    def parent(self) -> Generation | None:
        """The generation whose rows the draft keeps."""
        return parent_of(self.warehouse, self.draft)

    @property
    def carried(self) -> Generation | None:
        """The parent whose indexes and neighbours the draft's can be derived from; None where they are made anew."""
        return None if self.afresh else same_encoder(self.parent, self.draft)

    @property
    def serving(self) -> Generation | None:
        """The generation that PUBLISHED names now: the parent, unless somebody moved the pointer since."""
        number, parent = read_published(self.warehouse.layout), self.parent
        if number is None or (parent is not None and parent.number == number):
            return None if number is None else parent
        return self.kept("serving", number, lambda: self.warehouse.generation(number))

    @cached_property
    def rows(self) -> RowDiff:
        """Which rows came, went and stayed."""
        return RowDiff(self.parent, self.draft)

    # -- what is read from the draft ----------------------------------------------------------------------------------

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder that the build encodes with."""
        return self._open_encoder()

    def lend(self, encoder: Callable[[], Encoder]) -> None:
        """What opens the encoder, where nothing needed it so far."""
        self._open_encoder = encoder

    def fresh_encoder(self) -> Encoder:
        """The configured encoder opened anew, on the CPU, once for the checks of a step: a judge of vectors shares
        neither memory nor device with what made them."""
        return self.kept(FRESH_ENCODER, self.config.encoder, lambda: open_fresh(self.config.encoder))

    def queries(self) -> GateQueries:
        """The gate's queries of the draft."""
        return self.kept("queries", _digest(self.draft, QUERIES_FILE), lambda: read_queries(self.draft))

    def judging(self) -> int:
        """How many different fixed queries the draft is judged by; 0 where none are drawn yet."""
        return self.queries().judging() if self.draft.has_file(QUERIES_FILE) else 0

    def parent_queries(self) -> GateQueries | None:
        """The gate's queries of the parent; None where it has none."""
        parent = self.parent
        if parent is None or not parent.has_file(QUERIES_FILE):
            return None
        return self.kept("parent queries", _digest(parent, QUERIES_FILE), lambda: read_queries(parent))

    def tuning(self, of: Generation | None = None) -> TuningQueries | None:
        """The queries that profiles of the draft are tuned on, or those of another generation; None where it has none.
        Who inherits them names the same folder."""
        generation = of or self.draft
        return self.kept("tuning", generation.manifest.notes.get(TUNING_NOTE), lambda: read_tuning(generation))

    def neighbors(self, space: Space) -> Neighbors:
        """The exact neighbours of those queries in a space, "dense" or "xtr"."""
        key = tuple(_digest(self.draft, name) for name in neighbor_files(space))
        return self.kept(f"neighbors {space}", key, lambda: read_neighbors(self.draft, space))

    def dense(self) -> DenseIndex:
        """The draft's dense index, opened from its file as a searcher would."""
        return self._dense(self.draft)

    def tokens(self) -> TokenIndex:
        """The draft's token index, opened from its files as a searcher would."""
        return self._tokens(self.draft)

    def lexical(self) -> "LexicalIndex":
        """The draft's lexical index, opened from its files as a searcher would. GenerationError where it has none."""
        found = self._lexical(self.draft)
        if found is None:
            raise GenerationError(lexical_lack(self.draft))
        return found

    def parent_dense(self) -> DenseIndex:
        """The dense index of the generation that the draft's is derived from: what a searcher over it answers by, too.
        Raises GenerationError where there is none."""
        if self.carried is None:
            raise GenerationError(f"generation {self.draft.number} takes nothing over: it has no index to derive from")
        return self._dense(self.carried)

    def searcher(self) -> Searcher:
        """A searcher over the draft: what users would be answered."""
        return self._searcher(self.draft)

    def serving_searcher(self) -> Searcher | None:
        """A searcher over what serves; None where nothing does."""
        return None if self.serving is None else self._searcher(self.serving)

    def asked_texts(self, generation: Generation) -> AskedTexts:
        """What encodes the questions of this generation's searcher, and of others of the same encoder."""
        return self.kept("asked texts", generation.fingerprint, lambda: AskedTexts("cpu"))

    def kept(self, name: str, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` gave when it was last called for this name; it is called again where the key is another now."""
        held = self._opened.get(name)
        if held is not None and held[0] == key:
            return held[1]  # type: ignore[return-value]  # what `make` of this name gave
        if held is not None and isinstance(held[1], Searcher):
            held[1].close()
        made = make()
        self._opened[name] = (key, made)
        return made

    def keep(self, name: str, key: Hashable, value: object) -> None:
        """Let `kept` give this for the name, as long as the key is this one."""
        self._opened[name] = (key, value)

    def forget(self, names: Sequence[str]) -> None:
        """Let go of what was kept under these names."""
        for name in names:
            self._opened.pop(name, None)

    def close(self) -> None:
        """Let go of what is open."""
        for _, opened in self._opened.values():
            if isinstance(opened, Searcher):
                opened.close()
        self._opened.clear()

    def _dense(self, generation: Generation) -> DenseIndex:
        key = (_digest(generation, DENSE_FILE), repr(generation.manifest.profile.get("dense")))
        return self.kept(f"dense {generation.number}", key, lambda: open_dense(generation, "cpu"))

    def _tokens(self, generation: Generation) -> TokenIndex:
        name, key = f"tokens {generation.number}", _digest(generation, TOKEN_FILE)
        opened = self.kept(name, key, lambda: open_tokens(generation))
        # Tuning finds the profile of an index that is open: the files stay what they are.
        opened.profile = token_profile(generation)
        return opened

    def _lexical(self, generation: Generation) -> "LexicalIndex | None":
        key = _digest(generation, LEXICAL_FILE) if generation.has_file(LEXICAL_FILE) else ""
        return self.kept(f"lexical {generation.number}", key, lambda: open_lexical(generation))

    def _searcher(self, generation: Generation) -> Searcher:
        dense = self._dense(generation) if "dense" in generation.legs else None
        tokens = self._tokens(generation) if "tokens" in generation.legs else None
        words = self._lexical(generation)
        key = (
            id(dense),
            id(tokens),
            id(words),
            repr([generation.manifest.profile.get(name) for name in ("hybrid", PROFILE_KEY)]),
        )
        made = (dense, tokens, words)
        return self.kept(f"searcher {generation.number}", key, lambda: self._opened_searcher(generation, made))

    def _opened_searcher(self, generation: Generation, indexes: Indexes) -> Searcher:
        asked = self.asked_texts(generation)
        return Searcher(self.warehouse, "cpu", _read(generation), encoder=asked, indexes=indexes)


def parent_of(warehouse: Warehouse, draft: Generation) -> Generation | None:
    """The generation whose rows the draft keeps."""
    return None if draft.parent is None else warehouse.generation(draft.parent)


def same_encoder(parent: Generation | None, draft: Generation) -> Generation | None:
    """The parent where its derived files speak of the same vectors, else None."""
    return parent if parent is not None and parent.fingerprint == draft.fingerprint else None


def _read(generation: Generation) -> Generation:
    """What a searcher that is opened after this step would read: a draft's notes are written when the step ends."""
    return generation.as_written() if isinstance(generation, Draft) else generation


def _digest(generation: Generation, name: str) -> str:
    return generation.manifest.files[generation.file_name(name)].sha256


# The session of the run that this process works on: steps of one run follow each other, and a build is a writer alone.
_current: list[DraftSession] = []


@contextmanager
def session_of(
    warehouse: Warehouse,
    draft: Draft,
    config: IndexConfig,
    *,
    afresh: bool = False,
    encoder: Callable[[], Encoder] | None = None,
) -> Iterator[DraftSession]:
    """The process' session of a draft, with one commit of its manifest at the end of the block.

    Another draft takes its place. A step in a process of its own opens its own.
    """
    held = _current[0] if _current else None
    if held is None or _key(held) != (warehouse.root, draft.number, draft.run_id, config, afresh):
        held = DraftSession(warehouse, draft, config, afresh=afresh, encoder=encoder)
        _current[:] = [held]
    elif encoder is not None:
        held.lend(encoder)
    held.draft.reload()
    try:
        with held.draft.batch():
            yield held
    finally:
        held.forget(JUDGES)


def standing_draft(warehouse: Warehouse, run_id: str) -> Draft | None:
    """The draft of the process' session, where it is this run's and still one: what is there need not be looked for
    among all generations at each step."""
    held = _current[0] if _current else None
    if held is None or (held.warehouse.root, held.draft.run_id) != (warehouse.root, run_id):
        return None
    there = warehouse.layout.manifest(held.draft.number).is_file() and not held.draft.sealed
    return held.draft if there else None


def end_session() -> None:
    """Close the process' session, once its draft is published or given up."""
    while _current:
        _current.pop().close()


def _key(session: DraftSession) -> tuple[Path, int, str, IndexConfig, bool]:
    return session.warehouse.root, session.draft.number, session.draft.run_id, session.config, session.afresh
