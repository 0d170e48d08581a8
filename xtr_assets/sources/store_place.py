"""Object stores by fsspec: `s3://`, `gs://`, `az://` and others. What an object is now, its ETag or version says."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from pathlib import PurePosixPath
from typing import Any, BinaryIO, cast

from xtr_assets.config import SourceConfig
from xtr_assets.core.errors import ConfigError, ProviderError, SourceError
from xtr_assets.core.types import FileState
from xtr_assets.sources.bounded_read import BLOCK_BYTES, unread_digest
from xtr_assets.sources.file_scan import RACY_NS, Listing, unread_state
from xtr_assets.sources.folder_place import nothing_matches
from xtr_assets.sources.globs import Globs
from xtr_assets.sources.place import too_large

INSTALL = "pip install 'xtr-assets[stores]'"
# What stores call the version of an object: another one is another content. The first that is there counts. s3 tells
# the ETag in a list and of one object, a version of one alone, and that is "null" where versioning is suspended.
VERSIONS = ("generation", "ETag", "etag", "md5Hash", "content_md5", "VersionId", "version_id")
NO_VERSION = "null"
# When it was written, where there is no version: with the size it saves reading an object again.
TIMES = ("LastModified", "last_modified", "updated", "mtime", "created")


class StorePlace:
    """Objects below an address, or the one that it is of."""

    def __init__(self, config: SourceConfig) -> None:
        self.config = config
        self.address = str(config.path)
        self._infos: dict[str, Mapping[str, Any]] | None = None
        self.store, self.root = open_store(self.address, config.name)

    def listing(self, globs: Globs) -> Listing:
        """Folder by folder. Any error on the way is a SourceError: half a listing is none."""
        name = self.config.name
        listing, infos = Listing(), dict[str, Mapping[str, Any]]()
        try:
            root = self.store.info(self.root)
            if root["type"] == "file":
                if self.config.shards > 1 or self.config.include or self.config.exclude:
                    raise ConfigError(
                        f"`path` of source {name} is one object, {self.address}, while `shards`, `include` and "
                        "`exclude` choose among many; remove them, or make `path` the folder"
                    )
                infos[PurePosixPath(self.root).name] = root
            else:
                for path, info in self._below(globs):
                    if globs.matches(path):
                        infos[path] = info
                    elif globs.passes_over(path):
                        listing.other.append(path)
                    else:
                        listing.left_out += 1
        except FileNotFoundError as error:
            raise SourceError(
                f"source {name} is gone: nothing at {self.address} ({str(error)[:200]}); upload it, correct `path`, or "
                "remove the source from the configuration to drop its chunks"
            ) from error
        except ConfigError:
            raise
        except Exception as error:
            # Each store has errors of its own.
            raise SourceError(
                f"source {name}: {self.address} cannot be listed to its end ({type(error).__name__}: "
                f"{str(error)[:200]}); check the network and the credentials; what was ingested of it stays"
            ) from error
        listing.files, self._infos = sorted(infos), infos
        listing.other.sort()
        if not listing.files:
            raise nothing_matches(self.config, self.address, globs, listing)
        return listing

    def stamp(self, globs: Globs, now_ns: int) -> str | None:  # noqa: ARG002
        """Only its listing says what a store holds."""
        return None

    def _below(self, globs: Globs) -> Iterator[tuple[str, Mapping[str, Any]]]:
        waiting, top = [self.root], len(self.root.rstrip("/")) + 1
        while waiting:
            folder = waiting.pop()
            for info in self.store.ls(folder, detail=True):
                path = str(info["name"])[top:]
                if not path or str(info["name"]).rstrip("/") == folder.rstrip("/"):
                    continue  # The marker of the folder itself.
                if any(globs.skips_name(part) for part in path.split("/")):
                    continue
                if info["type"] == "directory":
                    if not globs.skips_folder(path.rstrip("/")):
                        waiting.append(str(info["name"]))
                else:
                    yield path, info

    def state(self, path: str, known: FileState | None, now_ns: int, most: int | None) -> FileState | None:
        """By its version; without one, by size and time, and where these changed by its content."""
        info = (self._infos or {}).get(path)
        if info is None:
            return None
        size, written = int(info["size"]), time_of(info)
        version = version_of(info)
        if most is not None and size > most and version is None:
            return FileState(path, size, 0, unread_digest(size))
        # As of files: what was written within the clock's grain may be written again without a trace.
        trusted = written if written < now_ns - RACY_NS else 0
        if (
            version is None
            and trusted
            and known is not None
            and known.sha256 != unread_digest(size)
            and known == FileState(path, size, trusted, known.sha256)
        ):
            return known
        try:
            digest = version or self._digest(path)
        except Exception as error:
            return unread_state(path, f"{type(error).__name__}: {error!s:.200}", known)
        if known is not None and known.refused == digest:
            return known
        return FileState(path, size, trusted, digest)

    def changed(self, path: str, state: FileState) -> bool:  # noqa: ARG002
        """By what the store says of it now; what cannot be told may have."""
        listed = (self._infos or {}).get(path)
        try:
            now = None if listed is None else self.store.info(str(listed["name"]))
        except Exception:
            now = None
        return listed is None or now is None or _told(now) != _told(listed)

    def _digest(self, path: str) -> str:
        made = hashlib.sha256()
        with self._object(path).open() as stream:
            while block := stream.read(BLOCK_BYTES):
                made.update(block)
        return made.hexdigest()

    def file(self, path: str, globs: Globs, most: int | None) -> "StoredObject":
        if self._infos is None:
            self.listing(globs)
        found = self._object(path)
        if most is not None and found.size > most:
            raise too_large(found.size, most)
        return found

    def _object(self, path: str) -> "StoredObject":
        info = (self._infos or {}).get(path)
        if info is None:
            raise FileNotFoundError(path)
        return StoredObject(self.store, str(info["name"]), int(info["size"]))


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object of a store."""

    store: Any
    name: str
    size: int

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.name).suffix

    def read_bytes(self) -> bytes:
        data = bytes(self.store.cat_file(self.name))
        if len(data) != self.size:
            raise OSError(0, f"{len(data):,} bytes came, it has {self.size:,}: it is being written, or was cut off")
        return data

    def open(self) -> BinaryIO:
        return cast(BinaryIO, self.store.open(self.name, "rb"))


