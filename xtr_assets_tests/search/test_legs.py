"""Three legs, their weights, the length term, names, and one hit a symbol: against loops over the stored arrays."""

import math
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xtr_assets.config import IndexConfig
from xtr_assets.core.errors import InvalidInput, UnknownFormat
from xtr_assets.core.lexical_terms import document_terms, query_terms
from xtr_assets.core.name_text import name_text
from xtr_assets.core.search_options import SearchOptions
from xtr_assets.search import Searcher
from xtr_assets.search.blend import Blend
from xtr_assets.search.ranker import Mode
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import ENCODER, drafted, make_chunk, write_shard
from xtr_assets_tests.search.conftest import PROFILE

QUERIES = (
    "parse date zebra",
    "pkg2 f40 lock thread queue",
    "open file path read write close",
    "zebra",
    "Rust lock thread",
    "date of Python in rust",
    "tests of lock and thread",
)
WEIGHTS: dict[str, float] = PROFILE["weights"]  # type: ignore[assignment]
FUSED: tuple[Mode, ...] = ("hybrid", "exact")


class Slow:
    """Every live row of a generation scored by loops."""

    def __init__(self, generation: Generation) -> None:
        self.rows = generation.chunk_table().to_pylist()
        live = np.flatnonzero(generation.live)
        self.embeddings = generation.vectors().gather(live)
        self.tokens = [generation.tokens().document(int(row)) for row in live]
        self.documents = [
            Counter(document_terms(row["path"], row["symbol"], row["title"], row["text"])) for row in self.rows
        ]
        self.names = [
            name_text(row["path"], row["symbol"], row["text"], row["kind"]) if row["source"] == "code" else None
            for row in self.rows
        ]
        named = [name for name in self.names if name is not None]
        vectors = dict(zip(named, ENCODER.encode_documents(named).embeddings.astype(np.float32), strict=True))
        self.named = [None if name is None else vectors[name] for name in self.names]

    def scores(self, query: str) -> dict[str, Any]:
        """Per space float64 [n]; NaN where a row has no name, or is called nothing that is asked."""
        encoded = ENCODER.encode_queries([query])
        own, asked = encoded.embeddings[0], encoded.tokens[0]
        return {
            "dense": self.embeddings @ own,
            "name": np.array([np.nan if one is None else one @ own for one in self.named]),
            "xtr": np.array([(asked @ one.T).max(axis=1).mean() for one in self.tokens]),
            "lexical": self.bm25(query),
            "called": self.called(query),
            "digits": self.digits(query),
        }

    def digits(self, query: str) -> Any:
        count = len(self.documents)
        having = [one for one in query_terms(query) if re.search(r"[0-9]", one)]
        parts = {part for one in having for part in re.split(r"\.|[^0-9]+", one) + one.split(".") if part != one}
        held = {one: [one in own for own in self.documents] for one in having if one not in parts}
        rare = {one: there for one, there in held.items() if 0 < sum(there) <= max(5, count / 200)}
        rarity = {one: math.log(1 + (count - sum(them) + 0.5) / (sum(them) + 0.5)) for one, them in rare.items()}
        shares = [sum(rarity[one] for one in rare if rare[one][i]) for i in range(count)]
        return np.array([one / sum(rarity.values()) if one else np.nan for one in shares])

    def called(self, query: str) -> Any:
        frequencies = {term: sum(term in document for document in self.documents) for term in query_terms(query)}
        count = len(self.documents)
        rarity = {term: math.log(1 + (count - n + 0.5) / (n + 0.5)) for term, n in frequencies.items() if n}
        languages = {term for term in rarity if term.startswith(".")}
        words = rarity.keys() - languages
        shares = []
        for row, name in zip(self.rows, self.names, strict=True):
            own = {*document_terms(row["path"], None, None, ""), *document_terms("", row["symbol"], None, "")}
            said = sum(rarity[term] for term in words if term in own)
            share = said / sum(rarity[term] for term in words) if said and name is not None else 0.0
            other = {"py": ".rust", "rs": ".python"}.get(row["path"].split(".")[-1])
            share -= 0.75 if other in languages and len(languages) == 1 else 0.0
            share -= 1.5 if "/tests/" in row["path"] and "test" not in query_terms(query) else 0.0
            shares.append(share or np.nan)
        return np.array(shares)

    def bm25(self, query: str) -> Any:
        count = len(self.documents)
        mean = sum(document.total() for document in self.documents) / count
        total = np.zeros(count)
        for term, times in Counter(query_terms(query)).items():
            frequency = sum(term in document for document in self.documents)
            weight = 2.2 * times * math.log(1 + (count - frequency + 0.5) / (frequency + 0.5)) if frequency else 0.0
            for i, document in enumerate(self.documents):
                norm = 1.2 * (0.25 + 0.75 * document.total() / mean)
                total[i] += weight * document[term] / (document[term] + norm)
        return total

    def total(self, query: str) -> Any:
        """float64 [n]: what hybrid and exact order by."""
        total = self.sums(query)
        if (gained := self.beside(query)) is not None:
            total[gained[0]] += 1.1 * gained[1]
        return total

    def beside(self, query: str) -> tuple[int, float] | None:
        """(row, share): which row comes beside the first, being of the other kind, and how much of 1.1 it gains."""
        sums = self.sums(query)
        first, second, *_ = sorted(range(len(sums)), key=lambda i: (-sums[i], self.rows[i]["chunk_id"]))
        others = [i for i in range(len(sums)) if (self.names[i] is None) != (self.names[first] is None)]
        best = max(others, key=lambda i: sums[i])
        return None if best == second else (best, min(1.1, sums[first] - sums[best]) / 1.1)

    def sums(self, query: str) -> Any:
        """The weighted sums, and what is added to them."""
        scores = self.scores(query)
        pool = set()
        for leg in ("dense", "xtr", "lexical"):
            for i in sorted(range(len(self.rows)), key=lambda i: (-scores[leg][i], self.rows[i]["chunk_id"]))[:60]:
                if leg != "lexical" or scores[leg][i] > 0:
                    pool.add(i)
        chosen = sorted(pool)
        legs = {
            "dense": np.fmax(scores["dense"], scores["name"]),
            "xtr": scores["xtr"] - 0.04 * np.log([len(one) for one in self.tokens]),
            "lexical": scores["lexical"],
        }
        standard = {leg: (values - values[chosen].mean()) / values[chosen].std() for leg, values in legs.items()}
        names = scores["name"] - np.nanmean(scores["name"][chosen])
        standard["name"] = np.nan_to_num(names / legs["dense"][chosen].std())
        return sum(WEIGHTS[leg] * values for leg, values in standard.items()) + np.nan_to_num(
            1.2 * np.nan_to_num(scores["called"]) + 3.0 * np.nan_to_num(scores["digits"])
        )


