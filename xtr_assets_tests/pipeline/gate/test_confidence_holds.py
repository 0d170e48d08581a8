"""`confidence_holds`: a curve where the items part right from wrong, none where they do not, and no other is shown."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from xtr_assets.core.types import Chunk
from xtr_assets.pipeline.gate import confidence_holds
from xtr_assets.pipeline.gate.confidence_holds import check
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.pipeline.queries.query_sample import sample_queries
from xtr_assets.search.blend import Blend
from xtr_assets.search.confidence import Confidence
from xtr_assets.search.ranker import Ranking
from xtr_assets.storage.id_map import write_id_map
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import drafted, write_shard
from xtr_assets_tests.pipeline.gate.test_known_item import ARTICLES, CONFIG


def session_over(folder: Path, chunks: Sequence[Chunk]) -> DraftSession:
    warehouse = Warehouse.create(folder)
    write_shard(warehouse, "s", chunks)
    draft = drafted(warehouse)
    draft.set_profile("hybrid", Blend.standard().document())
    session = DraftSession(warehouse, draft, CONFIG)
    sample_queries(session)
    write_id_map(draft)
    return session


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> DraftSession:
    return session_over(tmp_path_factory.mktemp("confidence") / "w", ARTICLES)


def test_a_curve_is_kept_with_what_the_other_half_says_of_it(session: DraftSession) -> None:
    found = check(session)
    kept = session.draft.manifest.profile["confidence"]
    assert found.passed and found.value is not None and found.value >= 0.8
    assert kept["auc"] == found.value and kept["error"] <= 0.15 and kept["held_out"] >= 100
    known = Confidence.of(kept)
    assert known is not None and max(known.curve.weights) > 0
    # The same items, the same curve: a check that runs again changes nothing.
    assert check(session).value == found.value and session.draft.manifest.profile["confidence"] == kept


def test_a_build_that_writes_its_manifest_at_the_end_of_a_step_shows_the_curve_within_it(tmp_path: Path) -> None:
    session = session_over(tmp_path / "w", ARTICLES)
    with session.draft.batch():
        found = check(session)
        assert found.passed and "parts right and wrong" in found.summary
        assert session.searcher().search(ARTICLES[0].title, 1)[0].confidence is not None


def test_what_is_there_is_surer_than_what_is_not(session: DraftSession) -> None:
    check(session)
    searcher = session.searcher()
    there = [searcher.search(one.title, 1)[0].confidence for one in ARTICLES[:40]]
    absent = [
        searcher.search(one.title, 1, where={"symbol": {"not": one.symbol}})[0].confidence for one in ARTICLES[:40]
    ]
    assert np.mean([one or 0.0 for one in there]) > 0.75 > 0.35 > np.mean([one or 0.0 for one in absent])


def test_too_few_items_leave_no_curve(tmp_path: Path) -> None:
    session = session_over(tmp_path / "w", ARTICLES[:40])
    found = check(session)
    assert found.passed and "hits show no confidence" in found.summary
    assert session.draft.manifest.profile.get("confidence") is None
    assert session.searcher().search(ARTICLES[0].title, 1)[0].confidence is None


def test_items_that_say_nothing_of_right_and_wrong_leave_no_curve(
    session: DraftSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, chance = confidence_holds.examples, np.random.default_rng(0)
    monkeypatch.setattr(
        confidence_holds,
        "examples",
        lambda *given: replace(made := original(*given), evidence=chance.normal(size=made.evidence.shape)),
    )
    found = check(session)
    assert found.passed and found.value is not None and found.value < 0.7 and "is asked" in found.summary
    assert session.draft.manifest.profile["confidence"] is None
    monkeypatch.undo()
    assert check(session).passed and session.draft.manifest.profile["confidence"] is not None


@pytest.mark.parametrize("fault", ["turned round", "another question's", "without a curve", "none", "no number"])
def test_a_hit_that_shows_another_confidence_is_refused(
    session: DraftSession, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    shown: Callable[[float | None], float | None] = {
        "turned round": lambda one: None if one is None else 1 - one,
        "another question's": lambda one: None if one is None else 0.5,
        "without a curve": lambda one: 0.9,
        "none": lambda one: None,
        "no number": lambda one: None if one is None else float("nan"),
    }[fault]
    if fault == "without a curve":
        monkeypatch.setattr(confidence_holds, "LEAST_ITEMS", 10_000)
    original = Ranking.numbers
    monkeypatch.setattr(
        Ranking,
        "numbers",
        lambda self: ((score, scores, shown(confidence)) for score, scores, confidence in original(self)),
    )
    found = check(session)
    assert not found.passed and "another confidence than their scores say" in found.summary and found.remedy