def open_store(address: str, source: str) -> tuple[Any, str]:
    """(the store, the path in it). Nothing is cached: what was listed a minute ago says nothing of now.

    ProviderError where fsspec, or what it needs for the store, is not installed.
    """
    if find_spec("fsspec") is None:
        raise ProviderError(f"source {source}: {address} needs fsspec, which is not installed; {INSTALL}")
    import fsspec

    try:
        store, root = fsspec.url_to_fs(address, use_listings_cache=False, skip_instance_cache=True)
        return store, str(root).rstrip("/")
    except ImportError as error:
        raise ProviderError(f"source {source}: {address} needs a package that is not installed ({error})") from error
    except Exception as error:
        raise SourceError(
            f"source {source}: {address} cannot be opened ({type(error).__name__}: {str(error)[:200]}); check the "
            "address and the credentials"
        ) from error


def _told(info: Mapping[str, Any]) -> tuple[int, str | None, int]:
    """What is compared of two looks. Of the time whole seconds: a list tells more of them than a look at one object."""
    version = version_of(info)
    return int(info["size"]), version, time_of(info) // 1_000_000_000 if version is None else 0


def version_of(info: Mapping[str, Any]) -> str | None:
    """What stands for the sha256 of an object: a digest of its version and size; None where the store tells none."""
    for name in VERSIONS:
        if info.get(name) and info[name] != NO_VERSION:
            said = json.dumps([name, str(info[name]).strip('"'), int(info["size"])])
            return hashlib.sha256(said.encode()).hexdigest()
    return None


def time_of(info: Mapping[str, Any]) -> int:
    """When an object was written, in ns since the epoch; 0 where the store does not say."""
    for name in TIMES:
        value = info.get(name)
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value)
            except ValueError:
                continue
        if isinstance(value, datetime):
            return int(value.timestamp() * 1_000_000) * 1000
        if isinstance(value, int | float) and not isinstance(value, bool):
            return int(value * 1_000_000) * 1000
    return 0
