"""Judged quality of a draft, or of what a move would name, beside a floor, what serves, and the best that ever served.
Not recall."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xtr_assets.config import QueriesConfig
from xtr_assets.core.errors import ConfigError
from xtr_assets.core.significance import Doubles, randomization_p
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.pipeline.quality.evaluation import MAIN, evaluate
from xtr_assets.pipeline.quality.judged_queries import JudgedQueries, kind_of, missing_documents, read_judged
from xtr_assets.search.ranker import Mode
from xtr_assets.search.searcher import Searcher
from xtr_assets.storage.manifest import CheckRecord

CHECK = "judged_quality"
MODES: tuple[Mode, ...] = ("dense", "xtr", "hybrid")
# Judged queries that the gate asks: they take about 10 ms each in three modes, and 300 settle nDCG to about 0.02.
GATE_QUERIES = 300
# nDCG may fall by this much before it is looked at: changes of a few judged documents move it by less.
TOLERANCE = 0.01
# How sure a loss has to be. The best so far is the luckiest of many: of simulated builds after which two of a hundred
# of 50 queries are answered otherwise, and none worse on average, one in 30 lay surely (0.95) below it, and none of
# 1,000 at 0.999; where ten of a hundred are, one in 7, and one in 60 (benchmarks/judged_losses.py).
SURELY = {"what serves": 0.95, "the best so far": 0.999}
# Queries that lost most: those that a record of a refusal has, and those that its sentence names.
SHOWN_LOSSES, TOLD_LOSSES = 10, 3
# Raised where another release counts otherwise what a query reached: 2 tells documents apart by their files.
COUNTED = 2
REMEDY = (
    "`xtr-assets evaluate --generation N --moves 10` shows which queries lost; lower `queries.floor`, or "
    "`xtr-assets publish N --force --reason` (in Dagster: `publish` with `force`) where it is meant"
)
STRANGE_REMEDY = "correct `queries.judgments`, or remove it"


@dataclass(frozen=True, slots=True)
class Reached:
    """What hybrid of a generation, or a move, reached by query id, and a digest of each query with its judgments.

    digests : empty where a release recorded it that kept none: it counted otherwise, too.
    """

    generation: int
    per_query: Mapping[str, float]
    digests: Mapping[str, str]

    def common(self, asked: Mapping[str, str]) -> list[str]:
        """Ids of the queries that were asked and judged alike, ascending; `asked` are digests by id."""
        return sorted(one for one in asked if one in self.per_query and self.digests.get(one) == asked[one])

    def mean(self, queries: Sequence[str]) -> float:
        """Over some of its queries."""
        return float(np.mean([self.per_query[one] for one in queries]))

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
    """Hybrid nDCG@10 of the draft reaches `queries.floor`, and is not surely lower than what serves or ever served."""
    config, serving = session.config.queries, session.serving
    assert config is not None, "the check runs where judgments are configured"
    before = {} if serving is None else rivals(serving.manifest.checks.get(CHECK), serving.number)
    return judge(session.searcher(), config, before, REMEDY)


def judge(searcher: Searcher, config: QueriesConfig, before: Mapping[str, Reached], remedy: str) -> Finding:
    """What a searcher reaches on the judged queries, held against the floor and what was reached before.

    The threshold is the higher of the floor and of what each of those reached on just these queries, less TOLERANCE. A
    draft fails below what one of them reached on the queries of both where the paired differences are not chance
    (`surely_lower`); below the floor it always fails, and where no judged document is in it: nothing is measured then.
    """
    judged = read_judged(config).first(GATE_QUERIES)
    try:
        with searcher.opened() as opened:
            missing, kind = missing_documents(judged, opened.generation), kind_of(opened.generation)
    except ConfigError as error:
        return Finding(False, None, config.floor, f"no quality is measured: {error}", remedy=STRANGE_REMEDY)
    results = evaluate(searcher, judged, [mode for mode in MODES if mode in searcher.modes])
    hybrid = dict(zip(results.queries, results.legs["hybrid"].values[MAIN].tolist(), strict=True))
    asked = {one: digest_of(judged, one) for one in judged.grades}
    mean = float(np.mean(list(hybrid.values())))
    passed, thresholds = True, []
    place = "the draft" if kind == "generation" else "any part"
    said = f"; {len(missing)} of the right answers are not in {place} ({missing[0]!r})" if missing else ""
    if config.floor is not None:
        thresholds.append(config.floor)
        passed = mean >= config.floor
        said += f"; `queries.floor` asks for {config.floor:g}"
    for name, one in before.items():
        common = one.common(asked)
        if not common:
            continue
        reached = one.mean(common)
        if len(common) == len(asked):
            # Of other queries it is no threshold of this mean: a set that grew by harder ones passed far below it.
            thresholds.append(reached - TOLERANCE)
        lost = np.array([hybrid[query] - one.per_query[query] for query in common])
        passed &= not surely_lower(lost, SURELY[name])
        said += f"; {name} ({kind} {one.generation}) reached {reached:.3f} on the {len(common)} queries of both"
        # That all of so many lost, chance does as often as this.
        said += ", too few to refuse for" if 0.5 ** len(common) >= 1 - SURELY[name] else ""
    best, lost_most = best_of(before, asked), _lost(judged, hybrid, asked, before)
    if not passed and lost_most:
        told = ", ".join(
            f"{one['query']!r} ({one['before']:.2f} to {one['now']:.2f})" for one in lost_most[:TOLD_LOSSES]
        )
        said += f"; of its queries lost most: {told}"
    if before and best is None:
        said += "; of what serves none of these was asked and judged alike: nothing is compared"
    return Finding(
        passed=passed,
        value=mean,
        threshold=max(thresholds, default=None),
        summary=f"nDCG@10 of hybrid search is {mean:.3f} over {len(hybrid)} judged queries{said}",
        details={
            **{leg: one.as_json() for leg, one in results.legs.items()},
            "missing": len(missing),
            "per_query": hybrid,
            "digests": asked,
            **({} if best is None else {"best": best.as_json()}),
            **({} if passed or not lost_most else {"lost": lost_most}),
        },
        remedy="" if passed else remedy,
    )


def _lost(
    judged: JudgedQueries, now: Mapping[str, float], asked: Mapping[str, str], before: Mapping[str, Reached]
) -> list[dict[str, Any]]:
    """The queries that lost most beside what serves, which had them too, the most first."""
    serving = before.get("what serves")
    common = [] if serving is None else serving.common(asked)
    losses = [(now[one] - serving.per_query[one], one) for one in common if serving is not None]
    return [
        {"query": judged.texts[one], "before": now[one] - difference, "now": now[one]}
        for difference, one in sorted(losses)[:SHOWN_LOSSES]
        if difference < 0
    ]


def surely_lower(differences: Doubles, confidence: float = 0.95) -> bool:
    """Whether the mean lies below -TOLERANCE, and chance alone would let it lie so low less often than 1 - confidence.

    Fisher's paired randomization test, one-sided. A few queries that moved decide nothing, however many stayed: three
    that all lost do so by chance one time in eight.

    >>> surely_lower(np.array([-0.5, 0.4] * 5)), surely_lower(np.full(50, -0.1)), surely_lower(np.array([-1.0] * 3))
    (False, True, False)
    """
    return bool(differences.mean() < -TOLERANCE and randomization_p(differences) / 2 < 1 - confidence)


def rivals(record: CheckRecord | None, number: int) -> dict[str, Reached]:
    """What a draft is held against, by what people call it: what the record of generation or move `number`, which
    serves, says; nothing where that was not judged.

    What serves though this check refused it serves by a person's word, which holds for what comes after it, too: the
    best from before is no rival any more.
    """
    if record is None:
        return {}
    found = {
        "what serves": Reached.read(record.details, number),
        "the best so far": Reached.read(record.details.get("best", {}), number) if record.passed else None,
    }
    return {name: one for name, one in found.items() if one is not None}


def best_of(before: Mapping[str, Reached], asked: Mapping[str, str]) -> Reached | None:
    """The best of what served, on queries that are asked as they were then: another set's figures say nothing of this
    one's. Of a query that the best was not asked the other one's figure stands for it."""
    best: Reached | None = None
    for one in before.values():
        own = {query: one.per_query[query] for query in one.common(asked)}
        if not own:
            continue
        other = {} if best is None else best.per_query
        both = [query for query in own if query in other]
        better = best is None or not both or one.mean(both) > best.mean(both)
        merged = {**other, **own} if better else {**own, **other}
        number = one.generation if better or best is None else best.generation
        best = Reached(number, merged, {query: asked[query] for query in merged})
    return best


def digest_of(judged: JudgedQueries, query: str) -> str:
    """Of a query's text and its judgments, and how it is counted: figures of another text, other judgments or another
    count say nothing of each other."""
    told = json.dumps([COUNTED, judged.texts[query], sorted(judged.grades[query].items())], ensure_ascii=True)
    return hashlib.sha256(told.encode()).hexdigest()[:12]
