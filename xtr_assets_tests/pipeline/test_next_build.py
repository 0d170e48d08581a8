"""What automation does next, as a function of the warehouse, the sources and the time."""

import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from xtr_assets.config import GateConfig, IndexConfig
from xtr_assets.core.errors import GenerationError
from xtr_assets.defs.sensor_cursor import RETRIES, Asked, Memory
from xtr_assets.encoders import hashing
from xtr_assets.encoders.base import vector_kind
from xtr_assets.encoders.encoder_record import CODE_VERSIONS
from xtr_assets.encoders.hashing import Hashing
from xtr_assets.pipeline.gate import registry
from xtr_assets.pipeline.plan import wanted_generation
from xtr_assets.pipeline.plan.decide import Decision, begin, continued, wanted_kind
from xtr_assets.pipeline.plan.next_build import PATIENCE_SECONDS, SETTLE_SECONDS, NextBuild, next_build
from xtr_assets.storage import publish
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.life import steps
from xtr_assets_tests.life.world import World, module, records
from xtr_assets_tests.storage import sample

NOW = 1_800_000_000.0


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path, shards=1)
    world.write("code/a.py", module({"f": "red green", "g": "one two three"}))
    world.write("notes/m.jsonl", records({"n": "sun"}))
    return world


@pytest.fixture
def served(world: World) -> Warehouse:
    warehouse = Warehouse.create(world.folder / "warehouse")
    assert steps.build(warehouse, world.config).generation is not None
    return warehouse


def after(warehouse: Warehouse, world: World, seconds: float = 0.0, since: float | None = None) -> NextBuild:
    kind = vector_kind(steps.encoder_of(world.config))
    return next_build(warehouse, world.config, kind, now=NOW + seconds, since=since)