@pytest.fixture(scope="module")
def slow(legs: Searcher) -> Slow:
    return Slow(legs._now().generation)


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("mode", FUSED)
def test_the_score_is_the_weighted_sum_over_all_legs(legs: Searcher, slow: Slow, query: str, mode: Mode) -> None:
    overrides = {"nprobe": 16} if mode == "hybrid" else {}
    hits = legs.search(query, 10, mode, **overrides)  # type: ignore[arg-type]
    total, scores = slow.total(query), slow.scores(query)
    at = {row["chunk_id"]: i for i, row in enumerate(slow.rows)}
    if (gained := slow.beside(query)) is not None:
        scores["beside"] = np.where(np.arange(len(total)) == gained[0], gained[1], np.nan)
    found = [total[at[hit.chunk_id]] for hit in hits]
    np.testing.assert_allclose([hit.score for hit in hits], found, atol=2e-3)
    np.testing.assert_allclose(found, np.sort(total)[::-1][:10], atol=2e-3)
    for hit in hits:
        shown = {name: values[at[hit.chunk_id]] for name, values in scores.items()}
        assert hit.scores == pytest.approx({name: one for name, one in shown.items() if one == one}, abs=1e-3)
        assert ("name" in hit.scores) == (hit.source == "code")
    if query == QUERIES[1]:
        said = {hit.chunk_id: hit.scores.get("called") for hit in legs.search(query, 60, mode, **overrides)}  # type: ignore[arg-type]
        # Some say pkg2, some f40, many neither; what is no code says nothing.
        assert len({one for one in said.values() if one is not None}) >= 3 and None in said.values()


