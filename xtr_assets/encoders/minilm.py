"""The embedded default: all-MiniLM-L6-v2, one forward pass for the embedding and the token embeddings of a text."""

import hashlib
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from xtr_assets.core.errors import InvalidInput, ProviderError, UnusableText
from xtr_assets.core.types import BOTH_LEGS, Floats, Halves, Int32s, Ints, Mask
from xtr_assets.encoders.base import Encoded, EncodedQueries, Progress, Tolerance
from xtr_assets.encoders.batches import Windows, batches, cut_windows
from xtr_assets.encoders.bert_shape import BertShape
from xtr_assets.encoders.encoder_record import CODE_VERSIONS
from xtr_assets.encoders.forward_pass import BATCH_OVERHEAD, TOKEN_BUDGET, LightPass, Pass, TorchPass
from xtr_assets.encoders.head import Head
from xtr_assets.encoders.head_file import refuse_other_width
from xtr_assets.encoders.native_pass import open_native
from xtr_assets.encoders.precision import INTEGERS, IntegerPrecision, Precision, torch_precision
from xtr_assets.encoders.spread_pass import SpreadPass, cards
from xtr_assets.encoders.weights import ModelFiles
from xtr_assets.encoders.wordpiece import WordPieces

if TYPE_CHECKING:
    import torch

CODE_VERSION = CODE_VERSIONS["minilm"]

# Of int8 by one instruction set against another; of 469 texts and 39,816 tokens the least were 0.99989 and 0.9995. A
# last place of a float that rounds to another integer is a step of 1 in 127, and each layer adds some.
INT8_TOLERANCE = Tolerance(0.9995, 0.998, 0.9993)

