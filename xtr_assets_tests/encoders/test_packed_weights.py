"""Packed weights are kept, mapped and believed only where they are what was written; without them all is as before."""

import errno
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from xtr_assets.core.errors import ProviderError
from xtr_assets.core.files import sha256_file
from xtr_assets.encoders import native_pass, packed_weights
from xtr_assets.encoders.bert_shape import BertShape
from xtr_assets.encoders.head import Projection
from xtr_assets.encoders.native_pass import NativePass, engines, open_native
from xtr_assets.encoders.weights import ModelFiles
from xtr_assets_tests.encoders.test_native_pass import LAYERS, POSITIONS, tensors

if not engines("auto"):
    pytest.skip("the extension is not compiled here", allow_module_level=True)

SHAPE = BertShape(128, LAYERS, 4, POSITIONS, 1e-12)
IDS = [np.array([1, 5, 9, 2], np.int32), np.array([1, 30, 2], np.int32)]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelFiles:
    """A model of three files, so small and so new that nothing would be kept of it elsewhere."""
    monkeypatch.setenv("XTR_ASSETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(packed_weights, "LEAST_BYTES", 0)
    monkeypatch.setattr(packed_weights, "RACY_NS", -(1 << 62))
    save_file(tensors(128, 192), tmp_path / "model.safetensors")
    for name in ("tokenizer", "config"):
        (tmp_path / name).write_text(name)
    weights, tokenizer, config = (tmp_path / name for name in ("model.safetensors", "tokenizer", "config"))
    return ModelFiles(weights, tokenizer, config, sha256_file(weights), sha256_file(tokenizer), sha256_file(config))


def opened(files: ModelFiles) -> NativePass:
    found = open_native(files, SHAPE, Projection(np.eye(128, 8, dtype=np.float32), LAYERS, "0" * 64), "auto")
    assert found is not None
    return found


def states(files: ModelFiles) -> bytes:
    (pooled, tokens), *_ = opened(files)([(IDS, [np.ones(len(one), bool) for one in IDS])])
    return pooled.tobytes() + tokens.tobytes()


def packed(files: ModelFiles) -> list[Path]:
    return sorted(files.weights.parent.glob("cache/encoders/*.packed"))


@contextmanager
def nothing_is_hashed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The weights are not read to be verified."""

    def refused(self: ModelFiles, **_: bool) -> None:
        raise AssertionError(f"{self.weights} is read")

    with monkeypatch.context() as patch:
        patch.setattr(ModelFiles, "verify", refused)
        yield


@pytest.mark.parametrize("engine", engines("auto"))
def test_what_is_mapped_gives_the_same_vectors_bit_by_bit(
    files: ModelFiles, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native_pass, "engines", lambda _: (engine,))
    first = states(files)
    (kept,) = packed(files)
    assert kept.stat().st_mode & 0o777 == 0o600
    with nothing_is_hashed(monkeypatch):
        assert states(files) == first
    assert packed(files) == [kept]


def test_weights_that_somebody_wrote_to_are_verified_again(files: ModelFiles) -> None:
    opened(files)
    data = bytearray(files.weights.read_bytes())
    data[-3] ^= 1
    times = files.weights.stat()
    files.weights.write_bytes(data)
    os.utime(files.weights, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(ProviderError, match="must have the sha256"):
        opened(files)


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (0, b"?"),
        (5000, b"\xff\xff"),
        (-1, b"\x07"),
        (None, b""),
        (None, b"{}"),
        (None, b"[" * 5000),
        (None, b"[]".ljust(5000)),
    ],
    ids=["header", "panels", "last", "empty", "short", "deep", "list"],
)
def test_a_damaged_file_is_refused_and_packed_anew(
    files: ModelFiles, at: int | None, value: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    first = states(files)
    (kept,) = packed(files)
    whole = kept.read_bytes()
    if at is None:
        kept.write_bytes(value)
    else:
        with kept.open("r+b") as file:
            file.seek(at, os.SEEK_SET if at >= 0 else os.SEEK_END)
            file.write(value)
    with caplog.at_level(logging.WARNING):
        assert states(files) == first
    assert "is not used, the weights are packed again" in caplog.text
    assert kept.read_bytes() == whole


def test_a_file_of_somebody_else_is_not_used(
    files: ModelFiles, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    opened(files)
    (kept,) = packed(files)
    kept.chmod(0o666)
    with caplog.at_level(logging.WARNING), pytest.raises(AssertionError), nothing_is_hashed(monkeypatch):
        opened(files)
    assert "others may write to it (mode 666)" in caplog.text
    opened(files)
    assert kept.stat().st_mode & 0o777 == 0o600
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(os, "geteuid", lambda: kept.stat().st_uid + 1)
        opened(files)
    assert "and this process is the user" in caplog.text
    # A link to one's own file elsewhere is as good as the file; a folder is none.
    kept.unlink()
    kept.mkdir()
    assert states(files)


def test_a_cache_that_cannot_be_written_is_no_error(
    files: ModelFiles, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(packed_weights, "replacing", full)
        first = states(files)
    assert packed(files) == []
    (tmp_path / "cache" / "encoders").rmdir()
    (tmp_path / "cache" / "encoders").write_text("a file where the folder belongs")
    assert states(files) == first


def test_another_build_of_the_extension_packs_its_own(files: ModelFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(files)
    monkeypatch.setattr(packed_weights, "sha256_file", lambda _: "0" * 64)
    opened(files)
    assert len(packed(files)) == 2


def test_weights_written_a_moment_ago_or_small_are_not_kept(files: ModelFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_weights, "RACY_NS", 1 << 62)
    opened(files)
    monkeypatch.setattr(packed_weights, "RACY_NS", -(1 << 62))
    monkeypatch.setattr(packed_weights, "LEAST_BYTES", 1 << 30)
    opened(files)
    assert packed(files) == []


def test_panels_of_another_size_are_refused(files: ModelFiles) -> None:
    model = opened(files)._model
    panels = [model.panels(number) for number in range(LAYERS)]
    for place, said in (
        (0, "packed panels are of another size"),
        (1, "what tells of packed integers is of another size"),
    ):
        cut = [[one[:-16] if n == place else one for n, one in enumerate(layer)] for layer in panels]
        with pytest.raises(ValueError, match=said):
            native_pass._load(engines("auto")[0], tensors(128, 192), SHAPE, panels=cut)
    with pytest.raises(ValueError, match="2 packed layers, the model has 3"):
        native_pass._load(engines("auto")[0], tensors(128, 192), SHAPE, panels=panels[:2])
