"""Whatever a corpus is made of, queries are drawn until a bound can decide; what they are is kept with them."""

import json
import random
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from xtr_assets.config import IndexConfig, QueriesConfig, RecallConfig, SourceConfig
from xtr_assets.core.errors import ConfigError
from xtr_assets.core.recall import lower_bound
from xtr_assets.encoders.base import EncodedQueries
from xtr_assets.encoders.hashing import Hashing
from xtr_assets.pipeline.derive.exact_neighbors import exact_neighbors
from xtr_assets.pipeline.gate.index_recall import dense_recall, xtr_recall
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.pipeline.queries import drawn_queries
from xtr_assets.pipeline.queries.drawn_queries import MOST_QUERIES, near, queries_to_prove
from xtr_assets.pipeline.queries.gate_queries import (
    QUERIES_FILE,
    GateQueries,
    GateQuery,
    encode,
    read_jsonl_queries,
    read_queries,
)
from xtr_assets.pipeline.queries.likeness import different
from xtr_assets.pipeline.queries.query_sample import fixed_query_count, sample_queries, tuning_sample
from xtr_assets.pipeline.queries.tuning_queries import read_tuning
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import ENCODER, drafted, make_chunk, write_shard
from xtr_assets_tests.long_cases import in_turn, kept

Words = Callable[[random.Random], str]

HAN, KANA = "".join(map(chr, range(0x4E00, 0x5200))), "".join(map(chr, range(0x3042, 0x3094)))
THAI, ARABIC = "".join(map(chr, range(0xE01, 0xE2F))), "".join(map(chr, range(0x627, 0x63B)))
EMOJI = "".join(map(chr, range(0x1F600, 0x1F640)))


def letters(alphabet: str, least: int, most: int) -> Words:
    return lambda chance: "".join(chance.choice(alphabet) for _ in range(chance.randint(least, most)))


def spaced(alphabet: str, words: int) -> Words:
    return lambda chance: " ".join(letters(alphabet, 2, 6)(chance) for _ in range(words))


CORPORA: dict[str, Words] = {
    "chinese": lambda chance: letters(HAN, 10, 30)(chance) + "。" + letters(HAN, 10, 30)(chance) + "。",
    "japanese": lambda chance: letters(KANA, 20, 50)(chance) + "。",
    "thai": letters(THAI, 30, 80),
    "arabic": spaced(ARABIC, 12),
    "emoji": letters(EMOJI, 1, 5),
    "numbers": lambda chance: str(chance.randint(0, 10**6)),
    "one word": letters("abcdefghij", 5, 9),
    "names": spaced("abcdefghij", 2),
    "permutations": lambda chance: " ".join(chance.sample(["red", "green", "blue", "white", "black"], 5)),
    "one text": lambda _: "the one text that there is in all of this corpus, so often that nothing else is",
    "punctuation": lambda _: "... !!! ---",
}


def by_turns(few: int, many: int, corpora: Collection[str] = CORPORA) -> list[Any]:
    """Every corpus with few texts and with many; the suite keeps one of both, in turn, of these corpora."""
    turns = in_turn(CORPORA, (many, few))
    return kept(product(CORPORA, (few, many)), [one for one in turns if one[0] in corpora])


def config(**settings: object) -> IndexConfig:
    sources = (SourceConfig(name="s", kind="records", path=Path("c.jsonl")),)
    return IndexConfig(sources=sources, **settings)  # type: ignore[arg-type]


def drafted_over(root: Path, words: Words, count: int, path: str = "c.jsonl") -> tuple[Warehouse, Draft]:
    warehouse, chance = Warehouse.create(root), random.Random(7)
    chunks = [make_chunk(path, str(i), words(chance), source="s", kind="record") for i in range(count)]
    write_shard(warehouse, "s", chunks)
    return warehouse, drafted(warehouse)


def session_over(
    warehouse: Warehouse, draft: Draft, asked: IndexConfig | None = None, encoder: Hashing = ENCODER
) -> DraftSession:
    return DraftSession(warehouse, draft, asked or config(), encoder=lambda: encoder)


