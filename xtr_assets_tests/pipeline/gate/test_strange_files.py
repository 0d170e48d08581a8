"""Files that nobody would write and somebody has: each is read or in quarantine, and the gate says the same of it."""

import os
import socket
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xtr_assets.pipeline.gate.source_agrees import check
from xtr_assets_tests.documents import MANUAL, pdf
from xtr_assets_tests.pipeline.gate.conftest import World
from xtr_assets_tests.pipeline.gate.test_docx_evidence import broken

# By path what is in it, and its reason in quarantine; None where it is read.
STRANGE: dict[str, tuple[bytes, str | None]] = {
    "tools/null.py": (b"x = 1\n\0y = 2\n", "null-bytes"),
    "tools/mark.py": ("def a():\n    return 1\n\ufeffdef b():\n    return 2\n".encode(), "unparsable"),
    "tools/utf16.py": ("def f():\n    return 1\n".encode("utf-16"), "undecodable"),
    "tools/latin.py": (b"# coding: latin-1\ndef caf\xe9():\n    return '\xe9'\n", None),
    "tools/zlib.py": (b"# coding: zlib\nx = 1\n", "undecodable"),
    "tools/hosts.py": (b"# coding: punycode\nx = 1-\n", "undecodable"),
    "guide/hosts.html": (b"<meta charset=idna><p>text", "undecodable"),
    "tools/returns.py": (b"def a():\r    return 1\rdef b():\r    return 2\r", None),
    "tools/feed.py": (b"def a():\n    pass\n\x0cdef b():\n    pass\n", None),
    "tools/decorated.py": ("".join(f"@d{n}\n" for n in range(900)).encode() + b"def f(): pass\n", None),
    "tools/deep.py": (b"x = " + b"(" * 3000 + b"1" + b")" * 3000 + b"\n", "unparsable"),
    "guide/mark.md": ("# A\n\nmid\ufeffdle\n\n\ufeff# B\n\ntext\n".encode(), None),
    "guide/new\nline.md": (b"# New\n\na line in its name\n", None),
    "guide/turned\u202edm.exe.md": (b"# Turned\n\nit reads as another name\n", None),
    "guide/\u200b.md": (b"# Nothing\n\na name that nobody sees\n", None),
    "guide/[a]{b}*?.md": (b"# Glob\n\na name that is a pattern\n", None),
    "guide/Case.md": (b"# Upper\n\none of two\n", None),
    "guide/case.md": (b"# Lower\n\nthe other of two\n", None),
    "guide/a\\b.md": (b"# Back\n\na backslash in its name\n", None),
    "guide/dir.md/in.md": (b"# In\n\na folder with a suffix\n", None),
    "guide/packed.md": (b"x\x9c\xed\xc1\x01\x01\x00\x00", "undecodable"),
    "guide/large.md": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"4" * 64 + b"\nsize 9\n",
        "pointer",
    ),
    "guide/windows.md": (b"version https://git-lfs.github.com/spec/v1\r\noid sha256:4\r\nsize 9\r\n", "pointer"),
    "guide/lfs.md": (
        b"version https://git-lfs.github.com/spec/v1\n\nso begins a pointer\n" + b"in words\n" * 200,
        None,
    ),
    "guide/lfs-line.md": (b"version https://git-lfs.github.com/spec/v1", None),
    "guide/large.pdf": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"5" * 64 + b"\nsize 9\n",
        "pointer",
    ),
    "guide/ticks.md": (b"`" * 9001 + b"\n", None),
    "guide/nested.md": (b">" * 3000 + b" x\n", None),
    "guide/blank.pdf": (pdf([""] * 200 + ["the last"]), None),
    "guide/styles.docx": (broken(MANUAL, "word/styles.xml", b"<w:p>"), "unparsable"),
    "guide/types.docx": (broken(MANUAL, "[Content_Types].xml", None), None),
    "papers/twice.jsonl": (b'{"_id": "t1", "text": "a", "text": "b"}\n{"_id": "t2", "text": "c"}\n', "invalid-record"),
    "papers/numbers.jsonl": (
        b'{"_id": "n1", "text": "a", "year": NaN}\n{"_id": "n2", "text": "b", "year": 1e999}\n',
        None,
    ),
    "papers/digits.jsonl": (
        b'{"_id": "g1", "text": "a"}\n{"_id": "g2", "year": %s, "text": "b"}\n' % (b"9" * 5000),
        "unparsable",
    ),
    "papers/nothing.parquet": (b"", "no-records"),
    "papers/no.parquet": (b"PAR1 and nothing else PAR1", "no-records"),
}


@pytest.fixture
def strange(world: World) -> World:
    for path, (data, _) in STRANGE.items():
        world.write(path, data)
    world.write("guide/future.md", "# Future\n\nof 2096\n")
    world.write("guide/epoch.md", "# Epoch\n\nof 1970, and before\n")
    os.utime(world.folder / "guide/future.md", (4e9, 4e9))
    os.utime(world.folder / "guide/epoch.md", (-1e9, -1e9))
    os.link(world.folder / "guide/future.md", world.folder / "guide/hard.md")
    names = ["_id", "text", "text"]
    pq.write_table(pa.Table.from_arrays([pa.array(["c"])] * 3, names=names), world.folder / "papers/column.parquet")
    return world


def test_strange_files_are_read_or_told_and_the_gate_agrees(strange: World) -> None:
    found = check(strange.build())
    assert found.passed, found.details["faults"]
    kept = [one for shard in strange.warehouse.shards() if (one := strange.warehouse.snapshot(shard))]
    told = {(entry.source, entry.path): entry.reason for one in kept for entry in one.quarantine}
    wanted = {tuple(path.split("/", 1)): reason for path, (_, reason) in STRANGE.items() if reason is not None}
    assert told == {**wanted, ("papers", "column.parquet"): "no-records"}
    read = {path for shard in strange.warehouse.shards() for path in strange.warehouse.live_paths(shard)}
    said = {path.split("/", 1)[1] for path, (_, reason) in STRANGE.items() if reason is None}
    assert said | {"future.md", "epoch.md", "hard.md", "twice.jsonl", "digits.jsonl"} <= read


def test_what_is_no_file_and_what_has_no_end_hangs_nothing(world: World) -> None:
    guide = world.folder / "guide"
    os.mkfifo(guide / "pipe.md")
    (guide / "zero.md").symlink_to("/dev/zero")
    (guide / "itself.md").symlink_to("itself.md")
    (guide / "loop").symlink_to(".")
    (guide / "up").symlink_to("..")
    with socket.socket(socket.AF_UNIX) as server:
        # A path of a socket has 108 bytes at most.
        here = Path.cwd()
        os.chdir(guide)
        server.bind("socket.md")
        os.chdir(here)
    with (guide / "sparse.md").open("wb") as file:
        file.truncate(20 << 20)
    (Path(os.fsdecode(os.fsencode(guide) + b"/half\xff.md"))).write_text("# Half\n\na name that is no UTF-8\n")
    found = check(world.build())
    assert found.passed, found.details["faults"]
    kept = [one for shard in world.warehouse.shards() if (one := world.warehouse.snapshot(shard))]
    stale = {entry.path for one in kept for entry in one.stale}
    assert {"pipe.md", "zero.md", "itself.md", "socket.md"} <= stale
    assert {entry.path: entry.reason for one in kept for entry in one.quarantine}["sparse.md"] == "null-bytes"