# Tokens that a process encodes in numpy before it imports torch, which takes 1.0 to 2.1 CPU s: enough for a change of
# some files and all that its checks ask. With AVX-512 a token took 0.30 ms in numpy and 0.31 by torch in bf16, so that
# more would cost no less; where bf16 takes half of that, a process that goes on to encode more has lost 1.2 s.
LIGHT_TOKENS = 8192


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
        head: Callable[[int], Head],
        *,
        device: "torch.device | str" = "cpu",
        max_tokens: int = 256,
        keep_punctuation: bool = False,
        precision: Precision | IntegerPrecision = "auto",
        name: str = "all-MiniLM-L6-v2",
        light_tokens: int = 0,
    ) -> None:
        """`head` is called with the number of the last layer. Verifies `files` before it reads them; weights that the
        extension packed before are not read again.

        On a CPU the extension encodes, without torch. Where it is missing, or knows no such model, the first
        `light_tokens` tokens are encoded in numpy, in float32; torch is imported when more come.
        """
        files.verify(weights=False)
        shape = BertShape.read(files.config)
        if not 3 <= max_tokens <= shape.positions:
            raise InvalidInput(f"max_tokens is {max_tokens}; the model takes 3 to {shape.positions}")
        self.legs = BOTH_LEGS
        self.name, self.dim = name, shape.hidden
        self.tolerance = INT8_TOLERANCE if precision == "int8" else Tolerance()
        self._files, self._shape, self._device, self._precision = files, shape, device, precision
        self._pieces = WordPieces(files.tokenizer)
        self._head = head(shape.layers)
        refuse_other_width(self._head, shape.hidden)
        self.token_dim = self._head.token_dim
        self._max_tokens, self._keep_punctuation = max_tokens, keep_punctuation
        dropped = self._pieces.special if keep_punctuation else self._pieces.special | self._pieces.punctuation
        self._kept: Mask = ~dropped
        self._choosing, self._light_left = threading.Lock(), light_tokens
        self._pass: Pass = self._first_pass(light_tokens)
        self.fingerprint = hashlib.sha256(json.dumps(self._identity(), sort_keys=True).encode()).hexdigest()

    def _first_pass(self, light_tokens: int) -> Pass:
        """The extension's where it serves; else numpy's for a few tokens, else torch's."""
        if str(self._device) == "cpu":
            native = open_native(self._files, self._shape, self._head, self._precision)
            if native is not None:
                return native
        if self._precision in INTEGERS:
            raise ProviderError(
                f"precision {self._precision} is computed by the C++ extension on a CPU, which is not to be had here "
                f"(device {self._device}); install xtr-assets where there is a C++20 compiler, use device cpu, or "
                "`precision: auto`"
            )
        self._files.verify()
        return LightPass(self._files, self._shape, self._head) if light_tokens else self._full_pass()

    def _full_pass(self) -> Pass:
        import torch

        def on(device: str, precision: Precision) -> TorchPass:
            return TorchPass(self._files, self._shape, self._head, device, precision)

        device, *others = cards(torch.device(self._device))
        # Integers came to an end in `_first_pass`.
        first = on(device, torch_precision(self._precision))
        return SpreadPass([first, *(on(one, first.precision) for one in others)]) if others else first

    def _pass_for(self, tokens: int) -> Pass:
        """What encodes so many tokens more."""
        with self._choosing:
            if isinstance(self._pass, LightPass):
                self._light_left -= tokens
                if self._light_left < 0:
                    self._pass = self._full_pass()
            return self._pass

    def _identity(self) -> dict[str, Any]:
        """What decides the vectors. Of the precisions int8 alone: vectors of all others agree to a cosine of 0.9999 and
        may be mixed, those of int8 to 0.999 with them."""
        precise = {"precision": "int8"} if self._precision == "int8" else {}
        return {
            **precise,
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
            "precision": self._pass.precision,
            "device": self._pass.device,
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
        ids = self._pieces.ids(texts)
        if len(ids) == 1 and len(ids[0]) <= self._max_tokens - 2:
            return self._encode_whole(ids[0], dtype, progress)
        windows = cut_windows([len(one) for one in ids], self._max_tokens - 2)
        rows, kept = self._window_ids(ids, windows)
        first_row = np.concatenate([[0], np.cumsum([int(mask.sum()) for mask in kept])]).astype(np.int64)
        tokens: Halves | Floats = np.empty((int(first_row[-1]), self.token_dim), dtype)
        token_ids = np.concatenate([np.empty(0, np.int32), *(r[k] for r, k in zip(rows, kept, strict=True))])
        sums = np.zeros((len(texts), self.dim), np.float32)
        waiting = np.bincount(windows.owner, minlength=len(texts))

        encode = self._pass_for(int((windows.lengths + 2).sum()))
        kind = encode.device.partition(":")[0]
        plan = list(batches(windows.lengths + 2, TOKEN_BUDGET[kind], BATCH_OVERHEAD[kind]))
        work = [([rows[j] for j in batch], [kept[j] for j in batch]) for batch in plan]
        for batch, (pooled, projected) in zip(plan, encode(work), strict=True):
            owners = windows.owner[batch]
            np.add.at(sums, owners, pooled)
            finite = np.isfinite(pooled).all(axis=1)
            if not finite.all():
                raise UnusableText(int(owners[~finite].min()), "the model gave NaN or infinity")
            place = np.concatenate([np.arange(first_row[j], first_row[j + 1]) for j in batch])
            tokens[place] = projected
            if progress is not None:
                np.subtract.at(waiting, owners, 1)
                if finished := int((waiting[np.unique(owners)] == 0).sum()):
                    progress(finished)

        offsets = np.concatenate([first_row[:-1][np.diff(windows.owner, prepend=-1) > 0], first_row[-1:]])
        return _Rows(_unit_vectors(sums), tokens, offsets, token_ids, windows)

    def _encode_whole(self, ids: Int32s, dtype: type, progress: Progress | None) -> _Rows:
        """What `_encode` gives for one text of one window, as a question is, without the bookkeeping of many."""
        place = np.zeros(1, np.int64)
        windows = Windows(place, place, place + len(ids))
        (row,), (kept,) = self._window_ids([ids], windows)
        [(pooled, projected)] = self._pass_for(len(row))([([row], [kept])])
        if not np.isfinite(pooled).all():
            raise UnusableText(0, "the model gave NaN or infinity")
        if progress is not None:
            progress(1)
        offsets = np.array([0, len(projected)], np.int64)
        return _Rows(_unit_vectors(pooled), projected.astype(dtype, copy=False), offsets, row[kept], windows)

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


def _unit_vectors(sums: Floats) -> Floats:
    """float32 [n, dim] scaled to unit length. Raises UnusableText for a zero vector."""
    norms = np.linalg.norm(sums, axis=1, keepdims=True)
    if (norms == 0).any():
        raise UnusableText(int((norms == 0).argmax()), "the model gave a zero vector")
    vectors: Floats = sums / norms
    return vectors
