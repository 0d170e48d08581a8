"""Heads turn hidden states into token embeddings. A trained one takes the place of the shipped one by the protocol."""

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
    """The shipped head: one matrix over the last hidden state, then unit length.

    matrix : float32 [hidden, token_dim], made by `make_projection.py`. Subtracting the mean state first
    was measured and changes nothing (MRR@10 of the sum with dense .535 against .536), so it is left out.
    """

    def __init__(self, matrix: Floats, layer: int, sha256: str, device: "torch.device") -> None:
        import torch

        if matrix.ndim != 2 or not np.isfinite(matrix).all():
            raise InvalidInput(
                f"a projection is a finite matrix [hidden, token_dim], not one of shape {matrix.shape} or with NaN; "
                "make it again with `python -m xtr_assets.encoders.make_projection`"
            )
        self.layers = (layer,)
        self.token_dim = int(matrix.shape[1])
        self.sha256 = sha256
        self._matrix = torch.from_numpy(matrix).to(device)

    def __call__(self, states: Mapping[int, "torch.Tensor"]) -> "torch.Tensor":
        from torch.nn.functional import normalize

        return normalize(states[self.layers[0]] @ self._matrix, dim=-1)


def shipped_projection(layer: int, device: "torch.device") -> Projection:
    """The projection that the package ships, for states of width 384 after the last layer."""
    from safetensors.numpy import load

    data = resources.files("xtr_assets.encoders").joinpath(SHIPPED).read_bytes()
    return Projection(load(data)["matrix"], layer, hashlib.sha256(data).hexdigest(), device)
