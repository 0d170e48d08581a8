"""A pointer that moves while many ask: nobody fails, no answer mixes generations, a damaged one never serves."""

import shutil
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest

import xtr_assets as xa
from xtr_assets.core.types import Chunk
from xtr_assets.server import hosted_index
from xtr_assets.server.facets import FacetCounts
from xtr_assets.server.hosted_index import HostedIndex
from xtr_assets.server.problem import Problem
from xtr_assets.storage import content, generation
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.scrub import Scrub
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import make_chunk, new_warehouse, publish_chunks
from xtr_assets_tests.long_cases import more
from xtr_assets_tests.server.site import served, version

PUBLISHES = more(4, 8)
ROLLBACKS = 3


def until(true: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.01)


def test_publishes_and_rollbacks_under_load_fail_nothing_and_mix_nothing(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path / "w", version(1))
    texts = {1: "version 1"}
    stop = Event()

    def ask(url: str, seed: int) -> list[int]:
        seen = []
        with httpx.Client(base_url=url, timeout=60) as client:
            while not stop.is_set():
                body = {"queries": ["zebra version", f"zebra text {seed}"], "k": 30, "mode": "hybrid"}
                answer = client.post("/v1/search", json=body)
                assert answer.status_code == 200, answer.text
                found = answer.json()
                spoken = {
                    " ".join(hit["text"].split()[1:3])
                    for one in found["results"]
                    for hit in one["hits"]
                    if hit["text"].startswith("zebra")
                }
                assert spoken == {texts[found["generation"]]}, (found["generation"], spoken)
                seen.append(found["generation"])
        return seen

    with served({"docs": tmp_path / "w"}, poll_seconds=0.005) as url, ThreadPoolExecutor(6) as pool:
        asking = [pool.submit(ask, url, seed) for seed in range(6)]
        for number in range(2, 2 + PUBLISHES):
            texts[number] = f"version {number}"
            publish_chunks(warehouse, version(number))
            until(lambda number=number: httpx.get(url + "/v1/generation").json()["generation"] == number)  # type: ignore[misc]
        for _ in range(ROLLBACKS):
            back = warehouse.rollback().number
            until(lambda back=back: httpx.get(url + "/v1/generation").json()["generation"] == back)  # type: ignore[misc]
        stop.set()
        seen = [number for one in asking for number in one.result()]
        until(lambda: len(httpx.get(url + "/v1/generation").json()["kept"]) == 1)
    assert len(set(seen)) >= 4 and len(seen) > more(20, 50)


def test_a_pinned_client_stays_while_the_server_moves_on(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path / "w", version(1))
    with served({"docs": tmp_path / "w"}) as url, xa.connect(url, pin=True) as pinned, xa.connect(url) as following:
        publish_chunks(warehouse, version(2))
        until(lambda: following.generation == 2)
        assert pinned.generation == 1 and "version 1" in pinned.search("zebra version", 1)[0].text
        assert "version 2" in following.search("zebra version", 1)[0].text
        assert pinned.refresh() == 2 and "version 2" in pinned.search("zebra version", 1)[0].text


def test_a_lease_that_ran_out_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path / "w", version(1))
    with served({"docs": tmp_path / "w"}, lease_seconds=0.05) as url, xa.connect(url, pin=True) as pinned:
        publish_chunks(warehouse, version(2))
        until(lambda: httpx.get(url + "/v1/generation").json()["kept"] == [2])
        with pytest.raises(
            xa.GenerationError, match=r"generation 1 is not held here .any more., there are .2.; `refresh`"
        ):
            pinned.search("zebra")
        assert pinned.refresh() == 2


def test_nothing_published_is_said_and_served_once_it_is(tmp_path: Path) -> None:
    warehouse = xa.Warehouse.create(tmp_path / "w")
    with served({"docs": tmp_path / "w"}) as url:
        ready = httpx.get(url + "/readyz")
        assert ready.status_code == 503
        assert "nothing is published; `xtr-assets build`" in ready.json()["indexes"]["docs"]["problem"]
        asked = httpx.post(url + "/v1/search", json={"query": "zebra"})
        assert asked.status_code == 503 and asked.json()["error"]["type"] == "GenerationError"
        with pytest.raises(xa.GenerationError, match="nothing is published"):
            xa.connect(url)
        publish_chunks(warehouse, version(1))
        until(lambda: httpx.get(url + "/readyz").status_code == 200)
        assert httpx.post(url + "/v1/search", json={"query": "zebra"}).json()["hits"]


