"""`evidence_suffices`: silent whatever a corpus is made of, loud where queries are missing, equal, or of old rows."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from xtr_assets.config import HashingConfig, IndexConfig, QueriesConfig, RecallConfig
from xtr_assets.pipeline.gate import evidence_suffices
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.gate.registry import CHECKS, run_check
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.pipeline.quality import judged_queries
from xtr_assets.pipeline.queries.gate_queries import GateQueries
from xtr_assets.pipeline.queries.query_sample import sample_queries
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import drafted, make_chunk, write_shard
from xtr_assets_tests.pipeline.gate.drafts import CONFIG, chunks
from xtr_assets_tests.pipeline.queries.test_query_sample import CORPORA, by_turns

HASHING = CONFIG.model_copy(update={"encoder": HashingConfig(), "recall": RecallConfig(queries=40)}, deep=True)

# More than a few chunks offer.
CONFIG_OF_200 = HASHING.model_copy(update={"recall": RecallConfig()}, deep=True)


def asked(warehouse: Warehouse, config: IndexConfig = HASHING) -> DraftSession:
    """A draft over what the shards hold, with the queries that a build draws."""
    draft = drafted(warehouse)
    session = DraftSession(warehouse, draft, config)
    sample_queries(session)
    return session


def changed(folder: Path, config: IndexConfig = HASHING) -> DraftSession:
    """A published build of 120 chunks, and a draft with 40 more."""
    warehouse = Warehouse.create(folder / "w")
    write_shard(warehouse, "code", chunks(120))
    published(asked(warehouse, config))
    write_shard(warehouse, "code", chunks(160))
    return asked(warehouse, config)


def published(session: DraftSession) -> Draft:
    session.warehouse.publish(session.draft.number, required=(), force_reason="no gate in this test")
    return session.draft


def with_queries(session: DraftSession, monkeypatch: pytest.MonkeyPatch, gate: GateQueries) -> Finding:
    monkeypatch.setattr(DraftSession, "queries", lambda _: gate)
    return evidence_suffices.check(session)


# Sentences of a script without spaces, words, what the encoder has no word for, and what is one question.
SUITE = ("chinese", "thai", "emoji", "one word", "permutations", "one text", "punctuation")


@pytest.mark.parametrize(("name", "rows"), by_turns(3, 60, SUITE))
def test_whatever_a_corpus_is_made_of_passes(tmp_path: Path, name: str, rows: int) -> None:
    import random

    chance, warehouse = random.Random(7), Warehouse.create(tmp_path / "w")
    texts = [CORPORA[name](chance) for _ in range(rows + 9)]
    made = [make_chunk(f"{number}.md", "", text, kind="section") for number, text in enumerate(texts)]
    for count in (rows, rows + 9, rows + 1):
        write_shard(warehouse, "code", made[:count])
        session = asked(warehouse)
        found = evidence_suffices.check(session)
        assert found.passed, found.summary
        published(session)


def test_a_change_passes_and_says_what_it_counted(tmp_path: Path) -> None:
    found = evidence_suffices.check(changed(tmp_path))
    assert found.passed and found.details["new_texts_looked_at"] == 40 and found.details["asked_of_new"] >= 16


def test_new_rows_of_a_corpus_that_offers_fewer_texts_than_are_drawn_are_asked_for(tmp_path: Path) -> None:
    """Fixed queries are drawn of it until it offers no more."""
    warehouse = Warehouse.create(tmp_path / "w")
    made = [make_chunk(f"{n}.py", "", f"def open_{n}(lamp{n}, room{n}): return lamp{n} in room{n}") for n in range(6)]
    write_shard(warehouse, "code", made[:1])
    published(asked(warehouse, CONFIG_OF_200))
    write_shard(warehouse, "code", made)
    found = evidence_suffices.check(asked(warehouse, CONFIG_OF_200))
    assert found.passed and found.details["new_texts_looked_at"] == 4, found.summary


@pytest.fixture
def mostly_changed(tmp_path: Path) -> DraftSession:
    """Of 200 chunks 180 have another text, and twelve came."""
    warehouse = Warehouse.create(tmp_path / "w")
    before = chunks(200)
    write_shard(warehouse, "code", before)
    published(asked(warehouse))
    now = [replace(one, text=f"{one.text} otherwise{number} than before") for number, one in enumerate(before)]
    write_shard(warehouse, "code", [*now[:180], *before[180:], *chunks(212)[200:]])
    return asked(warehouse)


def test_a_few_new_chunks_beside_many_changed_ones_pass(mostly_changed: DraftSession) -> None:
    """Queries are drawn of both: of a few new ones alone there may be none."""
    found = evidence_suffices.check(mostly_changed)
    assert found.passed, found.summary
    assert found.details["new_texts_looked_at"] >= 180
    # Those of changed texts count as well: without any of them the twelve new ones are too few.
    came = {one.chunk_id for one in chunks(212)[200:]}
    assert sum(one.chunk_id in came for one in mostly_changed.queries().queries) < found.details["asked_of_new"]


def test_fixed_queries_of_changed_chunks_are_none_of_new_rows(
    mostly_changed: DraftSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are drawn where a change took others away; recall of new rows is judged by the new ones alone."""
    gate = mostly_changed.queries()
    fixed = gate.take([i for i, one in enumerate(gate.queries) if one.stratum == "fixed"])
    now = {one.chunk_id for one in chunks(180)}
    assert sum(one.chunk_id in now for one in fixed.queries) > 16
    found = with_queries(mostly_changed, monkeypatch, fixed)
    assert not found.passed and "0 queries are of new rows" in found.summary


