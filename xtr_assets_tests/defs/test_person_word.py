"""What a person says of a run of `rebuild`: that a loss is meant, that what was taken back may serve again. It is kept
once, for what was shown, however often and however late the run is executed."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from xtr_assets.config import parse_config
from xtr_assets.defs import build_index_defs
from xtr_assets.defs.asked_run import AskedRun
from xtr_assets.pipeline.gate.nothing_vanished import CHECK
from xtr_assets.storage import history
from xtr_assets_tests.defs.conftest import CONFIG, STDLIB, Project
from xtr_assets_tests.defs.test_automation import change
from xtr_assets_tests.defs.test_by_hand import said
from xtr_assets_tests.defs.test_sensors import Daemon

LATER = "2999-01-01T00:00:00+00:00"


@pytest.fixture(scope="module")
def halved_once(built_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generation 1 serves four modules; two of them went, and draft 2 was refused for that."""
    folder = tmp_path_factory.mktemp("halved")
    shutil.copytree(built_once, folder, dirs_exist_ok=True)
    with dg.DagsterInstance.ephemeral() as instance:
        project = Project(folder, instance, parse_config(CONFIG.format(name="small"), folder))
        for name in ("heapq.py", "queue.py"):
            (project.modules / name).unlink()
        assert [one.name for one in project.build().failed] == [CHECK]
    return folder


@pytest.fixture
def halved(halved_once: Path, tmp_path: Path) -> Iterator[Project]:
    shutil.copytree(halved_once, tmp_path, dirs_exist_ok=True)
    with dg.DagsterInstance.ephemeral() as instance:
        yield Project(tmp_path, instance, parse_config(CONFIG.format(name="small"), tmp_path))


def made_anew(folder: str) -> dg.JobDefinition:
    """The job, found by this module's name: what is executed again is opened anew."""
    return build_index_defs(parse_config(CONFIG.format(name="small"), Path(folder))).resolve_job_def("rebuild")


def rebuild(project: Project, **config: Any) -> dg.ExecuteInProcessResult:
    asked = {"ops": {"small__generation": {"config": config}}}
    job = build_index_defs(project.config).resolve_job_def("rebuild")
    return job.execute_in_process(instance=project.instance, run_config=asked, raise_on_error=False)


def ingest(project: Project) -> None:
    job = build_index_defs(project.config).resolve_job_def("ingest")
    assert job.execute_in_process(instance=project.instance, partition_key="modules").success


def words(project: Project) -> list[str]:
    return [one.action for one in project.warehouse.history()]


def test_a_loss_that_was_shown_is_accepted_once(halved: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a further one is asked about again, also where the run waited in a queue meanwhile."""
    asked = {"accept_shrink": ["modules"], "reason": "they went elsewhere"}
    (halved.modules / "textwrap.py").unlink()
    ingest(halved)
    late = said(rebuild(halved, **asked))
    assert "source modules holds 1 files" in late and "draft 2, which nothing_vanished refused, had 2 files" in late
    shutil.copy(STDLIB / "textwrap.py", halved.modules)
    ingest(halved)
    assert "no source is called 'moduls'" in said(rebuild(halved, accept_shrink=["moduls"], reason="typed"))
    for blank in ({**asked, "reason": ""}, {"reason": "of what?"}, {**asked, "reason": "  "}):
        assert "reason" in said(rebuild(halved, **blank))
    assert words(halved) == ["published"]

    with monkeypatch.context() as patch:
        patch.setattr("xtr_assets.defs.assets.generation.begin_generation", killed)
        died = rebuild(halved, **asked)
    assert not died.success and words(halved) == ["published", "accepted_shrink"]
    job = dg.build_reconstructable_job(
        __name__, made_anew.__name__, reconstructable_kwargs={"folder": str(halved.folder)}
    )
    again = dg.execute_job(job, halved.instance, reexecution_options=dg.ReexecutionOptions(died.run_id))

    assert again.success and halved.published == 3
    assert words(halved) == ["published", "accepted_shrink", "published"]
    line = halved.warehouse.history()[1]
    assert (line.who, line.reason) == (f"dagster run {died.run_id}", "they went elsewhere")
    # It ends with what served: neither the next build, nor the same run executed once more, may lose as much.
    for name in ("bisect.py", "textwrap.py"):
        (halved.modules / name).write_text("")
    ingest(halved)
    once_more = dg.execute_job(job, halved.instance, reexecution_options=dg.ReexecutionOptions(died.run_id))
    assert not once_more.success and halved.published == 3
    assert words(halved).count("accepted_shrink") == 1


def test_a_loss_that_nobody_saw_is_not_accepted(project: Project) -> None:
    for name in ("heapq.py", "queue.py"):
        (project.modules / name).unlink()
    ingest(project)
    result = rebuild(project, accept_shrink=["modules"], reason="they went elsewhere")
    assert "nothing_vanished refused no draft beside generation 1" in said(result)
    assert words(project) == ["published"]


def test_what_was_taken_back_and_collected_is_built_by_a_word(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(project)
    assert project.build().published
    with monkeypatch.context() as patch:
        patch.setattr(history, "now", lambda: LATER)
        project.warehouse.withdraw(2, "too soon")
    project.warehouse.collect(1)
    waits = str(Daemon(project).tick("automation").skip_message)
    assert "(too soon)" in waits and "`rebuild` with `again`" in waits
    # He did not see the withdrawal.
    assert f"generation 2 was withdrawn on {LATER}" in said(rebuild(project, again="it was rolled back by mistake"))
    monkeypatch.setattr(AskedRun, "refuse_after", lambda *_: None)

    result = rebuild(project, again="now it is time")

    assert result.success and project.published == 3
    line = project.warehouse.history()[-2]
    assert (line.action, line.who, line.reason) == ("allowed", f"dagster run {result.run_id}", "now it is time")


def killed(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt
