"""Weights as an engine multiplies them, kept in the cache folder: packed once, mapped by each process after that.

A file is a header of 4096 bytes (JSON, padded with spaces) and the panels of each layer, each on the border of a cache
line. It says of which weights file it is, by sha256 and by what the system says of that file: where that is as it was,
the file is what it was when its sha256 was compared, and is not read again. The panels themselves are hashed at each
open. What is damaged, somebody else's or of another build is not used, and written anew; a cache that cannot be
written is none.
"""

import hashlib
import json
import logging
import mmap
import os
import stat
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from xtr_assets.core.cache_place import cache_folder
from xtr_assets.core.errors import StorageError
from xtr_assets.core.files import replacing, sha256_file
from xtr_assets.core.json_document import read_json
from xtr_assets.encoders.weights import ModelFiles

log = logging.getLogger(__name__)

Panels = list[list[npt.NDArray[np.uint32]]]

FORMAT = 1
HEADER_BYTES, LINE_BYTES = 4096, 64
# Smaller weights are packed in less time than their file is opened: 11 million take 0.05 CPU s.
LEAST_BYTES = 16 << 20
# A file written within the clock's grain may be written again without a trace (as sources take it).
RACY_NS = 2_000_000_000
# What nobody opened the weights for in so long (another engine, an older release) is removed by who writes a new one.
KEPT_SECONDS = 30 * 86400


@dataclass(frozen=True, slots=True)
class PackedWeights:
    """The packed file of some weights for an engine of this build; whether it is there is asked by `read`."""

    path: Path
    expected: dict[str, Any]

    @classmethod
    def of(cls, files: ModelFiles, engine: str, extension: Path) -> "PackedWeights | None":
        """None for weights that are not worth it, or were written a moment ago."""
        try:
            origin = _origin(files.weights)
            if origin is None:
                return None
            expected = {
                "format": FORMAT,
                "weights": files.weights_sha256,
                "engine": engine,
                "extension": sha256_file(extension),
                "origin": origin,
            }
        except OSError:
            return None
        key = hashlib.sha256(json.dumps(expected, sort_keys=True).encode()).hexdigest()[:16]
        return cls(cache_folder() / "encoders" / f"{files.weights_sha256[:16]}-{engine}-{key}.packed", expected)

    def read(self) -> Panels | None:
        """The panels by layer, mapped; None where there is no file that can be used."""
        try:
            with self.path.open("rb") as file:
                if why := _foreign(os.fstat(file.fileno())):
                    log.warning("%s is not used: %s", self.path, why)
                    return None
                mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            return self._panels(mapped)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, LookupError, TypeError) as error:
            log.warning("%s is not used, the weights are packed again: %s", self.path, error)
            return None

    def _panels(self, mapped: memoryview) -> Panels:
        header = read_json(bytes(mapped[:HEADER_BYTES]))
        if not isinstance(header, dict):
            raise ValueError(f"its header is a {type(header).__name__}, no object")
        found = {name: header.get(name) for name in self.expected}
        if found != self.expected:
            raise ValueError(f"it is of {found}, {self.expected} is wanted")
        body, counts = mapped[HEADER_BYTES:], header["counts"]
        if hashlib.sha256(body).hexdigest() != header["sha256"]:
            raise ValueError("it is damaged: its bytes are not those that were written")
        panels, at = Panels(), 0
        for layer in counts:
            panels.append([])
            for count in layer:
                panels[-1].append(np.frombuffer(body, np.uint32, count, at))
                at += _padded(4 * count)
        return panels

    def write(self, panels: Sequence[Sequence[npt.NDArray[np.uint32]]]) -> None:
        """Keep panels. A folder that cannot be written, or is full, is told in the log and no more."""
        digest = hashlib.sha256()
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with replacing(self.path) as made, made.open("wb") as file:
                os.fchmod(file.fileno(), 0o600)
                file.write(bytes(HEADER_BYTES))
                for one in (one for layer in panels for one in layer):
                    data = one.view(np.uint8).data
                    padding = bytes(_padded(len(data)) - len(data))
                    for part in (data, padding):
                        digest.update(part)
                        file.write(part)
                counts = [[one.size for one in layer] for layer in panels]
                header = json.dumps({**self.expected, "sha256": digest.hexdigest(), "counts": counts})
                if len(header) > HEADER_BYTES:
                    raise ValueError(f"a header of {len(header)} bytes, {HEADER_BYTES} are reserved")
                file.seek(0)
                file.write(header.ljust(HEADER_BYTES).encode())
            self._remove_old()
        except (OSError, ValueError, StorageError) as error:
            log.info("the packed weights are not kept in %s: %s", self.path.parent, error)

    def _remove_old(self) -> None:
        oldest = time.time() - KEPT_SECONDS
        for path in self.path.parent.glob("*.packed"):
            with suppress(OSError):
                if path != self.path and path.stat().st_atime < oldest:
                    path.unlink()


def _origin(weights: Path) -> list[int] | None:
    """What the system says of a file: whoever writes to it, or puts another in its place, changes some of it."""
    found = weights.stat()
    late = max(found.st_mtime_ns, found.st_ctime_ns) > time.time_ns() - RACY_NS
    if found.st_size < LEAST_BYTES or late:
        return None
    return [found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def _foreign(found: os.stat_result) -> str:
    """Why a file is not believed; "" where it is this user's own, and nobody else can write to it."""
    if not stat.S_ISREG(found.st_mode):
        return "it is no file"
    if found.st_uid != os.geteuid():
        return f"it is the user {found.st_uid}'s, and this process is the user {os.geteuid()}'s; remove it"
    if found.st_mode & 0o022:
        return f"others may write to it (mode {stat.S_IMODE(found.st_mode):o}); remove it"
    return ""


def _padded(size: int) -> int:
    return -(-size // LINE_BYTES) * LINE_BYTES
