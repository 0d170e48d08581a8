"""What terms that no word is say of each row: its programming language, and that it is of tests."""

from collections.abc import Collection, Sequence
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from xtr_assets.core.file_language import LANGUAGE_TERMS
from xtr_assets.core.file_purpose import TESTS_TERM
from xtr_assets.core.types import Ints, Mask

if TYPE_CHECKING:
    from xtr_assets.index.lexical.index import LexicalIndex


class RowMarks:
    """Of the live rows of a generation."""

    def __init__(self, index: "LexicalIndex") -> None:
        self._languages, self._tests = _Numbers(index, LANGUAGE_TERMS), _Numbers(index, [TESTS_TERM])

    def elsewhere(self, asked: Collection[str], rows: Ints) -> Mask:
        """Which of rows int64 [n] are in another language than those of these terms, bool [n]; none that is in none."""
        numbers = self._languages.all()[rows]
        return (numbers > 0) & ~np.isin(numbers, [1 + LANGUAGE_TERMS.index(term) for term in asked])

    def of_tests(self, rows: Ints) -> Mask:
        """Which of rows int64 [n] are of tests, bool [n]; none where the index does not say."""
        return self._tests.all()[rows] > 0


class _Numbers:
    """By which of some terms, of which no row has two, each row is held; read once, when first asked."""

    def __init__(self, index: "LexicalIndex", terms: Sequence[str]) -> None:
        self._index, self._terms = index, terms
        self._numbers: npt.NDArray[np.int8] | None = None
        self._lock = Lock()

    def all(self) -> npt.NDArray[np.int8]:
        """int8 [end_row]: one more than the place of the row's term, 0 of what has none."""
        with self._lock:
            if self._numbers is None:
                numbers = np.zeros(self._index.end_row, np.int8)
                for place, term in enumerate(self._terms):
                    numbers[self._index.matching([term])] = place + 1
                self._numbers = numbers
            return self._numbers
