"""Texts whose letters were lost: decoded by the wrong table, replaced by question marks, escaped, or without blanks."""

import html
import json
import re
from contextlib import suppress


def _letters(first: int, last: int) -> str:
    """The letters that bytes from `first` to `last` are in Windows-1252 and in Latin-1, escaped for a class."""
    data = bytes(range(first, last + 1))
    both = data.decode("latin-1") + data.decode("cp1252", "ignore")
    return re.escape("".join(sorted(set(both))))


_NEXT = f"[{_letters(0x80, 0xBF)}]"
_TWO, _THREE, _FOUR = _letters(0xC4, 0xDF), _letters(0xE0, 0xEF), _letters(0xF0, 0xF4)
# One letter of UTF-8 as the letters of its bytes, or the mark that stands for a letter that could not be read. A blank
# that breaks no line stands in texts of all kinds behind a sign (12 x 9, a diameter): there it is no remain.
_GARBLED = re.compile(
    f"[{_letters(0xC2, 0xC3)}]{_NEXT}|[{_TWO}](?!\xa0){_NEXT}|[{_THREE}]{_NEXT}{{2}}|[{_FOUR}]{_NEXT}{{3}}"
    "|\N{REPLACEMENT CHARACTER}+"
)
_FOREIGN = re.compile(r"[^\x00-\x7f]")


def is_garbled(text: str) -> bool:
    r"""Whether half of what is not ASCII in a text, two places at least, are such remains. A text in its own letters
    has hardly one: of French, a capital with an accent before a closing quotation mark looks like it.

    >>> is_garbled("\u00c3\u00bcber die Ma\u00c3\u0178e"), is_garbled("\u00fcber die Ma\u00dfe"), is_garbled("plain")
    (True, False, False)
    >>> is_garbled("12\u00a0\u00d7\u00a09\u00a0\u00d7\u00a02 cm"), is_garbled("d\u00c3\u00a9j\u00c3\u00a0 vu")
    (False, True)
    """
    remains = _GARBLED.findall(text)
    return len(remains) > 1 and 2 * sum(map(len, remains)) >= len(_FOREIGN.findall(text))


# What stands for a letter that a table has not got.
_ASKED = re.compile(r"\?[^\W\d_]")
# Of fifty words one: more than a text has by mistake.
_WORDS_OF_ASKED = 50
# An entity of HTML, an escape of JSON (and no command of LaTeX, as of nu or theta), a byte of an address.
_ESCAPES = re.compile(r"&(?:#[0-9]+|#x[0-9a-fA-F]+|[a-zA-Z]{2,8});|\\(?:u[0-9a-fA-F]{4}|[nrt\"](?![a-z]))|%[0-9A-F]{2}")
_ESCAPED = 0.03
# Longer than words of any language that has blanks; scripts without them have other letters.
_RUNS = re.compile(r"[A-Za-z0-9+/]{40,}")
_RUN_TOGETHER = 0.5


def is_asked(text: str) -> bool:
    """Whether question marks stand for letters, in two places at least and in one of fifty words.

    >>> is_asked("Gr??e und Ma?e der T?r"), is_asked("What? Why? See /page?id=3 and a?b"), is_asked("???? ??? ????")
    (True, False, True)
    """
    words = text.split()
    found = sum(_is_asked_word(word.strip(".,;:!()\"'")) for word in words if "?" in word)
    return found > 1 and _WORDS_OF_ASKED * found >= len(words)


def _is_asked_word(word: str) -> bool:
    """Whether a word has one before a letter and is letters otherwise, or is three and more of them."""
    letters = word.replace("?", "")
    return (letters.isalpha() and _ASKED.search(word) is not None) if letters else len(word) > 2


def is_escaped(text: str) -> bool:
    r"""Whether three letters of a hundred, in three places at least, are escapes of HTML, JSON or addresses.

    >>> is_escaped("a&nbsp;door&nbsp;and&nbsp;a&nbsp;window"), is_escaped("One\\nTwo\\nThree\\nFour")
    (True, True)
    >>> is_escaped("R&D; &c; 100%"), is_escaped("\\nu of \\theta and \\rho in \\textbf{b}")
    (False, False)
    """
    found = _ESCAPES.findall(text)
    return len(found) > 2 and sum(map(len, found)) >= _ESCAPED * len(text)


def is_run_together(text: str) -> bool:
    """Whether half of a text stands in runs of forty letters and more: its blanks were lost, or it is base64.

    >>> is_run_together("thequickbrownfoxjumpsoverthelazydogandmore"), is_run_together("the quick brown fox")
    (True, False)
    """
    return sum(map(len, _RUNS.findall(text))) >= _RUN_TOGETHER * len(text) > 0


_TAGS = re.compile(r"</?[A-Za-z][^<>]*>")
_TAGGED = 1 / 3


def is_wrapped(text: str) -> bool:
    """Whether a third of a text is tags, or all of it is an object or a list of JSON: nobody took it out of them.

    >>> is_wrapped('<p class="a">A door</p>'), is_wrapped('{"p": "A door"}'), is_wrapped("A <b>door</b> and a window")
    (True, True, False)
    """
    if text[:1] in ("{", "[") and text.rstrip()[-1:] in ("}", "]"):
        with suppress(ValueError, RecursionError):
            return isinstance(json.loads(text), dict | list)
    return sum(map(len, _TAGS.findall(text))) >= _TAGGED * len(text) > 0


def is_spoilt(was: str, now: str) -> bool:
    r"""Whether one text is the other one with its letters lost: its bytes read by another table, a question mark or
    U+FFFD for each letter beyond ASCII, or escapes. Text by text no other meaning is left, however short they are.

    >>> [is_spoilt("Müller & Co", one) for one in ("M\u00c3\u00bcller & Co", "M?ller & Co", "Müller &amp; Co")]
    [True, True, True]
    >>> is_spoilt("Müller & Co", "Mueller & Co"), is_spoilt("Müller", "Müller"), is_spoilt("Muller", "Müller")
    (False, False, False)
    """
    if was == now or (was.isascii() and now.isascii() and "&" not in now and "\\" not in now):
        return False
    data = was.encode("utf-8", "surrogatepass")
    tables = (data.decode("latin-1"), data.decode("cp1252", "replace"), data.decode("ascii", "replace"))
    marks = (_FOREIGN.sub("?", was), _FOREIGN.sub("\N{REPLACEMENT CHARACTER}", was))
    escapes = (html.escape(was), html.escape(was, quote=False), json.dumps(was)[1:-1])
    references = was.encode("ascii", "xmlcharrefreplace").decode()
    return now in (*tables, *marks, *escapes, references)