@pytest.mark.parametrize("query", QUERIES)
def test_maxsim_that_ranks_alone_is_short_of_its_length_and_has_the_whole_text_added(
    legs: Searcher, slow: Slow, query: str
) -> None:
    scores, cosines = (slow.scores(query)[name] for name in ("xtr", "dense"))
    length = 0.03 * np.log([len(one) for one in slow.tokens])
    total = scores - length + 0.4 * cosines
    at = {row["chunk_id"]: i for i, row in enumerate(slow.rows)}
    hits = legs.search(query, 10, "xtr", explain=True)
    found = [at[hit.chunk_id] for hit in hits]
    np.testing.assert_allclose([hit.score for hit in hits], total[found], atol=2e-3)
    np.testing.assert_allclose([hit.scores["xtr"] for hit in hits], scores[found], atol=2e-3)
    np.testing.assert_allclose([hit.scores["dense"] for hit in hits], cosines[found], atol=1e-3)
    # Of the rows that MaxSim lists.
    listed = np.argsort(-scores, kind="stable")[:100]
    np.testing.assert_allclose([hit.score for hit in hits], np.sort(total[listed])[::-1][:10], atol=2e-3)
    # Each term decides: without it they come in another order.
    for without in (scores, scores - length, scores + 0.4 * cosines):
        assert found != listed[np.argsort(-without[listed], kind="stable")][:10].tolist()
    for hit, i in zip(hits, found, strict=True):
        assert hit.explanation is not None
        spaces = hit.explanation.spaces
        assert spaces["xtr"].length == pytest.approx(length[i], abs=1e-6) and spaces["xtr"].weight is None
        assert set(spaces) == {"xtr", "dense"} and (spaces["dense"].weight, spaces["dense"].length) == (0.4, None)
        of_all = hit.explanation.candidates
        assert 100 <= of_all < 200 and 1 <= spaces["dense"].rank <= of_all and spaces["dense"].listed is None
    (first, *_) = hits
    assert first.explanation is not None
    said = str(first.explanation)
    assert f"dense: {first.scores['dense']:.4f} x 0.40, rank " in said and " off for its length, rank " in said
    (dense,) = legs.search(query, 1, "dense", explain=True)
    assert dense.explanation is not None and dense.explanation.spaces["dense"].weight is None


def test_tokens_of_ones_own_are_ranked_by_maxsim_as_it_is(legs: Searcher, slow: Slow) -> None:
    asked = ENCODER.encode_queries([QUERIES[0]]).tokens
    scores, ids = legs.search_tokens(asked, 10)
    true = slow.scores(QUERIES[0])["xtr"]
    np.testing.assert_allclose(scores[0], np.sort(true)[::-1][:10], atol=2e-3)
    at = {row["chunk_id"]: i for i, row in enumerate(slow.rows)}
    np.testing.assert_allclose(scores[0], [true[at[one]] for one in ids[0].tolist()], atol=2e-3)


def test_a_generation_that_says_nothing_of_length_alone_ranks_by_maxsim(searcher: Searcher) -> None:
    for hit in searcher.search("parse date zebra", 10, "xtr", explain=True):
        assert hit.score == hit.scores["xtr"]
        assert hit.explanation is not None and hit.explanation.spaces["xtr"].length is None


@pytest.mark.parametrize("query", QUERIES)
def test_hybrid_finds_what_exact_finds(legs: Searcher, query: str) -> None:
    hybrid, exact = legs.search(query, 10, nprobe=16), legs.search(query, 10, "exact")
    assert [hit.chunk_id for hit in hybrid] == [hit.chunk_id for hit in exact]
    np.testing.assert_allclose([hit.score for hit in hybrid], [hit.score for hit in exact], atol=1e-5)


