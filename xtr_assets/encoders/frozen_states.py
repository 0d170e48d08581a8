"""Hidden states of texts on disk: what a head is trained on, and judged by, again and again without the model.

The model under a head is never trained, so its states are computed once. A token takes 1.5 kB: they lie in a file that
is memory-mapped, not in memory.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xtr_assets.core.raw_arrays import mapped_array
from xtr_assets.core.types import Floats, Halves, Int32s, Ints, Mask
from xtr_assets.encoders.base import Progress
from xtr_assets.encoders.batches import batches
from xtr_assets.encoders.bert_shape import POOLED, WORDS, BertShape
from xtr_assets.encoders.forward_pass import BATCH_OVERHEAD, TOKEN_BUDGET
from xtr_assets.encoders.head import head_layers, unit_rows
from xtr_assets.encoders.precision import Precision, choose_device, choose_precision
from xtr_assets.encoders.weights import ModelFiles
from xtr_assets.encoders.wordpiece import WordPieces


@dataclass(frozen=True, slots=True)
class FrozenStates:
    """Of n texts with T tokens, special tokens left out; of a model of `depth` layers.

    embeddings : float32 [n, hidden], unit length, of the tokens that were read. offsets : int64 [n + 1].
    token_ids : int32 [T]. states : float16 [T, layers x hidden], memory-mapped, each of `layers` of unit length.
    """

    embeddings: Floats
    offsets: Ints
    token_ids: Int32s
    states: Halves
    depth: int

    @property
    def layers(self) -> tuple[int, ...]:
        """Those in `states`. WORDS are rows of the model's word-piece embedding, POOLED of `embeddings`."""
        return _stored(self.depth)

    def __len__(self) -> int:
        return len(self.embeddings)


class StateReader:
    """The model and its tokenizer, for states; on a GPU where there is one."""

    def __init__(self, files: ModelFiles, device: str = "cpu", precision: Precision = "auto") -> None:
        """Verifies `files`."""
        import torch
        from safetensors.torch import load_file

        from xtr_assets.encoders.bert import Bert

        files.verify()
        self.pieces, self.shape = WordPieces(files.tokenizer), BertShape.read(files.config)
        self.device = choose_device(device)
        self.precision = choose_precision(precision, self.device)
        dtype = torch.bfloat16 if self.precision == "bf16" else torch.float32
        tensors = load_file(files.weights)
        self._model = Bert(tensors, self.shape, dtype, self.device)
        # float32 [vocabulary, hidden]: WORDS of a token is its row here, which need not be kept.
        self.words: Floats = next(t for n, t in tensors.items() if n.endswith("word_embeddings.weight")).numpy()

    def read(
        self, texts: Sequence[str], file: Path, max_tokens: int = 256, progress: Progress | None = None
    ) -> FrozenStates:
        """Encode the first `max_tokens` tokens of each text, two special ones included; the states go to `file`."""
        most = min(max_tokens, self.shape.positions) - 2
        ids = [one[:most] for one in self.pieces.ids(texts)]
        # A text of no token keeps [UNK], which is a token like any other.
        ids = [one if len(one) else np.array([self.pieces.unknown], np.int32) for one in ids]
        lengths = np.array([len(one) for one in ids], np.int64)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        layers, hidden = _stored(self.shape.layers), self.shape.hidden
        states = mapped_array(file, np.float16, (int(offsets[-1]), len(layers) * hidden))
        embeddings = np.zeros((len(texts), hidden), np.float32)
        for batch in batches(lengths + 2, TOKEN_BUDGET[self.device.type], BATCH_OVERHEAD[self.device.type]):
            for number, (pooled, found) in zip(batch, self._pass([ids[i] for i in batch]), strict=True):
                embeddings[number] = pooled
                place = slice(offsets[number], offsets[number + 1])
                for nth, layer in enumerate(layers):
                    states[place, nth * hidden : (nth + 1) * hidden] = unit_rows(found[layer])
            if progress is not None:
                progress(len(batch))
        states.flush()
        return FrozenStates(unit_rows(embeddings), offsets, np.concatenate(ids), states, self.shape.layers)

    def _pass(self, rows: Sequence[Int32s]) -> Iterator[tuple[Floats, Mapping[int, Floats]]]:
        import torch

        lengths = np.array([len(row) + 2 for row in rows])
        ids = np.zeros((len(rows), lengths.max()), np.int64)
        for number, row in enumerate(rows):
            ids[number, : len(row) + 2] = [self.pieces.cls, *row, self.pieces.sep]
        layers = _stored(self.shape.layers)
        asked = torch.from_numpy(ids).to(self.device), torch.from_numpy(lengths).to(self.device)
        found = {layer: state.cpu().numpy() for layer, state in self._model(*asked, layers).items()}
        for number, length in enumerate(lengths):
            own = {layer: state[number, 1 : length - 1] for layer, state in found.items()}
            yield found[self.shape.layers][number, :length].sum(axis=0), own

    def kept(self, punctuation: bool = False) -> Mask:
        """bool [vocabulary]: the word pieces that documents keep."""
        dropped = self.pieces.special if punctuation else self.pieces.special | self.pieces.punctuation
        return ~dropped


def _stored(depth: int) -> tuple[int, ...]:
    return tuple(layer for layer in head_layers(depth) if layer not in (WORDS, POOLED))
