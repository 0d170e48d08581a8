"""A small project built once through the command itself; tests that change anything work on a copy."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from xtr_assets.cli import app

CONFIG = """\
name: handbook
sources:
  - {name: guide, kind: text, path: guide, include: ["**/*.md"]}
  - {name: tools, kind: python, path: tools}
encoder: {kind: hashing, dim: 64, token_dim: 32}
recall: {queries: 20}
"""

GUIDE = {
    "refunds.md": "# Refunds\n\nA refund is paid within thirty days.\n\n## How to ask\n\nWrite to the cashier.\n",
    "travel.md": "# Travel\n\nBook a train before a plane.\n\n## Hotels\n\nA hotel costs at most the usual rate.\n",
    "animals.md": "# Animals\n\nThe zebra has stripes and the giraffe a long neck.\n",
}
TOOLS = {
    "dates.py": 'def parse_date(text):\n    """Parse an ISO 8601 date."""\n    return text.split("-")\n',
    "broken.py": "def broken(:\n",
}

Command = Callable[..., Result]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a config, its sources and generation 1."""
    folder = tmp_path_factory.mktemp("built")
    (folder / "xtr.yaml").write_text(CONFIG)
    for name, files in (("guide", GUIDE), ("tools", TOOLS)):
        (folder / name).mkdir()
        for path, text in files.items():
            (folder / name / path).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        enter(folder, patch)
        result = CliRunner().invoke(app, ["build"])
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture(scope="session")
def built_twice(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same after a change: generation 2 serves, one document more, one less."""
    folder = tmp_path_factory.mktemp("twice") / "project"
    shutil.copytree(built, folder)
    (folder / "guide" / "lions.md").write_text("# Lions\n\nThe lion roars.\n")
    (folder / "guide" / "animals.md").unlink()
    with pytest.MonkeyPatch.context() as patch:
        enter(folder, patch)
        result = CliRunner().invoke(app, ["build"])
    assert result.exit_code == 0, result.output
    return folder


def enter(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Stand in a folder with nothing of another one in the environment."""
    patch.chdir(folder)
    patch.delenv("XTR_ASSETS_CONFIG", raising=False)
    patch.setenv("XTR_ASSETS_PROGRESS", "silent")
    patch.setenv("DAGSTER_HOME", str(folder))


@pytest.fixture
def run(built: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command in the built folder; for tests that only read."""
    enter(built, monkeypatch)
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


@pytest.fixture
def project(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the built folder, stood in, to change."""
    folder = tmp_path / "project"
    shutil.copytree(built, folder)
    enter(folder, monkeypatch)
    return folder


@pytest.fixture
def second(built_twice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the folder with two generations, stood in, to change."""
    folder = tmp_path / "second"
    shutil.copytree(built_twice, folder)
    enter(folder, monkeypatch)
    return folder


@pytest.fixture
def change() -> Command:
    """The command in the copy that `project` or `second` made."""
    return lambda *arguments: CliRunner().invoke(app, list(arguments))
