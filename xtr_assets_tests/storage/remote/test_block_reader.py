"""Ranges by blocks: each block comes once and is compared, what is wrong is asked for again and never handed out."""

import hashlib
import random
import threading
from pathlib import Path

import pytest

from xtr_assets.core.errors import CorruptFile, StoreError, StoreUnreachable
from xtr_assets.core.files import FileRecord
from xtr_assets.storage.remote import block_reader
from xtr_assets.storage.remote.block_lists import BlockDigests
from xtr_assets.storage.remote.block_reader import BlockReader, Listed
from xtr_assets.storage.remote.bucket import Bucket, Interrupted
from xtr_assets.storage.remote.object_store import file_name
from xtr_assets.storage.remote.traffic import Traffic
from xtr_assets_tests.storage.remote.faulty import Faulty, FolderBucket, store_over

DATA = random.Random(7).randbytes(10_007)
RECORD = FileRecord(len(DATA), hashlib.sha256(DATA).hexdigest())
BLOCK = 64


def reader_over(bucket: Bucket) -> BlockReader:
    digests = BlockDigests(BLOCK)
    digests.update(DATA)
    return BlockReader(store_over(bucket), {"one": Listed(RECORD, digests.finish(), BLOCK)}, Traffic())


@pytest.fixture
def there(bucket: FolderBucket) -> FolderBucket:
    bucket.create(file_name(RECORD), DATA)
    return bucket


def test_any_range_is_that_of_the_file(there: FolderBucket) -> None:
    reader, chance = reader_over(there), random.Random(3)
    for _ in range(300):
        start = chance.randrange(len(DATA) + 1)
        length = min(chance.choice([0, 1, 63, 64, 65, 500, 5000]), len(DATA) - start)
        assert reader.read("one", start, length) == DATA[start : start + length]
    for start, length in ((-1, 5), (len(DATA), 1), (0, len(DATA) + 1)):
        with pytest.raises(EOFError, match="one: bytes"):
            reader.read("one", start, length)
    # Each block came once.
    assert reader.tally.bytes <= len(DATA)


def test_what_lies_side_by_side_comes_with_one_request(there: FolderBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_reader, "RUN_BLOCKS", 8)
    reader = reader_over(there)
    reader.need([("one", 0, 16 * BLOCK), ("one", 40 * BLOCK, 1), ("one", 41 * BLOCK, 1)])
    assert reader.read("one", 0, 16 * BLOCK) == DATA[: 16 * BLOCK]
    assert reader.read("one", 40 * BLOCK, 2 * BLOCK) == DATA[40 * BLOCK : 42 * BLOCK]
    assert reader.tally.requests == 3 and reader.tally.bytes == 18 * BLOCK


def test_what_was_not_used_for_long_goes(there: FolderBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_reader, "KEPT_BYTES", 64 * BLOCK)
    reader = reader_over(there)
    for block in range(100):
        assert reader.read("one", block * BLOCK, 1) == DATA[block * BLOCK :][:1]
    before = reader.tally.requests
    assert reader.read("one", 99 * BLOCK, 5) == DATA[99 * BLOCK :][:5] and reader.tally.requests == before
    assert reader.read("one", 0, 5) == DATA[:5] and reader.tally.requests == before + 1
    # More than is kept, in one reading.
    assert reader.read("one", 0, len(DATA)) == DATA


