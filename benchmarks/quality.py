"""Judged quality on a BEIR-style set: nDCG@10, MRR@10 and recall@100 for dense, xtr and hybrid search.

    python benchmarks/quality.py FOLDER [--keep FOLDER]

FOLDER holds corpus.jsonl, queries.jsonl and qrels.tsv. The whole graph runs: the corpus is chunked, encoded by the
embedded encoder, indexed, gated and published into a temporary folder (or --keep, where a second run finds everything
done), then every judged query is asked in every mode.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from time import perf_counter, process_time

import dagster as dg

from xtr_assets.config import EncoderConfig, IndexConfig, QueriesConfig, SourceConfig
from xtr_assets.defs.in_process import build
from xtr_assets.pipeline.gate.judgments import evaluate
from xtr_assets.search.searcher import Searcher
from xtr_assets.storage.warehouse import Warehouse


def run(folder: Path, work: Path) -> dict[str, object]:
    """Build and evaluate; the figures, JSON-able."""
    queries = QueriesConfig(path=folder / "queries.jsonl", judgments=folder / "qrels.tsv")
    source = SourceConfig(name="corpus", kind="records", path=folder / "corpus.jsonl")
    config = IndexConfig(
        name="quality", warehouse=work / "warehouse", sources=(source,), encoder=EncoderConfig(), queries=queries
    )
    wall, cpu = perf_counter(), process_time()
    with dg.DagsterInstance.ephemeral() as instance:
        built = build(config, instance)
    spent = {"seconds": round(perf_counter() - wall, 1), "cpu_seconds": round(process_time() - cpu, 1)}
    if not built.ok:
        sys.exit(f"the gate refused: {built.failed}")
    with Searcher(Warehouse.open(config.warehouse), "cpu") as searcher:
        results = evaluate(searcher, queries)
    return {
        "set": folder.name,
        "chunks": built.live_rows,
        "build": spent,
        "modes": {mode: one.as_json() for mode, one in results.items()},
    }


def main() -> None:
    """Print a table to standard error and the figures as JSON to standard output."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--keep", type=Path, help="build here, and leave it")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = (given.keep or Path(temporary)).absolute()
        work.mkdir(parents=True, exist_ok=True)
        figures = run(given.folder.absolute(), work)
    for mode, one in figures["modes"].items():  # type: ignore[attr-defined]
        told = "  ".join(f"{name} {value:.3f}" for name, value in one.items() if name != "queries")
        print(f"{mode:8} {told}  ({one['queries']} queries)", file=sys.stderr)
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