def test_a_warehouse_that_is_not_there_yet_stops_no_other_index(tmp_path: Path) -> None:
    new_warehouse(tmp_path / "w", version(1))
    with served({"docs": tmp_path / "w", "late": tmp_path / "late"}) as url:
        assert httpx.get(url + "/readyz").status_code == 503
        assert str(tmp_path) not in httpx.get(url + "/readyz").text
        assert httpx.post(url + "/v1/search?index=docs", json={"query": "zebra"}).json()["hits"]
        assert "several indexes; name one, `?index=`: docs, late" in httpx.get(url + "/v1/generation").text
        new_warehouse(tmp_path / "late", version(5))
        until(lambda: httpx.get(url + "/readyz").status_code == 200)
        with xa.connect(url, index="late") as late:
            assert "version 5" in late.search("zebra version", 1)[0].text


def test_a_generation_that_cannot_be_opened_never_serves_and_the_one_before_goes_on(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path / "w", version(1))
    index = HostedIndex("docs", tmp_path / "w", "cpu")
    assert index.look() and index.serving == 1
    second = publish_chunks(warehouse, version(2))
    (damaged,) = [second.directory / "dense.faiss"]
    damaged.chmod(0o644)
    damaged.write_bytes(damaged.read_bytes()[:-7])
    assert not index.look()
    assert index.serving == 1 and index.problem is not None and "CorruptFile" in index.problem
    with index.use() as searcher:
        assert searcher.search("zebra", 1)
    warehouse.rollback()
    assert not index.look() and index.problem is None
    index.close()


