"""Eight shards of the standard library ingested by one worker process and by two: wall and CPU, in turns.

    python benchmarks/ingest_workers.py [--rounds 5] [--include GLOB ...] [--json FILE]

A worker takes the next shard that nobody has taken, as Celery's workers do, with one thread each: chunking alone, and
chunking with the hashing encoder. Workers are started, and have imported everything, before the clock runs; each round
begins with an empty warehouse. `speedup` is the wall time of one worker divided by that of two, of the same round; its
median is held against the goal. CPU seconds are those of the workers: where two take more of them than one, the cores
share something (caches, memory, a host that is busy); where they take no more and are no faster, they wait for a lock.
"""

import argparse
import json
import os
import sysconfig
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from statistics import median
from typing import Any

from stdlib import EXCLUDE

from xtr_assets.config import IndexConfig, parse_config
from xtr_assets.encoders import open_encoder
from xtr_assets.pipeline.ingest.encode import encode_snapshot
from xtr_assets.pipeline.ingest.scan import scan_shard, shard_sources, source_of, write_chunks
from xtr_assets.storage.warehouse import Warehouse

SHARDS = 8
# Two workers on two cores: what is left to share is the locks, the disk and the memory bus.
GOAL = 1.8
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")

Ingest = Callable[[IndexConfig, Warehouse, str], int]


@dataclass(frozen=True)
class Measured:
    """One round of one kind of work by so many workers."""

    workers: int
    wall: float
    cpu: float
    rows: int


def chunk(config: IndexConfig, warehouse: Warehouse, shard: str) -> int:
    """Chunk one shard under its lock; its rows."""
    with warehouse.shard_lock(shard, "benchmark", 600.0):
        scan = scan_shard(warehouse, shard, source_of(config, shard))
        return write_chunks(warehouse, scan, scan.touched).snapshot.live_rows


def chunk_and_encode(config: IndexConfig, warehouse: Warehouse, shard: str) -> int:
    """The same, and encode it."""
    rows = chunk(config, warehouse, shard)
    snapshot = warehouse.snapshot(shard)
    assert snapshot is not None
    names = source_of(config, shard).config.naming
    encode_snapshot(warehouse, snapshot, open_encoder(config.encoder), names=names)
    return rows


KINDS: dict[str, Ingest] = {"chunk": chunk, "chunk and encode": chunk_and_encode}


def work(text: str, folder: str, kind: str, shards: "SimpleQueue[str | None]", told: "SimpleQueue[Any]") -> None:
    """A worker: says that it is ready, takes shards until there is none left, and tells its CPU seconds and rows."""
    try:
        told.put(_take(text, folder, kind, shards, told))
    except BaseException as error:
        told.put(f"a worker failed: {error!r}")
        raise


def _take(
    text: str, folder: str, kind: str, shards: "SimpleQueue[str | None]", told: "SimpleQueue[Any]"
) -> tuple[float, int]:
    config = parse_config(text, Path(folder))
    ingest = KINDS[kind]
    open_encoder(config.encoder).encode_documents(["warm"])
    told.put("ready")
    began, rows = None, 0
    while (shard := shards.get()) is not None:
        began = time.process_time() if began is None else began
        rows += ingest(config, Warehouse.open(config.warehouse), shard)
    ended = time.process_time()
    return ended - (ended if began is None else began), rows


def measure(text: str, kind: str, workers: int) -> Measured:
    """Ingest all shards into an empty warehouse."""
    with tempfile.TemporaryDirectory() as folder:
        config = parse_config(text, Path(folder))
        Warehouse.create(config.warehouse)
        context = get_context("spawn")
        shards, told = context.SimpleQueue(), context.SimpleQueue()
        start = partial(context.Process, target=work, args=(text, folder, kind, shards, told))
        processes = [start() for _ in range(workers)]
        for process in processes:
            process.start()
        for _ in processes:
            if (said := told.get()) != "ready":
                raise SystemExit(said)
        began = time.perf_counter()
        for shard in [*shard_sources(config), *[None] * workers]:
            shards.put(shard)
        ended = [told.get() for _ in processes]
        wall = time.perf_counter() - began
        for process in processes:
            process.join()
        if failed := [said for said in ended if isinstance(said, str)]:
            raise SystemExit(failed[0])
    return Measured(workers, wall, sum(cpu for cpu, _ in ended), sum(rows for _, rows in ended))


def settings(include: Sequence[str]) -> str:
    """xtr.yaml over the standard library, as JSON, which YAML holds."""
    source = {"name": "stdlib", "kind": "python", "path": sysconfig.get_paths()["stdlib"], "shards": SHARDS}
    source |= {"exclude": list(EXCLUDE), **({"include": list(include)} if include else {})}
    return json.dumps({"sources": [source], "encoder": {"kind": "hashing"}})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--include", nargs="*", default=[])
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    os.environ |= dict.fromkeys(THREADS, "1")
    text, report = settings(asked.include), {}
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for kind in KINDS:
        rounds = [[measure(text, kind, workers) for workers in (1, 2)] for _ in range(asked.rounds)]
        for one, two in rounds:
            assert one.rows == two.rows > 0, f"one worker wrote {one.rows} rows, two {two.rows}"
        ratios = sorted(one.wall / two.wall for one, two in rounds)
        report[kind] = {
            "rows": rounds[0][0].rows,
            "wall_s": {name: round(median(r[i].wall for r in rounds), 2) for i, name in enumerate(("one", "two"))},
            "cpu_s": {name: round(median(r[i].cpu for r in rounds), 2) for i, name in enumerate(("one", "two"))},
            "speedup": round(median(ratios), 2),
            "speedup_range": [round(ratios[0], 2), round(ratios[-1], 2)],
            "goal": GOAL,
            "reached": median(ratios) >= GOAL,
        }
        print(kind, json.dumps(report[kind]))
    if asked.json:
        asked.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
