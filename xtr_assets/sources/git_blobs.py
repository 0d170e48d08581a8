"""Blobs of a repository, by one process of `git cat-file` that is asked for one after another."""

import io
import subprocess
import tempfile
import threading
import weakref
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from xtr_assets.sources.git_command import read_environment, reading
from xtr_assets.sources.git_commit import Blob

BLOCK_BYTES = 1 << 20
# A larger file of records is read from a temporary file, so that memory does not grow with it.
IN_MEMORY_BYTES = 32 << 20


class MissingBlob(OSError):
    """The repository names an object that it does not hold."""

    def __init__(self, object_id: str) -> None:
        super().__init__(0, missing(object_id))


def missing(object_id: str) -> str:
    """What a person is told of an object that is not there."""
    return f"its object {object_id[:12]} is not in the repository; `git fetch --refetch` brings it"


class BlobReader:
    """The process, begun when it is first asked."""

    def __init__(self, git_dir: Path) -> None:
        self.git_dir = git_dir
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def blocks(self, blob: Blob) -> Iterator[bytes]:
        """The content of a blob. MissingBlob, or OSError where git cannot be asked."""
        with self._lock:
            process = self._running()
            assert process.stdin is not None and process.stdout is not None
            whole = False
            try:
                process.stdin.write(f"{blob.object_id}\n".encode())
                process.stdin.flush()
                said = process.stdout.readline().split()
                if not said:
                    raise OSError(0, f"git ended before it gave the object {blob.object_id[:12]}")
                if len(said) != 3 or said[1] != b"blob":
                    whole = len(said) == 2
                    raise MissingBlob(blob.object_id)
                left = int(said[2])
                while left and (block := process.stdout.read(min(left, BLOCK_BYTES))):
                    left -= len(block)
                    yield block
                if left or process.stdout.read(1) != b"\n":
                    raise OSError(0, f"its object {blob.object_id[:12]} is damaged; `git fsck` says more")
                whole = True
            finally:
                # Where reading ended early, what comes next would be taken for the next blob.
                if not whole:
                    self._end()

    def read(self, blob: Blob) -> bytes:
        return b"".join(self.blocks(blob))

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            command = reading(self.git_dir, "cat-file", "--batch")
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=read_environment(),
            )
            weakref.finalize(self, _close, self._process)
        return self._process

    def _end(self) -> None:
        if self._process is not None:
            _close(self._process)
            self._process = None


def _close(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()


@dataclass(frozen=True, slots=True)
class BlobFile:
    """A file of a commit."""

    path: str
    blob: Blob
    reader: BlobReader

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.path).suffix

    @property
    def size(self) -> int:
        return self.blob.size or 0

    def read_bytes(self) -> bytes:
        return self.reader.read(self.blob)

    def open(self) -> BinaryIO:
        if self.size <= IN_MEMORY_BYTES:
            return io.BytesIO(self.read_bytes())
        # Unlinked at once: nothing of the repository has a name on this disk.
        stream = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 (whoever asked for it closes it)
        for block in self.reader.blocks(self.blob):
            stream.write(block)
        stream.seek(0)
        return stream