@pytest.mark.parametrize("mode", ["hybrid", "dense", "xtr"])
@pytest.mark.parametrize("collapse", [None, "symbol", "text"])
def test_a_scan_finds_what_indexes_that_miss_nothing_find(legs: Searcher, mode: Mode, collapse: Any) -> None:
    """Of many hits the last are those that the lists hold: what stands behind every list is missed by no index."""
    every = {} if mode == "xtr" else {"nprobe": 16}
    for query in QUERIES[:2]:
        for k in (10, 100):
            hits = legs.search(query, k, mode, collapse=collapse, **every)  # type: ignore[arg-type]
            options = SearchOptions(k, collapse=collapse)
            (scanned,) = legs.answer([query], options, mode, None, scan=True).hits
            # The token index may miss the end of its list.
            found = {hit.chunk_id for hit in scanned[:k]} & {hit.chunk_id for hit in hits}
            assert len(hits) == k and len(found) >= (0.98 * k if mode == "xtr" else k)
            assert k <= len(scanned) <= k + 8


def test_an_explanation_adds_up_and_shows_weights_length_and_names(legs: Searcher) -> None:
    factors = {**WEIGHTS, "called": 1.2, "digits": 3.0, "beside": 1.1}
    for mode in FUSED:
        for hit in legs.search(QUERIES[1], 10, mode, explain=True):
            assert hit.explanation is not None
            spaces = hit.explanation.spaces
            assert {name: space.score for name, space in spaces.items()} == hit.scores
            parts = [space.z * space.weight for space in spaces.values() if space.z is not None and space.weight]
            assert sum(parts) == pytest.approx(hit.score, abs=1e-6)
            assert {name: space.weight for name, space in spaces.items()} == {name: factors[name] for name in spaces}
            tokens = len(legs.reconstruct([hit.chunk_id])[0].tokens)
            assert spaces["xtr"].length == pytest.approx(0.04 * math.log(tokens), abs=1e-6)
            assert f"{spaces['xtr'].length:.4f} off for its length" in str(hit.explanation)
            assert ("name" in spaces) == (hit.source == "code")
            assert hit.explanation.document()["spaces"]["xtr"]["weight"] == 0.7


def test_a_question_of_no_known_word_leaves_the_lexical_leg_without_a_say(legs: Searcher) -> None:
    for mode in FUSED:
        for hit in legs.search("qqqq wwww", 5, mode, explain=True):
            assert hit.scores["lexical"] == 0.0
            assert hit.explanation is not None and hit.explanation.spaces["lexical"].z == 0.0


@pytest.mark.parametrize("query", ["f50", " F50() ", "mod25.f50", "pkg0.f50", "pkg0.mod25.f50"])
@pytest.mark.parametrize("mode", FUSED)
def test_a_name_alone_finds_first_what_bears_it(legs: Searcher, slow: Slow, query: str, mode: Mode) -> None:
    hits = legs.search(query, 60, mode, explain=True)
    named = [(hit.path, hit.symbol) == ("pkg0/mod25.py", "f50") for hit in hits]
    assert named == [True] * 4 + [False] * (len(hits) - 4)
    total, at = slow.sums(query), {row["chunk_id"]: i for i, row in enumerate(slow.rows)}
    for hit, borne in zip(hits[:10], named, strict=False):
        gained = 1.1 * hit.scores.get("beside", 0.0)
        assert hit.score == pytest.approx(total[at[hit.chunk_id]] + 2.5 * borne + gained, abs=2e-3)
        assert hit.scores.get("symbol") == (1.0 if borne else None)
        assert hit.explanation is not None
        shown = hit.explanation.spaces.get("symbol")
        assert (shown is not None) == borne and (shown is None or (shown.z, shown.weight) == (1.0, 2.5))


@pytest.mark.parametrize("query", ["how is f50 called", "f50 zebra", "mod24.f50", "f5", "f50.", "50"])
def test_a_name_in_a_sentence_or_another_name_adds_nothing(legs: Searcher, query: str) -> None:
    for mode in FUSED:
        assert not any(hit.symbol == "f50" and "symbol" in hit.scores for hit in legs.search(query, 20, mode))


def test_a_name_adds_to_sums_alone(legs: Searcher, searcher: Searcher) -> None:
    for mode in ALL[2:]:
        assert not any("symbol" in hit.scores for hit in legs.search("f50", 20, mode))
    assert not any("symbol" in hit.scores for hit in legs.search("f50", 20, "exact", fusion="rrf"))
    # Published without: ranked as it was.
    assert not any("symbol" in hit.scores for hit in searcher.search("f50", 20))


