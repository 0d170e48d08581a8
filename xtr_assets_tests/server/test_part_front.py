"""A front over servers of parts, all in this process: one answer from one move, whatever a part does meanwhile."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

import xtr_assets as xa
from xtr_assets.client.destination import Destination
from xtr_assets.client.wire import hits_of
from xtr_assets.server.application import Server
from xtr_assets.server.bearers import Bearers
from xtr_assets.server.hosted_index import HostedIndex
from xtr_assets.server.part_call import PartServers
from xtr_assets.server.part_front import PartFront
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets_tests.fixtures import drafted, make_chunk, write_shard
from xtr_assets_tests.search.conftest import PROFILE, texts

TOKEN = "a-token-of-the-parts"
FORCE = "no gate here"


def build(parts: PartSet, part: str, seed: int) -> None:
    chunks = [
        make_chunk(f"{part}/{i}.py", f"f{i}", text, source=part, metadata='{"year": 2020}' if part == "a" else "{}")
        for i, text in enumerate(texts(60, seed))
    ]
    warehouse = parts.warehouse(part)
    write_shard(warehouse, part, chunks)
    draft = drafted(warehouse, recipe="Flat")
    draft.set_profile("hybrid", PROFILE)
    warehouse.publish(draft.number, force_reason="these tests have no gate")


class Door(httpx.AsyncBaseTransport):
    """The way to one server, which can be shut or slow; counts who came."""

    def __init__(self, app: Any) -> None:
        self._inner = httpx.ASGITransport(app)
        self.shut, self.slow, self.came = False, 0.0, 0

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


def hits(answer: httpx.Response) -> list[tuple[Any, ...]]:
    assert answer.status_code == 200, answer.text
    return [(one["chunk_id"], one["score"], one["scores"], one["text"], one["rank"]) for one in answer.json()["hits"]]


def local(searcher: xa.Searcher, query: str, k: int, mode: Any, where: Mapping[str, Any] | None) -> list[Any]:
    found = searcher.search(query, k, mode, where)
    return [(hit.chunk_id, hit.score, dict(hit.scores), hit.text, rank) for rank, hit in enumerate(found, 1)]


def test_a_front_answers_as_the_whole_set_in_one_process_does(parts: PartSet) -> None:
    async def act(site: Site) -> None:
        with xa.open(parts.root, "cpu") as whole:
            for mode in ("hybrid", "dense", "xtr", "lexical"):
                for where in (None, {"source": "b"}, {"year": 2020}):
                    for query in ("parse date zebra", "+zebra list", "f7", "b.f7()"):
                        answer = await site.ask(query, 7, mode, where=where)
                        assert hits(answer) == local(whole, query, 7, mode, where), (mode, where)
        # A client of this package reads it as any server's answer.
        (first, *_) = hits_of(answer.json()["hits"])
        assert first.source in ("a", "b") and first.confidence is None
        assert answer.headers["xtr-generation"] == "1" and answer.headers["xtr-parts"] == "a=1 b=1"
        assert (answer.json()["parts"], answer.json()["partial"]) == ({"a": 1, "b": 1}, [])
        both = (await site.web.post("/v1/search", json={"queries": ["zebra", " "], "k": 2})).json()["results"]
        assert [len(one["hits"]) for one in both] == [2, 0]
        about = (await site.web.get("/v1/generation")).json()
        assert (about["generation"], about["live_rows"], about["problem"]) == (1, 120, None)
        assert (await site.web.get("/readyz")).status_code == 200
        for body, told in (
            ({"query": "zebra", "mode": "exact"}, "mode is 'exact'"),
            ({"query": "zebra", "explain": True}, "explain is not answered"),
            ({"vectors": [[0.0]]}, "asked in words"),
            ({"query": "zebra", "where": {"author": "x"}}, "no part has it"),
            ({"query": "zebra", "k": 10**6}, "k is 1000000"),
        ):
            refused = await site.web.post("/v1/search", json=body)
            assert refused.status_code == 400 and told in refused.text, refused.text

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
        asked = {"query": "zebra", "mode": "lexical", "generation": 1}
        right = parts.moves()[0].parts["b"].manifest_sha256
        for sha256, status in ((right, 200), ("0" * 64, 409), ("x", 400)):
            told = await site.client.post("http://b1/v1/part/prepare", json={**asked, "sha256": sha256})
            assert told.status_code == status, told.text
        for body, words in (
            ({"mode": "dense", "k": 3}, "`embedding` is missing"),
            ({"mode": "dense", "k": 3, "embedding": [1.0]}, "dim 64 in the index, 1 in the queries"),
            ({"mode": "lexical", "k": 10**7}, "k is 10000000"),
            ({"mode": "lexical", "k": 3, "secret": 1}, "secret"),
            ({"mode": "exact", "k": 3}, "mode"),
        ):
            told = await site.client.post("http://b1/v1/part/legs", json={**asked, "sha256": right, **body})
            assert told.status_code == 400 and words in told.text, told.text

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
