"""The nightly verification: every byte of what serves, read from the disk; damage fails the run, loudly."""

import dagster as dg

from xtr_assets.defs import build_index_defs
from xtr_assets.telemetry import metrics
from xtr_assets_tests.defs.conftest import Project
from xtr_assets_tests.defs.test_upkeep import job


def damaged(project: Project) -> float:
    """What the metric says."""
    value = metrics.REGISTRY.get_sample_value("xtr_assets_damaged_files", {"warehouse": project.warehouse.root.name})
    assert value is not None
    return value


def test_what_is_whole_passes_and_says_how_much_was_read(project: Project) -> None:
    result = job(project, "verify")

    assert result.success
    files = project.warehouse.generation(1).manifest.files
    (output,) = [event.step_output_data for event in result.all_events if event.is_successful_output]
    assert output.metadata["files"].value == len(files)
    assert output.metadata["bytes"].value == sum(one.bytes for one in files.values())
    assert damaged(project) == 0


def test_one_flipped_bit_fails_the_run_which_names_the_file(project: Project) -> None:
    generation = project.warehouse.generation(1)
    name = next(name for name in generation.manifest.files if name.endswith("tokens.npy"))
    path = project.warehouse.layout.resolve(name)
    bad = bytearray(path.read_bytes())
    bad[-1] ^= 1
    path.write_bytes(bad)

    result = job(project, "verify", raise_on_error=False)

    assert not result.success
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert failure.step_failure_data.error is not None
    assert "serves with 1 damaged files" in failure.step_failure_data.error.message
    assert name in failure.step_failure_data.error.message
    assert damaged(project) == 1
    # The sensor that tells people of failed runs watches this job too.
    defs = build_index_defs(project.config)
    assert isinstance(defs.resolve_sensor_def("run_failure"), dg.SensorDefinition)
    assert "verify" in {one.name for one in defs.resolve_all_job_defs()}


def test_damage_to_what_does_not_serve_is_not_this_jobs_business(project: Project) -> None:
    (project.modules / "queue.py").unlink()
    assert project.build().published
    (project.warehouse.layout.generation(1) / "dense.faiss").write_bytes(b"")
    assert job(project, "verify").success


def test_a_pointer_that_is_gone_is_not_taken_for_a_warehouse_without_one(project: Project) -> None:
    (project.warehouse.root / "PUBLISHED").unlink()
    result = job(project, "verify", raise_on_error=False)
    assert not result.success
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert failure.step_failure_data.error is not None
    assert "nothing serves, and that is not how it was left" in failure.step_failure_data.error.message
    assert "PUBLISHED" in failure.step_failure_data.error.message
