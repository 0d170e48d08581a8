"""The spelling of a query: words that no live row holds, one edit away from words that some rows hold.

The lexical index tells of any term whether a row holds it, so that nothing is built for it. Where a filter says which
rows may be seen, what is asked in place of a word stands in one of them: no answer tells of others.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from xtr_assets.core.edits import edits, typed_as, typed_words
from xtr_assets.core.lexical_terms import word_term
from xtr_assets.core.types import Mask
from xtr_assets.search.lexical_space import LexicalSpace
from xtr_assets.search.reader import Hydrates

# A pasted page is not looked at. And each word that nobody knows asks for some 500 others.
MOST_WORDS = 16
MOST_UNKNOWN = 3
# Rows that are read for the word that a term is the stem of, of each of so many terms.
_ROWS_READ = 8
_TERMS_READ = 3


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """The words of the rows that may be seen. allowed : gives bool [end_row], asked where a word is not known."""

    space: LexicalSpace
    hydrator: Hydrates
    allowed: Callable[[], Mask]

    def unknown(self, words: Collection[str]) -> list[str]:
        """Those that no live row holds, whoever may see it."""
        terms = {word: word_term(word) for word in words}
        held = self.space.index.rarity(list(terms.values()))
        return [word for word, term in terms.items() if term not in held]

    def nearest(self, word: str) -> str:
        """Of the words one edit away the one that most rows hold, "" where none is held."""
        by_term: dict[str, list[str]] = {}
        for near in edits(word):
            by_term.setdefault(word_term(near), []).append(near)
        rarity = self.space.index.rarity(list(by_term))
        commonest = sorted(rarity, key=lambda term: (rarity[term], term))[:_TERMS_READ]
        return next((found for term in commonest if (found := self._written(term, by_term[term]))), "")

    def _written(self, term: str, words: Sequence[str]) -> str:
        """Which of the words with this stem rows hold, most often; "" where they hold others alone."""
        rows = self.space.index.matching([term])
        read = self.hydrator.rows(rows[self.allowed()[rows]][:_ROWS_READ].tolist())
        counts = Counter(word for row in read for word in _said(row) if word in words)
        return max(counts, key=lambda word: (counts[word], word), default="")


def corrected(text: str, vocabulary: Vocabulary, whole: Callable[[], Collection[str]]) -> str:
    """The query with its spelling corrected; "" where each word is known, or none is near.

    whole : the words of the query that the encoder knows as one piece, asked where the rows do not know a word: a word
    of the language that this index does not speak of is well written.
    """
    words = typed_words(text)
    if not words or len(words) > MOST_WORDS:
        return ""
    unknown = vocabulary.unknown({word for _, _, word in words})
    if unknown:
        known = whole()
        unknown = sorted(word for word in unknown if word not in known)
    meant = {word: vocabulary.nearest(word) for word in unknown[:MOST_UNKNOWN]}
    said = text
    for start, end, word in reversed(words):
        if found := meant.get(word):
            said = said[:start] + typed_as(found, text[start:end]) + said[end:]
    return said if said != text else ""


def _said(row: Mapping[str, object]) -> list[str]:
    text = " ".join(str(row[name] or "") for name in ("path", "symbol", "title", "text"))
    return [word for _, _, word in typed_words(text)]
