"""Several questions that scan in one pass answer as each of them alone, bit for bit."""

from itertools import product
from typing import Any

import numpy as np
import pytest

from xtr_assets.core.types import Mask
from xtr_assets.index import native
from xtr_assets.index.late import search_many
from xtr_assets.index.late.backends.choice import BackendName
from xtr_assets.index.late.index import SearchProfile, TokenIndex
from xtr_assets.index.late.query import make_query
from xtr_assets.index.late.residual_codec import CODECS, Codec
from xtr_assets_tests.index.late.token_corpus import TokenCorpus, make_corpus, unit
from xtr_assets_tests.long_cases import LONG, kept

BACKENDS: list[BackendName] = [*(["native"] if native.available() else []), "numpy"]  # type: ignore[list-item]
ROWS = 120
KS = (1, 10, 2 * ROWS)


@pytest.fixture(scope="module")
def twins() -> TokenCorpus:
    """Documents of which every other one is the one before: each score comes twice, and rows alone tell them apart."""
    made = make_corpus(ROWS // 2, dim=48, queries=37, seed=3)
    documents = [made.document(i // 2) for i in range(ROWS)]
    offsets = np.concatenate([[0], np.cumsum([len(one) for one in documents])]).astype(np.int64)
    # A question of no tokens, one of a single token, one that fills more than a register, and one asked twice.
    longest = unit(np.random.default_rng(5).normal(size=(83, 48)))
    queries = [*made.queries, np.empty((0, 48), np.float32), made.queries[0][:1], longest, made.queries[3]]
    return TokenCorpus(np.concatenate(documents), offsets, queries)


def built(corpus: TokenCorpus, backend: BackendName, codec: Codec) -> TokenIndex:
    """Two segments, of which rows are gone, by a profile that scans."""
    half, cut = ROWS // 2, int(corpus.offsets[ROWS // 2])
    index = TokenIndex.build(
        corpus.tokens[:cut],
        corpus.offsets[: half + 1],
        profile=SearchProfile(scan=True),
        backend=backend,
        codec=codec,
    )
    index.add(corpus.tokens[cut:], corpus.offsets[half:] - cut)
    index.remove([0, 7, 8, half + 1, ROWS - 1])
    return index


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(
    ("backend", "k"),
    # The plain loops take ten times as long.
    kept(product(BACKENDS, KS), [one for one in product(BACKENDS, KS) if one[0] != "numpy" or one[1] == 10]),
)
def test_many_are_as_one_by_one(twins: TokenCorpus, backend: BackendName, codec: Codec, k: int) -> None:
    index = built(twins, backend, codec)
    chance = np.random.default_rng(11)
    half: Mask = chance.random(ROWS) < 0.5
    masks: list[Mask | None] = [None, half, np.zeros(ROWS, np.bool_), np.arange(ROWS) == 5]
    for allowed in masks:
        alone = [index.search_detailed(query, k, allowed=allowed) for query in twins.queries]
        for threads in (1, 2, None) if LONG or backend != "numpy" else (2,):
            scores, rows = index.search_batch(twins.queries, k, allowed=allowed, threads=threads)
            np.testing.assert_array_equal(scores, np.stack([one.scores for one in alone]))
            np.testing.assert_array_equal(rows, np.stack([one.rows for one in alone]))
        exact = [index.exact(query, k, allowed=allowed) for query in twins.queries]
        np.testing.assert_array_equal(scores, np.stack([one for one, _ in exact]))


@pytest.mark.parametrize(("most", "scores"), [(1, 1 << 21), (2, 1 << 21), (16, ROWS), (16, 3 * ROWS)])
def test_whatever_the_pass(twins: TokenCorpus, most: int, scores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    index = built(twins, "auto", CODECS[0])
    whole = index.search_batch(twins.queries, 10)
    monkeypatch.setattr(search_many, "SCAN_QUERIES", most)
    monkeypatch.setattr(search_many, "SCAN_SCORES", scores)
    sizes = passes_of(index, monkeypatch)
    for threads in (1, 2):
        for one, other in zip(index.search_batch(twins.queries, 10, threads=threads), whole, strict=True):
            np.testing.assert_array_equal(one, other)
    asked = sum(len(query) > 0 for query in twins.queries)
    assert sum(sizes) == 2 * asked
    # No more rows than are live are scored in a pass, so a few more questions fit than of all rows.
    assert max(sizes) <= most


def passes_of(index: TokenIndex, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many questions each pass has from now on."""
    sizes: list[int] = []
    backend = index._state.backend
    exact_many = backend.exact_many

    def watched(queries: Any, rows: Any) -> Any:
        sizes.append(len(queries))
        return exact_many(queries, rows)

    monkeypatch.setattr(backend, "exact_many", watched)
    return sizes


def test_one_pass_for_a_block_of_questions(twins: TokenCorpus, monkeypatch: pytest.MonkeyPatch) -> None:
    index = built(twins, "auto", CODECS[0])
    sizes = passes_of(index, monkeypatch)
    index.search_batch(twins.queries, 10, threads=1)
    assert sizes == [16, 16, 8]
    results = index.search_batch([twins.queries[-4]] * 2, 10)
    assert (results[1] == -1).all()


@pytest.mark.skipif(not native.available(), reason="the extension is not there")
def test_damaged_ends_are_refused(twins: TokenCorpus) -> None:
    index = built(twins, "native", CODECS[0])
    backend: Any = index._state.backend
    query = make_query(index.model, twins.queries[0])
    rows = np.arange(1, 4)
    for ends in ([len(query) + 1], [len(query) - 1], [2, 1, len(query)], [-1, len(query)], []):
        with pytest.raises(ValueError, match="ends"):
            backend._index.score(query.codes, None, query.scales, np.array(ends, np.int64), rows)
