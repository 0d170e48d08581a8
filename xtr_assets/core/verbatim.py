"""The words of a question that a text has one after the other: a pasted message, a line of code, a sentence by heart.

Whoever pastes what a program printed wants the place that prints it; the legs know which words it has, not their order
(docs/measurements.md, "Word for word").
"""

import re
from collections.abc import Mapping, Sequence

# Of a longer question the last words count: what a program printed ends with what was wrong.
MOST_WORDS = 128
# So many words in a row may be chance.
BY_CHANCE = 3

_WORD = re.compile(r"\w+")

Triple = tuple[str, str, str]


def words_of(text: str) -> list[str]:
    """Runs of letters, digits and underscores, without case.

    >>> words_of("Can't open 'X_1: y'")
    ['can', 't', 'open', 'x_1', 'y']
    """
    found: list[str] = _WORD.findall(text.casefold())
    return found


def asked_words(text: str) -> tuple[str, ...]:
    """The words of a question that may stand in a text word for word; none where they are too few to tell."""
    words = words_of(text)[-MOST_WORDS:]
    return tuple(words) if len(words) > BY_CHANCE else ()


def triples_of(words: Sequence[str]) -> dict[Triple, list[int]]:
    """Where each three words in a row begin."""
    found: dict[Triple, list[int]] = {}
    for at, triple in enumerate(zip(words, words[1:], words[2:], strict=False)):
        found.setdefault(triple, []).append(at)
    return found


def longest_run(triples: Mapping[Triple, Sequence[int]], text: str) -> int:
    """How many words of a question the text has in a row at most, 0 where they may be so by chance. triples : of the
    question's words, as `triples_of` says.

    >>> longest_run(triples_of(asked_words("ValueError: need 2 or more nodes")), "raise V('need %d or more nodes.')")
    0
    >>> longest_run(triples_of(asked_words("E: the pool is closed now")), 'raise E("The pool is\\n closed")')
    5
    """
    words, best, open_ = words_of(text), 0, dict[int, int]()
    for triple in zip(words, words[1:], words[2:], strict=False):
        begun = triples.get(triple)
        # By where its last triple begins in the question, how many triples each run has so far.
        open_ = {} if begun is None else {at: open_.get(at - 1, 0) + 1 for at in begun}
        if open_:
            best = max(best, *open_.values())
    return best + 2 if best + 2 > BY_CHANCE else 0
