"""Faults planted between the sources and the rows, and healthy files of every kind."""

import dataclasses
import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xtr_assets.core.ids import chunk_id
from xtr_assets.core.line_shifts import shifts_of
from xtr_assets.core.types import Chunk, Quarantined
from xtr_assets.pipeline.gate import source_agrees, text_evidence
from xtr_assets.pipeline.gate.folder_evidence import Folder
from xtr_assets.pipeline.gate.source_agrees import check
from xtr_assets.storage import shard_writer
from xtr_assets.storage.chunk_files import ChunkWriter
from xtr_assets_tests.long_cases import in_turn, kept
from xtr_assets_tests.pipeline.gate.conftest import FILES, MODULES, PAGES, Items, Plant, World

Change = Callable[[list[Chunk]], list[Chunk]]


def in_file(name: str, change: Change) -> Callable[[str, str, Items], Items]:
    """A fault of the rows of one file."""
    return lambda _, path, items: (
        list(change([one for one in items if isinstance(one, Chunk)])) if path == name else items
    )


def each(**fields: Callable[[Chunk], Any]) -> Change:
    """Every row of the file with other columns."""
    return lambda held: [dataclasses.replace(one, **{n: new(one) for n, new in fields.items()}) for one in held]


def of_next(*fields: str) -> Change:
    """Every row with these columns of the row that follows it."""

    def change(held: list[Chunk]) -> list[Chunk]:
        pairs = zip(held, [*held[1:], held[0]], strict=True)
        return [dataclasses.replace(one, **{n: getattr(other, n) for n in fields}) for one, other in pairs]

    return change


def again(held: list[Chunk]) -> list[Chunk]:
    one = held[0]
    return [*held, dataclasses.replace(one, chunk_id=chunk_id(one.source, one.path, one.symbol, 9))]


FAULTS: dict[str, Change] = {
    "a chunk is lost": lambda held: [*held[:1], *held[2:]],
    "the first chunk is lost": lambda held: held[1:],
    "a chunk stands twice": again,
    "texts are cut": each(text=lambda one: one.text[:12]),
    "texts are in lower case": each(text=lambda one: one.text.lower()),
    "lines are off by one": each(start_line=lambda one: one.start_line + 1, end_line=lambda one: one.end_line + 1),
    "chunk_ids are permuted": of_next("chunk_id"),
    "ids are counted": lambda held: [dataclasses.replace(one, chunk_id=n) for n, one in enumerate(held, 7000)],
    "texts are of the next row": of_next("text"),
    "symbols are of the next row": of_next("symbol"),
    "titles are of the next row": of_next("title"),
    "kinds are others": each(kind=lambda _: "other"),
    "metadata is another's": each(metadata=lambda _: '{"title":"Paper 1","year":1991}'),
    "rows but their texts are of the next": of_next("chunk_id", "symbol", "title", "kind", "metadata"),
}


READ = ("3.md", "m3.py", "a.jsonl")
# Each fault in one format, and in each format another place.
CHOSEN = [*in_turn(READ, FAULTS), *((path, "lines are off by one") for path in READ)]


@pytest.mark.parametrize(("path", "fault"), kept(product(READ, FAULTS), CHOSEN))
def test_a_fault_in_the_rows_of_one_file_is_found_and_told(world: World, plant: Plant, path: str, fault: str) -> None:
    plant(in_file(path, FAULTS[fault]))
    found = check(world.build())
    assert not found.passed and found.value is not None and found.value > 0
    assert path in found.summary


@pytest.mark.parametrize("fault", ["texts are cut", "chunk_ids are permuted", "lines are off by one"])
def test_a_fault_in_a_change_is_found_beside_what_serves(world: World, plant: Plant, fault: str) -> None:
    world.publish()
    world.write("guide/3.md", "# Page 3\n\nAnother text of page 3.\n\n## More 3\n\nEverything else.\n")
    plant(in_file("3.md", FAULTS[fault]))
    found = check(world.build())
    assert not found.passed and "guide/3.md" in found.summary
    assert found.details["files_changed"] == 1


def test_healthy_builds_pass_and_a_change_reads_little(world: World) -> None:
    full = check(world.build())
    assert full.passed, full.summary
    assert full.details["files_read"] == full.details["files_changed"] == FILES
    world.publish()
    world.write("tools/m3.py", "# a line above\n" + (world.folder / "tools/m3.py").read_text())
    session = world.build()
    assert any(one.shifts for one in session.draft.manifest.segments)
    found = check(session)
    assert found.passed, found.summary
    assert (found.details["files_changed"], found.details["files_changed_read"]) == (1, 1)
    assert found.details["files_read"] == 1 + source_agrees.LEAST_UNCHANGED


