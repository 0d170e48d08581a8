"""Terms of a text, read a second time: a scanner of characters of its own, slow and plain.

It keeps the rules of docs/searching.md, "Words", and shares nothing with what writes postings but the library that
stems English words (snowballstemmer), whose stems core/lexical_terms.py pins, and Unicode's own tables.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import dropwhile, pairwise, takewhile

import regex
from snowballstemmer import stemmer

from xtr_assets.pipeline.gate.file_truth import ENDINGS, MARK, UNNAMED, of_tests, written_in
from xtr_assets.pipeline.gate.place_truth import bare

# A word of more characters is read as several, a name of more words likewise; of a word of more parts the whole counts.
WORD, NAME, PARTS = 128, 8, 16
# So many marks on one letter are read.
MARKS = 30
# Words that say something else too.
SHORT = ("c", "go", "r")
# Behind "Go" at the beginning of a question they say where to.
WHERE_TO = (
    "about", "again", "ahead", "along", "and", "around", "away", "back", "backward", "backwards", "behind",
    "beyond", "by", "deeper", "directly", "down", "for", "forward", "forwards", "from", "full", "further", "home",
    "in", "inside", "into", "live", "off", "offline", "on", "online", "out", "outside", "over", "past", "straight",
    "the", "there", "through", "to", "under", "up", "upward", "via", "with", "without",
)  # fmt: skip
# What a language is called.
NAMES = {
    **{one: one for one in ENDINGS if one not in (*SHORT, *UNNAMED)},
    "golang": "go", "python2": "python", "python3": "python", "cpp": "c++", "csharp": "c#", "fsharp": "f#",
    "c♯": "c#", "f♯": "f#", "c++98": "c++", "c++03": "c++", "c++0x": "c++", "c++11": "c++", "c++14": "c++",
    "c++17": "c++", "c++20": "c++", "c++23": "c++", "c++26": "c++",
}  # fmt: skip
# What a text is asked for as one word, and reads as two within a longer name.
WITHIN = ("JavaScript", "TypeScript", "OCaml", "CSharp", "FSharp")
# Unicode names of the characters of scripts whose words touch begin so.
TOUCHING = (
    "CJK UNIFIED IDEOGRAPH", "CJK COMPATIBILITY IDEOGRAPH", "HIRAGANA", "KATAKANA", "HANGUL", "THAI", "LAO", "KHMER",
    "MYANMAR", "IDEOGRAPHIC ITERATION MARK", "VERTICAL IDEOGRAPHIC ITERATION MARK", "IDEOGRAPHIC NUMBER ZERO",
    "HANGZHOU NUMERAL", "HENTAIGANA", "OLD CHINESE ITERATION MARK", "VIETNAMESE ALTERNATE READING MARK",
)  # fmt: skip
HAN = tuple(
    one for one in TOUCHING if one.startswith(("CJK", "IDEOGRAPHIC", "VERTICAL", "HANGZHOU", "OLD", "VIETNAMESE"))
)
# Accents of Latin, Greek and Cyrillic, points of Hebrew and Arabic, and what has no width.
UNSEEN = {
    *range(0x300, 0x370), *range(0x591, 0x5BE), 0x5BF, 0x5C1, 0x5C2, 0x5C4, 0x5C5, 0x5C7, 0x640,
    *range(0x64B, 0x653), 0x670, 0xAD, 0x34F, 0x61C, 0x180E, *range(0x200B, 0x2010), *range(0x202A, 0x202F),
    *range(0x2060, 0x2065), *range(0x2066, 0x206A), *range(0xFE00, 0xFE10), 0xFEFF,
}  # fmt: skip

# Of many different names the parts are the same: 600 rows of 28 words with numbers took 423 CPU ms without.
_stem = lru_cache(maxsize=1 << 14)(stemmer("english").stemWord)


def counted(path: str, symbol: str, title: str, text: str) -> Counter[str]:
    """How often each term stands in a chunk."""
    found: Counter[str] = Counter()
    for one in (path, symbol, title, text):
        found.update(_terms(one, stored=True))
        found.update(_within(one))
    found.update(_homes(path, symbol))
    found.update(written_in(path))
    found.update([MARK] if of_tests(path, symbol) else [])
    return found


def asked(text: str) -> Counter[str]:
    """The terms of a question, each once. A language that it names is one word, and asks for its files; within a path
    with its line it is a word alone."""
    lowered, languages = _languages(plain(text))
    lowered = _untagged(lowered)
    rest = bare(text)
    if rest != text:
        languages = _languages(plain(rest))[1]
    return Counter({*_terms(lowered, stored=False), *languages})


def numbered(terms: Iterable[str]) -> list[str]:
    """Those of a question's terms that have a digit, but for words of a name and numbers within a word."""
    having = [term for term in terms if any(unicodedata.decimal(one, None) is not None for one in term)]
    within: set[str] = set()
    for term in having:
        within.update(one for one in (*term.split("."), *_numbers(term)) if one != term)
    return [term for term in having if term not in within]


