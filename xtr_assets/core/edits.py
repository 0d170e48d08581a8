"""Words one edit away from another (Damerau): two letters exchanged, one left out, one too many, or a wrong one."""

import re
from collections.abc import Iterator
from string import ascii_lowercase

import regex

from xtr_assets.core.text_fold import UNSEEN

# Of shorter words most others are one edit away; nobody types longer ones.
LEAST_LETTERS = 5
MOST_LETTERS = 24
# The words of code: of `ProcessPoolExecutor` and `read_text` each. A word with an accent stays: terms have none.
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
# Letters beside digits are a version, a code or a hash, and before 't half of a word. An accent may be a character of
# its own: to `regex` it belongs to the word. And a word goes on behind a soft hyphen: a half of it is none.
_LETTERS = regex.compile(rf"(?<![^\W_]{UNSEEN}*)[^\W\d_]++(?!{UNSEEN}*[^\W_]|['\u2019]t\b)")


def typed_words(text: str) -> list[tuple[int, int, str]]:
    """The words of a text whose spelling can be corrected, as (start, end, word in small letters).

    >>> typed_words("a ProcesPoolExecutor, größer, couldn't")
    [(2, 8, 'proces'), (12, 20, 'executor')]
    """
    return [(start, end, word) for start, end, word, _ in _typed(text)]


def typed_forms(text: str) -> dict[str, set[str]]:
    """Each of these words, and what it is typed in: whoever knows one of the two knows the word.

    >>> {word: sorted(forms) for word, forms in typed_forms("LinkedIn, gather").items()}
    {'linked': ['linked', 'linkedin'], 'gather': ['gather']}
    """
    forms: dict[str, set[str]] = {}
    for _, _, word, run in _typed(text):
        forms.setdefault(word, {word}).add(run)
    return forms


def _typed(text: str) -> Iterator[tuple[int, int, str, str]]:
    """(start, end, word, what it is typed in) of each, in small letters."""
    for run in _LETTERS.finditer(text):
        if run.group().isascii():
            for part in _PART.finditer(text, *run.span()):
                if LEAST_LETTERS <= len(part.group()) <= MOST_LETTERS:
                    yield *part.span(), part.group().lower(), run.group().lower()


def edits(word: str) -> list[str]:
    """All words of small letters that are one edit away; the first letter stays, which few get wrong.

    >>> one = edits("gahter")
    >>> {"gather", "gahte", "gahtery", "gasher", "gaher"} - set(one), "gahter" in one, "ahter" in one
    ({'gasher'}, False, False)
    """
    cut = [(word[:at], word[at:]) for at in range(1, len(word) + 1)]
    exchanged = [head + tail[1] + tail[0] + tail[2:] for head, tail in cut if len(tail) > 1]
    without = [head + tail[1:] for head, tail in cut if tail]
    wrong = [head + letter + tail[1:] for head, tail in cut if tail for letter in ascii_lowercase]
    more = [head + letter + tail for head, tail in cut for letter in ascii_lowercase]
    return [one for one in dict.fromkeys([*exchanged, *without, *wrong, *more]) if one != word]


def typed_as(word: str, like: str) -> str:
    """A word in the capitals that another one was typed in.

    >>> typed_as("process", "Proces"), typed_as("http", "HTPP"), typed_as("gather", "gahter")
    ('Process', 'HTTP', 'gather')
    """
    if like.isupper():
        return word.upper()
    return word.capitalize() if like[:1].isupper() else word
