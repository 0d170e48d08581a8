"""Every leg of a generation asked the same judged queries: measures with intervals, differences with their p."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xtr_assets.core.judged_measures import Doubles, judged_recall, mrr_at_k, ndcg_at_k, success_at_k
from xtr_assets.core.significance import Interval, bootstrap_interval, holm, randomization_p
from xtr_assets.pipeline.quality.document_bm25 import DocumentBm25
from xtr_assets.pipeline.quality.judged_queries import JudgedQueries, Unit, document_names, unit_of
from xtr_assets.search.hits import Hit
from xtr_assets.search.ranker import Mode
from xtr_assets.search.request import MODES
from xtr_assets.search.searcher import Searcher

# Chunks fetched a query, so that documents of two chunks leave enough of them for recall@100. Of long files fewer are
# left: it is then the recall of those of 200 chunks, and lower than that of BM25 over whole documents.
DEPTH = 200
# Queries that are encoded and asked at once.
BATCH = 64
# Documents of each list that a win or a loss shows.
SHOWN = 3
BM25 = "bm25"
# The reference is no leg: it is hybrid without indexes.
LEGS: tuple[Mode, ...] = tuple(mode for mode in MODES if mode != "exact")
MAIN = "ndcg@10"
MEASURES = ("ndcg@10", "mrr@10", "recall@10", "recall@100", "success@1", "success@5")


@dataclass(frozen=True, slots=True, eq=False)
class LegQuality:
    """One leg: per measure float64 [q], and the first documents that it found for each query."""

    values: Mapping[str, Doubles]
    top: tuple[tuple[str, ...], ...]

    def interval(self, measure: str) -> Interval:
        """Mean of a measure with the 95 % interval of its bootstrap."""
        return bootstrap_interval(self.values[measure])

    def as_json(self) -> dict[str, Any]:
        """Means by measure, as the record of a check and the command print them, and nDCG's interval."""
        means = {measure: float(values.mean()) for measure, values in self.values.items()}
        return {"queries": len(self.top), **means, "interval": self.interval(MAIN).as_json()}


@dataclass(frozen=True, slots=True)
class Comparison:
    """nDCG@10 of one leg less another's, on the same queries.

    p : two-sided, of the paired randomization test; holm : p beside all others of its table. wins, losses : queries.
    """

    leg: str
    other: str
    difference: Interval
    p: float
    holm: float
    wins: int
    losses: int

    def as_json(self) -> dict[str, Any]:
        return {
            "leg": self.leg,
            "other": self.other,
            "difference": self.difference.as_json(),
            "p": self.p,
            "p_holm": self.holm,
            "wins": self.wins,
            "losses": self.losses,
        }


@dataclass(frozen=True, slots=True)
class Move:
    """A query that two legs answer differently: nDCG@10 of both, and what each puts first."""

    query: str
    text: str
    of_leg: float
    of_other: float
    leg_top: tuple[str, ...]
    other_top: tuple[str, ...]
    right: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "query": self.query,
            "text": self.text,
            "ndcg@10": [self.of_leg, self.of_other],
            "top": [list(self.leg_top), list(self.other_top)],
            "right": list(self.right),
        }


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What all legs made of the judged queries. `queries` are their ids, in the order of every array."""

    judged: JudgedQueries
    queries: tuple[str, ...]
    legs: Mapping[str, LegQuality]

    def compared(self, leg: str) -> list[Comparison]:
        """One leg against each other, Holm over them."""
        others = [name for name in self.legs if name != leg]
        differences = {name: self.legs[leg].values[MAIN] - self.legs[name].values[MAIN] for name in others}
        p = {name: randomization_p(one) for name, one in differences.items()}
        adjusted = holm(p)
        return [
            Comparison(
                leg,
                name,
                bootstrap_interval(one),
                p[name],
                adjusted[name],
                int((one > 0).sum()),
                int((one < 0).sum()),
            )
            for name, one in differences.items()
        ]

    def best_other(self, leg: str) -> str | None:
        """Which other leg has the highest nDCG@10."""
        others = {name: float(one.values[MAIN].mean()) for name, one in self.legs.items() if name != leg}
        return max(others, key=lambda name: others[name]) if others else None

    def moves(self, leg: str, other: str, count: int) -> tuple[list[Move], list[Move]]:
        """(wins, losses) of a leg over another: `count` queries each at most, those that differ most first."""
        own, its = self.legs[leg], self.legs[other]
        difference = own.values[MAIN] - its.values[MAIN]
        order = np.argsort(-np.abs(difference), kind="stable").tolist()
        moved = [(difference[i], self._move(i, own, its)) for i in order if difference[i]]
        return [one for gain, one in moved if gain > 0][:count], [one for gain, one in moved if gain < 0][:count]

    def _move(self, i: int, own: LegQuality, its: LegQuality) -> Move:
        query = self.queries[i]
        grades = self.judged.grades[query]
        right = sorted((one for one in grades if grades[one] > 0), key=lambda one: (-grades[one], one))[:SHOWN]
        values = float(own.values[MAIN][i]), float(its.values[MAIN][i])
        return Move(query, self.judged.texts[query], *values, own.top[i], its.top[i], tuple(right))


def evaluate(
    searcher: Searcher,
    judged: JudgedQueries,
    modes: Sequence[Mode] = LEGS,
    baseline: bool = False,
) -> Evaluation:
    """Ask every judged query in each mode that the generation answers, as plain text.

    baseline : BM25 over whole documents as a leg more, which needs the extra `evaluate`.
    """
    queries = tuple(sorted(judged.grades))
    texts, grades = [judged.texts[one] for one in queries], [judged.grades[one] for one in queries]
    known = judged.documents
    with searcher.opened() as opened:
        unit = unit_of(opened.generation, known)
    ranked: dict[str, list[list[str]]] = {}
    for mode in [one for one in modes if one in searcher.modes]:
        hits = [
            found
            for at in range(0, len(texts), BATCH)
            for found in searcher.search_batch(texts[at : at + BATCH], DEPTH, mode, syntax="plain")
        ]
        ranked[mode] = [_documents(found, known, unit) for found in hits]
    if baseline:
        with searcher.opened() as opened:
            ranked[BM25] = DocumentBm25(opened.generation, known).ranked(texts, DEPTH)
    return Evaluation(judged, queries, {leg: _quality(lists, grades) for leg, lists in ranked.items()})


def _quality(ranked: Sequence[Sequence[str]], grades: Sequence[Mapping[str, float]]) -> LegQuality:
    values = {
        "ndcg@10": ndcg_at_k(ranked, grades, 10),
        "mrr@10": mrr_at_k(ranked, grades, 10),
        "recall@10": judged_recall(ranked, grades, 10),
        "recall@100": judged_recall(ranked, grades, 100),
        "success@1": success_at_k(ranked, grades, 1),
        "success@5": success_at_k(ranked, grades, 5),
    }
    return LegQuality(values, tuple(tuple(one[:SHOWN]) for one in ranked))


def _documents(hits: Sequence[Hit], judged: set[str], unit: Unit | None) -> list[str]:
    """The documents of the hits, each once, best first."""
    rows = {name: [getattr(hit, name) for hit in hits] for name in ("symbol", "path", "chunk_id")}
    return list(dict.fromkeys(document_names(rows, judged, unit)))
