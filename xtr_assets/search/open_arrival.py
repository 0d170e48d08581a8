"""A generation that answers by its dense index while the rest of it comes from an object store."""

from collections.abc import Iterable
from typing import Any

from xtr_assets.core.types import Ints
from xtr_assets.search.blend import Blend
from xtr_assets.search.legs import Legs
from xtr_assets.search.loaders import open_dense
from xtr_assets.search.ranker import Mode
from xtr_assets.search.reader import Hydrates, Indexes, OpenGeneration, Spaces
from xtr_assets.search.request import Ask
from xtr_assets.search.retrievers import DenseSpace
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.remote.arriving_generation import ArrivingGeneration
from xtr_assets.storage.row_hydration import HIT_COLUMNS
from xtr_assets.storage.scrub import Scrub, Verify


class OpenArrival(OpenGeneration):
    """An OpenGeneration with nothing but its dense index. What it reads is compared as it comes."""

    generation: ArrivingGeneration

    def lack(self, ask: Ask | None, *, whole: bool = False) -> str:
        needed = "what is asked" if ask is None or whole else _needed(ask)
        if not needed:
            return ""
        return (
            f"{needed} needs all of generation {self.number}, which is still to come; "
            f"{self.generation.holder.told()}; mode dense without filters and demanded words answers now"
        )

    def all_here(self, *, wait: bool) -> bool:
        if wait:
            self.generation.holder.wait()
        return self.generation.holder.arrived

    def _scrub(self, generation: Generation, verify: Verify | None) -> Scrub:  # noqa: ARG002
        return Scrub(generation, "sizes")

    def _spaces(
        self,
        generation: Generation,
        device: str,
        device_memory: int | None,  # noqa: ARG002 (of the token index)
        indexes: Indexes | None,  # noqa: ARG002 (nobody can have them open)
        previous: OpenGeneration | None,  # noqa: ARG002
    ) -> Spaces:
        dense = open_dense(generation, device)
        self.devices["dense"], self.reasons["dense"] = dense.placement.device, dense.placement.reason
        return DenseSpace(dense, dense.vectors), None, None

    def _hydrator(self, generation: Generation) -> Hydrates:
        return ArrivingChunks(_arriving(generation))

    def _chunk_ids(self, generation: Generation) -> Ints:
        return _arriving(generation).chunk_ids()

    def _legs(self, generation: Generation) -> Legs:
        return Legs(Blend.of(generation.manifest.profile.get("hybrid")))

    @property
    def modes(self) -> tuple[Mode, ...]:
        """The mode that answers now."""
        return ("dense",)


class ArrivingChunks:
    """The chunks of hits, by ranges."""

    def __init__(self, generation: ArrivingGeneration) -> None:
        self._generation = generation

    def rows(self, rows: Iterable[int]) -> list[dict[str, Any]]:
        """One dict of columns per row, in the order asked for."""
        return self._generation.chunks_at([int(row) for row in rows], HIT_COLUMNS)


def _needed(ask: Ask) -> str:
    if ask.mode != "dense":
        return f"mode {ask.mode}"
    if ask.where is not None:
        return "a filter"
    if ask.options.collapse is not None:
        return "collapse"
    return "a scan" if ask.scan else ""


def _arriving(generation: Generation) -> ArrivingGeneration:
    assert isinstance(generation, ArrivingGeneration), "open_generation chooses by the kind of generation"
    return generation
