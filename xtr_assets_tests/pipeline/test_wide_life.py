"""A warehouse whose token index crosses the border of 16 bits, up and down: built, checked, damaged, searched."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xtr_assets.core.errors import UnknownFormat
from xtr_assets.index.late import centroids, training
from xtr_assets.index.late.centroids import TokenModel
from xtr_assets.pipeline.gate import rows_everywhere
from xtr_assets.pipeline.plan import index_settings
from xtr_assets.pipeline.plan.decide import decide, wanted
from xtr_assets.search.loaders import open_tokens
from xtr_assets.search.searcher import Searcher
from xtr_assets.storage.content import SETTINGS_NOTE
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import write_shard
from xtr_assets_tests.life import steps
from xtr_assets_tests.life.world import World, records
from xtr_assets_tests.pipeline.gate import test_whole_rows
from xtr_assets_tests.pipeline.gate.drafts import (
    chunks,
    newest_segment,
    postings_of,
    session_of,
    whole_draft,
    with_array,
)

# Stands for 65,536, and for what 4 sqrt(T) has to ask for.
BORDER = 100
WORDS = [f"word{i}" for i in range(300)]


@pytest.fixture(autouse=True)
def border(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (centroids, training):
        monkeypatch.setattr(module, "NARROW_CENTROIDS", BORDER)
    monkeypatch.setattr(training, "PAYING_CENTROIDS", BORDER)


def notes(first: int, stop: int) -> str:
    rng = np.random.default_rng(5)
    drawn = [" ".join(rng.choice(WORDS, 16)) for _ in range(stop)]
    return records({f"n{i}": drawn[i] for i in range(first, stop)})


def built(warehouse: Warehouse, world: World, *, full: bool = False) -> Generation:
    """The generation of a build, which serves and is whole."""
    found = steps.build(warehouse, world.config, full=full).generation
    assert found is not None and warehouse.published is not None and warehouse.published.number == found.number
    assert warehouse.verify().problems == ()
    with Searcher(warehouse, "cpu") as searcher:
        for mode in ("xtr", "hybrid", "exact"):
            text = next(iter(searcher.search("word1 word2", 1, mode))).text
            assert searcher.search(text, 1, mode)[0].text == text
    assert not steps.build(warehouse, world.config).generation, "the same once more is nothing to build"
    return found


def kinds(generation: Generation) -> tuple[str, int, set[int], dict[str, int]]:
    """(how its centroids came, their number, versions of model and postings, the formats it notes)."""
    with open_tokens(generation) as index:
        numbers = {own.numbers.dtype.itemsize for _, own in index._state.segments}
        count = len(index.model.centroids)
        assert numbers == {2 if count <= BORDER else 4}
    folder = generation.layout.resolve(generation.manifest.recipe["xtr"]["model"])
    described = [folder / "model.json"]
    described += [generation.layout.resolve(one) for one in generation.manifest.files if one.endswith("postings.json")]
    noted = generation.manifest.notes[SETTINGS_NOTE]["formats"]
    versions = {json.loads(path.read_text())["format_version"] for path in described}
    return folder.name, count, versions, {name: noted[name] for name in ("token_model", "postings")}


def test_an_index_grows_over_the_border_and_shrinks_back(tmp_path: Path) -> None:
    world = World(tmp_path, shards=1)
    warehouse = Warehouse.create(tmp_path / "w")
    world.write("notes/a.jsonl", notes(0, 40))
    name, count, versions, noted = kinds(built(warehouse, world))
    assert count <= BORDER and versions == {2} and noted == {"token_model": 2, "postings": 2}

    # Growth trains anew: every segment gets postings of the other width beside its old ones.
    world.write("notes/b.jsonl", notes(40, 110))
    first = built(warehouse, world)
    above, many, versions, noted = kinds(first)
    assert above != name and many > BORDER and versions == {3} and noted == {"token_model": 3, "postings": 3}

    # A change keeps centroids and width.
    world.write("notes/a.jsonl", notes(5, 45))
    changed = built(warehouse, world)
    assert kinds(changed) == (above, many, {3}, noted)
    written = [one for one in changed.manifest.files if one.endswith(f"postings.{above}/numbers.npy")]
    assert len(written) == len(changed.manifest.segments) > len(first.manifest.segments)

    # Smaller, and trained anew because somebody asks.
    world.write("notes/b.jsonl", None)
    shrunk = built(warehouse, world, full=True)
    below, count, versions, noted = kinds(shrunk)
    assert below != above and count <= BORDER and versions == {2} and noted == {"token_model": 2, "postings": 2}
    warehouse.rollback()
    assert warehouse.published is not None and kinds(warehouse.published)[:2] == (above, many)
    assert warehouse.verify().problems == ()


def test_a_release_that_reads_16_bits_alone_builds_anew_what_it_cannot_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its settings say other formats than the generation notes: so it builds, although nothing else changed."""
    world = World(tmp_path, shards=1)
    warehouse = Warehouse.create(tmp_path / "w")
    world.write("notes/a.jsonl", notes(0, 160))
    generation = built(warehouse, world)
    want = wanted(warehouse, world.config, generation.fingerprint)
    assert not decide(warehouse, world.config, want, again=False).build
    as_before = index_settings.settings_of(world.config)["formats"]
    assert generation.manifest.notes[SETTINGS_NOTE]["formats"] != as_before

    def before(generation: Generation) -> dict[str, Any]:
        return dict(generation.manifest.notes[SETTINGS_NOTE])

    for module in ("decide", "wanted_generation"):
        monkeypatch.setattr(f"xtr_assets.pipeline.plan.{module}.noted_settings", before)
    decided = decide(warehouse, world.config, want, again=False)
    assert decided.build and "in other formats" in decided.reason

    def load(folder: Path) -> TokenModel:
        raise UnknownFormat(f"{folder.name}/model.json: format_version 3, this release reads 2")

    monkeypatch.setattr(training, "PAYING_CENTROIDS", 1 << 20)
    with monkeypatch.context() as old:
        old.setattr("xtr_assets.pipeline.derive.token_index.TokenModel.load", load)
        old.setattr("xtr_assets.pipeline.derive.token_index._tune", lambda *_, **__: None)
        from xtr_assets.pipeline.derive.token_index import derive_tokens

        draft = whole_draft_of(warehouse, world)
        report = derive_tokens(session_of(warehouse, draft))
    assert report.how == "trained" and "format_version 3, this release reads 2" in report.reason
    assert report.centroids <= BORDER


