"""What a head finds: nDCG@10 of questions that it was not trained on, beside the embedding and another head.

By exact MaxSim in numpy, without the code that trains: a fault in the one is not hidden by the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from xtr_assets.core.judged_measures import ndcg_at_k
from xtr_assets.core.types import Floats, Ints, Mask
from xtr_assets.encoders.bert_shape import POOLED, WORDS
from xtr_assets.encoders.frozen_states import FrozenStates
from xtr_assets.encoders.head import Head
from xtr_assets.pipeline.heads.leg_sum import SUMMED, leg_sum

Doubles = npt.NDArray[np.float64]

# nDCG@10.
DEPTH = 10
# Tokens that go through a head at once, and questions that are scored at once: 100 MB of each.
TOKENS_AT_ONCE, QUESTIONS_AT_ONCE = 30_000, 16
# Draws of a bootstrap interval, and its two ends.
DRAWS, ENDS = 2000, (2.5, 97.5)


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and the ends of its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float

    def as_json(self) -> dict[str, float]:
        return {name: round(value, 4) for name, value in asdict(self).items()}

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True, slots=True)
class Comparison:
    """nDCG@10 of the same questions, by what ranked the answers: "dense", and of "now" and "trained" late interaction
    alone and, with SUMMED behind the name, in the sum with the other legs."""

    name: str
    ndcg: Mapping[str, Doubles]

    def mean(self, name: str) -> Interval:
        return bootstrap(self.ndcg[name])

    def gain(self, name: str, over: str) -> Interval:
        """The paired difference."""
        return bootstrap(self.ndcg[name] - self.ndcg[over])

    def as_json(self) -> dict[str, Any]:
        return {
            "set": self.name,
            "questions": len(next(iter(self.ndcg.values()))),
            "ndcg@10": {name: self.mean(name).as_json() for name in self.ndcg},
            "gain_over_now": self.gain("trained", "now").as_json(),
            "gain_over_dense": self.gain("trained", "dense").as_json(),
            "gain_in_the_sum": self.gain(f"trained{SUMMED}", f"now{SUMMED}").as_json(),
        }


@dataclass(frozen=True, slots=True)
class JudgedSet:
    """Questions, answers, and which answers (by place) are right for each question, with their grades.

    lexical : float32 [questions, answers], BM25.
    """

    name: str
    questions: FrozenStates
    answers: FrozenStates
    right: Sequence[Mapping[int, float]]
    lexical: Floats


def compare_heads(judged: JudgedSet, words: Floats, kept: Mask, heads: Mapping[str, Head]) -> Comparison:
    """Ask every question by the embedding ("dense") and by each head, alone and in the sum.

    words : float32 [vocabulary, hidden]. kept : bool [vocabulary], the word pieces that documents keep.
    """
    questions, answers = judged.questions, judged.answers
    dense = questions.embeddings @ answers.embeddings.T
    found = {"dense": ndcg(dense, judged.right)}
    for name, head in heads.items():
        asked, told = (token_embeddings(states, head, words, kept) for states in (questions, answers))
        late = late_scores(*asked, *told)
        found[name] = ndcg(late, judged.right)
        found[f"{name}{SUMMED}"] = ndcg(leg_sum(dense, late, judged.lexical, np.diff(told[1])), judged.right)
    return Comparison(judged.name, found)


def token_embeddings(states: FrozenStates, head: Head, words: Floats, kept: Mask) -> tuple[Floats, Ints]:
    """The kept tokens of each text, float32 [T, token_dim], and their offsets; of a text that would keep none all."""
    keep = kept[states.token_ids]
    counts = np.add.reduceat(keep.astype(np.int64), states.offsets[:-1])
    owner = np.repeat(np.arange(len(states)), np.diff(states.offsets))
    keep |= counts[owner] == 0
    counts = np.add.reduceat(keep.astype(np.int64), states.offsets[:-1])
    rows = np.flatnonzero(keep)
    hidden = words.shape[1]
    made = [np.empty((0, head.token_dim), np.float32)]
    for start in range(0, len(rows), TOKENS_AT_ONCE):
        own = rows[start : start + TOKENS_AT_ONCE]
        read = states.states[own].astype(np.float32)
        layers = {layer: read[:, nth * hidden : (nth + 1) * hidden] for nth, layer in enumerate(states.layers)}
        layers |= {WORDS: words[states.token_ids[own]], POOLED: states.embeddings[owner[own]]}
        made.append(head.light(layers))
    return np.concatenate(made), np.concatenate([[0], np.cumsum(counts)])


def late_scores(q: Floats, asked: Ints, d: Floats, told: Ints) -> Floats:
    """MaxSim over the question's tokens of each question with each answer, float32 [n, m]."""
    scores = np.empty((len(asked) - 1, len(told) - 1), np.float32)
    for start in range(0, len(scores), QUESTIONS_AT_ONCE):
        stop = min(start + QUESTIONS_AT_ONCE, len(scores))
        best = np.maximum.reduceat(q[asked[start] : asked[stop]] @ d.T, told[:-1], axis=1)
        lengths = np.diff(asked[start : stop + 1])[:, None]
        scores[start:stop] = np.add.reduceat(best, asked[start:stop] - asked[start], axis=0) / lengths
    return scores


def ndcg(scores: Floats, right: Sequence[Mapping[int, float]]) -> Doubles:
    """nDCG@10 of each question, float64 [n]; of equal scores the answer that is first."""
    best = np.argsort(-scores, axis=1, kind="stable")[:, :DEPTH]
    return ndcg_at_k(best.tolist(), list(right), DEPTH)


def bootstrap(values: Doubles, seed: int = 0) -> Interval:
    """The mean over questions, and the percentiles of the means of draws with replacement."""
    draw = np.random.default_rng(seed)
    means = np.array([values[draw.integers(0, len(values), len(values))].mean() for _ in range(DRAWS)])
    low, high = np.percentile(means, ENDS)
    return Interval(float(values.mean()), float(low), float(high))
