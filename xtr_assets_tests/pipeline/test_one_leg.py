"""An index of one leg from its sources to its hits, and from one leg to two and back; a leg that got lost is none."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xtr_assets.config import IndexConfig, parse_config
from xtr_assets.core.errors import ConfigError, NotInThisIndex, StorageError
from xtr_assets.encoders.hashing import Hashing
from xtr_assets.pipeline.derive.profile_proposal import propose
from xtr_assets.pipeline.gate import answers_agree, legs_agree, rows_everywhere
from xtr_assets.pipeline.gate.registry import checks_of, requirement
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.pipeline.plan.index_settings import settings_of
from xtr_assets.pipeline.quality.evaluation import evaluate
from xtr_assets.pipeline.quality.judged_queries import drawn_items
from xtr_assets.search.answer_diff import compare
from xtr_assets.search.searcher import Searcher
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.life import steps
from xtr_assets_tests.life.world import World, module, records

DIMS = {"both": (16, 16), "dense": (16, 0), "tokens": (0, 16)}
SPACE = {"dense": "dense", "tokens": "xtr"}
OTHER = {"dense": "tokens", "tokens": "dense"}
TOLD = '\n\ndef told():\n    """Says what an author calls it, in one sentence."""\n    return 1\n'
FUNCTIONS = {"f0": "red blue 0", "f1": "sun star 1", "f2": "moon tree 2", "f3": "two six 3"}


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda _: None)
        yield


@pytest.fixture(scope="module")
def lives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder for each kind of index: generation 1 serves, then 2 after a change. Copied by those who write."""
    made = {}
    for legs in ("dense", "tokens"):
        folder = tmp_path_factory.mktemp(legs)
        world = world_of(folder, legs)
        warehouse = Warehouse.create(folder / "warehouse")
        assert steps.build(warehouse, world.config).generation is not None
        world.write("code/b.py", module({"late": "added after the first"}))
        assert steps.build(warehouse, world.config, whole=True).encoded == 1
        made[legs] = folder
    return made


def world_of(folder: Path, legs: str) -> World:
    world = World(folder, legs=legs, shards=1)
    world.write("code/a.py", module(FUNCTIONS) + TOLD)
    world.write("notes/m.jsonl", records({"n": "a note on red", "o": "another note on the sun"}))
    return world


def copied(lives: dict[str, Path], legs: str, tmp_path: Path) -> tuple[World, Warehouse]:
    shutil.copytree(lives[legs], tmp_path / "life")
    world = world_of(tmp_path / "life", legs)
    world.write("code/b.py", module({"late": "added after the first"}))
    return world, Warehouse.open(tmp_path / "life" / "warehouse")


def changed(world: World, legs: str) -> World:
    world.legs = legs
    return world


@pytest.mark.parametrize("legs", ["dense", "tokens"])
def test_it_builds_gates_serves_and_answers(lives: dict[str, Path], legs: str) -> None:
    warehouse = Warehouse.open(lives[legs] / "warehouse")
    generation = warehouse.published
    assert generation is not None and generation.number == 2
    manifest = generation.manifest
    assert (manifest.lone_leg, manifest.format_version) == (legs, 4)
    kinds = {name.split("/")[2].split(".")[0] for name in manifest.files if name.startswith("segments/")}
    assert ("embeddings" in kinds, "tokens" in kinds, "postings" in kinds) == (legs == "dense", *[legs == "tokens"] * 2)
    assert ("names" in kinds, generation.has_file("dense.faiss"), generation.has_file("xtr/index.json")) == (
        (True, True, False) if legs == "dense" else (False, False, True)
    )
    # Every check of the index ran and passed; those of the other leg are none of it.
    config = World(lives[legs], legs=legs, shards=1).config
    assert set(manifest.checks) == {check.name for check in checks_of(config)}
    assert all(record.passed for record in manifest.checks.values())
    assert not {one.name for one in checks_of(config)} & {"xtr_recall" if legs == "dense" else "dense_recall"}
    assert set(manifest.profile["hybrid"]["weights"]) == (
        {"dense", "name", "lexical"} if legs == "dense" else {"xtr", "lexical"}
    )
    with Searcher(warehouse, "cpu") as searcher:
        assert searcher.modes == ("hybrid", SPACE[legs], "lexical", "exact")
        assert set(searcher.devices) == {SPACE[legs], "lexical"} and set(searcher.profile) == {SPACE[legs]}
        for mode in searcher.modes:
            hits = searcher.search("added after the first", 3, mode, explain=True)
            assert hits[0].symbol == "late" and set(hits[0].scores) <= {SPACE[legs], "name", "lexical", "verbatim"}
        assert bool(hits[0].explanation and hits[0].explanation.tokens) == (legs == "tokens")
        (stored,) = searcher.reconstruct([hits[0].chunk_id])
        assert (stored.embedding.size > 0, stored.tokens.size > 0) == (legs == "dense", legs == "tokens")
        assert searcher.search("red", 5, where={"source": "notes"})[0].source == "notes"


