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
# torch's `normalize` divides by at least this.
NORM_FLOOR = np.float32(1e-12)


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

    def light(self, states: Mapping[int, Floats]) -> Floats:
        """The same in numpy."""
        ...


class Projection:
    """The shipped head: one matrix over the last hidden state, then unit length.

    matrix : float32 [hidden, token_dim], made by `make_projection.py`. Subtracting the mean state first
    was measured and changes nothing (MRR@10 of the sum with dense 0.535 against 0.536), so it is left out.
    """

    def __init__(self, matrix: Floats, layer: int, sha256: str) -> None:
        if matrix.ndim != 2 or not np.isfinite(matrix).all():
            raise InvalidInput(
                f"a projection is a finite matrix [hidden, token_dim], not one of shape {matrix.shape} or with NaN; "
                "make it again with `python -m xtr_assets.encoders.make_projection`"
            )
        self.layers = (layer,)
        self.token_dim = int(matrix.shape[1])
        self.sha256 = sha256
        self._matrix = matrix
        self._placed: dict[str, torch.Tensor] = {}

    def __call__(self, states: Mapping[int, "torch.Tensor"]) -> "torch.Tensor":
        import torch
        from torch.nn.functional import normalize

        state = states[self.layers[0]]
        device = str(state.device)
        if device not in self._placed:
            self._placed[device] = torch.from_numpy(self._matrix).to(state.device)
        return normalize(state @ self._placed[device], dim=-1)

    def light(self, states: Mapping[int, Floats]) -> Floats:
        projected: Floats = states[self.layers[0]] @ self._matrix
        projected /= np.maximum(np.linalg.norm(projected, axis=-1, keepdims=True), NORM_FLOOR)
        return projected


def shipped_projection(layer: int) -> Projection:
    """The projection that the package ships, for states of width 384 after the last layer."""
    from safetensors.numpy import load

    data = resources.files("xtr_assets.encoders").joinpath(SHIPPED).read_bytes()
    return Projection(load(data)["matrix"], layer, hashlib.sha256(data).hexdigest())
