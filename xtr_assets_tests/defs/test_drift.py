"""Drift: figures that generations are published with, and the retrain they lead to."""

import hashlib
import json
import shutil
from typing import Any

import dagster as dg
import pytest

from xtr_assets.pipeline.cost_report import REPORT_NOTE
from xtr_assets.pipeline.gate.drift import LIMITS, read_drift
from xtr_assets.telemetry import metrics
from xtr_assets_tests.defs.conftest import MODULES, STDLIB, Project
from xtr_assets_tests.defs.test_sensors import Daemon
from xtr_assets_tests.defs.test_upkeep import IVF


@pytest.fixture
def listed(project: Project) -> Project:
    """A project whose generation 2 has inverted lists, trained there."""
    project.configure(IVF)
    assert project.build().published
    return project


@pytest.mark.long
def test_an_index_that_was_just_trained_has_not_drifted(listed: Project) -> None:
    assert_just_trained(listed, 2)


def assert_just_trained(project: Project, number: int) -> None:
    found = read_drift(project.warehouse.generation(number))
    assert found is not None
    assert found.trained == number
    assert found.imbalance == pytest.approx(1.0)
    assert found.growth == pytest.approx(1.0)
    assert found.nprobe is not None
    assert found.nprobe <= 1.0
    assert found.causes == ()


def test_an_exhaustive_index_has_nothing_to_drift_from(project: Project) -> None:
    assert read_drift(project.warehouse.generation(1)) is None
    tick = Daemon(project).tick("drift")
    assert not tick.run_requests
    assert "nothing serves whose indexes learnt anything" in str(tick.skip_message)


@pytest.mark.long
def test_growth_since_training_is_measured_and_shown(listed: Project) -> None:
    trained = listed.warehouse.generation(2)
    for name in ("glob.py", "shlex.py", "sched.py"):
        shutil.copy(STDLIB / name, listed.modules)
    assert listed.build().published
    shutil.copy(STDLIB / "fnmatch.py", listed.modules)
    assert listed.build().published

    serving = listed.warehouse.generation(4)
    found = read_drift(serving)
    assert found is not None
    assert found.trained == 2
    first = read_drift(trained)
    assert first is not None
    assert found.recall == first.recall
    assert found.growth == pytest.approx(serving.live_rows / trained.live_rows)
    assert f'xtr_assets_drift{{figure="growth"}} {found.growth}'.encode() in metrics.render()
    assert shown(listed)["drift_growth"] == found.growth


def test_past_a_limit_one_retrain_is_asked_for_with_its_cause(listed: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(STDLIB / "glob.py", listed.modules)
    assert listed.build().published
    daemon = Daemon(listed)
    within = daemon.tick("drift")
    assert not within.run_requests
    assert "generation 3 is within its limits: " in str(within.skip_message)
    monkeypatch.setitem(LIMITS, "growth", 1.01)

    (request,) = daemon.tick("drift").run_requests or []

    assert request.tags["xtr-assets/cause"].startswith("growth 1.")
    assert not daemon.tick("drift").run_requests
    assert daemon.run("retrain", request)
    assert listed.published == 4
    assert_just_trained(listed, 4)
    assert listed.instance.get_runs(limit=1)[0].tags["xtr-assets/cause"] == request.tags["xtr-assets/cause"]
    assert not daemon.tick("drift").run_requests
    # Automation finds nothing to do after it.
    assert daemon.settle() == (0, 0)


@pytest.mark.long
def test_a_rollback_is_not_undone_by_a_retrain(listed: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("glob.py", "fnmatch.py"):
        shutil.copy(STDLIB / name, listed.modules)
        assert listed.build().published
    listed.warehouse.rollback()
    monkeypatch.setitem(LIMITS, "growth", 1.01)

    tick = Daemon(listed).tick("drift")

    assert not tick.run_requests
    assert "generation 3 does not hold what the shards hold" in str(tick.skip_message)


def test_a_change_costs_a_share_of_the_last_full_build(project: Project) -> None:
    first = project.warehouse.generation(1).manifest.notes
    assert first[REPORT_NOTE]["full_build"]["generation"] == 1
    assert first[REPORT_NOTE]["share_of_full_build"]["bytes"] == 1.0
    whole = first[REPORT_NOTE]["total"]
    assert whole["encoded"] == first[REPORT_NOTE]["rows_added"] == project.warehouse.generation(1).live_rows
    heap = project.modules / "heapq.py"
    heap.write_text(heap.read_text().replace("def heappush(", "def heap_insert("))

    result = project.build()

    report = project.warehouse.generation(2).manifest.notes[REPORT_NOTE]
    steps = {"ingest.chunks", "ingest.encode", "generation", "queries", "faiss_index", "xtr_index", "check.xtr_recall"}
    assert steps <= set(result.costs)
    encoded = result.shards["modules"]["encoded"]
    assert report["total"]["encoded"] == result.costs["ingest.encode"]["encoded"] == encoded > 0
    assert report["share_of_full_build"]["encoded"] == pytest.approx(encoded / whole["encoded"], abs=1e-4)
    assert report["rows_added"] >= 1
    assert report["rows_removed"] >= 1
    assert 0 < report["total"]["bytes"] < whole["bytes"]
    assert report["full_build"]["generation"] == 1
    # What a build that takes nothing over writes is compared from then on, with the encoding it did not have to do.
    full = project.build(full=True)
    assert (full.built, full.published, full.shards["modules"]["files_touched"]) == (3, True, len(MODULES))
    anew = project.warehouse.generation(3).manifest.notes[REPORT_NOTE]
    assert anew["full_build"]["generation"] == 3
    assert anew["full_build"]["steps"]["ingest.encode"]["encoded"] == whole["encoded"]
    assert anew["total"]["encoded"] == 0
    assert {"publish", "faiss_index"} <= {record.data["step"] for record in shown(project)["costs"]}


def test_without_a_full_build_to_compare_with_no_share_is_made_up(project: Project) -> None:
    # Another release, or an import, may have made the parent without a report.
    manifest = project.warehouse.layout.manifest(1)
    seal = manifest.with_name("manifest.json.sha256")
    document = json.loads(manifest.read_text())
    del document["notes"][REPORT_NOTE]
    manifest.write_text(json.dumps(document))
    seal.write_text(f"{hashlib.sha256(manifest.read_bytes()).hexdigest()}  manifest.json\n")
    (project.modules / "queue.py").unlink()

    assert project.build().published

    report = project.warehouse.generation(2).manifest.notes[REPORT_NOTE]
    assert report["full_build"] is None
    assert set(report["share_of_full_build"].values()) == {None}
    assert "seconds_share" not in shown(project)


def shown(project: Project) -> dict[str, Any]:
    """What the UI shows beside `published`."""
    event = project.instance.get_latest_materialization_event(dg.AssetKey([project.config.name, "published"]))
    assert event is not None
    assert event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    return {name: getattr(value, "records", value.value) for name, value in metadata.items()}