def test_what_a_chunk_is_called_adds_to_sums_of_scores_alone(legs: Searcher, searcher: Searcher) -> None:
    query = QUERIES[1]
    assert any("called" in hit.scores for hit in legs.search(query, 20))
    for mode in ALL[2:]:
        assert not any("called" in hit.scores for hit in legs.search(query, 20, mode))
    assert not any("called" in hit.scores for hit in legs.search(query, 20, fusion="rrf"))
    # Published without: ranked as it was.
    assert not any("called" in hit.scores for hit in searcher.search(query, 20))


def test_rrf_sums_the_ranks_of_the_legs(legs: Searcher, slow: Slow) -> None:
    query = QUERIES[0]
    scores, ids = slow.scores(query), np.array([row["chunk_id"] for row in slow.rows])
    legs_of = {
        "dense": np.fmax(scores["dense"], scores["name"]),
        "xtr": scores["xtr"] - 0.04 * np.log([len(one) for one in slow.tokens]),
        "lexical": scores["lexical"],
    }
    total = np.zeros(len(ids))
    for leg, values in legs_of.items():
        order = np.lexsort((ids, -values.round(6)))
        for rank, i in enumerate(order, 1):
            total[i] += 1 / (60 + rank) if leg != "lexical" or values[i] > 0 else 0
    hits = legs.search(query, 10, "exact", fusion="rrf")
    np.testing.assert_allclose([hit.score for hit in hits], np.sort(total)[::-1][:10], atol=1e-4)


ALL: tuple[Mode, ...] = ("hybrid", "exact", "dense", "xtr", "lexical")


@pytest.mark.parametrize("mode", ALL)
@pytest.mark.parametrize("k", [1, 10, 60])
def test_one_hit_a_symbol_is_the_best_of_each_and_still_k(legs: Searcher, mode: Mode, k: int) -> None:
    overrides = {} if mode in ("exact", "lexical", "xtr") else {"nprobe": 16}
    for query in QUERIES:
        hits = legs.search(query, k, mode, collapse="symbol", **overrides)  # type: ignore[arg-type]
        places = [(hit.source, hit.path, hit.symbol) for hit in hits]
        assert len(set(places)) == len(places)
        assert len(hits) == k or mode == "lexical"
        assert [(-hit.score, hit.chunk_id) for hit in hits] == sorted((-hit.score, hit.chunk_id) for hit in hits)


@pytest.mark.parametrize("mode", ["exact", "dense", "xtr", "lexical"])
def test_collapsing_leaves_of_the_order_the_first_of_each_symbol(legs: Searcher, mode: Mode) -> None:
    # `k` up to the depth leaves the moments what they are: both searches have one order.
    overrides = {"nprobe": 16} if mode == "dense" else {}
    for query in QUERIES:
        first: dict[tuple[str, str, str], int] = {}
        # Twice as many symbols as lists are long would ask for longer ones.
        for hit in legs.search(query, 50, mode, **overrides):  # type: ignore[arg-type]
            first.setdefault((hit.source, hit.path, hit.symbol), hit.chunk_id)
        hits = legs.search(query, len(first), mode, collapse="symbol", **overrides)  # type: ignore[arg-type]
        assert [hit.chunk_id for hit in hits] == list(first.values())


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("where", [None, {"source": "code"}, {"path": {"glob": "pkg2/*"}}, {"symbol": ["f50", "f51"]}])
def test_collapsed_hybrid_is_collapsed_exact(legs: Searcher, query: str, where: dict[str, Any] | None) -> None:
    hybrid = legs.search(query, 10, where=where, collapse="symbol", nprobe=16)
    exact = legs.search(query, 10, "exact", where, collapse="symbol")
    assert [hit.chunk_id for hit in hybrid] == [hit.chunk_id for hit in exact]
    # Deep in the order a row that no list holds may belong before one that some list does.
    deep, true = ({hit.chunk_id for hit in legs.search(query, 40, mode, where, collapse="symbol")} for mode in FUSED)
    assert len(deep) == len(true) and len(deep & true) >= 0.9 * len(true)