@pytest.mark.parametrize("legs", ["dense", "tokens"])
def test_what_asks_for_the_other_leg_is_refused_with_the_modes_that_there_are(
    lives: dict[str, Path], legs: str
) -> None:
    absent = SPACE[OTHER[legs]]
    words = f"answers in mode hybrid, {SPACE[legs]}, lexical, exact"
    with Searcher(lives[legs] / "warehouse", "cpu") as searcher:
        search: dict[str, Any] = {
            "dense": lambda: searcher.search_vectors(np.ones((1, 16), np.float32)),
            "xtr": lambda: searcher.search_tokens([np.ones((2, 16), np.float32)]),
        }
        with pytest.raises(NotInThisIndex, match=words):
            searcher.search("", 3, absent)  # type: ignore[arg-type]
        with pytest.raises(NotInThisIndex, match=words):
            search[absent]()
        with pytest.raises(NotInThisIndex, match=words):
            searcher.apply(**{absent: "nprobe=1"})
        assert len(search[SPACE[legs]]()[1]) == 1
        with searcher.opened() as opened, pytest.raises(StorageError, match="gives"):
            opened.generation.vectors() if absent == "dense" else opened.generation.tokens()


@pytest.mark.parametrize("legs", ["dense", "tokens"])
def test_tuning_evaluation_export_and_compaction_follow(lives: dict[str, Path], legs: str, tmp_path: Path) -> None:
    world, warehouse = copied(lives, legs, tmp_path)
    assert warehouse.published is not None
    assert set(propose(warehouse.published, world.config.recall)) == {SPACE[legs]}
    with Searcher(warehouse, "cpu") as searcher:
        judged = drawn_items(warehouse.published)
        assert set(evaluate(searcher, judged).legs) == {"hybrid", SPACE[legs], "lexical"}
    exported = warehouse.export(2, tmp_path / "export")
    assert exported.info.format_version == 5 and exported.verify().problems == ()
    target = Warehouse.create(tmp_path / "target")
    target.import_generation(tmp_path / "export")
    taken = target.publish(2, required=requirement(world.config))
    assert sorted(taken.legs) == [legs] and target.verify().problems == ()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xtr_assets.core.compaction.TIER_SEGMENTS", 2)
        merged = steps.compact(warehouse, world.config, whole=True).generation
    assert merged is not None and sorted(merged.legs) == [legs]
    kinds = {path.name.split(".")[0] for one in merged.segments for path in one.segment.directory.iterdir()}
    assert (("embeddings" in kinds), ("tokens" in kinds)) == (legs == "dense", legs == "tokens")
    assert warehouse.verify().problems == ()


def test_from_both_to_one_to_the_other_and_back_by_rollback_and_by_build(tmp_path: Path) -> None:
    world, warehouse = world_of(tmp_path, "both"), Warehouse.create(tmp_path / "warehouse")
    rows = steps.build(warehouse, world.config).encoded
    assert steps.build(warehouse, changed(world, "dense").config).encoded == rows
    with Searcher(warehouse, "cpu") as reader:
        assert "xtr" not in reader.modes
        assert steps.build(warehouse, changed(world, "tokens").config).encoded == rows
        assert "dense" in reader.modes, "who reads stays with what it opened"
        assert reader.refresh() == 3 and "dense" not in reader.modes
        warehouse.rollback()
        assert reader.refresh() == 2 and reader.search("red blue", 1, "dense")
        warehouse.rollback()
        assert reader.refresh() == 1 and {"dense", "xtr"} <= set(reader.modes)
    assert warehouse.info.format_version == 5, "the version never falls"
    found = compare(warehouse, 1, 3, ["red blue 0"], 2)
    assert found[0].before[0].chunk_id == found[0].after[0].chunk_id
    settings = warehouse.diff(1, 2).settings
    assert settings["legs"] == ("dense, tokens", "dense")
    # Back to both by a build: everything is there, nothing is encoded, but what is new.
    world.write("code/c.py", module({"new": "something new"}))
    built = steps.build(warehouse, changed(world, "both").config)
    assert built.encoded == 1 and built.generation is not None and len(built.generation.legs) == 2
    assert warehouse.verify().problems == ()


