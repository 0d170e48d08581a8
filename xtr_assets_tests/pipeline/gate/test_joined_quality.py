"""`judged_quality` of an index of parts: what all of them together answer, held against what served before."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from xtr_assets.config import HashingConfig, IndexConfig, PartsConfig, QueriesConfig
from xtr_assets.core.errors import ConfigError, PublishRefused
from xtr_assets.core.types import Chunk
from xtr_assets.encoders.base import Encoded, Progress
from xtr_assets.encoders.hashing import Hashing
from xtr_assets.pipeline.gate.joined_quality import set_checks
from xtr_assets.pipeline.gate.judgments import CHECK, judge
from xtr_assets.search.searcher import Searcher
from xtr_assets.storage.manifest import CheckRecord
from xtr_assets.storage.parts import part_set
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import ENCODER, SOURCES, make_chunk, publish, publish_chunks, write_shard

# Each names itself, and shares words with others: what a text is found by is not the only text that has it.
WORDS = ("alder", "beech", "cedar", "elm", "fir", "hazel", "larch", "maple", "oak", "pine", "rowan", "willow")
HASHING = HashingConfig(kind="hashing", dim=ENCODER.dim, token_dim=ENCODER.token_dim)


def chunks(shard: str, words: Iterable[str] = WORDS) -> list[Chunk]:
    return [
        make_chunk(f"{shard}/{one}.md", one, f"the {one} of {shard} grows by the {WORDS[i - 1]} in {WORDS[i - 5]} wood")
        for i, one in enumerate(words)
    ]


class Rolled(Hashing):
    """Gives each text the vectors of the one before it: a fault that no part's recall sees."""

    def encode_documents(self, texts: list[str], progress: Progress | None = None) -> Encoded:  # type: ignore[override]
        return super().encode_documents(list(np.roll(np.array(texts, object), 1)), progress)


