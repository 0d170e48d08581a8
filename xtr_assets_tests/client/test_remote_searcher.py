"""A client answers what a local Searcher answers, in values and in errors; sync and async alike."""

import asyncio
import inspect
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

import xtr_assets as xa
from xtr_assets.client import exchange
from xtr_assets.client.async_searcher import AsyncRemoteSearcher
from xtr_assets.client.remote_searcher import RemoteSearcher
from xtr_assets.client.wire import hits_of, modes_of
from xtr_assets.defs import SearchResource
from xtr_assets.search.request import MODES
from xtr_assets.search.searcher import Searcher
from xtr_assets_tests.compat.test_format_7 import GOLDEN
from xtr_assets_tests.fixtures import ENCODER
from xtr_assets_tests.server.site import served

ENCODED = ENCODER.encode_queries(["zebra version", "parse"])


@pytest.fixture(scope="module")
def remote(url: str) -> Iterator[RemoteSearcher]:
    with xa.connect(url) as searcher:
        yield searcher


def same(one: Any, other: Any) -> bool:
    """Equality of hits, whose score is NaN where they were asked for by id, and of arrays."""
    if isinstance(one, tuple):
        return all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    return type(one) is type(other) and repr(one) == repr(other)


ASKED: list[Callable[[Any], Any]] = [
    *(lambda s, mode=mode: s.search("zebra parse text", 7, mode) for mode in MODES),
    lambda s: s.search("parse", 5, where={"path": {"glob": "old*"}, "start_line": (3, 4, 5)}, explain=True),
    lambda s: s.search("parse", np.int64(3), "dense", {"kind": {"function"}}, rescore=40),
    lambda s: s.search("parse", 5, where={"start_line": np.array([3, 4, 5]), "kind": {"in": np.array(["function"])}}),
    lambda s: s.search(""),
    lambda s: s.search_batch(["zebra", "", "parse"], 3, fusion="rrf"),
    lambda s: s.search_batch([]),
    lambda s: s.search_vectors(ENCODED.embeddings, 4),
    lambda s: s.search_vectors(ENCODED.embeddings, 100, {"path": "old1.py"}),
    lambda s: s.search_vectors(ENCODED.embeddings[:0], 4),
    lambda s: s.search_vectors([], 4),
    lambda s: s.search_tokens(ENCODED.tokens, 4, k_prime=30),
    lambda s: s.search_tokens(ENCODED.tokens, 4, {"path": {"glob": "old*"}}),
    lambda s: s.search_batch(["zebra version", "parse"], 4, "dense", {"path": {"glob": "old*"}}),
    lambda s: s.hydrate([hit.chunk_id for hit in s.search("zebra", 5)]),
    lambda s: s.hydrate([]),
    lambda s: s.generation,
    lambda s: list(s.modes),
    lambda s: s.profile,
    lambda s: s.refresh(),
]


@pytest.mark.parametrize("ask", ASKED)
def test_it_answers_what_the_library_answers(
    remote: RemoteSearcher, local: Searcher, ask: Callable[[Any], Any]
) -> None:
    assert same(ask(remote), ask(local))


def test_it_says_what_was_asked_where_the_spelling_was_corrected(remote: RemoteSearcher) -> None:
    assert remote.search("zebrra", 3, "lexical").corrected == "zebra"
    assert [one.corrected for one in remote.search_batch(["zebra", "zebrra"], 3, "lexical")] == ["", "zebra"]


WRONG: list[Callable[[Any], Any]] = [
    lambda s: s.search("a", 0),
    lambda s: s.search("a", mode="fast"),
    lambda s: s.search(5),
    lambda s: s.search("a", where={"path": float("nan")}),
    lambda s: s.search("a", where={"colour": "red"}),
    # Times come out of numpy as numbers of nanoseconds, which text is never equal to.
    lambda s: s.search("a", where={"path": {"gte": np.datetime64("2024-01-05", "ns")}}),
    lambda s: s.search("a", where={"path": np.array(["2024-01-05"], "datetime64[ns]")}),
    lambda s: s.search("a", where={"start_line": np.longdouble(3)}),
    lambda s: s.search("a", where={"path": {"like": "x"}}),
    lambda s: s.search("a", nprobe="8"),
    lambda s: s.search_vectors(np.full((1, 64), np.nan, np.float32)),
    lambda s: s.search_vectors(np.zeros(64, np.float32)),
    lambda s: s.search_vectors(np.zeros((1, 3), np.float32)),
    lambda s: s.search_tokens([np.zeros((2, 5), np.float32)]),
    lambda s: s.hydrate([5]),
    lambda s: s.hydrate([-5]),
]


