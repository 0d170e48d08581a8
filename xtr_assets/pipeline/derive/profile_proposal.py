"""The cheapest profiles that reach the recall goal, found on the tuning queries and confirmed on those of the gate."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from xtr_assets.config import RecallConfig
from xtr_assets.core.errors import GenerationError
from xtr_assets.core.recall import RecallReport
from xtr_assets.core.types import SPACE_OF, Floats, Ints
from xtr_assets.pipeline.derive.exact_maxsim import exact_tokens
from xtr_assets.pipeline.derive.neighbor_lists import Neighbors, read_neighbors
from xtr_assets.pipeline.gate.index_recall import measured
from xtr_assets.pipeline.queries.gate_queries import read_queries
from xtr_assets.pipeline.queries.tuning_queries import read_tuning, tuning_goal
from xtr_assets.search.loaders import DENSE_FILE, TOKEN_FILE, open_dense, open_tokens
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class Proposal:
    """A profile for one index.

    now, found : the generation's profile, and the cheapest that reaches `goal` on the tuning queries; `met` says
    whether it does. before, after : recall of both on the gate's fixed queries, which neither was tuned on. tried :
    every setting with its recall, in order.
    """

    now: dict[str, Any]
    found: dict[str, Any]
    goal: float
    met: bool
    queries: int
    before: RecallReport
    after: RecallReport
    tried: tuple[dict[str, Any], ...]

    def document(self) -> dict[str, Any]:
        """JSON-able."""
        reports = {"before": self.before.as_json(), "after": self.after.as_json()}
        plain = {"now": self.now, "found": self.found, "goal": self.goal, "met": self.met, "queries": self.queries}
        return {**plain, **reports, "tried": list(self.tried)}


def tunable(warehouse: Warehouse) -> Generation:
    """What there is to tune: the newest draft where the gate refused it since the last publication, so that a refused
    first build has a way out, else what serves."""
    published, draft = warehouse.published, warehouse.newest_draft()
    serving = 0 if published is None else published.number
    if draft is not None and draft.number > serving and _refused(draft):
        return draft
    if published is None:
        raise GenerationError("nothing is published to tune, and no draft was refused; `xtr-assets build` first")
    return published


def _refused(draft: Generation) -> bool:
    # A draft whose run died before its checks may lack an index.
    return any(not record.passed for record in draft.check_results()) and all(
        draft.has_file(name) for leg, name in (("dense", DENSE_FILE), ("tokens", TOKEN_FILE)) if leg in draft.legs
    )


def propose(generation: Generation, recall: RecallConfig) -> dict[str, Proposal]:
    """Tune the indexes of a generation, which stays as it is: {"dense": ..., "xtr": ...}, those that it has.

    Raises GenerationError for a generation without tuning queries.
    """
    if read_tuning(generation) is None:
        raise GenerationError(
            f"generation {generation.number} has no tuning queries: it is older than them, or nothing in its corpus "
            "describes itself; name a `queries` file in xtr.yaml and build again"
        )
    tuners = {"dense": _dense, "tokens": _tokens}
    return {SPACE_OF[leg]: tuners[leg](generation, recall) for leg in sorted(generation.legs)}


def _dense(generation: Generation, recall: RecallConfig) -> Proposal:
    asked, gate = read_tuning(generation), read_queries(generation)
    assert asked is not None
    index, fixed = open_dense(generation, "cpu"), gate.of("fixed")
    goal = tuning_goal(recall.dense, len(asked), gate.judging())
    exact, queries = read_neighbors(generation, "dense").of(fixed), gate.embeddings[fixed]
    now, before = index.profile, _report(*index.search(queries, recall.k), exact, recall.k)
    tuning = index.tune(asked.embeddings, goal=goal, k=recall.k)
    after = _report(*index.search(queries, recall.k), exact, recall.k)
    tried = tuple({"probes": step, "recall": mean, "milliseconds": took} for step, mean, took in tuning.curve)
    return Proposal(now, index.profile, goal, tuning.met, len(asked), before, after, tried)


def _tokens(generation: Generation, recall: RecallConfig) -> Proposal:
    asked, gate = read_tuning(generation), read_queries(generation)
    assert asked is not None
    index, fixed = open_tokens(generation), gate.of("fixed")
    goal = tuning_goal(recall.xtr, len(asked), gate.judging())
    exact = read_neighbors(generation, "xtr").of(fixed)
    queries = [gate.tokens[i] for i in np.flatnonzero(fixed).tolist()]
    now, before = asdict(index.profile), _report(*index.search_batch(queries, recall.k), exact, recall.k)
    neighbors = exact_tokens(generation.tokens(), generation.live, asked.tokens, recall.k)
    tuning = index.tune(asked.tokens, neighbors, goal=goal, k=recall.k)
    after = _report(*index.search_batch(queries, recall.k), exact, recall.k)
    tried = tuple(asdict(trial) for trial in tuning.trials)
    return Proposal(now, asdict(index.profile), goal, tuning.met, tuning.queries, before, after, tried)


def _report(scores: Floats, rows: Ints, exact: Neighbors, k: int) -> RecallReport:
    report = measured(Neighbors(scores, rows), exact, k)
    if report is None:
        raise GenerationError(
            "the gate has no fixed query to confirm a profile with; name a `queries` file in xtr.yaml"
        )
    return report
