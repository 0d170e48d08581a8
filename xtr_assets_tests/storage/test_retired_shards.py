"""What a source held that left the configuration leaves the disk too, and not a day before somebody may be sure."""

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from xtr_assets.config import IndexConfig, SourceConfig
from xtr_assets.pipeline.plan.decide import begin
from xtr_assets.storage import retired_shards
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.retired_shards import RETIRED_NOTE
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import ENCODER, derived, encode, make_chunk, write_shard

SECRET = "the key of the vault lies under the flower pot"


def config(*names: str) -> IndexConfig:
    sources = tuple(SourceConfig(name=name, kind="text", path=Path("nowhere"), names=False) for name in names)
    return IndexConfig(sources=sources)


def held(warehouse: Warehouse, shard: str, text: str) -> None:
    write_shard(warehouse, shard, [make_chunk(f"{shard}.md", "part", text, source=shard, kind="section")])
    for segment in warehouse.segments():
        encode(segment)


def published(warehouse: Warehouse, *names: str) -> Generation:
    """What a build of a configuration with these sources publishes."""
    draft = begin(warehouse, config(*names), ENCODER, "run", required=())
    derived(draft, config(*names))
    return warehouse.publish(draft.number, force_reason="no gate here")


def on_disk(warehouse: Warehouse) -> bool:
    return any(SECRET.encode() in file.read_bytes() for file in warehouse.root.rglob("*") if file.is_file())


@pytest.fixture(scope="module")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    warehouse = Warehouse.create(tmp_path_factory.mktemp("left") / "w")
    held(warehouse, "docs", "words that stay")
    held(warehouse, "old", SECRET)
    published(warehouse, "docs", "old")
    held(warehouse, "docs", "other words that stay")
    published(warehouse, "docs")
    return warehouse.root


@pytest.fixture
def left(_made: Path, tmp_path: Path) -> Warehouse:
    """Generation 1 has the shards docs and old, generation 2 docs alone."""
    return Warehouse.open(shutil.copytree(_made, tmp_path / "w"))


@contextmanager
def chunked_elsewhere(warehouse: Warehouse, shard: str) -> Iterator[None]:
    """Another thread holds the lock of the shard meanwhile."""
    holds, done = threading.Event(), threading.Event()

    def hold() -> None:
        with warehouse.shard_lock(shard, "chunks of a newer configuration"):
            holds.set()
            done.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    assert holds.wait(30)
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_what_a_removed_source_held_goes_with_the_last_generation_that_has_it_and_a_week_later(
    left: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving = left.published
    assert serving is not None and set(serving.manifest.notes[RETIRED_NOTE]) == {"old"}
    wanted = {"docs"}
    with pytest.MonkeyPatch.context() as later:
        later.setattr(retired_shards, "GRACE_DAYS", 0.0)
        kept = left.collect(keep=2, shards=wanted)
        assert (kept.retired, kept.unused) == ((), ()), "a rollback goes to it"
    early = left.collect(keep=1, shards=wanted)
    assert (early.retired, early.unused, early.generations) == ((), ("old",), (1,)) and on_disk(left)
    monkeypatch.setattr(retired_shards, "GRACE_DAYS", 0.0)
    unknown = left.collect(keep=1)
    assert (unknown.retired, unknown.unused) == ((), ()) and on_disk(left), "nobody said what is configured"
    assert left.collect(keep=1, shards={"docs", "old"}).removed == {}
    with chunked_elsewhere(left, "old"):
        assert left.collect(keep=1, shards=wanted).unused == ("old",)
    planned = left.collect(keep=1, shards=wanted, dry_run=True)
    assert planned.retired == ("old",) and "shards/old/CURRENT" in planned.removed and on_disk(left)
    done = left.collect(keep=1, shards=wanted)
    assert (done.retired, done.unused, done.removed) == (("old",), (), planned.removed)
    assert not on_disk(left) and left.shards() == ["docs"] and left.verify().ok
    assert {path.name for path in left.layout.shard("old").iterdir()} <= {"shard.lock"}
    held(left, "docs", "a third text that stays")
    assert RETIRED_NOTE not in published(left, "docs").manifest.notes


def test_a_shard_that_is_on_its_way_into_its_first_generation_never_goes(
    left: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another code location has a source more, and takes days to encode it; this one collects every night."""
    monkeypatch.setattr(retired_shards, "GRACE_DAYS", 0.0)
    held(left, "new", "much that is not encoded yet")
    report = left.collect(keep=1, shards={"docs"})
    assert (report.retired, report.unused) == (("old",), ("new",))
    assert left.snapshot("new") is not None and left.verify().ok


def test_a_source_that_comes_back_is_as_it_was_and_one_that_somebody_looks_at_stays(
    left: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    since = retired_shards.retired_since(left.layout, left.generation(2).manifest, {"docs"})
    assert since == left.generation(2).manifest.notes[RETIRED_NOTE], "it counts from when it left"
    ago = {"docs": "2020-01-01T00:00:00+00:00", "old": "2020-01-01T00:00:00+00:00"}
    notes = left.generation(2).manifest.model_copy(update={"notes": {RETIRED_NOTE: ago}})
    assert retired_shards.forsaken(left.layout, notes, ["old"]) == (), "it was chunked a moment ago"
    hints = left.layout.scan_hints("old")
    monkeypatch.setattr(retired_shards, "GRACE_DAYS", -1.0)
    hints.write_text(json.dumps({**json.loads(hints.read_text()), "looked_ns": 2**62}))
    assert retired_shards.forsaken(left.layout, notes, ["old"]) == (), "somebody looks at it"
    for junk in (["old"], {"old": 7}, {"old": "yesterday"}, {"old": "2020-01-01"}, None):
        told = notes.model_copy(update={"notes": {RETIRED_NOTE: junk}})
        assert retired_shards.forsaken(left.layout, told, ["old"]) == ()
    assert RETIRED_NOTE not in published(left, "docs", "old").manifest.notes


def test_a_shard_that_served_and_was_rolled_back_is_noted_by_what_is_built_then(
    left: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So is one that left before a release that notes it: an older generation has it still."""
    held(left, "new", "much that was wrong")
    published(left, "docs", "new")
    left.rollback(2)
    held(left, "docs", "a third text that stays")
    assert set(published(left, "docs").manifest.notes[RETIRED_NOTE]) == {"new", "old"}
    monkeypatch.setattr(retired_shards, "GRACE_DAYS", 0.0)
    assert left.collect(keep=1, shards={"docs"}).retired == ("new", "old")
