"""A server and a searcher over a store: they follow its moves as they follow PUBLISHED."""

from pathlib import Path

import pytest

import xtr_assets
from xtr_assets.server.hosted_index import HostedIndex
from xtr_assets.storage.remote import store_cache
from xtr_assets.storage.remote.store_cache import CacheOptions, open_place
from xtr_assets_tests.fixtures import new_warehouse, publish_chunks
from xtr_assets_tests.server.site import version


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
