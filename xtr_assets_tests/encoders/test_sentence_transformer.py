"""Pooled models of sentence-transformers: equal to that package, windows beyond it, one clear error for each fault."""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xtr_assets.config import Prompts, SentenceTransformersConfig
from xtr_assets.core.errors import ConfigError, ProviderError
from xtr_assets.encoders import open_encoder, open_fresh
from xtr_assets.encoders.base import Encoder
from xtr_assets.encoders.encoder_record import of_this_code, recorded_config
from xtr_assets.encoders.model_place import locate_model
from xtr_assets.testing import check_encoder
from xtr_assets_tests.encoders.tiny_models import DIM, POSITIONS, bare_tokenizer, sentence_model

# It is imported where it is used: 11 CPU s that each process which collects the tests would pay.
pytestmark = pytest.mark.skipif(
    find_spec("sentence_transformers") is None, reason='needs sentence-transformers: pip install "xtr-assets[models]"'
)

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TEXTS = ["parse the date", "", "where is the ferry at noon?", "?!", "日本"]


def config_of(folder: Path, **settings: Any) -> SentenceTransformersConfig:
    return SentenceTransformersConfig(model=str(folder), **{"precision": "fp32", **settings})


@pytest.fixture(scope="module")
def encoder(sentence_folder: Path) -> Encoder:
    return open_encoder(config_of(sentence_folder))


def of_the_package(folder: Path) -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu")


@pytest.fixture(scope="module")
def reference(sentence_folder: Path) -> Any:
    return of_the_package(sentence_folder)


def test_vectors_are_the_package_s_with_the_model_s_prompts(encoder: Encoder, reference: Any) -> None:
    documents = reference.encode_document(TEXTS, show_progress_bar=False)
    queries = reference.encode_query(TEXTS, show_progress_bar=False)
    assert np.abs(encoder.encode_queries(TEXTS).embeddings - queries).max() < 1e-5
    assert np.abs(encoder.encode_documents(TEXTS).embeddings.astype(np.float32) - documents).max() < 1e-3
    assert np.abs(queries - documents).max() > 0.05


def test_it_passes_the_kit(encoder: Encoder, sentence_folder: Path) -> None:
    report = check_encoder(encoder, lambda: open_fresh(config_of(sentence_folder)))
    assert "reopened" in report.passed


def test_prompts_are_replaced_and_part_of_the_fingerprint(
    encoder: Encoder, reference: Any, sentence_folder: Path
) -> None:
    other = open_encoder(config_of(sentence_folder, prompts=Prompts(query="where ", document="")))
    expected = reference.encode(TEXTS, prompt="where ", show_progress_bar=False)
    assert np.abs(other.encode_queries(TEXTS).embeddings - expected).max() < 1e-5
    bare = reference.encode(TEXTS, prompt="", show_progress_bar=False)
    assert np.abs(other.encode_documents(TEXTS).embeddings.astype(np.float32) - bare).max() < 1e-3
    assert other.fingerprint != encoder.fingerprint


def test_fewer_dimensions_are_the_first_ones_at_unit_length(reference: Any, sentence_folder: Path) -> None:
    short = open_encoder(config_of(sentence_folder, dim=8))
    expected = reference.encode_query(TEXTS, truncate_dim=8, normalize_embeddings=True, show_progress_bar=False)
    assert short.dim == 8
    assert np.abs(short.encode_queries(TEXTS).embeddings - expected).max() < 1e-5
    with pytest.raises(ConfigError, match=rf"`encoder\.dim` is 64, .* gives {DIM}"):
        open_fresh(config_of(sentence_folder, dim=64))


def test_a_long_text_is_the_mean_of_its_windows(encoder: Encoder, reference: Any) -> None:
    halves = ["where is the ferry " * 10, "parse the date now " * 10]
    found = encoder.encode_documents(["".join(halves), halves[0]])
    assert found.windows == 1
    whole = found.embeddings[0].astype(np.float32)
    alone = reference.encode_document(halves, show_progress_bar=False)
    mean = alone.sum(axis=0) / np.linalg.norm(alone.sum(axis=0))
    assert float(whole @ mean) > 0.99
    cut = reference.encode_document(["".join(halves)], show_progress_bar=False)[0]
    assert float(whole @ cut) < 0.98


