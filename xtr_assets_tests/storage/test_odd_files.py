"""What is no file, and a manifest that says what cannot be under seals that fit: refused by name, at once."""

import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from xtr_assets.core.errors import StorageError
from xtr_assets.storage.digests import forget_digests
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.long_cases import pairs
from xtr_assets_tests.storage.conftest import Laid
from xtr_assets_tests.storage.resealed import Change, edit
from xtr_assets_tests.storage.sample import draft, texts, write

A, B = ({"a.py": [f"f {word}"], "b.py": ["g other"]} for word in ("one", "two"))
# /dev/zero never ends: who reads it as a file takes all memory.
ZERO = os.makedev(1, 5)


@pytest.fixture(autouse=True)
def at_once() -> Iterator[None]:
    """A wait for the other end of a pipe would never be over."""

    def late(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError("no end after 20 s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def lived(laid: Laid) -> Warehouse:
    """Generations 1 and 2, of which 2 serves."""
    return laid(A, B)


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    try:
        os.mknod(path, 0o020600, ZERO)
    except PermissionError:
        pytest.skip("only root makes device nodes")
    try:
        path.open("rb").close()
    except PermissionError:
        pytest.skip("devices do nothing on this file system")


def bound_socket(path: Path) -> None:
    # Names of sockets are short: it is bound elsewhere and moved.
    with socket.socket(socket.AF_UNIX) as made:
        short = Path(tempfile.gettempdir()) / f"s{os.getpid()}"
        made.bind(str(short))
        shutil.move(short, path)


KINDS: dict[str, Callable[[Path], None]] = {
    "pipe": pipe,
    "device": device,
    "socket": bound_socket,
    "folder": Path.mkdir,
}

FILES = (
    "PUBLISHED",
    "warehouse.json",
    "history.jsonl",
    "generations/NEXT",
    "generations/2/manifest.json",
    "generations/2/manifest.json.sha256",
    "generations/2/tombstones.npy",
    "generations/2/id_map.parquet",
    "generations/2/dense.faiss",
    "shards/s/CURRENT",
    "shards/s/*.json",
    "segments/*/segment.json",
    "segments/*/chunks.arrow",
    "segments/*/embeddings.*.npy",
    "segments/*/tokens.*/files.json",
    "segments/*/tokens.*/offsets.npy",
)


def steps(root: Path) -> dict[str, Callable[[], Any]]:
    """What people do with a warehouse; each opens it anew."""

    def served(warehouse: Warehouse) -> Any:
        published = warehouse.published
        assert published is not None
        arrays = [placed.segment.tokens(published.fingerprint) for placed in published.segments]
        return texts(published), published.vectors().end_row, len(arrays), published.live.tolist()

    def built(warehouse: Warehouse) -> int:
        write(warehouse, {**B, "c.py": ["h new"]})
        return draft(warehouse, "another").number

    return {
        "search": lambda: served(Warehouse.open(root)),
        "verify": lambda: [problem.path for problem in Warehouse.open(root).verify().problems],
        "gc": lambda: Warehouse.open(root).collect(2, dry_run=True) and None,
        "rollback": lambda: Warehouse.open(root).rollback().number,
        "build": lambda: built(Warehouse.open(root)),
    }


# Each file and each kind, in turn: kinds are told apart in one place, files are opened in many.
@pytest.mark.parametrize(("name", "kind"), pairs(FILES, KINDS))
def test_what_is_no_file_is_refused_by_name_and_nobody_waits(lived: Warehouse, name: str, kind: str) -> None:
    path = sorted(p for p in lived.root.glob(name) if p.name != "scan.json")[-1]
    named = path.relative_to(lived.root).as_posix()
    path.unlink()
    KINDS[kind](path)
    told = 0
    for step, work in steps(lived.root).items():
        forget_digests()
        try:
            found = work()
        except StorageError as error:
            told += named in str(error)
            assert named in str(error) or step == "rollback", (step, str(error))
        else:
            if step == "verify":
                told += any(named in problem for problem in found)
            assert step != "search" or found[0] == ["f two", "g other"]
    assert told, f"nobody told of a {kind} in the place of {named}"


def placed(**change: Any) -> Change:
    return lambda manifest: manifest["segments"][0].update(change)


IMPOSSIBLE: dict[str, Change] = {
    "end_row": lambda manifest: manifest.update(end_row=2**60),
    "end_row of 70 bits": lambda manifest: manifest.update(end_row=2**70),
    "end_row 0": lambda manifest: manifest.update(end_row=0),
    "live_rows": lambda manifest: manifest.update(live_rows=2**60),
    "base_row": placed(base_row=2**60),
    "rows": placed(rows=2**60),
    "rows of a segment live": placed(live_rows=2**60),
    "the same base_row twice": lambda manifest: [one.update(base_row=0) for one in manifest["segments"]],
    "a file of 2**60 bytes": lambda manifest: manifest["files"]["generations/2/dense.faiss"].update(bytes=2**60),
    "a name of 1,500 folders": lambda manifest: manifest["files"].update(
        {"generations/2/" + "a/" * 1500 + "x": {"bytes": 1, "sha256": "0" * 64}}
    ),
    "a shard of 1,500 folders": lambda manifest: manifest["snapshots"].update({"a/" * 1500 + "x": "0" * 16}),
    "a segment of 1,500 folders": placed(segment_id="a/" * 1500 + "x"),
    "another number": lambda manifest: manifest.update(number=1),
    "a shift of 2**60": placed(shifts=[[0, 1, 2**60]]),
}


@pytest.mark.parametrize("what", IMPOSSIBLE)
def test_a_manifest_that_cannot_be_is_refused_under_seals_that_fit(lived: Warehouse, what: str) -> None:
    edit(lived, 2, IMPOSSIBLE[what], seal=True, history=True)
    refused = {}
    for step, work in steps(lived.root).items():
        forget_digests()
        try:
            found = work()
        except StorageError as error:
            refused[step] = str(error)
        else:
            assert step != "search" or found[0] == ["f two", "g other"]
            if step == "verify" and found:
                refused[step] = found[0]
    assert refused, f"nobody told of {what}"
    assert all(len(message) < 2000 for message in refused.values())