def test_a_generation_that_answers_nothing_never_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails only when it is asked is found by asking, before anybody else does."""
    new_warehouse(tmp_path / "w", version(1))
    index = HostedIndex("docs", tmp_path / "w", "cpu")
    monkeypatch.setattr(hosted_index, "WARM_UP", ("a", 5))
    assert not index.look() and index.serving is None
    with pytest.raises(Problem, match="does not answer"), index.use():
        pass


def test_an_array_that_is_found_damaged_while_it_serves_is_said_until_another_serves(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path / "w", version(1))
    index = HostedIndex("docs", tmp_path / "w", "cpu")
    index.look()
    assert index.answers
    with index.use() as searcher, searcher.opened() as opened:
        opened.scrub._problem = xa.CorruptFile("segments/x/tokens.npy", "a", "b")
    index.look()
    assert not index.answers and index.serving == 1 and "CorruptFile in generation 1" in str(index.problem)
    publish_chunks(warehouse, version(2))
    assert index.look() and index.answers and index.problem is None
    index.close()


def test_the_next_generation_serves_when_its_large_arrays_were_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = new_warehouse(tmp_path / "w", version(1))
    index = HostedIndex("docs", tmp_path / "w", "cpu")
    index.look()
    publish_chunks(warehouse, version(2))
    found = xa.CorruptFile("segments/x/tokens.npy", "a", "b")
    waited: list[float | None] = []

    def wait(scrub: Scrub, seconds: float | None = None) -> bool:
        waited.append(seconds)
        if len(waited) == 3:
            scrub._problem = found
        return len(waited) >= 3

    monkeypatch.setattr(Scrub, "wait", wait)
    assert not index.look() and index.serving == 1 and index.answers and len(waited) == 3
    assert "CorruptFile" in str(index.problem)
    index.close()


def test_a_warehouse_that_was_removed_and_built_anew_is_answered_from_though_its_number_is_the_same(
    tmp_path: Path,
) -> None:
    def said(word: str) -> list[Chunk]:
        return [make_chunk(f"{word}/a.py", "f", f"zebra {word} text")]

    new_warehouse(tmp_path / "w", said("old"))
    index, facets = HostedIndex("docs", tmp_path / "w", "cpu"), FacetCounts()
    searcher = xa.open(tmp_path / "w", device="cpu")
    index.look()
    with index.use() as old:
        assert facets.of("docs", old)["folders"][0]["path"] == "old/"
        shutil.rmtree(tmp_path / "w")
        new_warehouse(tmp_path / "w", said("new"))
        assert index.look() and (index.serving, index.kept, index.problem) == (1, [1], None)
        with index.use() as new:
            assert new.search("zebra", 1)[0].text == "zebra new text"
            assert facets.of("docs", new)["folders"][0]["path"] == "new/"
        assert old.search("zebra", 1)[0].text == "zebra old text", "a request ends on what it began with"
    assert not index.look(), "it is what serves by now"
    with pytest.raises(xa.GenerationError, match="this searcher was closed"):
        old.search("zebra", 1)
    assert searcher.refresh() == 1 and searcher.search("zebra", 1)[0].text == "zebra new text"
    searcher.close()
    # Nor does what somebody pinned answer for another one of its number, which does not serve.
    publish_chunks(Warehouse.open(tmp_path / "w"), said("newer"))
    with index.use(1):
        assert index.look() and index.kept == [1, 2]
    shutil.rmtree(tmp_path / "w")
    publish_chunks(new_warehouse(tmp_path / "w", said("third")), said("fourth"))
    assert index.look() and index.kept == [2]
    index.open_beside(1)
    with index.use(1) as pinned:
        assert pinned.search("zebra", 1)[0].text == "zebra third text"
    index.close()


def test_a_pointer_that_is_lost_leaves_what_serves(tmp_path: Path) -> None:
    new_warehouse(tmp_path / "w", version(1))
    index = HostedIndex("docs", tmp_path / "w", "cpu")
    index.look()
    (tmp_path / "w" / "PUBLISHED").unlink()
    assert not index.look() and index.serving == 1 and "nothing is published" in str(index.problem)
    (tmp_path / "w" / "PUBLISHED").write_bytes(b"junk")
    assert not index.look() and index.serving == 1 and "CorruptFile" in str(index.problem)
    index.close()


@pytest.mark.parametrize("mount_point", [False, True])
def test_a_folder_that_is_gone_is_said_and_what_serves_answers_on_explanations_and_all(
    tmp_path: Path, mount_point: bool
) -> None:
    new_warehouse(tmp_path / "w", version(1))
    index = HostedIndex("docs", tmp_path / "w", "cpu")
    index.look()
    (tmp_path / "w").rename(tmp_path / "elsewhere")
    if mount_point:
        (tmp_path / "w").mkdir()
    index.look()
    assert index.answers and "moved, or its disk is not mounted" in str(index.problem)
    assert str(tmp_path) not in str(index.problem)
    with index.use() as searcher:
        for mode in searcher.modes:
            assert all(hit.explanation for hit in searcher.search("zebra version", 80, mode, explain=True))
    if mount_point:
        (tmp_path / "w").rmdir()
    (tmp_path / "elsewhere").rename(tmp_path / "w")
    index.look()
    assert index.problem is None
    index.close()


@pytest.mark.parametrize("mount_point", [False, True])
def test_what_the_files_alone_say_is_no_error_while_they_are_gone(tmp_path: Path, mount_point: bool) -> None:
    new_warehouse(tmp_path / "w", version(1))
    with served({"docs": tmp_path / "w"}, poll_seconds=0.05) as url:
        before = httpx.get(url + "/v1/state").json()
        (tmp_path / "w").rename(tmp_path / "elsewhere")
        if mount_point:
            (tmp_path / "w").mkdir()
        for path in ("/v1/state", "/v1/generations"):
            answer = httpx.get(url + path)
            said = answer.json()
            assert answer.status_code == 503 and said["error"]["type"] == "GenerationError", said
            assert "its folder is gone or empty" in said["error"]["message"]
            assert str(tmp_path) not in said["error"]["message"]
        assert httpx.get(url + "/v1/generation").status_code == 200
        if mount_point:
            (tmp_path / "w").rmdir()
        (tmp_path / "elsewhere").rename(tmp_path / "w")
        after = httpx.get(url + "/v1/state").json()
        assert (after["generation"], after["history"]) == (before["generation"], before["history"])


def test_another_generation_is_opened_beside_the_one_that_serves_one_at_a_time(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path / "w", version(1))
    for number in (2, 3, 4):
        publish_chunks(warehouse, version(number))
    warehouse.withdraw(2, reason="a test")
    with served({"docs": tmp_path / "w"}) as url, httpx.Client(base_url=url, timeout=60) as client:

        def opened(number: int) -> httpx.Response:
            return client.post(f"/v1/generations/{number}/open")

        def asked(number: int) -> str:
            answer = client.post(
                "/v1/search", json={"query": "zebra version", "k": 1}, headers={"Xtr-Generation": str(number)}
            )
            return str(answer.json()["hits"][0]["text"])[:15] if answer.status_code == 200 else str(answer.status_code)

        assert asked(1) == "410"
        assert opened(1).json() == {"index": "docs", "generation": 1, "serving": 4, "kept": [1, 4]}
        assert (asked(1), asked(4)) == ("zebra version 1", "zebra version 4")
        assert opened(3).status_code == 200 and asked(3) == "zebra version 3"
        until(lambda: client.get("/v1/generation").json()["kept"] == [3, 4])
        assert opened(4).status_code == 200, "the one that serves is there"
        withdrawn = opened(2)
        assert withdrawn.status_code == 409 and "is withdrawn: only one that served" in withdrawn.text
        assert opened(9).status_code == 404 and opened(2**62).status_code == 404
        assert client.post("/v1/generations/x/open").status_code == 400
        assert asked(3) == "zebra version 3"
        warehouse.withdraw(3, reason="it holds a secret")
        until(lambda: client.get("/v1/generation").json()["kept"] == [4])
        assert asked(3) == "410" and opened(3).status_code == 409, "however often it is asked"


def test_whether_a_held_generation_was_withdrawn_is_read_where_the_history_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each look that took 40 ms of a history of 3,000 entries."""
    warehouse = new_warehouse(tmp_path / "w", version(1))
    publish_chunks(warehouse, version(2))
    index = HostedIndex("docs", tmp_path / "w", "cpu")
    index.look()
    index.open_beside(1)
    read: list[int] = []
    withdrawn = content.withdrawn_generations

    def counted(layout: Layout, numbers: Iterable[int]) -> dict[int, content.TakenBack]:
        read.extend(numbers)
        return withdrawn(layout, numbers)

    monkeypatch.setattr(generation, "withdrawn_generations", counted)
    for _ in range(3):
        index.look()
    assert read == [1] and index.kept == [1, 2]
    warehouse.withdraw(1, reason="it holds a secret")
    index.look()
    assert index.kept == [2]
    index.close()


