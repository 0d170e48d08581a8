"""A bucket through obstore, which speaks to S3, Google, Azure, folders and memory; its only importer.

Credentials come from the environment or the store's own chain; nothing of them is read or kept here.
"""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from xtr_assets.core.address_space import refuse_narrow
from xtr_assets.core.errors import ProviderError, StoreError
from xtr_assets.storage.remote.address import Address, without_secrets
from xtr_assets.storage.remote.bucket import Found, Interrupted

if TYPE_CHECKING:
    from obstore.store import MemoryStore

Missing = Literal["refused", "made", "empty"]

# What a store answers within this time is late, but comes; ranges are 8 MiB, so that 2 Mbit/s suffice.
REQUEST_SECONDS = 45
CONNECT_SECONDS = 5
# The client tries a request again by itself, within this time; `Patient` comes on top.
RETRY_SECONDS = 20
RETRIES = 3
# S3 wants parts of 5 MiB at least, and 10,000 of them at most: objects of up to 156 GiB.
UPLOAD_PART = 16 * 2**20

# What says in the environment that a store's endpoint may be without TLS.
ALLOW_HTTP = {"s3": "AWS_ALLOW_HTTP", "az": "AZURE_ALLOW_HTTP"}

# What a store in a folder says of its disk, which another try does not mend.
LASTING = {
    errno.ENOSPC: "free some on the disk of the store, and do it again: it goes on where it was",
    errno.EDQUOT: "free some of the quota on the disk of the store, and do it again: it goes on where it was",
    errno.EROFS: "name a folder that can be written, or mount it so",
    errno.EACCES: "name a folder that this user may write",
    errno.ENOTDIR: "name a folder, or one that can be made",
}

# The process whose client has threads of its own: no fork takes them along, and what is asked there never ends.
_asking: int | None = None

# Stores of this process by name, so that two openings of memory://x are one store.
_memory: "dict[str, MemoryStore]" = {}


class ObjectBucket:
    """The objects below an address."""

    def __init__(self, address: Address, missing: Missing = "refused") -> None:
        """`missing`: what becomes of a file:// store whose folder there is not; "empty" is for who only looks."""
        try:
            import obstore  # noqa: F401 (whether it is there)
        except ModuleNotFoundError as error:
            raise ProviderError(f"{error.name} is not installed; `pip install 'xtr-assets[stores]'`") from error
        refuse_narrow("the client of object stores")
        self.address = address
        try:
            with _told(str(address)):
                self._store = _opened(address, missing)
        except Interrupted as error:
            # No request was made yet that another try would help.
            raise StoreError(f"{address} cannot be opened: {error}") from None

    def create(self, name: str, data: bytes) -> bool:
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        with _told(name):
            try:
                obstore.put(self._store, name, data, mode="create", use_multipart=False)
            except (AlreadyExistsError, PreconditionError):
                return False
        return True

    def fill(self, name: str, parts: Callable[[], Iterator[bytes]]) -> None:
        import obstore

        with _told(name):
            obstore.put(self._store, name, parts(), use_multipart=True, chunk_size=UPLOAD_PART, max_concurrency=4)

    def read(self, name: str, start: int, length: int) -> bytes:
        import obstore

        with _told(name):
            return bytes(obstore.get_range(self._store, name, start=start, length=length))

    def stat(self, name: str) -> Found | None:
        import obstore

        with _told(name):
            try:
                return _found(obstore.head(self._store, name))
            except FileNotFoundError:
                return None

    def listed(self, prefix: str, after: str = "") -> Iterator[Found]:
        import obstore

        with _told(prefix):
            for page in obstore.list(self._store, prefix, offset=after or None, chunk_size=1000):
                yield from (_found(one) for one in page)

    def remove(self, name: str) -> None:
        import obstore

        with _told(name):
            try:
                obstore.delete(self._store, name)
            except FileNotFoundError:
                return


def _found(said: Any) -> Found:
    return Found(str(said["path"]), int(said["size"]), said["last_modified"])


def _opened(address: Address, missing: Missing) -> Any:
    from obstore.store import LocalStore, MemoryStore, from_url

    if address.scheme == "memory":
        return _memory.setdefault(address.place, MemoryStore())
    if address.scheme == "file":
        if missing != "made" and not Path(address.place).is_dir():
            if missing == "empty":
                return MemoryStore()
            raise StoreError(f"no folder {address.place}, so there is no store in it; `xtr-assets push` makes one")
        return LocalStore(address.place, mkdir=missing == "made")
    options: Any = {"timeout": f"{REQUEST_SECONDS}s", "connect_timeout": f"{CONNECT_SECONDS}s"}
    # Of what the client reads in the environment it forgets this one where it is given options.
    if os.environ.get(ALLOW_HTTP.get(address.scheme, ""), "").lower() in ("1", "true"):
        options["allow_http"] = True
    patience: Any = {"max_retries": RETRIES, "retry_timeout": timedelta(seconds=RETRY_SECONDS)}
    return from_url(str(address), client_options=options, retry_config=patience)


@contextmanager
def _told(name: str) -> Iterator[None]:
    """The library's errors as ours, in one line without secrets. FileNotFoundError stays what it is."""
    import obstore.exceptions as of

    global _asking
    if _asking not in (None, os.getpid()):
        raise StoreError(
            f"{name}: this process was forked from one that had asked an object store, and the client does not outlive "
            "a fork; open the store in each process after the fork and not before it, or start processes by spawn. "
            "What is open here serves on"
        )
    _asking = os.getpid()
    try:
        yield
    except FileNotFoundError:
        raise FileNotFoundError(name) from None
    except (of.PermissionDeniedError, of.UnauthenticatedError) as error:
        raise StoreError(
            f"{name}: the store refuses the request ({_line(error)}); look at the credentials in the environment, and "
            "at what they may do"
        ) from None
    except (of.NotSupportedError, of.UnknownConfigurationKeyError, of.InvalidPathError, ValueError) as error:
        raise StoreError(f"{name}: the store cannot do this: {_line(error)}") from None
    except (of.BaseError, OSError) as error:
        line = _line(error)
        for number, remedy in LASTING.items():
            if f"(os error {number})" in line:
                raise StoreError(f"{name}: {line}; {remedy}") from None
        raise Interrupted(line) from None


def _line(error: Exception) -> str:
    # What follows is the library's own structure, with whole requests.
    return " ".join(without_secrets(str(error).partition("\n\nDebug source")[0]).split())[:300]