# What would be another chunk's id, or those of two.
@pytest.mark.parametrize("wrong", [[2.5], [True], ["12"], "12", 7])
def test_what_is_no_id_is_refused_in_the_words_of_the_library(
    remote: RemoteSearcher, local: Searcher, wrong: Any
) -> None:
    with pytest.raises(xa.InvalidInput) as here:
        local.hydrate(wrong)
    with pytest.raises(xa.InvalidInput) as there:
        remote.hydrate(wrong)
    assert str(there.value) == str(here.value)


@pytest.mark.parametrize("ask", WRONG)
def test_it_raises_what_the_library_raises(remote: RemoteSearcher, local: Searcher, ask: Callable[[Any], Any]) -> None:
    with pytest.raises(xa.XtrAssetsError) as here:
        ask(local)
    with pytest.raises(xa.XtrAssetsError) as there:
        ask(remote)
    assert type(there.value) is type(here.value)


def test_both_clients_have_the_methods_of_the_searcher() -> None:
    for name in ("search", "search_batch", "search_vectors", "search_tokens", "hydrate", "refresh", "close"):
        own = inspect.signature(getattr(RemoteSearcher, name)).parameters
        assert list(own) == list(inspect.signature(getattr(AsyncRemoteSearcher, name)).parameters)
        plain = [one.name for one in own.values() if one.kind is one.POSITIONAL_OR_KEYWORD]
        assert list(inspect.signature(getattr(Searcher, name)).parameters)[: len(plain)] == plain
        assert inspect.iscoroutinefunction(getattr(AsyncRemoteSearcher, name))


def test_the_async_client_answers_alike(url: str, local: Searcher) -> None:
    async def asked() -> None:
        async with await xa.connect_async(url, pin=True) as searcher:
            together = await asyncio.gather(*(searcher.search(f"zebra {i}", 3) for i in range(20)))
            assert same(together, [local.search(f"zebra {i}", 3) for i in range(20)])
            assert same(
                await searcher.search_vectors(ENCODED.embeddings, 4), local.search_vectors(ENCODED.embeddings, 4)
            )
            assert same(await searcher.search_tokens(ENCODED.tokens, 4), local.search_tokens(ENCODED.tokens, 4))
            assert same(await searcher.search_batch(["parse"], 2), local.search_batch(["parse"], 2))
            ids = [hit.chunk_id for hit in together[0]]
            assert same(await searcher.hydrate(ids), local.hydrate(ids))
            assert await searcher.generation() == 1 and await searcher.profile() == local.profile
            with pytest.raises(xa.InvalidInput, match="no column 'colour'"):
                await searcher.search("a", where={"colour": "red"})

    asyncio.run(asked())