def test_paths_of_another_file_are_found(world: World, plant: Plant) -> None:
    other = {"3.md": "4.md", "4.md": "3.md"}
    world.config_with(sources=(world.config.sources[0].model_copy(update={"shards": 1}),))
    plant(
        lambda _, path, items: [
            dataclasses.replace(one, path=other.get(path, path)) if isinstance(one, Chunk) else one for one in items
        ]
    )
    assert not check(world.build()).passed


def test_rows_of_another_source_are_found(world: World, plant: Plant) -> None:
    plant(in_file("3.md", each(source=lambda _: "tools")))
    found = check(world.build())
    assert not found.passed and "source 'tools'" in found.summary


def test_a_shard_of_four_that_is_absent_is_found_and_one_too_many(world: World) -> None:
    world.ingest()
    found = check(world.session(guide__02of04=None))
    assert not found.passed and "shard guide-02of04 of the configuration" in found.summary
    world.config_with(sources=world.config.sources[:2])
    found = check(world.session())
    assert not found.passed and "shard papers of the generation" in found.summary


def test_a_tenth_of_the_chunks_never_written_is_found(world: World, plant: Plant) -> None:
    chooser = random.Random(1)
    plant(lambda _, __, items: [one for one in items if chooser.random() > 0.1])
    assert not check(world.build()).passed


def test_files_that_lost_all_rows_are_found_and_blank_ones_pass(world: World, plant: Plant) -> None:
    world.write("tools/__init__.py", "")
    world.write("guide/blank.md", "\n\n \n")
    assert check(world.build()).passed
    plant(lambda _, path, items: [] if path in ("3.md", "m3.py") else items)
    assert check(world.build(full=True)).value == 2.0


def test_good_files_in_quarantine_are_found_and_bad_ones_pass(world: World, plant: Plant) -> None:
    world.write("tools/bad.py", "def broken(:\n")
    world.write("tools/latin.py", b"# no coding\nx = '\xe9'\n")
    world.write("guide/bad.md", b"\xff\xfe\x00")
    world.write("guide/binary.md", b"one\0two\n")
    world.write(
        "papers/b.jsonl",
        '{"_id": 1, "text": "x"}\n{"_id": 1, "text": "y"}\nnope\n{"_id": 2}\n{"_id": 3, "text": "z"}\n',
    )
    found = check(world.build())
    assert found.passed, found.summary
    half = {f"{n}.md" for n in range(0, PAGES, 2)} | {"m1.py"}
    plant(lambda source, path, items: [Quarantined(source, path, 0, "undecodable", "?")] if path in half else items)
    found = check(world.build(full=True))
    assert not found.passed and found.value == PAGES / 2 + 1


def test_a_good_record_in_quarantine_is_found(world: World, plant: Plant) -> None:
    def third(source: str, path: str, items: Items) -> Items:
        if path != "a.jsonl":
            return items
        return [*items[:2], Quarantined(source, path, 3, "invalid-record", "?"), *items[3:]]

    plant(third)
    found = check(world.build())
    assert not found.passed and "line 3 is in quarantine and can be used" in found.summary


def test_line_shifts_that_are_wrong_are_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.publish()
    world.write("tools/m3.py", "\n\n" + (world.folder / "tools/m3.py").read_text())
    monkeypatch.setattr(shard_writer, "shifts_of", lambda by: tuple((a, b, n - 1) for a, b, n in shifts_of(by)))
    found = check(world.build())
    assert not found.passed and "tools/m3.py" in found.summary


def test_a_compaction_that_mixes_rows_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.publish()
    world.write("tools/new.py", "def new():\n    return 1\n")
    world.ingest()
    snapshot = world.warehouse.snapshot("tools")
    assert snapshot is not None
    held: list[Chunk] = []
    append = ChunkWriter.append

    def mixed(self: ChunkWriter, chunk: Chunk, hashed: bytes, digest: bytes) -> None:
        held.append(chunk)
        wrong = dataclasses.replace(chunk, symbol=held[-2].symbol if len(held) > 1 else chunk.symbol)
        append(self, wrong, hashed, digest)

    monkeypatch.setattr(ChunkWriter, "append", mixed)
    world.warehouse.compact({"tools": (tuple(one.segment_id for one in snapshot.segments),)})
    found = check(world.session())
    assert not found.passed and "tools/" in found.summary


