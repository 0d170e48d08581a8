"""What would change for users: the draft's answers beside those that serve."""

from pathlib import Path

import pytest

from xtr_assets.core.types import Chunk
from xtr_assets.pipeline.derive.dense_index import derive_dense
from xtr_assets.pipeline.derive.lexical_index import derive_lexical
from xtr_assets.pipeline.derive.token_index import derive_tokens
from xtr_assets.pipeline.gate import shadow
from xtr_assets.pipeline.queries.gate_queries import GateQuery, encode, write_queries
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import ENCODER, make_chunk, new_warehouse, record, session, write_shard
from xtr_assets_tests.fixtures import encode as encode_segment


def corpus(changed: int) -> list[Chunk]:
    """60 chunks, the first `changed` of which say something else."""
    return [
        make_chunk(f"f{i}.py", f"s{i}", f"topic{i % 6} word{i} thing{i // 6} {'other words' if i < changed else ''}")
        for i in range(60)
    ]


def drafted(warehouse: Warehouse, chunks: list[Chunk]) -> Draft:
    """A draft over these chunks with all indexes and gate queries: 6 fixed, 3 new."""
    write_shard(warehouse, "code", chunks)
    snapshot = warehouse.snapshot("code")
    assert snapshot is not None
    for one in snapshot.segments:
        segment = warehouse.segment(one.segment_id)
        if not segment.has_embeddings(ENCODER.fingerprint):
            encode_segment(segment)
    versions = {"code": snapshot.data_version}
    draft = warehouse.draft("t", encoder=ENCODER.describe(), fingerprint=ENCODER.fingerprint, snapshots=versions)
    derived = session(draft)
    derive_dense(derived)
    derive_tokens(derived)
    derive_lexical(derived)
    queries = [GateQuery(f"n{i}", f"nowhere{i}", "new") for i in range(3)]
    queries += [GateQuery(f"q{i}", f"topic{i}", "fixed") for i in range(6)]
    write_queries(draft, encode(queries, ENCODER, None), ENCODER.token_dim)
    return draft


def test_the_same_corpus_gives_the_same_answers(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path / "w", corpus(0))
    found = record(drafted(warehouse, corpus(0)), "shadow_diff")
    assert (found.passed, found.value) == (True, 1.0)
    assert found.details["queries"] == 6, "the new queries are nobody's answers before"


def test_other_answers_warn(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path / "w", corpus(0))
    gone = [make_chunk(f"g{i}.py", f"t{i}", f"topic{i % 6} entirely different {i}") for i in range(60)]
    found = record(drafted(warehouse, gone), "shadow_diff")
    assert (found.passed, found.value) == (False, 0.0)


def test_only_so_many_queries_are_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow, "QUERIES", 4)
    warehouse = new_warehouse(tmp_path / "w", corpus(0))
    found = record(drafted(warehouse, corpus(5)), "shadow_diff")
    assert found.details["queries"] == 4


def test_what_serves_in_a_format_of_another_release_is_not_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = new_warehouse(tmp_path / "w", corpus(0))
    draft = drafted(warehouse, corpus(0))
    monkeypatch.setattr("xtr_assets.index.late.centroids.MODEL_FORMAT", 99)
    found = record(draft, "shadow_diff")
    assert (found.passed, found.value) == (True, None)
    assert "format_version 2, this release reads 99" in found.details["summary"]
