"""The job `train_head`: the head in its folder, the card on the run; a refusal fails it."""

from pathlib import Path

import dagster as dg
import pytest

from xtr_assets.config import parse_config
from xtr_assets.defs import build_index_defs
from xtr_assets.defs.train_head_job import TrainHeadConfig
from xtr_assets.encoders.head_file import HEAD_FILE, head_sha256
from xtr_assets.pipeline.heads import head_run
from xtr_assets_tests.head_project import head_project

CONFIG = """
name: small
sources: [{name: code, kind: python, path: code}]
encoder: {head: head.safetensors, precision: fp32}
"""


def run(folder: Path, out: Path) -> dg.ExecuteInProcessResult:
    job = build_index_defs(parse_config(CONFIG, folder)).resolve_job_def("train_head")
    config = {"ops": {"train_on_pairs": {"config": {"out": str(out), "judged": [str(folder / "judged")], "epochs": 1}}}}
    with dg.DagsterInstance.ephemeral() as instance:
        return job.execute_in_process(config, instance=instance, raise_on_error=False)


def test_the_job_writes_the_head_and_shows_its_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    with head_project(tmp_path):
        result = run(tmp_path, out)
        assert result.success
        (output,) = [event.step_output_data for event in result.all_events if event.is_successful_output]
        assert output.metadata["head"].value == head_sha256(out)
        assert "held-out code" in str(output.metadata["card"].value)

        monkeypatch.setattr(head_run, "verdict_of", lambda _found: (False, "Refused: surely worse."))
        refused = run(tmp_path, tmp_path / "worse")
    assert not refused.success
    (failure,) = [event for event in refused.all_events if event.is_step_failure]
    assert "surely worse" in str(failure.event_specific_data)
    assert not (tmp_path / "worse" / HEAD_FILE).exists()


def test_no_seed_is_refused_before_anything_is_encoded() -> None:
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        TrainHeadConfig(out="heads/mine", seeds=0)
