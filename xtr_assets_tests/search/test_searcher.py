"""Every mode against brute force, and the edges of what can be asked."""

from pathlib import Path

import numpy as np
import pytest

import xtr_assets as xa
from xtr_assets.core.errors import EncoderMismatch, GenerationError, InvalidInput
from xtr_assets.search import Searcher
from xtr_assets.search.ranker import Mode
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import ENCODER, make_chunk, new_warehouse
from xtr_assets_tests.search.reference import Reference

QUERIES = ("parse date", "zebra", "open file path read write close", "lock thread queue unknownword")
MODES: tuple[Mode, ...] = ("dense", "xtr", "hybrid", "exact")


@pytest.fixture(scope="session")
def generation(warehouse: Warehouse) -> Generation:
    published = warehouse.published
    assert published is not None
    assert not published.live.all()
    return published


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("k", [1, 10, 40])
def test_dense_with_all_lists_probed_is_the_brute_force_ranking(
    searcher: Searcher, generation: Generation, query: str, k: int
) -> None:
    reference = Reference.of(generation, query)
    reference.check(searcher.search(query, k, "dense", nprobe=16), reference.dense, k)


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("k", [1, 10, 40])
def test_xtr_scores_are_maxsim_and_its_ranking_the_brute_force_one(
    searcher: Searcher, generation: Generation, query: str, k: int
) -> None:
    reference = Reference.of(generation, query)
    reference.check(searcher.search(query, k, "xtr"), reference.xtr, k)


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("mode", ["hybrid", "exact"])
def test_hybrid_and_exact_rank_by_the_sum_of_z_scores(
    searcher: Searcher, generation: Generation, query: str, mode: Mode
) -> None:
    reference = Reference.of(generation, query)
    overrides = {"nprobe": 16} if mode == "hybrid" else {}
    hits = searcher.search(query, 10, mode, **overrides)  # type: ignore[arg-type]
    reference.check(hits, reference.zsum(), 10)
    by_id = {chunk_id: i for i, chunk_id in enumerate(reference.ids)}
    for hit in hits:
        assert hit.scores["dense"] == pytest.approx(reference.dense[by_id[hit.chunk_id]], abs=1e-5)
        assert hit.scores["xtr"] == pytest.approx(reference.xtr[by_id[hit.chunk_id]], abs=1e-5)


@pytest.mark.parametrize("query", QUERIES)
def test_exact_with_rrf_sums_reciprocal_ranks_of_both_spaces(
    searcher: Searcher, generation: Generation, query: str
) -> None:
    reference = Reference.of(generation, query)
    reference.check(searcher.search(query, 10, "exact", fusion="rrf"), reference.rrf(), 10)


@pytest.mark.parametrize("mode", MODES)
def test_a_hit_shows_its_chunk(searcher: Searcher, generation: Generation, mode: Mode) -> None:
    table = generation.chunk_table().to_pylist()
    rows = {row["chunk_id"]: row for row in table}
    for hit in searcher.search("guide zebra", 5, mode, where={"source": "docs"}):
        row = rows[hit.chunk_id]
        for name in ("source", "path", "symbol", "kind", "part", "start_line", "end_line", "title", "text"):
            assert getattr(hit, name) == row[name]
        assert hit.metadata["tags"][1] == "all"
        assert hit.explanation is None


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "where",
    [
        {"source": "docs"},
        {"path": {"glob": "pkg2/*"}, "kind": "method"},
        {"year": {"gte": 2020}, "tags": "t1"},
        {"chunk_id": {"gt": 2**62}},
        {"symbol": "f17"},
        {"symbol": "nowhere"},
    ],
)
def test_filtered_results_are_exact_at_any_selectivity(
    searcher: Searcher, generation: Generation, mode: Mode, where: dict[str, object]
) -> None:
    everything = searcher.search("parse date", 2000, "exact", where)
    allowed = {hit.chunk_id for hit in everything}
    reference = Reference.of(generation, "parse date").restricted(allowed)
    assert len(reference.ids) == len(allowed)
    hits = searcher.search("parse date", 10, mode, where)
    if not allowed:
        assert hits == []
        return
    if len(reference.ids) > 1:
        scores = {"dense": reference.dense, "xtr": reference.xtr}.get(mode, reference.zsum())
        reference.check(hits, scores, 10, tolerance=2e-3)
    else:
        assert [hit.chunk_id for hit in hits] == reference.ids


def test_a_filter_on_an_unknown_column_names_the_columns_there_are(searcher: Searcher) -> None:
    for query in ("zebra", ""):
        with pytest.raises(InvalidInput, match=r"'author'.*source, path.*metadata fields tags, year"):
            searcher.search(query, where={"author": "x"})


@pytest.mark.parametrize("mode", MODES)
def test_nothing_is_found_for_an_empty_query_or_no_hits_wanted(searcher: Searcher, mode: Mode) -> None:
    assert searcher.search("", 10, mode) == []
    assert searcher.search(" \n\t", 10, mode) == []


