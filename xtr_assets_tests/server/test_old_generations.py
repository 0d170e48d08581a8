"""Many moves of the pointer under a server: of a generation that answered before, nothing stays."""

import gc
import sys
from collections import Counter
from pathlib import Path

import httpx
import pytest

from xtr_assets.index import DenseIndex, LexicalIndex, TokenIndex
from xtr_assets.search.reader import OpenGeneration
from xtr_assets.search.searcher import Searcher
from xtr_assets.storage import digests
from xtr_assets.storage.generation import Generation
from xtr_assets.telemetry.metrics import REGISTRY
from xtr_assets_tests.fixtures import new_warehouse, publish_chunks
from xtr_assets_tests.long_cases import more
from xtr_assets_tests.open_files import leads_into
from xtr_assets_tests.server.site import served, version
from xtr_assets_tests.server.test_hot_swap import until

HELD = (Searcher, OpenGeneration, Generation, DenseIndex, TokenIndex, LexicalIndex)
PUBLISHED, MOVED_BACK = more(4, 8), more(6, 22)


class Footprint:
    """What a process holds of a warehouse: objects, mapped files and open ones, series of metrics."""

    def __init__(self, root: Path) -> None:
        gc.collect()
        self.objects = Counter(type(one).__name__ for one in gc.get_objects() if type(one) in HELD)
        self.series = sum(len(family.samples) for family in REGISTRY.collect())
        self.mapped, self.open = Counter[str](), 0
        if sys.platform == "linux":
            lines = Path("/proc/self/maps").read_text().splitlines()
            self.mapped = Counter(line.split(maxsplit=5)[5] for line in lines if str(root) in line)
            self.open = sum(leads_into(root, one) for one in Path("/proc/self/fd").iterdir())

    def of_generations(self, root: Path) -> set[int]:
        """The generations of which a file is mapped."""
        folder = str(root / "generations") + "/"
        return {int(one.removeprefix(folder).split("/")[0]) for one in self.mapped if one.startswith(folder)}


def test_nothing_of_a_generation_that_answered_before_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "FIRST_LOOK", 16)
    digests.forget_digests()
    root = tmp_path / "w"
    warehouse = new_warehouse(root, version(1))
    with served({"docs": root}, poll_seconds=0.002) as url, httpx.Client(base_url=url, timeout=30) as client:

        def answers(number: int) -> None:
            until(lambda: client.get("/v1/generation").json()["generation"] == number)
            for mode in ("hybrid", "exact"):
                found = client.post("/v1/search", json={"query": "zebra version", "mode": mode, "explain": True})
                assert found.json()["generation"] == number and found.json()["hits"]

        answers(1)
        publish_chunks(warehouse, version(2))
        answers(2)
        # Moves back are counted from the first one on.
        for number in (1, 2):
            warehouse.rollback(number, who="a test")
            answers(number)
        first = Footprint(root)
        for number in range(3, 2 + PUBLISHED):
            publish_chunks(warehouse, version(number))
            answers(number)
            # What is still held is not removed.
            until(lambda: len(client.get("/v1/generation").json()["kept"]) == 1)
            warehouse.collect(2)
        newest = 1 + PUBLISHED
        for step in range(MOVED_BACK):
            number = newest - 1 if step % 2 == 0 else newest
            warehouse.rollback(number, who="a test")
            answers(number)
        until(lambda: Footprint(root).of_generations(root) <= {newest})
        # The look at the pointer, every 2 ms here, opens its file and closes it again.
        until(lambda: Footprint(root).open <= first.open)
        last = Footprint(root)
    assert last.objects <= first.objects, (first.objects, last.objects)
    assert sum(last.mapped.values()) <= sum(first.mapped.values())
    assert not [one for one in last.mapped if "(deleted)" in one]
    assert last.series <= first.series
    # Of removed files it is not remembered either what they held.
    there = sum(1 for one in root.rglob("*") if one.is_file())
    assert digests.remembered_files() <= 2 * there
