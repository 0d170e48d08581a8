"""Faults in syntax are planted where every process of a build imports them, and harm counts by what serves then."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.mutants import trial
from xtr_assets_tests.mutants.syntax import __main__ as syntax
from xtr_assets_tests.mutants.syntax.operators import Slip

STORY = ("full", False, False)
ASKED = """
import subprocess, sys
import xtr_assets.core.files as files
print(files.__file__, flush=True)
if sys.argv[1:]:
    subprocess.run([sys.executable, "-P", *sys.argv[1:]], check=True)
"""


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> syntax.Plant:
    return syntax.Plant(tmp_path_factory.mktemp("plant"))


def test_the_processes_that_a_build_starts_import_the_copy_too_and_tell_their_lines(
    plant: syntax.Plant, tmp_path: Path
) -> None:
    """Readers of documents ran without any fault: they are started by a build, and found the editable install."""
    lines = tmp_path / "lines"
    environment = os.environ | {"PYTHONPATH": str(plant.tree), syntax.LINES_FILE: str(lines)}
    inner = "import xtr_assets.core.errors as errors; print(errors.__file__)"
    command = [sys.executable, "-c", ASKED, "-c", inner]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    assert said.splitlines() == [str(plant.tree / f"xtr_assets/core/{name}.py") for name in ("files", "errors")]
    ran = {line.partition(":")[0] for line in lines.read_text().splitlines()}
    assert {"core/files.py", "core/errors.py"} <= ran


@pytest.fixture
def story(tmp_path: Path) -> syntax.Story:
    (tmp_path / "base").mkdir()
    return syntax.Story("full", False, False, tmp_path / "base", None, {}, frozenset())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("moved", "stopped", "harm", "kind"),
    [
        (False, ["dense_recall"], ["10 chunks lost"], "stopped"),
        (True, [], [], "harmless"),
        (True, [], ["10 chunks lost"], "PUBLISHED"),
        # It failed after the pointer had moved: what serves decides.
        (True, ["KeyError"], ["10 chunks lost"], "PUBLISHED"),
        # It found nothing to do, and what serves is not what the sources hold.
        (False, [], ["10 chunks lost"], "PUBLISHED"),
    ],
)
def test_harm_counts_by_what_serves(
    plant: syntax.Plant,
    story: syntax.Story,
    moved: bool,
    stopped: list[str],
    harm: list[str],
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def build(_story: Any, project: Path, _lines: Any = None) -> dict[str, Any]:
        Warehouse.create(project / trial.WAREHOUSE)
        if moved:
            (project / "moved").touch()
        return {"stopped": stopped, "message": ""}

    serving = syntax._serving

    def moving(project: Path) -> tuple[int | None, str]:
        return (1, "moved") if (project / "moved").exists() else serving(project)

    monkeypatch.setattr(plant, "build", build)
    monkeypatch.setattr(syntax, "_serving", moving)
    monkeypatch.setattr(trial, "_harm", lambda *_: harm)
    found = plant.attempt(story, "core/files.py", Slip("", 1, "sign", "-1", "1"))
    assert found.kind == kind and found.said[: len(stopped)] == stopped
    clean = (plant.clean / "core/files.py").read_text()
    assert (plant.tree / "xtr_assets/core/files.py").read_text() == clean, "the fault stays"


def test_what_a_build_says_that_it_could_not_read_counts_apart() -> None:
    assert syntax._kind(["10 chunks lost"], more={"a.ipynb: unreadable"}) == "told"
    assert syntax._kind([], more={"a.ipynb: unreadable"}) == "harmless"
