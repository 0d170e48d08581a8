"""A set of parts answers as one index over the same rows does: the same hits, scores, explanations and confidences.

One corpus of five shards, among them one of a single chunk and one of none, with chunks deleted since, texts that stand
in several parts, names in one shard and metadata in another; as one index, and as 1, 2 and 5 parts in other orders.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import xtr_assets as xa
from xtr_assets.core.asked_name import asked_name
from xtr_assets.core.asked_place import asked_places
from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.fusion import Moments
from xtr_assets.core.lexical_terms import query_terms
from xtr_assets.core.query_syntax import Query, parse_query, unquoted
from xtr_assets.core.search_options import SearchOptions
from xtr_assets.core.types import Chunk
from xtr_assets.core.where_syntax import parse_where
from xtr_assets.index.lexical.collection import Collection
from xtr_assets.search import Hit, Searcher
from xtr_assets.search.blend import ADDED
from xtr_assets.search.confidence import LowestConfidence
from xtr_assets.search.open_parts import OpenParts
from xtr_assets.search.part_legs import part_candidates, part_scan
from xtr_assets.search.part_merge import Merged, first_lists, merged_hits
from xtr_assets.search.part_ranks import RankedParts, added, first_most, part_ranks, placed, wanted_ranks
from xtr_assets.search.part_spaces import DenseParts
from xtr_assets.search.ranker import Ranker
from xtr_assets.search.request import Ask
from xtr_assets.search.retrievers import Listed, QueryVectors
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import ENCODER, drafted, write_shard
from xtr_assets_tests.long_cases import more
from xtr_assets_tests.search.conftest import CURVE, PROFILE, corpus

# The order of parts, and so of rows, differs from that of the one index.
SPLITS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "one": (("c", "a", "e", "b", "d"),),
    "two": (("b", "d", "e"), ("a", "c")),
    "five": (("e",), ("c",), ("a",), ("d",), ("b",)),
}
MODES = ("dense", "xtr", "lexical", "hybrid", "exact")
QUERIES = (
    "parse date zebra",
    "lock thread queue in Rust",
    "guide",
    "zebra",
    "f2 mod4 open file",
    '"open file" path',
    "+zebra index of a token",
    "unknownword",
    "f2",
    "mod4.f1()",
    "mod4.rs",
    "zebra guide/3.md:1 pkg2/mod12.py:13",
    "zebra " + " ".join(f"guide/{i % 11}.md:1" for i in range(11)),
    'File "/x/pkg2/mod2.py", line 3, in f\n  File "/x/pkg4/mod4.rs", line 120, in g',
    "",
)
FILTERS: tuple[dict[str, Any] | None, ...] = (
    None,
    {"source": "docs"},
    {"path": {"glob": "pkg2/*"}},
    {"kind": "method"},
    {"year": {"gte": 2019}},
    {"year": {"not": 2019}},
    {"year": None},
    {"symbol": "nowhere"},
)


def shards() -> dict[str, list[Chunk]]:
    """Five shards: two of code, of 150 and 60 chunks, one of documents, one of one chunk, and one without any."""
    code, documents = corpus()
    # Four chunks a symbol, for `collapse`.
    code = [replace(chunk, symbol=f"f{i // 4}", part=i % 4) for i, chunk in enumerate(code[:211])]
    # Texts of the first shard that stand in others, too.
    code[150:170] = [replace(chunk, text=code[i].text) for i, chunk in enumerate(code[150:170])]
    code[210] = replace(code[210], text=code[3].text)
    return {"a": code[:150], "b": code[150:210], "c": documents[:70], "d": code[210:], "e": []}


def filled(warehouse: Warehouse, names: tuple[str, ...], *, curve: Mapping[str, Any] = CURVE) -> None:
    """Publish these shards, of which a tenth of the files was deleted since they were written: their rows are dead."""
    every = shards()
    for name in names:
        write_shard(warehouse, name, every[name])
    for name in names:
        gone = {chunk.path for chunk in every[name][::10]} if len(every[name]) > 1 else set()
        write_shard(warehouse, name, [chunk for chunk in every[name] if chunk.path not in gone])
    draft = drafted(warehouse, recipe="Flat", named=("a",))
    draft.set_profile("hybrid", PROFILE)
    draft.set_profile("confidence", curve)
    warehouse.publish(draft.number, force_reason="these tests have no gate")


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searcher]:
    made = Warehouse.create(tmp_path_factory.mktemp("whole") / "warehouse")
    filled(made, ("a", "b", "c", "d", "e"))
    with xa.open(made.root, device="cpu") as searcher:
        yield searcher


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Searcher]]:
    opened = {}
    for name, split in SPLITS.items():
        made = PartSet.create(tmp_path_factory.mktemp("sets") / name)
        for number, names in enumerate(split):
            filled(made.add(f"part{number}"), names)
        made.publish(force_reason="these tests have no gate")
        opened[name] = xa.open(made.root, device="cpu")
    yield opened
    for searcher in opened.values():
        searcher.close()


def told(hit: Hit) -> dict[str, Any]:
    """All that a hit says. The place in the list of an index is that of a row among equal scores, and is left out."""
    spaces = {} if hit.explanation is None else hit.explanation.spaces
    explanation = None
    if hit.explanation is not None:
        unplaced = {name: replace(space, listed=space.listed and 1) for name, space in spaces.items()}
        explanation = replace(hit.explanation, spaces=unplaced)
    return {"hit": replace(hit, explanation=None), "explanation": explanation}


def test_the_corpus_is_what_the_module_says(one: Searcher, sets: Mapping[str, Searcher]) -> None:
    generation = one.manifest
    assert 200 < generation.live_rows < sum(segment.rows for segment in generation.segments)
    for searcher in sets.values():
        assert searcher.manifest.live_rows == generation.live_rows
    with sets["five"].opened() as opened:
        sizes = [len(part.live) for part in opened.dense.parts] if isinstance(opened.dense, DenseParts) else []
        assert sizes[0] == 0 and 1 in sizes and isinstance(opened, OpenParts)
        # Equal texts lie in several parts.
        texts = opened.generation.chunk_table(["text"])["text"].to_pylist()
    assert len(set(texts)) < len(texts)


@settings(max_examples=50)
@given(
    query=st.sampled_from(QUERIES),
    mode=st.sampled_from(MODES),
    where=st.sampled_from(FILTERS),
    k=st.sampled_from((1, 7, 70, 1000)),
    collapse=st.sampled_from((None, "symbol", "text")),
    fusion=st.sampled_from(("zsum", "rrf")),
)
def test_a_set_answers_as_one_index(
    one: Searcher,
    sets: Mapping[str, Searcher],
    query: str,
    mode: Any,
    where: dict[str, Any] | None,
    k: int,
    collapse: Any,
    fusion: Any,
) -> None:
    chosen: Any = fusion if mode in ("hybrid", "exact") else "zsum"
    wanted = one.search(query, k, mode, where, collapse=collapse, fusion=chosen, explain=k < 50)
    for name, searcher in sets.items():
        found = searcher.search(query, k, mode, where, collapse=collapse, fusion=chosen, explain=k < 50)
        assert [told(hit) for hit in found] == [told(hit) for hit in wanted], name


@pytest.mark.parametrize("name", SPLITS)
def test_every_mode_of_every_set_finds_something_in_several_parts(sets: Mapping[str, Searcher], name: str) -> None:
    """Without this the test above could compare nothing with nothing."""
    with sets[name].opened() as opened:
        assert isinstance(opened, OpenParts)
        rows = {int(one): row for row, one in enumerate(opened.chunk_ids) if one >= 0 and opened.live[row]}
        ends = [part.end_row for part in opened.generation.parts]
    for mode, query in product(MODES, ("parse date zebra", "lock thread queue event")):
        hits = sets[name].search(query, 70, mode)  # type: ignore[arg-type]
        met = {int(np.searchsorted(ends, rows[hit.chunk_id], side="right")) for hit in hits}
        assert len(hits) == 70 and len(met) >= {"one": 1, "two": 2, "five": 3}[name], mode
        if mode in ("hybrid", "exact"):
            assert all(hit.confidence is not None for hit in hits)


def test_a_lexical_score_of_the_set_is_not_that_of_a_part(one: Searcher, sets: Mapping[str, Searcher]) -> None:
    """How rare a word is depends on where it is counted: a merge of finished answers would show here."""
    with sets["two"].opened() as opened:
        assert isinstance(opened, OpenParts)
        part = opened.generation.parts[1]
    with Searcher(Warehouse.open(part.generation.layout.root), "cpu") as alone:
        (own,) = alone.search("zebra guide", 1, "lexical", {"source": "code"})
    (whole,) = sets["two"].search("zebra guide", 1, "lexical", {"source": "code"})
    assert own.score != whole.score == one.search("zebra guide", 1, "lexical", {"source": "code"})[0].score


def test_vectors_tokens_chunks_and_their_vectors_are_those_of_one_index(
    one: Searcher, sets: Mapping[str, Searcher]
) -> None:
    asked = ENCODER.encode_queries(["parse date zebra", "lock thread"])
    dense, late = one.search_vectors(asked.embeddings, 300), one.search_tokens(asked.tokens, 12, {"source": "code"})
    ids = [int(found) for found in (*dense[1][0][:40], *late[1][1])]
    for searcher in sets.values():
        for wanted, found in (
            (dense, searcher.search_vectors(asked.embeddings, 300)),
            (late, searcher.search_tokens(asked.tokens, 12, {"source": "code"})),
        ):
            np.testing.assert_array_equal(found[1], wanted[1])
            np.testing.assert_array_equal(found[0], wanted[0])
        assert [replace(hit, score=0.0) for hit in searcher.hydrate(ids)] == [
            replace(hit, score=0.0) for hit in one.hydrate(ids)
        ]
        for mine, theirs in zip(searcher.reconstruct(ids), one.reconstruct(ids), strict=True):
            assert mine.chunk_id == theirs.chunk_id
            np.testing.assert_array_equal(mine.embedding, theirs.embedding)
            np.testing.assert_array_equal(mine.tokens, theirs.tokens)


def test_what_cannot_be_asked_is_refused_as_by_one_index(sets: Mapping[str, Searcher]) -> None:
    with pytest.raises(InvalidInput, match="author"):
        sets["five"].search("zebra", where={"author": "x"})
    with pytest.raises(InvalidInput, match="is not in generation 1"):
        sets["five"].hydrate([12345])


def test_settings_are_tried_in_all_parts_or_in_none(sets: Mapping[str, Searcher]) -> None:
    searcher = sets["two"]
    before = searcher.profile
    assert set(before) == {"part0/dense", "part0/xtr", "part1/dense", "part1/xtr"}
    assert {one["rescore"] for name, one in searcher.apply(xtr="rescore=77").items() if "xtr" in name} == {77}
    with pytest.raises(InvalidInput):
        searcher.apply(xtr="rescore=78", dense="k_prime=9")
    assert {one["rescore"] for name, one in searcher.profile.items() if "xtr" in name} == {77}
    assert searcher.reset() == before


def test_the_most_careful_part_says_how_sure_a_hit_is(tmp_path: Path) -> None:
    bold = {**CURVE, "bias": -2.0}
    made = PartSet.create(tmp_path / "set")
    filled(made.add("a"), ("b",), curve=bold)
    filled(made.add("b"), ("d",))
    made.publish(force_reason="these tests have no gate")
    with xa.open(made.root, "cpu") as searcher, searcher.opened() as opened:
        assert isinstance(opened.confidence, LowestConfidence)
        hits = searcher.search("parse date zebra", 5)
        with Searcher(made.warehouse("a"), "cpu") as sure:
            highest = max(hit.confidence or 0.0 for hit in sure.search("parse date zebra", 5))
        assert all(hit.confidence is not None and 0 < hit.confidence < highest for hit in hits)
    draft = drafted(made.warehouse("b"), recipe="Flat")
    draft.set_profile("hybrid", PROFILE)
    made.warehouse("b").publish(draft.number, force_reason="these tests have no gate", again_reason="no curve")
    made.publish(force_reason="these tests have no gate")
    with xa.open(made.root, "cpu") as searcher:
        assert {hit.confidence for hit in searcher.search("parse date zebra", 5)} == {None}


def test_a_move_swaps_all_parts_and_opens_what_changed(tmp_path: Path) -> None:
    made = PartSet.create(tmp_path / "set")
    filled(made.add("a"), ("b",))
    filled(made.add("b"), ("d",))
    made.publish(force_reason="these tests have no gate")
    with xa.open(made.root, "cpu") as searcher:
        before, kept = searcher.search("zebra", 100, "exact"), searcher._now().served
        # What a part publishes by itself is not seen: neither by who refreshes nor by who opens the set.
        filled(made.warehouse("b"), ("c",))
        filled(made.add("c"), ("a",))
        assert searcher.refresh() == 1 and searcher.search("zebra", 100, "exact") == before
        with xa.open(made.root, "cpu") as other:
            assert other.generation == 1 and other.search("zebra", 100, "exact") == before
        made.publish(force_reason="these tests have no gate")
        assert searcher.search("zebra", 100, "exact") == before
        with searcher.opened() as held:
            assert searcher.refresh() == 2
            assert held.number == 1
        after = searcher.search("zebra", 1000, "exact")
        assert {hit.source for hit in after} == {"code", "docs"} and len(after) > 150 > len(before)
        # Part a did not change: its indexes are those that were open.
        assert searcher._now().served[0] is kept[0] and searcher._now().served[1] is not kept[1]
        made.rollback()
        assert searcher.refresh() == 3 and searcher.search("zebra", 100, "exact") == before


@pytest.fixture(scope="module")
def apart(sets: Mapping[str, Searcher]) -> Iterator[Mapping[str, Searcher]]:
    """A searcher of each of the five parts by itself, as a server of each would have one."""
    with sets["five"].opened() as opened:
        assert isinstance(opened, OpenParts)
        roots = {part.name: part.generation.layout.root for part in opened.generation.parts}
    found = {name: xa.open(root, device="cpu") for name, root in roots.items()}
    yield found
    for searcher in found.values():
        searcher.close()


def asked_apart(
    apart: Mapping[str, Searcher],
    text: Query,
    k: int,
    mode: Any,
    where: Any,
    fusion: Any,
    collapse: Any,
    first: int | None = None,
) -> Merged:
    """What a front does over servers, without them: words counted, candidates fetched, one ranking made. first : how
    long the lists of a ranking by ranks are at first, in place of so long that they are long enough."""
    first = first or first_most(k, 3)
    ask = Ask.checked(SearchOptions(k, fusion=fusion, collapse=collapse), mode, where)
    counts, blends, curves = [], [], []
    with ExitStack() as stack:
        opened = {name: stack.enter_context(one.opened()) for name, one in apart.items()}
        for one in opened.values():
            terms = tuple(query_terms(text.text))
            counts.append(one.lexical.index.counted(terms) if one.lexical is not None else Collection(0, 0, {}))
            blends.append(one.legs.blend)
            curves.append(one.generation.manifest.profile.get("confidence"))
        encoded = ENCODER.encode_queries([text.text])
        vectors = QueryVectors(
            encoded.embeddings[0], encoded.tokens[0], None, terms, asked_name(text.text), asked_places(text.text)
        )
        assert all(blend == blends[0] for blend in blends)
        sure, words = LowestConfidence.of(curves), Collection.of(counts)

        def ranked(best: Merged) -> Merged:
            """The same with the ranks of its hits among all rows."""
            wanted = wanted_ranks(best.hits)
            return placed(
                best, added([part_ranks(one, ask, vectors, text, words, wanted, {})[0] for one in opened.values()])
            )

        if mode == "exact" and fusion == "rrf":
            length: int | None = first
            while length is not None:
                lists = {name: part_scan(one, ask, vectors, text, words, most=length) for name, one in opened.items()}
                if not any(len(own.ids) for own in lists.values()):
                    return Merged([])
                parts = RankedParts.of(lists, blends[0], length)
                counted = [part_ranks(one, ask, vectors, text, words, {}, parts.asked())[1] for one in opened.values()]
                merged = parts.merged(added(counted), ask)
                length = merged.wider
            return ranked(merged)
        if mode == "exact":
            scans = {name: part_scan(one, ask, vectors, text, words) for name, one in opened.items()}
            moments = {**merged_hits(scans, ask, blends[0], sure).moments, **dict.fromkeys(ADDED, Moments(0.0, 1.0))}
            best = {name: part_scan(one, ask, vectors, text, words, moments) for name, one in opened.items()}
            return ranked(merged_hits(best, ask, blends[0], sure, explain=True))
        most: int | None = first_lists(ask, blends[0])
        while most is not None:
            told = {name: part_candidates(one, ask, vectors, text, words, most) for name, one in opened.items()}
            merged = merged_hits(told, ask, blends[0], sure, most, explain=True)
            most = merged.wider
        return merged


@settings(max_examples=more(40, 500))
@given(
    query=st.sampled_from(QUERIES[:-1]),
    mode=st.sampled_from(MODES),
    where=st.sampled_from(FILTERS),
    k=st.sampled_from((1, 7, 40, 70, 1000)),
    fusion=st.sampled_from(("zsum", "rrf")),
    collapse=st.sampled_from((None, "symbol", "text")),
    first=st.sampled_from((None, 1, 5, 30)),
)
def test_parts_that_are_asked_apart_add_up_to_the_answer_of_one_index(
    one: Searcher,
    apart: Mapping[str, Searcher],
    query: str,
    mode: Any,
    where: Any,
    k: int,
    fusion: Any,
    collapse: Any,
    first: int | None,
) -> None:
    chosen: Any = fusion if mode in ("hybrid", "exact") else "zsum"
    wanted = one.search(query, k, mode, where, fusion=chosen, collapse=collapse, explain=True)
    found = asked_apart(apart, parse_query(query), k, mode, where, chosen, collapse, first)
    if not found.hits and (loose := unquoted(parse_query(query))) is not None:
        found = asked_apart(apart, loose, k, mode, where, chosen, collapse, first)
    assert [(hit.chunk_id, hit.score, hit.scores, hit.confidence) for hit in found.hits] == [
        (hit.chunk_id, hit.score, hit.scores, hit.confidence) for hit in wanted
    ]
    for hit, mine in zip(wanted, found.hits, strict=True):
        if hit.explanation is not None:
            assert hit.explanation.candidates == found.candidates
            unplaced = [
                {name: replace(space, listed=space.listed and 1) for name, space in spaces.items()}
                for spaces in (hit.explanation.spaces, mine.spaces)
            ]
            assert unplaced[0] == unplaced[1]


@settings(max_examples=more(40, 500))
@given(
    seed=st.integers(0, 10**6),
    length=st.integers(1, 8),
    late=st.booleans(),
    where=st.sampled_from(FILTERS),
    k=st.sampled_from((1, 7, 40, 70, 1000)),
)
def test_vectors_and_tokens_that_are_asked_apart_add_up(
    one: Searcher, apart: Mapping[str, Searcher], seed: int, length: int, late: bool, where: Any, k: int
) -> None:
    """Vectors of nobody's encoder, ranked by the scores as they are."""
    chance = np.random.default_rng(seed)
    encoder = one.manifest.encoder
    if late:
        tokens = chance.standard_normal((length, encoder.token_dim), np.float32)
        scores, ids = one.search_tokens([tokens], k, where)
        vectors = QueryVectors(tokens=tokens)
    else:
        vector = chance.standard_normal((1, encoder.dim), np.float32)
        scores, ids = one.search_vectors(vector, k, where)
        vectors = QueryVectors(embedding=vector[0])
    ask = replace(Ask.checked(SearchOptions(k), "xtr" if late else "dense", where), raw=True)
    with ExitStack() as stack:
        opened = {name: stack.enter_context(searcher.opened()) for name, searcher in apart.items()}
        told = {name: part_candidates(each, ask, vectors, parse_query(""), None) for name, each in opened.items()}
        blend = next(iter(opened.values())).legs.blend
        found = merged_hits(told, ask, blend, None).hits
    wanted = [(int(i), float(s)) for i, s in zip(ids[0], scores[0], strict=True) if i >= 0]
    assert [(hit.chunk_id, float(np.float32(hit.score))) for hit in found] == wanted


