"""Late-interaction models of somebody's own (ColBERT, XTR): token embeddings, and no embedding of the whole text."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xtr_assets.config import LateInteractionConfig, XtrConfig
from xtr_assets.core.errors import ConfigError, ProviderError, UnusableText
from xtr_assets.core.types import Floats, Halves, Int32s, Ints, Legs
from xtr_assets.encoders.base import Encoded, EncodedQueries, Progress, Tolerance
from xtr_assets.encoders.batches import Windows, batches, cut_windows
from xtr_assets.encoders.encoder_record import CODE_VERSIONS
from xtr_assets.encoders.forward_pass import BATCH_OVERHEAD, TOKEN_BUDGET
from xtr_assets.encoders.late_layout import MODEL_CONFIG, Expansion, LateLayout
from xtr_assets.encoders.model_place import refuse_adapters
from xtr_assets.encoders.model_weights import digest_of, shard_files, tokenizer_files, weights_file
from xtr_assets.encoders.projection_steps import load_steps
from xtr_assets.encoders.token_backbone import load_backbone, positions_of, word_rows
from xtr_assets.encoders.token_pass import TokenPass, Window
from xtr_assets.encoders.token_vocabulary import Frame, TokenVocabulary

if TYPE_CHECKING:
    import torch

# What a model reads at once where neither it nor its tokenizer says: the length of BERT, and of XTR's training.
DEFAULT_LENGTH = 512
# What a query is filled up to where the model names no length: that of ColBERT.
FILLED_LENGTH = 32
# A tokenizer that knows no limit has a huge number in its place.
NO_LIMIT = 1 << 20
# A row of unit length, but for rounding; one far from it came from NaN or from zero.
LEAST_NORM = 0.5


class LateInteraction:
    """A transformer, a projection of its token states, and what stands around texts; see LateLayout.

    A text longer than the model reads is encoded in windows, none of it is dropped: each window is what the model would
    make of it alone, its special tokens among them, so that MaxSim over a document is, for each query token, the best
    over its windows. The model's query length is what expansion fills up to; a longer query is read whole, as by
    Stanford's full-length search. A document of which nothing would be kept keeps its first token.
    """

    def __init__(
        self,
        folder: Path,
        layout: LateLayout,
        config: LateInteractionConfig | XtrConfig,
        device: "torch.device",
    ) -> None:
        """`max_tokens` and `query_tokens` of `config` take the place of the model's lengths, `expansion` that of its
        choice. Raises ProviderError, ConfigError.
        """
        self.legs: Legs = frozenset(("tokens",))
        self.name, self.dim, self.tolerance = _name_of(config.model), 0, Tolerance()
        self._config, self._layout = config, _as_asked(layout, config)
        refuse_adapters([layout.backbone])
        weights = weights_file(layout.backbone, config.trust_pickle)
        files = {*shard_files(weights), *(file for step in layout.steps for file in shard_files(step.weights))}
        words = tokenizer_files(layout.backbone)
        self._digests = {
            "weights": digest_of(tuple(files), folder),
            "config": digest_of((layout.backbone / MODEL_CONFIG,), folder),
            "tokenizer": digest_of(words, folder),
        }
        self._vocabulary = TokenVocabulary(layout.backbone, layout)
        model = load_backbone(layout.backbone, weights, device)
        rows = word_rows(model)
        if rows < self._vocabulary.end:
            raise ProviderError(
                f"the tokenizer of {layout.backbone} has {self._vocabulary.end} entries, the model has vectors of "
                f"{rows}; get the tokenizer that was saved with it"
            )
        steps = load_steps(layout.steps, int(model.config.hidden_size), str(device))
        self.token_dim = int(steps[-1].weight.shape[0])
        self._query, self._document = self._vocabulary.frame(layout.query), self._vocabulary.frame(layout.document)
        self._skipped = self._vocabulary.skipped(layout.skip, layout.skip_pieces)
        most = min(self._vocabulary.limit or NO_LIMIT, positions_of(model) or NO_LIMIT)
        self._set_lengths(most if most < NO_LIMIT else DEFAULT_LENGTH, positions_of(model))
        self._filler = self._vocabulary.expansion_id(self._layout.expansion.token) if self._layout.expansion else None
        self._pass = TokenPass(model, steps, self._vocabulary.pad, device, config.precision)
        self.fingerprint = hashlib.sha256(json.dumps(self._identity(), sort_keys=True).encode()).hexdigest()

    def _set_lengths(self, default: int, positions: int | None) -> None:
        """Tokens of a window of each side that are the text's own, and those of a whole query."""
        most, asked = positions or NO_LIMIT, self._config.max_tokens
        if asked is not None and asked > most:
            raise ConfigError(f"`max_tokens` is {asked}; {self.name} has {most} positions, set that or less")
        document = self._layout.document.length or default
        query = max(self._layout.query.length or 0, document, default)
        filled = self._layout.expansion.length if self._layout.expansion is not None else 0
        if filled > most:
            raise ConfigError(
                f"queries are filled up to {filled} tokens; {self.name} has {most} positions: set "
                f"`query_tokens` to that or less"
            )
        self._longest_query, self._longest_document = min(query, most), min(document, most)
        for side, frame, longest in (
            ("query_tokens", self._query, self._longest_query),
            ("max_tokens", self._document, self._longest_document),
        ):
            if longest <= (around := len(frame.before) + len(frame.behind)):
                raise ConfigError(f"`{side}` is {longest}, of which {around} stand around the text; set more")

    def _identity(self) -> dict[str, Any]:
        """What decides the vectors; not the precision, as with minilm, and not where the model lies."""
        layout = self._layout
        return {
            "kind": self._config.kind,
            "code": CODE_VERSIONS[self._config.kind],
            **self._digests,
            "query": {"marker": layout.query.marker, "prompt": layout.query.prompt, "tokens": self._longest_query},
            "document": {
                "marker": layout.document.marker,
                "prompt": layout.document.prompt,
                "tokens": self._longest_document,
            },
            "expansion": None if layout.expansion is None else asdict(layout.expansion),
            "steps": [[step.name, step.activation, step.residual] for step in layout.steps],
            "skip": np.flatnonzero(self._skipped).tolist(),
            "skip_queries": layout.skip_queries,
            "lower": layout.lower,
        }

    def describe(self) -> dict[str, Any]:
        """The configuration, what came of it, digests, fingerprint, and the precision and device that serve;
        JSON-able."""
        return {
            "name": self.name,
            **self._config.model_dump(mode="json", exclude={"precision"}),
            "fingerprint": self.fingerprint,
            "dim": 0,
            "token_dim": self.token_dim,
            "layout": self._layout.written_by,
            "reads": self._identity(),
            "precision": self._pass.precision,
            "device": self._pass.device,
        }

    def encode_documents(self, texts: Sequence[str], progress: Progress | None = None) -> Encoded:
        """Encode whole texts. Raises UnusableText where the model gives NaN, infinity or a zero vector."""
        ids = self._vocabulary.ids(texts, self._document)
        around = len(self._document.before) + len(self._document.behind)
        cut = cut_windows([len(one) for one in ids], self._longest_document - around)
        places = zip(cut.owner.tolist(), cut.start.tolist(), cut.stop.tolist(), strict=True)
        windows = [self._document_window(ids[owner][start:stop]) for owner, start, stop in places]
        tokens, first = self._run(windows, cut.owner, np.float16, progress)
        offsets, token_ids = _bounds_of_texts(cut, first), _ids_of(windows)
        many = int((np.bincount(cut.owner, minlength=len(texts)) > 1).sum())
        return Encoded(np.empty((len(texts), 0), np.float16), tokens.astype(np.float16), offsets, token_ids, many)

    def encode_queries(self, texts: Sequence[str]) -> EncodedQueries:
        """Encode queries, in float32."""
        ids = self._vocabulary.ids(texts, self._query)
        own = self._longest_query - len(self._query.before) - len(self._query.behind)
        cut = cut_windows([len(one) for one in ids], own)
        places = zip(cut.owner.tolist(), cut.start.tolist(), cut.stop.tolist(), strict=True)
        windows = [self._query_window(ids[owner][start:stop]) for owner, start, stop in places]
        tokens, first = self._run(windows, cut.owner, np.float32, None)
        bounds = _bounds_of_texts(cut, first)
        token_ids = _ids_of(windows)
        return EncodedQueries(
            np.empty((len(texts), 0), np.float32),
            tuple(np.asarray(tokens[start:stop], np.float32) for start, stop in pairwise(bounds)),
            tuple(token_ids[start:stop] for start, stop in pairwise(bounds)),
        )

    def surface(self, token_ids: Sequence[int] | Int32s) -> list[str]:
        """The vocabulary entries of token ids."""
        return self._vocabulary.surface(token_ids)

    def _run(
        self, windows: Sequence[Window], owner: Ints, dtype: type, progress: Progress | None
    ) -> tuple[Halves | Floats, Ints]:
        """Embeddings of all kept tokens, [T, token_dim] in order of the windows, and where each window's begin."""
        first = np.concatenate([[0], np.cumsum([int(one.kept.sum()) for one in windows])]).astype(np.int64)
        tokens: Halves | Floats = np.empty((int(first[-1]), self.token_dim), dtype)
        waiting = np.bincount(owner, minlength=1)
        lengths = np.array([len(one.ids) for one in windows], np.int64)
        device = self._pass.device.partition(":")[0]
        plan = list(batches(lengths, TOKEN_BUDGET[device], BATCH_OVERHEAD[device]))
        work = [[windows[j] for j in batch] for batch in plan]
        for batch, found in zip(plan, self._pass(work), strict=True):
            place = np.concatenate([np.arange(first[j], first[j + 1]) for j in batch])
            # NaN compares as false, and so is unusable.
            good = np.linalg.norm(found, axis=1) > LEAST_NORM
            if not good.all():
                whose = owner[np.searchsorted(first, place[~good], "right") - 1]
                raise UnusableText(int(whose.min()), "the model gave NaN, infinity or a zero vector")
            tokens[place] = found
            if progress is not None:
                np.subtract.at(waiting, owner[batch], 1)
                if finished := int((waiting[np.unique(owner[batch])] == 0).sum()):
                    progress(finished)
        return tokens, first

    def _document_window(self, ids: Int32s) -> Window:
        row = _framed(ids, self._document)
        kept = ~self._skipped[row]
        if not kept.any():
            kept[0] = True
        return Window(row, len(row), kept)

    def _query_window(self, ids: Int32s) -> Window:
        row = _framed(ids, self._query)
        own, expansion = len(row), self._layout.expansion
        if expansion is not None and self._filler is not None:
            fill = max(0, expansion.length - own)
            row = np.concatenate([row, np.full(fill, self._filler, np.int32)])
        kept = np.ones(len(row), bool)
        if self._layout.skip_queries:
            kept[:own] = ~self._skipped[row[:own]]
            kept[0] |= not kept.any()
        return Window(row, len(row) if expansion is not None and expansion.attend else own, kept)


