"""A small real corpus (modules of the running Python) and a Dagster instance that forgets everything."""

import shutil
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from xtr_assets.config import IndexConfig, parse_config
from xtr_assets.defs.in_process import BuildResult, build
from xtr_assets.search.searcher import Searcher
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.life import steps
from xtr_assets_tests.quick_instances import quick_instances

STDLIB = Path(sysconfig.get_paths()["stdlib"])
MODULES = ("bisect.py", "heapq.py", "queue.py", "textwrap.py")

CONFIG = """
name: {name}
warehouse: {name}_warehouse
sources:
  - {{name: modules, kind: python, path: modules}}
encoder: {{kind: hashing}}
recall: {{queries: 10}}
"""


@dataclass
class Project:
    """A folder with sources, one config, and the instance its builds are recorded in."""

    folder: Path
    instance: dg.DagsterInstance
    config: IndexConfig

    @property
    def modules(self) -> Path:
        return self.folder / "modules"

    @property
    def warehouse(self) -> Warehouse:
        return Warehouse.open(self.config.warehouse)

    @property
    def published(self) -> int:
        generation = self.warehouse.published
        assert generation is not None
        return generation.number

    def configure(self, text: str) -> None:
        self.config = parse_config(text, self.folder)

    def build(self, *, full: bool = False) -> BuildResult:
        return build(self.config, self.instance, full=full)

    def symbols(self) -> set[str]:
        """Symbols of every chunk that serves."""
        generation = self.warehouse.published
        assert generation is not None
        return set(generation.chunk_table(["symbol"])["symbol"].to_pylist())

    def ids(self) -> dict[str, int]:
        """chunk_id of each place that serves."""
        generation = self.warehouse.published
        assert generation is not None
        table = generation.chunk_table(["chunk_id", "path", "symbol", "part"]).to_pylist()
        return {f"{row['path']}:{row['symbol']}:{row['part']}": row["chunk_id"] for row in table}

    def top(self, query: str, k: int = 5) -> list[str]:
        """Symbols of the best hits."""
        with Searcher(self.warehouse, "cpu") as searcher:
            return [hit.symbol for hit in searcher.search(query, k)]

    def runs(self) -> list[str]:
        """Names of the jobs that ran, oldest first."""
        return [run.job_name for run in reversed(self.instance.get_runs())]


@pytest.fixture(scope="session", autouse=True)
def instances_in_memory() -> Iterator[None]:
    """Each test has an instance of its own, and some of them a hundred events a build."""
    with quick_instances():
        yield


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Project]:
    """Sources and a config; nothing was built."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield _project(tmp_path, instance)


@pytest.fixture(scope="session")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose generation 1 is published. Never changed: `project` gives each test a copy."""
    folder = tmp_path_factory.mktemp("built")
    with dg.DagsterInstance.ephemeral() as instance:
        assert _project(folder, instance).build().published
    return folder


@pytest.fixture
def project(built_once: Path, tmp_path: Path) -> Iterator[Project]:
    """A project whose generation 1 serves: a warehouse may be copied and moved."""
    shutil.copytree(built_once, tmp_path, dirs_exist_ok=True)
    with dg.DagsterInstance.ephemeral() as instance:
        yield Project(tmp_path, instance, parse_config(CONFIG.format(name="small"), tmp_path))


@pytest.fixture(scope="session")
def grown_once(built_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four changes of a few chunks each, so that the shard has five segments, and dead rows among them."""
    folder = tmp_path_factory.mktemp("grown")
    shutil.copytree(built_once, folder, dirs_exist_ok=True)
    with dg.DagsterInstance.ephemeral() as instance:
        project = Project(folder, instance, parse_config(CONFIG.format(name="small"), folder))
        for name in ("glob.py", "fnmatch.py", "shlex.py"):
            shutil.copy(STDLIB / name, project.modules)
            assert steps.build(project.warehouse, project.config).generation is not None
        (project.modules / "queue.py").unlink()
        heap = project.modules / "heapq.py"
        heap.write_text(heap.read_text().replace("def heappush(", "def heap_insert("))
        # Without Dagster but for the last: its records are those of what serves.
        assert project.build().published
    return folder


@pytest.fixture
def grown(grown_once: Path, tmp_path: Path) -> Iterator[Project]:
    """A project whose generation 5 serves, over five segments."""
    folder = tmp_path / "grown"
    shutil.copytree(grown_once, folder)
    with dg.DagsterInstance.ephemeral() as instance:
        yield Project(folder, instance, parse_config(CONFIG.format(name="small"), folder))


@pytest.fixture(scope="module")
def instance() -> Iterator[dg.DagsterInstance]:
    """For the builds of a module over warehouses of its own."""
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


def write_pages(folder: Path, topics: Sequence[str], verbs: Sequence[str]) -> Path:
    """A page of a heading and a sentence for each topic and verb."""
    for topic in topics:
        for number, verb in enumerate(verbs):
            text = f"# The {topic}\n\nThe {topic} {verb} at noon, as the notice number {number} of the {topic} says.\n"
            (folder / f"{topic}-{verb}.md").write_text(text, "utf-8")
    return folder


def _project(folder: Path, instance: dg.DagsterInstance) -> Project:
    (folder / "modules").mkdir()
    for name in MODULES:
        shutil.copy(STDLIB / name, folder / "modules")
    return Project(folder, instance, parse_config(CONFIG.format(name="small"), folder))
