"""A front over servers of parts, all in this process: one answer from one move, whatever a part does meanwhile."""

import asyncio
import re
import shutil
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import pytest

import xtr_assets as xa
from xtr_assets.client.destination import Destination
from xtr_assets.client.wire import hits_of
from xtr_assets.core.errors import UnknownFormat
from xtr_assets.core.ids import chunk_id
from xtr_assets.core.lexical_terms import query_terms
from xtr_assets.index.late.options import Route
from xtr_assets.search.neighbourhood import neighbourhood
from xtr_assets.search.request import MODES
from xtr_assets.server import part_rounds
from xtr_assets.server.answers import encoded, without_chunk
from xtr_assets.server.application import Server
from xtr_assets.server.bearers import Bearers
from xtr_assets.server.hosted_index import HostedIndex
from xtr_assets.server.limits import Limits
from xtr_assets.server.part_call import PartRequest, PartServers, part_client
from xtr_assets.server.part_front import PartFront
from xtr_assets.server.part_route import ToldCollection
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.layout import PartsLayout
from xtr_assets.storage.parts import move_chain
from xtr_assets.storage.parts.part_records import PartMove
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets_tests.fixtures import drafted, make_chunk, write_shard
from xtr_assets_tests.search.conftest import PROFILE, texts

TOKEN = "a-token-of-the-parts"
FORCE = "no gate here"
METADATA = {"a": '{"year": 2020}'}
# A row of each part.
PLACES = 'File "/x/a/4.py", line 25, in f8\n  File "/x/b/3.py", line 20, in f6'


def build(parts: PartSet, part: str, seed: int) -> None:
    """60 chunks, in files of six and symbols of three; those of part b have names."""
    chunks = [
        replace(
            make_chunk(
                f"{part}/{i // 6}.py", f"f{i // 3}", text, source=part, line=i, metadata=METADATA.get(part, "{}")
            ),
            chunk_id=chunk_id(part, f"{part}/{i // 6}.py", f"f{i // 3}", 0, i % 3),
            part=i % 3,
        )
        # Twelve texts stand in both parts.
        for i, text in enumerate([*texts(24, seed), *texts(12, 40), *texts(24, seed + 20)])
    ]
    warehouse = parts.warehouse(part)
    write_shard(warehouse, part, chunks)
    draft = drafted(warehouse, recipe="Flat", named=(part,) if part == "b" else ())
    draft.set_profile("hybrid", PROFILE)
    warehouse.publish(draft.number, force_reason="these tests have no gate")


# Every setting of a question, and each in the modes that have it.
SETTINGS: list[tuple[str, dict[str, Any]]] = [
    *((mode, {"collapse": collapse}) for mode in MODES for collapse in ("symbol", "text")),
    *((mode, {"explain": True}) for mode in MODES),
    *(
        ("exact", {"fusion": "rrf", **more})
        for more in ({}, {"explain": True}, {"collapse": "symbol"}, {"collapse": "text"})
    ),
    ("exact", {"fusion": "rrf", "explain": True, "where": {"source": "b"}}),
    ("exact", {"explain": True, "collapse": "symbol", "where": {"year": 2020}}),
    ("hybrid", {"explain": True, "collapse": "symbol", "where": {"source": "b"}}),
    ("hybrid", {"explain": True, "collapse": "text", "where": {"year": 2020}}),
    ("hybrid", {"fusion": "rrf", "explain": True}),
    ("hybrid", {"nprobe": 2, "rescore": 50, "k_prime": 100}),
    ("dense", {"nprobe": 2}),
    ("lexical", {"syntax": "plain", "explain": True}),
]


# Questions whose explanation depends on how MaxSim's indexes were asked, and over which rows.
LISTED: list[tuple[str, str, dict[str, Any]]] = [
    ("xtr", "parse date zebra", {}),
    ("xtr", "parse date zebra", {"nprobe": 1, "rescore": 1}),
    ("xtr", "parse date zebra", {"nprobe": 1, "where": {"path": {"not": "a/0.py"}}}),
    ("xtr", "+zebra list", {"nprobe": 2}),
    ("xtr", "zebra list", {"nprobe": 2, "k_prime": 1, "collapse": "symbol"}),
    ("hybrid", "parse date zebra", {"nprobe": 1, "where": {"source": "a"}}),
]


class Door(httpx.AsyncBaseTransport):
    """The way to one server, which can be shut or slow; counts who came."""

    def __init__(self, app: Any) -> None:
        self.shut, self.slow, self.came = False, 0.0, 0
        self.lead_to(app)

    def lead_to(self, app: Any) -> None:
        """From now on there."""
        self._inner = httpx.ASGITransport(app)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.came += 1
        if self.shut:
            raise httpx.ConnectError("shut", request=request)
        await asyncio.sleep(self.slow)
        return await self._inner.handle_async_request(request)


class Site:
    """Two parts, a with two replicas, and a front before them."""

    def __init__(self, parts: PartSet, partial: bool, hedge: float) -> None:
        self.parts = parts
        self.indexes = {name: HostedIndex(name[0], parts.layout.part(name[0]), "cpu") for name in ("a1", "a2", "b1")}
        bearers = Bearers(variable=None)
        self.doors = {name: Door(Server([index], bearers).app) for name, index in self.indexes.items()}
        mounts = {f"http://{name}": door for name, door in self.doors.items()}
        self.client = httpx.AsyncClient(mounts=mounts)
        places = {
            part: [Destination.checked(f"http://{name}", TOKEN, None, 10.0) for name in self.doors if name[0] == part]
            for part in ("a", "b")
        }
        self.front = PartFront("docs", parts.root, PartServers(places, hedge, self.client), bearers, partial=partial)
        self.web = httpx.AsyncClient(transport=httpx.ASGITransport(self.front.app), base_url="http://front")

    async def ask(self, query: str, k: int = 10, mode: str = "hybrid", **more: Any) -> httpx.Response:
        return await self.web.post("/v1/search", json={"query": query, "k": k, "mode": mode, **more})

    def look(self) -> None:
        for index in self.indexes.values():
            index.look()
        self.front.look()

    async def close(self) -> None:
        await self.web.aclose()
        await self.client.aclose()
        for index in self.indexes.values():
            index.close()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = PartSet.create(tmp_path_factory.mktemp("front") / "set")
    for seed, name in enumerate(("a", "b")):
        made.add(name)
        build(made, name, seed)
    made.publish(force_reason=FORCE)
    return made.root


