"""What `"exact phrase"` and `+must` demand of rows, looked for in their texts by plain comparison of characters.

docs/searching.md, "Words that must stand there", says what counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from xtr_assets.core.types import Ints
from xtr_assets.pipeline.gate.answer_truth import KnownRows, Places
from xtr_assets.pipeline.gate.term_truth import plain, tellable, touches
from xtr_assets.search.ranker import Mode
from xtr_assets.search.searcher import Searcher

COLUMNS = ("title", "text", "path", "symbol")
# A drawn phrase has so many words; questions that are asked, of phrases and of single words in turn.
LONGEST, ASKED = 3, 4
# A phrase that few rows hold is asked for all of them and one more; a hit takes .1 ms.
MOST_HITS = 40
# Longer words are no word that anybody asks for.
LONGEST_WORD = 40


@dataclass(frozen=True, slots=True)
class Demand:
    """Words of a row as they are demanded: the query, and int64 the rows that hold them, ascending."""

    query: str
    rows: Ints


def drawn_demands(known: KnownRows, chance: np.random.Generator) -> list[Demand]:
    """Phrases and words of rows that were read, of dead ones too."""
    rows = [*known.live.values(), *known.dead.values()]
    texts = {row: [folded(one[name]) for name in COLUMNS] for row, one in known.live.items()}
    found: list[Demand] = []
    for at in chance.permutation(len(rows)).tolist():
        if len(found) == ASKED:
            break
        alone = len(found) % 2 == 1
        if phrase := _phrase(rows[at]["text"], 1 if alone else LONGEST, chance):
            phrase = _piece(phrase, chance) if alone else phrase
            found.append(Demand(f"+{phrase}" if alone else f'"{phrase}"', _holding(texts, phrase)))
    # The same words the other way round, which few rows hold: quoted, and by a plus, which is meant.
    phrases = [one.query.strip('"') for one in found if one.query[0] == '"']
    turned = [" ".join(reversed(one.split())) for one in phrases]
    others = [other for one, other in zip(phrases, turned, strict=True) if other != one]
    return found + [
        Demand(f'{"+" * (place % 2)}"{other}"', _holding(texts, other)) for place, other in enumerate(others)
    ]


def _phrase(text: str, most: int, chance: np.random.Generator) -> str:
    """Words that stand side by side, each of letters and digits and begun by a letter; "" where there are none."""
    words = text.split()
    able = [len(one) <= LONGEST_WORD and one.isalnum() and one[0].isalpha() and tellable(one) for one in words]
    starts = [at for at in range(len(words)) if able[at]]
    if not starts:
        return ""
    first = starts[int(chance.integers(len(starts)))]
    stop = first + 1
    while stop < len(words) and able[stop] and stop - first < most:
        stop += 1
    return " ".join(words[first:stop])


def _piece(word: str, chance: np.random.Generator) -> str:
    """A character or two, or three, out of a run of a script without spaces, where they stand as well as the run does;
    any other word whole."""
    start, length = int(chance.integers(len(word))), int(chance.integers(1, 4))
    piece = word[start : start + length]
    return piece if piece[0].isalpha() and all(touches(one) for one in piece) else word


def _holding(rows: Mapping[int, Sequence[str]], phrase: str) -> Ints:
    wanted = folded(phrase)
    return np.array(sorted(row for row, texts in rows.items() if any(stands(one, wanted) for one in texts)), np.int64)


def folded(text: str) -> str:
    """As it is compared: without accents and capitals, any white space one space."""
    return " ".join(plain(text).casefold().split())


def stands(held: str, wanted: str) -> bool:
    """Whether a text has a phrase whole, both folded.

    >>> stands("the gatherer", "gather"), stands(folded("Await  asyncio.gather"), "await asyncio")
    (False, True)
    """
    at = held.find(wanted)
    while at >= 0:
        before, after = held[at - 1 : at] if at else "", held[at + len(wanted) : at + len(wanted) + 1]
        if not _joined(before, wanted[:1]) and not _joined(wanted[-1:], after):
            return True
        at = held.find(wanted, at + 1)
    return False


def _joined(left: str, right: str) -> bool:
    """Whether two neighbours are of one word."""
    return bool(left and right) and _of_word(left) and _of_word(right)


def _of_word(one: str) -> bool:
    return touches(one) is False


def demand_faults(
    searcher: Searcher, places: Places, known: KnownRows, demands: Sequence[Demand], modes: Sequence[Mode]
) -> list[str]:
    """Ask each, the modes in turn: what is wrong with the rows that came, a sentence each."""
    problems = []
    for turn, one in enumerate(demands):
        mode, k = modes[turn % len(modes)], min(len(one.rows) + 1, MOST_HITS)
        hits = searcher.search(one.query, k, mode, known.restriction or None)
        rows = places.live_rows_of(np.array([hit.chunk_id for hit in hits], np.int64))
        if one.query[0] == '"' and not len(one.rows) and known.live:
            # What nothing holds is asked by its words, and the answer says so.
            said, words = getattr(hits, "corrected", ""), one.query.strip('"')
            if said != words:
                told = f"says that {said!r} was asked" if said else "does not say so"
                problems.append(f"{words!r} stands nowhere as it is quoted, and the answer {told} (mode {mode})")
            continue
        if wrong := int((~np.isin(rows, one.rows)).sum()):
            problems.append(f"{wrong} of {len(rows)} hits do not hold what {one.query!r} demands (mode {mode}, k {k})")
        elif len(one.rows) < MOST_HITS and (missing := int((~np.isin(one.rows, rows)).sum())):
            problems.append(f"{missing} rows that hold what {one.query!r} demands did not come (mode {mode}, k {k})")
    return problems
