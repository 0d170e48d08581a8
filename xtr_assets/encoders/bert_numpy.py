"""The forward pass of bert.py in numpy: for the few texts of a small change or a query, torch need not be imported.

torch takes 1.4 CPU s to import and 0.25 to hold the model; a text of 100 tokens takes 57 ms here. Equal to bert.py in
float32 (tested against it); one text at a time, nothing is padded.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from xtr_assets.core.errors import ProviderError
from xtr_assets.core.json_document import read_json
from xtr_assets.core.types import Floats, Int32s
from xtr_assets.encoders.bert_shape import BertShape

# 7.1.26 of Abramowitz and Stegun's Handbook: erf to 1.5e-7, which is float32's own precision.
ERF_P = np.float32(0.3275911)
ERF_A = tuple(np.float32(a) for a in (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429))


def map_tensors(path: Path) -> dict[str, npt.NDArray[Any]]:
    """The float32 tensors of a .safetensors file by name, memory-mapped: what is not looked at is not read.

    The format: 8 bytes little-endian, the length of a JSON header {name: dtype, shape, data_offsets}; then the data
    (https://github.com/huggingface/safetensors#format). Only for files whose sha256 was compared.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = read_json(file.read(length))
    data = np.memmap(path, np.uint8, "r", offset=8 + length)
    found = {}
    for name, entry in header.items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            start, stop = entry["data_offsets"]
            found[name] = data[start:stop].view(np.float32).reshape(entry["shape"])
    return found


class LightBert:
    """A BERT encoder for inference, one text at a time.

    tensors : float32 arrays of a checkpoint by name, with or without the prefix "bert.".
    """

    def __init__(self, tensors: Mapping[str, Floats], shape: BertShape) -> None:
        self.shape = shape
        self._tensors = {name.removeprefix("bert."): np.asarray(tensor) for name, tensor in tensors.items()}

    def __call__(self, ids: Int32s, layers: Sequence[int]) -> dict[int, Floats]:
        """The hidden states after the asked layers, each float32 [tokens, hidden]; 0 is before the first."""
        heads, width = self.shape.heads, self.shape.hidden // self.shape.heads
        length = len(ids)
        words = self._tensor("embeddings.word_embeddings.weight")[ids]
        # One sequence only, so every token has type 0.
        types = self._tensor("embeddings.token_type_embeddings.weight")[0]
        places = self._tensor("embeddings.position_embeddings.weight")[:length]
        x = self._norm("embeddings.LayerNorm", words + places + types)
        states = {0: x} if 0 in layers else {}
        for number in range(self.shape.layers):
            name = f"encoder.layer.{number}"
            q, k, v = (
                self._dense(f"{name}.attention.self.{part}", x).reshape(length, heads, width).transpose(1, 0, 2)
                for part in ("query", "key", "value")
            )
            met = (softmax(q @ k.transpose(0, 2, 1) * np.float32(width**-0.5)) @ v).transpose(1, 0, 2)
            met = self._dense(f"{name}.attention.output.dense", met.reshape(length, self.shape.hidden))
            x = self._norm(f"{name}.attention.output.LayerNorm", x + met)
            grown = gelu(self._dense(f"{name}.intermediate.dense", x))
            x = self._norm(f"{name}.output.LayerNorm", x + self._dense(f"{name}.output.dense", grown))
            if number + 1 in layers:
                states[number + 1] = x
        return states

    def _tensor(self, name: str) -> Floats:
        if name not in self._tensors:
            raise ProviderError(f"the weights hold no float32 tensor {name!r}; only BERT checkpoints are supported")
        return self._tensors[name]

    def _dense(self, name: str, x: Floats) -> Floats:
        product: Floats = x @ self._tensor(f"{name}.weight").T
        product += self._tensor(f"{name}.bias")
        return product

    def _norm(self, name: str, x: Floats) -> Floats:
        centred = x - x.mean(axis=-1, keepdims=True)
        scale = np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + np.float32(self.shape.epsilon))
        normed: Floats = centred / scale * self._tensor(f"{name}.weight") + self._tensor(f"{name}.bias")
        return normed


def softmax(x: Floats) -> Floats:
    """Along the last axis; overwrites x."""
    x -= x.max(axis=-1, keepdims=True)
    np.exp(x, out=x)
    x /= x.sum(axis=-1, keepdims=True)
    return x


def gelu(x: Floats) -> Floats:
    """x times the normal distribution function of x, by `erf` (not the tanh approximation)."""
    z = np.abs(x) * np.float32(np.sqrt(0.5))
    t = 1 / (1 + ERF_P * z)
    sum_of_powers = np.zeros_like(t)
    for a in reversed(ERF_A):
        sum_of_powers += a
        sum_of_powers *= t
    erf = np.copysign(1 - sum_of_powers * np.exp(-z * z), x)
    grown: Floats = np.float32(0.5) * x * (1 + erf)
    return grown
