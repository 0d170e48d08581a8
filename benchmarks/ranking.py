"""What each part of the hybrid score is worth: nDCG@10 of a published index by other weights, with paired intervals.

    python benchmarks/ranking.py WAREHOUSE FOLDER [--limit N] [--collapse]

WAREHOUSE holds a generation published with weights over the corpus of FOLDER, a set of queries.jsonl and qrels.tsv
(`benchmarks/quality.py FOLDER --keep WORK` leaves one in WORK/<set>/warehouse). Each variant changes one thing of the
published blend in memory. `as before` is z(dense) + z(xtr). Also: how well the confidence of the first hit tells these
questions from such as have no answer there (`--foreign FOLDER`, the queries of another set).
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

import xtr_assets as xa
from xtr_assets.core.calibration import auc
from xtr_assets.core.judged_measures import ndcg_at_k
from xtr_assets.core.significance import bootstrap_interval
from xtr_assets.pipeline.quality.judged_queries import JudgedQueries, document_names, read_folder
from xtr_assets.search.blend import Blend
from xtr_assets.search.hits import Hit
from xtr_assets.search.legs import Legs

# Deep enough for ten documents where a document has several chunks.
K = 30
BATCH = 64


def variants(legs: Legs) -> Mapping[str, Legs]:
    """The published legs, and each with one thing changed."""
    blend = legs.blend

    def weighing(leg: str, factor: float) -> Legs:
        return replace(legs, blend=replace(blend, weights={**blend.weights, leg: factor * blend.weights[leg]}))

    made = {"as published": legs, "as before": Legs(Blend.of(None), legs.log_tokens)}
    for leg in ("name", "xtr", "lexical"):
        if leg in blend.weights:
            made |= {f"{leg} x {factor:g}": weighing(leg, factor) for factor in (0.0, 0.5, 1.5, 2.0)}
    made |= {f"length {value:g}": replace(legs, blend=replace(blend, length=value)) for value in (0.0, 0.0125, 0.05)}
    if legs.names is not None:
        made["no names"] = replace(legs, names=None)
    return made


def asked(searcher: xa.Searcher, texts: Sequence[str], collapse: bool) -> list[list[Hit]]:
    """Hybrid hits of each text, as it is."""
    found: list[list[Hit]] = []
    for at in range(0, len(texts), BATCH):
        batch = texts[at : at + BATCH]
        found += searcher.search_batch(batch, K, syntax="plain", collapse="symbol" if collapse else None)
    return found


def ndcg(hits: Sequence[Sequence[Hit]], judged: JudgedQueries, queries: Sequence[str]) -> np.ndarray:
    """float64 [queries]"""
    ranked = []
    for found in hits:
        rows = {name: [getattr(hit, name) for hit in found] for name in ("symbol", "path", "chunk_id")}
        ranked.append(list(dict.fromkeys(document_names(rows, judged.documents))))
    return ndcg_at_k(ranked, [judged.grades[query] for query in queries], 10)


def main() -> None:
    """Print a table to standard error and the figures as JSON to standard output."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("warehouse", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int, help="judged queries, the first by id")
    parser.add_argument("--collapse", action="store_true", help="one hit a symbol")
    parser.add_argument("--foreign", type=Path, help="a set whose queries have no answer in the warehouse")
    given = parser.parse_args()
    judged = read_folder(given.folder).first(given.limit)
    queries = sorted(judged.grades)
    texts = [judged.texts[query] for query in queries]
    figures: dict[str, object] = {"set": given.folder.name, "queries": len(queries), "variants": {}}
    with xa.open(given.warehouse, device="cpu") as searcher, searcher.opened() as opened:
        published, values, first = opened.legs, {}, {}
        for name, legs in variants(published).items():
            opened.legs = legs
            hits = asked(searcher, texts, given.collapse)
            values[name], first[name] = ndcg(hits, judged, queries), [found[0] if found else None for found in hits]
            apart = bootstrap_interval(values[name] - values["as published"])
            figures["variants"][name] = {"ndcg@10": float(values[name].mean()), "apart": apart.as_json()}  # type: ignore[index]
            told = f"{apart.mean:+.4f} [{apart.low:+.4f}, {apart.high:+.4f}]"
            print(f"{name:14} {values[name].mean():.4f}  {told}", file=sys.stderr)
        opened.legs = published
        if given.foreign is not None:
            others = [*read_folder(given.foreign).texts.values()][: len(queries)]
            foreign = [found[0] for found in asked(searcher, others, given.collapse) if found]
            figures["confidence"] = confidence([hit for hit in first["as published"] if hit], foreign)
            print(f"confidence: {figures['confidence']}", file=sys.stderr)
    print(json.dumps(figures, indent=1))


def confidence(own: Sequence[Hit], foreign: Sequence[Hit]) -> dict[str, float]:
    """How well the confidence of first hits tells questions with an answer from those without."""
    said = np.array([hit.confidence if hit.confidence is not None else np.nan for hit in (*own, *foreign)])
    if np.isnan(said).any():
        return {}
    answered = np.arange(len(said)) < len(own)
    return {"auc": auc(said, answered), "own": float(said[answered].mean()), "foreign": float(said[~answered].mean())}


if __name__ == "__main__":
    main()
