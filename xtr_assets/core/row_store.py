"""Row-aligned arrays that lie in several segments: rows are global, `base_row + position`, holes allowed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.types import Bytes8, Floats, Halves, Ints


@dataclass(frozen=True, slots=True)
class VectorPart:
    """Vectors of one segment: float16|float32 [rows, dim], unit length, usually memory-mapped."""

    base_row: int
    vectors: Halves | Floats

    @property
    def end_row(self) -> int:
        return self.base_row + len(self.vectors)


@dataclass(frozen=True, slots=True)
class TokenPart:
    """Token vectors of one segment.

    tokens : int8 [T, d] with scales float16 [T] (a token is `tokens[i] * scales[i]`), or float16|float32 [T, d] with
    scales None. offsets : int64 [rows + 1], the tokens of position p are `tokens[offsets[p]:offsets[p + 1]]`.
    """

    base_row: int
    tokens: Bytes8 | Halves | Floats
    scales: Halves | None
    offsets: Ints

    @property
    def rows(self) -> int:
        return len(self.offsets) - 1

    @property
    def end_row(self) -> int:
        return self.base_row + self.rows


def _check_order(bases: Sequence[int], ends: Sequence[int]) -> None:
    for end, base in zip(ends, bases[1:], strict=False):
        if base < end:
            raise InvalidInput(
                f"segments overlap: one ends at row {end}, the next begins at row {base}; sort them by base_row"
            )


@runtime_checkable
class Coming(Protocol):
    """Vectors of a part that lie elsewhere: read as an array is, by slices and positions, but without its memory."""

    def need(self, positions: Ints) -> None:
        """Say which rows will be read, so that they come at the same time. Waits for nothing."""

    def __getitem__(self, positions: Ints) -> Halves: ...


class RowVectors:
    """Vectors addressed by global row over the parts of a generation."""

    def __init__(self, parts: Sequence[VectorPart], dim: int) -> None:
        self.parts = tuple(parts)
        self.dim = dim
        _check_order([p.base_row for p in self.parts], [p.end_row for p in self.parts])
        for part in self.parts:
            if part.vectors.ndim != 2 or part.vectors.shape[1] != dim:
                raise InvalidInput(f"dim {dim} expected, a part at row {part.base_row} has shape {part.vectors.shape}")
        self._bases = np.array([p.base_row for p in self.parts], np.int64)

    @property
    def end_row(self) -> int:
        """One past the last row: the length of a row mask."""
        return self.parts[-1].end_row if self.parts else 0

    def __len__(self) -> int:
        """Stored rows, dead ones included, holes not."""
        return sum(len(p.vectors) for p in self.parts)

    def rows(self) -> Ints:
        """All stored rows, ascending: int64 [len(self)]."""
        return np.concatenate([np.arange(p.base_row, p.end_row) for p in self.parts] or [np.empty(0, np.int64)])

    def gather(self, rows: Ints) -> Floats:
        """float32 [len(rows), dim] for stored rows in any order; a row in a hole is an error."""
        out = np.empty((len(rows), self.dim), np.float32)
        if not len(rows):
            return out
        owner = np.searchsorted(self._bases, rows, side="right") - 1
        for index in np.unique(owner):
            if index < 0:
                raise InvalidInput(f"row {int(rows[owner < 0][0])} lies before the first segment")
            part, mine = self.parts[index], owner == index
            positions = rows[mine] - part.base_row
            if positions.max() >= len(part.vectors):
                raise InvalidInput(f"row {int(rows[mine].max())} lies in a hole after row {part.end_row - 1}")
            out[mine] = part.vectors[positions]
        return out

    def blocks(self, size: int) -> Iterator[tuple[Ints, Floats]]:
        """(rows int64 [n], vectors float32 [n, dim]) in row order, at most `size` rows at a time."""
        for part in self.parts:
            for start in range(0, len(part.vectors), size):
                block = np.asarray(part.vectors[start : start + size], np.float32)
                yield np.arange(part.base_row + start, part.base_row + start + len(block)), block


class RowTokens:
    """Token vectors addressed by global row over the parts of a generation."""

    def __init__(self, parts: Sequence[TokenPart], dim: int) -> None:
        self.parts = tuple(parts)
        self.dim = dim
        _check_order([p.base_row for p in self.parts], [p.end_row for p in self.parts])
        self._bases = np.array([p.base_row for p in self.parts], np.int64)

    @property
    def end_row(self) -> int:
        """One past the last row: the length of a row mask."""
        return self.parts[-1].end_row if self.parts else 0

    @property
    def token_count(self) -> int:
        return int(sum(p.offsets[-1] - p.offsets[0] for p in self.parts))

    def __len__(self) -> int:
        return sum(p.rows for p in self.parts)

    def counts(self) -> Ints:
        """Tokens of each row: int64 [end_row], 0 in holes."""
        found = np.zeros(self.end_row, np.int64)
        for part in self.parts:
            found[part.base_row : part.end_row] = np.diff(part.offsets)
        return found

    def document(self, row: int) -> Floats:
        """float32 [tokens, dim] of one row."""
        index = int(np.searchsorted(self._bases, row, side="right")) - 1
        if index < 0 or row >= self.parts[index].end_row:
            raise InvalidInput(f"row {row} is in no segment")
        part = self.parts[index]
        start, stop = part.offsets[row - part.base_row], part.offsets[row - part.base_row + 1]
        tokens = np.asarray(part.tokens[start:stop], np.float32)
        if part.scales is not None:
            tokens = tokens * np.asarray(part.scales[start:stop], np.float32)[:, None]
        return tokens