def test_a_file_that_changed_since_is_no_fault_and_others_are_read(world: World) -> None:
    session = world.build()
    for n in range(PAGES):
        world.write(f"guide/{n}.md", "# New\n")
    found = check(session)
    assert found.passed and found.details["files_skipped"] == PAGES
    assert f"{PAGES} changed or cannot be read since" in found.summary


def test_a_file_that_is_written_while_it_is_read_again_is_no_fault(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = world.build()
    original = Folder.reading

    @contextmanager
    def busy(self: Folder, path: str, recorded: str) -> Iterator[tuple[Path, str]]:
        with original(self, path, recorded) as (file, digest):
            if path == "3.md":
                file.write_text("# Page 3\n\nAnother text.\n", "utf-8")
            yield file, digest

    monkeypatch.setattr(Folder, "reading", busy)
    found = check(session)
    assert found.passed and found.details["files_skipped"] == 1, found.summary


def test_what_fails_in_the_second_reading_itself_is_not_a_file_that_changed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = world.build()

    def broken(*_: object) -> Iterator[str]:
        raise KeyError("a name that is not there")
        yield

    monkeypatch.setattr(text_evidence, "section_faults", broken)
    with pytest.raises(KeyError):
        check(session)


def test_where_nothing_can_be_read_again_nothing_is_known(world: World) -> None:
    session = world.build()
    for folder in ("guide", "tools", "papers"):
        (world.folder / folder).rename(world.folder / f"{folder} away")
    found = check(session)
    assert not found.passed and "nothing could be compared" in found.summary


def test_most_of_a_small_sample_away_means_that_others_are_read(world: World) -> None:
    world.publish()
    for n in range(MODULES):
        world.write(f"tools/m{n}.py", f"VALUE = {n}\n")
    session = world.build()
    (world.folder / "tools").rename(world.folder / "tools away")
    found = check(session)
    assert found.passed and found.details["files_skipped"] == MODULES
    assert found.details["files_read"] >= 16


def test_stale_files_are_not_compared(world: World) -> None:
    world.publish()
    (world.folder / "guide/3.md").unlink()
    (world.folder / "guide/3.md").symlink_to("nowhere")
    assert check(world.build()).passed


ODD = {
    "guide/crlf.md": b"# One\r\n\r\ntext\r\nmore\r\n\r\n## Two\r\n\r\nend",
    "guide/cr.md": b"# One\r\rtext\rmore",
    "guide/feed.txt": b"one\x0ctwo\n\x0c\nthree\n",
    "guide/separators.md": "# Ü\n\nline\u2028separator\u2029and\x85next\x1cfile\n".encode(),
    "guide/bom.md": b"\xef\xbb\xbf# Head\n\ntext\n",
    "guide/wide.txt": "wide héad\n\ntext".encode("utf-16"),
    "guide/long.txt": ("word " * 3000).encode(),
    "guide/nobreak.txt": b"x" * 9000,
    "guide/front.md": b"---\ntitle: T\n---\n# A > B\n\none\n\n# A > B\n\ntwo\n\n### {#anchor}\n\nthree\n",
    "guide/setext.md": b"A title\nof two lines\n===\n\ntext\n\nSub\n---\n\nmore\n",
    "guide/head.rst": b"=====\nTitle\n=====\n\ntext\n\nSub\n---\n\nmore\n",
    "guide/bare.md": b"# A\n## B\n### C\ntext\n# A\n## B\n### C\nagain\n",
    "guide/heads.md": ("# A\n\ntext\n\n## " + "long " * 60 + "\n\nmore\n\n### " + "b" * 201 + "\n\nend\n").encode(),
    "guide/heads.rst": ("long " * 60 + "\n" + "=" * 300 + "\n\ntext\n").encode(),
    "guide/cjk.md": ("# 標題\n\n" + "這是一個句子。" * 800).encode(),
    "tools/crlf.py": b"class A:\r\n    x = 1\r\n    def f(self):\r\n        pass\r\n",
    "tools/feed.py": b"import os\n\x0c\ndef f():\n    return 1\n",
    "tools/latin.py": b"# -*- coding: latin-1 -*-\nNAME = 'caf\xe9'\n\ndef f(): return NAME\n",
    "tools/bom.py": b"\xef\xbb\xbfdef f(): pass\n",
    "tools/twice.py": b"def f():\n    return 1\n\ndef f(): return 2\n\nif f:\n    def g(): 1\nelse:\n    def g(): 2",
    "tools/names.py": b"class " + b"A" * 300 + b":\n    def " + b"f" * 5000 + b"(self):\n        return 1\n",
    "tools/line.py": b"X = '" + b"a" * 2000 + b"'\n",
    "tools/nested.py": b"def outer(a):\n"
    + b"".join(b"    def inner%d(x):\n        return %d * x\n" % (n, n) for n in range(30)),
    "tools/glued.py": b"# about f\n# more\ndef f(): pass\nf.x = 1\nclass A: pass\nB = A\n@f\nclass C:\n    'doc'\n",
    "tools/slash.py": b"class A:\r\n    x = 1\r\n\\\r\n",
    "papers/crlf.jsonl": b'{"_id": "a", "text": "one"}\r\n\r\n{"_id": 2, "text": "two\\r\\nlines"}\r\n',
    "papers/bom.jsonl": b'\xef\xbb\xbf{"_id": "a", "text": "one", "year": NaN}\n{"_id": "b", "title": "only"}',
    "papers/long.jsonl": json.dumps({"_id": "l", "title": "T", "text": "A sentence of words.\r\n\r\n" * 400}).encode(),
}


def test_odd_but_healthy_files_pass(world: World) -> None:
    for path, content in ODD.items():
        world.write(path, content)
    table = pa.table(
        {
            "_id": pa.array([1, 2, 3, None]),
            "text": pa.array(["a", "b " * 2000, "c", "d"]),
            "title": pa.array(["t", None, "", "x"]),
            "year": pa.array([date(2020, 1, 2), None, date(2021, 1, 1), None]),
        }
    )
    pq.write_table(table, world.folder / "papers/t.parquet", row_group_size=2)
    found = check(world.build())
    assert found.passed, found.details["faults"]
    assert found.details["files_read"] == FILES + len(ODD) + 1


def test_times_that_python_cannot_hold_pass_and_are_missed_where_they_are_lost(world: World, plant: Plant) -> None:
    """Nanoseconds, and years beyond 9999: JSON holds them, Python's datetime does not."""
    for name, times in {
        "ns": pa.array([10**18 + n for n in range(3)], pa.timestamp("ns")),
        "far": pa.array([10**12 + n for n in range(3)], pa.timestamp("s")),
    }.items():
        table = pa.table({"_id": ["a", "b", "c"], "text": ["one", "two", "three"], "year": times})
        pq.write_table(table, world.folder / f"papers/{name}.parquet")
    found = check(world.build())
    assert found.passed, found.details["faults"]
    plant(in_file("ns.parquet", each(metadata=lambda _: '{"year":""}')))
    found = check(world.build(full=True))
    assert not found.passed and "papers/ns.parquet" in found.summary


def test_faults_in_parquet_are_found(world: World, plant: Plant) -> None:
    table = pa.table({"_id": [f"d{n}" for n in range(30)], "text": [f"text {n}" for n in range(30)], "year": [1] * 30})
    pq.write_table(table, world.folder / "papers/t.parquet", row_group_size=10)
    plant(in_file("t.parquet", FAULTS["symbols are of the next row"]))
    found = check(world.build())
    assert not found.passed and "papers/t.parquet" in found.summary


def test_the_sample_has_bounds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_agrees, "CHANGED_FILES", 10)
    found = check(world.build())
    assert found.details["files_read"] == 10
    monkeypatch.setattr(source_agrees, "CHANGED_BYTES", 1)
    assert check(world.session()).details["files_read"] == 1


def test_no_function_of_the_sources_is_called(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    session = world.build()

    def never(*_: Any, **__: Any) -> Iterator[Any]:
        raise AssertionError("the check calls what it checks")

    for name in ("sources.base.FileSource.read", "sources.base.FileSource.scan", "sources.records.read_jsonl"):
        monkeypatch.setattr(f"xtr_assets.{name}", never)
    for name in ("python_tree.chunk_python", "text_tree.chunk_text", "records.split_text", "records.chunk_id"):
        monkeypatch.setattr(f"xtr_assets.sources.{name}", never)
    assert check(session).passed


def test_a_file_that_is_too_large_passes_and_a_small_one_called_so_is_found(world: World, plant: Plant) -> None:
    with world.write("guide/large.md", "").open("wb") as file:
        file.truncate(1 << 30)
    found = check(world.build())
    assert found.passed, found.details["faults"]
    plant(lambda _, path, items: [Quarantined("guide", path, 0, "too-large", "")] if path == "3.md" else items)
    found = check(world.build(full=True))
    assert not found.passed and "3.md" in found.summary
