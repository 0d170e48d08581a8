"""Texts that name a chunk find it, or the draft is refused; what cannot be told is said to be untold."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from xtr_assets.config import HashingConfig, IndexConfig, SourceConfig
from xtr_assets.core.ids import chunk_id
from xtr_assets.core.types import Chunk
from xtr_assets.encoders.base import EncodedQueries
from xtr_assets.encoders.hashing import Hashing
from xtr_assets.pipeline.derive.dense_index import derive_dense
from xtr_assets.pipeline.derive.token_index import derive_tokens
from xtr_assets.pipeline.gate.kept_questions import AFRESH
from xtr_assets.pipeline.gate.known_item import CHECK, Asked, check, depth_of, id_is_of_place, judge_items, known_items
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.pipeline.queries import drawn_queries
from xtr_assets.pipeline.queries.gate_queries import GateQuery, read_queries
from xtr_assets.pipeline.queries.query_sample import sample_queries
from xtr_assets.search.hits import Hit
from xtr_assets.search.query_encoder import QueryEncoder
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import ENCODER, encode, make_chunk, write_shard
from xtr_assets_tests.pipeline.gate.drafts import copied

CONFIG = IndexConfig(
    sources=(SourceConfig(name="s", kind="records", path=Path("c.jsonl")),),
    encoder=HashingConfig(dim=ENCODER.dim, token_dim=ENCODER.token_dim),
)


class NextText(Hashing):
    """An encoder whose batches come back one place off: what an index holds belongs to the next text."""

    def encode_documents(self, texts, progress=None):  # type: ignore[no-untyped-def]
        return super().encode_documents([*texts[1:], *texts[:1]], progress)


def article(i: int) -> Chunk:
    """A record with a title of its own: eight of 3,000 words; its text is 40 others."""
    chance = np.random.default_rng(i)
    title, text = (" ".join(f"w{word}" for word in chance.integers(0, 3000, n)) for n in (8, 40))
    return make_chunk("c.jsonl", str(i), text, source="s", kind="record", title=title)


ARTICLES = [article(i) for i in range(300)]


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse.create(tmp_path / "w")


def session_over(warehouse: Warehouse, chunks: Sequence[Chunk], encoder: Hashing = ENCODER) -> DraftSession:
    """A draft of these chunks, with queries and indexes."""
    write_shard(warehouse, "s", chunks)
    snapshot = warehouse.snapshot("s")
    assert snapshot is not None
    for one in snapshot.segments:
        segment = warehouse.segment(one.segment_id)
        if not segment.has_embeddings(ENCODER.fingerprint):
            encode(segment, encoder)
    versions = {"s": snapshot.data_version}
    draft = warehouse.draft("t", encoder=ENCODER.describe(), fingerprint=ENCODER.fingerprint, snapshots=versions)
    session = DraftSession(warehouse, draft, CONFIG, encoder=lambda: ENCODER)
    sample_queries(session)
    derive_dense(session)
    derive_tokens(session)
    return session


@pytest.fixture
def articles(tmp_path: Path) -> tuple[Warehouse, DraftSession]:
    """A draft of ARTICLES, in the place of `warehouse`."""
    warehouse, draft = copied(tmp_path / "w", "articles", lambda warehouse: session_over(warehouse, ARTICLES).draft)
    return warehouse, DraftSession(warehouse, draft, CONFIG, encoder=lambda: ENCODER)


def published(warehouse: Warehouse, session: DraftSession) -> None:
    """Serve it, with what the check found."""
    found = check(session)
    session.draft.record_check(
        CHECK,
        passed=found.passed,
        value=found.value,
        threshold=found.threshold,
        subject=("dense.faiss",),
        details=dict(found.details),
    )
    warehouse.publish(session.draft.number, force_reason="one check alone")


def test_titles_find_their_records(articles: tuple[Warehouse, DraftSession]) -> None:
    finding = check(articles[1])
    assert finding.passed
    assert finding.details["recall"] > 0.95
    assert set(finding.details["kinds"]) == {"title"} and finding.details["items"] > 140
    assert f"of {finding.details['items']} texts find the chunk they name among the first 10" in finding.summary


def test_vectors_of_the_next_text_are_refused(warehouse: Warehouse) -> None:
    finding = check(session_over(warehouse, ARTICLES, NextText(ENCODER.dim, ENCODER.token_dim)))
    assert not finding.passed
    assert finding.value is not None and finding.value < 0.2
    assert finding.remedy


def test_ids_permuted_inside_a_segment_are_refused(warehouse: Warehouse) -> None:
    ids = np.random.default_rng(1).permutation([one.chunk_id for one in ARTICLES]).tolist()
    mixed = [replace(one, chunk_id=own) for one, own in zip(ARTICLES, ids, strict=True)]
    finding = check(session_over(warehouse, mixed))
    assert not finding.passed
    assert finding.details["recall"] < 0.05
    assert finding.details["ids_of_other_places"] > 1000


def test_a_duplicate_answers_for_the_other(warehouse: Warehouse) -> None:
    copies = [replace(one, path="d.jsonl", chunk_id=chunk_id("s", "d.jsonl", one.symbol)) for one in ARTICLES[:60]]
    doubled = [*ARTICLES[:60], *copies]
    finding = check(session_over(warehouse, doubled))
    assert finding.passed and finding.details["recall"] > 0.95


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["red green blue white black"] * 400, "nothing is said of quality"),
        (
            [" ".join(np.random.default_rng(i).permutation(["red", "green", "blue", "white"])) for i in range(300)],
            "said",
        ),
        (["!" * (i % 9 + 1) for i in range(300)], "no text that names a chunk was drawn"),
        ([f"{i * 7919}" for i in range(300)], "no text that names a chunk was drawn"),
    ],
    ids=["one text", "permutations", "punctuation", "numbers"],
)
def test_a_corpus_that_names_nothing_passes_and_says_so(warehouse: Warehouse, texts: list[str], said: str) -> None:
    chunks = [make_chunk("c.jsonl", str(i), text, source="s", kind="record") for i, text in enumerate(texts)]
    finding = check(session_over(warehouse, chunks))
    assert finding.passed and finding.value is None
    assert said in finding.summary


def test_without_titles_texts_are_quoted(warehouse: Warehouse) -> None:
    untitled = [replace(one, title="") for one in ARTICLES]
    finding = check(session_over(warehouse, untitled))
    assert finding.passed and set(finding.details["kinds"]) == {"sentence"}
    assert finding.details["recall"] > 0.9


def test_a_loss_since_what_serves_is_refused_and_new_rivals_are_no_loss(
    articles: tuple[Warehouse, DraftSession],
) -> None:
    warehouse, session = articles
    published(warehouse, session)
    # Ten new records that answer each title as well as its own does push it out of the first ten.
    rivals = [
        make_chunk("r.jsonl", f"{i}-{n}", f"{ARTICLES[i].title} {n}", source="s", kind="record")
        for i in range(20)
        for n in range(12)
    ]
    grown = check(session_over(warehouse, [*ARTICLES, *rivals]))
    assert grown.passed, grown.summary
    assert grown.details["lost"] == 0


class Turning(Hashing):
    """Turns questions round from some build on, and notes them."""

    sign = np.float32(1)

    def __init__(self) -> None:
        super().__init__(ENCODER.dim, ENCODER.token_dim)
        self.given: list[str] = []

    def encode_queries(self, texts: Sequence[str]) -> EncodedQueries:
        self.given += texts
        made = super().encode_queries(list(texts))
        return EncodedQueries(
            made.embeddings * self.sign, tuple(one * self.sign for one in made.tokens), made.token_ids
        )


def test_of_what_the_parent_asked_a_part_is_encoded_anew_and_that_is_enough(
    articles: tuple[Warehouse, DraftSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = Turning()
    monkeypatch.setattr(QueryEncoder, "of", lambda *_: encoder)
    warehouse, first = articles
    published(warehouse, first)
    another = make_chunk("n.jsonl", "n", "another text", source="s", kind="record")
    session = session_over(warehouse, [*ARTICLES, another])
    encoder.given.clear()
    finding = check(session)
    assert finding.passed and finding.details["items"] > 140
    before, items = session.parent_queries(), known_items(session)
    assert before is not None
    new = {query.text for query in items} - {query.text for query in before.queries}
    assert len(encoder.given) == AFRESH + len(new)
    # As a build would: what was asked of this draft is not remembered.
    session.close()
    encoder.sign = np.float32(-1)
    finding = check(session)
    assert not finding.passed and finding.details["lost"] >= AFRESH // 2, finding.summary


def test_items_that_were_found_and_are_not_any_more_are_refused(articles: tuple[Warehouse, DraftSession]) -> None:
    _, session = articles
    items = tuple(known_items(session))
    hits = session.searcher().search_batch([item.text for item in items], 50)
    whole = Asked(items, tuple(map(tuple, hits)), tuple(map(tuple, hits)))
    before = dict(judge_items(whole, {}, 10).details["ranks"])
    assert judge_items(whole, before, 10).passed
    empty: tuple[tuple[Hit, ...], ...] = ((),) * 12
    fewer = Asked(items, (*empty, *whole.hits[12:]), (*empty, *whole.before[12:]))
    finding = judge_items(fewer, before, 10)
    assert finding.details["recall"] > 0.9, "far above the floor"
    assert (finding.passed, finding.details["lost"], finding.details["gained"]) == (False, 12, 0)
    assert "12 of their chunks were lost and 0 gained" in finding.summary
    assert judge_items(fewer, {}, 10).passed, "nothing to compare with"


def test_too_few_items_refuse_nothing_and_say_so(warehouse: Warehouse) -> None:
    items = tuple(GateQuery(f"q{i}", f"alpha{i} beta{i}", "fixed", i, "title") for i in range(4))
    finding = judge_items(Asked(items, ((),) * 4, ((),) * 4), {}, 1)
    assert finding.passed and "too few to refuse for" in finding.summary


def test_an_item_whose_chunk_says_something_else_now_is_not_asked(warehouse: Warehouse) -> None:
    session = session_over(warehouse, ARTICLES[:30])
    before = {query.text for query in known_items(session)}
    published(warehouse, session)
    changed = [replace(one, title="other words", text=one.text[::-1]) for one in ARTICLES[:10]]
    items = known_items(session_over(warehouse, [*changed, *ARTICLES[10:30]]))
    gone = {one.title for one in ARTICLES[:10]}
    assert gone & before and not gone & {query.text for query in items}
    assert gone & {query.text for query in read_queries(session.draft).queries}, "they are inherited"


def test_items_of_a_chunk_that_changed_and_is_still_found_are_no_loss(warehouse: Warehouse) -> None:
    published(warehouse, session_over(warehouse, ARTICLES[:30]))
    changed = [replace(one, text=f"{one.text} {i}") for i, one in enumerate(ARTICLES[:30])]
    finding = check(session_over(warehouse, changed))
    assert finding.passed, finding.summary
    assert (finding.details["lost"], finding.details["recall"]) == (0, 1.0)


def test_an_id_follows_from_the_place() -> None:
    one = make_chunk("f.py", "parse", "def parse(): ...", source="s")
    hit = Hit(one.chunk_id, 1.0, {}, "s", "f.py", "parse", "function", 0, 1, 1, "", one.text)
    assert id_is_of_place(hit)
    assert id_is_of_place(replace(hit, chunk_id=chunk_id("s", "f.py", "parse", 3)))
    assert not id_is_of_place(replace(hit, symbol="other"))
    assert not id_is_of_place(replace(hit, part=1))
    assert id_is_of_place(replace(hit, kind="module", chunk_id=7)), "its place does not tell"
    assert [depth_of(rows) for rows in (1, 40, 199, 200, 10**6)] == [1, 2, 9, 10, 10]


def test_an_encoder_that_gives_every_text_one_vector_is_no_fault_of_the_build(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hashing encoder knows no emoji: each text is the vector of nothing, and rows are returned in their order."""
    chance = np.random.default_rng(3)
    signs = [chr(0x1F300 + i) for i in range(60)]
    chunks = [
        make_chunk("c.jsonl", str(i), " ".join(chance.choice(signs, 30)), source="s", kind="record") for i in range(80)
    ]
    found = check(session_over(warehouse, chunks))
    assert found.passed and found.details["items"] == 1, "all of them are one query"
    assert "too few to refuse for" in found.summary
    # Where each is asked, as it is where texts are one vector and the questions are not.
    monkeypatch.setattr(drawn_queries, "different", lambda asked, *_: np.ones(len(asked.embeddings), np.bool_))
    found = check(session_over(warehouse, chunks[:70]))
    assert found.passed, found.summary
    assert found.details["not_told_apart"] >= 50
    assert "the encoder tells none of" in found.summary
