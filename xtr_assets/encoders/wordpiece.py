"""The model's tokenizer: token ids of whole texts, and which vocabulary entries are words."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from xtr_assets.core.errors import ProviderError
from xtr_assets.core.types import Int32s, Mask
from xtr_assets.encoders.text_windows import whole_texts
from xtr_assets.encoders.weights import INSTALL


class WordPieces:
    """A tokenizer.json without the truncation (128) and padding (128) that the published one carries."""

    def __init__(self, path: Path) -> None:
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise ProviderError(f"the encoder minilm needs the package tokenizers; `{INSTALL}`") from error
        self._tokenizer = Tokenizer.from_file(str(path))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        # A text that holds "[SEP]" or "[PAD]" is about those words: as tokens they would end it or hide from the model.
        self._tokenizer.encode_special_tokens = True
        self.cls, self.sep, self.unknown = (self._special(name) for name in ("[CLS]", "[SEP]", "[UNK]"))
        size = self._tokenizer.get_vocab_size()
        # All at once: one by one they take 15 ms.
        vocabulary = {number: surface for surface, number in self._tokenizer.get_vocab().items()}
        self._surfaces = [vocabulary.get(number, "") for number in range(size)]
        self.special = np.zeros(size, bool)
        # [UNK] stands for a word of the text and is kept.
        self.special[[self.cls, self.sep, self._special("[PAD]")]] = True
        # Nearly all begin or end with a letter: the rest is looked through.
        self.punctuation: Mask = np.array(
            [not (one[-1:].isalnum() or any(c.isalnum() for c in one)) for one in self._surfaces]
        )

    def ids(self, texts: Sequence[str]) -> list[Int32s]:
        """int32 [tokens] per text, without special tokens, never truncated. "[SEP]" in a text is a word in brackets."""
        try:
            encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        except TypeError:
            # Half of a character somewhere: rare enough that only such texts pay for being looked through.
            encodings = self._tokenizer.encode_batch_fast(whole_texts(texts), add_special_tokens=False)
        return [np.array(encoding.ids, np.int32) for encoding in encodings]

    def surface(self, token_ids: Sequence[int] | Int32s) -> list[str]:
        """The strings of token ids; a continued word begins with ##."""
        return [self._surfaces[int(number)] for number in token_ids]

    def _special(self, token: str) -> int:
        number = self._tokenizer.token_to_id(token)
        if number is None:
            raise ProviderError(f"the tokenizer has no {token}; only BERT word-piece tokenizers are supported")
        return int(number)
