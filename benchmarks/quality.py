"""Judged quality on BEIR-style sets: every leg with its interval, hybrid against each, Holm over the sets.

    python benchmarks/quality.py FOLDER... [--keep FOLDER] [--stdlib]
    python benchmarks/quality.py --all FOLDER    every folder below FOLDER that holds corpus, queries and judgments

A set is a folder with corpus.jsonl, queries.jsonl and qrels.tsv. The whole graph runs for each: the corpus is chunked,
encoded by the embedded encoder, indexed, gated and published into a temporary folder (or --keep, where a second run
finds everything done), then every judged query is asked in every mode. `--stdlib` adds the standard library of this
Python, whose items are drawn: they are synthetic.
"""

import argparse
import json
import sys
import sysconfig
import tempfile
from pathlib import Path
from time import process_time
from typing import Any

import dagster as dg
import numpy as np

from xtr_assets.config import IndexConfig, QueriesConfig, SourceConfig
from xtr_assets.core.significance import bootstrap_interval, holm, randomization_p
from xtr_assets.defs.in_process import build
from xtr_assets.pipeline.heads.judged_set import names_of
from xtr_assets.pipeline.quality.evaluation import MAIN, Evaluation, evaluate
from xtr_assets.pipeline.quality.judged_queries import drawn_items, read_folder
from xtr_assets.search.searcher import Searcher
from xtr_assets.storage.warehouse import Warehouse

FILES = ("corpus.jsonl", "queries.jsonl", "qrels.tsv")
STDLIB = "stdlib"
LEG = "hybrid"


def sets_in(folder: Path) -> list[Path]:
    """Every folder below that is a set, by name."""
    return sorted(path.parent for path in folder.rglob(FILES[0]) if all((path.parent / one).is_file() for one in FILES))


def run(name: str, folder: Path | None, work: Path) -> Evaluation:
    """Build and evaluate a set; the standard library where there is no folder."""
    if folder is None:
        path = Path(sysconfig.get_paths()["stdlib"])
        exclude = ("**/test/**", "**/tests/**", "site-packages/**", "idlelib/**", "lib2to3/**", "encodings/**")
        source = SourceConfig(name=name, kind="python", path=path, exclude=exclude)
        queries = None
    else:
        source = SourceConfig(name="corpus", kind="records", path=folder / "corpus.jsonl")
        queries = QueriesConfig(path=folder / "queries.jsonl", judgments=folder / "qrels.tsv")
    config = IndexConfig(name="quality", warehouse=work / name / "warehouse", sources=(source,), queries=queries)
    config.warehouse.parent.mkdir(parents=True, exist_ok=True)
    started = process_time()
    with dg.DagsterInstance.ephemeral() as instance:
        built = build(config, instance)
    if not built.ok:
        sys.exit(f"{name}: the gate refused: {built.failed}")
    print(f"{name}: {built.live_rows} chunks, {process_time() - started:.0f} CPU s", file=sys.stderr)
    with Searcher(Warehouse.open(config.warehouse), "cpu") as searcher, searcher.opened() as opened:
        judged = drawn_items(opened.generation, 1000) if folder is None else read_folder(folder)
        return evaluate(searcher, judged, baseline=True)


def summary(found: dict[str, Evaluation]) -> dict[str, Any]:
    """By set the measures of each leg; hybrid against each leg with Holm over all sets and legs; all sets pooled."""
    legs = list(next(iter(found.values())).legs)
    differences = {
        (name, leg): one.legs[LEG].values[MAIN] - one.legs[leg].values[MAIN]
        for name, one in found.items()
        for leg in legs
        if leg != LEG
    }
    p = holm({key: randomization_p(values) for key, values in differences.items()})
    pooled = {
        leg: bootstrap_interval(np.concatenate([differences[name, leg] for name in found])).as_json()
        for leg in legs
        if leg != LEG
    }
    return {
        "sets": {
            name: {
                "queries": len(one.queries),
                "synthetic": one.judged.synthetic,
                "legs": {leg: quality.as_json() for leg, quality in one.legs.items()},
                "hybrid_less": {
                    leg: {**bootstrap_interval(differences[name, leg]).as_json(), "p_holm": p[name, leg]}
                    for leg in legs
                    if leg != LEG
                },
            }
            for name, one in found.items()
        },
        "pooled_over_queries": pooled,
    }


def show(document: dict[str, Any]) -> None:
    """The table to standard error: nDCG@10 with half the width of its interval, * where hybrid differs (Holm < .05)."""
    legs = list(next(iter(document["sets"].values()))["legs"])
    print(f"{'set (queries)':34}" + "".join(f"{leg:>16}" for leg in legs), file=sys.stderr)
    for name, one in document["sets"].items():
        label = f"{name} ({one['queries']}{', synthetic' if one['synthetic'] else ''})"
        cells = []
        for leg in legs:
            interval = one["legs"][leg]["interval"]
            star = "*" if leg != LEG and one["hybrid_less"][leg]["p_holm"] < 0.05 else " "
            cells.append(f"{interval['mean']:10.3f} ±{(interval['high'] - interval['low']) / 2:.3f}{star}")
        print(f"{label:34}" + "".join(f"{cell:>16}" for cell in cells), file=sys.stderr)
    for leg, one in document["pooled_over_queries"].items():
        print(f"hybrid less {leg}: {one['mean']:+.3f} [{one['low']:+.3f}, {one['high']:+.3f}]", file=sys.stderr)


def main() -> None:
    """Print a table to standard error and the figures as JSON to standard output."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="*")
    parser.add_argument("--all", type=Path, help="every set below this folder, and the standard library")
    parser.add_argument("--stdlib", action="store_true", help="the standard library as well")
    parser.add_argument("--keep", type=Path, help="build here, and leave it")
    given = parser.parse_args()
    folders = [*given.folders, *(sets_in(given.all) if given.all else [])]
    if missing := [one for one in folders if not all((one / name).is_file() for name in FILES)]:
        sys.exit(f"{missing[0]} is no set: {', '.join(FILES)} are needed")
    named: dict[str, Path | None] = {name: one.absolute() for name, one in zip(names_of(folders), folders, strict=True)}
    if given.stdlib or given.all:
        named[STDLIB] = None
    if not named:
        sys.exit("no set: name a folder, --all FOLDER or --stdlib")
    with tempfile.TemporaryDirectory() as temporary:
        work = (given.keep or Path(temporary)).absolute()
        document = summary({name: run(name, folder, work) for name, folder in named.items()})
    show(document)
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
