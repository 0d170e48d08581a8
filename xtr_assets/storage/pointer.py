"""The text of PUBLISHED: a generation number and a check of it, so that a flipped bit names no other generation.

Without a check it is still read: releases before wrote the number alone, and so does a person who puts it right.
"""

import hashlib

from xtr_assets.core.errors import CorruptFile
from xtr_assets.storage.layout import number_of

# Hex digits of the check: 64 bits, as in the lines of the history.
CHECK_DIGITS = 16


def pointer_check(number: int) -> str:
    """The beginning of the sha256 of the number and a newline: what `echo 7 | sha256sum` begins with."""
    return hashlib.sha256(f"{number}\n".encode("ascii")).hexdigest()[:CHECK_DIGITS]


def pointer_text(number: int) -> bytes:
    """PUBLISHED where generation `number` serves."""
    return f"{number} {pointer_check(number)}\n".encode("ascii")


def pointed_number(text: bytes, name: str) -> int:
    """The number that the bytes of the file `name` hold; CorruptFile where they hold none, or one of another check."""
    word, _, _ = text.removesuffix(b"\n").decode("ascii", "replace").partition(" ")
    number = number_of(word)
    if number is not None and text in (pointer_text(number), f"{number}\n".encode("ascii")):
        return number
    raise CorruptFile(
        name,
        "a generation number, alone or with its check (write the number alone that the last move in history.jsonl "
        "names)",
        repr(text[:40]),
    )
