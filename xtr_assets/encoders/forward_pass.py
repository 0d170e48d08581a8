"""Passes of windows of tokens through a model and a head: by torch, or in numpy while there is little to encode."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np

from xtr_assets.core.blas_threads import one_blas_thread
from xtr_assets.core.types import Floats, Int32s, Mask
from xtr_assets.encoders.bert_shape import POOLED, BertShape
from xtr_assets.encoders.head import Head
from xtr_assets.encoders.precision import Precision, choose_precision
from xtr_assets.encoders.weights import ModelFiles

if TYPE_CHECKING:
    import torch

# Padded tokens of one batch. On two CPU cores 1,024 to 4,096 are within 7 % of each other and larger ones lose up to a
# quarter (activations leave the cache); a GPU needs large ones to be busy.
TOKEN_BUDGET = {"cpu": 2048, "cuda": 65536}

# What a batch costs beside its tokens, in tokens: of 324 functions, 54 at a time, a sixth was padding where batches
# were filled to the budget, a twenty-fifth with 40 (7 % of the CPU; 3 % of all 324 at once). On a GPU a launch takes as
# long as thousands.
BATCH_OVERHEAD = {"cpu": 40, "cuda": 8192}

# Tokens that numpy passes through the model at once: more no longer make a product faster, and the activations of a
# layer (1,536 floats a token) leave the cache.
GROUP_TOKENS = 512

# Ids of each window of a batch, special tokens included, and which of them are kept as token embeddings.
Batch = tuple[list[Int32s], list[Mask]]
Given = TypeVar("Given")
Got = TypeVar("Got")


class Pass(Protocol):
    """Batches in; of each, in order, sums of the last state over each window, float32 [windows, dim], and embeddings
    of the kept tokens, float32 [tokens, token_dim]."""

    @property
    def precision(self) -> str: ...
    @property
    def device(self) -> str: ...

    def __call__(self, work: Sequence[Batch]) -> Iterator[tuple[Floats, Floats]]: ...


class LightPass:
    """In numpy, some windows at a time on one core."""

    precision, device = "fp32", "cpu"

    def __init__(self, files: ModelFiles, shape: BertShape, head: Head) -> None:
        """`files` were verified."""
        from xtr_assets.encoders.bert_numpy import LightBert, map_tensors

        self._model, self._head, self._last = LightBert(map_tensors(files.weights), shape), head, shape.layers
        self._alone = threading.Lock()

    def __call__(self, work: Sequence[Batch]) -> Iterator[tuple[Floats, Floats]]:
        for rows, kept in work:
            pooled, tokens = [], []
            for start, stop in pairwise(groups([len(row) for row in rows], GROUP_TOKENS)):
                mask, lengths = np.concatenate(kept[start:stop]), [len(row) for row in rows[start:stop]]
                # BLAS shares even these small products among its threads, which wait for each other: six times the CPU.
                with self._alone, one_blas_thread():
                    states = self._model(rows[start:stop], (self._last, *self._head.layers))
                    starts = np.cumsum([0, *lengths[:-1]])
                    pooled.append(np.add.reduceat(states[self._last], starts, axis=0))
                    states[POOLED] = means_of(pooled[-1], lengths)
                    tokens.append(self._head.light({layer: states[layer][mask] for layer in self._head.layers}))
            yield np.concatenate(pooled), np.concatenate(tokens)


def means_of(sums: Floats, lengths: Sequence[int]) -> Floats:
    """The mean of each window for each of its tokens, float32 [tokens, dim], of the sums of windows."""
    return np.repeat(sums / np.array(lengths, np.float32)[:, None], lengths, axis=0)


def groups(lengths: Sequence[int], most: int) -> list[int]:
    """Where runs of windows start that hold at most so many tokens, or are one window; the end last.

    >>> groups([300, 300, 200, 900, 10, 10], 512)
    [0, 1, 3, 4, 6]
    """
    starts, held = [0], 0
    for number, length in enumerate(lengths):
        if held and held + length > most:
            starts.append(number)
            held = 0
        held += length
    return [*starts, len(lengths)]


def on_each_core(forward: Callable[[Given], Got], work: Sequence[Given], device: "torch.device") -> Iterator[Got]:
    """What torch makes of each batch, in order. On a CPU each core takes batches of its own.

    Cores that share a batch wait for each other, spinning, at every matrix product: with other work on the machine
    that was 2.5 times slower (600 functions, two cores, interleaved; docs/measurements.md).
    """
    import torch

    threads = torch.get_num_threads()
    if device.type != "cpu" or threads == 1:
        yield from (forward(one) for one in work)
        return
    if len(work) == 1:
        # A query: its products are too small to share (6.6 ms alone, 13 to 20 ms on two busy cores).
        torch.set_num_threads(1)
        try:
            yield forward(work[0])
        finally:
            torch.set_num_threads(threads)
        return
    with ThreadPoolExecutor(threads, "encode", torch.set_num_threads, (1,)) as pool:
        try:
            yield from pool.map(forward, work)
        finally:
            pool.shutdown(cancel_futures=True)
            # torch hands the last number set anywhere to threads that are yet to come.
            torch.set_num_threads(threads)


class TorchPass:
    """By torch, on a CPU or a GPU."""

    def __init__(
        self, files: ModelFiles, shape: BertShape, head: Head, device: "torch.device | str", precision: Precision
    ) -> None:
        """`files` were verified."""
        import torch
        from safetensors.torch import load_file

        from xtr_assets.encoders.bert import Bert

        self._device = torch.device(device)
        self.device = str(self._device)
        self.precision = choose_precision(precision, self._device)
        dtype = torch.bfloat16 if self.precision == "bf16" else torch.float32
        self._model = Bert(load_file(files.weights), shape, dtype, self._device)
        self._head, self._last = head, shape.layers

    def __call__(self, work: Sequence[Batch]) -> Iterator[tuple[Floats, Floats]]:
        yield from on_each_core(lambda one: self._forward(*one), work, self._device)

    def _forward(self, rows: Sequence[Int32s], kept: Sequence[Mask]) -> tuple[Floats, Floats]:
        import torch

        lengths = np.array([len(row) for row in rows], np.int64)
        ids = np.zeros((len(rows), int(lengths.max())), np.int64)
        keep = np.zeros(ids.shape, bool)
        for number, (row, mask) in enumerate(zip(rows, kept, strict=True)):
            ids[number, : len(row)], keep[number, : len(row)] = row, mask
        with torch.inference_mode():
            length = torch.from_numpy(lengths).to(self._device)
            layers = {self._last, *self._head.layers}
            states = self._model(torch.from_numpy(ids).to(self._device), length, tuple(layers))
            real = torch.arange(ids.shape[1], device=self._device) < length[:, None]
            # Not a product with the mask: 0 x NaN of a padded position would be NaN.
            pooled = states[self._last].masked_fill(~real[:, :, None], 0.0).sum(dim=1)
            states[POOLED] = (pooled / length[:, None])[:, None].expand(-1, ids.shape[1], -1)
            chosen = torch.from_numpy(keep).to(self._device)
            projected = self._head({layer: states[layer][chosen] for layer in self._head.layers})
            return pooled.cpu().numpy(), projected.cpu().numpy()
