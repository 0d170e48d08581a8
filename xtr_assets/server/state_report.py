"""What a warehouse records of its own state: what could not be read, what is behind, what is under way, who moved it.

Sources are not looked at: a server has none. How far a shard is behind is what the last build noted of it.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from xtr_assets.core.errors import StorageError
from xtr_assets.pipeline.ingest.intake import intake_of
from xtr_assets.search.loaders import Place
from xtr_assets.server.hosted_index import HostedIndex
from xtr_assets.server.overview import damaged
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.history import read_history
from xtr_assets.storage.parts.joined_generation import JoinedGeneration
from xtr_assets.storage.parts.part_records import PartMove
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets.storage.snapshot import Snapshot, looked_at
from xtr_assets.storage.warehouse import Warehouse

# Files that are named, of those in quarantine and of those that are stale; all are counted.
MOST_FILES = 200
MOST_MOVES = 50
# A place on a machine; messages of a system quote those that they are about.
_PLACE = re.compile(r"""(?:^|[\s'"(=:\[])(?:/[^\s/]|~/|[A-Za-z]:\\|\\\\)""")


def state_report(index: HostedIndex) -> dict[str, Any]:
    """The state of an index, as /v1/state gives it; where the history or a draft is damaged `problem` says so, and that
    is left out. Raises Problem where nothing serves, and while the files that say it are gone."""
    place = index.at_hand()
    with index.use() as searcher, searcher.opened(arriving=True) as opened:
        served = _served(place, opened.generation)
        number, created = opened.number, opened.generation.manifest.created_at
    problem, draft = index.problem, None
    history: list[dict[str, Any]] = []
    try:
        history = moves_told(place.moves()) if isinstance(place, PartSet) else _history(place)
        # Of a set each part has its own.
        draft = None if isinstance(place, PartSet) else _draft(place)
    except StorageError as error:
        problem = damaged(index, error)
    return {
        "index": index.name,
        "generation": number,
        "created_at": created,
        "problem": problem,
        **intake_told(served),
        "draft": draft,
        "history": history,
    }


def intake_told(served: Sequence[tuple[Warehouse, Mapping[str, Snapshot]]]) -> dict[str, Any]:
    """Of these snapshots, each with its warehouse: the shards, and what could not be read or stayed behind."""
    intakes = [intake_of(warehouse, None, dict(snapshots)) for warehouse, snapshots in served]
    quarantine = [entry for one in intakes for entry in one.quarantine]
    stale = [entry for one in intakes for entry in one.stale]
    reasons = Counter(entry.reason for entry in quarantine)
    return {
        "shards": [
            _shard(warehouse, shard, one) for warehouse, snapshots in served for shard, one in sorted(snapshots.items())
        ],
        "quarantine": {
            "total": len(quarantine),
            "reasons": dict(sorted(reasons.items())),
            "files": [
                {
                    "source": entry.source,
                    "path": entry.path,
                    "line": entry.line,
                    "reason": entry.reason,
                    "detail": _told(entry.detail),
                }
                for entry in quarantine[:MOST_FILES]
            ],
        },
        "stale": {
            "total": len(stale),
            "files": [
                {"shard": shard, "path": entry.path, "reason": _told(entry.reason), "since": entry.since}
                for shard, entry in stale[:MOST_FILES]
            ],
        },
    }


def intake_together(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What `intake_told` says of all parts, of what it said of each."""
    reasons = Counter[str]()
    for one in parts:
        reasons.update(one["quarantine"]["reasons"])

    def joined(what: str) -> dict[str, Any]:
        files = [file for one in parts for file in one[what]["files"]]
        return {"total": sum(one[what]["total"] for one in parts), "files": files[:MOST_FILES]}

    return {
        "shards": [shard for one in parts for shard in one["shards"]],
        "quarantine": {**joined("quarantine"), "reasons": dict(sorted(reasons.items()))},
        "stale": joined("stale"),
    }


def _served(place: Place, generation: Generation) -> list[tuple[Warehouse, dict[str, Snapshot]]]:
    """The snapshots that serve and the warehouse of each: one, of a set of parts one for each."""
    if isinstance(place, PartSet):
        assert isinstance(generation, JoinedGeneration)
        return [(Warehouse.open(part.generation.layout.root), part.generation.snapshots()) for part in generation.parts]
    return [(place, generation.snapshots())]


def moves_told(moves: Sequence[PartMove]) -> list[dict[str, Any]]:
    """The latest moves of a set first, as `_history` tells those of a warehouse."""
    return [
        {
            "at": move.at,
            "action": move.action,
            "generation": move.number,
            "previous": None if move.number == 1 else move.number - 1,
            "reason": None if move.reason is None else _told(move.reason),
            "forced": move.forced is not None,
        }
        for move in reversed(moves[-MOST_MOVES:])
    ]


def _shard(warehouse: Warehouse, shard: str, served: Snapshot) -> dict[str, Any]:
    """`ahead`: the warehouse holds a later state of the shard than the generation that serves."""
    current = warehouse.snapshot(shard)
    version = served.data_version if current is None else current.data_version
    looked_ns = looked_at(warehouse.layout, shard, version)
    return {
        "shard": shard,
        "live_rows": served.live_rows,
        "files": len(served.files),
        "quarantined": len(served.quarantine),
        "stale": len(served.stale),
        "ahead": version != served.data_version,
        "looked_at": None if not looked_ns else datetime.fromtimestamp(looked_ns / 1e9, UTC).isoformat("T", "seconds"),
    }


def _draft(warehouse: Warehouse) -> dict[str, Any] | None:
    """The generation that is being made, or was left by a run that died."""
    draft = warehouse.newest_draft()
    if draft is None:
        return None
    checks: Mapping[str, Any] = draft.manifest.checks
    return {
        "generation": draft.number,
        "created_at": draft.manifest.created_at,
        "passed": sum(1 for record in checks.values() if record.passed),
        "failed": sorted(name for name, record in checks.items() if not record.passed),
    }


def _history(warehouse: Warehouse) -> list[dict[str, Any]]:
    """The latest first. Who it was stays here: it names an account and a machine."""
    entries = read_history(warehouse.layout)[-MOST_MOVES:]
    return [
        {
            "at": entry.at,
            "action": entry.action,
            "generation": entry.generation,
            "previous": entry.previous,
            "reason": None if entry.reason is None else _told(entry.reason),
            "forced": entry.forced,
        }
        for entry in reversed(entries)
    ]


def _told(text: str) -> str:
    """A message, or "" where it names a place on the machine.

    >>> _told("invalid syntax"), _told("[Errno 5] I/O error: '/srv/data/a.py'"), _told("a/b at line 3")
    ('invalid syntax', '', 'a/b at line 3')
    """
    return "" if _PLACE.search(text) else text
