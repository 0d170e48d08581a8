"""The forward pass of the C++ extension (native/encoder): on a CPU, without torch; tested against bert.py."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np

from xtr_assets.core.types import Floats
from xtr_assets.encoders.bert_numpy import map_tensors
from xtr_assets.encoders.bert_shape import POOLED, WORDS, BertShape
from xtr_assets.encoders.forward_pass import GROUP_TOKENS, Batch, groups, means_of
from xtr_assets.encoders.head import Head
from xtr_assets.encoders.int8_channels import WideChannels, wide_channels
from xtr_assets.encoders.precision import IntegerPrecision, Precision
from xtr_assets.encoders.weights import ModelFiles

try:
    from xtr_assets.encoders import _forward  # type: ignore[attr-defined, unused-ignore]
except ImportError:
    _forward = None

# What this release calls; an extension left behind by another build is not used.
ABI = 2
# Matrices and rows of a layer in the order that the extension takes them.
MATRICES = (
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "intermediate.dense",
    "output.dense",
)
ROWS = (
    *(f"{name}.bias" for name in MATRICES[:4]),
    *(f"attention.output.LayerNorm.{part}" for part in ("weight", "bias")),
    *(f"{name}.bias" for name in MATRICES[4:]),
    *(f"output.LayerNorm.{part}" for part in ("weight", "bias")),
)


def engines(precision: Precision | IntegerPrecision) -> tuple[str, ...]:
    """The instruction sets here that compute in a precision, the fastest first; none without the extension.

    "auto" is any whose vectors may be mixed: all but int8.
    """
    if _forward is None or _forward.ABI != ABI:
        return ()
    known: list[str] = _forward.instruction_sets()
    if precision == "auto":
        return tuple(name for name in known if precision_of(name) != "int8")
    return tuple(name for name in known if precision_of(name) == precision)


def precision_of(engine: str) -> str:
    """What an instruction set computes in, by its name.

    >>> precision_of("avx512"), precision_of("avx512_bf16"), precision_of("scalar_int8")
    ('fp32', 'bf16', 'int8')
    """
    _, _, ending = engine.partition("_")
    return ending or "fp32"


def open_native(
    files: ModelFiles, shape: BertShape, head: Head, precision: Precision | IntegerPrecision
) -> "NativePass | None":
    """The pass; None where the extension is not there, or has no instructions for this precision or these widths.

    `files` were verified. ProviderError for int8 of weights whose wide channels this release does not know.
    """
    names = engines(precision)
    if not names:
        return None
    tensors = {name.removeprefix("bert."): one for name, one in map_tensors(files.weights).items()}
    try:
        model = _load(names[0], tensors, shape, wide_channels(files.weights_sha256) if precision == "int8" else ())
    except (KeyError, ValueError):
        # Widths that no register divides, and a checkpoint that is another model, which torch's pass names.
        return None
    return NativePass(names[0], model, shape, head, tensors["embeddings.word_embeddings.weight"])


class NativePass:
    """Windows by the extension, GROUP_TOKENS at a time; several cores take batches of their own."""

    device = "cpu"

    def __init__(self, engine: str, model: Any, shape: BertShape, head: Head, words: Floats) -> None:
        """words : float32 [vocabulary, hidden], the word-piece embedding."""
        self.engine, self.precision = engine, str(model.precision)
        self._model, self._shape, self._head, self._words = model, shape, head, words

    def __call__(self, work: Sequence[Batch]) -> Iterator[tuple[Floats, Floats]]:
        threads = min(cores(), len(work))
        if threads <= 1:
            yield from map(self._forward, work)
            return
        with ThreadPoolExecutor(threads, "encode") as pool:
            try:
                yield from pool.map(self._forward, work)
            finally:
                pool.shutdown(cancel_futures=True)

    def _forward(self, batch: Batch) -> tuple[Floats, Floats]:
        rows, kept = batch
        last, layers = self._shape.layers, {self._shape.layers, *self._head.layers}
        pooled, tokens = [], []
        for start, stop in pairwise(groups([len(row) for row in rows], GROUP_TOKENS)):
            ids = np.concatenate(rows[start:stop]).astype(np.int32, copy=False)
            lengths = [len(row) for row in rows[start:stop]]
            starts = np.cumsum([0, *lengths], dtype=np.int64)
            shape = len(ids), self._shape.hidden
            states = [np.empty(shape, np.float32) if layer in layers else None for layer in range(last + 1)]
            self._model.forward(ids, starts, states)
            found = {layer: state for layer, state in enumerate(states) if state is not None}
            pooled.append(np.add.reduceat(found[last], starts[:-1], axis=0))
            if WORDS in layers:
                found[WORDS] = self._words[ids]
            if POOLED in layers:
                found[POOLED] = means_of(pooled[-1], lengths)
            mask = np.concatenate(kept[start:stop])
            tokens.append(self._head.light({layer: found[layer][mask] for layer in self._head.layers}))
        return np.concatenate(pooled), np.concatenate(tokens)


def cores() -> int:
    """Threads that encode: OMP_NUM_THREADS where it is set, as for torch, else the cores of this process."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdigit() and int(asked):
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _load(engine: str, tensors: "dict[str, Any]", shape: BertShape, wide: WideChannels = ()) -> Any:
    def tensor(name: str) -> Floats:
        return np.ascontiguousarray(tensors[name], np.float32)

    assert _forward is not None
    model = _forward.Bert(
        engine,
        shape.heads,
        shape.epsilon,
        tensor("embeddings.word_embeddings.weight"),
        tensor("embeddings.position_embeddings.weight"),
        # One sequence only, so every token has type 0.
        tensor("embeddings.token_type_embeddings.weight")[0],
        tensor("embeddings.LayerNorm.weight"),
        tensor("embeddings.LayerNorm.bias"),
    )
    for number in range(shape.layers):
        name = f"encoder.layer.{number}"
        matrices = [tensor(f"{name}.{matrix}.weight") for matrix in MATRICES]
        inner = np.arange(len(matrices[4]), dtype=np.int32)
        model.add_layer(matrices, [tensor(f"{name}.{row}") for row in ROWS], [*wide[number], inner] if wide else [])
    return model
