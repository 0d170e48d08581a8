"""Runs as people click them in Dagster's UI: one asset alone, a run executed again, several at once. What serves was
judged as it is, each run ends with a line that says what to do, and automation goes on by itself."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from typer.testing import CliRunner

from xtr_assets.cli import app
from xtr_assets.config import parse_config
from xtr_assets.defs import build_index_defs
from xtr_assets.defs.context import Site, StepContext
from xtr_assets.defs.names import CORPUS, DERIVED
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.defs.conftest import CONFIG, STDLIB, Project
from xtr_assets_tests.defs.test_sensors import Daemon

# From the draft to the gate, without the pointer.
JUDGED = DERIVED[:-1]
FOLDER = "XTR_ASSETS_TEST_BY_HAND"


def rebuild() -> dg.JobDefinition:
    """The job `rebuild`, found by this module's name: what is executed again is opened anew."""
    config = parse_config(CONFIG.format(name="small"), Path(os.environ[FOLDER]))
    return build_index_defs(config).resolve_job_def("rebuild")


def chosen(project: Project, assets: Sequence[str], partition: str | None = None) -> dg.ExecuteInProcessResult:
    """A run of these assets and their checks, selected by hand."""
    selection = dg.AssetSelection.assets(*(dg.AssetKey(["small", name]) for name in assets))
    job = dg.define_asset_job("by_hand", selection, executor_def=dg.in_process_executor)
    defs = dg.Definitions.merge(build_index_defs(project.config), dg.Definitions(jobs=[job]))
    return defs.resolve_job_def("by_hand").execute_in_process(
        instance=project.instance, partition_key=partition, raise_on_error=False
    )


def said(result: Any) -> str:
    """What the first failed step raised."""
    failures = [event for event in result.all_events if event.is_step_failure]
    error = failures[0].step_failure_data.error
    while error.cause is not None:
        error = error.cause
    return str(error.message)


def ingest(project: Project, module: str) -> None:
    """A module comes, and its shard is ingested."""
    shutil.copy(STDLIB / module, project.modules)
    assert chosen(project, CORPUS, "modules").success


@contextmanager
def before(purpose: str, act: Callable[[], Any]) -> Iterator[None]:
    """What happens once before a step of that purpose has the lock."""
    real, acted = Site.writing, list[str]()

    @contextmanager
    def writing(self: Site, context: StepContext, what: str) -> Iterator[Warehouse]:
        if what == purpose and not acted:
            acted.append(purpose)
            act()
        with real(self, context, what) as warehouse:
            yield warehouse

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Site, "writing", writing)
        yield


@pytest.mark.long
def test_an_asset_alone_says_what_goes_with_it_and_changes_nothing(project: Project) -> None:
    for asset in ("faiss_index", "exact_neighbors", "catalog", "published"):
        alone = chosen(project, [asset])
        assert not alone.success and "Select generation, queries, exact_neighbors" in said(alone)
    assert project.warehouse.newest_draft() is None
    ingest(project, "glob.py")
    assert chosen(project, ["generation", "queries"]).success
    unjudged = chosen(project, ["published"])
    assert not unjudged.success and "generation 2 has no file" in said(unjudged)
    assert project.published == 1
    assert Daemon(project).settle() == (0, 1)
    assert "glob" in project.symbols()


def test_a_run_that_is_executed_again_goes_on_with_its_own_draft(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newer draft stands, begun by hand and left; and the step that goes on first is none that has the encoder."""
    ingest(project, "glob.py")
    monkeypatch.setenv(FOLDER, str(project.folder))
    job = dg.reconstructable(rebuild)

    def dies(*_: object, **__: object) -> None:
        raise MemoryError("no more")

    with monkeypatch.context() as patch:
        patch.setattr("xtr_assets.defs.assets.faiss_index.derive_dense", dies)
        failed = dg.execute_job(job, project.instance)
    assert not failed.success
    assert chosen(project, ["generation"]).success
    again = dg.ReexecutionOptions.from_failure(failed.run_id, project.instance)
    done = dg.execute_job(job, project.instance, reexecution_options=again)
    assert done.success, said(done)
    serving = project.warehouse.published
    assert serving is not None and (serving.number, serving.manifest.run_id) == (2, failed.run_id)
    draft = project.warehouse.newest_draft()
    assert draft is not None and draft.number == 3 and not draft.has_file("dense.faiss")


def test_of_three_runs_at_once_none_works_on_the_draft_of_another(project: Project) -> None:
    ingest(project, "glob.py")

    def others() -> None:
        assert chosen(project, ["generation"]).success
        assert chosen(project, ["generation", "queries"]).success

    with before("dense index", others):
        first = chosen(project, DERIVED)
    assert "the draft of this run is gone" in said(first) and "Launch a new run" in said(first)
    draft = project.warehouse.newest_draft()
    assert draft is not None and draft.number == 4
    assert not any(draft.has_file(name) for name in ("dense.faiss", "id_map.parquet", "lexical/index.json"))
    assert project.published == 1
    assert Daemon(project).settle() == (0, 1)
    assert "glob" in project.symbols()


def test_a_draft_that_another_configuration_judged_is_not_published_alone(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`published` is clicked, or `publish` typed, after somebody asked for more recall than the draft was judged by."""
    ingest(project, "glob.py")
    assert chosen(project, JUDGED).success
    asked = CONFIG.format(name="small").replace("{queries: 10}", "{queries: 10, dense: 0.999}")
    asked += "gate: {shrink: 0.01}\n"
    project.configure(asked)
    told = (
        "generation 2 was judged by another configuration: `recall`, `gate.shrink` changed since it was begun; run "
        "`rebuild`"
    )
    assert told in said(chosen(project, ["published"])) and project.published == 1
    (project.folder / "xtr.yaml").write_text(asked)
    monkeypatch.chdir(project.folder)
    typed = CliRunner().invoke(app, ["publish", "2"])
    assert typed.exit_code == 1 and told in typed.stderr and project.published == 1
    project.configure(CONFIG.format(name="small"))
    assert chosen(project, ["published"]).success and project.published == 2


@pytest.mark.long
def test_a_draft_that_another_run_overtook_is_not_published_alone(project: Project) -> None:
    ingest(project, "glob.py")
    assert chosen(project, JUDGED).success
    assert chosen(project, DERIVED).success and project.published == 3
    late = chosen(project, ["published"])
    assert "built from generation 1, but 3 serves by now; build again" in said(late)
    assert project.published == 3
    assert Daemon(project).settle() == (0, 0)
