import json
import subprocess
import sys

from typer.testing import CliRunner

from xtr_assets.cli import app

HEAVY = ("torch", "transformers", "dagster", "faiss", "numba", "numpy", "pandas", "pyarrow", "duckdb", "pydantic")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import json, sys\n"
        "from xtr_assets.cli import main\n"
        "sys.argv = ['xtr-assets', '--help']\n"
        "try:\n    main()\n"
        f"finally:\n    print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Usage: xtr-assets" in done.stdout
    assert json.loads(done.stderr) == []


def test_wrong_use_ends_with_two() -> None:
    for arguments in (["nothing"], ["search"], ["search", "x", "-k", "0"], ["publish", "none"], ["withdraw", "1"]):
        assert CliRunner().invoke(app, arguments).exit_code == 2, arguments


def test_version_says_the_version() -> None:
    assert CliRunner().invoke(app, ["--version"]).output.startswith("xtr-assets 0.")