def test_hybrid_with_the_published_profile_finds_nearly_all_that_exact_finds(legs: Searcher) -> None:
    """Measured .98 over these questions, a quarter of the lists read."""
    asked = [
        " ".join(row["text"].split()[:6]) for row in legs._now().generation.chunk_table(["text"]).to_pylist()[::12]
    ]
    shares = [
        len({hit.chunk_id for hit in hybrid} & {hit.chunk_id for hit in exact}) / len(exact)
        for hybrid, exact in zip(legs.search_batch(asked), legs.search_batch(asked, mode="exact"), strict=True)
    ]
    assert len(shares) > 70 and float(np.mean(shares)) >= 0.95


def test_all_symbols_come_where_fewer_than_k_are_there(legs: Searcher, slow: Slow) -> None:
    code = {(row["path"], row["symbol"]) for row in slow.rows if row["source"] == "code"}
    for mode in ALL[:4]:
        hits = legs.search(QUERIES[0], 500, mode, {"source": "code"}, collapse="symbol")
        assert {(hit.path, hit.symbol) for hit in hits} == code and len(hits) == len(code)


def test_a_batch_of_collapsed_searches_gives_what_single_ones_give(legs: Searcher) -> None:
    batch = legs.search_batch(list(QUERIES), 12, collapse="symbol")
    for query, hits in zip(QUERIES, batch, strict=True):
        single = legs.search(query, 12, collapse="symbol")
        assert [hit.chunk_id for hit in hits] == [hit.chunk_id for hit in single]
        # A batch is encoded in one pass, whose sums may differ by their last bit.
        assert [hit.score for hit in hits] == pytest.approx([hit.score for hit in single], abs=1e-5)


def test_another_collapse_is_refused(legs: Searcher) -> None:
    with pytest.raises(InvalidInput, match="collapse is 'file'; use 'symbol' or 'text', or None"):
        legs.search("zebra", collapse="file")  # type: ignore[arg-type]


def test_a_generation_without_weights_is_ranked_as_it_was_published(searcher: Searcher) -> None:
    assert searcher._now().legs.blend == Blend(100, {"dense": 1.0, "xtr": 1.0}, 0.0, names=False)
    for hit in searcher.search("zebra", 5, explain=True):
        assert set(hit.scores) == {"dense", "xtr"}


@pytest.mark.parametrize(
    "kept",
    [
        {"weights": {"dense": 1.0, "sparse": 0.5}},
        {"weights": {"dense": -1.0}},
        {"weights": {"dense": float("nan")}},
        {"weights": {"dense": True}},
        {"weights": ["dense"]},
        {"weights": {"dense": 1.0}, "length": "long"},
        {"weights": {"dense": 1.0}, "symbol": -1.0},
        {"weights": {"dense": 1.0}, "symbol": "first"},
        {"weights": {"dense": 1.0}, "alone": float("inf")},
        {"weights": {"dense": 1.0}, "called": -2.0},
        {"weights": {"dense": 1.0}, "pooled": -0.1},
        {"weights": {"lexical": 1.0}},
    ],
)
def test_weights_that_this_release_cannot_follow_are_refused(kept: Any) -> None:
    with pytest.raises(UnknownFormat, match=r"hybrid weights .* open it with the release that wrote it"):
        Blend.of(kept)


def test_what_a_later_release_ranks_by_is_refused_and_what_it_sets_to_nothing_is_not() -> None:
    later = {**Blend.standard().document(), "age": 0.5}
    with pytest.raises(UnknownFormat, match="sets age of hybrid, by which this release does not rank"):
        Blend.of(later)
    assert Blend.of({**later, "age": 0.0}) == Blend.standard()


PAIRS: list[Any] = [
    {"kind": "minilm"},
    {"dense": {"kind": "hashing"}, "tokens": {"kind": "static", "model": "m"}},
    {"dense": {"kind": "minilm"}, "tokens": {"kind": "xtr", "model": "m"}},
    {"dense": {"kind": "hashing"}},
]


def test_what_a_new_generation_is_published_with_reads_back() -> None:
    assert Blend.of(Blend.standard().document()) == Blend.standard()


