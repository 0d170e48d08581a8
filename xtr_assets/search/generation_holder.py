"""The generation that a searcher answers from: who uses it, and when it gives way to another."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from types import TracebackType
from typing import Self

from xtr_assets.core.errors import GenerationError, StillArriving
from xtr_assets.search.description import Described
from xtr_assets.search.loaders import identity, serving
from xtr_assets.search.open_parts import open_generation
from xtr_assets.search.reader import OpenGeneration
from xtr_assets.storage.scrub import Verify
from xtr_assets.telemetry import metrics

log = logging.getLogger(__name__)

# What a question lacks where files of the generation are still to come; empty where it can be answered.
Lack = Callable[[OpenGeneration], str]


def nothing(opened: OpenGeneration) -> str:  # noqa: ARG001
    """What is there suffices."""
    return ""


def all_of_it(opened: OpenGeneration) -> str:
    """All of the generation is needed."""
    return opened.lack(None)


class GenerationHolder(Described):
    """Holds one generation open until `refresh` or `close`. Usable from many threads."""

    _device: str
    _device_memory: int | None
    _verify: Verify | None
    _waits: bool
    _refreshing: Lock
    # Whether it is to answer from what serves, not from a generation of its own choice.
    _follows: bool

    @property
    def generation(self) -> int:
        """Number of the generation that answers now."""
        return self._now().number

    def refresh(self) -> int:
        """Move to the published generation, forward or back; its number. Searches under way end where they began."""
        self._now()
        # Of a store it may bring files for an hour, and takes nothing away meanwhile: nobody waits for that.
        self._warehouse.follow()
        with self._refreshing:
            return self._moved()

    def _moved(self) -> int:
        """Open what serves now, if that is something else; its number. Runs under the lock of `refresh`."""
        current, published = self._now(), serving(self._warehouse)
        same = identity(published.manifest) == identity(current.generation.manifest)
        if same and published.arriving == current.generation.arriving:
            self._note_followed(current)
            return current.number
        opened = open_generation(published, self._device, current, self._device_memory, verify=self._verify)
        self._opened = opened
        current.leave()
        self._note_opened(opened)
        self._note_followed(opened)
        return opened.number

    def close(self) -> None:
        """Let go of the generation; further searches are refused. Closing twice is allowed."""
        with self._refreshing:
            opened, self._opened = self._opened, None
            if opened is not None:
                opened.leave()
                metrics.FOLLOWERS.forget(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def opened(self, *, arriving: bool = False) -> Iterator[OpenGeneration]:
        """The generation that answers now, held while the block runs: for who has vectors of queries and wants hits.

        arriving : take one that is still arriving as it is; else all of it is waited for
        """
        lack = nothing if arriving else all_of_it
        with self._counting(), self._using(lack) as opened:
            yield opened

    @property
    def arriving(self) -> bool:
        """Whether files of the generation that answers are still to come from an object store: mode dense answers."""
        return self._now().generation.arriving

    @contextmanager
    def _using(self, lack: Lack) -> Iterator[OpenGeneration]:
        opened = self._now()
        if opened.generation.arriving:
            opened = self._arrived(opened, lack(opened))
        while not opened.join():
            opened = self._now()  # A refresh took it away between the two steps.
        try:
            yield opened
        finally:
            opened.leave()

    def _arrived(self, opened: OpenGeneration, lack: str) -> OpenGeneration:
        """What answers where a generation is still arriving, and something may be lacking."""
        if lack and not self._waits:
            raise StillArriving(lack)
        # Who does not wait, a server, moves between questions.
        if self._waits and opened.all_here(wait=bool(lack)):
            with self._refreshing:
                self._moved()
        return self._now()

    def _now(self) -> OpenGeneration:
        opened = self._opened
        if opened is None:
            raise GenerationError("this searcher was closed; open another one")
        return opened

    def _note_opened(self, opened: OpenGeneration) -> None:
        places = ", ".join(f"{part} on {where} ({opened.reasons[part]})" for part, where in opened.devices.items())
        log.info("generation %d of %s serves: %s", opened.number, self._warehouse.root, places)

    def _note_followed(self, opened: OpenGeneration) -> None:
        """It answers from what serves. A searcher of a generation of its own, as the gate's of a draft, follows
        nothing: what it answers from is not what people are answered from."""
        if self._follows:
            metrics.FOLLOWERS.note(self._warehouse.root.name, self, opened.number)

    @contextmanager
    def _counting(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            metrics.SEARCH_ERRORS.labels(type(error).__name__).inc()
            raise
