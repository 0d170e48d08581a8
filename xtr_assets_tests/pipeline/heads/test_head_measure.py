"""Late interaction by its definition, a question at a time, and intervals that hold what they say."""

from dataclasses import replace

import numpy as np

from xtr_assets.core.fusion import z_sum
from xtr_assets.core.types import Floats, Mask
from xtr_assets.encoders.frozen_states import FrozenStates
from xtr_assets.encoders.head import PARTS, TrainedHead, unit_rows
from xtr_assets.pipeline.heads.head_measure import JudgedSet, bootstrap, compare_heads, late_scores, token_embeddings
from xtr_assets.pipeline.heads.leg_sum import SUMMED, leg_sum
from xtr_assets.search.blend import Blend
from xtr_assets.search.legs import Legs, moments_of

HIDDEN = 6
RNG = np.random.default_rng(4)
WORDS = RNG.standard_normal((40, HIDDEN)).astype(np.float32)
HEAD = TrainedHead(WORDS.mean(axis=0), RNG.standard_normal((PARTS * HIDDEN, 5)).astype(np.float32), 6)


def states(lengths: list[int]) -> FrozenStates:
    total = sum(lengths)
    ids = RNG.integers(0, 40, total).astype(np.int32)
    layers = np.hstack([unit_rows(RNG.standard_normal((total, HIDDEN)).astype(np.float32)) for _ in "ab"])
    embeddings = unit_rows(RNG.standard_normal((len(lengths), HIDDEN)).astype(np.float32))
    return FrozenStates(embeddings, np.concatenate([[0], np.cumsum(lengths)]), ids, layers.astype(np.float16), 6)


def slow(one: FrozenStates, nth: int, kept: Mask) -> Floats:
    """The token embeddings of a text, a token at a time."""
    made = []
    places = range(int(one.offsets[nth]), int(one.offsets[nth + 1]))
    for place in [p for p in places if kept[one.token_ids[p]]] or places:
        word = WORDS[one.token_ids[place]] - HEAD.center
        parts = [word, one.states[place, :HIDDEN], one.states[place, HIDDEN:], one.embeddings[nth]]
        token = np.concatenate([part / np.linalg.norm(part.astype(np.float32)) for part in parts]) @ HEAD.matrix
        made.append(token / np.linalg.norm(token))
    return np.array(made, np.float32)


def test_scores_are_those_of_the_definition() -> None:
    questions, answers = states([3, 1, 7, 2] * 9), states([5, 1, 12, 4, 9, 2])
    kept = np.arange(40) % 3 > 0
    q, asked = token_embeddings(questions, HEAD, WORDS, kept)
    d, told = token_embeddings(answers, HEAD, WORDS, kept)
    found = late_scores(q, asked, d, told)
    for i in range(len(questions)):
        for j in range(len(answers)):
            dots = slow(questions, i, kept) @ slow(answers, j, kept).T
            np.testing.assert_allclose(found[i, j], dots.max(axis=1).mean(), atol=2e-3)


def test_what_is_right_first_is_one_and_the_embedding_is_asked_too() -> None:
    questions, answers = states([4] * 20), states([6] * 20)
    same = FrozenStates(questions.embeddings, answers.offsets, answers.token_ids, answers.states, 6)
    judged = JudgedSet("x", questions, same, [{nth: 1.0} for nth in range(20)], np.zeros((20, 20), np.float32))
    found = compare_heads(judged, WORDS, np.ones(40, bool), {"trained": HEAD})
    assert found.mean("dense").mean == 1.0
    assert 0.0 <= found.mean("trained").mean < 0.6


def test_the_sum_is_that_of_the_search_over_exact_scores() -> None:
    """One question at a time, by the functions that the search itself calls."""
    dense, late, lexical = (RNG.random((5, 400)).astype(np.float32) for _ in "abc")
    lexical[:, RNG.random(400) < 0.9] = 0.0
    tokens = RNG.integers(1, 90, 400)
    found = leg_sum(dense, late, lexical, tokens)
    legs = Legs(Blend.standard(), np.log(tokens).astype(np.float32))
    for nth in range(5):
        lists = [np.argsort(-scores[nth])[:100] for scores in (dense, late)]
        rows = np.unique(np.concatenate([*lists, np.flatnonzero(lexical[nth])]))
        parts = legs.of(rows, {"dense": dense[nth, rows], "xtr": late[nth, rows], "lexical": lexical[nth, rows]})
        expected = z_sum(parts, moments_of(parts, np.arange(len(rows))), legs.blend.weights)
        np.testing.assert_allclose(found[nth, rows], expected, atol=1e-5)
        assert np.isneginf(np.delete(found[nth], rows)).all() and len(rows) < 400


def test_a_head_that_only_repeats_the_embedding_gives_the_sum_nothing() -> None:
    questions, answers = states([4] * 60), states([6] * 60)
    noise = unit_rows(questions.embeddings + 0.9 * unit_rows(RNG.standard_normal((60, HIDDEN)).astype(np.float32)))
    answers = replace(answers, embeddings=noise)
    judged = JudgedSet("x", questions, answers, [{nth: 1.0} for nth in range(60)], np.zeros((60, 60), np.float32))
    repeats = np.zeros_like(HEAD.matrix)
    repeats[-HIDDEN:, :] = np.linalg.qr(RNG.standard_normal((HIDDEN, HIDDEN)))[0][:, :5]
    again = compare_heads(
        judged, WORDS, np.ones(40, bool), {"now": HEAD, "trained": TrainedHead(HEAD.center, repeats, 6)}
    )
    gain = again.gain(f"trained{SUMMED}", "dense")
    assert gain.low < 0.05 and again.mean("trained").mean > 0.3


def test_an_interval_of_a_mean_holds_it_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for seed in range(100):
        interval = bootstrap(rng.exponential(1.0, 80), seed)
        held += interval.low <= 1.0 <= interval.high
    assert 85 <= held <= 100
