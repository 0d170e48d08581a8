"""Questions that the parent's gate asked, with the vectors it had of them: most need not be encoded again."""

from collections.abc import Sequence

import numpy as np

from xtr_assets.pipeline.plan.draft_session import DraftSession, same_encoder
from xtr_assets.pipeline.queries.gate_queries import GateQueries, GateQuery

# Of these so many are encoded anew all the same, others at each draft: an encoder that makes other vectors of one
# question in ten is met with the chance 0.966, and where it does of all, 32 lost are surely fewer than before. 150 took
# 0.34 to 0.53 CPU s, a tenth of a small change.
AFRESH = 32


def kept_questions(session: DraftSession, check: str, asked: Sequence[GateQuery]) -> tuple[Sequence[str], GateQueries]:
    """(texts, their queries): those of `asked` that the parent asked, where it is of the same encoder and passed this
    check, but for AFRESH of them. What search makes of a text before it is encoded, and of its vector then, can be
    looked at on these as well."""
    parent, draft = same_encoder(session.parent, session.draft), session.draft
    before, record = session.parent_queries(), None if parent is None else parent.manifest.checks.get(check)
    if before is None or record is None or not record.passed:
        return [], session.queries().take([])
    place = {query.text: i for i, query in enumerate(before.queries) if query.kind != "vector"}
    known = [place[query.text] for query in asked if query.text in place]
    chance = np.random.default_rng([draft.number, draft.end_row])
    kept = sorted(chance.permutation(np.array(known, np.int64))[AFRESH:].tolist())
    return [before.queries[i].text for i in kept], before.take(kept)
