from collections.abc import Sequence

import numpy as np
import pytest

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.recall import lower_bound, recall_at_k
from xtr_assets.core.types import Floats, Ints
from xtr_assets.index import TokenIndex, native
from xtr_assets.index.late.backends.choice import BackendName
from xtr_assets.index.late.options import CENTROID_COST, SCAN_TOKENS, WHOLE_COST, SearchProfile, met_rows
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
        (80 * nprobe + 50 * (WHOLE_COST * rescore + CENTROID_COST * met_rows(rescore, ROWS)), nprobe, rescore)
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
    dearer = {trial.nprobe for trial in result.trials if trial.lists >= best.cost}
    assert len(dearer) <= 1, "the walk ends with the first of them"
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
    assert result.met and result.profile == SearchProfile(12, None, 8192, whole=True)
    few = tune(hard, SearchProfile(), ASKED, EXACT, goal=0.9, k=10, rows=20_000, tokens_per_row=16)
    assert not few.met and max(trial.rescore for trial in few.trials) == 4096
    easy = tune(made_up, SearchProfile(), ASKED, EXACT, goal=0.9, k=10, rows=ROWS, tokens_per_row=50)
    assert max(trial.rescore for trial in easy.trials) == RESCORES[-1]


def test_an_index_that_scans_keeps_its_profile() -> None:
    corpus = make_corpus(40, length=5)
    index = TokenIndex.build(corpus.tokens, corpus.offsets, profile=SearchProfile(nprobe=5, rescore=77))
    result = index.tune(corpus.queries, may_scan=False)
    assert (result.met, result.trials, index.profile) == (True, (), SearchProfile(nprobe=5, rescore=77))


def test_a_small_index_scans_by_plan_and_finds_what_exact_search_finds() -> None:
    corpus = make_corpus(700, length=40, queries=40)
    index = TokenIndex.build(corpus.tokens, corpus.offsets)
    assert index.token_count > SCAN_TOKENS, "else every search scans already"
    result = index.tune(corpus.queries)
    assert (result.met, result.trials) == (True, ()) and "few enough" in result.reason
    assert index.profile == SearchProfile(scan=True)
    # No query to tune on is no reason to guess.
    assert TokenIndex.build(corpus.tokens, corpus.offsets).tune([]).profile == SearchProfile(scan=True)
    for query in corpus.queries:
        got = index.search_detailed(query, 10)
        scores, rows = index.exact(query, 10)
        assert got.scanned and got.rows.tolist() == rows.tolist() and got.scores.tolist() == scores.tolist()
    assert not index.search_detailed(corpus.queries[0], 10, nprobe=4).scanned, "a call that names lists gets them"


def test_near_copies_by_the_thousand_are_told_apart_by_a_scan() -> None:
    # One text many times, each a little off: 8 bits of the query alone cannot rank them.
    generator = np.random.default_rng(5)
    base = generator.standard_normal((8, 32)).astype(np.float32)
    tokens = np.tile(base, (2500, 1)) + 0.002 * generator.standard_normal((20_000, 32)).astype(np.float32)
    tokens /= np.linalg.norm(tokens, axis=1, keepdims=True)
    index = TokenIndex.build(tokens, np.arange(0, 20_001, 8), profile=SearchProfile(scan=True))
    query = base + 0.3 * generator.standard_normal((8, 32)).astype(np.float32)
    assert index.search(query, 10)[1].tolist() == index.exact(query, 10)[1].tolist()
    same = TokenIndex.build(np.tile(tokens[:8], (2500, 1)), np.arange(0, 20_001, 8), profile=SearchProfile(scan=True))
    assert same.search(query, 10)[1].tolist() == list(range(10)), "equal scores by ascending row"


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
    result = index.tune(tuning, goal=0.97, may_scan=False)
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


