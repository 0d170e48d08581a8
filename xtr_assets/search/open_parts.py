"""The generations of a move, opened for searching as one: the rows of all parts, one after the other."""

from collections.abc import Mapping
from contextlib import ExitStack
from time import monotonic

from xtr_assets.core.errors import GenerationError
from xtr_assets.index import DenseIndex, TokenIndex
from xtr_assets.search.confidence import PROFILE_KEY, Confidence, LowestConfidence
from xtr_assets.search.lexical_space import LexicalSpace
from xtr_assets.search.loaders import lexical_lack, lexical_parts, open_dense, open_tokens
from xtr_assets.search.part_spaces import DenseParts, PlacedSpace, TokenParts
from xtr_assets.search.reader import Indexes, OpenGeneration, ServedIndexes, Spaces, show_spaces
from xtr_assets.search.retrievers import DenseSpace, TokenSpace
from xtr_assets.search.served_profile import restore_settings
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.parts.joined_generation import JoinedGeneration, JoinedPart
from xtr_assets.storage.scrub import Scrub, Verify


class OpenParts(OpenGeneration):
    """An OpenGeneration over a set of parts: pins, indexes and scrub are those of each part, all else is one."""

    generation: JoinedGeneration

    def _scrub(self, generation: Generation, verify: Verify | None) -> Scrub:
        return PartScrubs([(part.name, Scrub(part.generation, verify)) for part in _joined(generation).parts])

    def _spaces(
        self,
        generation: Generation,
        device: str,
        device_memory: int | None,
        indexes: Indexes | None,
        previous: OpenGeneration | None,
    ) -> Spaces:
        if indexes is not None:
            raise GenerationError(f"move {generation.number} is of several parts; their indexes are opened here")
        joined = _joined(generation)
        parts = joined.parts
        share = None if device_memory is None else device_memory // len(parts)
        kept = _kept(previous)
        digests = joined.move.named
        self._served = tuple(kept.get((one.name, digests[one.name])) or _opened(one, device, share) for one in parts)
        for one in self._served:
            # Somebody may have tried other settings while the move before served.
            restore_settings(one)
        self._tell_devices()
        return self._dense(parts), self._tokens(parts), _lexical(joined)

    def _dense(self, parts: tuple[JoinedPart, ...]) -> DenseParts | None:
        placed = [
            PlacedSpace(part.name, part.base_row, part.generation.live, DenseSpace(one.dense, one.dense.vectors))
            for part, one in zip(parts, self._served, strict=True)
            if one.dense is not None
        ]
        return DenseParts(placed) if placed else None

    def _tokens(self, parts: tuple[JoinedPart, ...]) -> TokenParts | None:
        placed = [
            PlacedSpace(part.name, part.base_row, part.generation.live, TokenSpace(one.tokens, part.generation.end_row))
            for part, one in zip(parts, self._served, strict=True)
            if one.tokens is not None
        ]
        return TokenParts(placed) if placed else None

    def _tell_devices(self) -> None:
        """Of each kind of index where it serves, and why; where parts differ, each is named."""
        for kind, told in (
            ("dense", {o.part: (o.dense.placement.device, o.dense.placement.reason) for o in self._served if o.dense}),
            ("xtr", {o.part: (o.tokens.device, o.tokens.choice.reason) for o in self._served if o.tokens}),
        ):
            if told:
                self.devices[kind] = _together({part: device for part, (device, _) in told.items()})
                self.reasons[kind] = _together({part: reason for part, (_, reason) in told.items()})

    def _confidence(self, generation: Generation) -> Confidence | LowestConfidence | None:
        return LowestConfidence.of([p.generation.manifest.profile.get(PROFILE_KEY) for p in _joined(generation).parts])

    @property
    def served(self) -> tuple[ServedIndexes, ...]:
        return self._served

    def _show(self, warehouse: str, stack: ExitStack) -> None:
        dense = {one.part: one.space for one in self.dense.parts} if isinstance(self.dense, DenseParts) else {}
        tokens = {one.part: one.space for one in self.tokens.parts} if isinstance(self.tokens, TokenParts) else {}
        for one in self._served:
            show_spaces(f"{warehouse}/{one.part}", stack, dense.get(one.part), tokens.get(one.part))
        show_spaces(warehouse, stack, None, None, self.lexical)


class PartScrubs(Scrub):
    """The scrubs of all parts, as one."""

    def __init__(self, scrubs: list[tuple[str, Scrub]]) -> None:
        self._scrubs = scrubs

    def check(self) -> None:
        for _, one in self._scrubs:
            one.check()

    def wait(self, seconds: float | None = None) -> bool:
        """All of them within so many seconds."""
        until = None if seconds is None else monotonic() + seconds
        return all(one.wait(None if until is None else max(0.0, until - monotonic())) for _, one in self._scrubs)

    def end(self) -> None:
        for _, one in self._scrubs:
            one.end()


def open_generation(
    generation: Generation,
    device: str,
    previous: OpenGeneration | None = None,
    device_memory: int | None = None,
    indexes: Indexes | None = None,
    verify: Verify | None = None,
) -> OpenGeneration:
    """Open whatever answers: a generation, those of a move, or one that is still arriving."""
    if generation.arriving:
        from xtr_assets.search.open_arrival import OpenArrival

        return OpenArrival(generation, device)
    if previous is not None and previous.generation.arriving:
        # What it read of segments came by ranges; the files are here now.
        previous = None
    kind = OpenParts if isinstance(generation, JoinedGeneration) else OpenGeneration
    return kind(generation, device, previous, device_memory, indexes, verify)


def _joined(generation: Generation) -> JoinedGeneration:
    assert isinstance(generation, JoinedGeneration), "open_generation chooses by the kind of generation"
    return generation


def _kept(previous: OpenGeneration | None) -> dict[tuple[str, str], ServedIndexes]:
    """By part and manifest: what the move before has open of parts that this one did not change."""
    if not isinstance(previous, OpenParts):
        return {}
    digests = previous.generation.move.named
    return {(one.part, digests[one.part]): one for one in previous.served}


def _opened(part: JoinedPart, device: str, device_memory: int | None) -> ServedIndexes:
    generation = part.generation
    dense: DenseIndex | None = open_dense(generation, device) if "dense" in generation.legs else None
    tokens: TokenIndex | None = open_tokens(generation, device, device_memory) if "tokens" in generation.legs else None
    return ServedIndexes(part.name, generation, dense, tokens)


def _lexical(joined: JoinedGeneration) -> LexicalSpace | None:
    """One index over the postings of all parts: how rare a word is, and how long a text, is said of the whole set."""
    from xtr_assets.index.lexical.index import LexicalIndex, LexicalPart

    if any(lexical_lack(part.generation) for part in joined.parts):
        return None
    placed = [
        LexicalPart(part.base_row + one.base_row, one.postings)
        for part in joined.parts
        for one in lexical_parts(part.generation)
    ]
    return LexicalSpace(LexicalIndex(placed, joined.live), joined.end_row)


def _together(told: Mapping[str, str]) -> str:
    """One text where all parts say the same, else each part's."""
    return (
        next(iter(told.values())) if len(set(told.values())) == 1 else ", ".join(f"{p}: {t}" for p, t in told.items())
    )