def _numbers(term: str) -> list[str]:
    apart = "".join(one if unicodedata.category(one)[0] == "N" else " " for one in term)
    return apart.split()


def _untagged(read: str) -> str:
    """Without the `v` before a version."""
    kept = ""
    for at, one in enumerate(read):
        if one in "vV" and not (at and (_joins(read[at - 1]) or read[at - 1] == ".")) and _is_version(read[at + 1 :]):
            continue
        kept += one
    return kept


def _is_version(text: str) -> bool:
    """Whether it begins with a number, a dot and a digit."""
    behind = text.lstrip("0123456789")
    return behind != text and behind[:1] == "." and behind[1:2] != "" and behind[1] in "0123456789"


def _languages(read: str) -> tuple[str, set[str]]:
    """(a text with the languages that it names in small letters, their terms)"""
    lowered, languages, at = "", set(_short_languages(read)), 0
    while at < len(read):
        word = "" if at and (_joins(read[at - 1]) or read[at - 1] == ".") else _language_at(read, at)
        lowered += word or read[at]
        languages |= {f".{NAMES[word]}"} if word else set()
        at += len(word) or 1
    return lowered, languages


def _short_languages(text: str) -> Iterator[str]:
    """The terms of those that are named behind "in" or "using", or that a question begins with."""
    # What parts files, groups, records and units is no space.
    parts = "".join(" " if one.isspace() and not "\x1c" <= one <= "\x1f" else one for one in text).split(" ")
    for before, word in pairwise(parts):
        for name in SHORT if before.lower() in ("in", "using") and before.isascii() else ():
            behind = word[len(name) :]
            joined = behind[:1] and (_joins(behind[0]) or behind[0] in "+#'&-" or behind[:2] in (":/", ":\\"))
            named = behind[:1] == "." and behind[1:] and _joins(behind[1])
            if word[: len(name)].lower() == name and not joined and not named:
                yield f".{name}"
    first, second, *_ = [*dropwhile(lambda one: not one, parts), "", ""]
    yield from [f".{first.lower()}"] if first in ("c", "C", "r", "R", "Go") and _goes_on(first, second) else []


def _goes_on(first: str, second: str) -> bool:
    """Whether a word of two letters stands behind the language, and not where to go."""
    whole = "".join(takewhile(_joins, second))
    return len(whole) > 1 and not (first == "Go" and whole in WHERE_TO)


def _language_at(text: str, at: int) -> str:
    """The longest name of a language that stands there as a word of its own, in small letters; "" where none does."""
    for length in range(max(map(len, NAMES)), 1, -1):
        word, behind = text[at : at + length], text[at + length : at + length + 2]
        if word.lower() in NAMES and len(word) == length:
            joined = behind[:1] and (_joins(behind[0]) or behind[0] in "+#")
            named = behind[:1] == "." and behind[1:] and _joins(behind[1]) and not behind[1].isdecimal()
            if not joined and not named:
                return word.lower()
    return ""


def _within(text: str) -> Iterator[str]:
    """The languages that stand within longer names."""
    read = plain(text)
    for name in WITHIN:
        at = read.find(name)
        while at >= 0:
            behind = at + len(name)
            if any(map(_joins, read[max(0, at - 1) : at] + read[behind : behind + 1])):
                yield name.lower()
            at = read.find(name, behind)


def _joins(one: str) -> bool:
    return _class(one) == "w"


def called(text: str) -> frozenset[str]:
    """The terms of a path or a symbol."""
    return frozenset([*_terms(text, stored=True), *_within(text)])


def tellable(text: str) -> bool:
    """Whether Python's tables say of every character what those of the terms say: each is of a year of its own, and
    what a character is changes now and then (U+0295 was a small letter until Unicode 16)."""
    return text.isascii() or all(map(_agreed, {*text, *plain(text)}))


@lru_cache(maxsize=1 << 14)
def _agreed(one: str) -> bool:
    category = unicodedata.category(one)
    return category != "Cn" and regex.match(rf"\p{{{category}}}", one) is not None


def touches(one: str) -> bool | None:
    """Whether words of a character's script touch each other; None where it belongs to no word."""
    return {"w": False, "h": True, "t": True}.get(_class(one))


