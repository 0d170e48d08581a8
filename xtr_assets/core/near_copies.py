"""Near copies: texts that share most of their word runs with texts they must not come from.

Containment of shingles (Broder, On the resemblance and containment of documents, 1997): the share of a text's runs of
`length` words that stand anywhere in the reference. Identifiers are words, case and punctuation are not, so that a
function that was renamed a little, formatted anew or cut out of its file is found.
"""

import re
from collections.abc import Iterable, Iterator
from hashlib import blake2b

# Runs of eight words of two functions that do the same are rare; of copies they are most.
LENGTH = 8
# Half of the runs: a copy with every tenth word changed still has 0.43 to 0.5 of them, in most of its parts more.
# Boilerplate that many functions share (a licence, a loop) stays below it.
CONTAINED = 0.5

_WORD = re.compile(r"[^\W_]+")


class Shingles:
    """The word runs of reference texts, each as a 64-bit digest."""

    def __init__(self, texts: Iterable[str], length: int = LENGTH) -> None:
        self.length = length
        self._known: set[int] = set()
        for text in texts:
            self._known.update(_runs(text, length))

    def __len__(self) -> int:
        return len(self._known)

    def containment(self, text: str) -> float:
        """The share of the text's runs that stand in the reference; of a shorter text it is all or nothing.

        >>> known = Shingles(["Return the date of today."], length=3)
        >>> known.containment("return the_date of tomorrow"), known.containment("of today")
        (0.6666666666666666, 0.0)
        """
        runs = set(_runs(text, self.length))
        return len(runs & self._known) / len(runs) if runs else 0.0


def _runs(text: str, length: int) -> Iterator[int]:
    """A text of fewer words than a run is one run by itself."""
    folded = [word.casefold() for word in _WORD.findall(text)]
    for start in range(max(1, len(folded) - length + 1) if folded else 0):
        run = " ".join(folded[start : start + length])
        yield int.from_bytes(blake2b(run.encode(), digest_size=8).digest(), "little")
