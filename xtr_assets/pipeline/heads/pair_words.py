"""BM25 of the questions and answers of a batch: what words find already, a head need not learn."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from xtr_assets.core.lexical_terms import document_terms, query_terms
from xtr_assets.core.types import Floats, Ints

# As the lexical index has them (index/lexical/bm25.py).
K1, B = 1.2, 0.75


@dataclass(frozen=True, slots=True)
class PairWords:
    """Terms by number. questions : of each int64 [terms], each once; answers : of each int64 [terms], ascending, and
    what each is worth for a question that has it, float32 [terms]."""

    questions: Sequence[Ints]
    answers: Sequence[tuple[Ints, Floats]]

    @classmethod
    def of(cls, questions: Iterable[str], answers: Iterable[str]) -> "PairWords":
        """Frequencies and the mean length are those of all the answers."""
        numbers: dict[str, int] = {}

        def number(term: str) -> int:
            return numbers.setdefault(term, len(numbers))

        counts = [Counter(map(number, document_terms("", None, "", text))) for text in answers]
        asked = [np.array([*map(number, query_terms(text))], np.int64) for text in questions]
        frequencies = np.zeros(len(numbers), np.int64)
        for one in counts:
            frequencies[list(one)] += 1
        rarity = np.log1p((len(counts) - frequencies + 0.5) / (frequencies + 0.5)) * (K1 + 1)
        mean = max(1.0, sum(one.total() for one in counts) / max(1, len(counts)))
        return cls(asked, [_weighed(one, rarity, mean) for one in counts])

    def scores(self, chosen: Ints) -> Floats:
        """BM25 of each chosen question in each chosen answer, float32 [n, n]."""
        mine = [self.questions[i] for i in chosen]
        terms = np.unique(np.concatenate([np.empty(0, np.int64), *mine]))
        asked, told = np.zeros((2, len(mine), len(terms)), np.float32)
        for nth, own in enumerate(mine):
            asked[nth, np.searchsorted(terms, own)] = 1.0
        for nth, (own, worth) in enumerate(self.answers[i] for i in chosen):
            met = np.isin(own, terms, assume_unique=True)
            told[nth, np.searchsorted(terms, own[met])] = worth[met]
        scores: Floats = asked @ told.T
        return scores


def _weighed(counts: Counter[int], rarity: Floats, mean: float) -> tuple[Ints, Floats]:
    terms = np.array(sorted(counts), np.int64)
    often = np.array([counts[term] for term in terms.tolist()], np.float64)
    norm = K1 * (1 - B + B * counts.total() / mean)
    worth: Floats = (rarity[terms] * often / (often + norm)).astype(np.float32)
    return terms, worth
