"""The programming language of each row, by the term of it that the lexical index has."""

from collections.abc import Collection
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from xtr_assets.core.file_language import LANGUAGE_TERMS
from xtr_assets.core.types import Ints, Mask

if TYPE_CHECKING:
    from xtr_assets.index.lexical.index import LexicalIndex


class RowLanguages:
    """Of the live rows of a generation; read once, when first asked."""

    def __init__(self, index: "LexicalIndex") -> None:
        self._index = index
        self._numbers: npt.NDArray[np.int8] | None = None
        self._lock = Lock()

    def elsewhere(self, asked: Collection[str], rows: Ints) -> Mask:
        """Which of rows int64 [n] are in another language than those of these terms, bool [n]; none that is in none."""
        numbers = self._all()[rows]
        return (numbers > 0) & ~np.isin(numbers, [1 + LANGUAGE_TERMS.index(term) for term in asked])

    def _all(self) -> npt.NDArray[np.int8]:
        """int8 [end_row]: one more than the place of a language, 0 of what has none."""
        with self._lock:
            if self._numbers is None:
                numbers = np.zeros(self._index.end_row, np.int8)
                for place, term in enumerate(LANGUAGE_TERMS):
                    numbers[self._index.matching([term])] = place + 1
                self._numbers = numbers
            return self._numbers
