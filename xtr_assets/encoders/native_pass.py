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
from xtr_assets.encoders.packed_weights import PackedWeights, Panels
from xtr_assets.encoders.precision import Precision
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


def engines(precision: Precision) -> tuple[str, ...]:
    """The instruction sets here that compute in a precision, the fastest first; none without the extension."""
    if _forward is None or _forward.ABI != ABI:
        return ()
    known: list[str] = _forward.instruction_sets()
    if precision == "auto":
        return tuple(known)
    return tuple(name for name in known if name.endswith("_bf16") == (precision == "bf16"))


def open_native(files: ModelFiles, shape: BertShape, head: Head, precision: Precision) -> "NativePass | None":
    """The pass; None where the extension is not there, or has no instructions for this precision or these widths.

    The weights are verified here, unless they are those that were verified when they were packed.
    """
    names = engines(precision)
    if not names:
        return None
    kept = _kept(files, names[0])
    panels = None if kept is None else kept.read()
    if panels is None:
        files.verify()
    tensors = {name.removeprefix("bert."): one for name, one in map_tensors(files.weights).items()}
    try:
        model = _load(names[0], tensors, shape, panels)
        if kept is not None and panels is None:
            kept.write([model.panels(number) for number in range(shape.layers)])
    except (KeyError, ValueError):
        # Widths that no register divides, and a checkpoint that is another model, which torch's pass names.
        return None
    return NativePass(names[0], model, shape, head, tensors["embeddings.word_embeddings.weight"])


def _kept(files: ModelFiles, engine: str) -> PackedWeights | None:
    """Where the packed weights are kept. Of floats and bf16 the panels are all that an engine makes of a matrix."""
    if not engine.endswith("_bf16") and "_" in engine:
        return None
    return PackedWeights.of(files, engine, Path(str(_forward.__file__)))


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


def _load(engine: str, tensors: "dict[str, Any]", shape: BertShape, panels: Panels | None = None) -> Any:
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
            model.add_layer([tensor(f"{name}.{matrix}.weight") for matrix in MATRICES], rows)
    return model
