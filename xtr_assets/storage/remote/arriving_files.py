"""Whole files of a generation that is not here yet, each brought when somebody needs it.

They lie in a folder of the cache that is named by the manifest, laid out as a warehouse. Nobody trusts a file there:
who reads one compares it with its record, as everywhere. So processes share the folder without a lock.
"""

import os
import shutil
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import Lock

from xtr_assets.core.errors import CorruptFile, StorageError, StoreError
from xtr_assets.core.files import FileRecord
from xtr_assets.storage.digests import check_digest
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.remote.arrival import SPARE_BYTES
from xtr_assets.storage.remote.lease import Held
from xtr_assets.storage.remote.object_store import READS, ObjectStore, Overtaken, side_by_side
from xtr_assets.storage.remote.traffic import Traffic

# A large file comes in ranges side by side: one stream of a store gives 50 to 90 MB a second.
RANGE_BYTES = 4 * 2**20
THREADS = 16


class ArrivingFiles:
    """The files of a manifest, by their names in the warehouse."""

    def __init__(
        self, store: ObjectStore, layout: Layout, files: Mapping[str, FileRecord], traffic: Traffic, lease: Held
    ) -> None:
        self.store, self.layout, self.files = store, layout, files
        self._traffic, self._lease = traffic, lease
        self._here: set[str] = set()
        self._bringing = Lock()

    def bring(self, names: Iterable[str]) -> None:
        """Have these files here, compared with their records; those that the manifest does not list are passed over.

        CorruptFile where the store gives other bytes, StoreError where it does not give them, StorageError where the
        disk does not take them.
        """
        wanted = {name: self.files[name] for name in names if name in self.files and not self._known(name)}
        if not wanted:
            return
        self._lease.renew()
        with self._bringing, self._traffic.asked():
            missing = {name: one for name, one in wanted.items() if not self._is_here(name, one)}
            self._check_space(sum(one.bytes for one in missing.values()))
            for _ in range(READS):
                self._fetch(missing)
                wrong = {name: one for name, one in missing.items() if not self._is_here(name, one)}
                if not wrong:
                    self._here |= wanted.keys()
                    return
                missing = wrong
            name, one = next(iter(wrong.items()))
            raise CorruptFile(f"{name} (from {self.store.name})", f"sha256 {one.sha256}", f"other bytes, {READS} times")

    def _known(self, name: str) -> bool:
        # Another process may have taken the folder away: all of the generation is in the cache by now.
        return name in self._here and self.layout.resolve(name).exists()

    def _is_here(self, name: str, expected: FileRecord) -> bool:
        path = self.layout.resolve(name)
        try:
            check_digest(path, expected, name)
        except CorruptFile:
            return False
        except FileNotFoundError:
            return False
        return True

    def _fetch(self, missing: Mapping[str, FileRecord]) -> None:
        """Each file under a name of its own first, so that nobody reads half of one."""
        parts: dict[str, Path] = {}
        try:
            for name in missing:
                path = self.layout.resolve(name)
                path.parent.mkdir(parents=True, exist_ok=True)
                parts[name] = path.with_name(f".{uuid.uuid4().hex}.part")
            ranges = [
                (name, start)
                for name, one in sorted(missing.items(), key=lambda item: item[1].bytes)
                for start in range(0, max(1, one.bytes), RANGE_BYTES)
            ]
            # The large ones first: they take longest.
            side_by_side(lambda item: self._range(parts[item[0]], *item), ranges[::-1], THREADS)
            for name, part in parts.items():
                part.replace(self.layout.resolve(name))
        except Overtaken as error:
            raise StoreError(f"{error}: a collection took it, and another generation serves by now") from None
        except OSError as error:
            raise StorageError(
                f"{self.layout.root} does not take what comes from {self.store.name}: {error}"
            ) from error
        finally:
            for part in parts.values():
                part.unlink(missing_ok=True)

    def _range(self, part: Path, name: str, start: int) -> None:
        one = self.files[name]
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            for data in self.store.parts(one, name, start, min(one.bytes, start + RANGE_BYTES)):
                written = 0
                while written < len(data):
                    written += os.pwrite(descriptor, data[written:], start + written)
                start += len(data)
        finally:
            os.close(descriptor)

    def _check_space(self, needed: int) -> None:
        self.layout.root.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.layout.root).free
        if needed and needed + SPARE_BYTES > free:
            raise StorageError(
                f"{self.layout.root} has {free} bytes free, and {needed} are to come ({SPARE_BYTES} stay free); free "
                "some, or name a folder on another disk"
            )
