import errno
import io
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer
from typer.testing import CliRunner

from xtr_assets.cli import app
from xtr_assets.cli.app import Commands
from xtr_assets.cli.console import emit
from xtr_assets.core.errors import XtrAssetsError

HEAVY = ("torch", "transformers", "dagster", "faiss", "numba", "numpy", "pandas", "pyarrow", "duckdb", "pydantic")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import atexit, json, sys\n"
        f"loaded = lambda: json.dumps([m for m in {HEAVY!r} if m in sys.modules])\n"
        "atexit.register(lambda: print(loaded(), file=sys.stderr))\n"
        "from xtr_assets.cli import main\n"
        "sys.argv = ['xtr-assets', '--help']\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Usage: xtr-assets" in done.stdout
    # Whatever else is said there (a warning, where the environment asks for them) comes before.
    assert json.loads(done.stderr.splitlines()[-1]) == []


def test_a_command_that_is_misspelt_is_proposed_once() -> None:
    said = CliRunner().invoke(app, ["serch"]).stderr
    assert said.count("Did you mean") == 1 and "search" in said


def test_wrong_use_ends_with_two() -> None:
    for arguments in (["nothing"], ["search"], ["search", "x", "-k", "0"], ["publish", "none"], ["withdraw", "1"]):
        assert CliRunner().invoke(app, arguments).exit_code == 2, arguments


def test_version_says_the_version() -> None:
    assert CliRunner().invoke(app, ["--version"]).output.startswith("xtr-assets 0.")


def test_the_command_ends_with_its_exit_code_and_all_of_its_output() -> None:
    """It leaves without taking the interpreter apart; what it wrote into a pipe must be there all the same."""
    for arguments, code, where in (
        (["--help"], 0, "stdout"),
        (["nothing"], 2, "stderr"),
        (["verify", "-w", "nowhere"], 1, "stderr"),
    ):
        line = f"import sys; sys.argv[1:] = {arguments!r}; from xtr_assets.cli import main; main()"
        done = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=False)
        assert done.returncode == code, (arguments, done.stderr)
        assert len(getattr(done, where)) > 20, arguments


def test_a_command_waits_for_its_threads() -> None:
    code = (
        "import sys, threading, time\n"
        "from xtr_assets.cli import main\n"
        "def late():\n    time.sleep(.3)\n    print('written late')\n"
        "threading.Thread(target=late).start()\n"
        "sys.argv = ['xtr-assets', '--version']\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "written late\n" in done.stdout


def test_a_closed_standard_stream_is_no_fault_and_no_file_takes_its_number() -> None:
    """`>&-` and `<&-`, as some supervisors start what they watch."""
    reading, writing = os.pipe()
    code = (
        "import atexit, os, sys\n"
        "from xtr_assets.cli import main\n"
        "null = os.stat(os.devnull).st_rdev\n"
        f"atexit.register(lambda: os.write({writing}, bytes([os.fstat(n).st_rdev == null for n in range(3)])))\n"
        "sys.argv = ['xtr-assets', '--version']\n"
        "main()\n"
    )
    closed = shlex.join([sys.executable, "-c", code]) + " <&- >&- 2>&-"
    done = subprocess.run(["sh", "-c", closed], pass_fds=[writing], check=False)
    os.close(writing)
    with os.fdopen(reading, "rb") as told:
        assert (done.returncode, told.read()) == (0, b"\x01\x01\x01")


def test_a_command_may_open_the_files_that_it_needs() -> None:
    """The soft limit is raised: that of macOS is 256, with which a build would end."""
    code = (
        "import atexit, resource as r, sys\n"
        "from xtr_assets.cli import main\n"
        "hard = r.getrlimit(r.RLIMIT_NOFILE)[1]\n"
        "r.setrlimit(r.RLIMIT_NOFILE, (64, hard))\n"
        "least = 1024 if hard == r.RLIM_INFINITY else min(1024, hard)\n"
        "atexit.register(lambda: print(r.getrlimit(r.RLIMIT_NOFILE) == (least, hard)))\n"
        "sys.argv = ['xtr-assets', '--version']\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "True"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full is Linux's")
def test_help_onto_a_full_disk_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "xtr_assets", "--help"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1) and "free some on that disk" in done.stderr


def test_a_current_folder_that_was_removed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (gone := tmp_path / "gone").mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    for command in (("status",), ("search", "zebra", "-w", str(tmp_path)), ("build",), ("init",)):
        result = CliRunner().invoke(app, command)
        assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
        assert "the current folder was removed" in result.stderr and "`cd` to it" in result.stderr


