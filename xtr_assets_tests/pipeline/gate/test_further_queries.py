"""Where the fixed queries neither prove nor disprove a recall, others of the same corpus are asked as well."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from xtr_assets.core.types import Space
from xtr_assets.index.late.options import SearchProfile
from xtr_assets.pipeline.derive.neighbor_lists import Neighbors, write_neighbors
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.gate.further_queries import further_queries
from xtr_assets.pipeline.gate.index_recall import dense_recall, xtr_recall
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.pipeline.queries.likeness import SAME_QUERY
from xtr_assets.pipeline.queries.tuning_queries import read_tuning
from xtr_assets_tests.pipeline.gate.test_new_row_recall import OLD, chunks, drafted

Look = Callable[[DraftSession], Finding]
LOOKS: list[tuple[Space, Look]] = [("dense", dense_recall), ("xtr", xtr_recall)]


@pytest.fixture
def session(tmp_path: Path) -> DraftSession:
    """Lists of which all are read: recall 1, but not by construction."""
    made = drafted(tmp_path / "w", chunks(0, OLD), chunks(OLD, 4), "IVF16,Flat", lists=True)
    made.draft.set_profile("dense", {**made.dense().profile, "nprobe": 16})
    made.draft.set_profile("xtr", asdict(SearchProfile(nprobe=64, rescore=400, whole=True)))
    return made


def unlucky(session: DraftSession, space: Space, queries: int) -> None:
    """So many fixed queries of which nothing is found: their exact rows are ones that no search returns for them."""
    exact = session.neighbors(space)
    rows, scores = exact.rows.copy(), exact.scores.copy()
    chosen = np.flatnonzero(session.queries().of("fixed"))[:queries]
    rows[chosen], scores[chosen] = np.roll(rows[chosen], 1, axis=0)[:, ::-1], scores[chosen] + 1.0
    write_neighbors(session.draft, space, Neighbors(scores, rows))


@pytest.mark.parametrize(("space", "look"), LOOKS)
def test_what_decides_is_not_asked_further(session: DraftSession, space: Space, look: Look) -> None:
    finding = look(session)
    assert finding.passed and finding.details["further_queries"] == 0, finding.summary
    unlucky(session, space, 60)
    refused = look(session)
    assert not refused.passed and refused.details["further_queries"] == 0, "surely below: no further query helps"


@pytest.mark.parametrize(("space", "look"), LOOKS)
def test_a_healthy_index_is_not_refused_for_unlucky_queries(session: DraftSession, space: Space, look: Look) -> None:
    unlucky(session, space, 7)
    finding = look(session)
    assert finding.details["further_queries"] > 200
    assert finding.details["queries"] == session.queries().of("fixed").sum() + finding.details["further_queries"]
    assert finding.passed and finding.value is not None and finding.value > 0.95, finding.summary


@pytest.mark.parametrize(("space", "look"), LOOKS)
def test_a_bad_index_stays_refused(session: DraftSession, space: Space, look: Look) -> None:
    session.draft.set_profile("dense", {**session.dense().profile, "nprobe": 1})
    session.draft.set_profile("xtr", asdict(SearchProfile(nprobe=1, rescore=20)))
    assert not look(session).passed


@pytest.mark.parametrize("space", ["dense", "xtr"])
def test_they_are_neither_the_gates_nor_the_tuners_and_their_neighbours_are_exact(
    session: DraftSession, space: Space
) -> None:
    queries, exact = further_queries(session, space)
    gate, tuned = session.queries(), read_tuning(session.draft)
    assert tuned is not None and len(queries) == 2 * gate.of("fixed").sum()
    assert not {query.text for query in queries.queries} & {query.text for query in gate.queries}
    assert (queries.embeddings @ tuned.embeddings.T).max() < SAME_QUERY
    row = exact.rows[0, 0]
    if space == "dense":
        best = session.draft.vectors().gather(np.arange(OLD + 4)) @ queries.embeddings[0]
        assert best[row] == pytest.approx(best.max(), abs=1e-6)
    else:
        assert exact.scores[0, 0] == pytest.approx(session.tokens().exact(queries.tokens[0], 1)[0][0], abs=1e-4)


@pytest.mark.parametrize(("space", "look"), LOOKS)
def test_many_queries_of_one_vector_prove_what_one_proves(
    session: DraftSession, space: Space, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, exact = session.queries(), session.neighbors(space)
    same = [0] * len(gate)
    one = replace(gate, embeddings=gate.embeddings[same], tokens=tuple(gate.tokens[i] for i in same))
    write_neighbors(session.draft, space, Neighbors(exact.scores[same], exact.rows[same]))
    monkeypatch.setattr(DraftSession, "queries", lambda _: one)
    finding = look(session)
    assert finding.details["further_queries"] >= 200, "one query decides nothing"
    assert finding.details["queries"] == 1 + finding.details["further_queries"]


def test_a_corpus_of_few_texts_offers_points(tmp_path: Path) -> None:
    made = drafted(
        tmp_path / "w", chunks(0, 40, lambda i: f"word{i}"), chunks(40, 2, lambda i: f"word{i}"), "IVF4,Flat"
    )
    queries, _ = further_queries(made, "dense")
    assert len(queries) == 2 * made.queries().of("fixed").sum()
    assert {query.kind for query in queries.queries} >= {"vector"}
    keys = {query.key for query in made.queries().queries}
    assert not keys & {query.key for query in queries.queries}