def test_points_in_place_of_words_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = changed(tmp_path)
    gate = session.queries()
    points = replace(gate, queries=tuple(replace(one, kind="vector") for one in gate.queries))
    found = with_queries(session, monkeypatch, points)
    assert not found.passed and "0 queries in words" in found.summary and found.remedy


def test_new_rows_that_nobody_asks_for_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = changed(tmp_path)
    gate = session.queries()
    old = gate.take([i for i, one in enumerate(gate.queries) if one.stratum == "fixed"])
    found = with_queries(session, monkeypatch, old)
    assert not found.passed and found.details["problems"] == [found.summary.partition(": ")[2]]
    assert "0 queries are of new rows, of which 40 offer a text" in found.summary


def test_one_text_and_one_chunk_again_and_again_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = changed(tmp_path)
    gate = session.queries()
    same = replace(gate, queries=tuple(replace(one, text="word1 word2") for one in gate.queries))
    assert "1 different texts" in with_queries(session, monkeypatch, same).summary
    one = replace(gate, queries=tuple(replace(one, chunk_id=gate.queries[0].chunk_id) for one in gate.queries))
    assert "are of 1 chunks" in with_queries(session, monkeypatch, one).summary


def test_texts_that_are_one_question_to_the_encoder_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = changed(tmp_path)
    gate = session.queries()
    one = replace(gate, embeddings=np.repeat(gate.embeddings[:1], len(gate), axis=0))
    found = with_queries(session, monkeypatch, one)
    assert not found.passed and "are 1 different questions to the encoder" in found.summary


@pytest.fixture
def files(tmp_path: Path) -> IndexConfig:
    """Twenty queries, ten of them judged."""
    queries, judged = tmp_path / "queries.jsonl", tmp_path / "qrels.tsv"
    lines = [json.dumps({"_id": f"q{i}", "text": f"word{i} word{i + 3}"}) for i in range(20)]
    queries.write_text("\n".join(lines) + "\n", "utf-8")
    # The first one is no header, and the last word on q12 is that nothing is right.
    grades = ("1.0", "1e0", "+1")
    rows = [*(f"q{i}\ts{i}\t{grades[i % 3]}" for i in range(10)), "q11\ts3\t0", "q12\ts1\t1", "q12\ts1\t0"]
    judged.write_text("\n".join(rows) + "\n", "utf-8")
    return HASHING.model_copy(update={"queries": QueriesConfig(path=queries, judgments=judged)})


def test_given_queries_that_were_dropped_or_altered_are_refused(
    tmp_path: Path, files: IndexConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = changed(tmp_path, files)
    assert evidence_suffices.check(session).passed
    gate = session.queries()
    some = gate.take([i for i, one in enumerate(gate.queries) if one.query_id != "q4"])
    assert "19 queries of the file are asked, 20 are there" in with_queries(session, monkeypatch, some).summary
    other = tuple(replace(one, text="other words") if one.query_id == "q4" else one for one in gate.queries)
    assert "'q4'" in with_queries(session, monkeypatch, replace(gate, queries=other)).summary


def test_judged_queries_that_were_dropped_are_refused(
    tmp_path: Path, files: IndexConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = changed(tmp_path, files)
    (judged,) = (check for check in CHECKS if check.name == "judged_quality")
    run_check(session, judged)
    assert evidence_suffices.check(session).passed
    original = judged_queries.read_judgments
    monkeypatch.setattr(judged_queries, "read_judgments", lambda path: dict(list(original(path).items())[:4]))
    run_check(session, judged)
    found = evidence_suffices.check(session)
    assert not found.passed and "4 judged queries were asked, 10 are there" in found.summary
    # Of another corpus: nDCG@10 was 0.000, and passed, as that of every later draft did. No query was dropped.
    elsewhere = {query: {"elsewhere": 1.0} for query in original(tmp_path / "qrels.tsv")}
    monkeypatch.setattr(judged_queries, "read_judgments", lambda _: elsewhere)
    record = run_check(session, judged)
    assert (record.passed, record.value) == (False, None)
    assert "no quality is measured: none of the 1 documents" in record.details["summary"]
    assert evidence_suffices.check(session).passed