def test_event_loops_that_take_turns_keep_their_connections(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[httpx.AsyncClient] = []

    class Counted(httpx.AsyncClient):
        def __init__(self, **given: Any) -> None:
            super().__init__(**given)
            made.append(self)

    monkeypatch.setattr(httpx, "AsyncClient", Counted)
    loops = [asyncio.new_event_loop() for _ in range(2)]
    searcher = loops[0].run_until_complete(xa.connect_async(url))
    for loop in (*loops, *loops):
        assert loop.run_until_complete(searcher.search("zebra", 1))
    for loop in loops:
        loop.run_until_complete(searcher.close())
        loop.close()
    assert len(made) == 2 and all(one.is_closed for one in made)


def test_many_ids_are_asked_for_in_parts(
    remote: RemoteSearcher, local: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [hit.chunk_id for hit in local.search("zebra parse", 80)]
    monkeypatch.setattr(exchange, "IDS", 7)
    assert same(remote.hydrate(ids), local.hydrate(ids))


@pytest.mark.parametrize(("bound", "most"), [("BATCH", 4), ("HITS", 8), ("NUMBERS", 128)])
def test_many_queries_are_asked_in_as_many_requests_as_it_takes(
    remote: RemoteSearcher, local: Searcher, monkeypatch: pytest.MonkeyPatch, bound: str, most: int
) -> None:
    vectors, tokens = np.tile(ENCODED.embeddings, (4, 1)), ENCODED.tokens * 4
    texts = [f"zebra {number}" for number in range(11)]
    monkeypatch.setattr(exchange, bound, most)
    assert same(remote.search_batch(iter(texts), 3, "xtr"), local.search_batch(iter(texts), 3, "xtr"))
    assert same(remote.search_vectors(vectors, 3), local.search_vectors(vectors, 3))
    assert same(remote.search_tokens(tokens, 3), local.search_tokens(tokens, 3))


@pytest.mark.parametrize("wrong", ["text", 7, ["a", None]])
def test_what_is_no_batch_is_refused_in_the_words_of_the_library(
    remote: RemoteSearcher, local: Searcher, wrong: Any
) -> None:
    with pytest.raises(xa.InvalidInput) as here:
        local.search_batch(wrong)
    with pytest.raises(xa.InvalidInput) as there:
        remote.search_batch(wrong)
    assert str(there.value) == str(here.value)


def test_a_query_of_a_later_request_is_told_by_where_that_begins(remote: RemoteSearcher) -> None:
    with pytest.raises(xa.InvalidInput, match="of the queries from 64 on: query 6 has 9000 characters"):
        remote.search_batch([*["zebra"] * 70, "z" * 9000], k=1)


def test_a_closed_client_refuses(url: str) -> None:
    searcher = xa.connect(url)
    searcher.close()
    searcher.close()
    with pytest.raises(xa.GenerationError, match="was closed; connect again"):
        searcher.search("zebra")
    with pytest.raises(xa.InvalidInput, match="url is a NoneType"):
        xa.connect(None)  # type: ignore[arg-type]


def test_the_token_of_the_environment_is_sent_and_not_shown(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("XTR_ASSETS_TOKEN", "t" * 20)
    with xa.connect(url) as searcher:
        assert searcher._destination.headers["Authorization"] == "Bearer " + "t" * 20
        assert "t" * 20 not in f"{searcher!r} {searcher._destination!r}"
        assert repr(searcher) == f"RemoteSearcher({url})"
        with pytest.raises(TypeError, match="holds connections of this process: connect to http"):
            pickle.dumps(searcher)


def test_a_field_of_a_later_server_is_left_alone(url: str, local: Searcher) -> None:
    (hit,) = httpx.post(url + "/v1/search", json={"query": "zebra", "k": 1}).json()["hits"]
    assert hits_of([{**hit, "brand_new": 5}]) == local.search("zebra", 1)


def test_a_step_takes_a_server_in_place_of_a_folder(url: str, folder: Path) -> None:
    remote, here = SearchResource(url=url), SearchResource(warehouse=str(folder))
    assert remote.search("zebra", 3) == here.search("zebra", 3)
    assert isinstance(remote.searcher, RemoteSearcher) and remote.searcher is remote.searcher
    assert remote.generation == 1
    for wrong in ({}, {"url": url, "warehouse": str(folder)}):
        with pytest.raises(ValueError, match="give one of them"):
            SearchResource(**wrong)
    with pytest.raises(ValueError, match="generation"):
        SearchResource(warehouse=str(folder), generation=1)  # type: ignore[call-arg]
    for one in (remote, here):
        one._release()


def test_an_index_of_one_leg_says_its_modes_and_refuses_another_one_as_the_library_does(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(GOLDEN, tmp_path / "lone"))
    with served({"lone": folder}) as address, xa.connect(address) as remote, Searcher(folder, "cpu") as local:
        assert remote.modes == local.modes == ("hybrid", "dense", "lexical", "exact")
        assert same(remote.search("connection refused", 2), local.search("connection refused", 2))
        asked: list[Callable[[Any], Any]] = [
            lambda s: s.search("a", mode="xtr"),
            lambda s: s.search_tokens([np.ones((2, 8), np.float32)]),
        ]
        for ask in asked:
            with pytest.raises(xa.NotInThisIndex, match="answers in mode hybrid, dense, lexical, exact") as there:
                ask(remote)
            with pytest.raises(xa.NotInThisIndex) as here:
                ask(local)
            assert str(there.value) == str(here.value)
        assert httpx.get(f"{address}/v1/facets").json()["modes"] == list(local.modes), "what the page offers"
        answer = httpx.post(f"{address}/v1/search", json={"query": "a", "mode": "xtr"})
        assert (answer.status_code, answer.json()["error"]["type"]) == (400, "NotInThisIndex")


def test_a_server_of_before_answers_every_mode() -> None:
    assert modes_of({"generation": 1}) == MODES and modes_of({"modes": ["hybrid", "dense"]}) == ("hybrid", "dense")