def test_length_takes_nothing_off_alone_where_a_model_learnt_to_rank_by_maxsim() -> None:
    source = {"name": "s", "kind": "text", "path": "s"}
    configs = [{"name": "a", "warehouse": "w", "sources": [source], "encoder": one} for one in PAIRS]
    taught = [IndexConfig.model_validate(one).token_kind for one in configs]
    assert taught == ["minilm", "static", "xtr", ""]
    assert [Blend.standard(tokens_by=kind).alone > 0 for kind in taught] == [True, True, False, False]
    assert [Blend.standard(tokens_by=kind).pooled for kind in taught] == [0.6, 0.6, 0.0, 0.0]
    assert Blend.standard(frozenset({"dense"})).pooled == Blend.standard(frozenset({"tokens"})).pooled == 0.0
    assert {Blend.standard(tokens_by=kind).length for kind in taught} == {0.025}


def test_a_language_counts_where_nothing_has_a_name(tmp_path: Path) -> None:
    made = Warehouse.create(tmp_path / "warehouse")
    write_shard(made, "code", [make_chunk(f"zip.{suffix}", "zip", "fold a list") for suffix in ("py", "rs")])
    draft = drafted(made, recipe="Flat")
    draft.set_profile("hybrid", PROFILE)
    made.publish(draft.number, force_reason="these tests have no gate")
    with Searcher(made, device="cpu") as opened:
        for mode in FUSED:
            first, second = opened.search("fold a list in Rust", 2, mode, explain=True)
            assert (first.path, second.path) == ("zip.rs", "zip.py")
            assert (first.scores.get("called"), second.scores.get("called")) == (None, -0.75)
            # Who has none of it stands before who loses.
            assert second.explanation is not None and second.explanation.spaces["called"].rank == 2


def test_tests_lose_where_nobody_asks_for_them(tmp_path: Path) -> None:
    made = Warehouse.create(tmp_path / "warehouse")
    text = "follow redirects until the limit"
    places = (("http/follow.py", "follow"), ("tests/http/follow.py", "follow"), ("http/follow_test.go", "TestFollow"))
    write_shard(made, "code", [make_chunk(*place, text) for place in places])
    write_shard(made, "docs", [make_chunk("tests/guide.md", "Follow", text, source="docs", kind="section")])
    draft = drafted(made, recipe="Flat")
    draft.set_profile("hybrid", PROFILE)
    made.publish(draft.number, force_reason="these tests have no gate")
    with Searcher(made, device="cpu") as opened:
        for mode in FUSED:
            hits = opened.search(text, 4, mode, explain=True)
            assert {hit.path for hit in hits[2:]} == {"tests/http/follow.py", "http/follow_test.go"}
            assert [hit.scores.get("called", 0.0) < -1 for hit in hits] == [False, False, True, True]
            # Two of them are told the same but for what tests lose: 1.5 of a share, by 1.2.
            by_path = {hit.path: hit for hit in hits}
            apart = by_path["http/follow.py"].score - by_path["tests/http/follow.py"].score
            assert apart > 1.2
            assert "called: -1.5" in str(by_path["tests/http/follow.py"].explanation)
            asked = opened.search(f"tests that {text}", 4, mode)
            assert all(hit.scores.get("called", 0.0) >= 0 for hit in asked)
            (alone,) = opened.search(text, 1, mode, where={"path": {"glob": "tests/**/*.py"}})
            assert alone.path == "tests/http/follow.py"
        for single in ("dense", "xtr", "lexical"):
            assert all("called" not in hit.scores for hit in opened.search(text, 4, single))


def test_an_index_that_says_nothing_of_tests_takes_nothing_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xtr_assets.core.lexical_terms.is_of_tests", lambda path, symbol: False)
    made = Warehouse.create(tmp_path / "warehouse")
    write_shard(made, "code", [make_chunk(f"{name}.py", "f", "follow redirects") for name in ("test_x", "y")])
    draft = drafted(made, recipe="Flat")
    draft.set_profile("hybrid", PROFILE)
    made.publish(draft.number, force_reason="these tests have no gate")
    with Searcher(made, device="cpu") as opened:
        assert all("called" not in hit.scores for hit in opened.search("follow redirects", 2))
