"""A server and a searcher over a store: they follow its moves as they follow PUBLISHED."""

import re
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx
import pytest

import xtr_assets
from xtr_assets.server.hosted_index import HostedIndex
from xtr_assets.storage.id_map import write_id_map
from xtr_assets.storage.remote import block_lists, cold_start, store_cache
from xtr_assets.storage.remote.store_cache import CacheOptions, open_place
from xtr_assets.storage.remote.traffic import Traffic
from xtr_assets_tests.fixtures import drafted, new_warehouse, publish_chunks
from xtr_assets_tests.server.site import served, version


def test_a_server_and_a_searcher_follow_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_cache, "LOOK_SECONDS", 0.0)
    made = new_warehouse(tmp_path / "w", version(1))
    address, options = f"file://{tmp_path}/store", CacheOptions(tmp_path / "cache")
    made.push(address)
    index = HostedIndex("docs", Path(address), "cpu", cache=options)
    with xtr_assets.open(open_place(address, CacheOptions(tmp_path / "other")), device="cpu") as searcher:
        assert index.look() and index.serving == 1 and index.answers
        publish_chunks(made, version(2))
        made.push(address)
        assert searcher.generation == 1 and searcher.refresh() == 2
        assert index.look() and index.serving == 2 and index.problem is None
        with index.use() as used:
            assert [hit.chunk_id for hit in used.search("parse", 5)] == [
                hit.chunk_id for hit in searcher.search("parse", 5)
            ]
        made.rollback(1)
        made.push(address)
        assert index.look() and index.serving == 1 and searcher.refresh() == 1
        # Whoever cannot reach the store serves on, and says what is wrong.
        (tmp_path / "store").rename(tmp_path / "gone")
        assert not index.look() and index.serving == 1
    index.close()


def test_a_server_answers_while_the_generation_arrives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over HTTP: /readyz says what is to come, mode dense answers, others are told; then all of it serves."""
    monkeypatch.setenv("XTR_ASSETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(block_lists, "LISTED_BYTES", 1)
    monkeypatch.setattr(block_lists, "BLOCK_BYTES", 700)
    monkeypatch.setattr(cold_start, "WHOLE_BYTES", 0)
    going = threading.Event()
    wait = Traffic.wait
    # Nothing comes behind the questions before the test says so.
    monkeypatch.setattr(
        Traffic, "wait", lambda self, stop, quiet: wait(self, lambda: stop() or not held(going, stop), 0.0)
    )
    made = new_warehouse(tmp_path / "w", version(1))
    draft = drafted(made)
    write_id_map(draft)
    made.publish(draft.number, force_reason="these tests have no gate")
    address = f"file://{tmp_path}/store"
    made.push(address)
    question = {"query": "unchanged parse", "k": 5}
    with served({"docs": Path(address)}) as url:

        def ready() -> dict[str, Any]:
            answer = httpx.get(f"{url}/readyz")
            assert answer.status_code == 200
            found: dict[str, Any] = answer.json()["indexes"]["docs"]
            return found

        assert re.search(r"needs all of generation 2.*MB are here; mode dense", ready()["arriving"])
        dense = httpx.post(f"{url}/v1/search", json={**question, "mode": "dense"})
        assert dense.status_code == 200 and len(dense.json()["hits"]) == 5
        for more in ({}, {"mode": "dense", "where": {"source": "code"}}, {"mode": "lexical"}):
            answer = httpx.post(f"{url}/v1/search", json={**question, **more})
            assert (answer.status_code, answer.json()["error"]["type"]) == (503, "StillArriving")
            assert answer.headers["Retry-After"] == "5" and "is still to come" in answer.json()["error"]["message"]
        chunk = dense.json()["hits"][0]["chunk_id"]
        assert httpx.get(f"{url}/v1/chunks/{chunk}").status_code == 503
        assert httpx.get(f"{url}/v1/generation").json()["modes"] == ["dense"]
        assert httpx.get(f"{url}/v1/generations").json()["generations"][0]["generation"] == 2
        assert httpx.get(f"{url}/v1/state").json()["generation"] == 2
        going.set()
        until = monotonic() + 60
        while "arriving" in ready():
            assert monotonic() < until
            sleep(0.02)
        again = httpx.post(f"{url}/v1/search", json={**question, "mode": "dense"})
        assert again.json()["hits"] == dense.json()["hits"]
        assert len(httpx.post(f"{url}/v1/search", json=question).json()["hits"]) == 5
        assert httpx.get(f"{url}/v1/chunks/{chunk}").status_code == 200


def held(going: threading.Event, stop: Callable[[], bool]) -> bool:
    """Wait until the test lets it go on; False where it is to stop."""
    while not going.wait(0.01):
        if stop():
            return False
    return True
