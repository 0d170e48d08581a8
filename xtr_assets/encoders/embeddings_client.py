"""Requests to `/v1/embeddings`: retries, pace, and answers that are looked at before they are believed."""

import base64
import os
import random
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import monotonic, sleep
from typing import Any

import httpx
import numpy as np

from xtr_assets.config import EndpointConfig
from xtr_assets.core.bounded_answer import whole_answer
from xtr_assets.core.errors import ConfigError, ProviderError
from xtr_assets.core.http_environment import made_here, proxy_hint
from xtr_assets.core.per_process import PerProcess
from xtr_assets.core.types import Floats

# Answers that another try may change; connections that fail are tried again likewise.
TRY_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
# Seven tries in about 32 s, or as long as the server asks for, up to two minutes each: a restart of a server passes, an
# outage is reported.
TRIES = 7
FIRST_WAIT, LONGEST_WAIT = 0.5, 120.0
# Characters of a server's words that an error repeats.
SHOWN = 300
# What the format of the answer is refused with by servers that know no base64.
NO_BASE64 = frozenset({400, 422})


class EmbeddingsClient:
    """One endpoint. The key is read from the environment for each request and is in no message.

    transport, wait : stand-ins for tests.
    """

    def __init__(
        self,
        config: EndpointConfig,
        transport: httpx.BaseTransport | None = None,
        wait: Callable[[float], None] = sleep,
    ) -> None:
        self._config, self._wait = config, wait
        # Redirects are not followed: they would take the key elsewhere.
        self._http = PerProcess(
            lambda: made_here(lambda: httpx.Client(transport=transport, timeout=config.timeout, follow_redirects=False))
        )
        self._pace = Pace(config.rate, wait)
        self._format = "base64"

    def embed(self, texts: Sequence[str]) -> Floats:
        """Vectors as the server gives them, float32 [n, dim]. Raises ProviderError and ConfigError."""
        answer = self._answer(list(texts))
        if answer.status_code in NO_BASE64 and self._format == "base64":
            # The same numbers in decimals.
            self._format = "float"
            answer = self._answer(list(texts))
        if answer.status_code != 200:
            raise self._refused(answer)
        return self._vectors(answer, len(texts))

    def _answer(self, texts: list[str]) -> httpx.Response:
        """The server's last word, after retries. ProviderError where there is none."""
        config, problem = self._config, ""
        body: dict[str, Any] = {"model": config.model, "input": texts, "encoding_format": self._format}
        if config.shorten:
            body["dimensions"] = config.dim
        for nth in range(TRIES):
            self._pace.turn()
            asked = FIRST_WAIT * 2**nth * random.uniform(0.8, 1.2)
            try:
                client = self._http.here()
                request = client.build_request("POST", f"{config.url}/embeddings", json=body, headers=self._headers())
                answer = whole_answer(client, request, config.timeout)
            # Not of the connection alone: an answer that cannot be unpacked is one as well.
            except httpx.RequestError as error:
                problem = self._clean(f"{type(error).__name__}: {error}")
            else:
                if answer.status_code not in TRY_AGAIN:
                    return answer
                problem = f"status {answer.status_code}: {self._words(answer)}"
                asked = max(asked, retry_after(answer.headers.get("retry-after")))
            if nth + 1 < TRIES:
                self._wait(min(asked, LONGEST_WAIT))
        raise ProviderError(
            f"{config.url} gave no embeddings in {TRIES} tries, at last {problem}; look at the server, or lower "
            f"`encoder.rate` and `encoder.concurrency`{proxy_hint(config.url)}"
        ) from None

    def _headers(self) -> dict[str, str]:
        key = self._key()
        return {"authorization": f"Bearer {key}"} if key else {}

    def _key(self) -> str:
        if self._config.key is None:
            return ""
        name = self._config.key.removeprefix("$")
        value = os.environ.get(name, "").strip()
        if not value:
            raise ConfigError(f"`encoder.key` is ${name}, which is not set in the environment; export it")
        if not (value.isascii() and value.isprintable()):
            raise ConfigError(
                f"`encoder.key` is ${name}, whose value is no key: it holds what no header may; export it anew"
            )
        return value

    def _clean(self, text: str) -> str:
        """Words of others without the key, bounded."""
        with suppress(ConfigError):
            if key := self._key():
                text = text.replace(key, "***")
        return " ".join(text.split())[:SHOWN]

    def _words(self, answer: httpx.Response) -> str:
        return self._clean(answer.text) or "no words"

    def _refused(self, answer: httpx.Response) -> ProviderError | ConfigError:
        config, told = self._config, f"status {answer.status_code}: {self._words(answer)}"
        if answer.has_redirect_location:
            place = self._clean(answer.headers["location"])
            return ConfigError(
                f"{config.url} sends requests on to {place} (status {answer.status_code}), where the key would go too; "
                "set `url` to the address that answers, without `/embeddings`"
            )
        if answer.status_code in (401, 403):
            key = "no `key`" if config.key is None else f"`key: {config.key}`"
            return ConfigError(f"{config.url} refuses {key} ({told}); export a key that may use {config.model}")
        if answer.status_code == 404:
            return ConfigError(
                f"{config.url}/embeddings has no model {config.model} ({told}); correct `url` or `model`"
            )
        if answer.status_code == 413:
            return ConfigError(f"{config.url} finds a request too large ({told}); lower `batch_texts` or `max_chars`")
        return ProviderError(f"{config.url} refused the request ({told}); look at its log, or lower `max_chars`")

    def _vectors(self, answer: httpx.Response, count: int) -> Floats:
        config = self._config
        try:
            rows = answer.json()["data"]
            order = [int(row.get("index", nth)) for nth, row in enumerate(rows)]
            vectors = [vector_of(row["embedding"]) for row in rows]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ProviderError(
                f"{config.url} gave no embeddings but {self._words(answer)!r} ({type(error).__name__}); is it "
                "the address of an OpenAI-compatible endpoint?"
            ) from None
        if sorted(order) != list(range(count)):
            raise ProviderError(
                f"{config.url} gave {len(order)} embeddings for {count} texts; look at the server's log"
            )
        dims = sorted({len(vector) for vector in vectors})
        if dims != [config.dim]:
            raise ConfigError(
                f"`encoder.dim` is {config.dim}, {config.model} gives {', '.join(map(str, dims))}; set that, or "
                "`shorten: true` where the model gives as many as it is asked for"
            )
        made = np.empty((count, config.dim), np.float32)
        made[order] = np.stack(vectors)
        bad = ~np.isfinite(made).all(axis=1) | ~made.any(axis=1)
        if bad.any():
            raise ProviderError(
                f"{config.model} gave NaN, infinity or zeros for {int(bad.sum())} of {count} texts; look at the "
                "server's precision"
            )
        return made


def vector_of(value: Any) -> Floats:
    """Float32 [dim] from a list of numbers, or base64 of little-endian float32."""
    if isinstance(value, str):
        return np.frombuffer(base64.b64decode(value, validate=True), "<f4").astype(np.float32)
    vector = np.array(value, np.float32)
    if vector.ndim != 1:
        raise ValueError("no vector")
    return vector


def retry_after(value: str | None) -> float:
    """Seconds that a Retry-After header asks for, a number or a date; 0 where it says neither."""
    if value is None:
        return 0.0
    with suppress(ValueError):
        return max(0.0, float(value))
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


class Pace:
    """At most `rate` turns a second, evenly, over all threads."""

    def __init__(self, rate: float | None, wait: Callable[[float], None]) -> None:
        self._gap, self._wait = (0.0 if rate is None else 1.0 / rate), wait
        self._next, self._lock = 0.0, threading.Lock()

    def turn(self) -> None:
        """Wait for a turn."""
        if not self._gap:
            return
        with self._lock:
            now = monotonic()
            start = max(now, self._next)
            self._next = start + self._gap
        if start > now:
            self._wait(start - now)