def test_the_best_of_an_exact_sum_need_not_be_the_best_of_any_leg(one: Searcher, apart: Mapping[str, Searcher]) -> None:
    """A fifth of these are answered wrong by the best of each leg alone."""
    for query, k, collapse in product(QUERIES[:-1], (7, 70), (None, "symbol", "text")):
        wanted = one.search(query, k, "exact", collapse=collapse)
        found = asked_apart(apart, parse_query(query), k, "exact", None, "zsum", collapse).hits
        assert [(hit.chunk_id, hit.score) for hit in found] == [(hit.chunk_id, hit.score) for hit in wanted], query


def test_a_column_that_no_chunk_of_a_part_has_is_told_and_absent_in_all_of_them(apart: Mapping[str, Searcher]) -> None:
    where = parse_where({"year": {"gte": 2019}, "author": None})
    for name, searcher in apart.items():
        with searcher.opened() as opened:
            assert opened.filters.unknown(where) == (("author",) if name == "part1" else ("author", "year"))
            passing = opened.filters.mask(where, elsewhere=True).any()
            assert passing == (name == "part1")
        # Whoever asks the part by itself is told of his mistake, whatever was asked for a front before.
        with pytest.raises(InvalidInput, match="no column 'author'"):
            searcher.search("zebra", where={"year": {"gte": 2019}, "author": None})


