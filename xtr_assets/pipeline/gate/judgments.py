"""Judged quality: nDCG@10, MRR@10 and recall@100 against judgments, in each mode. Not recall against exact search."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xtr_assets.config import QueriesConfig
from xtr_assets.core.errors import ConfigError
from xtr_assets.core.recall import judged_recall, lower_bound, mrr_at_k, ndcg_at_k
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.pipeline.queries.gate_queries import read_jsonl_queries
from xtr_assets.search.hits import Hit
from xtr_assets.search.ranker import Mode
from xtr_assets.search.searcher import Searcher
from xtr_assets.storage.generation import Generation

MODES: tuple[Mode, ...] = ("dense", "xtr", "hybrid")
# Judged queries that the gate asks: they take about 10 ms each in three modes, and 300 settle nDCG to about 0.02.
GATE_QUERIES = 300
# Chunks fetched a query, so that documents of several chunks leave enough documents for recall@100.
DEPTH = 200
# nDCG may fall by this much before it is looked at: changes of a few judged documents move it by less.
TOLERANCE = 0.01

Judgments = dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True)
class Judged:
    """Means over the judged queries, and nDCG@10 of each query by its id."""

    mode: str
    queries: int
    ndcg: float
    mrr: float
    recall: float
    per_query: Mapping[str, float]

    def as_json(self) -> dict[str, Any]:
        return {
            "queries": self.queries,
            "ndcg@10": self.ndcg,
            "mrr@10": self.mrr,
            "recall@100": self.recall,
        }


def read_judgments(path: Path) -> Judgments:
    """A BEIR qrels.tsv: query-id, corpus-id, score; a header is skipped. ConfigError names the line that is wrong."""
    if not path.is_file():
        raise ConfigError(f"`queries.judgments`: no file at {path}; correct it, or remove it")
    found: Judgments = {}
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            fields = line.rstrip("\n").split("\t")
            if not line.strip() or (number == 1 and not fields[-1].strip().lstrip("-").isdigit()):
                continue
            try:
                query, document, score = fields
                found.setdefault(query, {})[document] = float(score)
            except ValueError as error:
                raise ConfigError(
                    f"{path} line {number}: query-id, corpus-id, score expected, found {fields}"
                ) from error
    positive = {query: judged for query, judged in found.items() if any(score > 0 for score in judged.values())}
    if not positive:
        raise ConfigError(f"{path} holds no positive judgment; correct `queries.judgments`, or remove it")
    return positive


def evaluate(
    searcher: Searcher, config: QueriesConfig, modes: Sequence[Mode] = MODES, limit: int | None = None
) -> dict[str, Judged]:
    """Ask every judged query (the first `limit` by id) in each mode. The results by mode."""
    if config.judgments is None:
        raise ConfigError("`queries.judgments` is not set: there is nothing to evaluate against")
    judgments = read_judgments(config.judgments)
    texts = dict(read_jsonl_queries(config.path))
    asked = sorted(judgments.keys() & texts.keys())[:limit]
    if not asked:
        raise ConfigError(f"no query of {config.path} is judged in {config.judgments}; the ids must be the same")
    known = {document for query in asked for document in judgments[query]}
    results: dict[str, Judged] = {}
    for mode in modes:
        hits = searcher.search_batch([texts[query] for query in asked], DEPTH, mode)
        ranked = [_documents(found, known) for found in hits]
        relevant = [judgments[query] for query in asked]
        ndcg = ndcg_at_k(ranked, relevant, 10)
        results[mode] = Judged(
            mode,
            len(asked),
            float(ndcg.mean()),
            float(mrr_at_k(ranked, relevant, 10).mean()),
            float(judged_recall(ranked, relevant, 100).mean()),
            dict(zip(asked, map(float, ndcg), strict=True)),
        )
    return results


def check(session: DraftSession) -> Finding:
    """Hybrid nDCG@10 of the draft is not surely lower than that of the serving generation.

    The threshold is what the serving generation reached on the same queries, less TOLERANCE; the draft fails where its
    nDCG lies below it and the paired differences are not chance (upper 95 % bound of their mean below zero).
    """
    config = session.config.queries
    assert config is not None, "the check runs where judgments are configured"
    results = evaluate(session.searcher(), config, limit=GATE_QUERIES)
    hybrid, serving = results["hybrid"], session.serving
    before = _per_query(serving)
    common = sorted(before.keys() & hybrid.per_query.keys())
    threshold, passed, beside = None, True, ""
    if common:
        differences = np.array([hybrid.per_query[query] - before[query] for query in common])
        reached = float(np.mean([before[query] for query in common]))
        threshold = reached - TOLERANCE
        upper = -lower_bound(-differences) if differences.any() else 0.0
        passed = bool(differences.mean() >= -TOLERANCE or upper >= 0.0)
        beside = f"; what serves reached {reached:.3f} on the {len(common)} queries that both were asked"
    details = {mode: result.as_json() for mode, result in results.items()}
    return Finding(
        passed=passed,
        value=hybrid.ndcg,
        threshold=threshold,
        summary=f"nDCG@10 of hybrid search is {hybrid.ndcg:.3f} over {hybrid.queries} judged queries{beside}",
        details={**details, "per_query": dict(hybrid.per_query)},
    )


def _per_query(published: Generation | None) -> dict[str, float]:
    record = None if published is None else published.manifest.checks.get("judged_quality")
    return {} if record is None else dict(record.details.get("per_query", {}))


def _documents(hits: Sequence[Hit], judged: set[str]) -> list[str]:
    """The documents of the hits, each once, best first: a chunk stands for its record, its symbol or its file."""
    documents = []
    for hit in hits:
        names = (hit.symbol, hit.path, str(hit.chunk_id))
        documents.append(next((name for name in names if name in judged), hit.symbol or hit.path))
    return list(dict.fromkeys(documents))
