"""Further queries where the fixed ones leave a recall undecided: as many again, twice, compared exactly."""

import numpy as np

from xtr_assets.core.types import Space
from xtr_assets.index.exact_scan import exact_dense
from xtr_assets.pipeline.derive.exact_maxsim import exact_tokens
from xtr_assets.pipeline.derive.neighbor_lists import Neighbors
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.pipeline.queries.drawn_queries import drawn_queries, near_rows
from xtr_assets.pipeline.queries.gate_queries import GateQueries, joined
from xtr_assets.pipeline.queries.likeness import different
from xtr_assets.pipeline.queries.tuning_queries import read_tuning

# Of each fixed query so many more. A healthy index whose 200 queries were unlucky has a bound of .94 to .95 in one of
# 1,000 builds; over 600 its standard error is .58 of that, and the next 400 are not the unlucky ones.
FURTHER = 2


def further_queries(session: DraftSession, space: Space) -> tuple[GateQueries, Neighbors]:
    """Queries that are neither the gate's nor those that the profiles were tuned on, with their exact neighbours.

    Texts of the live rows, and points near these where the corpus offers too few texts.
    """
    gate, draft, encoder, k = session.queries(), session.draft, session.encoder, session.config.recall.k
    count, tuned = FURTHER * int(gate.of("fixed").sum()), read_tuning(draft)
    theirs = [] if tuned is None else [tuned]
    beyond = 0 if tuned is None else len(tuned)
    taken = [query.text for query in gate.queries]
    asked = drawn_queries(draft, draft.live, count, encoder, taken, "fixed", beyond=beyond, apart=[*theirs, gate])
    if len(asked) < count:
        points = sum(query.kind == "vector" for query in gate.queries)
        near = near_rows(draft, draft.live, count - len(asked) + points + beyond, encoder, "fixed")
        known = {query.key for query in gate.queries}
        other = different(near, *theirs) & np.array([q.key not in known for q in near.queries], np.bool_)
        asked = joined(asked, near.take(np.flatnonzero(other)[: count - len(asked)].tolist()))
    if space == "dense":
        return asked, Neighbors(*exact_dense(draft.vectors(), draft.live, asked.embeddings, k))
    return asked, Neighbors(*exact_tokens(draft.tokens(), draft.live, list(asked.tokens), k))
