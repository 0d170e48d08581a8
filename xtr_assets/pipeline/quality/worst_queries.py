"""The queries of the gate of which an index finds least: what a person looks at when recall is not what it was."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from xtr_assets.core.recall import MAXSIM_TIE_TOLERANCE, TIE_TOLERANCE, Doubles, recall_at_k
from xtr_assets.core.types import Floats, Ints, Space
from xtr_assets.pipeline.derive.neighbor_lists import Neighbors
from xtr_assets.pipeline.gate.index_recall import JUDGED, Judged, judged_key, scored_anew
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.storage.row_hydration import Hydrator

CHECKS: dict[Space, str] = {"dense": "dense_recall", "xtr": "xtr_recall"}


@dataclass(frozen=True, slots=True)
class WorstQuery:
    """space : whose index. recall : share of its exact k best that is found. lost : the chunk of the best one that is
    not."""

    space: Space
    text: str
    stratum: str
    recall: float
    lost: str


def worst_queries(session: DraftSession, most: int) -> list[WorstQuery]:
    """The `most` queries of lowest recall below 1, over both indexes, worst first. Nothing is searched where the gate
    found that nothing is lost, nor where it judged these indexes in this process."""
    found = [one for space, check in CHECKS.items() if _loses(session, check) for one in _of(session, space)]
    return sorted(found, key=lambda one: one.recall)[:most]


def _loses(session: DraftSession, check: str) -> bool:
    record = session.draft.manifest.checks.get(check)
    return record is not None and float(record.details.get("mean", 1.0)) < 1.0


def _of(session: DraftSession, space: Space) -> Iterator[WorstQuery]:
    k = session.config.recall.k
    judged = session.kept(JUDGED[space], judged_key(session, space), lambda: _asked_again(session, space, k))
    asked, exact, found = judged.queries, judged.exact, judged.found
    recalls = _recalls(found, exact, k, TIE_TOLERANCE if space == "dense" else MAXSIM_TIE_TOLERANCE)
    for number in np.flatnonzero(recalls < 1.0).tolist():
        query = asked.queries[number]
        yield WorstQuery(
            space,
            query.text,
            query.stratum,
            float(recalls[number]),
            _lost(session, found.rows[number], exact, number, k),
        )


def _asked_again(session: DraftSession, space: Space, k: int) -> Judged:
    """The fixed queries, and what is found of them."""
    gate = session.queries()
    chosen = gate.of("fixed") if space == "dense" else gate.of("fixed") & gate.with_tokens()
    asked, exact = gate.take(np.flatnonzero(chosen).tolist()), session.neighbors(space).of(chosen)
    found = _dense(session, asked.embeddings, k) if space == "dense" else _tokens(session, asked.tokens, exact, k)
    return Judged(asked, exact, found)


def _dense(session: DraftSession, embeddings: Floats, k: int) -> Neighbors:
    return Neighbors(*session.dense().search(embeddings, k))


def _tokens(session: DraftSession, tokens: Sequence[Floats], exact: Neighbors, k: int) -> Neighbors:
    results = [session.tokens().search_detailed(query, k) for query in tokens]
    found = Neighbors(np.stack([one.scores for one in results]), np.stack([one.rows for one in results]))
    return scored_anew(found, exact, tokens, session.draft.tokens())


def _recalls(found: Neighbors, exact: Neighbors, k: int, tolerance: float) -> Doubles:
    return recall_at_k(found.rows[:, :k], exact.rows[:, :k], found.scores[:, :k], exact.scores[:, :k], tolerance)


def _lost(session: DraftSession, rows: Ints, exact: Neighbors, number: int, k: int) -> str:
    """The place of the best exact neighbour that was not found."""
    missing = [row for row in exact.rows[number, :k].tolist() if row >= 0 and row not in set(rows.tolist())]
    if not missing:
        return ""
    hit = Hydrator(session.draft, ("path", "start_line", "symbol")).rows(missing[:1])[0]
    return f"{hit['path']}:{hit['start_line']} {hit['symbol']}"