@pytest.mark.parametrize("mode", ["hybrid", "exact"])
def test_rows_at_places_come_from_whichever_part_has_them(
    one: Searcher, apart: Mapping[str, Searcher], mode: Any
) -> None:
    for query in QUERIES[-5:-1]:
        wanted = one.search(query, 40, mode, explain=True)
        found = asked_apart(apart, parse_query(query), 40, mode, None, "zsum", None)
        assert [(hit.chunk_id, hit.scores) for hit in found.hits] == [(hit.chunk_id, hit.scores) for hit in wanted]
        first = wanted[0].explanation
        assert "place" in wanted[0].scores and first is not None and first.candidates == found.candidates


def test_a_part_tells_of_its_rows_at_places_whether_it_is_scanned_or_not(apart: Mapping[str, Searcher]) -> None:
    query = "zebra guide/3.md:1 pkg2/mod12.py:13"
    encoded, ask = ENCODER.encode_queries([query]), Ask.checked(SearchOptions(7), "hybrid", None)
    vectors = QueryVectors(encoded.embeddings[0], encoded.tokens[0], None, ("zebra",), None, asked_places(query))
    listed = {}
    for name, searcher in apart.items():
        with searcher.opened() as opened:
            found = part_candidates(opened, ask, vectors, parse_query(query), Collection(1, 1, {}))
            ids = found.ids[found.lists.get("place", np.empty(0, np.int64))].tolist()
            listed[name] = {hit.path for hit in searcher.hydrate(ids)}
    # The documents are few enough to be scanned, the code of part2 is not.
    assert listed == {
        "part0": set(),
        "part1": {"guide/3.md"},
        "part2": {"pkg2/mod12.py"},
        "part3": set(),
        "part4": set(),
    }


