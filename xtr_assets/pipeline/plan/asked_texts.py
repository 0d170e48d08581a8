"""The questions of a draft's checks: each text is encoded once, as users' questions are, for all who ask it."""

from collections.abc import Sequence

import numpy as np

from xtr_assets.core.types import Floats, Int32s
from xtr_assets.encoders.base import EncodedQueries
from xtr_assets.search.query_encoder import QueryEncoder
from xtr_assets.storage.generation import Generation

# What one text is: embedding, tokens, token ids.
_Encoded = tuple[Floats, Floats, Int32s]


class AskedTexts(QueryEncoder):
    """A query encoder that remembers. Known items are asked by two checks and twice where a few hits do not do, a
    question of `answers_agree` in each mode and under each filter: their evidence is what search makes of the text, not
    that it makes it again. A text alone and a text among others are two: that both give one answer is looked at.
    """

    def __init__(self, device: str) -> None:
        super().__init__(device)
        self._known: dict[tuple[str, bool, str], _Encoded] = {}

    def encoded(self, generation: Generation, texts: Sequence[str]) -> EncodedQueries:
        keys = [(generation.fingerprint, len(texts) == 1, text) for text in texts]
        missing = [key for key in dict.fromkeys(keys) if key not in self._known]
        if missing:
            made = super().encoded(generation, [text for *_, text in missing])
            self._known |= zip(missing, zip(made.embeddings, made.tokens, made.token_ids, strict=True), strict=True)
        embeddings, tokens, ids = zip(*(self._known[key] for key in keys), strict=True)
        return EncodedQueries(np.stack(embeddings), tokens, ids)
