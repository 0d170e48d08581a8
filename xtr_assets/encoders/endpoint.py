"""Embeddings of an OpenAI-compatible endpoint (also TEI, vLLM, Ollama), dense alone.

What is behind an address may become another model without a word. A pinned text is therefore encoded when the encoder
is first asked and every ten minutes while it is used: its vector goes into the manifest, and another one than recorded
is an error. The vector itself is no part of the fingerprint: servers answer with some noise, any rounding has values at
its borders, and a fingerprint that changes by noise would encode a corpus anew. `revision` is the part that people
change.
"""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any

import numpy as np

from xtr_assets.config import EndpointConfig
from xtr_assets.config.encoder_kinds import DENSE
from xtr_assets.core.errors import EncoderMismatch, InvalidInput
from xtr_assets.core.types import Floats, Halves, Int32s, Ints
from xtr_assets.core.vector_agreement import agreement
from xtr_assets.encoders.base import Encoded, EncodedQueries, Progress, Tolerance
from xtr_assets.encoders.embeddings_client import EmbeddingsClient
from xtr_assets.encoders.encoder_record import CODE_VERSIONS
from xtr_assets.encoders.text_windows import TextWindows, cut_texts, dense_documents, dense_queries, pooled, whole_texts

CODE_VERSION = CODE_VERSIONS["endpoint"]
# Of code and of most scripts a token is three bytes or more of UTF-8 (2,000 characters of code are 600 word pieces; a
# Chinese character is three bytes and about one token). Batches may hold fewer tokens than the server takes, not more.
BYTES_A_TOKEN = 3
# Servers refuse a text without a word.
NO_TEXT = "(empty)"
PINNED_TEXT = "Every change of the index is a new generation: def parse_date(text) -> 数据 Straße 1,234.5 returns None."
PINNED_SECONDS = 600.0
# Where the record has the vector.
PINNED_KEY = "pinned_vector"
ANEW = "set another `encoder.revision` and build, and it is recorded anew"
# Servers compute in half precision and in batches of their own: least agreement of one text's vectors. The same model
# in int8 agrees to 0.98 to 0.996 (docs/measurements.md), another model to less.
TOLERANCE = Tolerance(embedding=0.999)


def open_endpoint(config: EndpointConfig, device: str) -> "Endpoint":  # noqa: ARG001 (the server computes)
    """An encoder that asks the endpoint; nothing is sent before it is used."""
    return Endpoint(config, EmbeddingsClient(config))


