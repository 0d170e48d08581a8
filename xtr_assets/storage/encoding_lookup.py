"""Encodings that exist already, found by text hash: a text is encoded once per encoder, wherever it moves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.name_text import NAMINGS, Naming
from xtr_assets.core.types import BOTH_LEGS, Ints, Legs, Mask, VectorKind
from xtr_assets.storage.segment import Segment

TextHashes = Sequence[bytes] | npt.NDArray[np.uint64]
# Stored rows for each wanted hash from which on it pays to look at their first bits before.
SPARSE = 4


@dataclass(frozen=True)
class EncodedAt:
    """Where texts lie: `segments[owner[i]]` at `position[i]`; owner is -1 where a text is not encoded yet.

    owner : int64 [n]; position : int64 [n].
    """

    segments: tuple[Segment, ...]
    owner: Ints
    position: Ints

    @property
    def found(self) -> Mask:
        """bool [n]"""
        return self.owner >= 0


def find_encoded(
    segments: Sequence[Segment], text_hashes: TextHashes, fingerprint: str, legs: Legs = BOTH_LEGS
) -> EncodedAt:
    """Look the hashes up in every segment that holds all these legs of this encoder.

    text_hashes : n values of 16 bytes, or uint64 [n, 2] as Segment.text_hashes gives them. Sorting n hashes and one
    binary search per stored row: 1,000,000 rows take a fifth of a second.
    """
    held = tuple(one for one in segments if one.has_vectors(VectorKind(fingerprint, legs)))
    return _find(held, Segment.text_hashes, _as_words(text_hashes))


def find_named(segments: Sequence[Segment], name_hashes: TextHashes, fingerprint: str) -> EncodedAt:
    """The same for hashes of names, in every segment that holds names by this encoder, of whatever rows. A row without
    a name has the hash 0, which is no name's."""
    held = tuple(one for one in segments if naming_of(one, fingerprint))
    return _find(held, lambda one: one.name_hashes(fingerprint, naming_of(one, fingerprint)), _as_words(name_hashes))


def naming_of(segment: Segment, fingerprint: str) -> Naming:
    """Which rows of a segment have names by this encoder, of most rows where several were written."""
    return next((one for one in NAMINGS if segment.has_names(fingerprint, one)), "")


def _find(
    held: tuple[Segment, ...], hashes_of: Callable[[Segment], npt.NDArray[np.uint64]], wanted: npt.NDArray[np.uint64]
) -> EncodedAt:
    owner = np.full(len(wanted), -1, np.int64)
    position = np.full(len(wanted), -1, np.int64)
    # The first word alone almost always decides; equal first words are told apart by the whole hash.
    unique, inverse = np.unique(wanted, axis=0, return_inverse=True)
    unique_owner = np.full(len(unique), -1, np.int64)
    unique_position = np.full(len(unique), -1, np.int64)
    for index, segment in enumerate(held):
        stored = hashes_of(segment)
        for place, row in _matches(unique, stored):
            fresh = unique_owner[place] < 0
            unique_owner[place[fresh]] = index
            unique_position[place[fresh]] = row[fresh]
        if len(unique) and (unique_owner >= 0).all():
            break
    if len(wanted):
        owner, position = unique_owner[inverse.ravel()], unique_position[inverse.ravel()]
    return EncodedAt(held, owner, position)


def _matches(unique: npt.NDArray[np.uint64], stored: npt.NDArray[np.uint64]) -> list[tuple[Ints, Ints]]:
    """Pairs (index into unique, stored row); unique is sorted by its first word, then its second."""
    if not len(unique) or not len(stored):
        return []
    pairs = []
    alive = _maybe(unique[:, 0], stored[:, 0])
    place = np.searchsorted(unique[:, 0], stored[alive, 0], side="left")
    # Hashes that share the first word lie beside each other: look at the next until none is left to compare.
    alive, place = alive[place < len(unique)], place[place < len(unique)]
    while len(alive):
        same_first = unique[place, 0] == stored[alive, 0]
        alive, place = alive[same_first], place[same_first]
        equal = unique[place, 1] == stored[alive, 1]
        pairs.append((place[equal].astype(np.int64), alive[equal].astype(np.int64)))
        alive, place = alive[~equal], place[~equal] + 1
        inside = place < len(unique)
        alive, place = alive[inside], place[inside]
    return pairs


def _maybe(wanted: npt.NDArray[np.uint64], stored: npt.NDArray[np.uint64]) -> Ints:
    """int64, ascending: where stored words may be among the wanted ones. All whose first bits are those of none are
    left out: a thousand among a million take 9 CPU ms so, and 76 where each of the million is looked for."""
    if len(stored) < SPARSE * len(wanted):
        return np.arange(len(stored))
    # Sixteen times as many places as words, two bytes' worth at least: one in sixteen is looked for in vain.
    shift = np.uint64(64 - max(16, len(wanted).bit_length() + 4))
    there = np.zeros(1 << (64 - int(shift)), np.bool_)
    there[wanted >> shift] = True
    found: Ints = np.flatnonzero(there[stored >> shift])
    return found


def _as_words(text_hashes: TextHashes) -> npt.NDArray[np.uint64]:
    if isinstance(text_hashes, np.ndarray):
        if text_hashes.dtype != np.uint64 or text_hashes.ndim != 2 or text_hashes.shape[1] != 2:
            raise InvalidInput(f"text hashes are uint64 [n, 2], found {text_hashes.dtype} {list(text_hashes.shape)}")
        return text_hashes
    wrong = [len(one) for one in text_hashes if len(one) != 16]
    if wrong:
        raise InvalidInput(f"a text hash has 16 bytes, found one of {wrong[0]}")
    return np.frombuffer(b"".join(text_hashes), np.uint64).reshape(-1, 2)