@pytest.mark.parametrize(("corpus", "count"), by_turns(3, 300))
def test_every_corpus_gives_as_many_as_a_bound_needs(tmp_path: Path, corpus: str, count: int) -> None:
    warehouse, draft = drafted_over(tmp_path / "w", CORPORA[corpus], count)
    report = sample_queries(session_over(warehouse, draft))
    gate = read_queries(draft)
    kinds = Counter(query.kind for query in gate.queries)
    assert lower_bound(np.ones(int(gate.with_tokens().sum()))) >= 0.95
    assert report.new == 0 and 104 <= len(gate) <= 200
    assert len({query.key for query in gate.queries}) == len(gate), "no query comes twice"
    assert len({query.query_id for query in gate.queries}) == len(gate)
    assert gate.telling().all(), "no question comes twice"
    # Only where the corpus has nothing more to give that this encoder tells apart: it has no word for an emoji, and no
    # ear for the order of words.
    few = ("punctuation", "one text", "emoji", "permutations")
    assert ("vector" in kinds) == (corpus in few or (count == 3 and kinds.total() == 104))
    assert (set(kinds) == {"vector"}) == (corpus == "punctuation")
    assert read_tuning(draft) is not None


def test_the_same_text_is_no_reason_for_no_query_and_texts_come_before_points(tmp_path: Path) -> None:
    warehouse, draft = drafted_over(tmp_path / "w", CORPORA["one text"], 300)
    sample_queries(session_over(warehouse, draft))
    kinds = [query.kind for query in read_queries(draft).queries]
    assert kinds.count("span") >= 40
    assert kinds == sorted(kinds, key=["sentence", "span", "text", "vector"].index)


def headed(warehouse: Warehouse, count: int) -> Draft:
    """Sections of English below headings that are all one to the encoder."""
    chance = random.Random(7)
    titles = [" ".join(chance.choices(EMOJI, k=3)) for _ in range(count)]
    texts = [spaced("abcdefghij", 12)(chance) for _ in range(count)]
    made = [make_chunk("a.md", str(i), texts[i], source="s", kind="section", title=titles[i]) for i in range(count)]
    write_shard(warehouse, "s", made)
    return drafted(warehouse)