def test_the_tuner_of_the_index_keeps_a_profile_that_meets_the_goal_in_one_trial(corpus: TokenCorpus) -> None:
    index = TokenIndex.build(corpus.tokens, corpus.offsets, profile=SearchProfile(nprobe=16, rescore=768))
    queries = corpus.queries[:40]
    kept = index.tune(queries, goal=0.9, keep=True, may_scan=False)
    assert (len(kept.trials), kept.profile, index.profile) == (1, SearchProfile(16, None, 768), kept.profile)
    assert "still meets" in kept.reason
    anew = index.tune(queries, goal=0.9, may_scan=False)
    assert len(anew.trials) > 1 and anew.chosen is not None and kept.chosen is not None
    assert anew.chosen.cost < kept.chosen.cost


def test_all_tokens_of_the_documents_are_multiplied() -> None:
    def likely(profile: SearchProfile, query: Floats, k: int) -> TokenResult:
        share = 1.0 if profile.whole and profile.nprobe >= 16 and profile.rescore >= 96 else 0.8
        return found(share, 10 * profile.nprobe, profile.rescore)

    result = tune(likely, SearchProfile(), ASKED, EXACT, goal=0.9, k=10, rows=ROWS, tokens_per_row=50, may_scan=True)
    assert result.met and result.profile == SearchProfile(16, None, 96, whole=True)
    assert result.chosen is not None and result.chosen.documents >= WHOLE_COST * 50 * 96


def test_where_no_lists_meet_the_goal_a_scan_serves_and_says_why() -> None:
    def blind(profile: SearchProfile, query: Floats, k: int) -> TokenResult:
        return found(0.8, 10 * profile.nprobe, profile.rescore)

    result = tune(blind, SearchProfile(), ASKED, EXACT, goal=0.9, k=10, rows=ROWS, tokens_per_row=50, may_scan=True)
    assert result.met and result.profile == SearchProfile(scan=True)
    assert result.chosen is not None and result.chosen.scan and result.chosen.recall == 1.0
    assert "no lists met recall 0.9" in result.reason and "recall 0.800" in result.reason
    again = tune(
        blind,
        result.profile,
        ASKED,
        EXACT,
        goal=0.9,
        k=10,
        rows=ROWS,
        tokens_per_row=50,
        may_scan=True,
        keep=True,
    )
    assert (again.profile, again.trials) == (result.profile, ())
    dear = tune(blind, result.profile, ASKED, EXACT, goal=0.9, k=10, rows=ROWS, tokens_per_row=50, keep=True)
    assert not dear.met and not dear.profile.scan, "grown beyond what may be scanned"
    assert "misses it by 0.1" in dear.reason and "too many to scan" in dear.reason and "recall.xtr" in dear.reason


def test_a_scan_serves_where_lists_cost_no_less() -> None:
    result = tune(made_up, SearchProfile(), ASKED, EXACT, goal=0.9, k=10, rows=90, tokens_per_row=5, may_scan=True)
    assert result.profile.scan and result.met


@pytest.mark.parametrize("backend", ["numpy", "numba", "native"])
def test_whole_documents_are_scored_the_same_by_every_backend(corpus: TokenCorpus, backend: BackendName) -> None:
    if backend == "native" and not native.available():
        pytest.skip("the extension is not built")
    profile = SearchProfile(8, None, 100, whole=True)
    offsets = corpus.offsets[: 1 + 800]
    index = TokenIndex.build(corpus.tokens[: offsets[-1]], offsets, profile=profile, backend=backend)
    reference = TokenIndex.build(corpus.tokens[: offsets[-1]], offsets, profile=profile, backend="numpy")
    for query in corpus.queries[:5]:
        got, wanted = index.search_detailed(query, 10), reference.search_detailed(query, 10)
        assert got.rows.tolist() == wanted.rows.tolist() and got.rescored == wanted.rescored == 100
        assert not got.scanned
        np.testing.assert_allclose(got.scores, index.score(query, got.rows), rtol=0, atol=1e-6)