@pytest.fixture(autouse=True)
def without_a_gate_of_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts are published past their own gate here."""
    monkeypatch.setattr(part_set, "set_problems", lambda *_, **__: [])


def put(warehouse: Warehouse, shard: str, words: Iterable[str] = WORDS, encoder: Hashing = ENCODER) -> None:
    write_shard(warehouse, shard, chunks(shard, words))
    publish(warehouse, recipe="Flat", encoder=encoder)


@pytest.fixture
def parts(tmp_path: Path) -> PartSet:
    made = PartSet.create(tmp_path / "set")
    for name, shard in (("a", "hill"), ("b", "vale")):
        put(made.add(name), shard)
    return made


def config(folder: Path, floor: float | None = None, first: int = 0) -> IndexConfig:
    """Judged queries, each of whose right answers lies in one of both parts."""
    asked = [(f"{shard}-{one}", shard, one) for shard in ("hill", "vale") for one in WORDS][first:]
    lines = [f'{{"_id": "{name}", "text": "{one} of {shard}"}}\n' for name, shard, one in asked]
    (folder / "queries.jsonl").write_text("".join(lines))
    (folder / "qrels.tsv").write_text("".join(f"{name}\t{shard}/{one}.md\t1\n" for name, shard, one in asked))
    queries = QueriesConfig(path=folder / "queries.jsonl", judgments=folder / "qrels.tsv", floor=floor)
    return IndexConfig(sources=SOURCES, encoder=HASHING, queries=queries, parts=PartsConfig(), warehouse=folder / "set")


def found(parts: PartSet) -> CheckRecord:
    return parts.moves()[-1].checks[CHECK]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_figures_are_those_of_one_index(tmp_path: Path, count: int) -> None:
    """However its texts are dealt to parts."""
    asked, every = config(tmp_path), [*chunks("hill"), *chunks("vale")]
    whole, parts = Warehouse.create(tmp_path / "whole"), PartSet.create(tmp_path / "set")
    publish_chunks(whole, every, recipe="Flat")
    for i in range(count):
        publish_chunks(parts.add(f"part{i}"), every[i::count], shard=f"shard{i}", recipe="Flat")
    parts.publish(checks=set_checks(asked))
    assert asked.queries is not None
    with Searcher(whole, "cpu", encoder=asked.encoder) as searcher:
        one = judge(searcher, asked.queries, {}, "")
    record = found(parts)
    assert 0.5 < one.value < 1 if one.value else False, "figures that could differ"
    assert (record.passed, record.value, record.threshold) == (one.passed, one.value, None)
    for name in ("dense", "xtr", "hybrid", "per_query", "digests", "missing"):
        assert record.details[name] == one.details[name], name
    assert set(record.details["per_query"]) == {f"{shard}-{one}" for shard in ("hill", "vale") for one in WORDS}


def test_a_part_whose_vectors_are_those_of_other_texts_is_stopped(parts: PartSet, tmp_path: Path) -> None:
    asked = config(tmp_path)
    parts.publish(checks=set_checks(asked))
    reached = found(parts).value
    put(parts.warehouse("b"), "vale", [*WORDS, "yew"])
    parts.publish(checks=set_checks(asked))
    assert found(parts).passed and parts.number == 2, "a healthy change"

    write_shard(parts.warehouse("b"), "vale", [])
    put(parts.warehouse("b"), "vale", [*WORDS, "yew"], Rolled(ENCODER.dim, ENCODER.token_dim))
    words = rf"{CHECK}.*is 0\.\d+ over 24.*what serves \(move 2\) reached .*lost most: '\w+ of vale'.*--force REASON"
    with pytest.raises(PublishRefused, match=words):
        parts.publish(checks=set_checks(asked))
    assert parts.number == 2 and reached is not None
    parts.publish(checks=set_checks(asked), force_reason="it was meant")
    assert (found(parts).value or 0) < reached - 0.1 and not found(parts).passed
    # What a person let serve is what the next one is held against, and nothing from before it.
    put(parts.warehouse("a"), "hill", [*WORDS, "yew"])
    parts.publish(checks=set_checks(asked))
    assert found(parts).passed and "best so far" not in found(parts).details["summary"]


def test_a_floor_is_asked_of_the_first_move_too(parts: PartSet, tmp_path: Path) -> None:
    with pytest.raises(PublishRefused, match=r"`queries\.floor` asks for 0\.99.*lower `queries\.floor`"):
        parts.publish(checks=set_checks(config(tmp_path, floor=0.99)))
    assert parts.number is None
    parts.publish(checks=set_checks(config(tmp_path, floor=0.5)))
    assert found(parts).threshold == 0.5


def test_other_judgments_are_compared_on_the_queries_of_both(parts: PartSet, tmp_path: Path) -> None:
    parts.publish(checks=set_checks(config(tmp_path)))
    put(parts.warehouse("b"), "vale", [*WORDS, "yew"])
    parts.publish(checks=set_checks(config(tmp_path, first=20)))
    assert (
        "reached" in found(parts).details["summary"] and "on the 4 queries of both" in found(parts).details["summary"]
    )
    assert found(parts).threshold is not None


def test_right_answers_that_no_part_has(parts: PartSet, tmp_path: Path) -> None:
    asked = config(tmp_path)
    assert asked.queries is not None and asked.queries.judgments is not None
    judgments = asked.queries.judgments
    judgments.write_text(judgments.read_text() + "vale-oak\tnowhere.md\t1\n")
    parts.publish(checks=set_checks(asked))
    assert found(parts).details["missing"] == 1 and "'nowhere.md'" in found(parts).details["summary"]
    judgments.write_text("vale-oak\tnowhere.md\t1\n")
    with pytest.raises(
        PublishRefused, match=r"none of the 1 documents .* is in move 2, .*correct `queries\.judgments`"
    ):
        parts.publish(checks=set_checks(asked))
    judgments.write_text("nothing\n")
    with pytest.raises(ConfigError, match=r"qrels\.tsv line 1"):
        parts.publish(checks=set_checks(asked))
    assert parts.number == 1


def test_parts_that_another_encoder_built_are_let_serve_by_a_word(parts: PartSet, tmp_path: Path) -> None:
    """The configuration has a new encoder, by which they are not built yet."""
    asked = config(tmp_path)
    parts.publish(checks=set_checks(asked))
    put(parts.warehouse("b"), "vale", [*WORDS, "yew"])
    newer = asked.model_copy(update={"encoder": HASHING.model_copy(update={"dim": 2 * ENCODER.dim})})
    words = "no quality is measured: .* has .*; .*--config` with the configuration that they were built by"
    with pytest.raises(PublishRefused, match=words):
        parts.publish(checks=set_checks(newer))
    parts.publish(checks=set_checks(newer), force_reason="it was meant")
    assert parts.number == 2 and not found(parts).passed
    put(parts.warehouse("b"), "vale")
    parts.publish(checks=set_checks(asked))
    assert found(parts).passed