def test_headings_that_the_encoder_cannot_tell_apart_are_one_query(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an earlier release drew them the gate had 200 queries of one vector, and the tuner too."""
    warehouse = Warehouse.create(tmp_path / "w")
    draft = headed(warehouse, 300)
    with monkeypatch.context() as earlier:
        earlier.setattr(drawn_queries, "different", lambda asked, *_: np.ones(len(asked.embeddings), np.bool_))
        earlier.setattr(GateQueries, "telling", GateQueries.told)
        old = sample_queries(session_over(warehouse, draft)).gate
    tuned = read_tuning(draft)
    assert old.kinds(old.of("fixed")) == {"heading": 200} and old.telling().sum() == 1
    assert tuned is not None and len(tuned) < 110 and old.judging() == 1
    exact_neighbors(session_over(warehouse, draft))
    warehouse.publish(draft.number, force_reason="no gate here")
    child = headed(warehouse, 310)
    gate = sample_queries(session_over(warehouse, child)).gate
    fixed = gate.take(np.flatnonzero(gate.of("fixed")).tolist())
    assert fixed.telling().all() and len(fixed) == 200 == gate.judging()
    kinds = Counter(query.kind for query in fixed.queries)
    assert kinds["heading"] == 1 and kinds["sentence"] > 150 and kinds["sentence"] + kinds["span"] == 199
    new = gate.take(np.flatnonzero(gate.of("new")).tolist())
    assert new.telling().all() and len(new) >= 16 and len({query.chunk_id for query in new.queries}) >= 8
    tuned = read_tuning(child)
    assert tuned is not None and len(tuned) == 200 and different(tuned).all()


def test_given_queries_of_one_vector_are_topped_up_too(tmp_path: Path) -> None:
    warehouse = Warehouse.create(tmp_path / "w")
    path = tmp_path / "q.jsonl"
    path.write_text("".join(f'{{"_id": "{i}", "text": "{EMOJI[i % 60]} {EMOJI[i // 60]}"}}\n' for i in range(300)))
    draft = headed(warehouse, 300)
    gate = sample_queries(session_over(warehouse, draft, config(queries=QueriesConfig(path=path)))).gate
    kinds = Counter(query.kind for query in gate.queries)
    assert kinds["given"] == 200, "what somebody gave is asked"
    assert gate.telling().sum() == 200 == gate.judging() and "vector" not in kinds


def test_half_of_a_character_in_a_queries_file_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    for field in ("_id", "text"):
        record = {"_id": "1", "text": "asked"} | {field: "half \ud800"}
        path.write_text(f'{{"_id": "0", "text": "asked"}}\n{json.dumps(record)}\n')
        with pytest.raises(ConfigError, match="line 2"):
            read_jsonl_queries(path)


def test_a_short_queries_file_is_topped_up(tmp_path: Path) -> None:
    warehouse, draft = drafted_over(tmp_path / "w", CORPORA["arabic"], 300)
    path = tmp_path / "q.jsonl"
    path.write_text("".join(f'{{"_id": "{i}", "text": "asked {i}"}}\n' for i in range(20)))
    report = sample_queries(session_over(warehouse, draft, config(queries=QueriesConfig(path=path))))
    kinds = Counter(query.kind for query in report.gate.queries)
    assert kinds["given"] == 20 and kinds.total() == 200


def test_what_is_drawn_stays_from_generation_to_generation(tmp_path: Path) -> None:
    warehouse, draft = drafted_over(tmp_path / "w", CORPORA["thai"], 300, "0.jsonl")
    first = sample_queries(session_over(warehouse, draft))
    exact_neighbors(session_over(warehouse, draft))
    warehouse.publish(draft.number, force_reason="no gate here")
    chance = random.Random(7)
    words = [CORPORA["thai"](chance) for _ in range(301)]
    chunks = [make_chunk(f"{i // 300}.jsonl", str(i), text, source="s", kind="record") for i, text in enumerate(words)]
    write_shard(warehouse, "s", chunks)
    child = drafted(warehouse)
    second = sample_queries(session_over(warehouse, child))
    assert [q for q in second.gate.queries if q.stratum == "fixed"] == list(first.gate.queries)
    new = [q for q in second.gate.queries if q.stratum == "new"]
    assert len(new) == 16 and len({q.chunk_id for q in new}) == 1, "several of one new row"
    assert second.encoded == len(new)
    report = exact_neighbors(session_over(warehouse, child))
    assert report["dense"].carried == 200


def test_what_was_drawn_of_a_text_goes_with_it(tmp_path: Path) -> None:
    """A removed document stood in the queries of each later generation, and in every sample of the corpus."""
    asked = config(recall=RecallConfig(queries=10))
    warehouse, draft = drafted_over(tmp_path / "w", CORPORA["arabic"], 120)
    first = sample_queries(session_over(warehouse, draft, asked)).gate.queries
    warehouse.publish(draft.number, force_reason="no gate here")
    removed, edited = ({one.chunk_id for one in some} for some in (first[:10], first[10:20]))
    chance = random.Random(7)
    texts = [CORPORA["arabic"](chance) for _ in range(120)]
    chunks = [make_chunk("c.jsonl", str(i), texts[i], source="s", kind="record") for i in range(120)]
    # Two lines for one: a row that is written anew with its text keeps what was drawn of it.
    left = [replace(one, end_line=2) for one in chunks if one.chunk_id not in removed]
    write_shard(warehouse, "s", [replace(one, text="new") if one.chunk_id in edited else one for one in left])
    second = sample_queries(session_over(warehouse, drafted(warehouse), asked)).gate.queries
    gone = {one.text for one in first if one.chunk_id in removed | edited}
    assert len(gone) >= 20 and not gone & {one.text for one in second}
    assert {one for one in first if one.text not in gone} <= set(second)
    assert len([one for one in second if one.stratum == "fixed"]) == len(first) == 104


def test_points_near_rows_stay_too_and_their_exact_lists_with_them(tmp_path: Path) -> None:
    warehouse, draft = drafted_over(tmp_path / "w", CORPORA["punctuation"], 30)
    first = sample_queries(session_over(warehouse, draft))
    exact_neighbors(session_over(warehouse, draft))
    warehouse.publish(draft.number, force_reason="no gate here")
    write_shard(
        warehouse, "s", [make_chunk("c.jsonl", str(i), "... !!! ---", source="s", kind="record") for i in range(31)]
    )
    child = drafted(warehouse)
    second = sample_queries(session_over(warehouse, child))
    assert second.inherited >= 100
    there = {query.key: i for i, query in enumerate(first.gate.queries)}
    for i, query in enumerate(second.gate.queries):
        if query.key in there:
            assert np.array_equal(second.gate.embeddings[i], first.gate.embeddings[there[query.key]])
    assert exact_neighbors(session_over(warehouse, child))["xtr"].carried >= 100


class Deaf(Hashing):
    """An encoder that finds no token in a query without a digit."""

    def encode_queries(self, texts):  # type: ignore[no-untyped-def]
        found = super().encode_queries(texts)
        told = [any(one.isdigit() for one in text) for text in texts]
        tokens = tuple(t if ok else t[:0] for t, ok in zip(found.tokens, told, strict=True))
        return EncodedQueries(found.embeddings, tokens, found.token_ids)


def test_a_query_without_a_token_is_no_evidence_and_another_is_drawn(tmp_path: Path) -> None:
    deaf = Deaf(ENCODER.dim, ENCODER.token_dim)
    name = letters("abcdefgh", 4, 8)
    warehouse, draft = drafted_over(
        tmp_path / "w", lambda chance: f"{name(chance)} {name(chance)} {chance.randint(0, 999)} x y z", 200
    )
    sample_queries(session_over(warehouse, draft, encoder=deaf))
    gate = read_queries(draft)
    assert gate.with_tokens().all() and len(gate) >= 104


def test_the_count_follows_the_threshold() -> None:
    assert [queries_to_prove(t) for t in (0.95, 0.99, 0.5, 1.0, 1.5)] == [52, 268, 3, 0, 0]
    assert queries_to_prove(0.9999) == MOST_QUERIES
    assert fixed_query_count(config()) == 200
    assert fixed_query_count(config(recall=RecallConfig(xtr=0.99))) == 536
    assert fixed_query_count(config(recall=RecallConfig(queries=10))) == 104
    assert fixed_query_count(config(recall=RecallConfig(queries=10, dense=1.5, xtr=1.5))) == 10


def test_tuning_queries_are_none_of_the_gates(tmp_path: Path) -> None:
    for name in ("chinese", "punctuation"):
        warehouse, draft = drafted_over(tmp_path / name, CORPORA[name], 300)
        gate = sample_queries(session_over(warehouse, draft)).gate
        tuning = tuning_sample(draft, gate, config(), ENCODER)
        assert len(tuning) >= 100
        assert not {query.key for query in tuning.queries} & {query.key for query in gate.queries}


def test_a_point_has_the_cosine_it_was_given() -> None:
    chance = np.random.default_rng(3)
    vectors = chance.standard_normal((5, 32)).astype(np.float32)
    own = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    turned = near(vectors, 0.7, chance)
    assert np.allclose((turned * own).sum(axis=1), 0.7, atol=1e-5)
    assert np.allclose(np.linalg.norm(turned, axis=1), 1.0, atol=1e-5)
    assert np.allclose(near(vectors, 1.0, chance), own)


def test_a_text_that_reads_like_a_point_is_not_taken_for_one() -> None:
    point = GateQuery("near-1-0", "[near chunk 1, 0]", "fixed", 1, "vector")
    known = GateQueries((point,), np.ones((1, ENCODER.dim), np.float32), (np.ones((1, ENCODER.token_dim), np.float32),))
    text = GateQuery("q1", "[near chunk 1, 0]", "fixed", kind="given")
    made = encode([text, point], ENCODER, known)
    assert not np.array_equal(made.embeddings[0], made.embeddings[1])
    with pytest.raises(Exception, match="a point without a text"):
        encode([point], ENCODER, None)


def test_queries_of_a_release_that_kept_no_kind_are_read(tmp_path: Path) -> None:
    warehouse, draft = drafted_over(tmp_path / "w", CORPORA["arabic"], 60)
    gate = sample_queries(session_over(warehouse, draft)).gate
    table = pq.read_table(draft.path(QUERIES_FILE)).drop_columns(["kind"])
    with draft.writing(QUERIES_FILE) as path:
        pq.write_table(table, path)
    read = read_queries(draft)
    assert {query.kind for query in read.queries} == {"drawn"}
    assert [query.text for query in read.queries] == [query.text for query in gate.queries]


@pytest.mark.parametrize("corpus", kept(["chinese", "thai", "one word", "punctuation"], ["thai", "punctuation"]))
def test_no_corpus_passes_recall_without_having_been_asked(tmp_path: Path, corpus: str) -> None:
    warehouse, draft = drafted_over(tmp_path / "w", CORPORA[corpus], 600)
    sample_queries(session_over(warehouse, draft))
    exact_neighbors(session_over(warehouse, draft))
    session = DraftSession(warehouse, draft, config(), encoder=lambda: ENCODER)
    for look in (dense_recall, xtr_recall):
        finding = look(session)
        assert finding.value is not None and finding.details["queries"] >= 104
        assert ("points near its rows" in finding.summary) == (corpus == "punctuation")
        assert sum(finding.details["kinds"].values()) == finding.details["queries"]
