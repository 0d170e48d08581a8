"""The endpoint encoder against a server in this process: retries, pace, odd answers, and a key that nobody sees."""

import base64
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from time import sleep
from types import SimpleNamespace
from typing import Any, cast

import httpx
import numpy as np
import pytest

from xtr_assets.config import EndpointConfig, Prompts, PythonConfig
from xtr_assets.core.errors import ConfigError, EncoderMismatch, InvalidInput, ProviderError
from xtr_assets.encoders.base import Encoder
from xtr_assets.encoders.embeddings_client import TRIES, EmbeddingsClient, retry_after
from xtr_assets.encoders.encoder_pair import Paired
from xtr_assets.encoders.encoder_record import hold_to_record, of_this_code, recorded_config
from xtr_assets.encoders.endpoint import NO_TEXT, PINNED_TEXT, Endpoint
from xtr_assets.encoders.hashing import Hashing
from xtr_assets.encoders.own_encoder import OwnEncoder
from xtr_assets.search.query_encoder import QueryEncoder
from xtr_assets.testing import check_encoder

KEY = "sk-secret-0123456789"
INNER = Hashing(16, 0)
Answer = Callable[[int, dict[str, Any]], httpx.Response | None]


def vectors(texts: Sequence[str]) -> np.ndarray:
    """What the model behind the endpoint makes of texts: not of unit length."""
    return INNER.encode_queries(texts).embeddings * 3


class Server:
    """Answers as an endpoint does, unless `odd` answers first; keeps what it was asked and what was waited for."""

    def __init__(self, odd: Answer | None = None, knows_base64: bool = True) -> None:
        self.odd, self.knows_base64 = odd, knows_base64
        self.asked: list[dict[str, Any]] = []
        self.headers: list[httpx.Headers] = []
        self.waits: list[float] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        self.asked.append(body)
        self.headers.append(request.headers)
        assert request.url.path == "/v1/embeddings"
        if self.odd is not None and (given := self.odd(len(self.asked), body)) is not None:
            return given
        if body["encoding_format"] == "base64" and not self.knows_base64:
            return httpx.Response(422, text="unknown variant base64")
        return answered(vectors(body["input"]), packed=body["encoding_format"] == "base64")

    def encoder(self, **settings: Any) -> Endpoint:
        given = {"url": "https://models.test/v1", "model": "m", "dim": 16, **settings}
        config = EndpointConfig.model_validate(given)
        return Endpoint(config, EmbeddingsClient(config, httpx.MockTransport(self.answer), self.waits.append))

    @property
    def texts(self) -> list[list[str]]:
        """The texts of each request, the pinned one aside."""
        return [one["input"] for one in self.asked if one["input"] != [PINNED_TEXT]]


def answered(rows: np.ndarray, packed: bool = True) -> httpx.Response:
    """An answer, its rows from the last to the first."""
    values = [base64.b64encode(row.astype("<f4").tobytes()).decode() if packed else row.tolist() for row in rows]
    data = [{"index": nth, "embedding": value} for nth, value in enumerate(values)]
    return httpx.Response(200, content=json.dumps({"data": data[::-1]}))


def first(status: int, headers: dict[str, str] | None = None, times: int = 1) -> Answer:
    return lambda nth, body: httpx.Response(status, text=f"try {nth}", headers=headers) if nth <= times else None


@pytest.mark.parametrize("knows_base64", [True, False])
def test_it_passes_the_kit(knows_base64: bool) -> None:
    server = Server(knows_base64=knows_base64)
    report = check_encoder(server.encoder(), Server().encoder)
    assert "batch_independent" in report.passed
    assert {one["encoding_format"] for one in server.asked[3:]} == {"base64" if knows_base64 else "float"}


def test_batches_hold_so_many_texts_and_tokens_and_prompts_go_before() -> None:
    server = Server()
    encoder = server.encoder(
        batch_texts=2, batch_tokens=64, prompts=Prompts(document="d: ", query="q: "), concurrency=1
    )
    found = encoder.encode_documents(["a", "b", "c", "x" * 180, "", "e"])
    assert server.texts == [["d: a", "d: b"], ["d: c"], ["d: " + "x" * 180], [f"d: {NO_TEXT}", "d: e"]]
    expected = vectors([text for batch in server.texts for text in batch])
    unit = expected / np.linalg.norm(expected, axis=1, keepdims=True)
    assert np.abs(found.embeddings - unit).max() < 1e-3
    server.asked.clear()
    encoder.encode_queries(["a"])
    assert server.texts == [["q: a"]]


def test_a_long_text_is_sent_in_windows() -> None:
    server = Server()
    found = server.encoder(max_chars=100, concurrency=1).encode_documents(["word " * 50])
    assert found.windows == 1
    assert [len(text) <= 100 for batch in server.texts for text in batch] == [True, True, True]
    assert "".join(text for batch in server.texts for text in batch) == "word " * 50


