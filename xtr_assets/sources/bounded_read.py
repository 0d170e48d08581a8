"""Reading a file that may be anything: never more than it says it holds, never waiting for more to come."""

import hashlib
import os
from pathlib import Path

BLOCK_BYTES = 1 << 20


class Unbounded(OSError):
    """What lies there is no file of a size: its own account of itself is wrong."""

    def __init__(self) -> None:
        super().__init__(0, "it says that it is empty and is not: a file of the system (/proc), not of a disk")


def digest_of(file: Path, size: int) -> str:
    """Hex sha256 of the first `size` bytes. Raises OSError, BlockingIOError where reading would wait among them."""
    digest, left = hashlib.sha256(), size
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
    try:
        if not size and os.read(descriptor, 1):
            raise Unbounded
        while left > 0 and (block := os.read(descriptor, min(left, BLOCK_BYTES))):
            digest.update(block)
            left -= len(block)
    finally:
        os.close(descriptor)
    return digest.hexdigest()


def unread_digest(size: int) -> str:
    """What stands for the sha256 of a file that is too large to be looked into: another size is another file."""
    return hashlib.sha256(f"{size} bytes, not read".encode()).hexdigest()
