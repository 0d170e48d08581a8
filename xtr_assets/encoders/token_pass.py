"""Passes of windows of tokens through a transformer and its projection, by torch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xtr_assets.core.types import Floats, Int32s, Mask
from xtr_assets.encoders.forward_pass import on_each_core
from xtr_assets.encoders.precision import Precision, choose_precision
from xtr_assets.encoders.projection_steps import Step

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


@dataclass(frozen=True, slots=True)
class Window:
    """One window. ids : int32 [n]; seen : the first so many are attended to; kept : bool [n], the tokens wanted."""

    ids: Int32s
    seen: int
    kept: Mask


class TokenPass:
    """Batches of windows in; of each, in order, the embeddings of its kept tokens, float32 [tokens, dim], unit length
    but where the model gives NaN or zero."""

    def __init__(
        self,
        model: "PreTrainedModel",
        steps: Sequence[Step],
        pad: int,
        device: "torch.device",
        precision: Precision,
    ) -> None:
        self._model, self._steps, self._pad, self._device = model, tuple(steps), pad, device
        self.device, self.precision = str(device), choose_precision(precision, device)

    def __call__(self, work: Sequence[Sequence[Window]]) -> Iterator[Floats]:
        yield from on_each_core(self._forward, work, self._device)

    def _forward(self, windows: Sequence[Window]) -> Floats:
        import torch
        from torch.nn.functional import normalize

        longest = max(len(window.ids) for window in windows)
        ids = np.full((len(windows), longest), self._pad, np.int64)
        seen, kept = np.zeros(ids.shape, np.int64), np.zeros(ids.shape, bool)
        for number, window in enumerate(windows):
            length = len(window.ids)
            ids[number, :length], seen[number, : window.seen], kept[number, :length] = window.ids, 1, window.kept
        place = self._device
        low = torch.autocast(place.type, torch.bfloat16, enabled=self.precision == "bf16")
        with torch.inference_mode():
            with low:
                found = self._model(
                    input_ids=torch.from_numpy(ids).to(place), attention_mask=torch.from_numpy(seen).to(place)
                )
            tokens = found.last_hidden_state[torch.from_numpy(kept).to(place)].to(torch.float32)
            # The projection is a thousandth of the work, and stays in float32.
            for step in self._steps:
                tokens = step(tokens)
            projected: Floats = normalize(tokens, dim=-1).cpu().numpy()
            return projected
