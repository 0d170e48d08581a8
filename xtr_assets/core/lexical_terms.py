"""The terms by which the lexical index finds texts: words split as code is, folded and stemmed.

A *word* is a run of letters, digits and underscores; words joined by dots are a *name*. A word of several parts
(underscores, camelCase, digits beside letters) is a term as a whole and by its parts, and so is a name, so that
`asyncio.gather`, `HTTP_404` and `E1234` are found exactly and by what they consist of. Parts are stemmed (English),
wholes are not. nDCG@10 on three judged sets (SciFact train, CoNaLa train, CosQA dev; k1 1.2, b 0.75), accents not
yet folded, which gives .710, .554, .393:

    as it is                        .709   .554   .394
    digits stay with their letters  .696   .549   .390
    no wholes                       .700   .524   .389
    no parts                        .697   .516   .335
    no stems                        .681   .551   .376

Stop words stay: leaving them out of queries gives -.001, +.017, -.011, and a phrase may consist of them.

A chunk also has the language of its file as a term, and a query those that it names: `python` of a query is not what
`.py` files say of themselves (docs/measurements.md, "Languages"). A chunk of tests has a term that says so, and no
query has it: it tells which rows lose where none asks for tests.

Scripts without spaces, and Korean, whose endings are written on to their words, are read as pairs of neighbouring
characters; a Han character of a document is a term by itself too, so that a word of one is found.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from threading import local

import regex
from snowballstemmer.english_stemmer import EnglishStemmer

from xtr_assets.core.asked_place import without_places
from xtr_assets.core.file_language import language_of, languages_named, languages_within
from xtr_assets.core.file_purpose import TESTS_TERM, is_of_tests
from xtr_assets.core.text_fold import LETTER, SPACELESS, fold, fold_form

# Terms of one version are compared with no other's. Also raised where another release of the stemmer stems otherwise:
# a test holds it to known stems.
TERMS_VERSION = 5
# Versions that a query is looked up in: 1 has no languages, and a query of it names none; 2 has none that is called as
# its suffix, nor those within longer names; 3 does not say what is of tests, nor
# knows `v1.2.3` as `1.2.3`; 4 knows fewer languages; all else is the same.
READ_TERMS = (1, 2, 3, 4, 5)
_LANGUAGES_SINCE, _VERSIONS_SINCE = 2, 4

# A longer run is read as several words: nobody types 129 characters, and a megabyte of base64 is no term.
MAX_WORD = 128
MAX_NAME_WORDS = 8
_HALF = re.compile("[\ud800-\udfff]")
# A word of more parts is a hash or encoded bytes, of which only the whole means something.
MAX_PARTS = 16
# Longer words come once: they are split each time. 131,072 short ones and their terms take about 50 MB.
_REMEMBERED_LENGTH = 32
_REMEMBERED = 1 << 17

_ASCII_NAME = re.compile(rf"\w{{1,{MAX_WORD}}}(?:\.\w{{1,{MAX_WORD}}}){{0,{MAX_NAME_WORDS - 1}}}", re.ASCII)
_ASCII_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

_RUN = regex.compile(f"{SPACELESS}+", regex.V1)
_NAME = regex.compile(
    rf"{SPACELESS}+|{LETTER}{{1,{MAX_WORD}}}(?:\.{LETTER}{{1,{MAX_WORD}}}){{0,{MAX_NAME_WORDS - 1}}}", regex.V1
)
_PART = regex.compile(
    r"[\p{Lu}\p{Lt}]+(?![\p{Ll}\p{M}])|[\p{Lu}\p{Lt}]?[\p{Ll}\p{M}]+|[\p{Lo}\p{Lm}\p{M}]+|\p{N}+", regex.V1
)
_NUMBERS = regex.compile(r"\p{N}+", regex.V1)
# `v1.2.3` is the version 1.2.3: a text has it by both, and a query asks for the number.
_TAGGED = re.compile(r"v[0-9]+\.[0-9]")
_TAG = regex.compile(rf"(?<!{LETTER}|\.)[vV](?=[0-9]+\.[0-9])", regex.V1)
_HAN = regex.compile(r"\p{Han}")


class _Stemmers(local):
    """One a thread: a stemmer keeps the word that it works on in itself."""

    def __init__(self) -> None:
        self.english = EnglishStemmer()


_stemmers = _Stemmers()


@lru_cache(maxsize=1 << 16)
def _stem(part: str) -> str:
    return str(_stemmers.english.stemWord(part))


def document_terms(path: str, symbol: str | None, title: str | None, text: str) -> list[str]:
    """The terms of a chunk, in order and with repeats. A symbol is also a term behind its module and its package. The
    language of the file comes last: a dot, with which no other term begins, and its name; of tests a term for that.

    >>> document_terms("asyncio/tasks.py", "gather", None, "def gather(*coros)")[4:8]
    ['gather', 'asyncio.gather', 'tasks.gather', 'def']
    """
    terms = _terms(path, document=True)
    if symbol:
        terms += _terms(symbol, document=True)
        terms += _qualified(path, symbol)
    if title:
        terms += _terms(title, document=True)
    terms += _terms(text, document=True)
    terms += _written_in(path)
    if is_of_tests(path, symbol):
        terms.append(TESTS_TERM)
    return terms


def query_terms(text: str, version: int = TERMS_VERSION) -> list[str]:
    """The terms that a query is compared by, each once, with those of an index of such a version.

    A word that a person repeats ("the string in the string") is no better known for it. nDCG@10 of each once instead of
    as often as it is asked: +.0215 [.016, .027] on CoNaLa train, +.003 and +.001 on SciFact train and CosQA dev, +.010
    on known items of the standard library.

    A language that it names is a word, of whatever capitals, and asks for files in it too. Within a path with its line
    it does not: a folder may be called so.

    >>> query_terms("asyncio.gather raises HTTP_404")
    ['asyncio.gather', 'asyncio', 'gather', 'rais', 'http_404', 'http', '404']
    >>> query_terms("zip in JavaScript")
    ['zip', 'in', 'javascript', '.javascript']
    """
    said, languages = languages_named(text) if version >= _LANGUAGES_SINCE else (text, [])
    if languages and (rest := without_places(text)) is not text:
        languages = languages_named(rest)[1]
    if version >= _VERSIONS_SINCE and "." in said:
        said = _TAG.sub("", fold_form(said))
    return list(dict.fromkeys([*_terms(said, document=False), *(f".{language}" for language in languages)]))


def numbered_terms(terms: Sequence[str]) -> list[str]:
    """Those of a query's terms that have a digit and are no part of another one: versions, numbers, codes.

    >>> numbered_terms(query_terms("what changed in v2.28.0 for HTTP_404 and 6102"))
    ['2.28.0', 'http_404', '6102']
    """
    numbered = [term for term in terms if any(map(str.isdecimal, term))]
    parts = {part for term in numbered for part in (*term.split("."), *_NUMBERS.findall(term)) if part != term}
    return [term for term in numbered if term not in parts]


def word_term(word: str) -> str:
    """The term of a word of small letters from a to z. Nothing is remembered: who asks for hundreds that nobody typed
    would have the stems forgotten that queries have.

    >>> word_term("gathering"), query_terms("gathering")
    ('gather', ['gather'])
    """
    return str(_stemmers.english.stemWord(word))


def called_terms(path: str, symbol: str) -> frozenset[str]:
    """The terms of what a chunk is called: those of its path and of its symbol.

    >>> {"asyncio", "task", "cancel", "task.cancel"} < called_terms("asyncio/tasks.py", "Task.cancel")
    True
    """
    return _path_terms(path).union(_terms(symbol, document=True))


# All chunks of a file share its path.
@lru_cache(maxsize=1 << 10)
def _path_terms(path: str) -> frozenset[str]:
    return frozenset(_terms(path, document=True))


def _written_in(path: str) -> list[str]:
    language = language_of(path)
    return [f".{language}"] if language else []


def needed_terms(text: str) -> list[tuple[str, ...]]:
    """What every document holds in which these words stand in whatever case: of each tuple at least one term.

    A word is a term as a whole or by its stem, as the document's capitals decide, and a name may be longer there: it
    is left out, its words stay.

    >>> needed_terms("asyncio.gather raises")
    [('asyncio',), ('gather',), ('rais', 'raises')]
    """
    needed: list[tuple[str, ...]] = []
    for name in _names(text):
        if _is_run(name):
            # A lone character that is not Han is a term only where it stands alone.
            needed += [(term,) for term in (_pairs(name) if len(name) > 1 else _HAN.findall(name))]
            continue
        for word in name.split("."):
            if any(map(str.isalnum, word)):
                whole = word.casefold()
                needed.append(tuple(sorted({whole, _stemmed(whole)})))
    return list(dict.fromkeys(needed))


def _terms(text: str, *, document: bool) -> list[str]:
    read = fold_form(text)
    within = languages_within(read) if document else []
    if text.isascii():
        return [*chain.from_iterable(map(_known.__getitem__, _ASCII_NAME.findall(text))), *within]
    terms: list[str] = []
    for name in _NAME.findall(read):
        if not _is_run(name):
            terms += _known[name]
            continue
        terms += _pairs(name) if len(name) > 1 else [name]
        if document and len(name) > 1:
            terms += _HAN.findall(name)
    return terms + within


def _names(text: str) -> list[str]:
    found: list[str] = (_ASCII_NAME if text.isascii() else _NAME).findall(fold_form(text))
    return found


def _is_run(name: str) -> bool:
    return not name.isascii() and _RUN.match(name) is not None


def _pairs(run: str) -> list[str]:
    return [run[at : at + 2] for at in range(len(run) - 1)]


def _split(name: str) -> Iterator[str]:
    """The terms of one name."""
    if "." in name:
        whole = name.casefold()
        # Words of underscores alone are none.
        if len(name) <= MAX_WORD and any(map(str.isalnum, name)):
            yield whole
            if _TAGGED.match(whole):
                yield whole[1:]
        for word in name.split("."):
            yield from _split(word)
        return
    parts: list[str] = (_ASCII_PART if name.isascii() else _PART).findall(name)
    if not any(map(str.isalnum, name)):
        return
    if parts != [name]:
        yield name.casefold()
    if len(parts) <= MAX_PARTS:
        for part in parts:
            yield _stemmed(part.casefold())


def _stemmed(folded: str) -> str:
    return _stem(folded) if folded.isascii() and folded.isalpha() else folded


class _Known(dict[str, tuple[str, ...]]):
    """The terms of names met before: what `_split` says, at a tenth of its price."""

    def __missing__(self, name: str) -> tuple[str, ...]:
        terms = tuple(_split(name))
        if len(name) <= _REMEMBERED_LENGTH:
            if len(self) >= _REMEMBERED:
                self.clear()
            self[name] = terms
        return terms


_known = _Known()


def _qualified(path: str, symbol: str) -> list[str]:
    """`asyncio.gather` and `tasks.gather` for `gather` of asyncio/tasks.py: how a reader who imported it writes it."""
    if not symbol.replace(".", "").isidentifier():
        return []
    *folders, file = path.split("/")
    module = file.partition(".")[0]
    holders = [*folders, *([module] if module != "__init__" else [])][-2:]
    wholes = [fold(f"{holder}.{symbol}") for holder in holders if holder]
    # Half a character cannot be stored.
    return [whole for whole in wholes if len(whole) <= MAX_WORD and (whole.isascii() or not _HALF.search(whole))]
