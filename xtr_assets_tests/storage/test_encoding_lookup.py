"""Texts that are encoded already, found wherever they lie; compared with a dictionary."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.ids import text_hash
from xtr_assets.storage import encoding_lookup
from xtr_assets.storage.encoding_lookup import _matches
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.storage.sample import FINGERPRINT, chunks_of, encode, write

# Few values, so that first words collide: the pairs must still be told apart by the second word.
WORDS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=12)


@given(WORDS, WORDS)
def test_pairs_are_those_of_a_nested_loop(left: list[tuple[int, int]], right: list[tuple[int, int]]) -> None:
    unique = np.unique(np.array(left, np.uint64).reshape(-1, 2), axis=0)
    stored = np.array(right, np.uint64).reshape(-1, 2)
    found = {(int(a), int(b)) for one, two in _matches(unique, stored) for a, b in zip(one, two, strict=True)}
    slow = {(i, j) for i, a in enumerate(unique) for j, b in enumerate(stored) if a.tolist() == b.tolist()}
    assert found == slow


def test_a_text_is_found_in_any_segment_and_any_shard(warehouse: Warehouse) -> None:
    write(warehouse, {"a.py": ["f one", "g two"]})
    write(warehouse, {"b.py": ["h three"]}, shard="t")
    for segment in warehouse.segments():
        encode(segment)
    write(warehouse, {"a.py": ["f one", "g two"], "c.py": ["k four"]})
    rows = chunks_of({"x.py": ["h three", "k four", "g two", "g two"]}, ["x.py"])
    at = warehouse.find_encoded([text_hash(one.encoded) for one in rows], FINGERPRINT)
    assert at.found.tolist() == [True, False, True, True]
    for index in (0, 2, 3):
        table = at.segments[at.owner[index]].chunks()
        assert table["text"][int(at.position[index])].as_py() == rows[index].text


def test_another_encoder_finds_nothing(warehouse: Warehouse) -> None:
    segment = write(warehouse, {"a.py": ["f one"]}).new_segment
    assert segment is not None
    encode(segment)
    assert warehouse.find_encoded(segment.text_hashes(), FINGERPRINT).found.tolist() == [True]
    at = warehouse.find_encoded(segment.text_hashes(), "00" * 32)
    assert (at.segments, at.owner.tolist()) == ((), [-1])


def test_dead_rows_still_lend_their_encodings(warehouse: Warehouse) -> None:
    first = write(warehouse, {"a.py": ["f one"]}).new_segment
    assert first is not None
    encode(first)
    write(warehouse, {})
    assert warehouse.find_encoded(first.text_hashes(), FINGERPRINT).found.all()


def test_no_hashes_are_no_answer_and_wrong_ones_are_refused(warehouse: Warehouse) -> None:
    assert len(warehouse.find_encoded([], FINGERPRINT).owner) == 0
    with pytest.raises(InvalidInput, match="16 bytes, found one of 3"):
        warehouse.find_encoded([b"abc"], FINGERPRINT)
    with pytest.raises(InvalidInput, match=r"uint64 \[n, 2\]"):
        warehouse.find_encoded(np.zeros(3, np.uint64), FINGERPRINT)


@pytest.mark.parametrize("wanted", [1, 3, 40, 900])
def test_hashes_told_by_their_first_bits_are_those_found_one_by_one(
    wanted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(wanted)
    stored = rng.integers(0, 2**64, (5000, 2), dtype=np.uint64)
    # No name, the largest word, and words that differ in their last bits alone.
    stored[:3] = [[0, 0], [2**64 - 1, 5], [2**64 - 1, 6]]
    stored[3:5, 0] = stored[5, 0] ^ np.uint64(1), stored[5, 0]
    chosen = np.concatenate([stored[:6], stored[rng.permutation(5000)[:wanted]]])[:wanted]
    unique = np.unique(np.concatenate([chosen, chosen ^ np.uint64(2)]), axis=0)
    found = {}
    for sparse in (0, 10**9):
        monkeypatch.setattr(encoding_lookup, "SPARSE", sparse)
        pairs = _matches(unique, stored)
        found[sparse] = {(int(a), int(b)) for places, rows in pairs for a, b in zip(places, rows, strict=True)}
    assert found[0] == found[10**9]
    assert len(found[0]) >= min(wanted, 6)
