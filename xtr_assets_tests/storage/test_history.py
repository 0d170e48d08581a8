"""The history is whole or it is refused: no line of it is cut off, left out or taken back unseen."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from xtr_assets.core.errors import CorruptFile, GenerationError, InvalidInput, StorageError
from xtr_assets.core.files import read_regular
from xtr_assets.storage import history
from xtr_assets.storage.draft_lifecycle import following_number
from xtr_assets.storage.history_entry import HistoryEntry
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.storage.conftest import Laid
from xtr_assets_tests.storage.sample import REQUIRED, draft, flip, texts, write

A, B, C = ({"a.py": [f"f {word}"]} for word in ("one", "two", "three"))


@pytest.fixture
def lived(laid: Laid) -> Warehouse:
    """Generations 1 to 3; 3 was withdrawn, 2 serves."""
    warehouse = laid(A, B, C)
    warehouse.withdraw(3, "licence")
    return warehouse


def cut(warehouse: Warehouse, lines: int) -> None:
    """The history without its last lines."""
    path = warehouse.layout.history
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-lines]))


def test_every_line_digests_what_stands_before_it(lived: Warehouse) -> None:
    data = lived.layout.history.read_bytes()
    before = b""
    for line in data.splitlines(keepends=True):
        assert json.loads(line)["after"] == hashlib.sha256(before).hexdigest()
        before += line
    end = json.loads(lived.layout.warehouse_json.read_bytes())["history"]
    assert end == {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


@pytest.mark.parametrize("lines", [1, 2, 4, 5])
def test_a_cut_tail_is_found_and_what_was_withdrawn_stays_withdrawn(lived: Warehouse, lines: int) -> None:
    cut(lived, lines)
    assert [p.path for p in lived.verify().problems] == ["history.jsonl"]
    assert [p.path for p in lived.verify(2).problems] == ["history.jsonl"], "nor does the nightly look miss it"
    with pytest.raises(CorruptFile, match=r"history\.jsonl: expected"):
        lived.publish(3, required=REQUIRED)
    with pytest.raises(CorruptFile, match=r"history\.jsonl"):
        lived.rollback(1)
    assert lived.published is not None and texts(lived.published) == ["f two"], "what serves is searched all the same"


def test_half_of_a_line_that_is_being_appended_is_told_to_nobody(
    lived: Warehouse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    data, entries = lived.layout.history.read_bytes(), lived.history()
    reads = iter([data + b'{"at":"2026', data])

    def beside(path: Path, name: str) -> bytes:
        # Servers that other tests left open look at theirs.
        return next(reads) if path == lived.layout.history else read_regular(path, name)

    monkeypatch.setattr(history, "read_regular", beside)
    history._read.clear()
    assert lived.history() == entries and not list(reads)
    assert "is torn" not in caplog.text


def test_a_damaged_history_hides_no_other_damage(lived: Warehouse) -> None:
    cut(lived, 1)
    flip(lived.layout.generation(1) / "dense.faiss", 0)
    assert [p.path for p in lived.verify().problems] == ["generations/1/dense.faiss", "history.jsonl"]


def test_a_collected_generation_is_unknown_not_damaged(lived: Warehouse) -> None:
    lived.collect(keep=1)
    with pytest.raises(GenerationError, match=r"generation 1 is unknown; there are: 2"):
        lived.verify(1)


def test_a_history_that_is_gone_is_found(lived: Warehouse) -> None:
    lived.layout.history.unlink()
    assert [(p.path, p.found) for p in lived.verify().problems] == [("history.jsonl", "no line")]
    with pytest.raises(CorruptFile, match=r"history\.jsonl"):
        lived.publish(3, required=REQUIRED)


def test_a_line_that_was_left_out_and_lines_that_changed_places_are_found(lived: Warehouse) -> None:
    path = lived.layout.history
    lines = path.read_bytes().splitlines(keepends=True)
    for number, altered in ((3, [*lines[:2], *lines[3:]]), (2, [lines[0], lines[2], lines[1], *lines[3:]])):
        path.write_bytes(b"".join(altered))
        with pytest.raises(CorruptFile, match=rf"history\.jsonl line {number}: expected lines before it of sha256"):
            lived.history()


def test_a_line_without_its_digest_does_not_pass_for_one_of_an_older_release(lived: Warehouse) -> None:
    cut(lived, 1)
    last = json.loads(lived.layout.history.read_bytes().splitlines()[-1])
    forged = HistoryEntry.model_validate({**last, "after": None, "action": "allowed"}).signed()
    with lived.layout.history.open("ab") as file:
        file.write(forged.model_dump_json().encode() + b"\n")
    with pytest.raises(CorruptFile, match=r"history\.jsonl line 5"):
        lived.history()


def test_somebody_may_go_on_with_what_is_left_and_that_is_kept(lived: Warehouse) -> None:
    cut(lived, 1)
    with pytest.raises(InvalidInput, match="needs a reason"):
        lived.accept_history(" ")
    lived.accept_history("the disk lost it, there is no copy", who="ann@host")
    entry = lived.history()[-1]
    assert (entry.action, entry.who, entry.reason) == (
        "accepted_history",
        "ann@host",
        "the disk lost it, there is no copy",
    )
    assert lived.verify().ok
    lived.withdraw(3, "licence")
    assert lived.generation(3).state == "withdrawn" and lived.verify().ok
    cut(lived, 1)
    assert not lived.verify().ok, "the chain goes on from there"


def test_a_history_of_an_older_release_is_chained_from_its_next_line_on(lived: Warehouse) -> None:
    lines = [entry.model_copy(update={"after": None}).signed() for entry in lived.history()]
    lived.layout.history.write_text("".join(f"{line.model_dump_json()}\n" for line in lines))
    info = Warehouse.open(lived.root).info.model_copy(update={"format_version": 2, "history": None})
    lived.layout.warehouse_json.write_bytes(info.to_bytes())
    assert lived.verify().ok and len(lived.history()) == 5
    lived.rollback(1)
    assert [bool(entry.after) for entry in lived.history()] == [False] * 5 + [True]
    data = lived.layout.history.read_bytes().splitlines(keepends=True)
    lived.layout.history.write_bytes(b"".join(data[1:]))
    with pytest.raises(CorruptFile, match=r"history\.jsonl line 5"):
        lived.history()


def test_a_flipped_byte_of_warehouse_json_is_found(lived: Warehouse) -> None:
    path = lived.layout.warehouse_json
    before = path.read_bytes()
    for old, new in ((b'"name": "sample"', b'"name": "simple"'), (b'"bytes": ', b'"bytes": 1')):
        path.write_bytes(before.replace(old, new))
        assert path.read_bytes() != before
        with pytest.raises(CorruptFile, match=r"warehouse\.json"):
            Warehouse.open(lived.root)
        assert "warehouse.json" in {p.path for p in lived.verify().problems}


@pytest.mark.parametrize("text", ["9" * 20, "9" * 5000, "0", "-1", "007", "five", "", "3", "1"])
def test_a_next_number_that_cannot_be_is_refused_or_not_believed(lived: Warehouse, text: str) -> None:
    lived.layout.next_number.write_text(f"{text}\n")
    assert [p.path for p in lived.verify().problems] == ["generations/NEXT"]
    if text in ("3", "1"):
        assert draft(lived).number == 4, "a number that was given out is never given out again"
        return
    with pytest.raises(CorruptFile, match="generations/NEXT"):
        following_number(lived.layout)
    with pytest.raises(CorruptFile, match="generations/NEXT"):
        draft(lived)
    assert lived.layout.numbers() == [1, 2, 3]


def test_numbers_that_were_collected_are_not_given_out_again_though_next_is_gone(lived: Warehouse) -> None:
    lived.collect(keep=1)
    lived.layout.next_number.unlink()
    write(lived, C)
    assert lived.layout.numbers() == [2] and draft(lived).number == 4


@pytest.mark.parametrize("text", ["9" * 20, "9" * 5000, "0", "2", "", "2\n\n", "٢\n", "-2\n"])
def test_a_pointer_that_is_no_number_is_named(lived: Warehouse, text: str) -> None:
    lived.layout.published.write_text(text, encoding="utf-8")
    with pytest.raises(StorageError, match="PUBLISHED"):
        _ = lived.published
    assert "PUBLISHED" in {p.path for p in lived.verify().problems}


def test_a_pointer_that_is_gone_is_named(lived: Warehouse) -> None:
    lived.layout.published.unlink()
    assert [p.path for p in lived.verify().problems] == ["PUBLISHED"]


def test_a_snapshot_that_is_gone_is_named(lived: Warehouse) -> None:
    version = lived.layout.current("s").read_text().strip()
    lived.layout.snapshot("s", version).unlink()
    named = rf"shards/s/CURRENT: expected .*, found {version}, and no shards/s/{version}\.json"
    with pytest.raises(CorruptFile, match=named):
        lived.snapshot("s")
    with pytest.raises(CorruptFile, match=named):
        lived.collect(1, dry_run=True)


def test_folders_that_are_no_generation_are_left_alone(lived: Warehouse) -> None:
    for name in ("9" * 20, "007", "٢", "notes"):
        (lived.layout.generations / name).mkdir()
    assert lived.layout.numbers() == [1, 2, 3]
    lived.clean()
    lived.collect(keep=1)
    assert {p.name for p in lived.layout.generations.iterdir()} == {"2", "9" * 20, "007", "٢", "notes", "NEXT"}


def test_another_process_sees_a_cut(lived: Warehouse, tmp_path: Path) -> None:
    assert len(lived.history()) == 5
    cut(lived, 1)
    with pytest.raises(CorruptFile):
        Warehouse.open(lived.root).history()


def test_a_copy_by_hard_links_keeps_its_history(lived: Warehouse, tmp_path: Path) -> None:
    before = lived.layout.history.read_bytes()
    shutil.copytree(lived.root, tmp_path / "backup", copy_function=os.link)
    lived.rollback(1)
    assert Warehouse.open(tmp_path / "backup").layout.history.read_bytes() == before
    assert lived.layout.history.read_bytes().startswith(before) and lived.history()[-1].generation == 1
