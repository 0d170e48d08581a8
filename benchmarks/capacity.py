"""What a built index takes, by part, for `core/capacity.py` to be held against: bytes, CPU, memory, queries.

    OMP_NUM_THREADS=1 python benchmarks/capacity.py WAREHOUSE --generation 1 --peak-mb 790

Printed as JSON: rows, tokens and bytes of text of a generation; its bytes on disk by part; CPU seconds by step, as its
manifest has them (of a full build: the first generation of `growth.py`, `incremental.py` or `quality.py`); private and
mapped memory of a process of one thread after `--questions` texts of its gate were asked in each mode, and the median
CPU milliseconds of each mode without the encoding of the question. `--peak-mb`: what the build's process took at most,
which those benchmarks print.
"""

import argparse
import json
from collections import Counter
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

from xtr_assets.pipeline.queries.gate_queries import read_queries
from xtr_assets.search.ranker import Mode
from xtr_assets.search.searcher import Searcher
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.warehouse import Warehouse

# Files of a segment, by how their names begin, and those of a generation.
PARTS = {
    "chunks": "chunks",
    "embeddings": "embeddings",
    "names": "names",
    "tokens": "tokens",
    "postings": "postings",
    "lexical": "lexical",
    "dense.faiss": "dense",
    "id_map.parquet": "id map",
}


def bytes_by_part(generation: Generation) -> dict[str, int]:
    """Bytes of the files that a generation names."""
    found: Counter[str] = Counter()
    for name, one in generation.manifest.files.items():
        parts = name.split("/")
        own = parts[2] if len(parts) > 2 else parts[0]
        found[next((part for begins, part in PARTS.items() if own.startswith(begins)), "else")] += one.bytes
    return dict(found)


def text_bytes(generation: Generation) -> int:
    import pyarrow.compute as pc

    lengths = (pc.sum(pc.binary_length(one.segment.chunks()["text"])).as_py() for one in generation.segments)
    return sum(int(one or 0) for one in lengths)


def cpu_by_step(generation: Generation) -> dict[str, float]:
    """Checks as one."""
    found: Counter[str] = Counter()
    for name, cost in generation.manifest.notes["costs"].items():
        found["checks" if name.startswith("check.") else name] += cost.get("cpu_seconds", 0.0)
    return {name: round(spent, 3) for name, spent in found.items()}


def asked(warehouse: Warehouse, generation: Generation, questions: int) -> tuple[dict[str, float], dict[str, int]]:
    """(median CPU ms by mode without encoding, bytes of memory by kind)"""
    texts = [one.text for one in read_queries(generation).queries if one.kind != "vector"][:questions]
    searcher = Searcher(warehouse, "cpu", generation)
    modes: list[Mode] = ["hybrid", "lexical"]
    if "dense" in generation.legs:
        modes.append("dense")
    if "tokens" in generation.legs:
        modes.append("xtr")
    spent: dict[str, float] = {}
    for mode in modes:
        searcher.search(texts[0], 10, mode, syntax="plain")
        each = []
        for text in texts:
            began = process_time()
            searcher.search(text, 10, mode, syntax="plain")
            each.append(1000 * (process_time() - began))
        spent[mode] = round(median(each), 3)
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    memory = {kind: int(lines[kind].split()[0]) * 1024 for kind in ("RssAnon", "RssFile")}
    return spent, memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("warehouse", type=Path)
    parser.add_argument("--generation", type=int)
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--peak-mb", type=float)
    given = parser.parse_args()
    warehouse = Warehouse.open(given.warehouse)
    generation = warehouse.published if given.generation is None else warehouse.generation(given.generation)
    assert generation is not None
    encoder, made_by = generation.manifest.encoder, generation.fingerprint
    queries, memory = asked(warehouse, generation, given.questions)
    tokens = sum(len(one.segment.tokens(made_by).tokens) for one in generation.segments if "tokens" in generation.legs)
    figures: dict[str, Any] = {
        "chunks": generation.live_rows,
        "tokens": tokens,
        "text_bytes": text_bytes(generation),
        "dim": encoder.dim,
        "token_dim": encoder.token_dim,
        "names": any(one.segment.has_names(made_by) for one in generation.segments),
        "disk": bytes_by_part(generation),
        "cpu_seconds": cpu_by_step(generation),
        "peak_mb": given.peak_mb,
        "memory": memory,
        "query_ms": queries,
    }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