def test_tokens_that_a_segment_lost_are_encoded_again_and_never_left_out(tmp_path: Path) -> None:
    world, warehouse = world_of(tmp_path, "both"), Warehouse.create(tmp_path / "warehouse")
    first = steps.build(warehouse, world.config).generation
    assert first is not None
    segment = first.segments[0].segment
    shutil.rmtree(segment.directory / f"tokens.{first.fingerprint[:8]}")
    with pytest.raises(StorageError, match="has no tokens"):
        warehouse.draft(
            "r", encoder=steps.encoder_of(world.config).describe(), fingerprint=first.fingerprint,
            snapshots=first.manifest.snapshots,
        )  # fmt: skip
    world.write("code/b.py", module({"late": "added after the first"}))
    again = steps.build(warehouse, world.config).generation
    assert again is not None and len(again.legs) == 2 and again.tokens().token_count
    assert warehouse.verify().problems == ()


@pytest.mark.parametrize("legs", ["dense", "tokens"])
def test_a_draft_whose_encoder_gives_something_else_is_refused(
    lives: dict[str, Path], legs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(lives[legs], legs=legs, shards=1)
    generation = Warehouse.open(lives[legs] / "warehouse").published
    assert generation is not None
    session = DraftSession(Warehouse.open(lives[legs] / "warehouse"), generation, world.config)  # type: ignore[arg-type]
    assert legs_agree.check(session).passed
    # What users are ranked by is what somebody meant, not whatever the manifest says.
    with monkeypatch.context() as other:
        profile = {**generation.manifest.profile, "hybrid": {"weights": {"dense": 0.1, "xtr": 9.0}, "length": 0.0}}
        other.setitem(vars(generation), "manifest", generation.manifest.model_copy(update={"profile": profile}))
        assert "docs/searching.md says" in legs_agree.check(session).summary
    # The encoder has both legs, and what was built has one.
    monkeypatch.setattr(session, "fresh_encoder", lambda: Hashing(16, 16))
    session.forget(["judge"])
    found = legs_agree.check(session)
    assert not found.passed and "places have other legs" in found.summary
    assert any("the configuration says" in one for one in found.details["problems"])
    # It says that it has a leg, and nothing comes; or the reverse.
    liar = Hashing(*DIMS[legs])
    liar.legs = frozenset({"dense", "tokens"})
    monkeypatch.setattr(session, "fresh_encoder", lambda: liar)
    session.forget(["judge"])
    assert "the encoder says ['dense', 'tokens']" in str(legs_agree.check(session).details["problems"])


@pytest.mark.parametrize("legs", ["dense", "tokens"])
def test_files_of_a_leg_that_is_not_there_are_found(lives: dict[str, Path], legs: str, tmp_path: Path) -> None:
    world, warehouse = copied(lives, legs, tmp_path)
    draft = warehouse.draft(
        "r", encoder=steps.encoder_of(world.config).describe(), fingerprint=warehouse.published.fingerprint,  # type: ignore[union-attr]
        snapshots=warehouse.published.manifest.snapshots, required=requirement(world.config),  # type: ignore[union-attr]
    )  # fmt: skip
    session = DraftSession(warehouse, draft, world.config, encoder=lambda: steps.encoder_of(world.config))
    steps.derive(session, whole=True)
    assert rows_everywhere.check(session).passed
    name = "xtr/index.json" if legs == "dense" else "dense.faiss"
    with draft.writing(name) as path:
        path.write_bytes(b"{}")
    found = rows_everywhere.check(session)
    assert not found.passed and f"{OTHER[legs]} is no leg" in found.summary
    # An answer in a mode of the absent leg is no answer.
    searcher = session.searcher()
    monkeypatch_modes = answers_agree.modes_of(draft)
    assert SPACE[OTHER[legs]] not in monkeypatch_modes
    assert answers_agree._strange_modes(searcher, monkeypatch_modes) == []
    assert answers_agree._strange_modes(searcher, [m for m in monkeypatch_modes if m != SPACE[legs]]) != []


@pytest.mark.parametrize(
    ("encoder", "more", "problem"),
    [
        ("dim: 0, token_dim: 0", "", "both 0, which leaves nothing to search"),
        ("dim: 3", "", "dim"),
        ("dim: 0", "dense: {recipe: Flat}", "recipe' is 'Flat', and the encoder gives no embeddings|`dense.recipe` is"),
        ("dim: 0, token_dim: 8", "NAMES", "`names: true`, which are embeddings"),
    ],
)
def test_what_cannot_be_asked_of_a_leg_is_refused_as_it_is_read(encoder: str, more: str, problem: str) -> None:
    names = ", names: true" if more == "NAMES" else ""
    text = f"sources: [{{name: s, kind: python, path: p{names}}}]\nencoder: {{kind: hashing, {encoder}}}\n"
    with pytest.raises(ConfigError, match=problem):
        parse_config(text + more.replace("NAMES", ""), Path("/nowhere"))


def test_names_are_no_setting_of_an_index_without_embeddings(tmp_path: Path) -> None:
    config: IndexConfig = world_of(tmp_path, "tokens").config
    assert "names" not in settings_of(config) and "names" in settings_of(world_of(tmp_path, "dense").config)