def test_healthy_drafts_pass_whatever_happened_to_their_rows(tmp_path: Path) -> None:
    """Added to, moved in their files, emptied, compacted: as those of 16 bits."""
    test_whole_rows.test_healthy_drafts_pass_whatever_happened_to_their_rows(tmp_path, "Flat")
    (numbers,) = {np.load(path).dtype for path in (tmp_path / "w").glob("segments/*/postings.*/numbers.npy")}
    assert numbers == np.uint32


def whole_draft_of(warehouse: Warehouse, world: World) -> Any:
    generation = warehouse.published
    assert generation is not None
    encoder = steps.encoder_of(world.config)
    return warehouse.draft(
        "t", encoder=encoder.describe(), fingerprint=encoder.fingerprint, snapshots=generation.manifest.snapshots
    )


@pytest.mark.parametrize("number", ["beyond all", "another"])
def test_a_damaged_number_is_found_by_verify_and_by_the_gate(tmp_path: Path, number: str) -> None:
    warehouse = Warehouse.create(tmp_path / "w")
    write_shard(warehouse, "code", chunks(240))
    draft = whole_draft(warehouse, "Flat")
    assert rows_everywhere.check(session_of(warehouse, draft)).passed
    _, segment, rows = newest_segment(draft)
    file = f"{postings_of(draft, segment)}/numbers.npy"
    numbers = np.load(draft.layout.resolve(file))
    assert numbers.dtype == np.uint32
    token = len(numbers) - 1

    def damage(old: np.ndarray) -> np.ndarray:
        old[token] = (1 << 32) - 1 if number == "beyond all" else (old[token] + 1) % old.max()
        return old

    # A writer that was wrong, which sha256 does not tell.
    with_array(draft, file, damage)
    found = rows_everywhere.check(session_of(warehouse, draft))
    assert not found.passed and segment in found.summary
    if number == "beyond all":
        (one,) = [one for one in found.details["differences"] if "centroid that has no list" in one["what"]]
        assert one["count"] == 1 and one["rows"] == [rows - 1]
    # A byte of the disk, which it does.
    with_array(draft, file, lambda _: numbers)
    warehouse.publish(draft.number, force_reason="no gate in this test")
    path = draft.layout.resolve(file)
    data = bytearray(path.read_bytes())
    data[-1] ^= 0x80
    path.chmod(0o644)
    path.write_bytes(data)
    assert any("numbers.npy" in str(problem) for problem in warehouse.verify().problems)
