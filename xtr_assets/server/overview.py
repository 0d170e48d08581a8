"""What is said of an index and its generations; nothing here names a place on the machine."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from xtr_assets.core.errors import StorageError
from xtr_assets.search.searcher import Searcher
from xtr_assets.server.hosted_index import HostedIndex
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.manifest import CheckRecord

log = logging.getLogger(__name__)

# Questions that a draft answers otherwise, and characters of each text of them.
MOST_ANSWERS, MOST_TEXT = 50, 300
# Points of a curve of recall over k; the gate measures six.
MOST_POINTS = 32


def readiness(index: HostedIndex) -> dict[str, Any]:
    """Whether an index answers, and from what; `problem` is null where it follows its pointer, `arriving` is there
    as long as files of the generation are still to come."""
    said = {"answers": index.answers, "generation": index.serving, "problem": index.problem}
    return {**said, "arriving": coming} if (coming := index.arriving) else said


def generation_now(index: HostedIndex, searcher: Searcher) -> dict[str, Any]:
    """The generation that answers now, and how."""
    manifest = searcher.manifest
    return {
        "index": index.name,
        "generation": searcher.generation,
        "published": _published(index),
        "problem": index.problem,
        "kept": index.kept,
        "created_at": manifest.created_at,
        "live_rows": manifest.live_rows,
        "segments": len(manifest.segments),
        "encoder": {
            "name": manifest.encoder.name,
            "dim": manifest.encoder.dim,
            "token_dim": manifest.encoder.token_dim,
            "fingerprint": manifest.fingerprint,
        },
        "modes": list(searcher.modes),
        "profile": searcher.profile,
        "devices": dict(searcher.devices),
    }


def _published(index: HostedIndex) -> int | None:
    """None where it cannot be told now: what serves answers on, and `problem` says why."""
    try:
        return index.published()
    except (StorageError, OSError):
        return None


def generations(index: HostedIndex) -> dict[str, Any]:
    """Every generation there is, and what became of it; `problem` is why that is not known, null where it is. Raises
    Problem while their files are gone."""
    lines: list[dict[str, Any]] = []
    listed: Sequence[Generation] = ()
    place = index.at_hand()
    problem: str | None = None
    try:
        listed = place.generations()
    except StorageError as error:
        # Of a set whose moves are damaged.
        problem = damaged(index, error)
    for one in listed:
        try:
            lines.append(_line(one, one.state, one.forced))
        except StorageError as error:
            # The pointer or the history is damaged; what a generation says of itself is not. It is so of each of them.
            problem = problem or damaged(index, error)
            lines.append(_line(one, "unknown", one.manifest.forced))
    return {"index": index.name, "generation": index.serving, "generations": lines, "problem": problem}


def damaged(index: HostedIndex, error: StorageError) -> str:
    """What is wrong with files beside those that are answered from, as it is told to strangers."""
    log.error("index %s: what became of its generations cannot be told", index.name, exc_info=error)
    return f"{type(error).__name__}: the server's log says more, and so does `xtr-assets verify`"


def _line(generation: Generation, state: str, forced: str | None) -> dict[str, Any]:
    manifest, checks = generation.manifest, generation.check_results()
    return {
        "generation": generation.number,
        "state": state,
        "parent": manifest.parent,
        "created_at": manifest.created_at,
        "live_rows": manifest.live_rows,
        "segments": len(manifest.segments),
        "bytes": generation.bytes(),
        "forced": forced,
        "checks": [_check(one) for one in checks],
    }


def _check(record: CheckRecord) -> dict[str, Any]:
    """A verdict; of a recall also its mean and its curve, [[k, recall], ...]."""
    said = {"name": record.name, "passed": record.passed, "value": record.value, "threshold": record.threshold}
    mean = record.details.get("mean", record.details.get("recall"))
    if _is_number(mean):
        said["mean"] = mean
    # Details are whatever a check wrote, of any release, in a warehouse that may come from elsewhere.
    curve = record.details.get("curve")
    if isinstance(curve, list) and all(isinstance(one, list) and all(map(_is_number, one)) for one in curve):
        said["curve"] = [one[:2] for one in curve[:MOST_POINTS] if len(one) >= 2]
    answers = record.details.get("answers")
    if isinstance(answers, list) and answers:
        said["answers"] = [_answer(one) for one in answers[:MOST_ANSWERS] if isinstance(one, dict)]
    return said


def _answer(one: Mapping[str, Any]) -> dict[str, Any]:
    """A question whose answers change: texts as texts, numbers as numbers, whatever stands there."""
    texts = {name: str(one.get(name, ""))[:MOST_TEXT] for name in ("question", "first_before", "first_after")}
    numbers = {name: value if _is_number(value := one.get(name)) else 0 for name in ("asked", "kept")}
    return {**texts, **numbers}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