def test_it_waits_as_long_as_the_server_asks() -> None:
    server = Server(first(429, {"retry-after": "7"}, times=2))
    server.encoder().encode_queries(["a"])
    assert server.waits == [7.0, 7.0]


def test_it_waits_longer_from_try_to_try_and_gives_up_with_the_last_word() -> None:
    server = Server(first(503, times=99))
    with pytest.raises(ProviderError, match=rf"no embeddings in {TRIES} tries, at last status 503: try {TRIES}"):
        server.encoder().encode_queries(["a"])
    assert len(server.waits) == TRIES - 1
    assert all(later > before for before, later in zip(server.waits, server.waits[1:], strict=False))
    passing = Server(first(500, times=3))
    assert passing.encoder().encode_queries(["a"]).embeddings.shape == (1, 16)


def test_a_connection_that_breaks_is_tried_again() -> None:
    def broken(nth: int, body: dict[str, Any]) -> httpx.Response | None:
        if nth < 3:
            raise httpx.ConnectError(f"refused for {KEY}")
        # Not in the compression that it names.
        cut = {"content-encoding": "gzip"}
        return httpx.Response(200, headers=cut, content=iter([b"no gzip"])) if nth == 3 else None

    server = Server(broken)
    assert server.encoder().encode_queries(["a"]).embeddings.shape == (1, 16)
    assert len(server.waits) == 3


