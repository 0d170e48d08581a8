"""Late interaction by its definition, a question at a time, and intervals that hold what they say."""

import numpy as np

from xtr_assets.core.types import Floats, Mask
from xtr_assets.encoders.frozen_states import FrozenStates
from xtr_assets.encoders.head import PARTS, TrainedHead, unit_rows
from xtr_assets.pipeline.heads.head_measure import JudgedSet, bootstrap, compare_heads, late_scores, token_embeddings

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
    judged = JudgedSet("x", questions, same, [{nth: 1.0} for nth in range(20)])
    found = compare_heads(judged, WORDS, np.ones(40, bool), {"trained": HEAD})
    assert found.mean("dense").mean == 1.0
    assert 0.0 <= found.mean("trained").mean < 0.6


def test_an_interval_of_a_mean_holds_it_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for seed in range(100):
        interval = bootstrap(rng.exponential(1.0, 80), seed)
        held += interval.low <= 1.0 <= interval.high
    assert 85 <= held <= 100
