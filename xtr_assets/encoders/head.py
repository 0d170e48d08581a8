"""Heads: what turns hidden states into token embeddings. A trained head replaces the shipped one by the same protocol."""

import hashlib
from collections.abc import Mapping
from importlib import resources
from typing import TYPE_CHECKING, Protocol

import numpy as np

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.types import Floats

if TYPE_CHECKING:
    import torch

SHIPPED = "projection.safetensors"


class Head(Protocol):
    """Maps hidden states of tokens to token embeddings; `sha256` covers everything that decides them."""

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers whose states it reads (0 is before the first)."""
        ...

    @property
    def token_dim(self) -> int: ...
    @property
    def sha256(self) -> str: ...

    def __call__(self, states: Mapping[int, "torch.Tensor"]) -> "torch.Tensor":
        """From float32 [tokens, hidden] per layer to float32 [tokens, token_dim], unit length."""
        ...


class Projection:
    """The shipped head: centre the last hidden state, project it, scale to unit length.

    matrix : float32 [hidden, token_dim]. mean : float32 [hidden]. Made by `make_projection.py`.
    """

    def __init__(self, matrix: Floats, mean: Floats, layer: int, sha256: str, device: "torch.device") -> None:
        import torch

        if matrix.ndim != 2 or mean.shape != matrix.shape[:1]:
            raise InvalidInput(f"a projection {matrix.shape} needs a mean of its first dim, not {mean.shape}")
        if not (np.isfinite(matrix).all() and np.isfinite(mean).all()):
            raise InvalidInput("the projection holds NaN or infinity; make it again with make_projection")
        self.layers = (layer,)
        self.token_dim = int(matrix.shape[1])
        self.sha256 = sha256
        self._matrix = torch.from_numpy(matrix).to(device)
        self._mean = torch.from_numpy(mean).to(device)

    def __call__(self, states: Mapping[int, "torch.Tensor"]) -> "torch.Tensor":
        from torch.nn.functional import normalize

        return normalize((states[self.layers[0]] - self._mean) @ self._matrix, dim=-1)


def shipped_projection(layer: int, device: "torch.device") -> Projection:
    """The projection that the package ships, for states of width 384 after the last layer."""
    from safetensors.numpy import load

    data = resources.files("xtr_assets.encoders").joinpath(SHIPPED).read_bytes()
    tensors = load(data)
    return Projection(tensors["matrix"], tensors["mean"], layer, hashlib.sha256(data).hexdigest(), device)
