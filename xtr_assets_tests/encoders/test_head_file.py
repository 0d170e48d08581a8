"""Heads in files: pinned where they are shipped, refused where they are no heads, other encoders where they differ."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from xtr_assets.config import MiniLmConfig
from xtr_assets.core.errors import ConfigError, InvalidInput, ProviderError
from xtr_assets.encoders import head_file
from xtr_assets.encoders.head import PARTS, Projection, TrainedHead
from xtr_assets.encoders.head_file import (
    HEAD_FILE,
    SHIPPED,
    head_bytes,
    head_sha256,
    open_head,
    parse_head,
    shipped_name,
)
from xtr_assets.encoders.minilm import MiniLm
from xtr_assets.encoders.weights import ModelFiles
from xtr_assets_tests.encoders.conftest import HIDDEN

PART = np.random.default_rng(1).standard_normal((PARTS * 16, 8)).astype(np.float32)


def trained() -> TrainedHead:
    return TrainedHead((np.arange(16) / 16).astype(np.float32), PART, 6)


def of_kind(kind: str) -> bytes:
    """A head of numbers of two bytes of any kind, as its file."""
    header = json.dumps({"matrix": {"dtype": kind, "shape": [16, 8], "data_offsets": [0, 256]}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(256)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_head_is_the_one_that_is_pinned(name: head_file.HeadName) -> None:
    head = open_head(name, 6)
    assert head.sha256 == SHIPPED[name][1] == head_sha256(name)
    assert shipped_name(head.sha256) == name


def test_heads_of_before_stay_for_the_warehouses_that_have_them() -> None:
    """Their digests stand here once more: whoever changes a shipped head has to give it another name."""
    assert shipped_name("03abd2f2cc55716d677fcdbbf0483ce7ca78ce1daf8eca84afc3e99f7bea8268") == "shipped-1"
    assert shipped_name("a6e658916f3b4a9304bc15aa2bbc40457c8398ee8aa988f77dbe4d9f2fd37b38") == "shipped-2"
    head = open_head("projection", 6)
    assert isinstance(head, Projection) and head.layers == (6,)
    assert shipped_name("742a9cdb4a7dca4422a05a6de3fef32d97abe77b32be818801027f0deb5624e7") == "projection"


def test_a_shipped_head_that_was_changed_on_the_disk_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    name, digest = SHIPPED["projection"]
    monkeypatch.setitem(SHIPPED, "projection", (name, digest[::-1]))
    with pytest.raises(ProviderError, match=r"sha256.*install the package again"):
        open_head("projection", 6)


def test_a_head_comes_back_from_its_file_by_file_or_folder(tmp_path: Path) -> None:
    made = trained()
    (tmp_path / HEAD_FILE).write_bytes(head_bytes(made))
    by_file, by_folder = open_head(tmp_path / HEAD_FILE, 6), open_head(tmp_path, 6)
    assert isinstance(by_file, TrainedHead)
    assert by_file.sha256 == by_folder.sha256 == head_sha256(tmp_path)
    np.testing.assert_allclose(by_file.matrix, made.matrix, atol=2e-3)
    states = {
        layer: np.random.default_rng(layer + 2).standard_normal((9, 16)).astype(np.float32) for layer in made.layers
    }
    assert (made.light(states) * by_file.light(states)).sum(axis=1).min() > 0.9999


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "no safetensors file"),
        (b"\xff" * 64, "no safetensors file"),
        (save({"weight": PART}), "holds .*weight"),
        (save({"center": PART[:, 0], "matrix": PART}), "center \\[hidden\\]"),
        (save({"center": PART[0], "matrix": np.full_like(PART[:32], np.nan)}), "NaN"),
        # Every token would be zero, NaN, or of no dimension.
        (save({"center": PART[0], "matrix": 0 * PART[:32]}), "nothing but zeros"),
        (save({"center": PART[0], "matrix": np.full_like(PART[:32], 3e38)}), "infinity"),
        (save({"center": PART[0], "matrix": PART[:32, :0]}), "center \\[hidden\\]"),
        (save({"matrix": 0 * PART}), "not all 0"),
        (save({"matrix": PART[:, :0]}), "not all 0"),
        (save({"matrix": PART.astype(np.int8)}), r"mine.safetensors .* \(int8\); save it in float16"),
        # numpy has no such numbers.
        (of_kind("BF16"), r"mine.safetensors .* \('BF16'\); save it in float16"),
    ],
)
def test_what_is_no_head_is_refused_in_words(data: bytes, told: str) -> None:
    with pytest.raises((ProviderError, InvalidInput), match=told):
        parse_head(data, 6, "mine.safetensors")


def test_a_head_of_another_model_is_refused_when_the_encoder_is_opened(tiny_files: ModelFiles, tmp_path: Path) -> None:
    """Not at the first text, when everything was read and cut."""
    (tmp_path / HEAD_FILE).write_bytes(head_bytes(trained()))
    with pytest.raises(ProviderError, match=rf"reads states of 16 dimensions, the model has {HIDDEN}.*train-head"):
        MiniLm(tiny_files, partial(open_head, tmp_path), max_tokens=12)


def test_a_path_without_a_head_names_the_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"`encoder.head`: no file at .*train-head"):
        open_head(tmp_path, 6)
    monkeypatch.setattr(head_file, "MOST_BYTES", 10)
    (tmp_path / HEAD_FILE).write_bytes(head_bytes(trained()))
    with pytest.raises(ConfigError, match="a head has 10 at most"):
        open_head(tmp_path, 6)


def test_a_relative_head_lies_beside_the_configuration(tmp_path: Path) -> None:
    from xtr_assets.config import parse_config

    text = "sources: [{name: a, kind: text, path: .}]\nencoder: {head: heads/mine}"
    assert parse_config(text, tmp_path).encoder == MiniLmConfig(head=tmp_path / "heads/mine")
    assert MiniLmConfig().head == "shipped"
