"""A whole question, text to hits, by its phases: milliseconds of CPU and of the clock, in one process, warm.

    python benchmarks/question.py WAREHOUSE [--questions 400] [--modes hybrid dense]
    python benchmarks/question.py WAREHOUSE --peers /path/to/python   # dense, beside others, in turns

Questions are made of words that the index holds: the names of its chunks. Phases are those that the
package counts (docs/metrics.md); what is left of the whole is between them.
"""

import argparse
import json
import random
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from xtr_assets.core.types import Ints
from xtr_assets.encoders.weights import locate_minilm
from xtr_assets.search.ranker import Mode
from xtr_assets.search.searcher import Searcher
from xtr_assets.search.searcher import open as open_searcher
from xtr_assets.storage.row_hydration import Hydrator
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets.telemetry import metrics

PHASES = ("encode", "filter", "retrieve", "rescore", "fuse", "hydrate")
WARM = 20
PEERS = ("hnswlib", "qdrant", "lancedb")
# Questions of each turn, and what a hit is told with.
TURN, K = 20, 10
TOLD = ("chunk_id", "path", "symbol", "text")


def spent() -> dict[str, float]:
    """Seconds by phase so far."""
    asked = {name: {"phase": name} for name in PHASES}
    return {
        name: metrics.REGISTRY.get_sample_value("xtr_assets_search_phase_seconds_sum", labels) or 0.0
        for name, labels in asked.items()
    }


def questions_of(searcher: Searcher, count: int) -> list[str]:
    """The symbols of drawn chunks, as words."""
    hits = searcher.search("open read write parse", k=max(count * 2, 100), mode="lexical")
    symbols = sorted({hit.symbol.replace(".", " ").replace("_", " ").strip() for hit in hits} - {""})
    return random.Random(5).choices(symbols, k=count)


def measure(searcher: Searcher, questions: list[str], mode: Mode) -> None:
    for text in questions[:WARM]:
        searcher.search(text, k=10, mode=mode)
    before, whole, computed = spent(), [], time.process_time()
    for text in questions:
        start = time.perf_counter()
        searcher.search(text, k=10, mode=mode)
        whole.append(time.perf_counter() - start)
    computed = (time.process_time() - computed) / len(questions)
    phases = {name: (value - before[name]) / len(questions) * 1e3 for name, value in spent().items()}
    told = "  ".join(f"{name} {value:.2f}" for name, value in phases.items() if value > 0.005)
    print(f"{mode:8} {computed * 1e3:6.2f} CPU ms, median {median(whole) * 1e3:.2f} ms; of the clock, mean: {told}")


def told_rows(warehouse: str, folder: Path) -> Ints:
    """Writes embeddings and texts of all live rows for the peers; the chunk ids int64 [rows]."""
    generation = Warehouse.open(warehouse).published
    assert generation is not None, "nothing is published there"
    rows = np.flatnonzero(generation.live)
    np.save(folder / "vectors.npy", generation.vectors().gather(rows))
    chunks = Hydrator(generation, TOLD).rows(rows)
    (folder / "chunks.json").write_text(json.dumps(chunks))
    return np.array([chunk["chunk_id"] for chunk in chunks], np.int64)


def beside(python: str, warehouse: str, searcher: Searcher, questions: list[str]) -> None:
    """Dense questions, from text to hits with their text, by us and by peers over the same vectors, in turns."""
    script = Path(__file__).with_name("question_peers.py")
    process = subprocess.Popen([python, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(**request: Any) -> Any:
        assert process.stdin is not None and process.stdout is not None
        print(json.dumps(request), file=process.stdin, flush=True)
        return json.loads(process.stdout.readline())

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        ids = told_rows(warehouse, folder)
        model = str(locate_minilm().weights.parent)
        named = {peer: f"{peer} {ask(build=peer, folder=temporary, model=model)['version']}" for peer in PEERS}
    costs: dict[str, list[tuple[float, float]]] = {name: [] for name in ("ours", *PEERS)}
    agreed: dict[str, list[float]] = {peer: [] for peer in PEERS}
    for start in range(0, len(questions), TURN):
        texts = questions[start : start + TURN]
        found = []
        for text in texts:
            before, began = spent()["encode"], time.process_time()
            found.append({hit.chunk_id for hit in searcher.search(text, k=K, mode="dense")})
            whole = time.process_time() - began
            costs["ours"].append((spent()["encode"] - before, whole))
        for peer in PEERS:
            for own, answer in zip(found, ask(ask=peer, texts=texts, k=K), strict=True):
                costs[peer].append((answer["encode"], answer["encode"] + answer["search"]))
                agreed[peer].append(len(own & {int(ids[row]) for row in answer["rows"]}) / K)
    for name, values in costs.items():
        encode, whole = (median(column) * 1e3 for column in zip(*values[WARM:], strict=True))
        overlap = f", {np.mean(agreed[name]):.3f} of ours" if name in agreed else ""
        print(f"{named.get(name, name):24} median {whole:6.2f} CPU ms, encoding {encode:5.2f}{overlap}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("warehouse")
    parser.add_argument("--questions", type=int, default=400)
    parser.add_argument("--modes", nargs="+", default=["hybrid", "dense", "xtr", "lexical"])
    parser.add_argument("--peers", metavar="PYTHON", help="the interpreter that has them (question_peers.py)")
    given = parser.parse_args()
    with open_searcher(given.warehouse) as searcher:
        questions = questions_of(searcher, given.questions)
        if given.peers:
            beside(given.peers, given.warehouse, searcher, questions)
            return
        for mode in given.modes:
            measure(searcher, questions, mode)


if __name__ == "__main__":
    main()
