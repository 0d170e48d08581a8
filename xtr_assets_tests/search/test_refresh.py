"""Generations under a searcher's feet: refresh, rollback, close, and searches from many threads meanwhile."""

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import numpy as np
import pytest

import xtr_assets as xa
from xtr_assets.core.errors import GenerationError
from xtr_assets.core.types import Chunk
from xtr_assets.search import Searcher
from xtr_assets.search.ranker import Mode
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import ENCODER, make_chunk, new_warehouse, publish_chunks
from xtr_assets_tests.long_cases import more

MODES: tuple[Mode, ...] = ("dense", "xtr", "hybrid", "exact")


def _version(number: int) -> list[Chunk]:
    """A corpus in which every text names its version; half of the files stay, so that segments are shared."""
    changing = [make_chunk(f"new{i}.py", f"f{i}", f"zebra version {number} text {i}") for i in range(60)]
    staying = [make_chunk(f"old{i}.py", f"g{i}", f"unchanged parse text {i}") for i in range(60)]
    return changing + staying


def test_a_searcher_stays_on_its_generation_until_it_is_refreshed(path: Path) -> None:
    warehouse = new_warehouse(path, _version(1))
    with xa.open(path, device="cpu") as searcher:
        before = searcher.search("zebra version 1", 5)
        publish_chunks(warehouse, _version(2))
        assert searcher.generation == 1
        assert searcher.search("zebra version 1", 5) == before
        assert searcher.refresh() == 2
        assert searcher.generation == 2
        assert "version 2" in searcher.search("zebra version 2", 1)[0].text
        assert not any("version 1" in hit.text for hit in searcher.search("zebra version 1", 200, "exact"))


def test_refresh_follows_a_rollback_and_rests_where_nothing_changed(path: Path) -> None:
    warehouse = new_warehouse(path, _version(1))
    publish_chunks(warehouse, _version(2))
    with xa.open(path, device="cpu") as searcher:
        assert searcher.generation == 2
        assert searcher.refresh() == 2
        warehouse.rollback()
        assert searcher.refresh() == 1
        assert "version 1" in searcher.search("zebra version 1", 1)[0].text


def test_a_closed_searcher_refuses_and_may_be_closed_again(path: Path) -> None:
    new_warehouse(path, _version(1))
    searcher = xa.open(path, device="cpu")
    searcher.close()
    searcher.close()
    for call in (lambda: searcher.search("zebra"), searcher.refresh, lambda: searcher.generation):
        with pytest.raises(GenerationError, match="was closed; open another"):
            call()


def test_a_named_generation_is_opened_whatever_is_published(path: Path) -> None:
    warehouse = new_warehouse(path, _version(1))
    publish_chunks(warehouse, _version(2))
    with xa.open(path, device="cpu", generation=1) as searcher:
        assert searcher.generation == 1
    with pytest.raises(GenerationError, match="generation 9"):
        xa.open(path, generation=9)


def test_nobody_waits_for_what_a_refresh_brings(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pull of a store takes an hour: whoever closed the searcher, or tried other settings, waited for its end."""
    begun, there = Event(), Event()

    def pull(_: Warehouse) -> None:
        begun.set()
        there.wait(60)

    new_warehouse(path, _version(1)[:3])
    monkeypatch.setattr(Warehouse, "follow", pull)
    searcher = xa.open(path, device="cpu")
    with ThreadPoolExecutor(2) as pool:
        refreshing = pool.submit(searcher.refresh)
        try:
            assert begun.wait(60)
            assert pool.submit(searcher.reset).result(20) == searcher.profile
            pool.submit(searcher.close).result(20)
        finally:
            there.set()
        with pytest.raises(GenerationError, match="this searcher was closed"):
            refreshing.result()


def test_searches_beside_refreshes_never_mix_generations(path: Path) -> None:
    warehouse = new_warehouse(path, _version(1))
    publish_chunks(warehouse, _version(2))
    stop = Event()

    def search(searcher: Searcher, seed: int) -> int:
        """Search in turns through every entry; each answer must be of one version."""
        order, done = random.Random(seed), 0
        query = ENCODER.encode_queries(["zebra version"])
        ids = {n: {chunk.chunk_id for chunk in _version(n)} for n in (1, 2)}
        while not stop.is_set():
            mode = order.choice(MODES)
            batch = searcher.search_batch(["zebra version", "zebra text"], 30, mode, {"path": {"prefix": "new"}})
            versions = {hit.text.split()[2] for hits in batch for hit in hits}
            assert len(versions) == 1, f"one call answered from versions {versions}"
            assert all(len(hits) == 30 for hits in batch)
            found = searcher.search_tokens(query.tokens, 10)[1]
            assert (found >= 0).all() and set(found[0].tolist()) <= ids[1] | ids[2]
            done += 1
        return done

    with xa.open(path, device="cpu") as searcher, ThreadPoolExecutor(4) as pool:
        running = [pool.submit(search, searcher, seed) for seed in range(4)]
        try:
            for _ in range(more(4, 12)):
                warehouse.rollback(1)
                assert searcher.refresh() == 1
                warehouse.rollback(2)
                assert searcher.refresh() == 2
        finally:
            stop.set()
        assert min(one.result() for one in running) >= 1


def test_a_search_under_way_keeps_its_generation_pinned_through_refresh_and_close(path: Path) -> None:
    warehouse = new_warehouse(path, _version(1))
    publish_chunks(warehouse, _version(2))
    searcher = xa.open(path, device="cpu", generation=1)
    opened = searcher._now()
    assert opened.join()
    searcher.refresh()
    searcher.close()
    assert opened.hydrator.rows([0])[0]["text"]
    opened.leave()
    assert not opened.join()


def test_rows_at_the_end_whose_segment_is_gone_are_no_obstacle(path: Path) -> None:
    warehouse = new_warehouse(path, _version(1))
    extra = [make_chunk("extra.py", f"e{i}", f"zebra extra {i}") for i in range(5)]
    publish_chunks(warehouse, extra, shard="extra")
    publish_chunks(warehouse, [], shard="extra")
    with xa.open(path, device="cpu") as searcher:
        published = warehouse.published
        assert published is not None and published.end_row > published.live_rows
        for mode in MODES:
            hits = searcher.search("zebra extra", 200, mode)
            assert len(hits) == 120
            filtered = searcher.search("zebra extra", 3, mode, {"path": "old1.py"})
            assert [hit.path for hit in filtered] == ["old1.py"]
        assert searcher.search_vectors(np.ones((1, 64), np.float32), 3)[1].min() >= 0