def test_a_block_that_is_used_again_keeps_nothing_of_what_came_with_it(
    there: FolderBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each of nine requests for sixteen blocks the first one is asked for again and again."""
    monkeypatch.setattr(block_reader, "KEPT_BYTES", 64 * BLOCK)
    reader = reader_over(there)
    for run in range(9):
        reader.read("one", 16 * run * BLOCK, 16 * BLOCK)
        for used in range(run + 1):
            assert reader.read("one", 16 * used * BLOCK, BLOCK) == DATA[16 * used * BLOCK :][:BLOCK]
    assert reader.tally.requests == 9
    kept = {id(future): future.result() for future, _ in reader._blocks.values()}
    assert sum(len(block) for blocks in kept.values() for block in blocks) <= 80 * BLOCK


def test_many_threads_ask_for_each_block_once(there: FolderBucket) -> None:
    reader = reader_over(there)
    wrong: list[int] = []

    def ask(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(100):
            start = chance.randrange(len(DATA) - 200)
            if reader.read("one", start, 200) != DATA[start : start + 200]:
                wrong.append(start)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert not wrong and reader.tally.bytes <= len(DATA)


@pytest.mark.parametrize("kind", ["before", "lost", "throttled", "cut", "mangled"])
def test_faults_of_the_line_are_gone_over(kind: str, there: FolderBucket) -> None:
    faulty = Faulty(there, 5, 0.3, (kind,))
    reader = reader_over(faulty)
    found: set[int] = set()
    for block in list(range(0, 150, 2)) * 3:
        try:
            assert reader.read("one", block * BLOCK, 10) == DATA[block * BLOCK :][:10]
            found.add(block)
        except (CorruptFile, StoreUnreachable):
            # Wrong at every try; it is asked for anew the next time.
            continue
    assert len(found) == 75 and faulty.seen[kind] >= 10


def test_what_is_wrong_in_the_store_is_named_and_never_handed_out(bucket: FolderBucket) -> None:
    changed = bytearray(DATA)
    changed[3 * BLOCK + 5] ^= 1
    bucket.create(file_name(RECORD), bytes(changed))
    reader = reader_over(bucket)
    expected = hashlib.sha256(DATA[3 * BLOCK : 4 * BLOCK]).hexdigest()
    for start, length in ((3 * BLOCK, 1), (0, 5 * BLOCK), (3 * BLOCK + 60, 10)):
        message = rf"one \(from test://store\): expected block 3 \(from byte 192\) of sha256 {expected}, found sha256 "
        with pytest.raises(CorruptFile, match=message):
            reader.read("one", start, length)
    assert reader.read("one", 4 * BLOCK, 10) == DATA[4 * BLOCK :][:10]


def test_a_file_that_ends_early_is_an_error(bucket: FolderBucket) -> None:
    bucket.create(file_name(RECORD), DATA[:200])
    reader = reader_over(bucket)
    assert reader.read("one", 0, 128) == DATA[:128]
    with pytest.raises(CorruptFile, match=r"one"):
        reader.read("one", 130, 100)
    with pytest.raises(CorruptFile, match=r"one"):
        reader.read("one", 9000, 10)


def test_a_file_that_is_gone_is_an_error(bucket: FolderBucket) -> None:
    with pytest.raises(StoreError, match=r"test://store has no files/.*another generation serves"):
        reader_over(bucket).read("one", 0, 1)


def test_who_fills_the_cache_waits_for_who_asks(there: FolderBucket, tmp_path: Path) -> None:
    """From the first byte of a request to its last nothing else begins."""
    going = threading.Event()
    seen: list[bytes | bool] = []

    class Slow(FolderBucket):
        def read(self, name: str, start: int, length: int) -> bytes:
            going.wait(30)
            return super().read(name, start, length)

    reader = reader_over(Slow(there.root))
    traffic = reader._traffic
    asking = threading.Thread(target=lambda: seen.append(reader.read("one", 0, 10)))
    asking.start()
    while not traffic._waiting:
        asking.join(0.01)
    filling = threading.Thread(target=lambda: seen.append(traffic.wait(lambda: False, 0.0)))
    filling.start()
    filling.join(0.1)
    assert filling.is_alive() and not seen
    going.set()
    filling.join(30)
    asking.join(30)
    assert not filling.is_alive() and sorted(map(str, seen)) == sorted([str(DATA[:10]), "False"])
    assert traffic.wait(lambda: True) is True


def test_an_interrupted_request_is_no_answer(there: FolderBucket) -> None:
    class Broken(FolderBucket):
        def read(self, name: str, start: int, length: int) -> bytes:
            raise Interrupted("the connection was reset")

    with pytest.raises(StoreUnreachable, match="test://store"):
        reader_over(Broken(there.root)).read("one", 0, 1)
