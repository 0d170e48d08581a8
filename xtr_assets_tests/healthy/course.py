"""A project's course: its first build and its changes, each of which has to be published."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from xtr_assets.core.errors import PublishRefused
from xtr_assets.pipeline.gate.registry import required_checks
from xtr_assets.sources.asset_reader import lending
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.healthy.project import Project, Shape
from xtr_assets_tests.life import steps

# Where no file has lines to take away or to move these change nothing, and nothing is built.
MAYBE_NOTHING = ("delete", "shift")


@dataclass(frozen=True)
class Refusal:
    """A healthy build that was not published, or saw no change: at which step, of how many rows, and what was said."""

    shape: Shape
    step: str
    rows: int
    failed: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.shape} | refused at {self.step} ({self.rows} rows): {'; '.join(self.failed)}"


@dataclass(frozen=True)
class Course:
    """builds : how many generations were asked for. refusals : those that were not published."""

    shape: Shape
    builds: int
    rows: int
    seconds: float
    refusals: tuple[Refusal, ...]


def run(seed: int, most: int, folder: Path | None = None, least: int = 1) -> Course:
    """Write the project and build it, step by step, to its end or to the first refusal of a first build."""
    shape, started, refusals = Shape.of(seed, most, least), time.process_time(), []
    with tempfile.TemporaryDirectory(dir=folder) as name:
        project = Project(Path(name), shape)
        warehouse = Warehouse.create(project.config.warehouse)
        builds = 0
        for step in ("first build", *shape.steps):
            if step != "first build":
                project.step(step)  # type: ignore[arg-type]
            builds += 1
            with lending(project.reader):
                refusal = _built(warehouse, project, step)
            if refusal is not None:
                refusals.append(refusal)
            if warehouse.published is None:
                break
        rows = warehouse.published.live_rows if warehouse.published is not None else 0
    return Course(shape, builds, rows, time.process_time() - started, tuple(refusals))


def _built(warehouse: Warehouse, project: Project, step: str) -> Refusal | None:
    try:
        if step == "compact":
            steps.compact(warehouse, project.config, whole=True)
            return None
        built = steps.build(warehouse, project.config, whole=True, accepting=False)
    except PublishRefused as error:
        draft = warehouse.newest_draft()
        assert draft is not None, str(error)
        required = required_checks(project.config)
        failed = [one for one in draft.check_results() if not one.passed and one.name in required]
        said = [f"{one.name}: {one.details.get('summary', one.value)}" for one in failed]
        return Refusal(project.shape, step, draft.live_rows, tuple(said) or (str(error),))
    if built.generation is None and step not in MAYBE_NOTHING:
        return Refusal(project.shape, step, 0, (f"nothing was built: {built.reason}",))
    return None