def test_what_the_system_refuses_says_what_helps() -> None:
    """In whatever an error of a step is wrapped."""
    failing = typer.Typer(cls=Commands)

    @failing.command()
    def build() -> None:
        raise XtrAssetsError("step x: too many") from OSError(errno.EMFILE, "Too many open files")

    @failing.command()
    def other() -> None:
        raise XtrAssetsError("step x: no space") from OSError(errno.ENOSPC, "No space left on device")

    @failing.command()
    def apart() -> None:
        raise XtrAssetsError("step x: two disks") from OSError(errno.EXDEV, "Invalid cross-device link")

    @failing.command()
    def threads() -> None:
        raise XtrAssetsError("step x: no thread") from RuntimeError("Failed to launch worker thread: try again")

    said = [CliRunner().invoke(failing, [name]).stderr for name in ("build", "other", "apart", "threads")]
    assert said == [
        "error: step x: too many; raise the limit of open files, `ulimit -n 1024`\n",
        "error: step x: no space; free some on that disk and run it again; `xtr-assets gc` removes what no generation "
        "needs\n",
        "error: step x: two disks; a folder of the warehouse is a disk or a mount of its own: keep all of a warehouse "
        "on one\n",
        "error: step x: no thread; give the process more memory, or more threads (`ulimit -u`, the limits of its "
        "container)\n",
    ]


@pytest.mark.parametrize(("encoding", "written"), [("utf-8", "é \u2603"), ("latin-1", "\\u2603"), ("ascii", "\\u00e9")])
def test_json_comes_out_in_every_encoding(encoding: str, written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding=encoding))
    document = {"path": "é \u2603"}
    emit(document)
    emit({"path": "\udcff"})
    first, second = raw.getvalue().decode(encoding).splitlines()
    assert written in first
    assert json.loads(first) == document
    assert json.loads(second) == {"path": "\udcff"}


def test_a_search_imports_no_other_command_and_nothing_of_stores() -> None:
    code = (
        "import json, sys\n"
        "sys.argv = ['/somewhere/xtr-assets', 'search', 'x']\n"
        "import xtr_assets.cli, xtr_assets.search.searcher\n"
        "print(json.dumps(sorted(m for m in sys.modules if m.startswith('xtr_assets.'))))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert "xtr_assets.cli.search" in loaded
    assert loaded.isdisjoint({"xtr_assets.cli.build", "xtr_assets.cli.publish", "xtr_assets.cli.serve"})
    assert loaded.isdisjoint({f"xtr_assets.storage.remote.{one}" for one in ("object_store", "upload", "download")})
    assert "xtr_assets.storage.segment_compaction" not in loaded


def test_the_package_can_be_run_as_a_module() -> None:
    told = subprocess.run([sys.executable, "-m", "xtr_assets", "--version"], capture_output=True, text=True, check=True)
    assert told.stdout.startswith("xtr-assets 0.")


def test_every_argument_of_every_command_says_what_it_is() -> None:
    def commands(group: click.Command) -> Iterator[click.Command]:
        for one in group.commands.values() if isinstance(group, click.Group) else ():
            yield one
            yield from commands(one)

    found = [*commands(typer.main.get_command(app))]
    assert len(found) > 30
    silent = {
        f"{one.name} {param.name}": one for one in found for param in one.params if not getattr(param, "help", None)
    }
    assert not silent
    assert "The generation's number." in CliRunner().invoke(app, ["publish", "-h"]).stdout


def test_words_too_many_are_told_with_what_helps() -> None:
    for arguments, told in (
        (["withdraw", "1", "--reason", "it", "is", "bad"], 'a text of several words goes in quotes: --reason "..."'),
        (["rollback", "--reason", "it", "is", "bad"], 'a text of several words goes in quotes: --reason "..."'),
        (["diff", "1", "2", "-q", "how", "do", "I"], 'a text of several words goes in quotes: --query "..."'),
        (["build", "now"], "`build` takes options alone: `xtr-assets build -h`"),
    ):
        result = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
        said = " ".join(result.stderr.replace("\u2502", " ").split())
        assert result.exit_code == 2 and told in said, said


def test_help_is_a_word_too() -> None:
    assert CliRunner().invoke(app, ["help"]).stdout == CliRunner().invoke(app, ["--help"]).stdout
    assert CliRunner().invoke(app, ["help", "search"]).stdout == CliRunner().invoke(app, ["search", "--help"]).stdout


def test_a_pipe_that_closes_early_is_no_error_of_ours() -> None:
    line = "import sys; sys.argv[1:] = ['search', '--help']; from xtr_assets.cli import main; main()"
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        done = subprocess.run(
            [sys.executable, "-c", line], stdout=closed, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1 and done.stderr == ""


@pytest.mark.parametrize("given", ["nan", "inf", "1e400"])
def test_no_range_of_an_option_holds_what_is_no_number(given: str) -> None:
    """Of `health --max-age nan` nothing was ever too old, and `plan --chunks nan` ended in a traceback."""
    group = typer.main.get_command(app)
    assert isinstance(group, click.Group)
    ranged = [
        (command, param)
        for command in group.commands.values()
        for param in command.params
        if isinstance(param.type, click.FloatRange)
    ]
    assert len(ranged) >= 9
    for _, param in ranged:
        with pytest.raises(click.BadParameter, match=r"no finite number|not in the range"):
            param.type.convert(given, param, None)
    said = CliRunner().invoke(app, ["health", "--max-age", given])
    assert said.exit_code == 2 and "no finite number" in said.stderr
