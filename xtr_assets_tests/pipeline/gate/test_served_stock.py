"""A shard that moves to another part, or a source that is cut anew, loses nothing; what is lost meanwhile is seen."""

import re
from pathlib import Path

import pytest

from xtr_assets.core.errors import PublishRefused
from xtr_assets.pipeline.gate.served_stock import serving_stock
from xtr_assets.pipeline.plan.part_plan import PartPlan, plan_parts
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets_tests.life import steps
from xtr_assets_tests.life.set_world import SetWorld, home

FILES = 40


@pytest.fixture
def world(tmp_path: Path) -> SetWorld:
    made = SetWorld(tmp_path, each=2)
    made.add("ant", 2)
    made.add("bee", 1)
    for number in range(FILES):
        made.write("ant", f"{number}.jsonl", {"p": f"red {number}"})
    return made


def build(world: SetWorld, *parts: str) -> PartSet:
    plan = plan_parts(world.config)
    opened = plan.settled()
    for part in parts:
        assert steps.build(opened.warehouse(part), plan.configs[part], accepting=False).generation is not None
    return opened


def stock(plan: PartPlan, opened: PartSet, part: str) -> dict[str, set[str]]:
    warehouse = opened.warehouse(part)
    found = serving_stock(warehouse, plan.configs[part], warehouse.published)
    return {source: set(one.rows) for source, one in found.items()}


def lying_in(world: SetWorld, plan: PartPlan, part: str, source: str) -> set[str]:
    """Files of a source that lie in a part as it is cut now."""
    homes = {path: home(source, path, world.cuts[source]) for path in world.files[source]}
    return {path for path, shard in homes.items() if plan.places[shard] == part}


def test_what_moves_between_parts_is_asked_for_where_it_lies_now(world: SetWorld) -> None:
    opened = build(world, "part-0001", "part-0002")
    opened.publish()
    opened.reassign("ant-01of02", "part-0002")
    plan = plan_parts(world.config)
    assert 15 < len(lying_in(world, plan, "part-0002", "ant")) < 25
    for part in plan.configs:
        assert stock(plan, opened, part)["ant"] == lying_in(world, plan, part, "ant")

    # Half of the folder is not mounted while the shard moves: the part that never had it is the one that says so.
    moved = sorted(lying_in(world, plan, "part-0002", "ant"))
    kept = {path: world.files["ant"][path] for path in moved[: len(moved) // 2]}
    for path in kept:
        world.write("ant", path, {})
    with pytest.raises(PublishRefused, match=re.escape(f"{len(moved) - len(kept)} of {len(moved)} files are left")):
        build(world, "part-0002")
    for path, records in kept.items():
        world.write("ant", path, records)
    build(world, "part-0001", "part-0002").publish()
    assert {state.live_rows for state in opened.moves()[-1].parts.values()} == {len(moved) + 1, FILES + 1 - len(moved)}

    # Cut anew: each file is asked for once, in the part in which it will lie.
    world.cuts["ant"] = 3
    anew = plan_parts(world.config)
    anew.settled()
    with_it = [part for part, one in anew.configs.items() if any(source.name == "ant" for source in one.sources)]
    asked = {part: stock(anew, PartSet.open(opened.root), part)["ant"] for part in with_it}
    assert asked == {part: lying_in(world, anew, part, "ant") for part in with_it}
    assert sum(map(len, asked.values())) == FILES + 1
