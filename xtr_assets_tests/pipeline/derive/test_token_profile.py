"""Healthy corpora publish: what is small scans, what is hard for lists scans too, and the manifest says why."""

import json
import random
from pathlib import Path

import pytest

from xtr_assets.config import IndexConfig, RecallConfig
from xtr_assets.core.errors import PublishRefused, UnknownFormat
from xtr_assets.index.late import tuner
from xtr_assets.index.late.options import SearchProfile
from xtr_assets.pipeline.derive import token_index
from xtr_assets.pipeline.queries.tuning_queries import keep_tuning, tuning_goal
from xtr_assets.search.loaders import open_tokens
from xtr_assets.storage.content import SETTINGS_NOTE
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import ENCODER, SOURCES, encode, make_chunk, session, write_shard
from xtr_assets_tests.life import steps
from xtr_assets_tests.life.world import World, records
from xtr_assets_tests.long_cases import kept, more


class Strict(World):
    """A world whose gate asks what it asks of users."""

    @property
    def config(self):  # type: ignore[no-untyped-def]
        config = super().config
        recall = config.recall.model_copy(
            update={"queries": 200, "k": 10, "dense": 0.95, "xtr": 0.95, "new_rows": 0.93}
        )
        return config.model_copy(update={"recall": recall})


def sentences(count: int, words: int, seed: int) -> dict[str, str]:
    """Texts of few words in all orders: near copies of one another, the hardest that lists can get."""
    generator = random.Random(seed)
    vocabulary = [f"word{i}" for i in range(words)]
    return {f"r{i}": " ".join(generator.choices(vocabulary, k=30)) + ". More of it." for i in range(count)}


def titled(texts: dict[str, str]) -> str:
    """A file of records whose titles, some words of the text, are the queries."""
    lines = ({"_id": name, "title": " ".join(text.split()[3:9]), "text": text} for name, text in texts.items())
    return "".join(json.dumps(line) + "\n" for line in lines)


CORPORA = {
    "one text many times": {f"r{i}": "The same text. It stands here many times." for i in range(more(500, 2500))},
    "permutations of few words": sentences(600, 12, 1),
    "some hundred texts": sentences(300, 500, 2),
    "fifty": sentences(50, 200, 3),
    "one": {"r0": "Only this one sentence. And another."},
}


def published(tmp_path: Path, texts: dict[str, str]) -> tuple[Warehouse, Generation, Strict]:
    world = Strict(tmp_path)
    world.write("notes/all.jsonl", records(texts))
    warehouse = Warehouse.create(tmp_path / "w")
    built = steps.build(warehouse, world.config)
    assert built.generation is not None
    return warehouse, built.generation, world


@pytest.mark.parametrize("name", kept(CORPORA, ["one text many times", "permutations of few words", "one"]))
def test_small_corpora_publish_and_scan(tmp_path: Path, name: str) -> None:
    warehouse, generation, _ = published(tmp_path, CORPORA[name])
    assert warehouse.published is not None and warehouse.published.number == generation.number
    assert generation.manifest.profile["xtr"]["scan"] is True
    assert "few enough" in generation.manifest.recipe["xtr"]["profile_reason"]
    assert "shortfall" not in generation.manifest.recipe["xtr"]
    record = generation.manifest.checks["xtr_recall"]
    assert record.value is None or record.value == 1.0


def test_a_profile_of_before_is_read(tmp_path: Path) -> None:
    _, generation, _ = published(tmp_path, CORPORA["fifty"])
    generation.manifest.profile["xtr"] = {"nprobe": 6, "k_prime": None, "rescore": 96}
    assert open_tokens(generation).profile == SearchProfile(6, None, 96)


def test_a_profile_of_a_later_release_is_refused_by_what_it_sets(tmp_path: Path) -> None:
    _, generation, _ = published(tmp_path, CORPORA["fifty"])
    later = {**generation.manifest.profile["xtr"], "phases": 2}
    generation.manifest.profile["xtr"] = later
    with pytest.raises(UnknownFormat, match=r"token index of generation 1 sets phases.*release that wrote it"):
        open_tokens(generation)
    generation.manifest.profile["xtr"] = {**later, "phases": 0}
    assert open_tokens(generation).profile.scan


