"""Memory of a server that runs for months: no cycles by its work, cheap collections, free pages given back."""

import gc
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from xtr_assets.server import heap
from xtr_assets.server.answers import Alike, answer_together
from xtr_assets.server.hosted_index import HostedIndex
from xtr_assets.server.limits import Limits
from xtr_assets.server.question import parse_question
from xtr_assets.server.runner import Address
from xtr_assets.server.settings import ServerSettings
from xtr_assets_tests.fixtures import new_warehouse, publish_chunks
from xtr_assets_tests.server.site import version
from xtr_assets_tests.server.test_hot_swap import until


@pytest.fixture
def collected() -> Iterator[None]:
    # What other tests hold is walked once: a collection of all of it takes a second in a long run.
    gc.collect()
    gc.freeze()
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


def test_neither_a_move_of_the_pointer_nor_a_question_leaves_cycles(tmp_path: Path, collected: None) -> None:
    """What is in a cycle stays until a full collection: 900 objects a move, when headers of arrays were evaluated."""
    warehouse = new_warehouse(tmp_path / "w", version(1))
    publish_chunks(warehouse, version(2))
    index = HostedIndex("docs", tmp_path / "w", "cpu")
    left = []
    for step in range(3):
        warehouse.rollback(1 if step % 2 == 0 else 2)
        gc.collect()
        assert index.look()
        for mode in ("dense", "xtr", "lexical", "hybrid", "exact"):
            body = {"query": "zebra version", "mode": mode, "explain": True, "where": {"source": "docs"}}
            question = parse_question(body, Limits())
            (answer,) = answer_together([], Alike(index, None, question.alike), [question])
            assert not isinstance(answer, Exception)
        left.append(gc.collect())
    index.close()
    # The first move compiles and caches.
    assert max(left[1:]) < 11, left


def test_after_settling_a_collection_walks_only_what_came_since_and_finds_its_cycles(collected: None) -> None:
    heap.settle()
    assert gc.get_freeze_count() > 10_000 and len(gc.get_objects()) < 1000
    circle: list[object] = []
    circle.append(circle)
    del circle
    assert gc.collect() >= 1


@pytest.mark.skipif(sys.platform != "linux", reason="glibc")
def test_free_pages_below_what_is_used_go_back_to_the_system() -> None:
    if heap._of_libc("malloc_trim") is None:
        pytest.skip("this C library has no malloc_trim")
    blocks = [bytes(2000) for _ in range(20_000)]
    kept = blocks[:: len(blocks) - 1]
    del blocks
    before = _own_bytes()
    heap.give_back()
    assert _own_bytes() < before - 20e6 and len(kept) == 2


def _own_bytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


def test_a_process_that_only_serves_sees_to_its_memory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    monkeypatch.setattr(heap, "settle", lambda: called.append("settle"))
    monkeypatch.setattr(heap, "give_back", lambda: called.append("give back"))
    monkeypatch.setattr(heap, "TRIM_SECONDS", 0.01)
    server = ServerSettings(indexes=(("docs", folder),), address=Address(port=0), recall_share=0.0).server()
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: called.count("give back") >= 2)
    server.should_exit = True
    thread.join(30)
    assert called[:3] == ["settle", "give back", "give back"]
