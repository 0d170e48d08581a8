"""Swift before its parser: words of newer releases that its grammar does not know go, each byte else keeps its place.

Of one such word a parser may take all that follows for a fault, and the file for plain text.
"""

import re

_NEWER = re.compile(
    rb"(?<=\bthrows)\([\w.\s]*\)"  # throws(E)
    rb"|\bnonisolated\((?:unsafe|nonsending)\)"
    rb"|\bisolated(?=\s+deinit\b)"
    rb"|\b(?:sending|unsafe)(?=[ \t]+[\w(@\[])"
    rb"|(?<=\[)\s*\w+\s+of(?=\s)"  # [4 of Int]
    rb"|(?<=[<,])\s*let(?=\s+\w+\s*:)"  # <let n: Int>
)


def without_newer(data: bytes) -> bytes:
    """The text with spaces for words that only newer compilers know.

    >>> without_newer(b"func f() throws(E) -> Int {")
    b'func f() throws    -> Int {'
    """
    return _NEWER.sub(lambda found: re.sub(rb"[^\r\n]", b" ", found.group()), data)
