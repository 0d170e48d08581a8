"""Both indexes on a GPU beside the CPU: agreement and time, with the name of the GPU.

    python benchmarks/gpu.py                          # clustered synthetic vectors and tokens
    python benchmarks/gpu.py --documents 50000 --rows 1000000
    python benchmarks/gpu.py --stand-in --documents 500   # torch's CPU as the device: it checks this script, not a GPU

Overlap@10 is with exact search for the token index, scans and centroids alike, and with the CPU at equal parameters for
the dense index. Times are wall-clock: the median of single queries, and of one batch a query, each warm.
"""

import argparse
import json
import sys
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
import torch

from xtr_assets.core.types import Floats, Ints
from xtr_assets.index import DenseIndex, TokenIndex
from xtr_assets.index.faiss_provider import load_faiss, provider
from xtr_assets.index.late.gpu.availability import Choice
from xtr_assets.index.late.gpu.device_search import DeviceSearch

K, ROUNDS, SINGLE = 10, 3, 50


def unit(vectors: Any) -> Floats:
    """float32, each of length 1."""
    scaled: Floats = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return scaled


def corpus(documents: int, dim: int, queries: int) -> tuple[Floats, Ints, list[Floats]]:
    """Tokens from a vocabulary of directions, shifted by their document's topic; queries near tokens of a document."""
    random = np.random.default_rng(5)
    words = random.normal(size=(1_000, dim)).astype("f4") + random.normal(size=dim).astype("f4")
    lengths = random.integers(5, 140, documents)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    tokens = np.empty((offsets[-1], dim), np.float16)
    for row in range(documents):
        drawn = words[random.integers(0, len(words), lengths[row])] + 0.5 * random.normal(size=dim)
        tokens[offsets[row] : offsets[row + 1]] = unit(drawn + 0.3 * random.normal(size=drawn.shape))
    asked = []
    for row in random.integers(0, documents, queries):
        own = tokens[offsets[row] : offsets[row + 1]].astype("f4")
        asked.append(unit(own[random.integers(0, len(own), 32)] + 0.1 * random.normal(size=(32, dim))))
    return tokens, offsets, asked


def timed(single: Callable[[int], object], batch: Callable[[], object], queries: int) -> dict[str, float]:
    """Milliseconds a query, alone and in one batch."""
    batch(), single(0)
    alone = []
    for number in range(min(SINGLE, queries)):
        started = perf_counter()
        single(number)
        alone.append(perf_counter() - started)
    together = []
    for _ in range(ROUNDS):
        started = perf_counter()
        batch()
        together.append(perf_counter() - started)
    return {"single_ms": 1e3 * float(np.median(alone)), "batch_ms": 1e3 * min(together) / queries}


def overlap(found: Ints, wanted: Ints) -> float:
    """Share of the wanted rows that were found, over all queries."""
    return float(np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in zip(found, wanted, strict=True)]))


def token_lines(given: argparse.Namespace, device: str) -> list[dict[str, Any]]:
    """The CPU, every document on the device, and the bound at which only centroids fit."""
    tokens, offsets, queries = corpus(given.documents, given.dim, given.queries)
    index = TokenIndex.build(tokens, offsets)
    wanted = np.array([index.exact(query, K)[1] for query in queries])
    lines = []

    def line(name: str) -> None:
        found = index.search_batch(queries, K)[1]
        times = timed(lambda i: index.search(queries[i], K), lambda: index.search_batch(queries, K), len(queries))
        held = index.describe()["on_device"] or {"bytes": 0}
        lines.append({"what": name, "overlap": overlap(found, wanted), "bytes": held["bytes"], **times})

    line(f"tokens, CPU ({index.backend})")
    for name, memory in (("all rows", None), ("centroids", index.token_count * given.dim)):
        if given.stand_in:
            place = Choice("cpu", "stand-in")
            index._on_device = DeviceSearch(torch.device("cpu"), torch.float32, place, memory or 1 << 33)
        else:
            index.to(device, memory)
        line(f"tokens, {device}, {name}")
    return lines


def ask(index: DenseIndex, queries: Floats, number: int) -> Ints:
    """The rows of one query."""
    return index.search(queries[number : number + 1], K)[1]


def dense_lines(given: argparse.Namespace, device: str) -> list[dict[str, Any]]:
    """Each recipe that clones, on the CPU and on the device."""
    random = np.random.default_rng(6)
    topics = random.normal(size=(max(50, given.rows // 200), given.dense_dim)).astype("f4")
    vectors = topics[random.integers(0, len(topics), given.rows)]
    vectors = unit(vectors + 0.8 * random.normal(size=vectors.shape).astype("f4")).astype(np.float16)
    queries = unit(vectors[random.integers(0, given.rows, given.queries)].astype("f4") + 0.02)
    lists = 2 ** round(np.log2(3 * np.sqrt(given.rows)))
    recipes = ["Flat", f"IVF{lists},Flat", f"IVF{lists},SQ8", f"IVF{lists},PQ{given.dense_dim // 4}"]
    recipes += ["HNSW32"] if provider().cuvs else []
    lines = []
    for recipe in recipes:
        index = DenseIndex.build(vectors, recipe)
        wanted = index.to("cpu").search(queries, K)[1]
        for place in ("cpu", device):
            index.to(place)
            found = index.search(queries, K)[1]
            times = timed(partial(ask, index, queries), partial(index.search, queries, K), len(queries))
            lines.append({"what": f"{recipe}, {place}", "overlap": overlap(found, wanted), **times})
        index.to("cpu")
    return lines


def main() -> None:
    """A table on standard error, JSON on standard output."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("documents", 12_000), ("dim", 128), ("rows", 200_000), ("dense-dim", 384), ("queries", 200)):
        arguments.add_argument(f"--{name}", type=int, default=default)
    arguments.add_argument("--device", default="cuda")
    arguments.add_argument("--stand-in", action="store_true")
    given = arguments.parse_args()
    if not given.stand_in and not torch.cuda.is_available():
        sys.exit(f"torch {torch.__version__} sees no GPU; --stand-in checks the script without one")
    name = "torch's CPU" if given.stand_in else torch.cuda.get_device_name(given.device)
    lines = token_lines(given, given.device)
    if provider().gpu and load_faiss().get_num_gpus():
        lines += dense_lines(given, given.device)
    else:
        print(f"dense index left out: {provider().distribution} sees no GPU", file=sys.stderr)
    print(f"{name}, torch {torch.__version__}, {provider().distribution} {provider().version}", file=sys.stderr)
    for line in lines:
        figures = "  ".join(f"{key} {value:.4g}" for key, value in line.items() if key != "what")
        print(f"{line['what']:40} {figures}", file=sys.stderr)
    print(json.dumps({"device": name, "torch": torch.__version__, "faiss": provider().as_json(), "lines": lines}))


if __name__ == "__main__":
    main()
