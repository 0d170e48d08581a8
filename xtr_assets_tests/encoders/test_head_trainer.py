"""Training a head over states that hold a secret: questions and answers say the same in two alphabets."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.token_codec import encode_int8
from xtr_assets.core.types import Floats, Mask
from xtr_assets.core.vector_agreement import agreement
from xtr_assets.encoders.frozen_states import FrozenStates
from xtr_assets.encoders.head import PARTS, Head, Projection, TrainedHead, unit_rows
from xtr_assets.encoders.head_file import head_bytes
from xtr_assets.encoders.head_trainer import (
    TrainingRecipe,
    WordScores,
    begins_by_chance,
    joint_loss,
    maxsim_means,
    mean_head,
    nearest_answers,
    steps_of,
    train_head,
    turned,
)
from xtr_assets.pipeline.heads.head_measure import JudgedSet, compare_heads, token_embeddings

CONCEPTS, HALF, WIDTH = 60, 12, 24
NO_WORDS = np.zeros((120, 120), np.float32)
KEPT: Mask = np.ones(2 * CONCEPTS, bool)
# For the sum alone, as far as a test does not say otherwise.
RECIPE = TrainingRecipe(dim=16, epochs=12, batch=32, rate=1e-2, dense=0.0, alone=0.0, taught=0.0, change=0.5)


def alphabets() -> Floats:
    """Word pieces, float32 [2 x CONCEPTS, WIDTH]: of a question in the first half of the dimensions, of an answer the
    same rotated in the second."""
    rng = np.random.default_rng(3)
    means = rng.standard_normal((CONCEPTS, HALF)).astype(np.float32)
    turn = np.linalg.qr(rng.standard_normal((HALF, HALF)))[0].astype(np.float32)
    nothing = np.zeros_like(means)
    return np.concatenate([np.hstack([means, nothing]), np.hstack([nothing, means @ turn])])


def states_of(ids: list[list[int]], words: Floats, seed: int) -> FrozenStates:
    """The two deeper layers are the word with noise, so that all three parts of a head have something to learn."""
    rng = np.random.default_rng(seed)
    flat = np.concatenate([np.array(one, np.int32) for one in ids])
    noisy = [unit_rows(words[flat] + 0.3 * rng.standard_normal((len(flat), WIDTH)).astype(np.float32)) for _ in "ab"]
    # An embedding that tells texts apart and says nothing about who answers whom.
    embeddings = unit_rows(rng.standard_normal((len(ids), WIDTH)).astype(np.float32))
    offsets = np.concatenate([[0], np.cumsum([len(one) for one in ids])])
    return FrozenStates(embeddings, offsets, flat, np.hstack(noisy).astype(np.float16), 6)


def pairs(count: int, seed: int) -> tuple[FrozenStates, FrozenStates, Floats]:
    rng = np.random.default_rng(seed)
    words = alphabets()
    drawn = [rng.choice(CONCEPTS, 4, replace=False).tolist() for _ in range(count)]
    answers = [[CONCEPTS + concept for concept in one[::-1]] for one in drawn]
    return states_of(drawn, words, seed), states_of(answers, words, seed + 1), words


def found_by(head: TrainedHead, seed: int = 90) -> float:
    questions, answers, words = pairs(120, seed)
    judged = JudgedSet(
        "made up", questions, answers, [{nth: 1.0} for nth in range(120)], np.zeros((120, 120), np.float32)
    )
    return compare_heads(judged, words, KEPT, {"trained": head}).mean("trained").mean


def test_training_finds_answers_that_no_head_by_chance_finds() -> None:
    questions, answers, words = pairs(640, seed=1)
    losses: list[float] = []
    trained = train_head(questions, answers, np.arange(640), words, KEPT, RECIPE, progress=losses.append)
    by_chance = train_head(
        questions, answers, np.arange(len(questions)), words, KEPT, replace(RECIPE, rate=0.0, epochs=1)
    )
    assert found_by(by_chance) < 0.2
    assert found_by(trained) > 0.9
    assert len(losses) == steps_of(640, RECIPE) == 240
    assert np.mean(losses[-20:]) < 0.2 * np.mean(losses[:5])


def test_a_seed_decides_every_byte() -> None:
    questions, answers, words = pairs(96, seed=1)
    first, again, other = (
        head_bytes(
            train_head(questions, answers, np.arange(len(questions)), words, KEPT, replace(RECIPE, epochs=2, seed=seed))
        )
        for seed in (4, 4, 5)
    )
    assert first == again != other


def test_shuffled_answers_teach_nothing_that_holds() -> None:
    """What is learnt is who answers whom, not what the texts are made of."""
    questions, _, words = pairs(640, seed=1)
    _, strangers, _ = pairs(640, seed=7)
    assert found_by(train_head(questions, strangers, np.arange(640), words, KEPT, RECIPE)) < 0.3


def test_pairs_of_one_owner_are_no_negatives_of_each_other() -> None:
    """Each text twice, as by its docstring and by its name: told apart, the copies would have to be driven apart."""
    questions, answers, words = pairs(320, seed=1)
    twice = [
        FrozenStates(
            np.concatenate([one.embeddings, unit_rows(one.embeddings + np.float32(0.3))]),
            np.concatenate([one.offsets, one.offsets[1:] + one.offsets[-1]]),
            np.concatenate([one.token_ids] * 2),
            np.concatenate([one.states] * 2),
            6,
        )
        for one in (questions, answers)
    ]
    losses: dict[str, list[float]] = {"owned": [], "strangers": []}
    for name, owners in (("owned", np.arange(640) % 320), ("strangers", np.arange(640))):
        train_head(twice[0], twice[1], owners, words, KEPT, RECIPE, progress=losses[name].append)
    assert np.mean(losses["owned"][-20:]) < 0.5 * np.mean(losses["strangers"][-20:])


def test_what_another_leg_finds_already_is_not_learnt() -> None:
    """Where the embedding, or the words, tell every answer of a batch for sure there is nothing left to learn."""
    questions, answers, words = pairs(96, seed=1)
    start = TrainedHead(words.mean(axis=0), np.random.default_rng(2).standard_normal((4 * WIDTH, 16)).astype("f4"), 6)

    def moved(recipe: TrainingRecipe, met: WordScores | None, embeddings: Floats) -> float:
        """1 - the cosine of what the matrix gives before and after, whatever it is turned by."""
        asked, given = replace(questions, embeddings=embeddings), replace(answers, embeddings=embeddings)
        after = train_head(asked, given, np.arange(96), words, KEPT, recipe, met, start).matrix
        one, other = (matrix @ matrix.T for matrix in (start.matrix, after))
        return 1 - float((one * other).sum() / (np.linalg.norm(one) * np.linalg.norm(other)))

    some = replace(RECIPE, epochs=3)
    unlike = unit_rows(np.random.default_rng(4).standard_normal((96, WIDTH)).astype(np.float32))
    by_words = moved(some, lambda chosen: 1e3 * np.eye(len(chosen), dtype=np.float32), unlike)
    by_embedding = moved(replace(some, dense=1e4), None, unlike)
    alone = moved(some, None, unlike)
    assert by_words < 1e-5 and by_embedding < 1e-5
    assert alone > 1e-2


def test_alone_a_head_learns_what_another_leg_finds_too() -> None:
    """For the sum there is nothing to learn where words find all: whoever asks MaxSim alone still needs it."""
    questions, answers, words = pairs(640, seed=1)

    def trained(alone: float) -> TrainedHead:
        recipe = replace(RECIPE, alone=alone, epochs=5)
        found: WordScores = lambda chosen: 1e3 * np.eye(len(chosen), dtype=np.float32)  # noqa: E731
        return train_head(questions, answers, np.arange(640), words, KEPT, recipe, found)

    assert found_by(trained(0.0)) < 0.2
    assert found_by(trained(0.5)) > 0.9


def test_the_loss_is_that_of_its_parts() -> None:
    summed, alone, dense = (torch.from_numpy(np.random.default_rng(i).standard_normal((3, 3))) for i in range(3))
    same = torch.zeros(3, 3, dtype=torch.bool)
    same[0, 2] = True

    def label(scores: torch.Tensor) -> float:
        logits = np.where(same.numpy(), -np.inf, scores.numpy())
        return float(np.mean([-logits[i, i] + np.log(np.exp(logits[i]).sum()) for i in range(3)]))

    p, q = (np.exp(one.numpy()) / np.exp(one.numpy()).sum(axis=1, keepdims=True) for one in (dense, alone))
    ranking = float((p * np.log(p / q)).sum(axis=1).mean())
    for share, taught in ((0.0, 0.0), (1.0, 0.0), (0.25, 2.0)):
        found = joint_loss(summed, alone, dense, same, replace(RECIPE, alone=share, taught=taught))
        assert float(found) == pytest.approx((1 - share) * label(summed) + share * label(alone) + taught * ranking)


def test_training_goes_on_from_the_head_that_there_is() -> None:
    questions, answers, words = pairs(96, seed=1)
    rng = np.random.default_rng(2)
    still = replace(RECIPE, rate=0.0, epochs=1)

    def after(start: Head | None) -> Floats:
        return train_head(questions, answers, np.arange(96), words, KEPT, still, start=start).matrix

    def same(a: Floats, b: Floats) -> bool:
        """But for a turn, and a factor."""
        one, other = a @ a.T, b @ b.T
        return bool(np.allclose(one / np.linalg.norm(one), other / np.linalg.norm(other), atol=1e-5))

    last = rng.standard_normal((WIDTH, 16)).astype(np.float32)
    nothing = np.zeros((2 * WIDTH, 16), np.float32)
    assert same(after(Projection(last, 6, "")), np.concatenate([nothing, last, nothing[:WIDTH]]))
    whole = TrainedHead(words.mean(axis=0), rng.standard_normal((PARTS * WIDTH, 16)).astype(np.float32), 6)
    assert same(after(whole), whole.matrix)
    # One of other widths is no place to begin, and neither is none.
    by_chance = after(None)
    assert same(after(Projection(last[:, :8].copy(), 6, "")), by_chance) and not same(by_chance, whole.matrix)
    assert not by_chance[-WIDTH:].any(), "what chance says of the whole window would be the same noise for each token"
    # Of a projection of more dimensions the first, which are the axes of the greatest variance.
    wider = np.hstack([last, rng.standard_normal((WIDTH, 8)).astype(np.float32)])
    assert same(after(Projection(wider, 6, "")), np.concatenate([nothing, last, nothing[:WIDTH]]))


def test_the_mean_of_heads_of_one_start_is_that_of_their_matrices() -> None:
    questions, answers, words = pairs(96, seed=1)
    start = TrainedHead(words.mean(axis=0), np.random.default_rng(2).standard_normal((4 * WIDTH, 16)).astype("f4"), 6)
    seeds = [
        train_head(questions, answers, np.arange(96), words, KEPT, replace(RECIPE, epochs=1, seed=seed), start=start)
        for seed in (0, 1)
    ]
    mean = mean_head(seeds)
    np.testing.assert_allclose(mean.matrix, (seeds[0].matrix + seeds[1].matrix) / 2, atol=1e-6)
    assert mean.layers == start.layers and not np.allclose(seeds[0].matrix, seeds[1].matrix)
    # Two of chance share no dimension: nothing is the mean of them.
    assert begins_by_chance(None, WIDTH, RECIPE) and not begins_by_chance(start, WIDTH, RECIPE)


def test_of_what_training_changed_a_share_is_kept() -> None:
    questions, answers, words = pairs(96, seed=1)
    start = TrainedHead(words.mean(axis=0), np.random.default_rng(2).standard_normal((4 * WIDTH, 16)).astype("f4"), 6)

    def after(change: float, begin: Head | None) -> Floats:
        recipe = replace(RECIPE, epochs=1, change=change)
        return train_head(questions, answers, np.arange(96), words, KEPT, recipe, start=begin).matrix

    none, half, whole = (after(change, start) for change in (0.0, 0.5, 1.0))
    np.testing.assert_allclose(half, (none + whole) / 2, atol=1e-5)
    assert np.linalg.norm(whole - none) > 0.05 * np.linalg.norm(none)
    # What began by chance is not worth keeping.
    np.testing.assert_array_equal(after(0.5, None), after(1.0, None))


def test_too_few_pairs_or_unequal_ones_are_refused() -> None:
    questions, answers, words = pairs(40, seed=1)
    with pytest.raises(InvalidInput, match=r"40 questions and 40 answers.*two batches of 32"):
        train_head(questions, answers, np.arange(len(questions)), words, KEPT, RECIPE)
    more, _, _ = pairs(96, seed=1)
    with pytest.raises(InvalidInput, match="96 questions and 40 answers"):
        train_head(more, answers, np.arange(len(questions)), words, KEPT, RECIPE)


def test_a_turned_head_finds_the_same_and_is_stored_more_exactly() -> None:
    questions, _, words = pairs(40, seed=1)
    rng = np.random.default_rng(5)
    # One direction that every token shares, in one dimension.
    matrix = rng.standard_normal((4 * WIDTH, 16)).astype(np.float32)
    matrix[:, 0] += 3 * np.sign(matrix[:, 0])
    plain, even = (
        token_embeddings(questions, TrainedHead(words.mean(axis=0), one, 6), words, KEPT)[0]
        for one in (matrix, turned(matrix))
    )
    np.testing.assert_allclose(plain @ plain.T, even @ even.T, atol=1e-5)
    kept = []
    for tokens in (plain, even):
        codes, scales = encode_int8(tokens)
        kept.append(agreement(codes * np.asarray(scales, np.float32)[:, None], tokens).mean())
    assert 1 - kept[1] < 1 - kept[0]


def test_maxsim_is_the_mean_over_the_questions_tokens_of_the_best_dot_product() -> None:
    q = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    d = torch.tensor([[1.0, 0.0], [0.8, 0.6], [-1.0, 0.0]])
    found = maxsim_means(q, torch.tensor([0, 0, 1]), d, torch.tensor([0, 0, 1]), 2)
    # Question 0: (1 + 0.6) / 2 and (-1 + 0) / 2; question 1: 0.96 and -0.6. A padded place never counts as 0.
    np.testing.assert_allclose(found.numpy(), [[0.8, -0.5], [0.96, -0.6]], atol=1e-6)


def test_neighbours_are_the_nearest_first() -> None:
    rng = np.random.default_rng(2)
    questions, answers = (unit_rows(rng.standard_normal((50, 6)).astype(np.float32)) for _ in "ab")
    expected = np.argsort(-(questions @ answers.T), axis=1)[:, :24]
    np.testing.assert_array_equal(nearest_answers(questions, answers), expected)


def test_the_head_in_numpy_is_the_head_in_torch(tmp_path: Path) -> None:
    questions, answers, words = pairs(96, seed=1)
    head = train_head(questions, answers, np.arange(len(questions)), words, KEPT, replace(RECIPE, epochs=1))
    rng = np.random.default_rng(8)
    layers = {layer: 5 * rng.standard_normal((40, WIDTH)).astype(np.float32) for layer in head.layers}
    before = {layer: state.copy() for layer, state in layers.items()}
    light = head.light(layers)
    full = head({layer: torch.from_numpy(state) for layer, state in layers.items()}).numpy()
    np.testing.assert_allclose(light, full, atol=2e-6)
    np.testing.assert_allclose(np.linalg.norm(light, axis=1), 1.0, atol=1e-5)
    assert all(np.array_equal(layers[layer], before[layer]) for layer in layers), "the states are others' too"