@pytest.fixture
def parts(template: Path, tmp_path: Path) -> PartSet:
    shutil.copytree(template, tmp_path / "set")
    return PartSet.open(tmp_path / "set")


def tried(parts: PartSet, act: Callable[[Site], Awaitable[None]], *, partial: bool = False, hedge: float = 5.0) -> None:
    async def run() -> None:
        site = Site(parts, partial, hedge)
        try:
            site.look()
            await act(site)
        finally:
            await site.close()

    asyncio.run(run())


def hits(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["hits"]
    return found


def local(
    searcher: xa.Searcher, query: str, k: int, mode: Any, where: Mapping[str, Any] | None, **more: Any
) -> list[dict[str, Any]]:
    """What a server over the whole set answers, as it writes it."""
    found: list[dict[str, Any]] = orjson.loads(
        encoded(
            {"hits": [hit.document(rank) for rank, hit in enumerate(searcher.search(query, k, mode, where, **more), 1)]}
        )
    )["hits"]
    return found


def test_a_front_explains_the_search_that_was_asked_for(parts: PartSet, monkeypatch: pytest.MonkeyPatch) -> None:
    """So few tokens are scanned in earnest, and nothing of them is imputed."""
    monkeypatch.setattr("xtr_assets.index.late.search.plan_search", lambda nprobe, **_: Route(False, nprobe, "a test"))
    monkeypatch.setattr("xtr_assets.search.ranker.CANDIDATES", 5)
    shown: list[int] = []

    async def act(site: Site) -> None:
        with xa.open(parts.root, "cpu") as whole_set:
            for mode, query, more in LISTED:
                found = hits(await site.ask(query, 5, mode, explain=True, **more))
                assert found == local(whole_set, query, 5, mode, explain=True, **{"where": None, **more}), (mode, more)
                shown.append(sum(one["imputed"] for hit in found for one in hit["explanation"]["tokens"]))

    tried(parts, act)
    assert shown[0] < shown[1], "one list a token in place of the profile's meets less"


def test_a_front_answers_as_the_whole_set_in_one_process_does(parts: PartSet) -> None:
    async def act(site: Site) -> None:
        with xa.open(parts.root, "cpu") as whole_set:
            for mode in MODES:
                # No chunk of part b has a year; and a number beyond 64 bits is one, too.
                for where in (None, {"year": {"not": 2020}}, {"year": None}, {"year": {"lt": 2**70}}):
                    for query in ("parse date zebra", "+zebra list", "f7", "b.f7()", PLACES):
                        answer = await site.ask(query, 7, mode, where=where)
                        assert hits(answer) == local(whole_set, query, 7, mode, where), (mode, where)
            for chosen, more in SETTINGS:
                for query in ("+zebra list", "b.f2()", '""', PLACES):
                    answer = await site.ask(query, 25, chosen, **more)
                    given = {"where": None, **more}
                    assert hits(answer) == local(whole_set, query, 25, chosen, **given), (chosen, more, query)
        innermost, outer, *_ = hits(await site.ask(PLACES, 25))
        assert innermost["source"] == "b" and innermost["scores"]["place"] > outer["scores"]["place"] > 0
        # A client of this package reads it as any server's answer.
        answer = await site.ask("parse date zebra", 3, explain=True)
        (first, *_) = hits_of(answer.json()["hits"])
        assert first.source in ("a", "b") and first.confidence is None
        assert first.explanation is not None and first.explanation.tokens and first.explanation.terms
        assert answer.headers["xtr-generation"] == "1" and answer.headers["xtr-parts"] == "a=1 b=1"
        assert (answer.json()["parts"], answer.json()["partial"]) == ({"a": 1, "b": 1}, [])
        both = (await site.web.post("/v1/search", json={"queries": ["zebra", " "], "k": 2})).json()["results"]
        assert [len(one["hits"]) for one in both] == [2, 0]
        about = (await site.web.get("/v1/generation")).json()
        assert (about["generation"], about["live_rows"], about["problem"]) == (1, 120, None)
        assert (await site.web.get("/readyz")).status_code == 200
        counted = []
        for _ in range(2):
            shown = (await site.web.get("/metrics")).text
            (line,) = re.findall(r'^xtr_assets_search_queries_total\{mode="exact"\} (.*)$', shown, re.MULTILINE)
            counted.append(float(line))
            await site.ask("zebra", 3, "exact")
        assert counted[1] - counted[0] == 1

    tried(parts, act)


def test_a_front_asks_what_an_earlier_release_built_as_that_release_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xtr_assets.pipeline.derive.lexical_index.TERMS_VERSION", 1)
    made = PartSet.create(tmp_path / "set")
    for seed, name in enumerate(("a", "b")):
        made.add(name)
        build(made, name, seed)
    made.publish(force_reason=FORCE)

    async def act(site: Site) -> None:
        with xa.open(made.root, "cpu") as whole_set:
            for mode in ("lexical", "hybrid"):
                found = hits(await site.ask("zebra in Python", 5, mode, explain=True))
                assert found == local(whole_set, "zebra in Python", 5, mode, None, explain=True)
                assert not [one for hit in found for one in hit["explanation"]["terms"] if one["term"] == ".python"]

    tried(made, act)


def test_a_front_corrects_the_spelling_that_the_whole_set_in_one_process_does(parts: PartSet) -> None:
    """A word of one part alone is known; of near ones that of most rows of all parts is meant; a filter hides words."""
    for part, word, count in (("a", "cabinet", 2), ("b", "cabiner", 3), ("a", "cabinet", 2), ("b", "pelican", 1)):
        chunks = [make_chunk(f"{part}/{word}{i}.py", "", f"a {word} of {i}", source=part) for i in range(count)]
        warehouse = parts.warehouse(part)
        write_shard(warehouse, f"{word}{count}", chunks)
        draft = drafted(warehouse, recipe="Flat")
        warehouse.publish(draft.number, force_reason=FORCE)
    parts.publish(force_reason=FORCE)
    asked = [
        ("cabinex zebrra", None, "cabiner zebra"),
        ("cabinex", {"source": "a"}, "cabinet"),
        # Rows of the first part alone have years.
        ("zebrra", {"year": 2020}, "zebra"),
        ("zebrra", {"year": {"not": 2020}}, "zebra"),
        ("a pelicn of zebra", None, "a pelican of zebra"),
        ("pelicn", {"source": "a"}, ""),
        ("cabinet pelican zebra", None, ""),
        ("+zebrra", None, ""),
        ('the "cabinet of zebras" here', None, "the cabinet of zebras here"),
        ('the "a cabinet of 1" here', None, ""),
        ('the "a cabinet of 1" here', {"source": "b"}, "the a cabinet of 1 here"),
        ('"cabinet of zebras"', None, "cabinet of zebras"),
        ('+"cabinet of zebras"', None, ""),
        ('zebrra "cabinet of zebras"', None, "zebrra cabinet of zebras"),
    ]

    async def act(site: Site) -> None:
        with xa.open(parts.root, "cpu") as whole_set:
            for query, where, meant in asked:
                for mode in ("lexical", "exact", "hybrid", "dense"):
                    answer = await site.ask(query, 9, mode, where=where)
                    found = whole_set.search(query, 9, mode, where)
                    assert answer.json().get("corrected", "") == found.corrected, (query, where, mode)
                    assert hits(answer) == local(whole_set, query, 9, mode, where), (query, where, mode)
                    assert mode != "lexical" or found.corrected == meant
            longest = "pelicn" + " 1" * ((Limits().query_chars - 6) // 2)
            answer = await site.ask(longest, 1, "lexical")
            assert (
                answer.json()["corrected"]
                == whole_set.search(longest, 1, "lexical").corrected
                == f"pelican{longest[6:]}"
            )
            batch = ["zebrra pelicn", "LinkedZebra", " ", *["zebra"] * 31]
            answer = await site.web.post("/v1/search", json={"queries": batch, "k": 1, "mode": "lexical"})
            told = [one.get("corrected", "") for one in answer.json()["results"]]
            assert told == [one.corrected for one in whole_set.search_batch(batch, 1, "lexical")]
        # As long as a query may be, and a letter is missing.
        longest = "1 " * (Limits().query_chars // 2 - 3) + "pelicn"
        answer = await site.ask(longest, 1, "lexical")
        assert len(longest) == Limits().query_chars and answer.json()["corrected"] == longest[:-1] + "an"
        plain = await site.ask("cabinex", 9, "lexical", syntax="plain")
        assert (hits(plain), "corrected" in plain.json()) == ([], False)
        (first, second) = (
            await site.web.post("/v1/search", json={"queries": ["zebra", "zebrra"], "k": 4, "mode": "lexical"})
        ).json()["results"]
        assert (first["hits"], second.pop("corrected")) == (second["hits"], "zebra") and "corrected" not in first

    tried(parts, act)


@pytest.mark.parametrize("lacks", ["unheld", "near"])
def test_a_front_asks_as_it_was_typed_where_a_server_of_an_earlier_release_answers(parts: PartSet, lacks: str) -> None:
    """It says nothing of words, or it is a replica of one that does and does not know what it is asked then."""

    async def act(site: Site) -> None:
        sent = site.client.send

        async def send(request: httpx.Request, **more: Any) -> httpx.Response:
            if request.url.path == "/v1/part/near":
                request.url = request.url.copy_with(path="/v1/part/of-a-later-release")
            answer = await sent(request, **more)
            if lacks == "near":
                answer.headers["xtr-version"] = "0.0.1"
            elif request.url.path == "/v1/part/prepare" and request.url.host.startswith("b"):
                told = answer.json()
                del told["unheld"]
                return httpx.Response(200, json=told, request=request)
            return answer

        site.client.send = send  # type: ignore[method-assign]
        answer = await site.ask("list zebrra", 5, "lexical")
        assert "corrected" not in answer.json()
        assert hits(answer) == hits(await site.ask("list zebrra", 5, "lexical", syntax="plain")) != []

    tried(parts, act)


def test_a_front_reads_of_near_words_what_it_knows_and_refuses_what_are_none(parts: PartSet) -> None:
    """A part of a later release may say more; fronts are updated behind their parts."""
    zebra = {"rows": 30, "written": [{"zebra": 1}], "of_a_later_release": True}

    async def act(site: Site) -> None:
        sent = site.client.send
        for near, status in (({"zebrra": {"zebra": zebra}}, 200), ({}, 503), ({"zebrra": {"zebra": 30}}, 503)):

            async def send(request: httpx.Request, near: Any = near, **more: Any) -> httpx.Response:
                if request.url.path == "/v1/part/near" and request.url.host.startswith("b"):
                    return httpx.Response(200, json={"generation": 1, "near": near}, request=request)
                return await sent(request, **more)

            site.client.send = send  # type: ignore[method-assign]
            answer = await site.ask("list zebrra", 5, "lexical")
            assert answer.status_code == status, answer.text
            assert ("list zebra" if status == 200 else "a part told what is no near word") in answer.text

    tried(parts, act)


def test_copies_in_several_parts_are_told_of_the_hit_that_stands_for_them(parts: PartSet) -> None:
    async def act(site: Site) -> None:
        with xa.open(parts.root, "cpu") as whole_set:
            for where, sources in ((None, {"a", "b"}), ({"source": "b"}, {"b"})):
                answer = await site.ask("parse date zebra", 120, "dense", where=where, collapse="text")
                found = hits(answer)
                assert found == local(whole_set, "parse date zebra", 120, "dense", where, collapse="text")
                assert {place["source"] for hit in found for place in hit["also"]} == sources
                assert sum(hit["copies"] for hit in found) == (120 if where is None else 60) - len(found) > 5
            (first, *_) = hits_of(found)
            assert first.copies is not None and all(one.start_line >= 0 for one in first.also)
            body = {"query": "zebra", "k": 9, "collapse": "text", "hydrate": False}
            bare = (await site.web.post("/v1/search", json=body)).json()["hits"]
            assert bare == [without_chunk(hit) for hit in local(whole_set, "zebra", 9, "hybrid", None, collapse="text")]
            assert {"copies", "also"} & bare[0].keys() == {"copies"}

    tried(parts, act)


def test_a_front_refuses_what_are_no_copies_and_names_a_part_that_knows_none(parts: PartSet) -> None:
    """A part of an earlier release folds no texts; fronts are updated behind their parts."""

    async def act(site: Site) -> None:
        sent = site.client.send
        place = {"chunk_id": 1, "source": "b", "path": "x", "symbol": "", "start_line": 1, "of_a_later_release": 1}
        for path, status, answer, told in (
            (
                "legs",
                400,
                {"error": {"type": "InvalidInput", "message": "collapse: Input should be 'symbol'"}},
                "0.0.7",
            ),
            ("copies", 404, {"error": {"type": "InvalidInput", "message": "no route"}}, "0.0.7"),
            ("copies", 200, {"generation": 1, "copies": {}}, "no copy of a text"),
            ("copies", 200, {"count": 1, "first": [{**place, "path": "x"}]}, ""),
            ("copies", 200, {"count": 1, "first": [{"chunk_id": 1}]}, "no copy of a text"),
        ):

            async def send(
                request: httpx.Request, path: str = path, status: int = status, answer: Any = answer, **more: Any
            ) -> httpx.Response:
                if request.url.path != f"/v1/part/{path}" or not request.url.host.startswith("b"):
                    return await sent(request, **more)
                if "first" in answer:
                    answer = {"copies": dict.fromkeys(orjson.loads(request.content)["texts"], answer)}
                return httpx.Response(status, json=answer, request=request, headers={"xtr-version": "0.0.7"})

            site.client.send = send  # type: ignore[method-assign]
            found = await site.ask("parse date zebra", 5, collapse="text")
            assert found.status_code == (503 if told else 200) and told in found.text, found.text
            assert (await site.ask("parse date zebra", 5, collapse="symbol")).status_code == (
                503 if path == "legs" else 200
            )

    tried(parts, act)


def test_what_a_front_does_not_answer_is_refused_by_name_with_the_remedy(parts: PartSet) -> None:
    async def act(site: Site) -> None:
        for body, told in (
            ({"query": "zebra", "mode": "exact", "nprobe": 3}, "nprobe is 3 in mode 'exact'"),
            ({"vectors": [["x"]]}, "numbers"),
            ({"vectors": [[0.0]], "mode": "xtr"}, "mode is 'xtr' with vectors"),
            ({"tokens": [[[0.0]]], "ef_search": 3}, "the field 'ef_search' is unknown"),
            ({"query": "zebra", "where": {"author": "x"}}, "no column 'author' to filter on; there are source, path, "),
            ({"queries": [], "where": {"author": "x"}}, "no column 'author' to filter on"),
            ({"query": " ", "where": {"author": "x"}}, "end_line, chunk_id, and the metadata fields year"),
            ({"query": "zebra", "k": 10**6}, "k is 1000000"),
            ({"query": "zebra", "rerank": True}, "the field 'rerank' is unknown"),
        ):
            refused = await site.web.post("/v1/search", json=body)
            assert refused.status_code == 400 and told in refused.text, refused.text
        for method, path in (
            ("GET", "/"),
            ("POST", "/mcp"),
            ("POST", "/v1/generations/1/open"),
            ("GET", "/openapi.json"),
        ):
            refused = await site.web.request(method, path)
            assert refused.status_code == 404, path
            assert f"{method} {path}" in refused.text and "xtr-assets serve --warehouse SET" in refused.text
        for path in ("/v1/generation", "/v1/chunks/1"):
            assert (await site.web.get(path, params={"index": "other"})).status_code == 404
        assert (await site.web.get("/v1/generation", params={"index": "docs"})).status_code == 200
        other = await site.web.post("/v1/search", params={"index": "other"}, json={"query": "zebra"})
        assert other.status_code == 404 and "there is docs" in other.text

    tried(parts, act)


@pytest.mark.parametrize("first", [1, 3, 20])
def test_ranks_joined_by_lists_that_were_too_short_are_those_of_all_rows(
    parts: PartSet, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    monkeypatch.setattr(part_rounds, "first_most", lambda k, legs: first)

    async def act(site: Site) -> None:
        with xa.open(parts.root, "cpu") as whole_set:
            for query in ("parse date zebra", "+zebra list", "b.f7()"):
                for k, more in (
                    (1, {}),
                    (7, {"explain": True}),
                    (9, {"collapse": "symbol"}),
                    (9, {"collapse": "text"}),
                    (200, {}),
                ):
                    answer = await site.ask(query, k, "exact", fusion="rrf", **more)
                    given: dict[str, Any] = {"fusion": "rrf", **more}
                    assert hits(answer) == local(whole_set, query, k, "exact", None, **given), (query, k, more)

    tried(parts, act)


def test_vectors_and_tokens_are_answered_as_the_whole_set_does(parts: PartSet) -> None:
    async def act(site: Site) -> None:
        chance = np.random.default_rng(4)
        with xa.open(parts.root, "cpu") as whole_set:
            encoder = whole_set.manifest.encoder
            vectors = chance.standard_normal((3, encoder.dim), np.float32)
            tokens = [chance.standard_normal((count, encoder.token_dim), np.float32) for count in (1, 5, 0)]
            for where in (None, {"source": "b"}, {"year": 2020}, {"symbol": "nowhere"}):
                for k in (1, 7, 200):
                    for kind, asked, more in (
                        ("vectors", vectors, {}),
                        ("vectors", vectors, {"nprobe": 2, "rescore": 20}),
                        ("tokens", tokens, {}),
                        ("tokens", tokens, {"k_prime": 50}),
                    ):
                        search: Any = whole_set.search_vectors if kind == "vectors" else whole_set.search_tokens
                        scores, ids = search(asked, k, where, **more)
                        body: dict[str, Any] = {kind: [one.tolist() for one in asked], "k": k, "where": where, **more}
                        answer = await site.web.post("/v1/search", json=body)
                        assert answer.status_code == 200, answer.text
                        document = answer.json()
                        assert document["mode"] == {"vectors": "dense", "tokens": "xtr"}[kind]
                        for one, own_scores, own_ids in zip(document["results"], scores, ids, strict=True):
                            found = [(hit["chunk_id"], np.float32(hit["score"])) for hit in one["hits"]]
                            assert found == [(i, s) for i, s in zip(own_ids, own_scores, strict=True) if i >= 0]
                            for hit in one["hits"]:
                                assert hit["scores"] == {document["mode"]: hit["score"]} and hit["text"]
                        bare = (await site.web.post("/v1/search", json={**body, "hydrate": False})).json()["results"]
                        assert bare == [
                            {
                                "hits": [
                                    {name: hit[name] for name in ("rank", "chunk_id", "id", "score")}
                                    for hit in one["hits"]
                                ]
                            }
                            for one in document["results"]
                        ]
        texts = {"queries": ["zebra", "parse"], "explain": True}
        full = (await site.web.post("/v1/search", json=texts)).json()["results"]
        bare = (await site.web.post("/v1/search", json={**texts, "hydrate": False})).json()["results"]
        assert bare == [{"hits": [without_chunk(hit) for hit in one["hits"]]} for one in full]
        for other in ({"vectors": [[0.5, 0.5]]}, {"tokens": [[[0.5, 0.5]]]}):
            wrong = await site.web.post("/v1/search", json=other)
            assert wrong.status_code == 400 and "use the index's encoder" in wrong.text

    tried(parts, act)


def test_what_is_said_of_the_whole_is_what_a_server_over_it_says(parts: PartSet) -> None:
    async def act(site: Site) -> None:
        index = HostedIndex("docs", parts.root, "cpu")
        index.look()
        app = httpx.ASGITransport(Server([index], Bearers(variable=None)).app)
        async with httpx.AsyncClient(transport=app, base_url="http://whole") as whole_set:
            for path in ("/v1/facets", "/v1/state"):
                wanted = (await whole_set.get(path)).json()
                for _ in range(2):
                    assert (await site.web.get(path)).json() == wanted, path
                assert wanted["generation"] == 1
            build(parts, "a", 7)
            parts.publish(force_reason=FORCE)
            parts.rollback()
            site.look()
            index.look()
            listed = (await site.web.get("/v1/generations")).json()
            wanted = (await whole_set.get("/v1/generations")).json()
            shared = ("generation", "state", "parent", "created_at", "live_rows", "forced")
            assert [{name: one[name] for name in shared} for one in listed["generations"]] == [
                {name: one[name] for name in shared} for one in wanted["generations"]
            ]
            assert listed["generation"] == 3 and listed["generations"][2]["to"] == 1
            assert set(listed) == set(wanted)
            assert [one["parts"]["a"] for one in listed["generations"]] == [1, 2, 1]
            # An earlier move is told of as itself, where the parts still have it.
            pinned = (await site.web.get("/v1/facets", headers={"Xtr-Generation": "2"})).json()
            assert pinned["generation"] == 2 and len(pinned["sources"]) == 2
            state = (await site.web.get("/v1/state")).json()
            assert state == (await whole_set.get("/v1/state")).json()
            assert [one["ahead"] for one in state["shards"]] == [True, False]
        index.close()
        for door in ("a1", "a2"):
            site.doors[door].shut = True
        down = await site.web.get("/v1/state")
        assert down.status_code == 503 and "part a does not answer" in down.text
        assert (await site.web.get("/v1/facets")).status_code == 200, "generations never change"

    tried(parts, act)


def test_symbols_beyond_what_a_front_looks_at_are_refused(parts: PartSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_rounds, "MOST_LISTED", 60)

    async def act(site: Site) -> None:
        # 30 chunks a part share a symbol by fours: 40 symbols are not among the first lists.
        refused = await site.ask("parse date zebra", 59, collapse="symbol")
        assert refused.status_code == 400 and "collapse is 'symbol', and 59 symbols" in refused.text
        assert len(hits(await site.ask("parse date zebra", 59))) == 59

    tried(parts, act)


def test_chunks_and_what_stands_around_them_come_from_the_part_that_has_them(parts: PartSet) -> None:
    async def act(site: Site) -> None:
        with xa.open(parts.root, "cpu") as whole_set:
            found = whole_set.search("zebra", 12, "lexical")
            ids = [hit.chunk_id for hit in found]
            assert {hit.source for hit in found} == {"a", "b"}
            read = await site.web.get("/v1/chunks", params={"ids": ",".join(map(str, [*ids, ids[0]]))})
            wanted = [hit.document(rank) for rank, hit in enumerate(whole_set.hydrate([*ids, ids[0]]), 1)]
            assert (read.json()["chunks"], read.json()["generation"]) == (orjson.loads(encoded({"x": wanted}))["x"], 1)
            # Files have six chunks each, of which it is neither the first nor the last.
            inside = next(hit.chunk_id for hit in found if hit.start_line % 6 not in (0, 5))
            with whole_set.opened() as opened:
                around = neighbourhood(opened, inside, 2, 1)
        near = (await site.web.get(f"/v1/chunks/{inside}", params={"before": 2, "after": 1})).json()
        assert near["chunk"]["chunk_id"] == inside and near["before"] and near["after"]
        for name, hits_there in (("before", around.before), ("after", around.after)):
            assert [one["chunk_id"] for one in near[name]] == [hit.chunk_id for hit in hits_there]
        absent = await site.web.get("/v1/chunks", params={"ids": f"{ids[0]},12345"})
        assert absent.status_code == 404 and "chunk 12345 is not in generation 1 (1 of 2 are not)" in absent.text
        assert (await site.web.get("/v1/chunks/12345")).status_code == 404
        assert (await site.web.get(f"/v1/chunks/{ids[0]}", params={"before": 51})).status_code == 400
        # A part that is down matters where the chunk is in none of the others.
        site.doors["b1"].shut = True
        of = {hit.source: hit.chunk_id for hit in found}
        assert (await site.web.get(f"/v1/chunks/{of['a']}")).status_code == 200
        away = await site.web.get(f"/v1/chunks/{of['b']}")
        assert away.status_code == 503 and "part b does not answer" in away.text

    tried(parts, act)


def test_a_pinned_move_answers_or_is_gone(parts: PartSet) -> None:
    async def act(site: Site) -> None:
        before = hits(await site.ask("parse date zebra"))
        build(parts, "b", 8)
        parts.publish(force_reason=FORCE)
        site.look()
        asked = {"query": "parse date zebra", "k": 10}
        pinned = await site.web.post("/v1/search", json=asked, headers={"Xtr-Generation": "1"})
        assert pinned.headers["xtr-generation"] == "1" and hits(pinned) == before
        assert hits(await site.ask("parse date zebra")) != before
        about = (await site.web.get("/v1/generation", headers={"Xtr-Generation": "1"})).json()
        assert (about["generation"], about["published"], about["parts"]) == (1, 2, {"a": 1, "b": 1})
        chunk = before[0]["chunk_id"]
        read = await site.web.get(f"/v1/chunks/{chunk}", headers={"Xtr-Generation": "1"})
        assert (read.json()["generation"], read.json()["chunk"]["text"]) == (1, before[0]["text"])
        unknown = await site.web.post("/v1/search", json=asked, headers={"Xtr-Generation": "9"})
        assert unknown.status_code == 410 and "move 9 is unknown here, there are 1 to 2" in unknown.text
        wrong = await site.web.post("/v1/search", json=asked, headers={"Xtr-Generation": "first"})
        assert wrong.status_code == 400
        parts.warehouse("b").withdraw(1, "bad")
        site.indexes["b1"]._held[1].leased_until = 0.0
        site.indexes["b1"].look()
        gone = await site.web.post("/v1/search", json=asked, headers={"Xtr-Generation": "1"})
        assert gone.status_code == 410 and "part b does not hold the generation of move 1" in gone.text

    tried(parts, act)


def test_a_part_that_lacks_the_last_move_may_have_it_in_a_moment(
    parts: PartSet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever named no move is not told that one is gone, though the moves were read again while the part was asked.
    One look reads the last of many moves."""
    for _ in range(3):
        build(parts, "b", 8)
        parts.publish(force_reason=FORCE)

    async def act(site: Site) -> None:
        sent = site.client.send
        read: list[int] = []
        # The last of four is answered from, which the front knows; then another one comes.
        assert (await site.ask("zebra")).json()["generation"] == 4
        parts.rollback()

        async def send(request: httpx.Request, **more: Any) -> httpx.Response:
            site.front.look()
            told = {"error": {"type": "GenerationError", "message": "not here"}}
            return httpx.Response(410, json=told, request=request, headers={"xtr-version": version("xtr-assets")})

        site.client.send = send  # type: ignore[method-assign]
        for pinned, status in ((None, 503), ("5", 503), ("4", 410), ("1", 410)):
            headers = {} if pinned is None else {"Xtr-Generation": pinned}
            answer = await site.web.post("/v1/search", json={"query": "zebra"}, headers=headers)
            assert answer.status_code == status, (pinned, answer.text)
        site.client.send = sent  # type: ignore[method-assign]
        once = move_chain._read

        def counted(layout: PartsLayout, number: int) -> tuple[PartMove, str]:
            read.append(number)
            return once(layout, number)

        monkeypatch.setattr(move_chain, "_read", counted)
        site.front.look()
        assert read == [5]
        parts.rollback()
        read.clear()
        site.front.look()
        assert read == [6, 1, 2, 3, 4, 5, 6] and site.front._known.moves[-1].to == 2

        def strange(*_: object) -> None:
            raise RuntimeError("nobody expected it")

        monkeypatch.setattr(move_chain, "_read", strange)
        caplog.clear()
        for _ in range(3):
            site.front.look()
        assert len(caplog.records) == 1, "not once a second"
        for path in ("/v1/generation", "/v1/generations"):
            about = (await site.web.get(path)).json()
            assert (about["generation"], about["problem"]) == (6, "RuntimeError: the server's log says more")

    tried(parts, act)


def test_a_part_whose_server_does_not_read_the_last_move_answers_from_the_one_before(
    parts: PartSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Built by a later release before every server was updated: each question was refused."""

    def unread(generation: Generation) -> None:
        if generation.number == 2:
            raise UnknownFormat("sets a key that no release before knows")

    async def act(site: Site) -> None:
        before = hits(await site.ask("parse date zebra"))
        build(parts, "a", 8)
        parts.publish(force_reason=FORCE)
        monkeypatch.setattr("xtr_assets.server.index_place.check_profile", unread)
        site.front.look()
        answer = await site.ask("parse date zebra")
        assert hits(answer) == before and answer.json()["generation"] == 1
        pinned = await site.web.post("/v1/search", json={"query": "zebra"}, headers={"Xtr-Generation": "2"})
        assert pinned.status_code == 503 and "part a does not hold the generation of move 2" in pinned.text
        opened = await site.client.post("http://a1/v1/generations/2/open", headers={"Authorization": f"Bearer {TOKEN}"})
        assert opened.status_code == 409 and "update the server" in opened.text

    tried(parts, act)


def test_no_answer_mixes_the_generations_of_two_moves(parts: PartSet) -> None:
    async def act(site: Site) -> None:
        before = hits(await site.ask("parse date zebra"))
        build(parts, "a", 7)
        build(parts, "b", 8)
        # The parts moved on by themselves: what the move names is opened beside.
        for index in site.indexes.values():
            index.look()
        assert hits(await site.ask("parse date zebra")) == before
        parts.publish(force_reason=FORCE)
        site.front.look()
        after = await site.ask("parse date zebra")
        assert after.json()["generation"] == 2 and after.json()["parts"] == {"a": 2, "b": 2}
        with xa.open(parts.root, "cpu") as whole:
            assert hits(after) == local(whole, "parse date zebra", 10, "hybrid", None) != before
        # A part whose server has not the generation yet (its copy is behind): all of it is that of the move before.
        build(parts, "b", 9)
        parts.publish(force_reason=FORCE)
        site.front.look()
        manifest = parts.layout.part("b") / "generations" / "3"
        hidden = manifest.rename(manifest.with_name("hidden"))
        site.indexes["b1"]._warehouse = None
        with suppress(xa.XtrAssetsError):
            site.indexes["b1"].look()
        late = await site.ask("parse date zebra")
        assert late.json()["generation"] == 2 and hits(late) == hits(after)
        hidden.rename(manifest)
        assert (await site.ask("parse date zebra")).json()["parts"] == {"a": 2, "b": 3}

    tried(parts, act)


def test_another_generation_of_the_same_number_is_no_part_of_a_move(parts: PartSet) -> None:
    async def act(site: Site) -> None:
        asked, vector = {"query": "zebra", "mode": "lexical", "generation": 1}, [1.0] + 63 * [0.0]
        right = parts.moves()[0].parts["b"].manifest_sha256
        nested: Any = "p"
        for _ in range(10):
            nested = {"not": nested}
        for sha256, status in ((right, 200), ("0" * 64, 409), ("x", 400)):
            told = await site.client.post("http://b1/v1/part/prepare", json={**asked, "sha256": sha256})
            assert told.status_code == status, told.text
        for body, words in (
            ({"mode": "dense", "k": 3}, "`embedding` is missing"),
            ({"mode": "dense", "k": 3, "embedding": [1.0]}, "dim 64 in the index, 1 in the queries"),
            ({"mode": "lexical", "k": 10**7}, "k is 10000000"),
            ({"mode": "lexical", "k": 3, "secret": 1}, "secret"),
            (
                {"mode": "exact", "k": 3, "embedding": vector, "tokens": [], "moments": {"dense": [0, 1]}},
                "`moments` lack",
            ),
            ({"mode": "exact", "k": 3, "embedding": vector, "tokens": [], "moments": {"dense": [0, -1]}}, "moments"),
            ({"mode": "lexical", "k": 3, "most": 20_001}, "most"),
        ):
            told = await site.client.post("http://b1/v1/part/legs", json={**asked, "sha256": right, **body})
            assert told.status_code == 400 and words in told.text, told.text
        near: dict[str, Any] = {"words": ["zebrra"], "mode": "lexical", "generation": 1, "sha256": right}
        for path, words in ((["p"] * 1001, "at most 1000"), (nested, "nests deeper than 8 levels")):
            told = await site.client.post("http://b1/v1/part/near", json={**near, "where": {"path": path}})
            assert told.status_code == 400 and words in told.text, told.text

    tried(parts, act)


def test_a_replica_that_was_built_by_itself_gives_no_text_of_an_answer(parts: PartSet, tmp_path: Path) -> None:
    """Its generation has the number that the move names, and its chunks the same ids."""
    other = PartSet.create(tmp_path / "other")
    other.add("a")
    build(other, "a", 9)

    async def act(site: Site) -> None:
        wanted = hits(await site.ask("parse date zebra"))
        strange = HostedIndex("a", other.layout.part("a"), "cpu")
        strange.look()
        site.doors["a2"].lead_to(Server([strange], Bearers(variable=None)).app)
        came = site.doors["a2"].came
        for _ in range(2):
            assert hits(await site.ask("parse date zebra")) == wanted
        assert site.doors["a2"].came > came
        strange.close()

    tried(parts, act)


def test_a_part_whose_disk_is_gone_answers_on(parts: PartSet) -> None:
    async def act(site: Site) -> None:
        wanted = hits(await site.ask("parse date zebra"))
        for name in ("a", "b"):
            parts.layout.part(name).rename(parts.root / name)
        site.look()
        assert site.indexes["b1"].problem is not None
        assert hits(await site.ask("parse date zebra")) == wanted

    tried(parts, act)


def test_a_part_that_is_down_is_named_and_never_left_out_unsaid(parts: PartSet) -> None:
    async def act(site: Site) -> None:
        whole = hits(await site.ask("zebra", 5))
        site.doors["b1"].shut = True
        refused = await site.ask("zebra", 5)
        assert refused.status_code == 503 and "part b does not answer on any server" in refused.text
        assert refused.headers["retry-after"] == "1"
        ready = await site.web.get("/readyz")
        assert ready.status_code == 503 and ready.json()["down"] == ["b"]
        site.doors["b1"].shut = False
        # A replica stands in for another, in the middle of whatever.
        for shut in ("a1", "a2"):
            site.doors[shut].shut = True
            assert hits(await site.ask("zebra", 5)) == whole and hits(await site.ask("zebra", 5)) == whole
            site.doors[shut].shut = False

    tried(parts, act)


def test_an_answer_without_a_part_says_so_where_that_was_asked_for(parts: PartSet) -> None:
    async def act(site: Site) -> None:
        site.doors["b1"].shut = True
        answer = await site.ask("parse date zebra", 5)
        assert answer.json()["partial"] == ["b"] and answer.headers["xtr-partial"] == "b"
        assert answer.json()["parts"] == {"a": 1} and answer.headers["xtr-parts"] == "a=1"
        # Counts and means are those of what answered: what the part says by itself.
        with xa.open(parts.layout.part("a"), "cpu") as alone:
            assert hits(answer) == local(alone, "parse date zebra", 5, "hybrid", None)
        site.doors["a1"].shut = site.doors["a2"].shut = True
        assert (await site.ask("zebra", 5)).status_code == 503

    tried(parts, act, partial=True)


def test_a_slow_replica_is_hedged_by_the_next(parts: PartSet) -> None:
    async def act(site: Site) -> None:
        site.doors["a1"].slow = 30.0
        async with asyncio.timeout(20):
            for _ in range(2):
                assert len(hits(await site.ask("zebra", 5))) == 5
        assert site.doors["a1"].came and site.doors["a2"].came

    tried(parts, act, hedge=0.05)


def test_many_questions_at_once_wait_for_no_connection() -> None:
    """What waits for one counts as slow, and is asked of the next replica, too. The part answers once all 130 came."""
    came: list[bytes] = []

    async def run() -> None:
        all_there = asyncio.Event()

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            came.append(await reader.readuntil(b"\r\n\r\n"))
            if len(came) == 130:
                all_there.set()
            await all_there.wait()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0, backlog=200) as replica, part_client() as client:
            url = f"http://127.0.0.1:{replica.sockets[0].getsockname()[1]}"
            servers = PartServers({"a": [Destination.checked(url, TOKEN, None, 20.0)]}, 20.0, client)
            found = await asyncio.gather(*(servers.ask("a", PartRequest("/x")) for _ in range(130)))
        assert found == [{}] * 130

    asyncio.run(run())


@pytest.mark.parametrize(
    ("release", "told"),
    [
        (None, "a server of it is of a release before this front's ("),
        ("0.0.7", "a server of it is of release '0.0.7', this front of '"),
        ("own", "does not hold the generation"),
    ],
)
def test_a_part_of_another_release_that_does_not_know_what_it_is_asked_is_named(
    parts: PartSet, release: str | None, told: str
) -> None:
    """Its routes of parts are taken away, as in a release before they were; of this release it is none of that."""

    async def act(site: Site) -> None:
        sent = site.client.send

        async def send(request: httpx.Request, **more: Any) -> httpx.Response:
            if not request.url.host.startswith("a"):
                return await sent(request, **more)
            answer = await sent(
                httpx.Request("GET", f"{request.url.scheme}://{request.url.host}/v1/none", headers=request.headers),
                **more,
            )
            assert answer.status_code == 404 and answer.headers["xtr-version"] == version("xtr-assets")
            del answer.headers["xtr-version"]
            if release is not None:
                answer.headers["xtr-version"] = version("xtr-assets") if release == "own" else release
            return answer

        site.client.send = send  # type: ignore[method-assign]
        for answer in (await site.ask("zebra"), await site.web.get("/v1/chunks", params={"ids": "1"})):
            assert answer.status_code == 503 and "part a " in answer.text and told in answer.text, answer.text
            assert ("update" in answer.text) == (release != "own")

    tried(parts, act)


def test_a_page_of_a_script_without_spaces_has_no_more_terms_than_a_part_takes() -> None:
    terms = query_terms("".join(chr(0x4E00 + i) for i in range(Limits().query_chars)))
    told = ToldCollection(rows=1, length=1, frequencies=dict.fromkeys(terms, 1))
    assert len(told.frequencies) == Limits().query_chars - 1
