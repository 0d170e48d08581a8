import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from xtr_assets.core.errors import ProviderError
from xtr_assets.encoders.bert import Bert
from xtr_assets.encoders.bert_shape import BertShape
from xtr_assets.encoders.weights import ModelFiles


def padded(lengths: list[int], vocabulary: int) -> tuple[torch.Tensor, torch.Tensor]:
    ids = torch.randint(5, vocabulary, (len(lengths), max(lengths)), generator=torch.Generator().manual_seed(1))
    return ids, torch.tensor(lengths)


@pytest.mark.parametrize("lengths", [[7, 3, 1], [5, 5]], ids=["padded", "equal lengths"])
def test_every_hidden_state_equals_that_of_transformers(tiny_files: ModelFiles, lengths: list[int]) -> None:
    transformers = pytest.importorskip("transformers")
    reference = transformers.BertModel.from_pretrained(tiny_files.weights.parent, add_pooling_layer=False).eval()
    bert = Bert(load_file(tiny_files.weights), BertShape.read(tiny_files.config), torch.float32, torch.device("cpu"))
    ids, length = padded(lengths, 40)
    mask = torch.arange(ids.shape[1]) < length[:, None]
    with torch.inference_mode():
        expected = reference(input_ids=ids, attention_mask=mask.long(), output_hidden_states=True).hidden_states
    found = bert(ids, length, (0, 1, 2))
    for layer in (0, 1, 2):
        np.testing.assert_allclose(found[layer][mask].numpy(), expected[layer][mask].numpy(), atol=2e-5)


def test_states_of_a_text_do_not_depend_on_its_batch(tiny_files: ModelFiles) -> None:
    bert = Bert(load_file(tiny_files.weights), BertShape.read(tiny_files.config), torch.float32, torch.device("cpu"))
    ids, length = padded([9, 4], 40)
    together = bert(ids, length, (2,))[2][1, :4]
    alone = bert(ids[1:, :4], length[1:], (2,))[2][0]
    np.testing.assert_allclose(together.numpy(), alone.numpy(), atol=1e-5)


def test_names_with_the_prefix_bert_are_read_alike(tiny_files: ModelFiles) -> None:
    state, shape = load_file(tiny_files.weights), BertShape.read(tiny_files.config)
    ids, length = padded([4], 40)
    plain = Bert(state, shape, torch.float32, torch.device("cpu"))(ids, length, (2,))[2]
    prefixed = {f"bert.{name}": tensor for name, tensor in state.items()}
    assert torch.equal(plain, Bert(prefixed, shape, torch.float32, torch.device("cpu"))(ids, length, (2,))[2])


def test_a_model_this_forward_pass_would_get_wrong_is_refused(tiny_files: ModelFiles, tmp_path: Path) -> None:
    config = json.loads(tiny_files.config.read_text())
    for field, value in (
        ("hidden_act", "relu"),
        ("model_type", "roberta"),
        ("position_embedding_type", "relative_key"),
    ):
        path = tmp_path / "config.json"
        path.write_text(json.dumps(config | {field: value}))
        with pytest.raises(ProviderError, match=f"{field} is '{value}'"):
            BertShape.read(path)


def test_a_checkpoint_without_a_tensor_is_refused_by_its_name(tiny_files: ModelFiles) -> None:
    shape = dataclasses.replace(BertShape.read(tiny_files.config), layers=3)
    with pytest.raises(ProviderError, match=r"encoder\.layer\.2\.attention\.self\.query\.weight"):
        Bert(load_file(tiny_files.weights), shape, torch.float32, torch.device("cpu"))
