"""Judged quality of a draft beside a floor, what serves, and the best that ever served. Not recall."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from xtr_assets.core.recall import lower_bound
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.pipeline.quality.evaluation import MAIN, evaluate
from xtr_assets.pipeline.quality.judged_queries import JudgedQueries, read_judged
from xtr_assets.search.ranker import Mode
from xtr_assets.storage.generation import Generation

CHECK = "judged_quality"
MODES: tuple[Mode, ...] = ("dense", "xtr", "hybrid")
# Judged queries that the gate asks: they take about 10 ms each in three modes, and 300 settle nDCG to about 0.02.
GATE_QUERIES = 300
# nDCG may fall by this much before it is looked at: changes of a few judged documents move it by less.
TOLERANCE = 0.01


@dataclass(frozen=True, slots=True)
class Reached:
    """What hybrid of a generation reached by query id, and a digest of each query with its judgments.

    digests : empty where a release recorded it that kept none; its queries are then taken to be the same.
    """

    generation: int
    per_query: Mapping[str, float]
    digests: Mapping[str, str]

    def common(self, asked: Mapping[str, str]) -> list[str]:
        """Ids of the queries that were asked and judged alike, ascending; `asked` are digests by id."""
        same = [one for one in asked if one in self.per_query and self.digests.get(one, asked[one]) == asked[one]]
        return sorted(same)

    def as_json(self) -> dict[str, Any]:
        return {"generation": self.generation, "per_query": dict(self.per_query), "digests": dict(self.digests)}

    @classmethod
    def read(cls, document: Mapping[str, Any], generation: int) -> "Reached | None":
        """From the details of a record; None where it holds no queries."""
        per_query = document.get("per_query")
        if not per_query:
            return None
        return cls(int(document.get("generation", generation)), dict(per_query), dict(document.get("digests", {})))


def check(session: DraftSession) -> Finding:
    """Hybrid nDCG@10 of the draft reaches `queries.floor`, and is not surely lower than what serves or ever served.

    The threshold is the higher of the floor and of what each of those reached on the same queries, less TOLERANCE. A
    draft fails below such a figure where the paired differences are not chance (upper 95 % bound of their mean below
    zero); below the floor it always fails.
    """
    config = session.config.queries
    assert config is not None, "the check runs where judgments are configured"
    judged = read_judged(config).first(GATE_QUERIES)
    searcher = session.searcher()
    results = evaluate(searcher, judged, [mode for mode in MODES if mode in searcher.modes])
    hybrid = dict(zip(results.queries, results.legs["hybrid"].values[MAIN].tolist(), strict=True))
    asked = {one: digest_of(judged, one) for one in judged.grades}
    mean = float(np.mean(list(hybrid.values())))
    passed, said, thresholds = True, "", []
    if config.floor is not None:
        thresholds.append(config.floor)
        passed = mean >= config.floor
        said = f"; `queries.floor` asks for {config.floor:g}"
    before = rivals(session.serving)
    for name, one in before.items():
        common = one.common(asked)
        if not common:
            continue
        reached = float(np.mean([one.per_query[query] for query in common]))
        thresholds.append(reached - TOLERANCE)
        passed &= not surely_lower(np.array([hybrid[query] - one.per_query[query] for query in common]))
        said += f"; {name} (generation {one.generation}) reached {reached:.3f} on the {len(common)} queries of both"
    best = max(before.values(), key=lambda one: float(np.mean(list(one.per_query.values()))), default=None)
    return Finding(
        passed=passed,
        value=mean,
        threshold=max(thresholds, default=None),
        summary=f"nDCG@10 of hybrid search is {mean:.3f} over {len(hybrid)} judged queries{said}",
        details={
            **{leg: one.as_json() for leg, one in results.legs.items()},
            "per_query": hybrid,
            "digests": asked,
            **({} if best is None else {"best": best.as_json()}),
        },
        remedy=""
        if passed
        else "`xtr-assets evaluate --generation N --moves 10` shows which queries lost; lower `queries.floor`, or "
        "`xtr-assets publish N --force --reason` where it is meant",
    )


def surely_lower(differences: "np.ndarray[Any, np.dtype[np.float64]]") -> bool:
    """Whether the mean lies below -TOLERANCE and its upper 95 % bound below zero.

    >>> surely_lower(np.array([-0.5, 0.4] * 5)), surely_lower(np.full(50, -0.1))
    (False, True)
    """
    if not differences.any():
        return False
    return bool(differences.mean() < -TOLERANCE and -lower_bound(-differences) < 0.0)


def rivals(serving: Generation | None) -> dict[str, Reached]:
    """What a draft is held against, by what people call it; none where nothing serves that was judged."""
    record = None if serving is None else serving.manifest.checks.get(CHECK)
    if serving is None or record is None:
        return {}
    found = {
        "what serves": Reached.read(record.details, serving.number),
        "the best so far": Reached.read(record.details.get("best", {}), serving.number),
    }
    return {name: one for name, one in found.items() if one is not None}


def digest_of(judged: JudgedQueries, query: str) -> str:
    """Of a query's text and its judgments: figures of another text or other judgments say nothing of each other."""
    told = json.dumps([judged.texts[query], sorted(judged.grades[query].items())], ensure_ascii=True)
    return hashlib.sha256(told.encode()).hexdigest()[:12]
