"""Trains a head over frozen states for the sum and for itself: a question must find its own answer among the others of
its batch by what the embedding says, what its words say, and MaxSim; and by MaxSim alone.

In the sum the first two are fixed, so that the head learns what they miss, as each part of a boosted sum does
(Friedman, 2001). Alone it has to know what they know too, and is taught to rank as the embedding does. InfoNCE over the
answers of a batch (van den Oord et al., 2018), MaxSim as in ColBERT (Khattab and Zaharia, 2020), with learned
temperatures. Hard negatives stand in the batch itself: pairs whose answers are near the question by the embedding come
together. What is so near that it may answer too is no negative.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.types import Floats, Ints, Mask
from xtr_assets.encoders.frozen_states import FrozenStates
from xtr_assets.encoders.head import PARTS, Head, Projection, TrainedHead, unit_rows

if TYPE_CHECKING:
    from torch import Tensor

# Two answers, or two questions, whose embeddings agree so far say the same: neither is the other's negative.
SAME = 0.93
# Neighbours kept of each question, and questions compared at once.
NEIGHBOURS, BLOCK = 24, 2048
# BM25 of the answers of a batch, float32 [n, n], by the numbers of its pairs.
WordScores = Callable[[Ints], Floats]


@dataclass(frozen=True, slots=True)
class TrainingRecipe:
    """What decides a head beside its pairs and the head that it starts from.

    hard : neighbours that come into the batch with a pair. warm : share of the steps in which the rate rises. scale :
    what MaxSim is multiplied by at first. dense : what the embedding's cosine is multiplied by, always (its own
    temperature: sentence-transformers trained it with 20). lexical : what BM25 is multiplied by at first. alone : the
    share of the loss that asks MaxSim alone for the answer, the rest asks the sum. taught : what is added of the loss
    that asks MaxSim alone for the ranking of the embedding. change : the share that is kept of what training changed in
    the head that it started from.

    48 dimensions, since a token of them takes 58 bytes of a warehouse in place of 138 of 128, and in the sum nothing
    was lost over 1,760 questions: +.002 [-.003, .007] (docs/head.md). With the losses that ask MaxSim alone these 48
    find as much alone as 128 did that were trained for the sum. All of the change is kept, since the ranking of the
    embedding holds back what packages alone would teach.
    """

    dim: int = 48
    epochs: int = 1
    batch: int = 128
    hard: int = 3
    rate: float = 1e-3
    warm: float = 0.1
    scale: float = 30.0
    dense: float = 20.0
    lexical: float = 0.5
    alone: float = 0.5
    taught: float = 0.5
    change: float = 1.0
    seed: int = 0


def train_head(
    questions: FrozenStates,
    answers: FrozenStates,
    owners: Ints,
    words: Floats,
    kept: Mask,
    recipe: TrainingRecipe,
    lexical: WordScores | None = None,
    start: Head | None = None,
    progress: Callable[[float], None] | None = None,
) -> TrainedHead:
    """A head that ranks each question's answer first, in the sum and alone, as far as `recipe.epochs` go.

    owners : int64 [n], whose the pairs are: those of one function or section answer each other, and are no negatives.
    words : float32 [vocabulary, hidden], the model's word-piece embedding. kept : bool [vocabulary], the pieces that
    documents keep. start : where it begins, by chance where its widths are others'. `progress` is called with the loss
    of each step. The same input gives the same head on one machine.
    """
    import torch
    from torch.nn.functional import normalize

    if len(questions) != len(answers) or len(questions) < 2 * recipe.batch:
        raise InvalidInput(
            f"{len(questions)} questions and {len(answers)} answers; training takes as many of each, and at least two "
            f"batches of {recipe.batch}"
        )
    center, hidden = words.mean(axis=0), words.shape[1]
    table = torch.from_numpy(unit_rows(words - center))
    first, by_chance = first_matrix(start, hidden, recipe)
    begun = torch.from_numpy(first)
    learnt = begun.clone().requires_grad_(True)
    # MaxSim has a temperature of its own where it stands alone.
    log_scale, log_alone = (torch.tensor(math.log(recipe.scale), requires_grad=True) for _ in range(2))
    word_scale = torch.tensor(recipe.lexical, requires_grad=True)
    optimizer = torch.optim.Adam([learnt, log_scale, log_alone, word_scale], lr=recipe.rate)
    plan = list(_batches(questions.embeddings, answers.embeddings, owners, recipe))
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, len(plan), recipe.warm))
    for chosen in plan:
        asked, owner = _tokens(questions, chosen, kept, table)
        told, place = _tokens(answers, chosen, kept, table)
        q, d = normalize(asked @ learnt, dim=-1), normalize(told @ learnt, dim=-1)
        late = maxsim_means(q, owner, d, place, len(chosen))
        dense = recipe.dense * torch.from_numpy(questions.embeddings[chosen] @ answers.embeddings[chosen].T)
        summed = late * log_scale.exp() + dense
        if lexical is not None:
            summed = summed + word_scale * torch.from_numpy(lexical(chosen))
        same = torch.from_numpy(_same(questions.embeddings[chosen], answers.embeddings[chosen], owners[chosen]))
        loss = joint_loss(summed, late * log_alone.exp(), dense, same, recipe)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        rate.step()
        if progress is not None:
            progress(float(loss.detach()))
    change = 1.0 if by_chance else recipe.change
    return TrainedHead(center, turned(torch.lerp(begun, learnt.detach(), change).numpy()), questions.depth)


def joint_loss(summed: "Tensor", alone: "Tensor", dense: "Tensor", same: "Tensor", recipe: TrainingRecipe) -> "Tensor":
    """That of a batch from its scores, float32 [n, n] each, right on the diagonal: in the sum, of MaxSim alone, of the
    embedding. `same` bool [n, n] is what is no negative of what."""
    import torch
    from torch.nn.functional import cross_entropy, kl_div, log_softmax, softmax

    right = torch.arange(len(summed))
    in_sum, by_itself = (cross_entropy(scores.masked_fill(same, -math.inf), right) for scores in (summed, alone))
    ranked = kl_div(log_softmax(alone, dim=1), softmax(dense, dim=1), reduction="batchmean")
    return (1.0 - recipe.alone) * in_sum + recipe.alone * by_itself + recipe.taught * ranked


def first_matrix(start: Head | None, hidden: int, recipe: TrainingRecipe) -> tuple[Floats, bool]:
    """Where training begins, float32 [PARTS x hidden, dim], its columns of length 1 on average: a head that there is, a
    projection's first axes as the part that reads the last state, or what chance gives (without the window's mean). And
    whether it was chance."""
    matrix: Floats = np.zeros((PARTS * hidden, recipe.dim), np.float32)
    by_chance = False
    last = slice((PARTS - 2) * hidden, (PARTS - 1) * hidden)
    if isinstance(start, Projection) and len(start.matrix) == hidden and start.token_dim >= recipe.dim:
        # Its axes are those of the greatest variance, the greatest first.
        matrix[last] = start.matrix[:, : recipe.dim]
    elif isinstance(start, TrainedHead) and start.matrix.shape == matrix.shape:
        matrix[:] = start.matrix
    else:
        by_chance = True
        matrix[:-hidden] = np.random.default_rng(recipe.seed).standard_normal((len(matrix) - hidden, recipe.dim))
    scaled: Floats = matrix / (np.linalg.norm(matrix) / math.sqrt(recipe.dim))
    return scaled, by_chance


def begins_by_chance(start: Head | None, hidden: int, recipe: TrainingRecipe) -> bool:
    """Whether training from this head begins with what chance gives."""
    return first_matrix(start, hidden, recipe)[1]


def mean_head(heads: Sequence[TrainedHead]) -> TrainedHead:
    """The head whose matrix is the mean of theirs, which were trained from one start: what each learnt of the order of
    its pairs, and the others did not, counts a share (Wortsman and others, "Model soups", 2022)."""
    matrix: Floats = np.stack([head.matrix for head in heads]).mean(axis=0)
    first = heads[0]
    return TrainedHead(first.center, matrix, first.layers[2])


def turned(matrix: Floats) -> Floats:
    """The matrix turned in the space of its results: no dot product changes, and no dimension stands out.

    Tokens are stored in int8 with one scale each, which the largest component decides: where all tokens share one
    dimension, the rest has few steps. The first shipped head had none such (0.99997 with and without).
    """
    spread = np.linalg.qr(np.random.default_rng(0).standard_normal((matrix.shape[1],) * 2))[0]
    return np.ascontiguousarray(matrix @ spread, np.float32)


def steps_of(pairs: int, recipe: TrainingRecipe) -> int:
    """How many steps a training takes."""
    return recipe.epochs * (pairs // recipe.batch)


def maxsim_means(q: "Tensor", owner: "Tensor", d: "Tensor", place: "Tensor", count: int) -> "Tensor":
    """MaxSim of each question with each answer over the question's tokens, float32 [count, count].

    q, d : float32 [tokens, dim]; `owner` and `place` say whose they are, int64, ascending.
    """
    import torch

    lengths = torch.bincount(place, minlength=count)
    longest = int(lengths.max())
    first = torch.cumsum(lengths, 0) - lengths
    nth = torch.arange(len(place)) - first[place]
    padded = d.new_zeros(count * longest, d.shape[1]).index_copy(0, place * longest + nth, d)
    absent = torch.arange(longest) >= lengths[:, None]
    best = (q @ padded.T).view(len(q), count, longest).masked_fill(absent, -2.0).amax(dim=2)
    asked = torch.bincount(owner, minlength=count)[:, None]
    return best.new_zeros(count, count).index_add(0, owner, best) / asked


def _tokens(states: FrozenStates, chosen: Ints, kept: Mask, table: "Tensor") -> tuple["Tensor", "Tensor"]:
    """What the head reads of the kept tokens of the chosen texts, float32 [tokens, width], and whose they are."""
    import torch

    spans = [np.arange(states.offsets[i], states.offsets[i + 1]) for i in chosen]
    # A text of which nothing is kept keeps all.
    spans = [own[keep] if (keep := kept[states.token_ids[own]]).any() else own for own in spans]
    rows = np.concatenate(spans)
    ids = torch.from_numpy(states.token_ids[rows].astype(np.int64))
    read = torch.from_numpy(states.states[rows].astype(np.float32))
    owner = np.repeat(np.arange(len(chosen)), [len(own) for own in spans])
    pooled = torch.from_numpy(states.embeddings[chosen][owner])
    return torch.cat([table[ids], read, pooled], dim=1), torch.from_numpy(owner)


def _rate(step: int, steps: int, warm: float) -> float:
    """Up in a straight line, down by a cosine."""
    at = (step + 1) / max(1, steps)
    return min(1.0, at / warm) * 0.5 * (1.0 + math.cos(math.pi * at))


def _batches(questions: Floats, answers: Floats, owners: Ints, recipe: TrainingRecipe) -> Iterator[Ints]:
    """Of each epoch the batches, whole ones only: a pair, and the nearest of its neighbours that are still to come."""
    near = nearest_answers(questions, answers)
    draw = np.random.default_rng(recipe.seed)
    for _ in range(recipe.epochs):
        order: list[int] = []
        left = np.ones(len(questions), bool)
        for i in draw.permutation(len(questions)):
            if left[i]:
                own = [i, *near[i][left[near[i]] & (owners[near[i]] != owners[i])][: recipe.hard]]
                left[own] = False
                order += own
        for start in range(0, len(order) - recipe.batch + 1, recipe.batch):
            yield np.array(order[start : start + recipe.batch], np.int64)


def nearest_answers(questions: Floats, answers: Floats) -> Ints:
    """The answers nearest to each question by the embedding, int64 [n, NEIGHBOURS], nearest first."""
    count = min(NEIGHBOURS, len(answers) - 1)
    found = []
    for start in range(0, len(questions), BLOCK):
        scores = questions[start : start + BLOCK] @ answers.T
        best = np.argpartition(-scores, count - 1, axis=1)[:, :count]
        order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")
        found.append(np.take_along_axis(best, order, axis=1))
    return np.concatenate(found).astype(np.int64)


def _same(questions: Floats, answers: Floats, owners: Ints) -> Mask:
    """bool [n, n]: what is no negative of what. Never a pair of itself."""
    same: Mask = (questions @ questions.T > SAME) | (answers @ answers.T > SAME)
    same |= owners[:, None] == owners
    np.fill_diagonal(same, False)
    return same
