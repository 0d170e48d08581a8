"""The tokenizer of a late-interaction model: ids of whole texts, and what stands around them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xtr_assets.core.errors import ProviderError
from xtr_assets.core.types import Int32s, Mask
from xtr_assets.encoders.late_layout import LateLayout, Side
from xtr_assets.encoders.quiet_transformers import quiet
from xtr_assets.encoders.text_windows import whole_texts


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands before and behind the ids of each window of one side, and the prompt that its texts begin with.

    before, behind : vocabulary ids. prompt_ids : those of the prompt as a text's own ids would begin; `before` ends
    with what the model saw for it in training.
    """

    before: tuple[int, ...]
    behind: tuple[int, ...]
    prompt: str
    prompt_ids: tuple[int, ...]


class TokenVocabulary:
    """A tokenizer as transformers reads it, without its truncation and padding.

    In a text nothing is special: "[SEP]", "</s>" or "[D] " there are words in brackets. As tokens they would end the
    text, or make a document look like a query.
    """

    def __init__(self, folder: Path, layout: LateLayout) -> None:
        """Raises ProviderError."""
        from tokenizers import Tokenizer
        from transformers import AutoTokenizer

        self.folder = folder
        try:
            with quiet():
                self._published = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            backend = self._published.backend_tokenizer.to_str()
        except Exception as error:  # transformers raises errors of several libraries; all mean that it cannot be read
            raise ProviderError(
                f"the tokenizer of {folder} cannot be read ({type(error).__name__}: {error!s:.200}); it must be one "
                "that transformers reads without code of its own, with its tokenizer.json"
            ) from error
        self._tokenizer = Tokenizer.from_str(_as_special(backend, (layout.query.marker, layout.document.marker)))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._tokenizer.encode_special_tokens = True
        self._vocabulary: dict[str, int] = self._tokenizer.get_vocab(with_added_tokens=True)
        self._surfaces = {number: piece for piece, number in self._vocabulary.items()}
        self.end = 1 + max(self._vocabulary.values(), default=-1)
        self.limit: int | None = getattr(self._published, "model_max_length", None)
        self.pad = self._id(self._published.pad_token) or 0
        self.lower = layout.lower
        self._special = {
            number: piece
            for piece in (*self._published.all_special_tokens, layout.query.marker, layout.document.marker)
            if (number := self._id(piece)) is not None and piece != self._published.unk_token
        }

    def frame(self, side: Side) -> Frame:
        """What stands around the windows of a side. Raises ProviderError."""
        alone, whole = (self._published("a", add_special_tokens=way)["input_ids"] for way in (False, True))
        place = next((i for i in range(len(whole)) if whole[i : i + len(alone)] == alone), 0)
        before, behind = tuple(whole[:place]), tuple(whole[place + len(alone) :])
        if side.marker:
            number = self._id(side.marker) if self._id(side.marker) is not None else self._id(side.marker.strip())
            if number is None:
                raise ProviderError(
                    f"the prefix {side.marker!r} of the model is not in the vocabulary of {self.folder}; it would get "
                    "a random vector: get the tokenizer that was saved with the model"
                )
            if not before:
                raise ProviderError(
                    f"the tokenizer of {self.folder} puts nothing before a text, so the prefix {side.marker!r} has no "
                    "place behind it; take a model with a token like [CLS], or without prefixes"
                )
            before = (before[0], number, *before[1:])
        seen, prompt_ids = self._prompt(side.prompt)
        return Frame((*before, *seen), behind, side.prompt, prompt_ids)

    def ids(self, texts: Sequence[str], frame: Frame) -> list[Int32s]:
        """int32 [tokens] per text, without what stands around it, never truncated."""
        lowered = [text.lower() if self.lower else text for text in texts]
        found = self._encode([frame.prompt + text for text in lowered])
        kept = len(frame.prompt_ids)
        apart = [i for i, ids in enumerate(found) if tuple(ids[:kept].tolist()) != frame.prompt_ids]
        found = [ids[kept:] for ids in found]
        # Where the prompt's end and the text's beginning would be one piece, they stay two.
        for i, ids in zip(apart, self._encode([lowered[i] for i in apart]), strict=True):
            found[i] = ids
        return found

    def expansion_id(self, token: str | None) -> int:
        """The id that fills queries up: the one asked for, else the mask, else (of decoders) the end of a text."""
        for name in (token,) if token is not None else (self._published.mask_token, self._published.eos_token):
            if (number := self._id(name)) is not None:
                return number
        raise ProviderError(
            f"the vocabulary of {self.folder} has no {token or 'mask token'} to expand queries with; set "
            "`expansion: false` where the model was trained without, or get its own tokenizer"
        )

    def skipped(self, words: Sequence[str], pieces: bool) -> Mask:
        """bool [end]: the ids that documents leave out; with `pieces` the first piece of each word as well.

        A word that is no entry of the vocabulary is none: its id would be that of every unknown word.
        """
        mask = np.zeros(self.end, bool)
        unknown = self._id(self._published.unk_token)
        for word in words:
            first = self._encode([word])[0][:1].tolist() if pieces else []
            for number in (self._id(word), *first):
                if number is not None and (number != unknown or word == self._published.unk_token):
                    mask[number] = True
        return mask

    def surface(self, token_ids: Sequence[int] | Int32s) -> list[str]:
        """The vocabulary entries of token ids."""
        return [self._surfaces.get(int(number), "") for number in token_ids]

    def _prompt(self, prompt: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Of a prompt: the ids that the model sees, special ones among them, and those that a text's ids begin with."""
        if not prompt:
            return (), ()
        whole, bare = (
            tuple(self._published(text, add_special_tokens=False)["input_ids"]) for text in (prompt, prompt.rstrip())
        )
        # A blank at the end belongs to the first word of the text, unless it is part of a special token.
        seen = bare if whole[: len(bare)] == bare else whole
        return seen, tuple(self._encode([prompt.rstrip()])[0].tolist())

    def _encode(self, texts: Sequence[str]) -> list[Int32s]:
        found = self._pieces(texts)
        # A vocabulary of subwords may hold "</s>" as one of them: such a word is broken by a blank.
        special = [i for i, ids in enumerate(found) if not self._special.keys().isdisjoint(ids.tolist())]
        for i, ids in zip(special, self._pieces([self._broken(texts[i]) for i in special]), strict=True):
            found[i] = ids
        return found

    def _pieces(self, texts: Sequence[str]) -> list[Int32s]:
        try:
            encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        except TypeError:
            # Half of a character somewhere: rare enough that only such texts pay for being looked through.
            encodings = self._tokenizer.encode_batch_fast(whole_texts(texts), add_special_tokens=False)
        return [np.array(encoding.ids, np.int32) for encoding in encodings]

    def _broken(self, text: str) -> str:
        for piece in self._special.values():
            text = text.replace(piece, f"{piece[0]} {piece[1:]}")
        return text

    def _id(self, token: str | None) -> int | None:
        return None if token is None else self._vocabulary.get(token)


def _as_special(tokenizer: str, markers: Sequence[str]) -> str:
    """A tokenizer's JSON in which prefixes that were added to it are special tokens, so that no text holds them."""
    described = json.loads(tokenizer)
    bare = {marker.strip() for marker in markers} - {""}
    for token in described.get("added_tokens", []):
        if token["content"].strip() in bare:
            token["special"] = True
    return json.dumps(described)