def _framed(ids: Int32s, frame: Frame) -> Int32s:
    row: Int32s = np.concatenate([np.array(frame.before, np.int32), ids, np.array(frame.behind, np.int32)])
    return row


def _bounds_of_texts(cut: Windows, first: Ints) -> Ints:
    """Where each text begins, and the end, int64 [n + 1], of where each window does, int64 [w + 1]."""
    bounds: Ints = np.concatenate([first[:-1][np.diff(cut.owner, prepend=-1) > 0], first[-1:]])
    return bounds


def _ids_of(windows: Sequence[Window]) -> Int32s:
    kept: Int32s = np.concatenate([np.empty(0, np.int32), *(one.ids[one.kept] for one in windows)])
    return kept


def _as_asked(layout: LateLayout, config: LateInteractionConfig | XtrConfig) -> LateLayout:
    """The layout with what a configuration asks for in place of what the model says."""
    query, document, filled = layout.query, layout.document, layout.expansion
    if config.max_tokens is not None:
        document = replace(document, length=config.max_tokens)
    if isinstance(config, XtrConfig):
        return replace(layout, document=document)
    if config.expansion is True and filled is None:
        filled = Expansion(query.length or FILLED_LENGTH)
    if config.expansion is False:
        filled = None
    if config.query_tokens is not None:
        query = replace(query, length=config.query_tokens)
        filled = filled and replace(filled, length=config.query_tokens)
    return replace(layout, query=query, document=document, expansion=filled)


def _name_of(model: str) -> str:
    """The hub's name, or the last part of a folder."""
    return Path(model).name if Path(model).is_absolute() else model
