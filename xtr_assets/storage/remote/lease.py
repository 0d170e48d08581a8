"""leases/: who reads a generation, or is about to push one, so that a collection leaves it alone.

A lease counts from when the store says that it was written: clocks of hosts have no part in it.
"""

import logging
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from typing import Annotated, Literal

from pydantic import Field

from xtr_assets.core.errors import CorruptFile, StoreError, UnknownFormat
from xtr_assets.storage.history import whoami
from xtr_assets.storage.remote.object_store import ObjectStore
from xtr_assets.storage.remote.passed_time import Moment
from xtr_assets.storage.stored_json import Digest, Stored

log = logging.getLogger(__name__)

PREFIX = "leases/"
# A host that died holds its generation this long; a live one renews its lease at half of it.
LEASE_SECONDS = 900.0
MOST_BYTES = 4096
_NAME = re.compile(r"leases/[0-9a-f]{32}\.json")


class Lease(Stored):
    """A lease: who needs which manifest."""

    format_version: Literal[1] = 1
    who: str
    purpose: Annotated[str, Field(max_length=80)]
    manifest: Digest | None


@dataclass(slots=True)
class Held:
    """A lease that is held. `renew` writes it again where half of its time is over, `now` is the store's clock.

    may_fail : who holds it may only read, and goes on without
    """

    store: ObjectStore
    lease: Lease
    name: str
    may_fail: bool = False
    written: Moment | None = None
    guard: Lock = field(default_factory=Lock)

    def renew(self) -> None:
        """Write it again where half of its time is over. From any thread."""
        former = ""
        with self.guard:
            if self.written is not None and self.written.passed() < LEASE_SECONDS / 2:
                return
            # An object is written once: a renewal is another one, and the former goes. It counts from before it is
            # asked for: a host may be suspended meanwhile.
            begun = Moment()
            following = f"{PREFIX}{uuid.uuid4().hex}.json"
            try:
                self.store.bucket.create(following, self.lease.to_bytes())
            except StoreError as error:
                if not self.may_fail:
                    raise
                log.info("%s: no lease (%s); a collection waits for its grace time alone", self.store.name, error)
            else:
                former, self.name = self.name, following
            self.written = begun
        if former:
            # Who may write, but remove nothing, leaves it: it is over by itself.
            with suppress(StoreError):
                self.store.bucket.remove(former)

    def end(self) -> None:
        """Let go; the next `renew` holds it again."""
        with self.guard, suppress(StoreError):
            if self.name:
                former, self.name, self.written = self.name, "", None
                self.store.bucket.remove(former)

    def now(self) -> datetime:
        """The time by the clock of the store, that of what was written last here; at most a moment old."""
        self.written = None
        self.renew()
        there = self.store.bucket.stat(self.name)
        if there is None:
            raise StoreError(f"{self.store.name}: {self.name} was just written and is gone; something else removes it")
        return there.modified


def hold(store: ObjectStore, purpose: str, manifest: str | None, *, may_fail: bool = False) -> Held:
    """A lease that is held until its `end`. `may_fail`: who may only read goes without one, for as long as the grace
    time of collections lasts."""
    held = Held(store, Lease(who=whoami(), purpose=purpose, manifest=manifest), "", may_fail)
    held.renew()
    return held


@contextmanager
def leased(store: ObjectStore, purpose: str, manifest: str | None, *, may_fail: bool = False) -> Iterator[Held]:
    """Hold a lease while the block runs; see `hold`."""
    held = hold(store, purpose, manifest, may_fail=may_fail)
    try:
        yield held
    finally:
        held.end()


def leased_manifests(store: ObjectStore, now: datetime) -> tuple[set[str], list[str]]:
    """sha256 of the manifests that somebody needs now, and the names of leases that are over."""
    needed: set[str] = set()
    over: list[str] = []
    for one in (one for one in store.bucket.listed(PREFIX) if _NAME.fullmatch(one.name)):
        if now - one.modified > timedelta(seconds=LEASE_SECONDS):
            over.append(one.name)
            continue
        try:
            lease = Lease.from_bytes(store.bucket.read(one.name, 0, MOST_BYTES), one.name)
        except FileNotFoundError:
            continue
        except (CorruptFile, UnknownFormat) as error:
            # It may be a newer release's: what it needs is not known.
            raise StoreError(
                f"{store.name}: {one.name} cannot be read ({error}); collect with the newest release that is in use, "
                f"or in {LEASE_SECONDS / 60:.0f} minutes, when it is over"
            ) from error
        if lease.manifest is not None:
            needed.add(lease.manifest)
    return needed, over
