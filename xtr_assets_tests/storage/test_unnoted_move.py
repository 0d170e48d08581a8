"""PUBLISHED and the last move of the history: a file of before, a publish that died, a reader that races a writer."""

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from xtr_assets.core.errors import CorruptFile
from xtr_assets.search.loaders import serving
from xtr_assets.storage import unnoted_move
from xtr_assets.storage.history import read_published
from xtr_assets.storage.pointer import pointer_text
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.storage.conftest import Laid
from xtr_assets_tests.storage.sample import publish, write


@pytest.fixture
def lived(laid: Laid, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """Generations 1 to 4 hold something else each; 3 was withdrawn, 4 serves."""
    monkeypatch.setattr(unnoted_move, "_said", set())
    warehouse = laid(*({"a.py": [f"f {number}"]} for number in range(1, 4)))
    warehouse.withdraw(3, "licence", who="ann@host")
    write(warehouse, {"a.py": ["f 4"]})
    publish(warehouse)
    return warehouse


def point(warehouse: Warehouse, text: bytes) -> None:
    """PUBLISHED holds this, as it did an hour ago."""
    warehouse.layout.published.write_bytes(text)
    then = warehouse.layout.published.stat().st_mtime - 3600
    os.utime(warehouse.layout.published, (then, then))


@pytest.mark.parametrize("text", [b"3\n", pointer_text(3)])
def test_a_pointer_to_what_was_withdrawn_is_followed_by_nobody(lived: Warehouse, text: bytes) -> None:
    """A number alone, in which a bit flipped, and a whole file of before the withdrawal."""
    point(lived, text)
    before = lived.layout.history.read_bytes()
    steps: list[Callable[[], object]] = [
        lambda: serving(lived),
        lambda: lived.published,
        lambda: Warehouse.open(lived.root).published,
        lived.clean,
        lambda: lived.collect(1),
        lived.rollback,
        lambda: lived.publish(3, again_reason="by mistake"),
        lambda: lived.publish(4),
        lambda: lived.withdraw(4, "bad"),
    ]
    for step in steps:
        with pytest.raises(CorruptFile, match=r"PUBLISHED: .*generation 4.*generation 3, withdrawn on .* \(licence\)"):
            step()
    assert lived.layout.history.read_bytes() == before and lived.layout.numbers() == [1, 2, 3, 4]
    (problem,) = lived.verify().problems
    assert problem.path == "PUBLISHED" and "generation 3" in problem.found
    point(lived, b"4\n")
    assert serving(lived).number == 4 and lived.verify().ok


def test_what_was_withdrawn_may_serve_where_a_person_said_so(lived: Warehouse) -> None:
    assert lived.publish(3, again_reason="settled").number == 3
    assert serving(lived).number == 3 and lived.verify().ok
    lived.rollback(2)
    point(lived, pointer_text(3))
    assert serving(lived).number == 3, "it was brought back, then rolled back, which is not withdrawn"


def test_a_pointer_of_before_is_followed_and_told(lived: Warehouse, caplog: pytest.LogCaptureFixture) -> None:
    point(lived, pointer_text(2))
    with caplog.at_level(logging.WARNING):
        assert [serving(lived).number for _ in range(3)] == [2, 2, 2]
    (said,) = [record.message for record in caplog.records]
    assert "PUBLISHED names generation 2, which served before, and the last move in the history is to 4" in said
    assert "`echo 4 > PUBLISHED`" in said
    (problem,) = lived.verify().problems
    assert problem.path == "PUBLISHED" and "generation 4, which the history moved to last" in problem.expected
    assert [one.path for one in lived.verify(2).problems] == ["PUBLISHED"]
    point(lived, b"4\n")
    assert lived.verify().ok


def test_a_publish_that_died_before_its_line_is_no_damage(
    lived: Warehouse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def dead(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    write(lived, {"a.py": ["f 5"]})
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("xtr_assets.storage.publish.append_history", dead)
        publish(lived)
    with caplog.at_level(logging.WARNING):
        assert serving(lived).number == 5
        assert not caplog.records, "its writer may be at work"
        point(lived, pointer_text(5))
        assert serving(lived).number == 5
    assert "a writer died before it noted its move" in caplog.text
    assert lived.verify().ok
    lived.clean()
    assert unnoted_move.unnoted_move(lived.layout) is None


def test_a_history_that_cannot_be_read_stops_no_search(lived: Warehouse, caplog: pytest.LogCaptureFixture) -> None:
    lived.layout.history.write_bytes(b"garbage\n")
    with caplog.at_level(logging.WARNING):
        assert serving(Warehouse.open(lived.root)).number == 4
    assert "PUBLISHED is not held against the history" in caplog.text


def test_readers_who_race_moves_see_no_old_file(
    lived: Warehouse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Rolled back, published, withdrawn and brought back meanwhile: what a reader sees is what served at some time."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    done, failed, seen = threading.Event(), list[BaseException](), set[int | None]()

    def read() -> None:
        reader = Warehouse.open(lived.root)
        try:
            while not done.is_set():
                seen.add(unnoted_move.followed(reader.layout))
        except BaseException as error:
            failed.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    with caplog.at_level(logging.WARNING):
        for one in readers:
            one.start()
        for _ in range(4):
            lived.rollback(2)
            lived.publish(4, again_reason="round")
            lived.withdraw(4, "round")
            lived.publish(4, again_reason="round")
        done.set()
        for one in readers:
            one.join()
    assert not failed, failed
    assert {2, 4} >= seen and not caplog.records


def test_a_pointer_that_moved_between_the_two_reads_is_read_again(
    lived: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number is of before a withdrawal, the history of after it."""
    looks = iter([3, 4])
    monkeypatch.setattr(unnoted_move, "read_published", lambda layout: next(looks, None) or read_published(layout))
    assert unnoted_move.followed(lived.layout) == 4


def test_exports_and_empty_warehouses_have_no_such_move(lived: Warehouse, tmp_path: Path) -> None:
    exported = lived.export(4, tmp_path / "out")
    assert unnoted_move.unnoted_move(exported.layout) is None and exported.verify().ok
    assert unnoted_move.followed(Warehouse.create(tmp_path / "empty").layout) is None
