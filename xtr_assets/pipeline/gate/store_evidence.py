"""An object store asked a second time: for all objects below an address at once, where the source walks folders."""

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from xtr_assets.config import SourceConfig
from xtr_assets.core.errors import XtrAssetsError
from xtr_assets.pipeline.gate.folder_evidence import UNKNOWN, Held, before
from xtr_assets.pipeline.gate.path_patterns import PathPatterns
from xtr_assets.sources.store_place import open_store

_VERSIONS = ("generation", "ETag", "etag", "md5Hash", "content_md5", "VersionId", "version_id")
_TIMES = ("LastModified", "last_modified", "updated", "mtime", "created")


@dataclass(slots=True)
class StoredFiles:
    """What the store holds of a source now. files : by path, when each object was written."""

    store: Any = None
    files: dict[str, int] = field(default_factory=dict)
    infos: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def was_so(self, path: str, looked_ns: int) -> bool:
        """Whether an object was written before its shard was looked at."""
        return before(self.files.get(path, UNKNOWN), looked_ns)

    @contextmanager
    def reading(self, path: str, recorded: str) -> Iterator[tuple[Path, str]]:  # noqa: ARG002
        """A copy of an object, and the digest that it has now. OSError where it cannot be had."""
        info = self.infos.get(path)
        if info is None:
            raise FileNotFoundError(path)
        try:
            with self.store.open(info["name"], "rb") as stream:
                data = bytes(stream.read())
        except Exception as error:
            raise OSError(0, str(error)) from error
        with tempfile.NamedTemporaryFile(suffix=PurePosixPath(path).suffix) as copy:
            copy.write(data)
            copy.flush()
            yield Path(copy.name), _digest(info, data)


def stored_files_of(config: SourceConfig) -> StoredFiles:
    """None where the store cannot be asked."""
    patterns = PathPatterns(config)
    try:
        store, root = open_store(str(config.path), config.name)
        found = store.find(root, detail=True)
    except XtrAssetsError:
        return StoredFiles()
    except Exception:
        return StoredFiles()
    held = StoredFiles(store)
    for name, info in found.items():
        path = str(name)[len(root) :].lstrip("/") or PurePosixPath(root).name
        if name == root or patterns.takes(tuple(path.split("/"))):
            held.infos[path], held.files[path] = info, _written(info)
    return held


def store_faults(held: Held, stored: StoredFiles) -> Iterator[str]:
    """Objects that were there before the look and are not held; what is held and is not the source's."""
    patterns = PathPatterns(held.config)
    known = {path for one in held.snapshots.values() for path in one.files}
    known |= {entry.path for one in held.snapshots.values() for entry in one.stale}
    for path in stored.files:
        if path not in known and stored.was_so(path, held.looked.get(held.shard_of(path), 0)):
            yield f"{held.config.name}/{path}: it lies in the store, and the generation has no such object"
    single = len(stored.infos) == 1 and len(known) == 1
    for path in () if single else sorted(known):
        if not patterns.takes(tuple(path.split("/"))):
            yield f"{held.config.name}/{path}: the configuration leaves it out, and the generation has it"


def _digest(info: Mapping[str, Any], data: bytes) -> str:
    named = next((name for name in _VERSIONS if info.get(name) not in (None, "", "null")), None)
    if named is None:
        return hashlib.sha256(data).hexdigest()
    said = json.dumps([named, str(info[named]).strip('"'), len(data)])
    return hashlib.sha256(said.encode()).hexdigest()


def _written(info: Mapping[str, Any]) -> int:
    value = next((info[name] for name in _TIMES if info.get(name)), None)
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        seconds = moment.timestamp() if isinstance(moment, datetime) else float(moment or 0)
    except (TypeError, ValueError):
        seconds = 0.0
    return int(seconds * 1e9) or UNKNOWN