def plain(text: str) -> str:
    """The text in compatibility form, without accents and without what has no width."""
    if text.isascii():
        return text
    kept, marks = [], 0
    for one in text:
        marks = marks + 1 if unicodedata.category(one)[0] == "M" else 0
        if marks <= MARKS:
            kept.append(one)
    apart = unicodedata.normalize("NFKD", "".join(kept))
    seen = "".join(one for one in apart if ord(one) not in UNSEEN)
    return unicodedata.normalize("NFKC", seen).replace("\u0131", "i")


@lru_cache(maxsize=1 << 14)
def _class(one: str) -> str:
    """h: Han, t: of another script whose words touch, w: of a word, else: none of these."""
    if one == "_":
        return "w"
    if unicodedata.category(one)[0] not in "LMN":
        return "." if one == "." else ""
    name = unicodedata.name(one, "")
    if name.startswith(TOUCHING):
        return "h" if name.startswith(HAN) else "t"
    return "w"


def _terms(text: str, *, stored: bool) -> Iterator[str]:
    read = plain(text)
    at, end = 0, len(read)
    while at < end:
        kind = _class(read[at])
        if kind in ("h", "t"):
            stop = at
            while stop < end and _class(read[stop]) in ("h", "t"):
                stop += 1
            yield from _touching(read[at:stop], stored)
            at = stop
        elif kind == "w":
            words = []
            stop = at
            while True:
                begin = stop
                while stop < end and stop - begin < WORD and _class(read[stop]) == "w":
                    stop += 1
                words.append(read[begin:stop])
                more = stop + 1 < end and read[stop] == "." and _class(read[stop + 1]) == "w"
                if not more or len(words) == NAME:
                    break
                stop += 1
            yield from _named(words)
            at = stop
        else:
            at += 1


def _touching(run: str, stored: bool) -> Iterator[str]:
    if len(run) == 1:
        yield run
        return
    yield from map("".join, pairwise(run))
    if stored:
        yield from (one for one in run if _class(one) == "h")


def _named(words: list[str]) -> Iterator[str]:
    whole = ".".join(words)
    if len(words) > 1 and len(whole) <= WORD and any(one.isalnum() for one in whole):
        yield whole.casefold()
        if whole[0] in "vV" and _is_version(whole[1:]):
            yield whole[1:].casefold()
    for word in words:
        yield from _word(word)


@lru_cache(maxsize=1 << 14)
def _word(word: str) -> tuple[str, ...]:
    if not any(one.isalnum() for one in word):
        return ()
    parts = _parts(word)
    found = [] if parts == [word] else [word.casefold()]
    if len(parts) <= PARTS:
        for part in parts:
            low = part.casefold()
            found.append(_stem(low) if low.isascii() and low.isalpha() else low)
    return tuple(found)


def _parts(word: str) -> list[str]:
    """Where capitals, small letters, letters without case, digits and underscores meet: `HTTPServer2_x` has four."""
    kinds = "".join(_part_kind(one) for one in word)
    parts, at = [], 0
    while at < len(word):
        stop = at
        if kinds[at] == "U":
            while stop < len(word) and kinds[stop] == "U":
                stop += 1
            # The last capital belongs to the small letters behind it.
            if stop < len(word) and kinds[stop] in "lm":
                stop -= 1
            if stop == at:
                stop = _past(kinds, at + 1, "lm")
        elif kinds[at] in "lm":
            stop = _past(kinds, at, "lm")
        elif kinds[at] == "o":
            stop = _past(kinds, at, "om")
        elif kinds[at] == "n":
            stop = _past(kinds, at, "n")
        else:
            at += 1
            continue
        parts.append(word[at:stop])
        at = stop
    return parts


def _past(kinds: str, at: int, of: str) -> int:
    while at < len(kinds) and kinds[at] in of:
        at += 1
    return at


def _part_kind(one: str) -> str:
    category = unicodedata.category(one)
    known = {"Lu": "U", "Lt": "U", "Ll": "l", "Lo": "o", "Lm": "o"}
    return known.get(category, {"M": "m", "N": "n"}.get(category[0], "_"))


def _homes(path: str, symbol: str) -> Iterator[str]:
    """A symbol behind its module and its package, as one who imported it writes it."""
    if not symbol or not symbol.replace(".", "").isidentifier():
        return
    *folders, file = path.split("/")
    module = file.split(".")[0]
    homes = folders if module == "__init__" else [*folders, module]
    for home in homes[-2:]:
        whole = plain(f"{home}.{symbol}").casefold()
        if home and len(whole) <= WORD:
            yield whole
