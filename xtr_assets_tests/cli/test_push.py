"""`push`, `pull`, `mirror` and `gc --store`, and what reads a store: over a folder that is one."""

import json
from pathlib import Path
from typing import Any

import obstore
import pytest
from obstore.exceptions import GenericError

from xtr_assets.storage.remote.object_store import ObjectStore
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.cli.conftest import Command


def test_a_store_is_pushed_to_searched_pulled_mirrored_and_collected(
    second: Path, change: Command, tmp_path: Path
) -> None:
    store, copy, pulled = f"file://{tmp_path}/store", tmp_path / "copy", str(tmp_path / "pulled")
    cache = ["--cache", str(tmp_path / "cache"), "--cache-size", "1GB"]

    def answer(*arguments: str) -> dict[str, object]:
        done = change(*arguments, "--json")
        assert done.exit_code == 0, done.output
        found: dict[str, object] = json.loads(done.stdout)
        return found

    assert answer("push", store, "--dry-run")["moved"] is True and not (tmp_path / "store").exists()
    assert answer("push", store)["move"] == 1
    assert "already" in change("push", store).stderr
    # The largest object there is one of the generation's files: somebody removed it.
    lost = max((tmp_path / "store" / "files").rglob("*"), key=lambda path: path.stat().st_size * path.is_file())
    lost.unlink()
    for arguments, said in ((["--dry-run"], "would be"), ([], "are")):
        told = " ".join(change("push", store, *arguments).stderr.split())
        assert f"1 files that were lost there {said} sent anew" in told
    assert lost.is_file()
    hits = answer("search", "the lion roars", "--mode", "lexical", "-w", store, *cache)
    assert hits["generation"] == 2 and hits["hits"][0]["path"] == "lions.md"  # type: ignore[index]
    assert answer("verify", "-w", store)["ok"] is True
    by_path = change("search", "lion", "-w", f"{tmp_path}/store")
    assert by_path.exit_code == 1 and f"give its address, {store}" in by_path.stderr
    refused = change("rollback", "-w", store)
    assert refused.exit_code == 1 and "cache of file://" in refused.stderr
    assert answer("pull", store, "-w", pulled, "--dry-run")["files"] and not Path(pulled).exists()
    assert answer("pull", store, "-w", pulled)["generation"] == 2
    assert "serves here already" in change("pull", store, "-w", pulled).stderr
    assert answer("verify", "-w", pulled)["ok"] is True
    assert answer("mirror", store, str(copy))["moves"] == 1
    assert answer("mirror", store, str(copy))["files"] == 0
    assert answer("gc", "--store", store, "--keep", "1")["kept"] == [2]
    assert change("rollback").exit_code == 0 and answer("push", store)["generation"] == 1
    assert answer("search", "zebra", "--mode", "lexical", "-w", store, *cache)["generation"] == 1


@pytest.mark.usefixtures("project")
def test_what_cannot_be_is_one_line(change: Command, tmp_path: Path) -> None:
    for arguments in (
        ["pull", str(tmp_path / "none"), "-w", str(tmp_path / "new")],
        ["mirror", str(tmp_path / "none"), str(tmp_path / "copy")],
        ["push", "ftp://host/x"],
        ["push", "s3://key:secret@bucket/x"],
        ["gc", "--store", str(tmp_path / "none")],
        ["search", "x", "-w", f"file://{tmp_path}/none"],
    ):
        done = change(*arguments)
        assert done.exit_code == 1 and len(done.stderr.splitlines()) == 1, (arguments, done.output)
        assert "secret" not in done.output
    assert not (tmp_path / "new").exists()
    done = change("search", "x", "-w", f"file://{tmp_path}/none", "--cache-size", "much")
    assert done.exit_code == 2 and "is no size of a cache" in done.stderr


@pytest.mark.parametrize("meanwhile", ["withdraw", "rollback"])
def test_a_pointer_that_moves_while_a_push_runs_is_no_silent_success(
    second: Path, change: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    """What was withdrawn never serves in the store; what was rolled back is said."""
    send, calls = ObjectStore.put_file, list[int]()

    def slow(self: ObjectStore, *arguments: Any) -> Any:
        if not calls:
            calls.append(1)
            warehouse = Warehouse.open(second / "warehouse")
            warehouse.rollback()
            if meanwhile == "withdraw":
                warehouse.withdraw(2, reason="bad")
        return send(self, *arguments)

    monkeypatch.setattr(ObjectStore, "put_file", slow)
    store = f"file://{tmp_path}/store"
    pushed = change("push", store)
    if meanwhile == "withdraw":
        assert pushed.exit_code == 1 and "withdrawn" in pushed.stderr
        assert ObjectStore.at(store).head() is None
    else:
        assert pushed.exit_code == 0 and "generation 1 serves here since" in pushed.stderr
    again = change("push", store)
    assert again.exit_code == 0 and "pushed generation 1" in again.stderr


def test_a_disk_that_refuses_is_told_at_once_with_what_helps_there(
    second: Path, change: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a traceback nor advice about the network: another try mends no full disk."""
    (tmp_path / "file").write_text("no folder")
    for command in (("push",), ("mirror", f"file://{tmp_path}/store")):
        change("push", f"file://{tmp_path}/store")
        refused = change(*command, f"file://{tmp_path}/file/store")
        assert refused.exit_code == 1 and len(refused.stderr.splitlines()) == 1, refused.output
        assert "os error 20" in refused.stderr and "folder" in refused.stderr
    asked = list[str]()

    def full(store: Any, name: str, *_: Any, **__: Any) -> None:
        asked.append(name)
        raise GenericError("Unable to copy data to file: No space left on device (os error 28)")

    monkeypatch.setattr(obstore, "put", full)
    refused = change("push", f"file://{tmp_path}/other")
    assert refused.exit_code == 1 and "free some on the disk of the store" in refused.stderr
    # The six writers of the first look at a store, each once.
    assert "network" not in refused.stderr and len(asked) <= 6
