import errno
import json
import os
import shutil
from pathlib import Path

import pytest

from xtr_assets_tests.cli.conftest import Command


def test_collection_says_what_it_would_remove_and_then_removes_it(second: Path, change: Command) -> None:
    planned = json.loads(change("gc", "--keep", "1", "--dry-run", "--json").stdout)
    assert (planned["dry_run"], planned["kept"], planned["generations"]) == (True, [2], [1])
    assert planned["bytes"] == sum(planned["removed"].values()) > 0
    assert (second / "warehouse" / "generations" / "1").is_dir()
    done = json.loads(change("gc", "--keep", "1", "--json").stdout)
    assert (done["dry_run"], done["removed"]) == (False, planned["removed"])
    assert not (second / "warehouse" / "generations" / "1").exists()
    assert (done["retired"], done["unused"]) == ([], [])
    assert change("verify").exit_code == 0
    shards = second / "warehouse" / "shards"
    shutil.copytree(next(shards.iterdir()), shards / "gone")
    told = change("gc", "--keep", "1").stderr
    assert "0 bytes" in told and "no source has the shards gone" in told
    # Of a source that cannot be opened here nothing is known to have gone.
    config = second / "xtr.yaml"
    none = "sources:\n  - {name: gone, kind: 'python:builtins:list'}"
    config.write_text(config.read_text().replace("sources:", none))
    kept = change("gc", "--keep", "1", "--json")
    assert kept.exit_code == 0 and json.loads(kept.stdout)["unused"] == [], kept.output


def test_a_full_disk_can_be_collected(second: Path, change: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The note of who holds the lock needs a block of the disk, and what frees blocks needs the lock."""

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    collected = change("gc", "--keep", "1")
    assert collected.exit_code == 0, collected.output
    assert not (second / "warehouse" / "generations" / "1").exists() and change("verify").exit_code == 0
