"""Tables of vectors by token (model2vec, sentence-transformers' StaticEmbedding): both legs, by numpy alone."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from xtr_assets.config import StaticConfig
from xtr_assets.core.errors import ConfigError, ProviderError, UnusableText
from xtr_assets.core.types import BOTH_LEGS, Floats, Halves, Int32s, Ints
from xtr_assets.encoders.base import Encoded, EncodedQueries, Progress, Tolerance
from xtr_assets.encoders.encoder_pair import joined
from xtr_assets.encoders.encoder_record import CODE_VERSIONS
from xtr_assets.encoders.model_place import digests_of, refuse_pickles, require_files
from xtr_assets.encoders.text_windows import whole_texts

CODE_VERSION = CODE_VERSIONS["static"]
WEIGHTS, TOKENIZER, CONFIG, MODULES = "model.safetensors", "tokenizer.json", "config.json", "modules.json"
STATIC_MODULE = "StaticEmbedding"
INSTALL = 'pip install "xtr-assets[models]"'
# Texts of one step: bounds the arrays to some 60 MB at 100 tokens a text and 256 dimensions.
STEP = 512
# The vectors are the same everywhere; what differs is how they are stored (see encoders/hashing.py).
TOLERANCE = Tolerance(embedding=0.99999, token=0.9999, mean_token=0.99995)


@dataclass(frozen=True, slots=True)
class Table:
    """rows : float32 [vocabulary, dim], weighted as the model says. unknown : the id that model2vec drops; or None."""

    rows: Floats
    unknown: int | None


def open_static(config: StaticConfig, device: str) -> "StaticTable":  # noqa: ARG001 (numpy serves on any machine)
    """Read a table. Raises ProviderError and ConfigError."""
    return StaticTable(config)


class StaticTable:
    """An embedding is the mean of the vectors of a text's tokens; a token embedding is the token's own. Unit length.

    No text is too long. Tokens without a letter or digit count in the embedding, as the model has it, and are no token
    embeddings unless `keep_punctuation`, or unless a text has no others. A text without any known token is the mean of
    the table.
    """

    def __init__(self, config: StaticConfig) -> None:
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise ProviderError(f"the kind static needs the package tokenizers; `{INSTALL}`") from error
        folder = Path(config.model).expanduser()
        place = table_place(folder)
        self._config, self.name = config, folder.name
        require_files(place, [WEIGHTS, TOKENIZER], "a static model")
        self._digests = digests_of(place, [place / WEIGHTS, place / TOKENIZER])
        try:
            self._tokenizer = Tokenizer.from_file(str(place / TOKENIZER))
        except Exception as error:  # tokenizers raises bare Exception
            raise ProviderError(
                f"{place / TOKENIZER} is no tokenizer ({error!s:.200}); copy the model again"
            ) from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._tokenizer.encode_special_tokens = True
        table = read_table(place, self._tokenizer.get_vocab_size())
        full = table.rows.shape[1]
        if config.dim is not None and config.dim > full:
            raise ConfigError(f"`encoder.dim` is {config.dim}, {folder} has {full}; give {full} or less")
        self.dim = self.token_dim = config.dim or full
        # One row more than the vocabulary: what stands for a text without a known token.
        rows = table.rows[:, : self.dim]
        self._rows: Floats = np.concatenate([rows, rows.mean(axis=0, keepdims=True)]).astype(np.float32)
        self._nothing = len(rows)
        norms = np.linalg.norm(self._rows, axis=1, keepdims=True)
        self._known = norms[:, 0] > 0
        if not self._known[-1]:
            raise ProviderError(f"the vectors in {place / WEIGHTS} have the mean 0; copy the model again")
        if table.unknown is not None:
            self._known[table.unknown] = False
        self._unit: Floats = (self._rows / np.where(norms > 0, norms, 1.0)).astype(np.float32)
        self._halves: Halves = self._unit.astype(np.float16)
        surfaces = [self._tokenizer.id_to_token(number) or "" for number in range(len(rows))]
        self._surfaces = [*surfaces, ""]
        self._kept = self._known & np.array(
            [config.keep_punctuation or any(map(str.isalnum, s)) for s in self._surfaces]
        )
        self.legs, self.tolerance = BOTH_LEGS, TOLERANCE
        self.fingerprint = hashlib.sha256(json.dumps(self._identity(), sort_keys=True).encode()).hexdigest()

    def _identity(self) -> dict[str, Any]:
        return {
            "kind": "static",
            "code": CODE_VERSION,
            "files": self._digests,
            "dim": self.dim,
            "keep_punctuation": self._config.keep_punctuation,
        }

    def describe(self) -> dict[str, Any]:
        """Name, kind, place, digests, settings and fingerprint; JSON-able."""
        return {
            "name": self.name,
            **self._identity(),
            "model": str(self._config.model),
            "token_dim": self.token_dim,
            "fingerprint": self.fingerprint,
            "precision": "fp32",
            "device": "cpu",
        }

    def encode_documents(self, texts: Sequence[str], progress: Progress | None = None) -> Encoded:
        """Encode texts; tokens in float16."""
        parts = []
        for start in range(0, max(1, len(texts)), STEP):
            step = texts[start : start + STEP]
            embeddings, token_ids, counts = self._encode(step, start)
            offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
            tokens = self._halves[token_ids]
            parts.append(Encoded(embeddings.astype(np.float16), tokens, offsets, token_ids, windows=0))
            if progress is not None and step:
                progress(len(step))
        return joined(parts)

    def encode_queries(self, texts: Sequence[str]) -> EncodedQueries:
        """Encode queries, in float32."""
        embeddings, token_ids, counts = self._encode(texts, 0)
        places = [slice(start, stop) for start, stop in pairwise([0, *np.cumsum(counts).tolist()])]
        tokens = self._unit[token_ids]
        return EncodedQueries(embeddings, tuple(tokens[p] for p in places), tuple(token_ids[p] for p in places))

    def surface(self, token_ids: Sequence[int] | Int32s) -> list[str]:
        """The tokens of the vocabulary; an empty text for what stands for a text without one."""
        return [self._surfaces[int(number)] for number in token_ids]

    def _encode(self, texts: Sequence[str], first: int) -> tuple[Floats, Int32s, Ints]:
        """Embeddings float32 [n, dim], token ids int32 [T] that have token embeddings, their counts int64 [n]."""
        if not texts:
            return np.empty((0, self.dim), np.float32), np.empty(0, np.int32), np.empty(0, np.int64)
        encodings = self._tokenizer.encode_batch_fast(whole_texts(texts), add_special_tokens=False)
        ids = []
        for encoding in encodings:
            one = np.array(encoding.ids, np.int32)
            one = one[self._known[one]]
            ids.append(one if len(one) else np.array([self._nothing], np.int32))
        # A sum for each text: one reduceat over all of them took three times as long.
        sums: Floats = np.stack([self._rows[one].sum(axis=0) for one in ids])
        norms = np.linalg.norm(sums, axis=1, keepdims=True)
        if (norms == 0).any():
            raise UnusableText(first + int((norms == 0).argmax()), "the vectors of its tokens cancel each other")
        kept = [one[self._kept[one]] if self._kept[one].any() else one for one in ids]
        return sums / norms, np.concatenate(kept), np.array([len(one) for one in kept], np.int64)


def table_place(folder: Path) -> Path:
    """Where the table lies: the folder, or that of the one module of sentence-transformers."""
    if not folder.is_dir():
        raise ProviderError(f"`encoder.model`: no folder at {folder}; put the static model there, or give another")
    refuse_pickles(folder, trusted=False)
    if not (folder / MODULES).is_file():
        return folder
    try:
        first = json.loads((folder / MODULES).read_text("utf-8"))[0]
        kind, place = str(first["type"]), folder / str(first["path"])
    except (ValueError, TypeError, KeyError, IndexError, OSError) as error:
        raise ProviderError(f"{folder / MODULES} cannot be read ({error!s:.200}); copy the model again") from error
    if not kind.endswith(STATIC_MODULE):
        raise ConfigError(f"{folder} begins with a {kind}, no static table; use `kind: sentence-transformers`")
    if not place.resolve().is_relative_to(folder.resolve()):
        raise ProviderError(f"{folder / MODULES} names {place}, which lies outside of the model; copy it again")
    return place


def read_table(place: Path, vocabulary: int) -> Table:
    """The table of a vocabulary of so many tokens. Raises ProviderError where the files do not fit each other."""
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
    except ImportError as error:
        raise ProviderError(f"the kind static needs the package safetensors; `{INSTALL}`") from error
    try:
        tensors = {name: np.asarray(one) for name, one in load_file(place / WEIGHTS).items()}
    except (SafetensorError, OSError, ValueError) as error:
        raise ProviderError(
            f"{place / WEIGHTS} is no safetensors file ({error!s:.200}); copy the model again"
        ) from error
    except (TypeError, AttributeError, KeyError) as error:
        # What numpy has no numbers for, as bfloat16.
        raise ProviderError(
            f"{place / WEIGHTS} holds numbers that numpy lacks ({error!s:.200}); save the model in float16 or float32"
        ) from error
    name = next((one for one in ("embeddings", "embedding.weight") if one in tensors), None)
    if name is None or tensors[name].ndim != 2:
        raise ProviderError(f"{place / WEIGHTS} holds {sorted(tensors)}, a static table is `embeddings` [tokens, dim]")
    rows = tensors[name].astype(np.float32)
    if not np.isfinite(rows).all():
        raise ProviderError(f"{place / WEIGHTS} holds NaN or infinity; copy the model again")
    if "mapping" in tensors:
        # Several tokens share a row: which one each has.
        mapping = tensors["mapping"].astype(np.int64)
        if len(mapping) and not 0 <= int(mapping.min()) <= int(mapping.max()) < len(rows):
            raise ProviderError(f"{place / WEIGHTS} maps tokens to rows up to {int(mapping.max())} of {len(rows)}")
        rows = rows[mapping]
    if "weights" in tensors:
        weights = tensors["weights"].astype(np.float32)
        if weights.shape != (len(rows),) or not np.isfinite(weights).all():
            raise ProviderError(f"{place / WEIGHTS} has weights {weights.shape} for {len(rows)} tokens; copy it again")
        rows = rows * weights[:, None]
    if len(rows) != vocabulary:
        raise ProviderError(
            f"{place / WEIGHTS} has vectors for {len(rows)} tokens, {TOKENIZER} beside it has {vocabulary}: they "
            "are of two models; copy the whole model again"
        )
    said = _said_dim(place / CONFIG)
    if said not in (None, rows.shape[1]):
        raise ProviderError(f"{place / CONFIG} says {said} dimensions, {WEIGHTS} has {rows.shape[1]}; copy it again")
    return Table(rows, _unknown(place / TOKENIZER) if name == "embeddings" else None)


def _said_dim(path: Path) -> int | None:
    """`hidden_dim` of model2vec's config.json, where there is one."""
    try:
        held = json.loads(path.read_text("utf-8")) if path.is_file() else {}
        return None if held.get("hidden_dim") is None else int(held["hidden_dim"])
    except (ValueError, AttributeError, TypeError) as error:
        raise ProviderError(f"{path} cannot be read ({error!s:.200}); copy the model again") from error


def _unknown(path: Path) -> int | None:
    """The id of the unknown token, which model2vec leaves out."""
    model = json.loads(path.read_text("utf-8")).get("model", {})
    if model.get("unk_id") is not None:
        return int(model["unk_id"])
    vocabulary = model.get("vocab", {})
    number = vocabulary.get(model.get("unk_token")) if isinstance(vocabulary, dict) else None
    return None if number is None else int(number)
