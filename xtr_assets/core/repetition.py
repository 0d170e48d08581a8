"""How much of what many texts say is said once: the share of their passages that differ."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

# Bytes of a passage: five or six words of English, ten letters of Chinese. A power of two.
PASSAGE_BYTES = 32
_STEPS = (1, 2, 4, 8, 16)
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


def passages_of(sizes: npt.NDArray[np.int64]) -> int:
    """How many passages texts of so many bytes have, int64 [n]."""
    return int(np.maximum(1, sizes - PASSAGE_BYTES + 1).sum())


def distinct_share(texts: Sequence[str]) -> float:
    """The share in [0, 1] of all passages of PASSAGE_BYTES bytes, at every place of every text, that differ from each
    other; a shorter text is one passage. 1 of no text. One page with another number in each copy is a small share.

    >>> distinct_share(["one short", "another"]), distinct_share(["the same"] * 10)
    (1.0, 0.1)
    """
    hashes = [_passages(text.encode("utf-8")) for text in texts]
    whole = np.sort(np.concatenate([np.empty(0, np.uint64), *hashes]))
    return (1 + int((whole[1:] != whole[:-1]).sum())) / len(whole) if len(whole) else 1.0


def _passages(data: bytes) -> npt.NDArray[np.uint64]:
    """uint64 hashes of all passages: of twice as many bytes by each step, out of those of half as many."""
    padded = data.ljust(PASSAGE_BYTES, b"\0")
    hashes: npt.NDArray[np.uint64] = np.frombuffer(padded, np.uint8).astype(np.uint64) + np.uint64(1)
    for step in _STEPS:
        hashes = hashes[:-step] * _FACTOR + hashes[step:]
        hashes ^= hashes >> np.uint64(29)
    return hashes
