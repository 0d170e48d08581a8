"""`train-head`: what it writes, and what it says to people and to programs."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from xtr_assets.cli import app
from xtr_assets.encoders.head_file import CARD_FILE, CARD_TEXT, HEAD_FILE, head_sha256
from xtr_assets.pipeline.heads import head_run
from xtr_assets_tests.head_project import head_project

CONFIG = """
sources: [{name: code, kind: python, path: code}]
encoder: {head: head.safetensors, precision: fp32}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("train")
    (folder / "xtr.yaml").write_text(CONFIG)
    with head_project(folder):
        yield folder


def run(project: Path, *given: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["train-head", *given, "--config", str(project / "xtr.yaml"), "--dim", "8"])
    return result.exit_code, result.stdout, result.stderr


def test_a_head_is_trained_on_the_sources_of_the_index(project: Path) -> None:
    out = project / "out"
    code, stdout, stderr = run(project, str(out), "--judged", str(project / "judged"))
    assert (code, stdout) == (0, ""), stderr
    assert {one.name for one in out.iterdir()} == {HEAD_FILE, CARD_FILE, CARD_TEXT}
    for part in ("held-out code", "judged", "CPU s", "in the sum", "not worse than the head there is", f"head: {out}"):
        assert part in stderr.replace("\n", ""), part


def test_programs_get_the_card(project: Path) -> None:
    out = project / "json"
    code, stdout, stderr = run(project, str(out), "--json", "--from", str(project / "code"), "--seeds", "2")
    assert (code, stderr) == (0, "")
    document = json.loads(stdout)
    assert document["folder"] == str(out)
    assert document["card"] == json.loads((out / CARD_FILE).read_text())
    assert document["card"]["sha256"] == head_sha256(out)
    assert document["card"]["seeds"] == [0, 1]


def test_a_place_where_no_head_can_lie_is_refused_before_the_training(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(head_run, "make_head", None)
    code, _, stderr = run(project, str(project / "xtr.yaml"))
    assert code == 2 and "no head can be written to" in stderr and "name another folder" in stderr, stderr


STOPPED = """
import os, signal, sys, tempfile, time
from pathlib import Path
from xtr_assets.cli import app
from xtr_assets.pipeline.heads import head_run
from xtr_assets_tests.head_project import head_project

# As a shell starts it, whatever the tests before this one left.
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
signal.signal(signal.SIGTERM, signal.SIG_DFL)

def stopped(*_):
    print(*os.listdir(tempfile.gettempdir()), flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    # Whichever thread takes the signal, Python answers it in this one, a moment later.
    for _ in range(1200):
        time.sleep(0.05)

folder = Path(sys.argv[1])
with head_project(folder):
    head_run._train = stopped
    app(["train-head", str(folder / "out"), "--config", str(folder / "xtr.yaml"), "--dim", "8"])
"""


def test_a_training_that_is_stopped_ends_by_that_signal_and_leaves_no_folder(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "xtr.yaml").write_text(CONFIG)
    environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", STOPPED, str(tmp_path)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == -signal.SIGTERM and "Traceback" not in ended.stderr, ended.stderr
    assert "xtr-head-" in ended.stdout  # There was one.
    assert [*(tmp_path / "tmp").glob("xtr-*")] == [] and not (tmp_path / "out").exists()


def test_what_cannot_be_trained_on_is_named(project: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, _, stderr = run(project, str(tmp_path / "out"), "--from", str(tmp_path / "empty"))
    assert code == 2 and "0 pairs were mined" in stderr and "name more packages" in stderr
    code, _, stderr = run(project, str(tmp_path / "out"), "--from", str(tmp_path / "gone.whl"))
    assert code == 2 and "gone.whl is no folder, wheel or source archive" in stderr
    hashing = project / "hashing.yaml"
    hashing.write_text(CONFIG.replace("{head: head.safetensors, precision: fp32}", "{kind: hashing}"))
    result = CliRunner().invoke(app, ["train-head", str(tmp_path / "out"), "--config", str(hashing)])
    assert result.exit_code == 2 and "'hashing'; a head is trained for 'minilm'" in result.stderr
    assert not (tmp_path / "out").exists()
