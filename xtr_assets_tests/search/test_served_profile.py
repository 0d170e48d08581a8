"""Other settings for an index that serves: tried in this process, never kept."""

from collections.abc import Iterator

import pytest

from xtr_assets.core.errors import GenerationError, InvalidInput
from xtr_assets.search import Searcher
from xtr_assets.storage.warehouse import Warehouse


@pytest.fixture
def own(warehouse: Warehouse) -> Iterator[Searcher]:
    with Searcher(warehouse, "cpu") as opened:
        yield opened


def test_settings_hold_from_the_next_search_on_and_are_taken_back(own: Searcher, warehouse: Warehouse) -> None:
    published = own.profile
    assert published["dense"] == {**published["dense"], **own.manifest.profile["dense"]}
    # A z-sum needs no index here, so that each mode by itself shows which settings it ran with.
    one_list = [hit.chunk_id for hit in own.search("parse date", 60, "dense", nprobe=1)]
    every_list = [hit.chunk_id for hit in own.search("parse date", 60, "dense", nprobe=16)]
    assert one_list != every_list
    applied = own.apply(dense="nprobe=1", xtr="nprobe=3,k_prime=40,rescore=70")
    assert applied == own.profile
    assert applied["dense"]["nprobe"] == 1 and applied["dense"]["recall"] == 0.0
    assert {name: applied["xtr"][name] for name in ("nprobe", "k_prime", "rescore", "scan")} == {
        "nprobe": 3,
        "k_prime": 40,
        "rescore": 70,
        "scan": False,
    }
    assert [hit.chunk_id for hit in own.search("parse date", 60, "dense")] == one_list
    # What a call names wins, as over any profile.
    assert [hit.chunk_id for hit in own.search("parse date", 60, "dense", nprobe=16)] == every_list
    # Nobody else sees it, and nothing was written.
    with Searcher(warehouse, "cpu") as other:
        assert other.profile == published
    assert own.reset() == published == own.profile


def test_settings_end_with_the_generation(warehouse: Warehouse) -> None:
    with Searcher(warehouse, "cpu", generation=1) as moving:
        before = moving.profile
        moving.apply(dense="nprobe=1")
        assert moving.refresh() == 2
        assert moving.profile["dense"]["nprobe"] == before["dense"]["nprobe"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"dense": "nprobe=999"}, "nprobe = 999 is out of range"),
        ({"dense": "nprobe=0"}, "nprobe"),
        ({"dense": "k_prime=9"}, "'k_prime' is unknown"),
        ({"xtr": "ef_search=9"}, "'ef_search' is unknown; allowed: k_prime, nprobe, rescore"),
        ({"xtr": "nprobe=x"}, "whole number"),
        ({"xtr": "rescore=0"}, "rescore"),
        ({"xtr": "nprobe=2", "dense": "nprobe=999"}, "out of range"),
        ({"xtr": 5}, "pass text such as"),
    ],
)
def test_wrong_settings_change_neither_index(own: Searcher, settings: dict[str, str], words: str) -> None:
    before = own.profile
    with pytest.raises(InvalidInput, match=words):
        own.apply(**settings)
    assert own.profile == before


def test_a_closed_searcher_has_no_settings(warehouse: Warehouse) -> None:
    closed = Searcher(warehouse, "cpu")
    closed.close()
    with pytest.raises(GenerationError, match="closed"):
        _ = closed.profile
    with pytest.raises(GenerationError, match="closed"):
        closed.apply(dense="nprobe=1")
    with pytest.raises(GenerationError, match="closed"):
        closed.reset()


def test_a_setting_that_the_mode_does_not_use_is_refused(own: Searcher) -> None:
    with pytest.raises(InvalidInput, match="ef_search is 50 in mode 'xtr'"):
        own.search("zebra", 3, "xtr", ef_search=50)
    assert own.search("zebra", 3, "hybrid", ef_search=50) == own.search("zebra", 3, "hybrid")
