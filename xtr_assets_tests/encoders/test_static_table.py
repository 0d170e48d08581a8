"""The static encoder: equal to the plain sum of its rows, and one clear error for each wrong file."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

from xtr_assets.config import StaticConfig
from xtr_assets.core.errors import ConfigError, ProviderError
from xtr_assets.encoders import open_encoder, open_fresh
from xtr_assets.encoders.static_table import StaticTable
from xtr_assets.testing import check_encoder
from xtr_assets_tests.encoders.tiny_models import DIM, static_model, vocabulary

TEXTS = ["parse the date, where?", "the the ferry is (noon)!", "zzz 9.5", "日本 parse"]


def slow_mean(folder: Path, text: str) -> np.ndarray:
    """As model2vec states it: rows of the tokens but the unknown one, weighted, their mean, unit length."""
    tensors = load_file(folder / "model.safetensors")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    ids = [i for i in tokenizer.encode(text, add_special_tokens=False).ids if i != vocabulary().index("[UNK]")]
    weights = tensors.get("weights", np.ones(len(vocabulary())))
    mean = np.mean([tensors["embeddings"][i] * weights[i] for i in ids], axis=0)
    scaled: np.ndarray = mean / np.linalg.norm(mean)
    return scaled


@pytest.mark.parametrize("weights", [False, True])
def test_embeddings_are_the_mean_of_the_rows(tmp_path: Path, weights: bool) -> None:
    folder = static_model(tmp_path / "table", weights=weights)
    encoder = open_encoder(StaticConfig(model=folder))
    expected = np.array([slow_mean(folder, text) for text in TEXTS])
    assert np.abs(encoder.encode_queries(TEXTS).embeddings - expected).max() < 1e-6
    assert np.abs(encoder.encode_documents(TEXTS).embeddings - expected).max() < 1e-3


def test_tokens_are_the_rows_without_punctuation(static_folder: Path) -> None:
    encoder = open_encoder(StaticConfig(model=static_folder))
    found = encoder.encode_queries(["parse (date)!", "?!"])
    assert encoder.surface(found.token_ids[0]) == ["parse", "date"]
    assert encoder.surface(found.token_ids[1]) == ["?", "!"]
    rows = load_file(static_folder / "model.safetensors")["embeddings"][found.token_ids[0]]
    assert np.abs(found.tokens[0] - rows / np.linalg.norm(rows, axis=1, keepdims=True)).max() < 1e-6
    kept = open_encoder(StaticConfig(model=static_folder, keep_punctuation=True))
    assert kept.surface(kept.encode_queries(["parse (date)!"]).token_ids[0]) == ["parse", "(", "date", ")", "!"]
    assert kept.fingerprint != encoder.fingerprint


def test_it_passes_the_kit(static_folder: Path) -> None:
    config = StaticConfig(model=static_folder, dim=16)
    encoder = open_encoder(config)
    assert (encoder.dim, encoder.token_dim) == (16, 16)
    check_encoder(encoder, lambda: open_fresh(config))


def test_a_mapped_table_is_the_table_it_maps_to(static_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(static_folder, tmp_path / "mapped")
    rows = load_file(folder / "model.safetensors")["embeddings"]
    order = np.random.default_rng(0).permutation(len(rows))
    save_file({"embeddings": rows[order], "mapping": np.argsort(order)}, folder / "model.safetensors")
    plain, mapped = (open_encoder(StaticConfig(model=one)) for one in (static_folder, folder))
    assert np.array_equal(plain.encode_queries(TEXTS).embeddings, mapped.encode_queries(TEXTS).embeddings)


def test_the_layout_of_sentence_transformers_is_that_package_s_embedding(static_folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers", reason="needs sentence-transformers")
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    rows = load_file(static_folder / "model.safetensors")["embeddings"]
    tokenizer = Tokenizer.from_file(str(static_folder / "tokenizer.json"))
    model = SentenceTransformer(modules=[StaticEmbedding(tokenizer, rows)], device="cpu")
    model.save(str(tmp_path / "saved"), create_model_card=False)
    expected = model.encode(TEXTS, normalize_embeddings=True, show_progress_bar=False)
    found = open_encoder(StaticConfig(model=tmp_path / "saved")).encode_queries(TEXTS).embeddings
    assert np.abs(found - expected).max() < 1e-6


def test_a_copy_has_the_same_fingerprint_and_another_tokenizer_another(static_folder: Path, tmp_path: Path) -> None:
    first = StaticTable(StaticConfig(model=static_folder))
    copy = shutil.copytree(static_folder, tmp_path / "copy")
    assert StaticTable(StaticConfig(model=copy)).fingerprint == first.fingerprint
    tokenizer = json.loads((copy / "tokenizer.json").read_text())
    tokenizer["normalizer"]["lowercase"] = False
    (copy / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert StaticTable(StaticConfig(model=copy)).fingerprint != first.fingerprint


def change_rows(folder: Path, rows: np.ndarray) -> None:
    save_file({"embeddings": rows}, folder / "model.safetensors")


def in_bfloat16(folder: Path) -> None:
    header = json.dumps({"embeddings": {"dtype": "BF16", "shape": [4, 2], "data_offsets": [0, 16]}}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(16))


def said(folder: Path) -> dict[str, object]:
    held: dict[str, object] = json.loads((folder / "config.json").read_text())
    return held


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda f: (f / "model.safetensors").unlink(), r"lacks model\.safetensors"),
        (lambda f: (f / "tokenizer.json").unlink(), r"lacks tokenizer\.json"),
        (lambda f: (f / "tokenizer.json").write_text("{}"), "is no tokenizer"),
        (lambda f: (f / "model.safetensors").write_bytes(b"\x10\0\0\0"), "is no safetensors file"),
        (in_bfloat16, r"numbers that numpy lacks .*save the model in float16"),
        (lambda f: change_rows(f, np.ones((5, DIM), np.float32)), r"vectors for 5 tokens, tokenizer\.json .* has \d+"),
        (lambda f: change_rows(f, np.full((len(vocabulary()), DIM), np.nan, np.float32)), "NaN or infinity"),
        (lambda f: (f / "config.json").write_text(json.dumps({**said(f), "hidden_dim": 99})), "says 99 dim.* has 32"),
        (lambda f: save_file({"x": np.ones((2, 2))}, f / "model.safetensors"), r"holds \['x'\]"),
        (lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"), "are a pickle"),
        (lambda f: (f / "modules.json").write_text('[{"type": "a.StaticEmbedding", "path": "../.."}]'), "lies outside"),
        (lambda f: (f / "modules.json").write_text('[{"type": "a.Transformer", "path": ""}]'), "sentence-transformers"),
        (shutil.rmtree, "no folder at"),
    ],
)
def test_a_wrong_file_is_one_clear_error(static_folder: Path, tmp_path: Path, spoil: object, told: str) -> None:
    folder = shutil.copytree(static_folder, tmp_path / "spoilt")
    assert callable(spoil)
    spoil(folder)
    with pytest.raises((ProviderError, ConfigError), match=told):
        open_fresh(StaticConfig(model=folder))


def test_more_dimensions_than_there_are_is_refused(static_folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"`encoder\.dim` is 64, .* has 32"):
        open_fresh(StaticConfig(model=static_folder, dim=64))
