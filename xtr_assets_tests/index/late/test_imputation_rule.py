"""XTR's rule for missing similarities, as retrieval applies it to lists, against dictionaries.

Lee et al. 2023, section 3.2, as the authors' notebook runs it: each query token keeps the k' best that it retrieved; a
document of which it kept none gets the similarity of the last one kept. Here a token stands for its list, so that what
is retrieved is documents by the level of the list that holds them. The lists that nobody read hold nothing better than
the best of them.
"""

import numpy as np
import pytest

from xtr_assets.core.imputation import best_per_document, floor_of, impute
from xtr_assets.core.types import Floats, Ints
from xtr_assets.index.late.options import Depths
from xtr_assets.index.late.query import best_lists, centroid_levels, centroid_scores, make_query
from xtr_assets_tests.index.late.test_backends import OTHERS, backends_of
from xtr_assets_tests.index.late.token_corpus import make_corpus


def paper_scores(retrieved: list[list[tuple[int, float]]], k_prime: int, unread: list[float]) -> dict[int, float]:
    """Per document the sum over query tokens; retrieved : (document, similarity) per query token, the best first."""
    missing, kept = [], []
    for pairs, beyond in zip(retrieved, unread, strict=True):
        last = pairs[k_prime - 1][1] if len(pairs) >= k_prime else beyond
        missing.append(max(last, beyond))
        best: dict[int, float] = {}
        for document, similarity in pairs:
            if similarity >= missing[-1]:
                best.setdefault(document, similarity)
        kept.append(best)
    documents = set().union(*kept)
    return {one: sum(best.get(one, floor) for best, floor in zip(kept, missing, strict=True)) for one in documents}


@pytest.mark.parametrize(("nprobe", "k_prime"), [(3, 8), (3, 10_000), (12, 40), (400, 25)])
def test_what_no_list_met_takes_the_last_similarity(nprobe: int, k_prime: int) -> None:
    corpus = make_corpus(120, dim=24, length=12, queries=6)
    model, reference, others = backends_of(corpus, [0, 50, 120], 24, OTHERS[-1:])
    places = np.concatenate([np.arange(s.base_row, s.base_row + s.rows) for s in reference.segments])
    for tokens in corpus.queries:
        query = make_query(model, tokens)
        scores = centroid_scores(model, query)
        levels = centroid_levels(scores)
        probes = best_lists(scores, levels, nprobe)
        retrieved: list[list[tuple[int, float]]] = []
        for token in range(len(query)):
            pairs = []
            for number, level in zip(probes.lists[token], probes.levels[token], strict=True):
                for segment in reference.segments:
                    start, stop = segment.postings.lists[number], segment.postings.lists[number + 1]
                    found = segment.postings.documents[start:stop]
                    pairs += [(segment.base_row + int(document), float(level)) for document in found]
            retrieved.append(pairs)
        floors = [float(floor) for floor in probes.floors]
        expected = paper_scores(retrieved, k_prime, floors)

        gains, _, _ = reference.gains(probes, k_prime, None)
        shared = sum(reference.counted(probes, token, k_prime, None)[2] for token in range(len(query)))
        met = np.flatnonzero(gains >= 0)
        assert set(met.tolist()) == set(expected) <= set(places.tolist())
        assert {int(row): float(gains[row] + shared) for row in met} == expected
        # And a compiled backend goes on with the same rows.
        depths = Depths(nprobe=nprobe, k_prime=k_prime, met=30, limit=20, keep=0)
        np.testing.assert_array_equal(
            others[0].retrieve(query, depths, None).rows, reference.retrieve(query, depths, None).rows
        )


def by_dictionaries(query: Floats, tokens: Floats, offsets: Ints, k_prime: int) -> dict[int, float]:
    """XTR over all tokens: every query token retrieves its k' best of them."""
    owner = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    retrieved = []
    for one in query:
        similarities = tokens @ one
        order = np.argsort(-similarities, kind="stable")[:k_prime]
        retrieved.append([(int(owner[place]), float(similarities[place])) for place in order])
    return paper_scores(retrieved, k_prime, [-np.inf] * len(query))


@pytest.mark.parametrize("k_prime", [1, 7, 60])
def test_the_parts_of_the_rule_make_the_papers_score(k_prime: int) -> None:
    corpus = make_corpus(40, dim=16, length=8, queries=4, seed=3)
    owner = np.repeat(np.arange(40), np.diff(corpus.offsets))
    for query in corpus.queries:
        similarities = query @ corpus.tokens.T
        floor = np.array([floor_of(row, k_prime) for row in similarities], np.float32)
        best = np.full((40, len(query)), np.nan, np.float32)
        for token, row in enumerate(similarities):
            kept = row >= floor[token]
            documents, values = best_per_document(row[kept], owner[kept])
            best[documents, token] = values
        met = np.flatnonzero(~np.isnan(best).all(axis=1))
        expected = by_dictionaries(query, corpus.tokens, corpus.offsets, k_prime)
        assert met.tolist() == sorted(expected)
        np.testing.assert_allclose(impute(best[met], floor), [expected[row] for row in met.tolist()], rtol=1e-5)
        # Nothing of a document that was met is more similar than what stands for it: imputation never falls short.
        whole = [(query @ corpus.document(row).T).max(axis=1).sum() for row in met.tolist()]
        assert (impute(best[met], floor) >= np.array(whole, np.float32) - 1e-4).all()