def test_an_index_that_outgrows_its_scan_is_tuned_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = sentences(more(500, 900), 12, 1)
    world = Strict(tmp_path)
    world.write("notes/all.jsonl", titled(texts))
    warehouse = Warehouse.create(tmp_path / "w")
    first = steps.build(warehouse, world.config).generation
    assert first is not None and first.manifest.profile["xtr"]["scan"] is True
    size = first.tokens().token_count * first.tokens().dim
    for module in (tuner, token_index):
        monkeypatch.setattr(module, "PLANNED_SCAN", size)
    # Too few changes to tune for, but for the size.
    world.write("notes/all.jsonl", titled({**texts, "more": "Another text. It is short."}))
    second = steps.build(warehouse, world.config).generation
    assert second is not None and second.number == 2
    reason = second.manifest.recipe["xtr"]["profile_reason"]
    assert "few enough" not in reason
    assert "no lists met" in reason or "lists cost no less" in reason or "the cheapest" in reason
    # Where nothing is tuned the reason stays.
    world.write("notes/all.jsonl", titled({**texts, "more": "Another text. It is short.", "yet": "One more. Yes."}))
    third = steps.build(warehouse, world.config).generation
    assert third is not None and third.manifest.recipe["xtr"]["profile_reason"] == reason


def test_another_recall_that_is_asked_for_tunes_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The same chunks throughout: the gate would hold a profile of the goal before against the new one, and refuse.
    for module in (tuner, token_index):
        monkeypatch.setattr(module, "PLANNED_SCAN", 0)
    warehouse = Warehouse.create(tmp_path / "w")
    write_shard(warehouse, "code", [make_chunk("a.py", f"s{i}", f"word{i} word{i % 7} text") for i in range(60)])
    for segment in warehouse.segments():
        encode(segment, ENCODER)
    snapshot = warehouse.snapshot("code")
    assert snapshot is not None
    found = []
    for xtr, k in ((0.5, 10), (0.5, 10), (0.9, 10), (0.9, 20)):
        recall = RecallConfig(xtr=xtr, k=k)
        draft = warehouse.draft(
            "test",
            encoder=ENCODER.describe(),
            fingerprint=ENCODER.fingerprint,
            snapshots={"code": snapshot.data_version},
            notes={SETTINGS_NOTE: {"recall": recall.model_dump(mode="json")}},
        )
        keep_tuning(warehouse, draft, ENCODER.encode_queries([f"word{i}" for i in range(50)]))
        tuning = token_index.derive_tokens(session(draft, IndexConfig(sources=SOURCES, recall=recall))).tuning
        found.append(None if tuning is None else (tuning.goal, tuning.k))
        warehouse.publish(draft.number, force_reason="no gate in this test")
    assert found == [(tuning_goal(0.5, 50), 10), None, (tuning_goal(0.9, 50), 10), (tuning_goal(0.9, 50), 20)]


def test_a_corpus_too_large_to_scan_that_no_lists_find_says_which_trade_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (tuner, token_index):
        monkeypatch.setattr(module, "PLANNED_SCAN", 0)
        monkeypatch.setattr(module, "DEAREST_SCAN", 0)
    for name in ("NPROBES", "DEEP_NPROBES"):
        monkeypatch.setattr(tuner, name, (1,))
    monkeypatch.setattr(tuner, "RESCORES", (20,))
    world = Strict(tmp_path)
    world.write("notes/all.jsonl", titled(sentences(more(1000, 3000), 12, 4)))
    warehouse = Warehouse.create(tmp_path / "w")
    with pytest.raises(PublishRefused, match="xtr_recall"):
        steps.build(warehouse, world.config)
    draft = warehouse.open_draft(1)
    told = draft.manifest.recipe["xtr"]["shortfall"]
    assert "misses it by" in told and "too many to scan" in told and "recall.xtr" in told
    assert draft.manifest.checks["xtr_recall"].details["remedy"] == told, "the refusal repeats it"