class Endpoint:
    """An endpoint as an encoder. A text of more than `max_chars` characters is encoded in windows: the mean of theirs,
    by their lengths."""

    def __init__(self, config: EndpointConfig, client: EmbeddingsClient) -> None:
        self._config, self._client = config, client
        self.name, self.dim, self.token_dim, self.legs = config.model, config.dim, 0, DENSE
        self.tolerance = TOLERANCE
        self.fingerprint = hashlib.sha256(json.dumps(self._identity(), sort_keys=True).encode()).hexdigest()
        self._checking = threading.Lock()
        self._pinned: Halves | None = None
        self._checked: float | None = None

    def _identity(self) -> dict[str, Any]:
        """What is asked for. Not the address, which may move, nor the pinned vector: see the top of the file."""
        names = {"kind", "model", "revision", "prompts", "dim", "shorten", "max_chars"}
        return {"code": CODE_VERSION, **self._config.model_dump(mode="json", include=names)}

    def describe(self) -> dict[str, Any]:
        """Name, kind, settings, fingerprint and pinned vector; JSON-able. Asks the endpoint where that is unknown."""
        if self._pinned is None:
            self._check_pinned()
        assert self._pinned is not None
        return {
            "name": self.name,
            **self._config.model_dump(mode="json"),
            "code": CODE_VERSION,
            "token_dim": 0,
            "fingerprint": self.fingerprint,
            PINNED_KEY: base64.b64encode(self._pinned.astype("<f2").tobytes()).decode("ascii"),
            "precision": "the server's",
            "device": "endpoint",
        }

    def hold_to(self, described: Mapping[str, Any]) -> None:
        """Compare from now on with the vector of this record, and before anything else is encoded."""
        if described.get(PINNED_KEY):
            with self._checking:
                self._pinned, self._checked = read_pinned(str(described[PINNED_KEY]), self.dim), None

    def apart(self) -> "Endpoint":
        """The same over the same connections and at their pace, held to no record yet."""
        return Endpoint(self._config, self._client)

    def encode_documents(self, texts: Sequence[str], progress: Progress | None = None) -> Encoded:
        """Encode whole texts. Raises ProviderError, ConfigError, EncoderMismatch."""
        vectors, windows = self._encode(texts, self._config.prompts.document or "", progress)
        return dense_documents(vectors, windows.cut)

    def encode_queries(self, texts: Sequence[str]) -> EncodedQueries:
        """Encode queries, in float32."""
        return dense_queries(self._encode(texts, self._config.prompts.query or "", None)[0])

    def surface(self, token_ids: Sequence[int] | Int32s) -> list[str]:  # noqa: ARG002 (it gives no token ids)
        """Nothing: it gives no tokens."""
        return []

    def _encode(self, texts: Sequence[str], prompt: str, progress: Progress | None) -> tuple[Floats, TextWindows]:
        windows = cut_texts(whole_texts(texts), lambda pieces: [len(one) for one in pieces], self._config.max_chars)
        vectors = np.empty((len(windows.pieces), self.dim), np.float32)
        if not len(vectors):
            return vectors, windows
        self._check_pinned()
        sent = [prompt + (piece if piece.strip() else NO_TEXT) for piece in windows.pieces]
        waiting = np.bincount(windows.owner, minlength=len(texts))
        plan = list(self._batches(sent))
        with ThreadPoolExecutor(min(self._config.concurrency, len(plan)), "endpoint") as pool:
            try:
                asked = pool.map(lambda batch: self._client.embed([sent[j] for j in batch]), plan)
                for batch, made in zip(plan, asked, strict=True):
                    vectors[batch] = made
                    np.subtract.at(waiting, windows.owner[batch], 1)
                    if progress and (finished := int((waiting[np.unique(windows.owner[batch])] == 0).sum())):
                        progress(finished)
            finally:
                pool.shutdown(cancel_futures=True)
        return pooled(vectors, windows, len(texts)), windows

    def _batches(self, sent: Sequence[str]) -> Iterator[Ints]:
        """Runs of texts that one request takes."""
        run: list[int] = []
        tokens = 0
        for j, text in enumerate(sent):
            size = len(text.encode()) // BYTES_A_TOKEN + 2
            if run and (len(run) == self._config.batch_texts or tokens + size > self._config.batch_tokens):
                yield np.array(run, np.int64)
                run, tokens = [], 0
            run.append(j)
            tokens += size
        yield np.array(run, np.int64)

    def _check_pinned(self) -> None:
        """Compare what the model makes of the pinned text with what is known of it. EncoderMismatch."""
        with self._checking:
            if self._checked is not None and monotonic() - self._checked < PINNED_SECONDS:
                return
            made = self._client.embed([PINNED_TEXT])
            unit = (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float16)
            if self._pinned is None:
                self._pinned = unit
            elif (found := float(agreement(unit, self._pinned)[0])) < self.tolerance.embedding:
                raise EncoderMismatch(
                    f"{self.name} at {self._config.url} gives another vector for the pinned text than is recorded: "
                    f"they agree to {found:.4f}, tolerated is {self.tolerance.embedding:g}. The model behind it is "
                    "another one by now; bring the old one back, or set another `encoder.revision` and build again"
                )
            self._checked = monotonic()


def read_pinned(text: str, dim: int) -> Halves:
    """The recorded vector, float16 [1, dim]. InvalidInput where it is none."""
    try:
        vector = np.frombuffer(base64.b64decode(text, validate=True), "<f2").astype(np.float16).reshape(1, -1)
    except ValueError as error:
        raise InvalidInput(f"the record of an endpoint has no pinned vector ({error}); {ANEW}") from error
    if vector.shape[1] != dim or not np.isfinite(vector).all() or not vector.any():
        raise InvalidInput(f"the pinned vector of an endpoint has {vector.shape[1]} dimensions, not {dim}; {ANEW}")
    return vector
