"""Assets of a project's own that follow `published` by Dagster's AutomationConditions (docs/operations.md)."""

from typing import Any

import dagster as dg
import pytest

from xtr_assets.defs.factory import build_index_defs
from xtr_assets_tests.defs.conftest import CONFIG, Project

EAGER = dg.AutomationCondition.eager()
GATED = EAGER & dg.AutomationCondition.all_deps_blocking_checks_passed()


class Follower:
    """An asset that depends on one of the index, and the ticks of the daemon that evaluate its condition."""

    def __init__(self, project: Project, asset: str, condition: Any, name: str = "report") -> None:
        @dg.asset(name=name, deps=[[project.config.name, asset]], automation_condition=condition)
        def report() -> None: ...

        self._project, self._report = project, report
        self._cursor: dg.AssetDaemonCursor | None = None
        # Conditions compare with what they saw before: this is the daemon's first look, at an index never built.
        assert self.tick() == 0

    def tick(self) -> int:
        """How often the condition asks for the asset now; what is asked for is materialized, as the daemon does."""
        defs = dg.Definitions.merge(build_index_defs(self._project.config), dg.Definitions(assets=[self._report]))
        every = dg.AssetSelection.all()
        result = dg.evaluate_automation_conditions(defs, self._project.instance, every, cursor=self._cursor)
        self._cursor = result.cursor
        if result.total_requested:
            assert dg.materialize([self._report], instance=self._project.instance, selection=[self._report]).success
        return result.total_requested


def change(project: Project) -> None:
    (project.modules / "bisect.py").write_text("def halve(x):\n    return x / 2\n")


@pytest.mark.long
def test_what_follows_published_is_asked_for_once_after_each_publish(fresh: Project) -> None:
    followers = following(fresh)
    assert fresh.build().published
    assert [ticks(followers) for _ in range(3)] == [(1, 1), (0, 0), (0, 0)]
    change(fresh)
    assert fresh.build().published
    assert [ticks(followers) for _ in range(3)] == [(1, 1), (0, 0), (0, 0)]
    assert fresh.build().built is None
    assert ticks(followers) == (0, 0)


def test_a_refused_build_asks_for_nothing_and_the_one_that_mends_it_does_once(fresh: Project) -> None:
    followers = following(fresh)
    fresh.build()
    assert ticks(followers) == (1, 1)
    refuse(fresh)
    assert ticks(followers) == (0, 0)
    mend(fresh)
    assert [ticks(followers) for _ in range(2)] == [(1, 1), (0, 0)]


def test_what_follows_an_index_asks_for_its_blocking_checks(fresh: Project) -> None:
    careless, careful = Follower(fresh, "faiss_index", EAGER, "a"), Follower(fresh, "faiss_index", GATED, "b")
    fresh.build()
    assert (careless.tick(), careful.tick()) == (1, 1)
    # The tick that sees what the last one asked for.
    assert (careless.tick(), careful.tick()) == (0, 0)
    refuse(fresh)
    # A failed check leaves its asset materialized.
    assert (careless.tick(), careful.tick()) == (1, 0)
    assert (careless.tick(), careful.tick()) == (0, 0)
    mend(fresh)
    assert (careless.tick(), careful.tick()) == (1, 1)


def following(project: Project) -> tuple[Follower, Follower]:
    """Two assets that follow `published`, by each condition."""
    return Follower(project, "published", EAGER, "a"), Follower(project, "published", GATED, "b")


def ticks(followers: tuple[Follower, Follower]) -> tuple[int, int]:
    return followers[0].tick(), followers[1].tick()


def refuse(project: Project) -> None:
    project.configure(CONFIG.format(name=project.config.name).replace("queries: 10", "queries: 10, dense: 1.01"))
    change(project)
    result = project.build()
    assert result.built is not None
    assert not result.published


def mend(project: Project) -> None:
    project.configure(CONFIG.format(name=project.config.name))
    assert project.build().published
