"""The embedded default: all-MiniLM-L6-v2, one forward pass for the embedding and the token embeddings of a text."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from xtr_assets.core.errors import InvalidInput, UnusableText
from xtr_assets.core.types import Floats, Halves, Int32s, Ints, Mask
from xtr_assets.encoders.base import Encoded, EncodedQueries, Progress
from xtr_assets.encoders.batching import Windows, batches, cut_windows
from xtr_assets.encoders.head import Head
from xtr_assets.encoders.precision import Precision, choose_precision
from xtr_assets.encoders.weights import ModelFiles
from xtr_assets.encoders.wordpiece import WordPieces

if TYPE_CHECKING:
    import torch

# Raised when this code gives other vectors for the same files and settings; part of the fingerprint.
CODE_VERSION = 1

# Padded tokens of one batch. On two CPU cores 1,024 to 4,096 are within 7 % of each other and larger ones lose up to a
# quarter (activations leave the cache); a GPU needs large ones to be busy.
TOKEN_BUDGET = {"cpu": 2048, "cuda": 65536}


_Batch = tuple[list[Int32s], list[Mask]]


@dataclass(frozen=True, slots=True)
class _Rows:
    """What a pass leaves: pooled float32 [n, dim], tokens float16|float32 [T, d], offsets, token ids, windows."""

    pooled: Floats
    tokens: Halves | Floats
    offsets: Ints
    token_ids: Int32s
    windows: Windows


class MiniLm:
    """A BERT encoder with mean pooling, and a head over its token states.

    A text longer than `max_tokens` (special tokens included) is encoded in windows, none of it is dropped: its token
    embeddings stand in order, its embedding is the mean over all tokens of all windows, scaled to unit length; for a
    text of one window that is exactly the published model. Documents keep neither special tokens nor, unless
    `keep_punctuation`, tokens without a letter or digit; queries are treated alike. A text of which nothing is kept
    keeps the [CLS] token of its first window.
    """

    def __init__(
        self,
        files: ModelFiles,
        head: "Callable[[int, torch.device], Head]",
        *,
        device: "torch.device",
        max_tokens: int = 256,
        keep_punctuation: bool = False,
        precision: Precision = "auto",
        name: str = "all-MiniLM-L6-v2",
    ) -> None:
        """`head` is called with the number of the last layer and the device. Verifies `files` before it reads them."""
        import torch
        from safetensors.torch import load_file

        from xtr_assets.encoders.bert import Bert, BertShape

        files.verify()
        shape = BertShape.read(files.config)
        if not 3 <= max_tokens <= shape.positions:
            raise InvalidInput(f"max_tokens is {max_tokens}; the model takes 3 to {shape.positions}")
        self.name, self.dim = name, shape.hidden
        self._files, self._device = files, device
        self._precision = choose_precision(precision, device)
        self._pieces = WordPieces(files.tokenizer)
        dtype = torch.bfloat16 if self._precision == "bf16" else torch.float32
        self._model = Bert(load_file(files.weights), shape, dtype, device)
        self._head = head(shape.layers, device)
        self.token_dim = self._head.token_dim
        self._last = shape.layers
        self._max_tokens, self._keep_punctuation = max_tokens, keep_punctuation
        dropped = self._pieces.special if keep_punctuation else self._pieces.special | self._pieces.punctuation
        self._kept: Mask = ~dropped
        self.fingerprint = hashlib.sha256(json.dumps(self._identity(), sort_keys=True).encode()).hexdigest()

    def _identity(self) -> dict[str, Any]:
        """What decides the vectors. Not the precision: vectors of both agree to a cosine of .9995 and may be mixed."""
        return {
            "code": CODE_VERSION,
            "weights": self._files.weights_sha256,
            "config": self._files.config_sha256,
            "tokenizer": self._files.tokenizer_sha256,
            "head": self._head.sha256,
            "max_tokens": self._max_tokens,
            "keep_punctuation": self._keep_punctuation,
        }

    def describe(self) -> dict[str, Any]:
        """Name, kind, digests, settings, fingerprint, and the precision and device that serve; JSON-able."""
        return {
            "name": self.name,
            "kind": "minilm",
            "fingerprint": self.fingerprint,
            "dim": self.dim,
            "token_dim": self.token_dim,
            **self._identity(),
            "precision": self._precision,
            "device": str(self._device),
        }

    def encode_documents(self, texts: Sequence[str], progress: Progress | None = None) -> Encoded:
        """Encode whole texts. Raises UnusableText where the model gives NaN, infinity or a zero vector."""
        rows = self._encode(texts, np.float16, progress)
        windows = int((np.bincount(rows.windows.owner, minlength=len(texts)) > 1).sum())
        return Encoded(rows.pooled.astype(np.float16), rows.tokens, rows.offsets, rows.token_ids, windows)

    def encode_queries(self, texts: Sequence[str]) -> EncodedQueries:
        """Encode queries, in float32."""
        rows = self._encode(texts, np.float32, None)
        places = [slice(start, stop) for start, stop in pairwise(rows.offsets.tolist())]
        tokens = tuple(np.asarray(rows.tokens[place], np.float32) for place in places)
        return EncodedQueries(rows.pooled, tokens, tuple(rows.token_ids[place] for place in places))

    def surface(self, token_ids: Sequence[int] | Int32s) -> list[str]:
        """The word pieces of token ids."""
        return self._pieces.surface(token_ids)

    def _encode(self, texts: Sequence[str], dtype: type, progress: Progress | None) -> _Rows:
        """One pass over all windows, longest first; every result is written where its text wants it."""
        import torch

        ids = self._pieces.ids(texts)
        windows = cut_windows([len(one) for one in ids], self._max_tokens - 2)
        rows, kept = self._window_ids(ids, windows)
        first_row = np.concatenate([[0], np.cumsum([int(mask.sum()) for mask in kept])]).astype(np.int64)
        tokens: Halves | Floats = np.empty((int(first_row[-1]), self.token_dim), dtype)
        token_ids = np.concatenate([np.empty(0, np.int32), *(r[k] for r, k in zip(rows, kept, strict=True))])
        sums = torch.zeros(len(texts), self.dim)
        waiting = np.bincount(windows.owner, minlength=len(texts))

        plan = list(batches(windows.lengths + 2, TOKEN_BUDGET[self._device.type]))
        work = [([rows[j] for j in batch], [kept[j] for j in batch]) for batch in plan]
        for batch, (pooled, projected) in zip(plan, self._forward_all(work), strict=True):
            owners = windows.owner[batch]
            sums.index_add_(0, torch.from_numpy(owners), pooled)
            finite = torch.isfinite(pooled).all(dim=1).numpy()
            if not finite.all():
                raise UnusableText(int(owners[~finite].min()), "the model gave NaN or infinity")
            place = np.concatenate([np.arange(first_row[j], first_row[j + 1]) for j in batch])
            tokens[place] = projected
            if progress is not None:
                np.subtract.at(waiting, owners, 1)
                if finished := int((waiting[np.unique(owners)] == 0).sum()):
                    progress(finished)

        norms = torch.linalg.vector_norm(sums, dim=1, keepdim=True)
        if bool((norms == 0).any()):
            raise UnusableText(int((norms == 0).int().argmax()), "the model gave a zero vector")
        offsets = np.concatenate([first_row[:-1][np.diff(windows.owner, prepend=-1) > 0], first_row[-1:]])
        return _Rows((sums / norms).numpy(), tokens, offsets, token_ids, windows)

    def _window_ids(self, ids: Sequence[Int32s], windows: Windows) -> tuple[list[Int32s], list[Mask]]:
        """Ids of each window with [CLS] and [SEP] around, and which of them are kept as token embeddings."""
        rows, kept = [], []
        alone = np.array([not self._kept[one].any() for one in ids])
        for owner, start, stop in zip(windows.owner, windows.start, windows.stop, strict=True):
            row = np.empty(stop - start + 2, np.int32)
            row[0], row[1:-1], row[-1] = self._pieces.cls, ids[owner][start:stop], self._pieces.sep
            mask = self._kept[row]
            mask[0] = alone[owner] and start == 0
            rows.append(row)
            kept.append(mask)
        return rows, kept

    def _forward_all(self, work: "Sequence[_Batch]") -> "Iterator[tuple[torch.Tensor, Floats]]":
        """`_forward` of each batch, in order. On a CPU each core takes batches of its own.

        Cores that share a batch wait for each other, spinning, at every matrix product: with other work on the machine
        that was 2.5 times slower (600 functions, two cores, interleaved; docs/measurements.md).
        """
        import torch

        threads = torch.get_num_threads()
        if self._device.type != "cpu" or threads == 1:
            yield from (self._forward(*one) for one in work)
            return
        if len(work) == 1:
            # A query: its products are too small to share (6.6 ms alone, 13 to 20 ms on two busy cores).
            torch.set_num_threads(1)
            try:
                yield self._forward(*work[0])
            finally:
                torch.set_num_threads(threads)
            return
        with ThreadPoolExecutor(threads, "encode", torch.set_num_threads, (1,)) as pool:
            try:
                yield from pool.map(lambda one: self._forward(*one), work)
            finally:
                pool.shutdown(cancel_futures=True)
                # torch hands the last number set anywhere to threads that are yet to come.
                torch.set_num_threads(threads)

    def _forward(self, rows: Sequence[Int32s], kept: Sequence[Mask]) -> "tuple[torch.Tensor, Floats]":
        """Sums of the last hidden state over each window, float32 [b, dim], and embeddings of the kept tokens."""
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
            chosen = torch.from_numpy(keep).to(self._device)
            projected = self._head({layer: states[layer][chosen] for layer in self._head.layers})
            return pooled.cpu(), projected.cpu().numpy()