def test_a_row_that_the_indexes_of_its_part_missed_is_brought_by_its_place(
    one: Searcher, apart: Mapping[str, Searcher], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of the one part that is not scanned.
    query = "zebra pkg2/mod12.py:13"
    (missed, *_) = one.search(query, 1)
    retrieve = Ranker.retrieve

    def missing(self: Ranker, *given: Any) -> list[dict[str, Listed]]:
        def left(listed: Listed) -> Listed:
            kept = self.chunk_ids[listed.rows] != missed.chunk_id
            return Listed(listed.rows[kept], listed.scores[kept])

        return [{name: left(listed) for name, listed in lists.items()} for lists in retrieve(self, *given)]

    monkeypatch.setattr(Ranker, "retrieve", missing)
    (found, *_) = asked_apart(apart, parse_query(query), 40, "hybrid", None, "zsum", None).hits
    assert found.chunk_id == missed.chunk_id
    assert [name for name, space in found.spaces.items() if space.listed] == ["place"]


@pytest.mark.parametrize("mode", ["hybrid", "exact"])
def test_a_language_that_is_named_counts_in_parts_with_names_and_without(
    one: Searcher, apart: Mapping[str, Searcher], mode: Any
) -> None:
    query = "lock thread queue in Rust"
    wanted = one.search(query, 40, mode, explain=True)
    found = asked_apart(apart, parse_query(query), 40, mode, None, "zsum", None)
    assert [(hit.chunk_id, hit.scores) for hit in found.hits] == [(hit.chunk_id, hit.scores) for hit in wanted]
    assert any(hit.scores.get("called", 0.0) < 0 for hit in wanted)
    for hit, mine in zip(wanted, found.hits, strict=True):
        assert hit.explanation is not None
        assert {name: space.rank for name, space in mine.spaces.items()} == {
            name: space.rank for name, space in hit.explanation.spaces.items()
        }
