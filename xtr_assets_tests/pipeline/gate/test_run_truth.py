"""Whose texts are read for words in a row: of rows that may come, not of all that pass a filter."""

import numpy as np
import pytest

from xtr_assets.pipeline.gate.run_truth import READ, run_faults
from xtr_assets.search.hits import Hit

QUESTION = "no page is left in the book"


def hit(text: str = QUESTION, verbatim: float | None = 5.0) -> Hit:
    scores = {} if verbatim is None else {"verbatim": verbatim}
    return Hit(1, 1.0, scores, "s", "f.py", "turn", "function", 0, 1, 1, "", text)


def faults(place: int, *, named: list[int], rows: int, listed: int, verbatim: float | None = 5.0) -> str:
    """What is said of one hit at `place`, of rows that score less and less in words."""
    lexical = np.arange(rows, 0, -1).astype(np.float32)
    names = np.zeros(rows, np.float32)
    names[named] = 0.5
    said, _ = run_faults(QUESTION, [hit(verbatim=verbatim)], np.array([place]), lexical, names, 0.001, listed=listed)
    return said


def test_the_best_by_words_are_read_where_all_rows_are_scored() -> None:
    every = list(range(40))
    assert faults(READ - 1, named=every, rows=40, listed=40) == ""
    assert "is none of the best by words" in faults(READ, named=every, rows=40, listed=40)
    assert "shows none" in faults(READ - 1, named=every, rows=40, listed=40, verbatim=None)
    assert faults(READ, named=every, rows=40, listed=40, verbatim=None) == ""
    assert "is none of the best by words" in faults(3, named=[0, 1], rows=40, listed=40)


def test_a_row_that_no_list_holds_takes_no_place_of_one_that_came() -> None:
    """Of 1,332 pages the 118 with a name were not all among the best hundred, and one that was came 13th of these."""
    named = [*range(0, 22, 2), 30, 31]
    assert len(named) == READ + 1
    assert "is none of the best by words" in faults(31, named=named, rows=40, listed=40)
    assert faults(31, named=named, rows=40, listed=20) == ""
    assert faults(31, named=named, rows=40, listed=20, verbatim=None) == ""
    # Twelve are surely there, and better.
    assert "is none of the best by words" in faults(31, named=list(range(40)), rows=40, listed=20)
    assert "shows none" in faults(0, named=named, rows=40, listed=20, verbatim=None)


@pytest.mark.parametrize("listed", [0, 40])
def test_what_a_text_does_not_have_in_a_row_is_a_fault_wherever_it_stands(listed: int) -> None:
    shown = [hit("no page was left", 3.0), hit(QUESTION, 4.0)]
    for one in shown:
        said, _ = run_faults(
            QUESTION, [one], np.array([0]), np.ones(40, np.float32), np.ones(40, np.float32), 0.001, listed=listed
        )
        assert "words of the question in a row" in said
