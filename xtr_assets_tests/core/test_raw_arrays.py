"""One way of opening raw arrays: what the header and the size say is compared before a byte is mapped."""

import errno
import os
import re
import resource
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import xtr_assets
from xtr_assets.core.errors import CorruptFile
from xtr_assets.core.files import commit_folder
from xtr_assets.core.raw_arrays import mapped_array, open_array, save_array


@pytest.mark.parametrize(
    "array", [np.eye(3, 2), np.asfortranarray(np.eye(3, 2, dtype=np.float16)), np.zeros((0, 4), bool)]
)
def test_what_is_saved_is_what_numpy_saves(tmp_path: Path, array: npt.NDArray[Any]) -> None:
    save_array(tmp_path / "a.npy", array)
    np.save(tmp_path / "b.npy", np.ascontiguousarray(array))
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()


@pytest.mark.parametrize("count", [16_300, 20_000])
def test_a_file_that_may_grow_no_further_is_told_as_the_system_tells_it(tmp_path: Path, count: int) -> None:
    """As a full disk is. NumPy loses the last bytes without a word, or says no number of the system."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 14, hard))
    try:
        with pytest.raises(OSError) as full:
            save_array(tmp_path / "a.npy", np.ones(count, np.int8))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert full.value.errno == errno.EFBIG


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="macOS has no such call")
def test_a_mapped_array_has_all_of_its_bytes_before_one_is_written(tmp_path: Path) -> None:
    """Else a write to it on a full disk is a SIGBUS: the process ends without a word."""
    made = mapped_array(tmp_path / "a.npy", np.float16, (1000, 30))
    made[:] = 1
    made.flush()
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), np.ones((1000, 30), np.float16))
    mapped_array(tmp_path / "b.npy", np.float16, (1000, 30))
    found = (tmp_path / "b.npy").stat()
    assert found.st_blocks * 512 >= found.st_size


def test_nothing_saves_by_another_way() -> None:
    package = Path(xtr_assets.__file__).parent
    other = re.compile(r"\bnp\.save\(|\.tofile\(|\bopen_memmap\(")
    found = [path.name for path in package.rglob("*.py") if other.search(path.read_text())]
    assert found == ["raw_arrays.py"]


@pytest.mark.parametrize("mmap", [True, False])
@pytest.mark.parametrize("shape", [(3, 4), (0, 4), (0,), (5,)])
def test_what_was_saved_is_opened_read_only(tmp_path: Path, shape: tuple[int, ...], mmap: bool) -> None:
    wanted = np.arange(np.prod(shape), dtype=np.float16).reshape(shape)
    np.save(tmp_path / "a.npy", wanted)
    found = open_array(tmp_path / "a.npy", "a.npy", np.float16, (None, *shape[1:]), mmap=mmap)
    np.testing.assert_array_equal(found, wanted)
    assert type(found) is np.ndarray and found.dtype == np.float16
    assert isinstance(found.base, np.memmap) == (mmap and 0 not in shape)
    with pytest.raises(ValueError, match="read-only"):
        found[...] = 0


@pytest.mark.parametrize(
    ("dtype", "shape"), [(np.float32, (3, 4)), (np.int8, (3, 5)), (np.int8, (3,)), (np.int8, (2, None))]
)
def test_another_type_or_shape_is_refused_by_name(tmp_path: Path, dtype: Any, shape: Any) -> None:
    np.save(tmp_path / "a.npy", np.zeros((3, 4), np.int8))
    with pytest.raises(CorruptFile, match=r"segments/1/a\.npy.*int8 \[3, 4\]"):
        open_array(tmp_path / "a.npy", "segments/1/a.npy", dtype, shape)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(place=st.integers(0, 143), value=st.integers(0, 255), end=st.integers(0, 160), cut=st.booleans())
def test_a_damaged_file_is_an_error_of_ours_or_the_same_header(
    tmp_path: Path, place: int, value: int, end: int, cut: bool
) -> None:
    np.save(tmp_path / "a.npy", np.arange(16, dtype=np.int8))
    data = bytearray((tmp_path / "a.npy").read_bytes())
    data = data[:end] if cut else data[:place] + bytes([value]) + data[place + 1 :]
    (tmp_path / "b.npy").write_bytes(data)
    try:
        found = open_array(tmp_path / "b.npy", "b.npy", np.int8, (16,))
    except CorruptFile as error:
        assert error.path == "b.npy"
    else:
        assert found.shape == (16,) and found.dtype == np.int8


def test_a_header_that_numpy_would_mend_is_damage(tmp_path: Path) -> None:
    """Only a warning told of it."""
    header = b"{'descr': '|i1', 'fortran_order': False, 'shape': (16,), }\n          "
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(16))
    with pytest.raises(CorruptFile, match=r"a\.npy: expected a header of int8"):
        open_array(tmp_path / "a.npy", "a.npy", np.int8, (16,))


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr': '|i1', 'fortran_order': False, 'shape': (16,), }\n",
        b"{'descr': '<i1', 'fortran_order': False, 'shape': (16,), }     \n",
    ],
)
def test_what_numpy_writes_is_read(tmp_path: Path, header: bytes) -> None:
    written = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(range(16))
    (tmp_path / "a.npy").write_bytes(written)
    assert open_array(tmp_path / "a.npy", "a.npy", np.int8, (16,)).tolist() == [*range(16)]


@pytest.mark.parametrize(
    "header",
    [
        # Python that NumPy's reader takes, and nothing writes.
        b"{'descr': '|i1', 'fortran_order': 0 == 1, 'shape': (16,), }\n",
        b"{'descr': '|i1', 'fortran_order': False, 'shape': (1_6,), }\n",
        b"{'descr': '|i1', 'fortran_order': False, 'shape': (0x10,), }\n",
        b"{'shape': (16,), 'descr': '|i1', 'fortran_order': False, }\n",
        b"{'descr': '|i1', 'fortran_order': False, 'shape': (16,), } # \n",
        b"{'descr': '|O', 'fortran_order': False, 'shape': (16,), }\n",
        b"{'descr': '|b8', 'fortran_order': False, 'shape': (16,), }\n",
        b"{'descr': '|i1', 'fortran_order': False, 'shape': (16), }\n",
    ],
)
def test_a_header_that_nothing_writes_is_damage(tmp_path: Path, header: bytes) -> None:
    written = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(range(16))
    (tmp_path / "a.npy").write_bytes(written)
    with pytest.raises(CorruptFile, match=r"a\.npy: expected a header of int8"):
        open_array(tmp_path / "a.npy", "a.npy", np.int8, (16,))


@pytest.mark.parametrize("shape", [(7,), (0,), (3, 5), (2, 3, 4)])
@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.uint16, np.int32, np.int64, np.float16, np.float32, np.bool_])
def test_every_type_that_is_kept_is_read_as_numpy_reads_it(tmp_path: Path, dtype: Any, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "a.npy", np.arange(np.prod(shape)).reshape(shape).astype(dtype))
    found = open_array(tmp_path / "a.npy", "a.npy", dtype, (None,) * len(shape))
    np.testing.assert_array_equal(found, np.load(tmp_path / "a.npy"))
    assert found.dtype == np.dtype(dtype)


def test_headers_that_no_parser_likes_are_errors_of_ours(tmp_path: Path) -> None:
    for header in (b"{'descr': (", b"(" * 20_000, b"{'descr': '<i1', 'fortran_order': False, 'shape': (-16,), }"):
        (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(16))
        with pytest.raises(CorruptFile):
            open_array(tmp_path / "a.npy", "a.npy", np.int8, (None,))


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", ".", "gone"):
        with pytest.raises(CorruptFile, match="no file"):
            open_array(tmp_path / name, name, np.int8, (None,))


def test_the_first_to_commit_a_folder_wins(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"made{number}/below").mkdir(parents=True)
        (tmp_path / f"made{number}/below/file").write_text(str(number))
    target = tmp_path / "kept" / "name"
    assert commit_folder(tmp_path / "made1", target)
    assert not commit_folder(tmp_path / "made2", target)
    assert (target / "below/file").read_text() == "1"
    assert (tmp_path / "made2").is_dir() and not (tmp_path / "made1").exists()
