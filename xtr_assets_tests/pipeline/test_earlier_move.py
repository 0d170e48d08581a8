"""An earlier move of a set serves again: a shard that moved to another part since, or came since, is there once, and
none of its texts is encoded anew."""

from pathlib import Path

import pytest

from xtr_assets.core.errors import PublishRefused
from xtr_assets.pipeline.plan.part_plan import plan_parts
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets_tests.faults.dying import Died, dying
from xtr_assets_tests.life import steps
from xtr_assets_tests.life.set_world import Rows, SetWorld, rows_of

MOVED = "ant-01of02"
REASON = "it was better before"


@pytest.fixture
def world(tmp_path: Path) -> SetWorld:
    made = SetWorld(tmp_path, each=2)
    made.add("ant", 2)
    made.add("bee", 1)
    for number in range(8):
        made.write("ant", f"{number}.jsonl", {"p": f"red {number}"})
    return made


def build(world: SetWorld) -> int:
    """Every part to what its shards hold; how many texts were encoded."""
    plan = plan_parts(world.config)
    opened = plan.settled()
    return sum(steps.build(opened.warehouse(part), one, accepting=False).encoded for part, one in plan.configs.items())


def served(world: SetWorld) -> Rows:
    published = PartSet.open(world.folder / world.house).published
    assert published is not None
    return rows_of(published)


@pytest.fixture
def moved(world: SetWorld) -> PartSet:
    """Move 1 has the shard in part-0001, move 2 in part-0002."""
    build(world)
    opened = PartSet.open(world.folder / world.house)
    opened.publish()
    opened.reassign(MOVED, "part-0002")
    build(world)
    assert opened.publish().number == 2
    return opened


def test_a_shard_that_moved_since_is_built_where_the_move_has_it(world: SetWorld, moved: PartSet) -> None:
    # Move 1 has the rows of then; what is built over it has those of now.
    rows = world.rows()
    world.write("ant", "9.jsonl", {"p": "red 9", "q": "blue 9"})
    build(world)
    moved.publish()
    with pytest.raises(PublishRefused, match=f"'{MOVED}' was placed in part part-0002, where it stays"):
        moved.publish(1)
    moved.publish(1, force_reason=REASON)
    assert served(world) == rows and plan_parts(world.config).places[MOVED] == "part-0001"
    # What came since was encoded in one part alone.
    assert build(world) <= 2
    moved.publish()
    assert served(world) == world.rows()
    assert build(world) == 0 and moved.verify().ok


def test_a_shard_that_came_since_stays_where_it_was_placed(world: SetWorld) -> None:
    world.each = 1
    build(world)
    opened = PartSet.open(world.folder / world.house)
    opened.publish()
    rows = world.rows()
    for name in ("cow", "dog"):
        world.add(name, 1)
    build(world)
    opened.publish()
    places = plan_parts(world.config).places
    opened.publish(1, force_reason=REASON)
    assert served(world) == rows
    assert plan_parts(world.config).places == places and not plan_parts(world.config).unused
    assert build(world) == 0
    opened.publish()
    assert served(world) == world.rows()


def test_a_rollback_that_dies_leaves_shards_where_one_that_ends_does(
    world: SetWorld, moved: PartSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, places = served(world), moved.info.shards
    with dying(monkeypatch, None) as counted:
        moved.rollback()
    assert moved.info.shards == places and served(world) == rows
    moved.publish(again_reason=REASON)
    made = set()
    for step in range(1, len(counted.steps) + 1):
        before = len(moved.moves())
        with dying(monkeypatch, step):
            moved.rollback()
        made.add(len(moved.moves()) - before)
        # Who comes next notes what the dead one did.
        moved.publish(again_reason=REASON)
        assert moved.info.shards == places, f"died at step {step}"
    assert made == {0, 1}
    assert served(world) == rows and build(world) == 0


def test_a_shard_that_is_moved_after_a_publish_that_died_stays_moved(
    world: SetWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(world)
    opened = PartSet.open(world.folder / world.house)

    def died(*_: object) -> None:
        raise Died

    with monkeypatch.context() as patch, pytest.raises(Died):
        patch.setattr(PartSet, "_write", died)
        opened.publish()
    assert opened.number == 1 and opened.info.moved is None, "the move is there, and parts.json knows nothing of it"
    opened.reassign(MOVED, "part-0002")
    build(world)
    assert opened.publish().number == 2
    assert opened.info.shards[MOVED].part == "part-0002" and served(world) == world.rows()
