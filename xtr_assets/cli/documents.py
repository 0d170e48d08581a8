"""The JSON documents of the reading commands, made from the values of the library."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xtr_assets.cli.staleness import Behind
    from xtr_assets.search.hit_table import Hits
    from xtr_assets.storage.generation import Generation
    from xtr_assets.storage.manifest import CheckRecord
    from xtr_assets.storage.snapshot import Snapshot


def hits_document(generation: int, mode: str, took_ms: float, hits: "Hits") -> dict[str, Any]:
    """What `search --json` prints."""
    return {
        "generation": generation,
        "mode": mode,
        "took_ms": round(took_ms, 3),
        **({"corrected": hits.corrected} if hits.corrected else {}),
        "hits": [hit.document(rank) for rank, hit in enumerate(hits, 1)],
    }


def check_document(check: "CheckRecord") -> dict[str, Any]:
    """A verdict as `status` and `generations` show it; where a setting holds its threshold, whether that is lowered."""
    from xtr_assets.pipeline.gate.threshold import threshold_document
    from xtr_assets.storage.refusal import sentence

    plain = {"name": check.name, "passed": check.passed, "value": check.value, "threshold": check.threshold}
    return {**plain, **threshold_document(check), "summary": sentence(check)}


def bytes_document(generation: "Generation") -> dict[str, int]:
    """Bytes of what a generation needs, by kind: the top folder, and for segments what the file holds."""
    sums: dict[str, int] = {}
    for name, record in generation.manifest.files.items():
        parts = name.split("/")
        # segments/<id>/tokens.<fp8>/tokens.npy counts as "tokens", segments/<id>/chunks.arrow as "chunks".
        kind = parts[2].split(".")[0] if parts[0] == "segments" and len(parts) > 2 else parts[0]
        sums[kind] = sums.get(kind, 0) + record.bytes
    return {**sums, "total": sum(sums.values())}


def shard_document(shard: str, snapshot: "Snapshot", behind: "Behind | None") -> dict[str, Any]:
    """A shard of the generation; `behind` is null where its source is unknown here."""
    return {
        "shard": shard,
        "data_version": snapshot.data_version,
        "live_rows": snapshot.live_rows,
        "segments": len(snapshot.segments),
        "files": len(snapshot.files),
        "quarantined": len(snapshot.quarantine),
        "behind": None if behind is None else behind.document(),
    }


def generation_document(generation: "Generation") -> dict[str, Any]:
    """A line of `generations`."""
    manifest = generation.manifest
    return {
        "generation": generation.number,
        "state": generation.state,
        "parent": manifest.parent,
        "created_at": manifest.created_at,
        "rows": sum(segment.rows for segment in manifest.segments),
        "live_rows": manifest.live_rows,
        "segments": len(manifest.segments),
        "bytes": generation.bytes(),
        "forced": generation.forced,
        "checks": [check_document(check) for check in generation.check_results()],
    }
