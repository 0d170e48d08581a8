from collections.abc import Sequence

import numpy as np
import pytest

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.recall import lower_bound, recall_at_k
from xtr_assets.core.types import Floats, Ints
from xtr_assets.index import TokenIndex
from xtr_assets.index.late.options import CENTROID_COST, SearchProfile, met_rows
from xtr_assets.index.late.search import TokenResult
from xtr_assets.index.late.tuner import NPROBES, RESCORES, tune
from xtr_assets_tests.index.late.token_corpus import TokenCorpus, make_corpus

QUERIES, ROWS = 60, 100_000
EXACT = (np.zeros((QUERIES, 10), np.float32), np.tile(np.arange(10), (QUERIES, 1)))
ASKED = [np.ones((1, 2), np.float32)] * QUERIES


def found(share: float, retrieved: int, rescored: int) -> TokenResult:
    """Finds this share of the exact rows 0 to 9; the rest are rows beyond, with other scores."""
    rows = np.where(np.arange(10) < round(10 * share), np.arange(10), 100 + np.arange(10))
    return TokenResult(np.full(10, -1.0, np.float32), rows, False, retrieved, 0, rescored, {})


def quality(profile: SearchProfile) -> float:
    """A made-up index: recall rises with both settings, and neither replaces the other."""
    return min(1.0, profile.nprobe / 8) * min(1.0, profile.rescore / 128)


def made_up(profile: SearchProfile, query: Floats, k: int) -> TokenResult:
    return found(quality(profile), 10 * profile.nprobe, profile.rescore)


def test_the_cheapest_setting_that_meets_the_goal_is_chosen() -> None:
    result = tune(made_up, SearchProfile(), ASKED, EXACT, goal=0.9, k=10, rows=ROWS, tokens_per_row=50)
    assert result.met
    every = [
        (80 * nprobe + 50 * (rescore + CENTROID_COST * met_rows(rescore, ROWS)), nprobe, rescore)
        for nprobe in NPROBES
        for rescore in RESCORES
        if round(10 * quality(SearchProfile(nprobe, None, rescore))) >= 10
    ]
    assert (result.profile.nprobe, result.profile.rescore) == min(every)[1:]
    assert result.chosen is not None and result.chosen.cost == min(every)[0]
    assert len(result.trials) < len(NPROBES) * len(RESCORES) / 3


def test_lists_that_cost_more_than_the_best_setting_are_not_tried() -> None:
    result = tune(made_up, SearchProfile(), ASKED, EXACT, goal=0.9, k=10, rows=ROWS, tokens_per_row=1)
    best = result.chosen
    assert best is not None
    assert all(trial.lists < best.cost for trial in result.trials if trial.nprobe > best.nprobe + 4)
    assert max(trial.nprobe for trial in result.trials) < NPROBES[-1]


def test_where_nothing_meets_the_goal_the_best_recall_is_kept_and_told() -> None:
    def poor(profile: SearchProfile, query: Floats, k: int) -> TokenResult:
        return found(0.5 if profile.nprobe < 16 else 0.7, profile.nprobe, profile.rescore)

    result = tune(poor, SearchProfile(), ASKED, EXACT, goal=0.9, k=10, rows=ROWS, tokens_per_row=50)
    assert not result.met
    assert result.chosen is not None and result.chosen.recall == pytest.approx(0.7)
    assert result.profile.nprobe == 16


def test_rows_by_the_thousand_are_rescored_only_where_fewer_do_not_meet_the_goal() -> None:
    def hard(profile: SearchProfile, query: Floats, k: int) -> TokenResult:
        return found(0.95 if profile.rescore >= 8192 and profile.nprobe >= 12 else 0.5, profile.nprobe, profile.rescore)

    result = tune(hard, SearchProfile(), ASKED, EXACT, goal=0.9, k=10, rows=ROWS, tokens_per_row=16)
    assert result.met and (result.profile.nprobe, result.profile.rescore) == (12, 8192)
    few = tune(hard, SearchProfile(), ASKED, EXACT, goal=0.9, k=10, rows=20_000, tokens_per_row=16)
    assert not few.met and max(trial.rescore for trial in few.trials) == 4096
    easy = tune(made_up, SearchProfile(), ASKED, EXACT, goal=0.9, k=10, rows=ROWS, tokens_per_row=50)
    assert max(trial.rescore for trial in easy.trials) == RESCORES[-1]


def test_an_index_that_scans_keeps_its_profile() -> None:
    corpus = make_corpus(40, length=5)
    index = TokenIndex.build(corpus.tokens, corpus.offsets, profile=SearchProfile(nprobe=5, rescore=77))
    result = index.tune(corpus.queries)
    assert (result.met, result.trials, index.profile) == (True, (), SearchProfile(nprobe=5, rescore=77))


def test_queries_without_tokens_do_not_count_and_alone_are_refused() -> None:
    empty = np.empty((0, 2), np.float32)
    scores, rows = np.zeros((QUERIES + 1, 10), np.float32), np.full((QUERIES + 1, 10), -1)
    rows[1:] = np.arange(10)
    result = tune(
        made_up, SearchProfile(), [empty, *ASKED], (scores, rows), goal=0.9, k=10, rows=ROWS, tokens_per_row=50
    )
    assert result.queries == QUERIES
    with pytest.raises(InvalidInput, match="0 of 1 tuning queries"):
        tune(made_up, SearchProfile(), [empty], (scores[:1], rows[:1]), goal=0.9, k=10, rows=ROWS, tokens_per_row=50)


def recalls(index: TokenIndex, queries: Sequence[Floats]) -> tuple[float, float]:
    rows: list[Ints] = [index.search(query, 10)[1] for query in queries]
    exact = [index.exact(query, 10)[1] for query in queries]
    per_query = recall_at_k(np.stack(rows), np.stack(exact))
    return float(per_query.mean()), lower_bound(per_query)


@pytest.fixture(scope="module")
def corpus() -> TokenCorpus:
    return make_corpus(4000, length=30, queries=300)


def test_a_tuned_profile_holds_on_queries_it_was_not_tuned_on(corpus: TokenCorpus) -> None:
    index = TokenIndex.build(corpus.tokens, corpus.offsets)
    tuning, others = corpus.queries[:150], corpus.queries[150:]
    result = index.tune(tuning, goal=0.97)
    assert result.met and index.profile == result.profile
    assert result.chosen is not None and result.chosen.lower_bound >= 0.97
    mean, bound = recalls(index, others)
    assert bound >= 0.95, f"mean {mean} over {len(others)} queries"


def test_a_profile_that_still_meets_the_goal_is_kept_in_one_trial() -> None:
    dear = SearchProfile(nprobe=12, rescore=512)
    kept = tune(made_up, dear, ASKED, EXACT, goal=0.9, k=10, rows=ROWS, tokens_per_row=50, keep=True)
    assert (kept.profile, kept.met, len(kept.trials)) == (dear, True, 1)
    worn = tune(
        made_up,
        SearchProfile(nprobe=2, rescore=32),
        ASKED,
        EXACT,
        goal=0.9,
        k=10,
        rows=ROWS,
        tokens_per_row=50,
        keep=True,
    )
    afresh = tune(made_up, dear, ASKED, EXACT, goal=0.9, k=10, rows=ROWS, tokens_per_row=50)
    assert worn.profile == afresh.profile and worn.trials == afresh.trials
