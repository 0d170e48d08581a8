r"""The glob language of a source's patterns and of `where`: a pattern as a regular expression of the whole path.

`*` and `?` match within one part of a path. `**` is any number of parts where it is a part by itself; in a longer part
(`a**b`) it is `*`, as in .gitignore. `[ab]`, `[a-z]` and `[!a]` are one character. No set holds the slash. Everything
else stands for itself, a bracket that is never closed included.
"""

import re
from itertools import pairwise


def glob_regex(pattern: str) -> str:
    r"""The regular expression, for RE2 (Arrow) and Python's `re` alike; it is to match the whole text.

    `**/` is no part at all, too. Raises ValueError for a set whose range runs backwards.

    >>> glob_regex("a/**/b*.py")
    'a/(?s:.*/)?b[^/]*\\.py'
    >>> glob_regex("a**b"), glob_regex("a/**"), glob_regex("[!+-9]")
    ('a[^/]*b', 'a/(?s:.*)', '[^/\\+-\\.0-9]')
    """
    *folders, last = pattern.split("/")
    # A second `**` after the first says nothing more, and would let `re` try every way to share the parts out.
    said = [part for before, part in pairwise(["", *folders]) if (before, part) != ("**", "**")]
    return "".join(map(_folder, said)) + ("(?s:.*)" if last == "**" else _part(last))


def _folder(part: str) -> str:
    return "(?s:.*/)?" if part == "**" else _part(part) + "/"


def _part(part: str) -> str:
    written, at = "", 0
    for token in re.finditer(r"\*+|\?|\[(!?+)(\][^\]]*|[^\]]+)\]", part):
        written += re.escape(part[at : token.start()])
        at = token.end()
        if token[0].startswith("["):
            written += _set(token[2], bool(token[1]))
        else:
            written += "[^/]*" if token[0].startswith("*") else "[^/]"
    return written + re.escape(part[at:])


def _set(inside: str, others: bool) -> str:
    """One character of a set, or any other; in either case not the slash."""
    written = "/" if others else ""
    while inside:
        if inside[1:2] == "-" and len(inside) > 2:
            first, last, inside = inside[0], inside[2], inside[3:]
            if first > last:
                raise ValueError(f"the range {first}-{last} of a set runs backwards; write {last}-{first}")
            # RE2 has no way to take one character out of a range: `[+-9]` would hold the slash.
            ranges = [(first, "."), ("0", last)] if first < "/" < last else [(first, last)]
            written += "".join(f"{re.escape(low)}-{re.escape(high)}" for low, high in ranges)
        else:
            written += re.escape(inside[0])
            inside = inside[1:]
    return f"[^{written}]" if others else f"[{written}]"
