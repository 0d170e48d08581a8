import json
from pathlib import Path

from xtr_assets_tests.cli.conftest import Command


def test_collection_says_what_it_would_remove_and_then_removes_it(second: Path, change: Command) -> None:
    planned = json.loads(change("gc", "--keep", "1", "--dry-run", "--json").stdout)
    assert (planned["dry_run"], planned["kept"], planned["generations"]) == (True, [2], [1])
    assert planned["bytes"] == sum(planned["removed"].values()) > 0
    assert (second / "warehouse" / "generations" / "1").is_dir()
    done = json.loads(change("gc", "--keep", "1", "--json").stdout)
    assert (done["dry_run"], done["removed"]) == (False, planned["removed"])
    assert not (second / "warehouse" / "generations" / "1").exists()
    assert change("verify").exit_code == 0
    assert "0 bytes" in change("gc", "--keep", "1").stderr
