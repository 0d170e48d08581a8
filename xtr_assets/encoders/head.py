"""Heads turn hidden states into token embeddings. A trained one takes the place of the shipped one by the protocol."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import numpy as np

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.types import Floats
from xtr_assets.encoders.bert_shape import POOLED, WORDS

if TYPE_CHECKING:
    import torch

# torch's `normalize` divides by at least this.
NORM_FLOOR = np.float32(1e-12)
# Lengths of a matrix, all its numbers as one vector: about the root of its dimensions. Far from that a token is zero,
# or overflows float32.
LEAST_LENGTH, MOST_LENGTH = 1e-6, 1e9
# What a trained head reads: the word piece by itself, which later layers have half forgotten, the middle and the end.
# Without the early ones known items of the standard library fell from 0.455 to 0.414 (MRR@10).
PARTS = 4


def head_layers(depth: int) -> tuple[int, ...]:
    """The layers that a trained head reads of a model of so many.

    >>> head_layers(6)
    (-1, 3, 6, -2)
    """
    return (WORDS, depth // 2, depth, POOLED)


class Head(Protocol):
    """Maps hidden states of tokens to token embeddings; `sha256` covers everything that decides them."""

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers whose states it reads (0 is before the first, WORDS the word-piece embedding by itself, POOLED the
        mean over the token's window)."""
        ...

    @property
    def hidden(self) -> int:
        """Dimensions of the states it reads."""
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
    """The untrained head: one matrix over the last hidden state, then unit length.

    matrix : float32 [hidden, token_dim], made by `make_projection.py`. Subtracting the mean state first
    was measured and changes nothing (MRR@10 of the sum with dense 0.535 against 0.536), so it is left out.
    """

    def __init__(self, matrix: Floats, layer: int, sha256: str) -> None:
        if matrix.ndim != 2 or not matrix.shape[1] or not _projects(matrix):
            raise InvalidInput(
                f"a projection is a matrix [hidden, token_dim] of finite numbers that are not all 0, not this one of "
                f"shape {matrix.shape}; make it again with `python -m xtr_assets.encoders.make_projection`"
            )
        self.layers = (layer,)
        self.hidden, self.token_dim = int(matrix.shape[0]), int(matrix.shape[1])
        self.sha256 = sha256
        self.matrix = matrix
        self._placed: dict[str, torch.Tensor] = {}

    def __call__(self, states: Mapping[int, "torch.Tensor"]) -> "torch.Tensor":
        import torch
        from torch.nn.functional import normalize

        state = states[self.layers[0]]
        device = str(state.device)
        if device not in self._placed:
            self._placed[device] = torch.from_numpy(self.matrix).to(state.device)
        return normalize(state @ self._placed[device], dim=-1)

    def light(self, states: Mapping[int, Floats]) -> Floats:
        return unit_rows(states[self.layers[0]] @ self.matrix)


def _projects(matrix: Floats) -> bool:
    """Whether a matrix makes tokens of unit length: of zeros, NaN or numbers near the end of float32 none does."""
    return bool(LEAST_LENGTH < np.linalg.norm(matrix.astype(np.float64)) < MOST_LENGTH)


def unit_rows(rows: Floats) -> Floats:
    """Each row of float32 [..., d] scaled to unit length, in place; a row of nothing but zeros stays."""
    # Not np.linalg.norm, which takes 15 us for the few rows of a question: a fifth of what a head costs.
    lengths = np.sqrt(np.einsum("...d,...d->...", rows, rows))
    rows /= np.maximum(lengths, NORM_FLOOR, out=lengths)[..., None]
    return rows


class TrainedHead:
    """A head trained over states of a frozen model: word piece, middle, end and the mean of the window, each of unit
    length, and one matrix over all four.

    center : float32 [hidden], the mean of the vocabulary's word-piece embeddings, which says nothing about a word.
    matrix : float32 [PARTS x hidden, token_dim]. depth : the layers of the model. Made by `head_trainer.py`.
    """

    def __init__(self, center: Floats, matrix: Floats, depth: int, sha256: str = "") -> None:
        if center.ndim != 1 or matrix.ndim != 2 or not matrix.size or len(matrix) != PARTS * len(center):
            raise InvalidInput(
                f"a trained head is a center [hidden] and a matrix [{PARTS} x hidden, token_dim], not "
                f"{center.shape} and {matrix.shape}; train one with `xtr-assets train-head`"
            )
        if not (np.abs(center).max() < MOST_LENGTH and _projects(matrix)):
            raise InvalidInput(
                "a trained head holds NaN, infinity or nothing but zeros; train it again with `xtr-assets train-head`"
            )
        self.center, self.matrix, self.sha256 = center, matrix, sha256
        self.hidden, self.layers, self.token_dim = len(center), head_layers(depth), int(matrix.shape[1])
        self._placed: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}

    def __call__(self, states: Mapping[int, "torch.Tensor"]) -> "torch.Tensor":
        import torch
        from torch.nn.functional import normalize

        words = states[WORDS]
        device = str(words.device)
        if device not in self._placed:
            placed = (torch.from_numpy(part).to(words.device) for part in (self.center, self.matrix))
            self._placed[device] = (next(placed), next(placed))
        center, matrix = self._placed[device]
        parts = [words - center, *(states[layer] for layer in self.layers[1:])]
        return normalize(torch.cat([normalize(part, dim=-1) for part in parts], dim=-1) @ matrix, dim=-1)

    def light(self, states: Mapping[int, Floats]) -> Floats:
        rows = len(states[WORDS])
        parts = np.empty((rows, PARTS, len(self.center)), np.float32)
        np.subtract(states[WORDS], self.center, out=parts[:, 0])
        for place, layer in enumerate(self.layers[1:], 1):
            parts[:, place] = states[layer]
        # Not -1 for the width: windows of bare punctuation keep no row, and numpy derives no width from nothing.
        return unit_rows(unit_rows(parts).reshape(rows, len(self.matrix)) @ self.matrix)
