"""Resources: where the warehouse lies, the encoder, and a searcher that stays on one generation for a whole step."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, Self

import dagster as dg
from pydantic import ConfigDict, PrivateAttr, model_validator

from xtr_assets.config import parse_encoder
from xtr_assets.core.errors import GenerationError, XtrAssetsError
from xtr_assets.encoders import open_encoder
from xtr_assets.encoders.base import Encoder
from xtr_assets.search.hit_table import Hits
from xtr_assets.search.loaders import identity, open_any
from xtr_assets.search.searcher import Searcher
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.parts.part_set_reader import built_warehouse
from xtr_assets.storage.run_mark import marked
from xtr_assets.storage.warehouse import Warehouse

if TYPE_CHECKING:
    from xtr_assets.client.remote_searcher import RemoteSearcher

log = logging.getLogger(__name__)

# Steps of one process that search the same generation share its searcher; beyond this many the oldest idle one goes.
# A searcher holds mapped files and, at a million chunks, a few hundred megabytes of codes.
MAX_SEARCHERS = 4


class MarkedResource(dg.ConfigurableResource, ABC):  # type: ignore[type-arg]
    """What runs write to: it holds the mark of each run that has it."""

    _mark: ExitStack = PrivateAttr(default_factory=ExitStack)

    @abstractmethod
    def mark_layout(self) -> Layout:
        """Where marks of runs lie."""

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Hold the mark of the run, so that sensors anywhere see when this process, or its host, has died."""
        if context.run is None:  # a sensor's or a schedule's own look
            return
        try:
            self._mark.enter_context(marked(self.mark_layout(), context.run.run_id))
        except (OSError, XtrAssetsError) as error:
            # What cannot be written is still read: a job that only looks must not fail for its mark.
            log.warning("run %s has no mark: %s", context.run.run_id, error)

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002 (Dagster's signature)
        """Let go of the mark."""
        self._mark.close()


class WarehouseResource(MarkedResource):
    """The warehouse of an index, by its folder; made when it is first written to. index : whose; "" is anybody's."""

    path: str
    index: str = ""

    def open(self) -> Warehouse:
        """The warehouse, which a first build creates."""
        return built_warehouse(self.path)

    def mark_layout(self) -> Layout:
        """That of the warehouse."""
        return self.open().layout


class EncoderResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The encoder of an index: the settings of its config, and the device of this deployment. index : whose; "" is
    anybody's."""

    settings: dict[str, Any]
    device: str = "cpu"
    index: str = ""

    def open(self) -> Encoder:
        """The encoder; loaded once per process."""
        return open_encoder(parse_encoder(self.settings), self.device)


class SearchResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Search over the published generation, the same one from the first to the last line of a step.

    An asset takes `search: SearchResource`, depends on `published` and calls `search.search("...")`, or works with
    `search.searcher`. Opened indexes stay in the process for the next step.

    warehouse : the folder. device : auto | cpu | cuda | cuda:N. Or, in place of the folder, url : a running
    `xtr-assets serve`, with a token (dg.EnvVar) and the index's name there; it keeps the generation of the step for ten
    minutes after the last question.
    """

    # Dagster's own drops a name that it does not know: a generation, or a misspelt folder.
    model_config = ConfigDict(extra="forbid")

    warehouse: str = ""
    device: str = "auto"
    url: str = ""
    token: str = ""
    index: str = ""

    _pinned: "_Pin | None" = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if bool(self.warehouse) == bool(self.url):
            raise ValueError(f"warehouse is {self.warehouse!r} and url {self.url!r}; give one of them")
        return self

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002 (Dagster's signature)
        """Let go of the generation of the last step."""
        self._release()

    @property
    def searcher(self) -> "Searcher | RemoteSearcher":
        """The searcher of this step: it stays on the generation that was published when the step first asked.

        Steps of one process share the resource, so that the pin follows the step: one that comes after `published` in
        the same run sees what was published there.
        """
        step = _current_step()
        if self._pinned is None or (step is not None and self._pinned.step != step):
            self._release()
            stack = ExitStack()
            self._pinned = _Pin(step, stack.enter_context(self._opened()), stack)
        return self._pinned.searcher

    def _opened(self) -> "AbstractContextManager[Searcher | RemoteSearcher]":
        if self.url:
            # httpx takes 0.1 CPU s to import, and every build makes the definitions of all resources.
            from xtr_assets.client.remote_searcher import connect

            return connect(self.url, self.token or None, self.index or None, pin=True)
        return shared_searcher(self.warehouse, self.device)

    def _release(self) -> None:
        pinned, self._pinned = self._pinned, None
        if pinned is not None:
            pinned.stack.close()

    @property
    def generation(self) -> int:
        """Number of the generation that answers."""
        return self.searcher.generation

    def search(
        self, query: str, k: int = 10, mode: str = "hybrid", where: Mapping[str, Any] | None = None, **options: Any
    ) -> Hits:
        """`Searcher.search` on the pinned generation."""
        return self.searcher.search(query, k, mode, where, **options)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class _Pin:
    """A searcher held for a step: (run, step), None outside of one."""

    step: tuple[str, str] | None
    searcher: "Searcher | RemoteSearcher"
    stack: ExitStack


def _current_step() -> tuple[str, str] | None:
    """(run id, step) that this thread executes; None outside of a step, and in threads that a step started."""
    try:
        context = dg.OpExecutionContext.get()
    except dg.DagsterInvariantViolationError:
        return None
    return context.run_id, str(context.op_handle)


class _Shared:
    """A searcher on one generation, with the number of steps that use it."""

    def __init__(self, searcher: Searcher) -> None:
        self.searcher, self.users = searcher, 0


_open: dict[tuple[Any, ...], _Shared] = {}
_guard = Lock()


@contextmanager
def shared_searcher(warehouse: str, device: str) -> Iterator[Searcher]:
    """The process' searcher on the generation that is published now; it never moves to another one."""
    opened = open_any(warehouse)
    published = opened.published
    if published is None:
        raise GenerationError(
            f"nothing is published in {warehouse}; materialize the index up to `published`, or run `xtr-assets build`"
        )
    key = (str(opened.root), identity(published.manifest), device)
    with _guard:
        if key not in _open:
            _evict(key)
            _open[key] = _Shared(Searcher(opened, device, generation=published.number))
        shared = _open[key]
        shared.users += 1
    try:
        yield shared.searcher
    finally:
        with _guard:
            shared.users -= 1


def _evict(opening: tuple[Any, ...]) -> None:
    """Close searchers that no step uses before another is opened: those on what its folder published before, whose
    files no collection could remove in a process that lives on, as a code server does; beyond MAX_SEARCHERS the
    oldest."""
    idle = [key for key, shared in _open.items() if not shared.users]
    behind = [key for key in idle if key[0] == opening[0] and key[1] != opening[1]]
    others = [key for key in idle if key not in behind]
    for key in [*behind, *others[: max(0, len(_open) - len(behind) + 1 - MAX_SEARCHERS)]]:
        _open.pop(key).searcher.close()
