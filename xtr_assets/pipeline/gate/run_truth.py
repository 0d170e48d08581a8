"""Words in a row, read a second time, by joining words and looking for them (docs/searching.md, "Word for word")."""

from collections.abc import Sequence

import numpy as np

from xtr_assets.core.types import Floats, Ints
from xtr_assets.pipeline.gate.answer_truth import Doubles
from xtr_assets.pipeline.gate.leg_truth import Listed
from xtr_assets.search.hits import Hit

# The last words of a question that count; words that may be in a row by chance; rows whose texts are read.
LAST, CHANCE, READ = 128, 3, 12


def said_words(text: str) -> list[str]:
    """Its words without case: letters, digits and underscores."""
    return "".join(one if one.isalnum() or one == "_" else " " for one in text.casefold()).split()


def in_a_row(question: str, text: str) -> int:
    """How many words of a question a text has in a row, but for two; 0 where by chance at most.

    >>> in_a_row("the pool is closed now", "raise Error('The pool is closed')"), in_a_row("the pool is", "the pool is")
    (2, 0)
    """
    asked = said_words(question)[-LAST:]
    whole = f" {' '.join(said_words(text))} "
    most = CHANCE
    for start in range(len(asked)):
        # A longer one than the longest so far is looked for.
        while start + most < len(asked) and f" {' '.join(asked[start : start + most + 1])} " in whole:
            most += 1
    return most - 2 if most > CHANCE else 0


def run_faults(
    question: str, hits: Sequence[Hit], at: Ints, lexical: Floats, names: Floats | None, slack: float, *, listed: int
) -> tuple[str, Ints]:
    """(what is wrong with the words in a row that hits show, "" where nothing is; the rows whose texts are surely read,
    as places).

    at : int64 [hits], the places of the hits among the rows; lexical : float32 [rows], their scores in words; names :
    float32 [rows], 0 where a row has none; slack : how far apart scores may be that are the same; listed : so many of
    the best in words are candidates, whatever other legs bring; 0 where these are not all rows that may come
    """
    named = np.zeros(len(lexical), np.bool_) if names is None else names != 0
    offered = np.where(named, lexical, np.float32(0))
    read = Listed(at[:0], at[:0], 0)
    may = set(np.flatnonzero(named).tolist())
    if listed:
        surely_there = Listed.of("lexical", lexical, listed, slack).surely
        best = Listed.of("lexical", offered, READ, slack)
        read = Listed(best.surely[np.isin(best.surely, surely_there)], best.perhaps, best.room)
        # Of those that may be no candidates none takes the place of another.
        rivals = np.sort(offered[surely_there])[::-1]
        least = float(rivals[READ - 1]) - slack if len(rivals) >= READ else 0.0
        may = set(np.flatnonzero((offered > 0) & (offered >= least)).tolist())
    surely = set(read.surely.tolist())
    for place, hit in zip(at.tolist(), hits, strict=True):
        shown, true = hit.scores.get("verbatim"), in_a_row(question, hit.text)
        if shown is not None and not (true and shown == true):
            has = f"a hit has {true + 2 if true else 'no'} words of the question in a row"
            return f"{has} and shows {shown + 2:g}", at[:0]
        if shown is not None and place not in may:
            return "a hit shows words in a row and is none of the best by words that have a name", at[:0]
        if shown is None and true and place in surely:
            return f"a hit has {true + 2} words of the question in a row and shows none", at[:0]
    return "", read.surely


def runs_of(hits: Sequence[Hit]) -> Doubles:
    """What each hit shows of it: float64 [hits]."""
    return np.array([hit.scores.get("verbatim", 0.0) for hit in hits], np.float64)