@pytest.mark.parametrize("mode", MODES)
def test_more_hits_than_rows_gives_every_live_row_once(searcher: Searcher, generation: Generation, mode: Mode) -> None:
    hits = searcher.search("parse date", 10_000, mode)
    assert len(hits) == generation.live_rows
    assert len({hit.chunk_id for hit in hits}) == generation.live_rows


def test_dead_rows_are_found_in_the_generation_that_had_them_only(warehouse: Warehouse, searcher: Searcher) -> None:
    gone = {"path": "pkg3/mod3.py"}
    with xa.open(warehouse.root, generation=1) as before:
        assert before.search("zebra", 5, "exact", gone)
    for mode in MODES:
        assert searcher.search("zebra", 5, mode, gone) == []


@pytest.mark.parametrize("mode", MODES)
def test_an_over_long_query_is_answered(searcher: Searcher, mode: Mode) -> None:
    assert len(searcher.search("zebra parse date " * 700, 3, mode)) == 3


@pytest.mark.parametrize("mode", MODES)
def test_a_query_of_punctuation_is_answered_or_finds_nothing_but_never_fails(searcher: Searcher, mode: Mode) -> None:
    assert len(searcher.search("?!", 3, mode)) in (0, 3)


@pytest.mark.parametrize("mode", MODES)
def test_a_batch_gives_what_single_searches_give(searcher: Searcher, mode: Mode) -> None:
    batch = searcher.search_batch([*QUERIES, "  "], 7, mode)
    assert batch == [*(searcher.search(query, 7, mode) for query in QUERIES), []]
    assert searcher.search_batch([], 7, mode) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": -1}, "k is -1; pass a whole number from 1"),
        ({"k": 2.5}, "k is 2.5"),
        ({"k": 0}, "k is 0; pass a whole number from 1"),
        ({"k": True}, "k is True"),
        ({"k": 2**40}, "k is 1099511627776"),
        ({"mode": "magic"}, "mode is 'magic'; use one of hybrid, dense, xtr, lexical, exact"),
        ({"fusion": "sum"}, "fusion is 'sum'; use one of zsum, rrf"),
        ({"fusion": "rrf", "mode": "dense"}, "one ranking; use mode hybrid or exact"),
        ({"nprobe": 0}, "nprobe is 0; pass a whole number of at least 1"),
        ({"k_prime": 5, "mode": "dense"}, "k_prime is 5 in mode 'dense', which does not use it"),
        ({"rescore": 5, "mode": "exact"}, "rescore is 5 in mode 'exact', which does not use it"),
        ({"where": {"path": {"like": "x"}}}, "operator 'like'"),
    ],
)
def test_a_wrong_argument_is_refused_with_what_is_allowed(
    searcher: Searcher, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        searcher.search("zebra", **arguments)  # type: ignore[arg-type]


def test_queries_that_are_no_texts_are_refused(searcher: Searcher) -> None:
    with pytest.raises(InvalidInput, match="query 1 is a int"):
        searcher.search_batch(["a", 3])  # type: ignore[list-item]
    with pytest.raises(InvalidInput, match="a batch is a ndarray; pass a list of queries"):
        searcher.search_batch(np.array("a"))
    with pytest.raises(InvalidInput, match="a batch is one text"):
        searcher.search_batch("zebra")


def test_vectors_and_tokens_of_ones_own_give_what_texts_give(searcher: Searcher) -> None:
    encoded = ENCODER.encode_queries(list(QUERIES))
    for mode, (scores, ids) in {
        "dense": searcher.search_vectors(encoded.embeddings, 9),
        "xtr": searcher.search_tokens(encoded.tokens, 9),
    }.items():
        assert scores.dtype == np.float32 and ids.dtype == np.int64
        assert scores.shape == ids.shape == (4, 9)
        for i, query in enumerate(QUERIES):
            hits = searcher.search(query, 9, mode)  # type: ignore[arg-type]
            assert ids[i].tolist() == [hit.chunk_id for hit in hits]
            np.testing.assert_allclose(scores[i], [hit.score for hit in hits], atol=1e-6)


def test_arrays_are_padded_where_there_are_fewer_rows(searcher: Searcher) -> None:
    query = ENCODER.encode_queries(["zebra"])
    for scores, ids in (
        searcher.search_vectors(query.embeddings, 5, {"symbol": ["f1", "f2"]}),
        searcher.search_tokens(query.tokens, 5, {"symbol": ["f1", "f2"]}),
    ):
        assert (ids[0, :2] >= 0).all() and (ids[0, 2:] == -1).all()
        assert np.isfinite(scores[0, :2]).all() and np.isneginf(scores[0, 2:]).all()


def test_queries_of_no_tokens_and_no_queries_find_nothing(searcher: Searcher) -> None:
    scores, ids = searcher.search_tokens([np.empty((0, 32), np.float32)], 3)
    assert ids.tolist() == [[-1, -1, -1]] and np.isneginf(scores).all()
    assert searcher.search_tokens([], 3)[1].shape == (0, 3)
    assert searcher.search_vectors(np.empty((0, 64), np.float32), 3)[1].shape == (0, 3)


def test_vectors_that_do_not_fit_are_refused(searcher: Searcher) -> None:
    with pytest.raises(EncoderMismatch, match="dim 64 in the index, 8 in the queries"):
        searcher.search_vectors(np.ones((1, 8), np.float32))
    with pytest.raises(InvalidInput, match=r"shape \(64,\); pass \[n, 64\]"):
        searcher.search_vectors(np.ones(64, np.float32))
    with pytest.raises(InvalidInput, match="query 1 holds NaN"):
        searcher.search_vectors(np.array([np.ones(64), np.full(64, np.nan)], np.float32))
    with pytest.raises(EncoderMismatch, match="token dim 32 in the index, 8 in query 1"):
        searcher.search_tokens([np.ones((1, 32), np.float32), np.ones((3, 8), np.float32)])
    with pytest.raises(InvalidInput, match="query 0, token 2 holds NaN"):
        searcher.search_tokens([np.array([[0.0] * 32, [1.0] * 32, [np.inf] * 32], np.float32)])
    with pytest.raises(InvalidInput, match="not an array of numbers"):
        searcher.search_vectors("zebra")  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", MODES)
def test_equal_texts_are_ordered_by_chunk_id_and_cut_by_it(path: Path, mode: Mode) -> None:
    # 300 copies over 30 files among others: far more ties than hits, spread over the rows.
    chunks = [make_chunk(f"{i % 30}.py", f"s{i}", "zebra parse" if i % 2 else f"other words {i}") for i in range(600)]
    new_warehouse(path, chunks)
    copies = sorted(chunk.chunk_id for chunk in chunks if chunk.text == "zebra parse")
    with xa.open(path, device="cpu") as searcher:
        for k in (1, 7, 150, 300):
            assert [hit.chunk_id for hit in searcher.search("zebra parse", k, mode)] == copies[:k]


@pytest.mark.parametrize("mode", MODES)
def test_a_corpus_of_one_chunk_of_one_token_is_searched(path: Path, mode: Mode) -> None:
    new_warehouse(path, [make_chunk("a.py", "f", "zebra")])
    with xa.open(path, device="cpu") as searcher:
        (hit,) = searcher.search("zebra", 10, mode)
        assert hit.path == "a.py"
        assert all(score == pytest.approx(1.0, abs=0.01) for score in hit.scores.values())


def test_an_empty_generation_finds_nothing(path: Path) -> None:
    warehouse = new_warehouse(path, [])
    assert warehouse.published is not None and warehouse.published.live_rows == 0
    with xa.open(path, device="cpu") as searcher:
        for mode in MODES:
            assert searcher.search("zebra", 10, mode) == []
        assert searcher.search_vectors(np.ones((1, 64), np.float32), 2)[1].tolist() == [[-1, -1]]


def test_a_warehouse_without_a_published_generation_says_what_to_do(path: Path) -> None:
    Warehouse.create(path)
    with pytest.raises(GenerationError, match=r"nothing is published.*xtr-assets build"):
        xa.open(path)


def test_another_encoder_than_the_warehouses_is_refused(warehouse: Warehouse) -> None:
    from xtr_assets.config import HashingConfig

    with (
        Searcher(warehouse, encoder=HashingConfig(dim=64, token_dim=16)) as searcher,
        pytest.raises(EncoderMismatch, match="hashing-64-32 with fingerprint"),
    ):
        searcher.search("zebra")


def test_the_stored_vectors_of_hits_are_what_they_were_scored_with(searcher: Searcher, generation: Generation) -> None:
    hits = searcher.search("parse date", 5)
    query = ENCODER.encode_queries(["parse date"])
    for hit, stored in zip(hits, searcher.reconstruct([hit.chunk_id for hit in hits]), strict=True):
        assert stored.chunk_id == hit.chunk_id
        assert stored.embedding.dtype == np.float32
        assert stored.embedding @ query.embeddings[0] == pytest.approx(hit.scores["dense"], abs=1e-5)
        best = (query.tokens[0] @ stored.tokens.T).max(axis=1).mean()
        assert best == pytest.approx(hit.scores["xtr"], abs=1e-5)
    assert searcher.reconstruct([]) == []


def test_what_no_live_row_holds_cannot_be_reconstructed(searcher: Searcher, generation: Generation) -> None:
    held = set(searcher._now().chunk_ids[generation.live].tolist())
    dead = next(int(one) for one in searcher._now().chunk_ids if one >= 0 and int(one) not in held)
    for wrong, said in ((dead, f"chunk {dead} is not in generation"), (-1, "chunk -1 is not"), (2**70, "is not in")):
        with pytest.raises(InvalidInput, match=said):
            searcher.reconstruct([wrong])
    for odd in (True, 1.0, "7", None):
        with pytest.raises(InvalidInput, match="pass the whole number that a hit shows"):
            searcher.reconstruct([odd])  # type: ignore[list-item]
