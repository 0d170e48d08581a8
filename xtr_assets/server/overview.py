"""What is said of an index and its generations; nothing here names a place on the machine."""

from typing import Any

import pyarrow as pa

from xtr_assets.search.searcher import Searcher
from xtr_assets.server.hosted_index import HostedIndex
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.history import read_published


def readiness(index: HostedIndex) -> dict[str, Any]:
    """Whether an index answers, and from what; `problem` is null where it follows its pointer."""
    return {"answers": index.answers, "generation": index.serving, "problem": index.problem}


def generation_now(index: HostedIndex, searcher: Searcher) -> dict[str, Any]:
    """The generation that answers now, and how."""
    manifest = searcher.manifest
    return {
        "index": index.name,
        "generation": searcher.generation,
        "published": read_published(index.warehouse().layout),
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


def generations(index: HostedIndex) -> dict[str, Any]:
    """Every generation there is, and what became of it."""
    return {
        "index": index.name,
        "generation": index.serving,
        "generations": [_line(one) for one in index.warehouse().generations()],
    }


def _line(generation: Generation) -> dict[str, Any]:
    manifest, checks = generation.manifest, generation.check_results()
    return {
        "generation": generation.number,
        "state": generation.state,
        "parent": manifest.parent,
        "created_at": manifest.created_at,
        "live_rows": manifest.live_rows,
        "segments": len(manifest.segments),
        "bytes": generation.bytes(),
        "forced": generation.forced,
        "checks": [
            {"name": one.name, "passed": one.passed, "value": one.value, "threshold": one.threshold} for one in checks
        ],
    }


def sources(searcher: Searcher) -> list[dict[str, Any]]:
    """Each source with how many chunks and files it has, and of which kinds."""
    with searcher.opened() as opened:
        table = opened.generation.chunk_table(["source", "path", "kind"])
    table = pa.table({name: table.column(name).cast(pa.string()) for name in table.column_names})
    sums = table.group_by("source").aggregate([("path", "count"), ("path", "count_distinct")]).to_pylist()
    kinds = table.group_by(["source", "kind"]).aggregate([("path", "count")]).to_pylist()
    return [
        {
            "source": one["source"],
            "chunks": one["path_count"],
            "files": one["path_count_distinct"],
            "kinds": {each["kind"]: each["path_count"] for each in kinds if each["source"] == one["source"]},
        }
        for one in sorted(sums, key=lambda one: str(one["source"]))
    ]
