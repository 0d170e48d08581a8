"""Texts that were decoded by the wrong table: UTF-8 read as Windows-1252 or Latin-1, and letters that were lost."""

import re


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
