"""The forward pass of bert.py in numpy: for the few texts of a small change or a query, torch need not be imported.

torch takes 1.0 to 2.1 CPU s to import; a token takes 0.3 ms here (docs/measurements.md). Equal to bert.py in float32
(tested against it); nothing is padded.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from xtr_assets.core.errors import ProviderError
from xtr_assets.core.json_document import read_json
from xtr_assets.core.types import Floats, Int32s
from xtr_assets.encoders.bert_shape import WORDS, BertShape

# 7.1.26 of Abramowitz and Stegun's Handbook: erf to 1.5e-7, which is float32's own precision.
ERF_P = np.float32(0.3275911)
ERF_A = tuple(np.float32(a) for a in (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429))


def map_tensors(path: Path) -> dict[str, npt.NDArray[Any]]:
    """The float32 tensors of a .safetensors file by name, memory-mapped: what is not looked at is not read.

    The format: 8 bytes little-endian, the length of a JSON header {name: dtype, shape, data_offsets}; then the data
    (https://github.com/huggingface/safetensors#format). Only for files whose sha256 was compared.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > path.stat().st_size:
                raise ValueError(f"a header of {length} bytes")
            header = read_json(file.read(length))
        data = np.memmap(path, np.uint8, "r", offset=8 + length)
        return {name: _tensor(data, entry) for name, entry in header.items() if _is_float32(name, entry)}
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        raise ProviderError(
            f"{path} is no safetensors file that can be read: {error!s:.200}; get the model again"
        ) from error


def _is_float32(name: str, entry: Any) -> bool:
    return name != "__metadata__" and bool(entry["dtype"] == "F32")


def _tensor(data: npt.NDArray[np.uint8], entry: Any) -> npt.NDArray[Any]:
    start, stop = entry["data_offsets"]
    return data[start:stop].view(np.float32).reshape(entry["shape"])


class LightBert:
    """A BERT encoder for inference; nothing is padded.

    tensors : float32 arrays of a checkpoint by name, with or without the prefix "bert.".
    """

    def __init__(self, tensors: Mapping[str, Floats], shape: BertShape) -> None:
        self.shape = shape
        self._tensors = {name.removeprefix("bert."): np.asarray(tensor) for name, tensor in tensors.items()}

    def __call__(self, rows: Sequence[Int32s], layers: Sequence[int]) -> dict[int, Floats]:
        """The hidden states after the asked layers, each float32 [tokens of all rows, hidden]; 0 is before the first,
        WORDS are the word-piece embeddings by themselves.

        rows : the ids of each text. Their tokens are stacked, so that a product is one of some hundred tokens: a text
        of ten takes a third of what it takes alone. Only attention is within a text.
        """
        starts = np.cumsum([0, *map(len, rows)])
        words = self._tensor("embeddings.word_embeddings.weight")[np.concatenate(rows)]
        # One sequence only, so every token has type 0.
        types = self._tensor("embeddings.token_type_embeddings.weight")[0]
        places = self._tensor("embeddings.position_embeddings.weight")
        x = self._norm("embeddings.LayerNorm", words + np.concatenate([places[: len(row)] for row in rows]) + types)
        states = {layer: state for layer, state in ((WORDS, words), (0, x)) if layer in layers}
        for number in range(self.shape.layers):
            name = f"encoder.layer.{number}"
            q, k, v = (self._dense(f"{name}.attention.self.{part}", x) for part in ("query", "key", "value"))
            met = np.empty_like(x)
            for start, stop in pairwise(starts.tolist()):
                met[start:stop] = self._attend(q[start:stop], k[start:stop], v[start:stop])
            met = self._dense(f"{name}.attention.output.dense", met)
            x = self._norm(f"{name}.attention.output.LayerNorm", x + met)
            grown = gelu(self._dense(f"{name}.intermediate.dense", x))
            x = self._norm(f"{name}.output.LayerNorm", x + self._dense(f"{name}.output.dense", grown))
            if number + 1 in layers:
                states[number + 1] = x
        return states

    def _attend(self, q: Floats, k: Floats, v: Floats) -> Floats:
        """Of one text, each float32 [tokens, hidden]."""
        heads, width = self.shape.heads, self.shape.hidden // self.shape.heads
        q, k, v = (one.reshape(len(one), heads, width).transpose(1, 0, 2) for one in (q, k, v))
        met = softmax(q @ k.transpose(0, 2, 1) * np.float32(width**-0.5)) @ v
        return met.transpose(1, 0, 2).reshape(-1, self.shape.hidden)

    def _tensor(self, name: str) -> Floats:
        if name not in self._tensors:
            raise ProviderError(f"the weights hold no float32 tensor {name!r}; only BERT checkpoints are supported")
        return self._tensors[name]

    def _dense(self, name: str, x: Floats) -> Floats:
        product: Floats = x @ self._tensor(f"{name}.weight").T
        product += self._tensor(f"{name}.bias")
        return product

    def _norm(self, name: str, x: Floats) -> Floats:
        normed: Floats = x - x.mean(axis=-1, keepdims=True)
        variance = np.einsum("td,td->t", normed, normed) / np.float32(x.shape[-1])
        normed /= np.sqrt(variance + np.float32(self.shape.epsilon))[:, None]
        normed *= self._tensor(f"{name}.weight")
        normed += self._tensor(f"{name}.bias")
        return normed


def softmax(x: Floats) -> Floats:
    """Along the last axis; overwrites x."""
    x -= x.max(axis=-1, keepdims=True)
    np.exp(x, out=x)
    x /= x.sum(axis=-1, keepdims=True)
    return x


def gelu(x: Floats) -> Floats:
    """x times the normal distribution function of x, by `erf` (not the tanh approximation); overwrites x."""
    z = np.abs(x)
    z *= np.float32(np.sqrt(0.5))
    t = z * ERF_P
    t += 1
    np.reciprocal(t, out=t)
    sum_of_powers = np.zeros_like(t)
    for a in reversed(ERF_A):
        sum_of_powers += a
        sum_of_powers *= t
    # exp(-z^2), in place: each array less is a pass less over the memory.
    z *= z
    np.negative(z, out=z)
    np.exp(z, out=z)
    sum_of_powers *= z
    erf = np.copysign(np.subtract(1, sum_of_powers, out=z), x, out=z)
    erf += 1
    x *= np.float32(0.5)
    x *= erf
    return x
