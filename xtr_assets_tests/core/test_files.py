from pathlib import Path

import pytest

from xtr_assets.core import files
from xtr_assets.core.errors import CorruptFile


def test_a_failed_replacement_leaves_the_old_bytes_and_no_temporary(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    files.write_atomic(target, b"old")
    with pytest.raises(OSError, match="disk"), files.replacing(target) as temporary:
        temporary.write_bytes(b"half")
        raise OSError("disk full")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_check_names_the_file_and_both_digests(tmp_path: Path) -> None:
    target = tmp_path / "a.bin"
    files.write_atomic(target, b"abc")
    expected = files.record(target)
    assert expected.bytes == 3
    files.check(target, expected, "a.bin")
    target.write_bytes(b"abd")
    files.check(target, expected, "a.bin", full=False)
    with pytest.raises(CorruptFile, match=r"a\.bin: expected sha256 ba78.*found sha256 a52d"):
        files.check(target, expected, "a.bin")
    target.write_bytes(b"ab")
    with pytest.raises(CorruptFile, match="expected 3 bytes, found 2 bytes"):
        files.check(target, expected, "a.bin", full=False)
    target.unlink()
    with pytest.raises(CorruptFile, match="found no file"):
        files.check(target, expected, "a.bin")
