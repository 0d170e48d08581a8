"""One incremental build opens everything once and writes the manifest a few times; its steps need share nothing."""

import shutil
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from xtr_assets.core import files
from xtr_assets.defs import build_index_defs
from xtr_assets.pipeline.gate.registry import required_checks
from xtr_assets.pipeline.plan import row_diff
from xtr_assets.pipeline.queries import gate_queries, tuning_queries
from xtr_assets.search import loaders
from xtr_assets.search.searcher import Searcher
from xtr_assets.storage import generation, seal
from xtr_assets_tests.defs import processes
from xtr_assets_tests.defs.conftest import STDLIB, Project

# Before a run had one session these were 52, 127, 7, 5 and 10. Each asset commits once, and the checks of an asset.
MOST_WRITES, MOST_READS = 15, 40

TWELVE = """
name: small
warehouse: small_warehouse
sources:
  - {name: docs, kind: text, path: docs}
encoder: {kind: hashing}
recall: {queries: 10}
"""


def write_docs(folder: Path, edition: int) -> None:
    """Twelve small files; three of them say another thing in each edition."""
    for number in range(12):
        said = edition if number < 3 else 0
        parts = [
            f"# Heading {number} {part}\n\nSome words about topic{number * 7 + part} and thing{part} in {said}."
            for part in range(4)
        ]
        (folder / f"doc{number}.md").write_text("\n\n".join(parts))


@pytest.fixture
def twelve(fresh: Project) -> Project:
    """Generation 1 of twelve small files serves, and three of them have changed since."""
    fresh.configure(TWELVE)
    folder = fresh.folder / "docs"
    folder.mkdir()
    write_docs(folder, 1)
    assert fresh.build().published
    write_docs(folder, 2)
    return fresh


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[str, Any]]:
    """How often each was called with what, wherever it was imported to."""
    calls: Counter[tuple[str, Any]] = Counter()

    def count(function: Callable[..., Any], of: Callable[..., Any]) -> None:
        def counting(*arguments: Any, **options: Any) -> Any:
            calls[function.__name__, of(*arguments)] += 1
            return function(*arguments, **options)

        for name, module in list(sys.modules.items()):
            if name.startswith("xtr_assets."):
                for attribute in [key for key, value in vars(module).items() if value is function]:
                    monkeypatch.setattr(module, attribute, counting)

    for opens in (loaders.open_dense, loaders.open_tokens, gate_queries.read_queries):
        count(opens, lambda generation, *_: generation.number)
    count(tuning_queries.read_tuning, lambda generation: None)
    count(files.write_atomic, lambda path, _: path.name)
    count(seal.read_manifest, lambda layout, number: number)
    made = row_diff.RowDiff.__init__

    def diff(self: row_diff.RowDiff, *arguments: Any) -> None:
        calls["RowDiff", None] += 1
        made(self, *arguments)

    monkeypatch.setattr(row_diff.RowDiff, "__init__", diff)
    return calls


def test_an_incremental_build_opens_each_thing_once(twelve: Project, counted: Counter[tuple[str, Any]]) -> None:
    result = twelve.build()
    assert result.published and result.shards["docs"]["files_touched"] == 3
    for opened in ("open_dense", "open_tokens", "read_queries"):
        assert {of: times for (name, of), times in counted.items() if name == opened} == {1: 1, 2: 1}, opened
    assert counted["read_tuning", None] == 1
    assert counted["RowDiff", None] == 1
    # The draft's first manifest is written with its folder.
    assert counted["write_atomic", "manifest.json"] + 1 <= MOST_WRITES
    assert sum(times for (name, _), times in counted.items() if name == "read_manifest") <= MOST_READS


def test_deriving_from_an_open_index_leaves_what_serves_as_it_was(twelve: Project) -> None:
    """What the draft's index is derived from is asked by the checks too, as what serves."""
    with Searcher(twelve.warehouse, "cpu") as searcher:
        before = searcher.search("topic8 and thing1", 5)
    twelve.build()
    record = twelve.warehouse.generation(2).manifest.checks["shadow_diff"]
    assert record.passed and record.value is not None
    with Searcher(twelve.warehouse, "cpu", generation=1) as searcher:
        assert searcher.search("topic8 and thing1", 5) == before


def test_steps_in_processes_of_their_own_make_the_same_generation(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No step finds a session there; two of them write the draft at the same time."""
    shutil.copy(STDLIB / "glob.py", project.modules)
    monkeypatch.setenv(processes.FOLDER, str(project.folder))
    (tmp_path / "home").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "home")) as instance:
        ingest = Project(project.folder, instance, project.config)
        twin = tmp_path / "twin"
        ingest_shard(ingest)
        shutil.copytree(project.folder / "small_warehouse", twin)
        done = dg.execute_job(dg.reconstructable(processes.rebuild), instance)
        assert done.success
    apart = project.warehouse.published
    assert apart is not None and apart.number == 2
    assert set(required_checks(project.config)) <= set(apart.manifest.checks)
    # The same in one process, over a copy of the same shards.
    shutil.rmtree(project.folder / "small_warehouse")
    shutil.move(twin, project.folder / "small_warehouse")
    assert project.build().published
    together = project.warehouse.published
    assert together is not None and together.number == 2
    for one in (apart, together):
        assert all(record.passed for record in one.check_results())
    assert made_of(apart) == made_of(together)


def made_of(one: generation.Generation) -> dict[str, Any]:
    """What a generation is made of; a DuckDB file holds times."""
    manifest = one.manifest
    names = {name: record.sha256 for name, record in manifest.files.items() if "catalog" not in name}
    values = {name: record.value for name, record in manifest.checks.items()}
    return {"files": names, "recipe": manifest.recipe, "profile": manifest.profile, "checks": values}


def ingest_shard(project: Project) -> None:
    """Chunks and vectors of what changed, without a generation over it."""
    job = build_index_defs(project.config).resolve_job_def("ingest")
    assert job.execute_in_process(instance=project.instance, partition_key="modules").success
