"""BM25 of a batch against the product's index, which shares no code with it."""

from pathlib import Path

import numpy as np

from xtr_assets.core.lexical_terms import document_terms, query_terms
from xtr_assets.pipeline.heads.judged_set import JudgedTexts, word_scores
from xtr_assets.pipeline.heads.pair_words import PairWords

ANSWERS = [
    "def parse_date(text): return date.fromisoformat(text)",
    "parse the dates; parse them again, and parse",
    "a lock is held while the queue is read",
    "",
    "queue.put(item) and queue.get() by threads",
]
QUESTIONS = ["how to parse a date", "queue of threads", "nothing met", "", "parse parse lock"]


def test_a_batch_has_the_scores_of_the_lexical_index(tmp_path: Path) -> None:
    made = PairWords.of(QUESTIONS, ANSWERS)
    expected = word_scores(JudgedTexts("x", QUESTIONS, ANSWERS, []), tmp_path)
    np.testing.assert_allclose(made.scores(np.arange(5)), expected, rtol=1e-5, atol=1e-5)
    assert (expected > 0).sum() >= 6
    # Any batch, in any order: what a term is worth is what it is worth among all the answers.
    chosen = np.array([4, 1, 0])
    np.testing.assert_allclose(made.scores(chosen), expected[np.ix_(chosen, chosen)], rtol=1e-5, atol=1e-5)


def test_the_index_says_what_the_definition_says(tmp_path: Path) -> None:
    """By Lucene's formula, a term at a time."""
    documents = [document_terms("", None, "", text) for text in ANSWERS]
    mean = sum(map(len, documents)) / len(documents)
    found = word_scores(JudgedTexts("x", QUESTIONS, ANSWERS, []), tmp_path)
    for i, question in enumerate(QUESTIONS):
        for j, terms in enumerate(documents):
            score = 0.0
            for term in query_terms(question):
                among, count = sum(term in one for one in documents), terms.count(term)
                rarity = np.log(1 + (len(documents) - among + 0.5) / (among + 0.5))
                score += rarity * 2.2 * count / (count + 1.2 * (0.25 + 0.75 * len(terms) / mean))
            np.testing.assert_allclose(found[i, j], score, rtol=1e-4, atol=1e-6)
