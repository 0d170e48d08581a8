"""The forward pass of the C++ extension (native/encoder): on a CPU, without torch; tested against bert.py."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from xtr_assets.core.types import Floats
from xtr_assets.encoders.bert_numpy import map_tensors
from xtr_assets.encoders.bert_shape import POOLED, WORDS, BertShape
from xtr_assets.encoders.forward_pass import GROUP_TOKENS, Batch, groups, means_of
from xtr_assets.encoders.head import Head
from xtr_assets.encoders.int8_channels import WideChannels, wide_channels
from xtr_assets.encoders.packed_weights import PackedWeights, Panels
from xtr_assets.encoders.precision import IntegerPrecision, Precision
from xtr_assets.encoders.weights import ModelFiles

try:
    from xtr_assets.encoders import _forward  # type: ignore[attr-defined, unused-ignore]
except ImportError:
    _forward = None

# What this release calls; an extension left behind by another build is not used.
ABI = 3
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

    The weights are verified here, unless they are those that were verified when they were packed. ProviderError
    for int8 of weights whose wide channels this release does not know.
    """
    names = engines(precision)
    if not names:
        return None
    kept = _kept(files, names[0])
    panels = None if kept is None else kept.read()
    if panels is None:
        files.verify()
        return _opened(files, shape, head, names[0], None, kept)
    # Panels that the extension does not take after all are packed anew, from weights that are verified.
    found = _opened(files, shape, head, names[0], panels, None)
    if found is None:
        files.verify()
        return _opened(files, shape, head, names[0], None, None)
    return found


def _opened(
    files: ModelFiles, shape: BertShape, head: Head, engine: str, panels: Panels | None, keep: PackedWeights | None
) -> "NativePass | None":
    """The pass, of panels where there are some; those that were packed here are written to `keep`."""
    tensors = {name.removeprefix("bert."): one for name, one in map_tensors(files.weights).items()}
    try:
        wide = wide_channels(files.weights_sha256) if precision_of(engine) == "int8" else ()
        model = _load(engine, tensors, shape, wide, panels)
        if keep is not None:
            keep.write([model.panels(number) for number in range(shape.layers)])
    except (KeyError, ValueError):
        # Widths that no register divides, and a checkpoint that is another model, which torch's pass names.
        return None
    return NativePass(engine, model, shape, head, tensors["embeddings.word_embeddings.weight"])


def _kept(files: ModelFiles, engine: str) -> PackedWeights | None:
    """Where the packed weights are kept. Not those of int8, whose wide channels are chosen by this package."""
    if precision_of(engine) == "int8":
        return None
    return PackedWeights.of(files, engine, Path(str(_forward.__file__)))


class NativePass:
    """Windows by the extension, GROUP_TOKENS at a time; several cores take batches of their own."""

    device = "cpu"

    def __init__(self, engine: str, model: Any, shape: BertShape, head: Head, words: Floats) -> None:
        """words : float32 [vocabulary, hidden], the word-piece embedding."""
        self.engine, self.precision = engine, str(model.precision)
        # As a plain array: rows taken of a mapped one cost 0.04 ms more, for a class that nobody asks for.
        self._model, self._shape, self._head, self._words = model, shape, head, np.asarray(words)

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


def _load(
    engine: str, tensors: "dict[str, Any]", shape: BertShape, wide: WideChannels = (), panels: Panels | None = None
) -> Any:
    """The model; of `panels`, by layer, where its matrices were packed before."""
    if panels is not None and len(panels) != shape.layers:
        raise ValueError(f"{len(panels)} packed layers, the model has {shape.layers}")

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
        rows = [tensor(f"{name}.{row}") for row in ROWS]
        if panels is not None:
            model.add_packed_layer(panels[number], rows)
        else:
            matrices = [tensor(f"{name}.{matrix}.weight") for matrix in MATRICES]
            inner = np.arange(len(matrices[4]), dtype=np.int32)
            model.add_layer(matrices, rows, [*wide[number], inner] if wide else [])
    return model
