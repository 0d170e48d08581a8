"""What a person says of a build that cannot be told by itself: a loss that is meant, what may serve again."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from xtr_assets.config import IndexConfig
from xtr_assets.core.errors import InvalidInput, PublishRefused
from xtr_assets.pipeline.gate.nothing_vanished import CHECK, accept, check_sources, shown_by
from xtr_assets.pipeline.plan.decide import wanted
from xtr_assets.storage.content import TakenBack
from xtr_assets.storage.history_entry import check_reason
from xtr_assets.storage.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class PersonWord:
    """sources : those that may hold as much less as was shown, for `reason`. again : why what the shards hold now may
    serve again, where somebody took it back. by : whose word it is, for the history. at : when it was said, UTC.
    known : sources of which the history has this word already."""

    sources: Sequence[str]
    reason: str
    again: str
    by: str
    at: str
    known: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Heard:
    """What was kept of a person's word: sources whose loss was accepted, and what was let serve again."""

    accepted: Sequence[str] = ()
    allowed: Sequence[TakenBack] = ()


def hear(warehouse: Warehouse, config: IndexConfig, fingerprint: str, word: PersonWord) -> Heard:
    """Keep a person's word in the history, before the build that it is about. Nothing is kept where it is refused: a
    source that the config lacks (ConfigError), a word without a reason (InvalidInput), a loss that nobody was shown, or
    that is larger by now (PublishRefused)."""
    check_sources(config, word.sources)
    if bool(word.sources) != bool(word.reason):
        raise InvalidInput(
            f"accept_shrink is {list(word.sources)} and its reason {word.reason!r}: they go together; who accepts a "
            "loss says why"
        )
    for reason, what in ((word.reason, "accept_shrink"), (word.again, "again")):
        check_reason(reason or None, what)
    accepted: list[str] = []
    if sources := [name for name in word.sources if name not in word.known]:
        shown = shown_by(warehouse, word.at)
        if shown is None:
            serving = warehouse.published
            raise PublishRefused(
                f"{CHECK} refused no draft beside {'nothing' if serving is None else f'generation {serving.number}'} "
                f"before {word.at}, when {', '.join(sources)} was to be accepted: build without the word, look at what "
                "the check says, and accept that by a new run"
            )
        accepted = accept(warehouse, config, sources, word.reason, who=word.by, shown=shown)
    allowed: list[TakenBack] = []
    if word.again:
        allowed = wanted(warehouse, config, fingerprint).allow_again(warehouse, word.again, who=word.by)
    return Heard(accepted, allowed)
