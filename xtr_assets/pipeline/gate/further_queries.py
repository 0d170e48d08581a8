"""Further queries where the fixed ones leave a recall undecided: as many again, twice, compared exactly."""

import numpy as np

from xtr_assets.core.types import Floats, Mask, Space
from xtr_assets.index.exact_scan import exact_dense
from xtr_assets.pipeline.derive.exact_maxsim import exact_tokens
from xtr_assets.pipeline.derive.neighbor_lists import Neighbors
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.pipeline.queries.drawn_queries import drawn_queries, near_rows
from xtr_assets.pipeline.queries.gate_queries import GateQueries, joined
from xtr_assets.pipeline.queries.tuning_queries import TuningQueries, read_tuning

# Of each fixed query so many more. A healthy index whose 200 queries were unlucky has a bound of .94 to .95 in one of
# 1,000 builds; over 600 its standard error is .58 of that, and the next 400 are not the unlucky ones.
FURTHER = 2
# A query of which the vector is this near to a tuning query's is that query: batches round a little differently.
SAME_QUERY = 0.9999


def further_queries(session: DraftSession, space: Space) -> tuple[GateQueries, Neighbors]:
    """Queries that are neither the gate's nor those that the profiles were tuned on, with their exact neighbours.

    Texts of the live rows, and points near these where the corpus offers too few texts.
    """
    gate, draft, encoder, k = session.queries(), session.draft, session.encoder, session.config.recall.k
    count = FURTHER * int(gate.of("fixed").sum())
    tuned = read_tuning(draft)
    theirs = np.empty((0, 0), np.float32) if tuned is None else signs(tuned)
    taken = [query.text for query in gate.queries]
    drawn = drawn_queries(draft, draft.live, count + len(theirs), encoder, taken, "fixed")
    asked = drawn.take(np.flatnonzero(_unlike_all(signs(drawn), theirs))[:count].tolist())
    if len(asked) < count:
        points = sum(query.kind == "vector" for query in gate.queries)
        near = near_rows(draft, draft.live, count - len(asked) + points + len(theirs), encoder, "fixed")
        known = {query.key for query in gate.queries}
        other = _unlike_all(signs(near), theirs) & np.array([q.key not in known for q in near.queries], np.bool_)
        asked = joined(asked, near.take(np.flatnonzero(other)[: count - len(asked)].tolist()))
    if space == "dense":
        return asked, Neighbors(*exact_dense(draft.vectors(), draft.live, asked.embeddings, k))
    return asked, Neighbors(*exact_tokens(draft.tokens(), draft.live, list(asked.tokens), k))


def signs(queries: GateQueries | TuningQueries) -> Floats:
    """float32 [n, d]: what queries are told apart by, their embeddings, or where there are none the means of their
    tokens."""
    if queries.embeddings.shape[1] or not len(queries):
        return queries.embeddings
    return np.stack([one.mean(axis=0) if len(one) else np.zeros(one.shape[1], np.float32) for one in queries.tokens])


def _unlike_all(queries: Floats, others: Floats) -> Mask:
    """bool [n]: which queries are none of the others."""
    if not len(queries) or not len(others):
        return np.ones(len(queries), np.bool_)
    mine, theirs = (one / np.maximum(np.linalg.norm(one, axis=1, keepdims=True), 1e-12) for one in (queries, others))
    different: Mask = (mine @ theirs.T).max(axis=1) < SAME_QUERY
    return different