def test_the_rate_is_kept_over_all_threads() -> None:
    server = Server()
    server.encoder(rate=0.5, batch_texts=1, concurrency=4).encode_documents(["a", "b", "c"])
    # The pinned text goes first; then each request two seconds after the one before.
    assert [round(wait) for wait in sorted(server.waits)] == [2, 4, 6]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (answered(np.ones((1, 8))), r"`encoder.dim` is 16, m gives 8.*shorten"),
        (answered(np.full((1, 16), np.nan)), "NaN, infinity or zeros for 1 of 1"),
        (answered(np.full((1, 16), np.nan), packed=False), "NaN, infinity or zeros"),
        (answered(np.zeros((1, 16))), "NaN, infinity or zeros"),
        (answered(np.ones((2, 16))), "2 embeddings for 1 texts"),
        (httpx.Response(200, text="<html>hello</html>"), "OpenAI-compatible"),
        (httpx.Response(200, json={"data": [{"embedding": "?"}]}), "OpenAI-compatible"),
        (httpx.Response(200, json={"data": [{"embedding": {"a": 1}}]}), "OpenAI-compatible"),
        (httpx.Response(200, json=[1]), "OpenAI-compatible"),
        (httpx.Response(401, text=f"key {KEY} is wrong"), r"refuses `key: \$TEST_KEY`.*\*\*\*"),
        (httpx.Response(404, text="no"), "no model m"),
        (httpx.Response(413, text="no"), "lower `batch_texts` or `max_chars`"),
        (httpx.Response(400, text=f"{KEY} too long"), r"status 400: \*\*\* too long"),
        (
            httpx.Response(302, headers={"location": f"https://elsewhere/v1/embeddings?{KEY}"}),
            r"sends requests on to https://elsewhere/v1/embeddings\?\*\*\* \(status 302\).*set `url`",
        ),
    ],
)
def test_an_odd_answer_is_one_clear_error_without_the_key(
    answer: httpx.Response, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_KEY", KEY)
    server = Server(lambda nth, body: answer)
    with pytest.raises((ConfigError, ProviderError), match=told) as caught:
        server.encoder(key="$TEST_KEY").encode_queries(["a"])
    assert KEY not in "".join(map(str, (caught.value, repr(caught.value), caught.value.__cause__)))


def test_the_key_is_sent_and_is_nowhere_else(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("TEST_KEY", f"{KEY}\n")
    server = Server()
    encoder = server.encoder(key="$TEST_KEY")
    encoder.encode_documents(["a"])
    assert server.headers[-1]["authorization"] == f"Bearer {KEY}"
    told = [json.dumps(encoder.describe()), repr(encoder), caplog.text, repr(recorded_config(encoder.describe()))]
    assert not any(KEY in one for one in told)
    assert "authorization" not in Server().encoder().describe()
    monkeypatch.delenv("TEST_KEY")
    with pytest.raises(ConfigError, match=r"\$TEST_KEY, which is not set"):
        encoder.encode_queries(["a"])
    monkeypatch.setenv("TEST_KEY", f"{KEY}\nx: y")
    with pytest.raises(ConfigError, match="whose value is no key") as caught:
        encoder.encode_queries(["a"])
    assert KEY not in str(caught.value)


def held(encoder: Endpoint, record: dict[str, Any]) -> Endpoint:
    hold_to_record(Paired(encoder, None), {"kind": "pair", "dense": record})
    return encoder


def test_a_model_that_became_another_one_is_found_when_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    record = Server().encoder().describe()
    assert of_this_code(record)
    other = Server(lambda nth, body: answered(-vectors(body["input"])))
    with pytest.raises(EncoderMismatch, match=r"another vector for the pinned text.*encoder\.revision"):
        held(other.encoder(), record).encode_queries(["a"])
    assert not other.texts
    with pytest.raises(InvalidInput, match="has 16 dimensions, not 24"):
        held(other.encoder(dim=24), record)
    with pytest.raises(InvalidInput, match="no pinned vector"):
        held(other.encoder(), {"pinned_vector": "?"})

    # Some noise is no other model; and one that changes while it serves is found as well.
    changed = False

    def noisy(nth: int, body: dict[str, Any]) -> httpx.Response:
        made = vectors(body["input"])
        return answered(-made if changed else made * 5 + np.random.default_rng(nth).normal(0, 0.05, made.shape))

    now = [0.0]
    monkeypatch.setattr("xtr_assets.encoders.endpoint.monotonic", lambda: now[0])
    encoder = held(Server(noisy).encoder(), record)
    encoder.encode_queries(["a"])
    changed = True
    encoder.encode_queries(["a"])
    now[0] = 601.0
    with pytest.raises(EncoderMismatch, match="The model behind it"):
        encoder.encode_queries(["a"])


def own(encoder: Endpoint) -> Encoder:
    """As somebody's factory gives it."""
    return OwnEncoder(encoder, PythonConfig(kind="python:acme.encoders:make", legs=("dense",)))


@pytest.mark.parametrize("way", [lambda one: one, lambda one: Paired(one, None), own])
def test_each_warehouse_holds_the_model_to_its_own_record(
    monkeypatch: pytest.MonkeyPatch, way: Callable[[Endpoint], Encoder]
) -> None:
    """One process opens an endpoint once: the record that was opened last stood in for all others."""
    server, old = Server(), Server(lambda nth, body: answered(-vectors(body["input"])))
    alone, before = server.encoder(), old.encoder()
    shared, of_old = way(alone), way(before)
    monkeypatch.setattr("xtr_assets.encoders.open_encoder", lambda config, device: shared)

    def opened(record: dict[str, Any]) -> Encoder:
        manifest = SimpleNamespace(encoder=SimpleNamespace(model_dump=lambda: record), notes={})
        return QueryEncoder("cpu", config).of(cast(Any, SimpleNamespace(manifest=manifest, fingerprint=fingerprint)))

    config, fingerprint = alone._config, shared.fingerprint
    stale, current = opened(of_old.describe()), opened(shared.describe())
    current.encode_queries(["a"])
    with pytest.raises(EncoderMismatch, match="for the pinned text"):
        stale.encode_queries(["a"])
    current.encode_queries(["a"])
    assert len(server.texts) == 2


def test_the_fingerprint_is_of_what_is_asked_for_not_of_where_and_how_fast() -> None:
    server = Server()
    plain = server.encoder().fingerprint
    assert server.encoder(url="http://other/v1", rate=3.0, batch_texts=5, concurrency=9).fingerprint == plain
    others: list[dict[str, Any]] = [
        {"model": "n"},
        {"revision": "2"},
        {"prompts": Prompts(query="q")},
        {"max_chars": 500},
        {"shorten": True},
    ]
    assert len({plain, *(server.encoder(**one).fingerprint for one in others)}) == 6
    assert not server.asked


def test_shorter_vectors_are_asked_for() -> None:
    server = Server()
    server.encoder(shorten=True).encode_queries(["a"])
    assert {one["dimensions"] for one in server.asked} == {16}


def test_a_retry_after_is_seconds_or_a_date() -> None:
    assert retry_after("2.5") == 2.5
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert 3e9 < retry_after("Wed, 21 Oct 2150 07:28:00 GMT") < 5e9
    assert retry_after("soon") == retry_after(None) == retry_after("-5") == 0.0


class Trickling(httpx.SyncByteStream):
    """White space now and then, as gateways send it while a model works."""

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(40):
            sleep(0.001)
            yield b" "


def test_an_answer_that_goes_on_is_none() -> None:
    """Each piece came within the time of a request: a build waited for as long as they came."""
    server = Server(lambda nth, body: httpx.Response(200, stream=Trickling()))
    with pytest.raises(ProviderError, match=f"in {TRIES} tries, at last ReadTimeout: the answer goes on"):
        server.encoder(timeout=0.005).encode_queries(["a"])
    assert len(server.waits) == TRIES - 1
