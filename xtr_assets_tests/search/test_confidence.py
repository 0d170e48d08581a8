"""What a hit says of its confidence is the manifest's curve over its own scores; nothing where there is no curve."""

import json
import math
from typing import Any

import pytest

from xtr_assets.core.errors import UnknownFormat
from xtr_assets.search import Hit, Searcher
from xtr_assets.search.confidence import Confidence
from xtr_assets.search.ranker import Mode
from xtr_assets_tests.search.conftest import CURVE

FUSED: tuple[Mode, ...] = ("hybrid", "exact")
QUERIES = ("parse date zebra", "pkg2 f40 lock thread queue", "zebra unknownword")
WEIGHTS: dict[str, float] = CURVE["weights"]  # type: ignore[assignment]


def by_hand(hits: list[Hit], place: int) -> float:
    own = hits[place].scores
    # What the best of the other kind gained says nothing of how sure it is, nor of how sure the first is.
    sums = [hit.score - 1.1 * hit.scores.get("beside", 0.0) for hit in hits]
    total = WEIGHTS["cosine"] * max(own["dense"], own.get("name", -1.0))
    total += WEIGHTS["lead"] * (sums[place] - max(one for at, one in enumerate(sums) if at != place))
    return 1 / (1 + math.exp(-(total - 4.0)))


@pytest.mark.parametrize("query", QUERIES)
def test_confidence_is_the_curve_over_the_scores_of_the_hit(legs: Searcher, query: str) -> None:
    for mode in FUSED:
        hits = legs.search(query, 8, mode)
        for place, hit in enumerate(hits):
            assert hit.confidence == pytest.approx(by_hand(hits, place), abs=1e-6)
            assert hit.document(place + 1)["confidence"] == hit.confidence


def test_one_hit_alone_knows_how_far_it_leads(legs: Searcher) -> None:
    for query in QUERIES:
        (alone,), many = legs.search(query, 1), legs.search(query, 10)
        assert alone.confidence == many[0].confidence
        assert legs.search(query, 10, collapse="symbol")[0].confidence == many[0].confidence


def test_a_hit_that_is_the_only_row_is_no_error(legs: Searcher) -> None:
    (only,) = legs.search("zebra", 5, where={"symbol": "section 3"})
    assert only.confidence is not None and 0 < only.confidence < 1


def test_no_confidence_without_a_curve_or_without_a_sum(legs: Searcher, searcher: Searcher) -> None:
    asked: tuple[tuple[Searcher, dict[str, Any]], ...] = (
        (searcher, {}),
        (legs, {"mode": "dense"}),
        (legs, {"mode": "xtr"}),
        (legs, {"mode": "lexical"}),
        (legs, {"fusion": "rrf"}),
    )
    for one, options in asked:
        hits = one.search("zebra", 3, **options)
        assert hits and all(hit.confidence is None for hit in hits)
        assert json.loads(json.dumps(hits[0].document(1)))["confidence"] is None
    assert legs.hydrate([legs.search("zebra", 1)[0].chunk_id])[0].confidence is None


def test_it_is_a_column_of_the_table(legs: Searcher) -> None:
    hits = legs.search("zebra", 3)
    assert hits.to_arrow()["confidence"].to_pylist() == [hit.confidence for hit in hits]


def test_a_curve_reads_back_and_one_of_another_version_is_passed_over() -> None:
    known = Confidence.of(CURVE)
    assert known is not None and Confidence.of({**known.document(), "auc": 1.0}) == known
    assert Confidence.of({**CURVE, "version": 2}) is None
    assert Confidence.of(None) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"weights": {**WEIGHTS, "lead": -0.1}},
        {"weights": {**WEIGHTS, "lead": float("inf")}},
        {"weights": {"cosine": 1.0}},
        {"weights": None},
        {"bias": "none"},
    ],
)
def test_a_curve_that_falls_or_is_none_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UnknownFormat, match=r"sets a confidence of weights .* build again"):
        Confidence.of({**CURVE, **wrong})