def test_the_record_opens_the_same_encoder(encoder: Encoder, sentence_folder: Path) -> None:
    again = recorded_config(json.loads(json.dumps(encoder.describe())))
    assert of_this_code(encoder.describe())
    assert isinstance(again, SentenceTransformersConfig)
    assert open_fresh(again).fingerprint == encoder.fingerprint


def test_a_copy_has_the_same_fingerprint_and_another_pooling_another(
    encoder: Encoder, sentence_folder: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(sentence_folder, tmp_path / "copy")
    (copy / "README.md").write_text("# a card says nothing of vectors")
    assert open_fresh(config_of(copy)).fingerprint == encoder.fingerprint
    (copy / "cnn_config.json").write_text("{}")
    assert open_fresh(config_of(copy)).fingerprint != encoder.fingerprint
    (copy / "cnn_config.json").unlink()
    pooling = next(copy.glob("*_Pooling/config.json"))
    pooling.write_text(pooling.read_text().replace("mean", "cls"))
    assert open_fresh(config_of(copy)).fingerprint != encoder.fingerprint


def test_the_record_of_a_very_long_and_wide_model_is_read(encoder: Encoder) -> None:
    """A tokenizer without a limit says 10^30."""
    described = json.loads(json.dumps({**encoder.describe(), "max_tokens": 10**30, "dim": 8192}))
    again = recorded_config(described)
    assert isinstance(again, SentenceTransformersConfig)
    assert (again.max_tokens, again.dim) == (10**30, 8192)


def test_weights_in_a_pickle_need_a_word(sentence_folder: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    copy = shutil.copytree(sentence_folder, tmp_path / "copy")
    torch.save(load_file(copy / "model.safetensors"), copy / "pytorch_model.bin")
    (copy / "model.safetensors").unlink()
    with pytest.raises(ProviderError, match=r"are a pickle \(pytorch_model\.bin\).*trust_pickle"):
        open_fresh(config_of(copy))
    trusted = open_fresh(config_of(copy, trust_pickle=True))
    plain = open_encoder(config_of(sentence_folder))
    assert np.abs(trusted.encode_queries(TEXTS).embeddings - plain.encode_queries(TEXTS).embeddings).max() < 1e-6


def test_a_hub_name_needs_a_commit_and_a_cached_one_needs_no_network(
    sentence_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoder: Encoder
) -> None:
    with pytest.raises(ConfigError, match=r"of the hub without `revision`.*40 hex digits"):
        open_fresh(SentenceTransformersConfig(model="owner/name"))
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    snapshot = tmp_path / "models--owner--name" / "snapshots" / COMMIT
    shutil.copytree(sentence_folder, snapshot)
    cached = config_of(Path("owner/name"), revision=COMMIT)
    assert open_fresh(cached).fingerprint == encoder.fingerprint
    assert open_fresh(config_of(snapshot, revision=COMMIT)).fingerprint == encoder.fingerprint
    other = "f" * 40
    with pytest.raises(ProviderError, match=f"owner/name at {other} is neither"):
        open_fresh(config_of(Path("owner/name"), revision=other))
    with pytest.raises(ConfigError, match=f"{other}, the folder .* is commit {COMMIT}"):
        open_fresh(config_of(snapshot, revision=other))
    with pytest.raises(ConfigError, match="does not say which commit"):
        open_fresh(config_of(sentence_folder, revision=other))


def test_a_cache_that_holds_a_part_of_a_commit_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for a tokenizer of a commit, or for its bare transformer, leaves a folder with that alone."""
    import huggingface_hub

    asked: list[bool] = []

    def snapshot(name: str, *, local_files_only: bool = False, **files: Any) -> str:
        asked.append(local_files_only)
        assert "*.safetensors" in files["allow_patterns"]
        if not local_files_only:
            (tmp_path / "model.safetensors").touch()
            (tmp_path / "modules.json").touch()
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    (tmp_path / "config.json").touch()
    config = SentenceTransformersConfig(model="owner/name", revision=COMMIT)
    for there in ("config.json", "model.safetensors"):
        (tmp_path / there).touch()
        asked.clear()
        assert locate_model(config, needs=("modules.json",)) == tmp_path and asked == [True, False]
        (tmp_path / "modules.json").unlink()
    (tmp_path / "modules.json").touch()
    asked.clear()
    assert locate_model(config, needs=("modules.json",)) == tmp_path and asked == [True]


def modules(folder: Path, change: dict[str, str]) -> None:
    held = json.loads((folder / "modules.json").read_text())
    held[0].update(change)
    (folder / "modules.json").write_text(json.dumps(held))


def config_json(folder: Path, change: dict[str, Any]) -> None:
    held = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**held, **change}))


def routed(folder: Path, name: str) -> None:
    """A module that has modules of its own, one of them with a file of this name."""
    inner = folder / "query_0_Transformer"
    inner.mkdir()
    for path in (folder / "router_config.json", inner / name):
        path.write_text("{}")


def static_embedding(folder: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    made = SentenceTransformer(modules=[StaticEmbedding(bare_tokenizer(), embedding_dim=16)])
    made.save(str(folder), create_model_card=False)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda f: (f / "modules.json").unlink(), r"no modules\.json, so that its pooling is unknown"),
        (lambda f: (f / "modules.json").write_text("["), "cannot be read"),
        (
            lambda f: modules(f, {"type": "custom.Evil"}),
            r"needs code that it brings \(custom\.Evil\).*remote_code: own",
        ),
        (lambda f: modules(f, {"path": "../.."}), "lies outside of the model"),
        (lambda f: config_json(f, {"auto_map": {"AutoModel": "o/r--m.C"}}), "remote_code: o/r@COMMIT"),
        (lambda f: (f / "model.safetensors").unlink(), "cannot be loaded"),
        (lambda f: (f / "model.safetensors").write_bytes(b"x" * 64), "cannot be loaded"),
        (lambda f: (f / "config.json").unlink(), "cannot be loaded"),
        (lambda f: config_json(f, {"hidden_size": 48}), "cannot be loaded"),
        (lambda f: (f / "adapter_config.json").write_text("{}"), "is an adapter"),
        (lambda f: routed(f, "adapter_config.json"), "query_0_Transformer is an adapter"),
        (lambda f: static_embedding(f), "begins with StaticEmbedding, .*`kind: static`"),
    ],
)
def test_a_wrong_file_is_one_clear_error(sentence_folder: Path, tmp_path: Path, spoil: Any, told: str) -> None:
    folder = shutil.copytree(sentence_folder, tmp_path / "spoilt")
    spoil(folder)
    with pytest.raises((ProviderError, ConfigError), match=told):
        open_fresh(config_of(folder))


def test_what_does_not_fit_a_window_is_refused(sentence_folder: Path) -> None:
    with pytest.raises(ConfigError, match=rf"`encoder\.max_tokens` is 512, .* takes {POSITIONS}"):
        open_fresh(config_of(sentence_folder, max_tokens=512))
    with pytest.raises(ConfigError, match=r"the prompt for a query and special tokens take 62 of the 64"):
        open_fresh(config_of(sentence_folder, prompts=Prompts(query="date " * 60)))


def test_cls_pooling_is_read_from_the_model(tmp_path: Path) -> None:
    folder = sentence_model(tmp_path / "cls", pooling="cls")
    expected = of_the_package(folder).encode(TEXTS, show_progress_bar=False)
    assert np.abs(open_fresh(config_of(folder)).encode_queries(TEXTS).embeddings - expected).max() < 1e-5


def test_a_pickle_or_a_change_two_folders_down_is_seen(sentence_folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(sentence_folder, tmp_path / "copy")
    inner = copy / "0_Router" / "query_0_Transformer"
    inner.mkdir(parents=True)
    (inner / "config.json").write_text("{}")
    before = open_fresh(config_of(copy)).fingerprint
    (inner / "config.json").write_text('{"a": 1}')
    assert open_fresh(config_of(copy)).fingerprint != before
    (inner / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(ProviderError, match="query_0_Transformer are a pickle"):
        open_fresh(config_of(copy))


def test_an_empty_prompt_keeps_the_default_away_as_in_the_package(sentence_folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(sentence_folder, tmp_path / "copy")
    said = json.loads((copy / "config_sentence_transformers.json").read_text())
    said |= {"prompts": {"query": "", "other": "where "}, "default_prompt_name": "other"}
    (copy / "config_sentence_transformers.json").write_text(json.dumps(said))
    reference, encoder = of_the_package(copy), open_fresh(config_of(copy))
    queries = reference.encode_query(TEXTS, show_progress_bar=False)
    documents = reference.encode_document(TEXTS, show_progress_bar=False)
    assert np.abs(encoder.encode_queries(TEXTS).embeddings - queries).max() < 1e-5
    assert np.abs(encoder.encode_documents(TEXTS).embeddings.astype(np.float32) - documents).max() < 1e-3
