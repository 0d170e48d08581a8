"""The questions of a draft's checks: each text is encoded once, as users' questions are, for all who ask it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from xtr_assets.core.types import Floats, Int32s
from xtr_assets.encoders.base import EncodedQueries
from xtr_assets.pipeline.queries.likeness import Asked
from xtr_assets.search.query_encoder import QueryEncoder
from xtr_assets.storage.generation import Generation

# What one text is: embedding, tokens, token ids.
_Encoded = tuple[Floats, Floats, Int32s]
# Fingerprint, whether it is asked alone, the text.
_Key = tuple[str, bool, str]


class AskedTexts(QueryEncoder):
    """A query encoder that remembers. Known items are asked by two checks and twice where a few hits do not do, a
    question of `answers_agree` in each mode and under each filter: their evidence is what search makes of the text, not
    that it makes it again. A text alone and a text among others are two: that both give one answer is looked at.
    """

    def __init__(self, device: str) -> None:
        super().__init__(device)
        self._known: dict[_Key, _Encoded] = {}
        self._lent: dict[_Key, _Encoded] = {}

    @contextmanager
    def lent(self, generation: Generation, texts: Sequence[str], asked: Asked) -> Iterator[None]:
        """Inside, these texts have these vectors when they are asked among others; who explains hits encodes anew, for
        vectors that were kept have no token ids."""
        none = np.empty(0, np.int32)
        vectors = zip(asked.embeddings, asked.tokens, strict=True)
        self._lent = {
            (generation.fingerprint, False, text): (*one, none) for text, one in zip(texts, vectors, strict=True)
        }
        try:
            yield
        finally:
            self._lent = {}

    def encoded(self, generation: Generation, texts: Sequence[str]) -> EncodedQueries:
        keys = [(generation.fingerprint, len(texts) == 1, text) for text in texts]
        missing = [key for key in dict.fromkeys(keys) if key not in self._known and key not in self._lent]
        if missing:
            made = super().encoded(generation, [text for *_, text in missing])
            self._known |= zip(missing, zip(made.embeddings, made.tokens, made.token_ids, strict=True), strict=True)
        embeddings, tokens, ids = zip(*(self._known.get(key) or self._lent[key] for key in keys), strict=True)
        return EncodedQueries(np.stack(embeddings), tokens, ids)
