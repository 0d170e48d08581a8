"""PUBLISHED has a check of its number: damage never makes it name another generation."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from xtr_assets.core.errors import CorruptFile, UnknownFormat
from xtr_assets.storage import history
from xtr_assets.storage.pointer import pointer_text
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets.storage.warehouse_info import read_info
from xtr_assets_tests.storage.conftest import Laid


@pytest.fixture
def lived(laid: Laid) -> Warehouse:
    """Generations 1 to 9 are sealed, 9 serves: a bit that flips in a digit may name any of them."""
    return laid(*({"a.py": [f"f {number}"]} for number in range(1, 10)))


def names_nothing_else(warehouse: Warehouse, data: bytes) -> bool:
    """Whether the pointer `data` is refused by name, True, or read as what served, False; anything else fails."""
    warehouse.layout.published.write_bytes(data)
    try:
        found = warehouse.published
    except CorruptFile as error:
        assert error.path == "PUBLISHED"
        return True
    assert found is not None and found.number == 9
    return False


def test_every_flipped_bit_is_found(lived: Warehouse) -> None:
    whole = lived.layout.published.read_bytes()
    assert len(whole) == len("9 ") + 16 + 1
    for bit in range(8 * len(whole)):
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        assert names_nothing_else(lived, bytes(data)), bytes(data)


def test_every_cut_every_byte_and_every_other_number_is_found(lived: Warehouse) -> None:
    whole = lived.layout.published.read_bytes()
    cuts = [whole[:stop] for stop in range(len(whole))]
    bytes_changed = [
        whole[:place] + bytes([value]) + whole[place + 1 :]
        for place in range(len(whole))
        for value in range(256)
        if value != whole[place]
    ]
    numbers = [b"%d%s" % (number, whole[1:]) for number in (1, 2, 8, 19, 90, 99)]
    longer = [whole + more for more in (b"\n", b" ", b"\0", whole, b"9\n")]
    spaced = [whole.replace(b" ", b"  "), whole.replace(b" ", b"\t"), b" " + whole, whole.upper(), b"9 \n"]
    for data in cuts + bytes_changed + numbers + longer + spaced:
        if data != whole:
            assert names_nothing_else(lived, data), data


def test_verify_names_it_and_nothing_moves_until_it_is_put_right(lived: Warehouse) -> None:
    lived.layout.published.write_bytes(b"8" + lived.layout.published.read_bytes()[1:])
    entries = len(lived.layout.history.read_bytes().splitlines())
    assert [problem.path for problem in lived.verify().problems] == ["PUBLISHED"]
    steps: list[Callable[[], object]] = [
        lived.rollback,
        lambda: lived.publish(9, required=()),
        lambda: lived.withdraw(8, "bad"),
        lambda: lived.collect(1),
        lived.clean,
    ]
    for step in steps:
        with pytest.raises(CorruptFile, match=r"PUBLISHED: expected .*write the number alone that the last move in"):
            step()
    assert len(lived.layout.history.read_bytes().splitlines()) == entries
    assert lived.layout.numbers() == list(range(1, 10))
    lived.layout.published.write_bytes(b"9\n")
    assert lived.verify().ok and lived.rollback().number == 8


def test_a_number_alone_is_read_and_the_next_move_adds_a_check(lived: Warehouse) -> None:
    """As releases before wrote it, and as a person puts it right."""
    lived.layout.published.write_bytes(b"7\n")
    assert lived.published is not None and lived.published.number == 7
    lived.rollback(3)
    assert lived.layout.published.read_bytes() == pointer_text(3)
    assert [(e.action, e.generation) for e in lived.history()[-2:]] == [("recovered", 7), ("rolled_back", 3)]


def test_the_check_is_what_a_shell_says(tmp_path: Path) -> None:
    for number in (1, 42, 999_999_999):
        said = subprocess.run(
            ["sh", "-c", f"echo {number} | sha256sum"], capture_output=True, text=True, check=True
        ).stdout
        assert pointer_text(number) == f"{number} {said[:16]}\n".encode()


@pytest.mark.parametrize("dies_at", ["warehouse.json", "PUBLISHED", "history.jsonl"])
def test_a_publish_that_dies_anywhere_leaves_a_pointer_that_is_read(
    lived: Warehouse, dies_at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the warehouse is one of before, whose version rises first."""
    info = lived.info.model_copy(update={"format_version": 3, "history": read_info(lived.layout).history})
    lived.layout.warehouse_json.write_bytes(info.to_bytes())
    lived.layout.published.write_bytes(b"9\n")
    from xtr_assets.core.files import write_atomic

    def dying(path: Path, data: bytes) -> None:
        if path.name == dies_at:
            raise KeyboardInterrupt
        write_atomic(path, data)

    with monkeypatch.context() as patched:
        patched.setattr(history, "write_atomic", dying)
        if dies_at == "history.jsonl":
            patched.setattr(
                "xtr_assets.storage.publish.append_history", lambda *_, **__: dying(lived.layout.history, b"")
            )
        with pytest.raises(KeyboardInterrupt):
            lived.rollback(4)
    again = Warehouse.open(lived.root)
    serving = {"warehouse.json": 9, "PUBLISHED": 9, "history.jsonl": 4}[dies_at]
    assert again.published is not None and again.published.number == serving
    assert again.info.format_version == (3 if dies_at == "warehouse.json" else 4)
    again.clean()
    moves = [(one.action, one.generation) for one in again.history() if one.moves]
    assert moves[-1] == (("recovered", 4) if serving == 4 else ("published", 9))
    assert again.verify().ok


def test_no_release_sees_a_check_that_it_does_not_know(lived: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that reads versions 1 to 3 refuses the warehouse in words, and never gets as far as the pointer."""
    from typing import Literal

    from xtr_assets.storage.warehouse_info import WarehouseInfo

    class Before(WarehouseInfo):
        format_version: Literal[1, 2, 3] = 1

    with pytest.raises(UnknownFormat, match="format_version 4, this release reads 1 and 2 and 3"):
        Before.from_bytes(lived.layout.warehouse_json.read_bytes(), "warehouse.json")


def test_exports_and_imports_have_it(lived: Warehouse, tmp_path: Path) -> None:
    exported = lived.export(5, tmp_path / "export")
    assert exported.layout.published.read_bytes() == pointer_text(5) and exported.info.format_version == 4
    assert exported.verify().ok
    target = Warehouse.create(tmp_path / "target")
    target.import_generation(exported.root)
    assert target.published is None and not target.layout.published.exists()
    target.publish(5, required=(), force_reason="to see it")
    assert target.layout.published.read_bytes() == pointer_text(5)
    exported.layout.published.write_bytes(b"4" + pointer_text(5)[1:])
    with pytest.raises(CorruptFile, match="PUBLISHED"):
        Warehouse.create(tmp_path / "another").import_generation(exported.root)
