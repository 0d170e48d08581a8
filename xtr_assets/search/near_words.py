"""The spelling of a query: words that no live row holds, one edit away from words that some rows hold.

The lexical index tells of any term whether a row holds it, so that nothing is built for it. Where a filter says which
rows may be seen, what is asked in place of a word stands in one of them.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from xtr_assets.core.asked_place import without_places
from xtr_assets.core.edits import edits, typed_as, typed_forms, typed_words
from xtr_assets.core.file_language import LANGUAGE_WORDS
from xtr_assets.core.lexical_terms import word_term
from xtr_assets.core.query_syntax import Query
from xtr_assets.core.types import Mask
from xtr_assets.search.lexical_space import LexicalSpace
from xtr_assets.search.reader import Hydrates

# A pasted page is not looked at. And each word that nobody knows asks for some 500 others.
MOST_WORDS = 16
MOST_UNKNOWN = 3
# Of all queries of one call: 3.5 CPU s at worst, of words of 24 letters. As many as a server answers together have
# their three words each, whoever else asks.
MOST_OF_CALL = 96
# Rows that are read for the word that a term is the stem of, and how many of the commonest terms may be meant.
ROWS_READ = 8
_TERMS_READ = 3


@dataclass(frozen=True, slots=True)
class Near:
    """A term that words one edit away have. rows : how many live rows hold it; written : of the first of those that may
    be seen, which of the words stands in each how often."""

    rows: int
    written: tuple[Mapping[str, int], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """The words of the rows that may be seen. allowed : gives bool [end_row], asked where a word is not known."""

    space: LexicalSpace
    hydrator: Hydrates
    allowed: Callable[[], Mask]

    def unknown(self, words: Mapping[str, Collection[str]]) -> list[str]:
        """Those of which no live row holds a form, whoever may see it. A form that has capitals inside is a term as it
        is, and by its stem where it is written small."""
        terms = {word: {term for form in forms for term in (form, word_term(form))} for word, forms in words.items()}
        held = self._held([term for own in terms.values() for term in own]).keys()
        return [word for word, own in terms.items() if own.isdisjoint(held)]

    def near(self, word: str) -> dict[str, Near]:
        """Terms of words one edit away that live rows hold."""
        by_term: dict[str, list[str]] = {}
        for near in edits(word):
            by_term.setdefault(word_term(near), []).append(near)
        held = self._held(list(by_term))
        return {term: Near(rows, self._written(term, by_term[term])) for term, rows in held.items()}

    def _held(self, terms: Sequence[str]) -> Mapping[str, int]:
        return self.space.index.counted(terms).frequencies

    def _written(self, term: str, words: Sequence[str]) -> tuple[Mapping[str, int], ...]:
        rows = self.space.index.matching([term])
        read = self.hydrator.rows(rows[self.allowed()[rows]][:ROWS_READ].tolist())
        return tuple(dict(Counter(word for word in _said(row) if word in words)) for row in read)


def nearest(near: Sequence[Mapping[str, Near]]) -> str:
    """Of the words one edit away the one that most rows hold, "" where none is held.

    near : of an index, or of each part of one in the order of their rows

    >>> nearest([{"gather": Near(2, ({"gather": 1},))}, {"gather": Near(1, ({"gathers": 2},)), "gate": Near(2, ())}])
    'gathers'
    """
    rows: Counter[str] = Counter()
    written: dict[str, list[Mapping[str, int]]] = {}
    for part in near:
        for term, own in part.items():
            rows[term] += own.rows
            written.setdefault(term, []).extend(own.written)
    for term in sorted(rows, key=lambda term: (-rows[term], term))[:_TERMS_READ]:
        counts: Counter[str] = Counter()
        for one in written[term][:ROWS_READ]:
            counts.update(one)
        if counts:
            return max(counts, key=lambda word: (counts[word], word))
    return ""


def doubted(query: Query) -> dict[str, set[str]]:
    """The words of a query whose spelling is looked at, by their forms; none where it demands what a text must hold.
    Languages are well written: files in Clojure that speak of closures are no reason to ask for these. And so are paths
    with their lines."""
    if query.phrases or query.required or len(typed_words(query.text)) > MOST_WORDS:
        return {}
    typed = typed_forms(without_places(query.text))
    return {word: forms for word, forms in typed.items() if forms.isdisjoint(LANGUAGE_WORDS)}


def asked_about(unknown: Collection[str], whole: Collection[str], queries: int = 1) -> list[str]:
    """Which words that no row holds are taken for mistakes, in order.

    whole : those that the encoder knows as one piece: a word of the language that this index does not speak of is well
    written; queries : how many there are in the call

    >>> [len(asked_about(["four", "words", "are", "unknown"], [], queries)) for queries in (1, 32, 33, 64, 1000)]
    [3, 3, 2, 1, 1]
    """
    return sorted(set(unknown) - set(whole))[: max(1, min(MOST_UNKNOWN, MOST_OF_CALL // queries))]


def corrected(text: str, meant: Mapping[str, str]) -> str:
    """The query with these words in place of those; "" where that is the query."""
    said = text
    for start, end, word in reversed(typed_words(without_places(text))):
        if found := meant.get(word):
            said = said[:start] + typed_as(found, text[start:end]) + said[end:]
    return said if said != text else ""


def _said(row: Mapping[str, object]) -> list[str]:
    text = " ".join(str(row[name] or "") for name in ("path", "symbol", "title", "text"))
    return [word for _, _, word in typed_words(text)]