def test_while_one_generation_is_opened_another_has_to_wait(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path / "w", version(1))
    publish_chunks(warehouse, version(2))
    index = HostedIndex("docs", tmp_path / "w", "cpu")
    index.look()
    with index._bringing, pytest.raises(Problem, match="another generation is being opened") as refused:
        index.open_beside(1)
    assert refused.value.status == 503
    index.close()


def test_a_damaged_pointer_is_said_and_whoever_connects_is_answered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    warehouse = new_warehouse(tmp_path / "w", version(2))
    publish_chunks(warehouse, version(1))
    with served({"docs": tmp_path / "w"}) as url:
        warehouse.layout.published.write_text("7x\n")
        until(lambda: httpx.get(url + "/v1/generation").json()["problem"] is not None)
        about = httpx.get(url + "/v1/generation").json()
        assert (about["generation"], about["published"]) == (2, None) and "CorruptFile" in about["problem"]
        with xa.connect(url) as searcher:
            assert searcher.generation == 2 and searcher.search("zebra", 1)
        caplog.clear()
        listed, state = (httpx.get(f"{url}/v1/{one}").json() for one in ("generations", "state"))
        known = [(one["generation"], one["state"], one["live_rows"]) for one in listed["generations"]]
        assert known == [(1, "unknown", 80), (2, "unknown", 80)]
        assert caplog.text.count("what became of its generations cannot be told") == 1, "not for each of them"
        assert listed["problem"].startswith("CorruptFile: ") and state["shards"]
        history = warehouse.layout.history
        history.write_bytes(history.read_bytes().replace(b"no gate", b"a gate"))
        state = httpx.get(f"{url}/v1/state").json()
        assert state["problem"].startswith("CorruptFile: ") and state["shards"] and state["history"] == []


def test_a_generation_that_cannot_be_let_go_keeps_nobody_from_following(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = new_warehouse(tmp_path / "w", version(1))
    index = HostedIndex("docs", tmp_path / "w", "cpu")
    assert index.look()
    closed = xa.Searcher.close

    def failing(searcher: xa.Searcher) -> None:
        closed(searcher)
        raise OSError("a disk that is gone")

    monkeypatch.setattr(xa.Searcher, "close", failing)
    publish_chunks(warehouse, version(2))
    assert index.look() and index.serving == 2 and index.kept == [2]
    index.close()


def test_a_generation_beside_has_its_lease_from_when_it_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look in the moment after it was opened lets go what nobody asked for."""
    warehouse = new_warehouse(tmp_path / "w", version(1))
    publish_chunks(warehouse, version(2))
    index = HostedIndex("docs", tmp_path / "w", "cpu")
    index.look()
    held = HostedIndex._hold

    def then_a_look(self: HostedIndex, *given: Any) -> Any:
        found = held(self, *given)
        self.look()
        return found

    monkeypatch.setattr(HostedIndex, "_hold", then_a_look)
    index.open_beside(1)
    assert index.kept == [1, 2]
    index.close()