def test_what_was_taken_back_is_worked_out_once_while_it_waits(
    served: Warehouse, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 20,000 files each look took 0.24 CPU s, for as long as what was rolled back waits after some withdrawal."""
    world.write("code/b.py", module({"h": "a secret"}))
    assert steps.build(served, world.config).generation is not None
    served.withdraw(2, "a secret")
    reason = after(served, world).decision.reason
    assert "generation 2 held exactly this and was withdrawn" in reason
    with monkeypatch.context() as patch:
        patch.setattr(wanted_generation, "refusal_of_wanted", lambda *_: pytest.fail("it was worked out again"))
        assert after(served, world).decision.reason == reason
    served.publish(2, again_reason="settled")
    served.rollback(reason="not yet")
    assert "(not yet)" in after(served, world).decision.reason


def test_nothing_changed_but_the_release(served: Warehouse, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    found = after(served, world)
    assert (found.decision.build, found.since, found.left_out, found.errors) == (False, None, (), ())
    assert "generation 1 serves and holds exactly this" in found.decision.reason
    opened: list[Hashing] = []

    def opening() -> Hashing:
        opened.append(steps.encoder_of(world.config))
        return opened[-1]

    before = wanted_kind(served, world.config, opening)
    assert not opened
    # The settings are the same, and the code gives other vectors: each build ended at the first change, for want of
    # those of the other shards.
    monkeypatch.setitem(CODE_VERSIONS, "hashing", 2)
    monkeypatch.setattr(hashing, "CODE_VERSION", 2)
    now = wanted_kind(served, world.config, opening)
    assert len(opened) == 1 and now.fingerprint != before.fingerprint
    found = next_build(served, world.config, now, now=NOW, since=None)
    assert found.decision.reason == "code, notes changed and will be ingested first"


def test_a_rollback_to_what_an_earlier_release_made_of_the_same_holds(
    served: Warehouse, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next look built the same once more and published it: what it holds is what serves."""
    monkeypatch.setattr("xtr_assets.pipeline.plan.index_settings.POSTINGS_FORMAT", 99)
    assert steps.build(served, world.config).generation is not None
    served.rollback(reason="worse answers")
    found = after(served, world).decision
    assert not found.build and "generation 2 held exactly this and was rolled back on" in found.reason
    assert "(worse answers); generation 1 serves until something changes" in found.reason
    assert found.reason.endswith("`xtr-assets publish 2` (in Dagster: `publish`)")
    # What changes is built, by this release.
    world.write("code/b.py", module({"h": "moon and stars"}))
    steps.ingest(served, world.config)
    assert after(served, world).decision.build
    (world.folder / "code/b.py").unlink()
    steps.ingest(served, world.config)
    served.publish(2)
    assert "generation 2 serves and holds exactly this" in after(served, world).decision.reason


def test_a_changed_shard_is_waited_for_and_what_was_ingested_is_built(served: Warehouse, world: World) -> None:
    world.write("code/b.py", module({"h": "moon and stars"}))
    waiting = after(served, world)
    assert (waiting.decision.build, waiting.want, waiting.since) == (False, None, NOW)
    assert waiting.decision.reason == "code changed and will be ingested first"
    # The time goes on from the first look.
    assert after(served, world, PATIENCE_SECONDS - 1, waiting.since).since == NOW
    steps.ingest(served, world.config)
    ready = after(served, world, 60, waiting.since)
    assert (ready.decision.build, ready.since, ready.decision.reason) == (True, None, "changed: code")
    assert ready.want is not None


def test_what_was_refused_is_built_again_where_something_else_is_asked_by_now(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse, config = Warehouse.create(world.folder / "warehouse"), world.config
    steps.ingest(warehouse, config)
    draft = begin(warehouse, config, steps.encoder_of(config), "run")
    draft.record_check("chunks_schema", passed=False, value=1.0, threshold=0.0, subject=["*"])

    def decided(by: IndexConfig) -> Decision:
        return next_build(warehouse, by, vector_kind(steps.encoder_of(by)), now=NOW, since=None).decision

    waits = decided(config)
    assert not waits.build and waits.reason.startswith(
        "draft 1 holds exactly this and was not published: chunks_schema "
    )
    laxer = config.model_copy(update={"gate": GateConfig(shrink=0.9)})
    assert decided(laxer) == Decision(True, "draft 1 was refused, and `gate.shrink` asks something else by now")
    later = tuple(replace(one, version=one.version + 1) for one in registry.CHECKS)
    monkeypatch.setattr(registry, "CHECKS", later)
    assert decided(config) == Decision(True, "draft 1 was refused, and `chunks_schema` asks something else by now")


def test_a_publish_that_ended_behind_the_seal_is_told_with_what_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = Warehouse.create(tmp_path / "w")
    sample.write(warehouse, {"a.py": ["f one"]})
    with monkeypatch.context() as patch:
        patch.setattr(publish, "_serve", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            sample.publish(warehouse)
    with pytest.raises(GenerationError, match=r"sealed and never served: .*`xtr-assets publish 1` .* lets it serve"):
        continued(warehouse, ["run"], begins=True)
    warehouse.publish(1, required=sample.REQUIRED)
    with pytest.raises(GenerationError, match="is published already"):
        continued(warehouse, ["run"], begins=True)


def test_a_shard_that_cannot_be_ingested_keeps_no_other_from_being_built(served: Warehouse, world: World) -> None:
    world.write("notes/m.jsonl", records({"n": "sun", "o": "moon"}))
    steps.ingest(served, world.config)
    world.write("code/b.py", module({"h": "moon and stars"}))
    assert not after(served, world, 0, None).decision.build
    found = after(served, world, PATIENCE_SECONDS, NOW)
    assert (found.decision.build, found.left_out, found.decision.reason) == (True, ("code",), "changed: notes")


def test_what_is_written_to_all_the_time_is_built_as_it_was_read(served: Warehouse, world: World) -> None:
    began = time.time() - SETTLE_SECONDS - 60
    world.write("notes/m.jsonl", records({"n": "sun", "o": "moon"}))
    kind = vector_kind(steps.encoder_of(world.config))
    first = next_build(served, world.config, kind, now=began, since=None)
    assert (first.decision.build, first.since) == (False, began)
    idle = next_build(served, world.config, kind, now=began + PATIENCE_SECONDS, since=began)
    assert (idle.decision.build, idle.left_out) == (False, ()), "nothing is built without it, and no look says so"
    # As long as nothing of it was ingested it is waited for.
    assert not next_build(served, world.config, kind, now=began + SETTLE_SECONDS, since=began).decision.build
    steps.ingest(served, world.config)
    world.write("notes/m.jsonl", records({"n": "sun", "o": "moon", "p": "star"}))
    assert not next_build(served, world.config, kind, now=began + SETTLE_SECONDS - 1, since=began).decision.build
    found = next_build(served, world.config, kind, now=began + SETTLE_SECONDS, since=began)
    assert (found.decision.build, found.left_out, found.since) == (True, ("notes",), began)


def test_a_clock_that_was_set_back_makes_nobody_wait_longer(served: Warehouse, world: World) -> None:
    world.write("code/b.py", module({"h": "moon and stars"}))
    assert after(served, world, 0, NOW + 86_400).since == NOW
    memory = Memory().model_copy(update={"asked": {"s": Asked(content="c", times=1, at=NOW + 86_400)}})
    asked = memory.ask("s", "c", NOW)
    assert asked is not None and asked[0].asked["s"] == Asked(content="c", times=2, at=NOW)
    assert asked[0].ask("s", "c", NOW + 1) is None
    given_up = Memory().model_copy(update={"asked": {"s": Asked(content="c", times=RETRIES + 1, at=NOW + 86_400)}})
    assert given_up.ask("s", "c", NOW) is None


def test_what_was_never_ingested_is_not_built(world: World) -> None:
    warehouse = Warehouse.create(world.folder / "warehouse")
    assert after(warehouse, world).since == NOW
    found = after(warehouse, world, PATIENCE_SECONDS, NOW)
    assert not found.decision.build
    assert found.decision.reason.startswith("code, notes are not ingested to the end, and nothing is built before")


def test_a_source_that_is_gone_is_told_and_what_it_held_serves_on(served: Warehouse, world: World) -> None:
    shutil.rmtree(world.folder / "code")
    found = after(served, world)
    assert len(found.errors) == 1
    assert "code" in str(found.errors[0])
    assert not found.decision.build
