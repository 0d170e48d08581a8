import errno
import json
from pathlib import Path

import pytest

from xtr_assets.core.files import sha256_file
from xtr_assets.storage import digests
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.cli.answers import document
from xtr_assets_tests.cli.conftest import Command


def test_verify_names_the_file_that_differs(project: Path, change: Command) -> None:
    assert document(change, "verify")["ok"]
    (victim,) = (project / "warehouse" / "generations").rglob("id_map.parquet")
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    result = change("verify", "--json")
    assert result.exit_code == 1
    assert [p["path"] for p in json.loads(result.stdout)["problems"]] == ["generations/1/id_map.parquet"]
    people = change("verify")
    assert people.exit_code == 1
    assert "generations/1/id_map.parquet" in people.stderr


def test_nothing_to_verify_is_not_verified(tmp_path: Path, run: Command) -> None:
    """An empty warehouse, one that was pulled from an empty store, a set without parts: no evidence is no good one."""
    Warehouse.create(tmp_path / "w")
    PartSet.create(tmp_path / "set")
    for folder in (tmp_path / "w", tmp_path / "set"):
        for result in (run("verify", "-w", str(folder)), run("health", "-w", str(folder))):
            assert result.exit_code == 1
        said = " ".join(run("verify", "-w", str(folder)).stderr.split())
        assert said.startswith("nothing was verified: no generation is in ") and "`xtr-assets build`" in said
        told = json.loads(run("verify", "-w", str(folder), "--json").stdout)
        assert (told["ok"], told["files"], told["problems"]) == (False, 0, [])
    swept = run("gc", "-w", str(tmp_path / "w"))
    assert (swept.exit_code, "no generation is there" in swept.stderr) == (0, True)


def test_a_file_that_this_user_may_not_read_is_told_apart_from_a_damaged_one(
    project: Path, change: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = sha256_file

    def closed(path: Path) -> str:
        if path.name == "id_map.parquet":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(digests, "sha256_file", closed)
    result = change("verify")
    said = " ".join(result.stderr.split())
    assert result.exit_code == 1 and "generations/1/id_map.parquet" in said
    assert "Permission denied" in said and "run as its owner" in said and "from a copy" not in said


@pytest.mark.parametrize("name", ["PUBLISHED", "history.jsonl", "warehouse.json"])
def test_where_a_rollback_is_refused_too_none_is_advised(project: Path, change: Command, name: str) -> None:
    damaged = project / "warehouse" / name
    damaged.write_bytes(b"x" + damaged.read_bytes()[1:])
    for result in (change("rollback"), change("verify")):
        said = " ".join((result.stdout + result.stderr).split())
        assert result.exit_code == 1 and name in said and "from a copy" in said
        assert "`xtr-assets rollback`" not in said, said


def test_of_a_draft_that_cannot_be_read_verify_says_what_helps_there(project: Path, change: Command) -> None:
    """It never served: there is no copy of it, and no rollback helps."""
    draft = project / "warehouse" / "generations" / "2"
    draft.mkdir()
    (draft / "manifest.json").write_text("{")
    result = change("verify")
    said = " ".join((result.stdout + result.stderr).split())
    assert result.exit_code == 1 and "remove generations/2, and build again" in said and "roll back" not in said


@pytest.mark.parametrize("name", ["generations/NEXT", "shards/guide/CURRENT"])
def test_what_a_build_makes_anew_may_be_removed(project: Path, change: Command, name: str) -> None:
    damaged = project / "warehouse" / name
    damaged.write_text("x\n")
    refused = change("verify")
    assert refused.exit_code == 1 and "or remove it" in " ".join((refused.stdout + refused.stderr).split())
    damaged.unlink()
    (project / "guide" / "kites.md").write_text("# Kites\n\nA kite is flown in the wind of a hill.\n")
    assert change("build").exit_code == 0 and change("verify").exit_code == 0
    served = Warehouse.open(project / "warehouse").published
    assert damaged.exists() and served is not None and served.number == 2
