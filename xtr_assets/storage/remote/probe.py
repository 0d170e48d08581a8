"""Whether a store honours create-if-absent: everything that two writers agree on rests on it.

Old gateways take the header and overwrite all the same, and some check first and write then: a race shows both.
"""

import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier

from xtr_assets.core.errors import StoreError
from xtr_assets.storage.remote.bucket import Bucket

# Writers in the race, and how often they run: one that checks before it writes lets two win most times.
RACERS = 6
RACES = 2
MOST_BYTES = 64


def refuse_overwriting(bucket: Bucket, name: str) -> None:
    """StoreError naming the store where several writers may create one object, or a later one overwrites it."""
    for _ in range(RACES):
        _race(bucket, name)


def _race(bucket: Bucket, name: str) -> None:
    target = f"probe/{uuid.uuid4().hex}"
    start = Barrier(RACERS)

    def one(index: int) -> bool:
        mine = f"{index} {uuid.uuid4().hex}".encode()
        start.wait()
        # Whoever is told that it did not win may have: its first answer got lost.
        return bucket.create(target, mine) or bucket.read(target, 0, MOST_BYTES) == mine

    try:
        with ThreadPoolExecutor(RACERS) as pool:
            won = sum(pool.map(one, range(RACERS)))
        later = bucket.create(target, b"later") or bucket.read(target, 0, MOST_BYTES) == b"later"
    finally:
        # Who may create, but not remove, leaves 40 bytes behind.
        with suppress(StoreError):
            bucket.remove(target)
    if won != 1 or later:
        how = f"{won} of {RACERS} writers at the same time were" if won != 1 else "a later writer was"
        raise StoreError(
            f"{name} does not honour create-if-absent (If-None-Match: *): {how} told to have created one object; two "
            "pushes could overwrite each other there. Use a store that does (S3, Google, Azure, MinIO, SeaweedFS 4.48, "
            "Ceph from Squid on), or update this gateway"
        )
