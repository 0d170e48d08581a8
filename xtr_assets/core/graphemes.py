"""Grapheme clusters, which people see as one character: a letter with accents, emoji joined by ZWJ, a flag."""

import regex

_CLUSTER = regex.compile(r"\X")


def boundary_at(text: str, limit: int, start: int = 0) -> int:
    """The last border between grapheme clusters in (start, limit]; `limit` where one cluster fills all of it.

    `start` is a border itself.

    >>> boundary_at("ab\U0001f469\u200d\U0001f4bb", 4), boundary_at("abcd", 3)
    (2, 3)
    """
    return next((end for end in reversed(boundaries(text, start, limit)) if end <= limit), limit)


def boundaries(text: str, start: int, limit: int) -> list[int]:
    """The ends of the clusters in (start, limit], ascending; a cluster that reaches over `limit` is none of them."""
    # What follows decides nothing; a text that is one cluster, or flags alone, would be read to its ends each time.
    near = text[start : limit + 1]
    if near.isascii():
        return list(range(start + 1, limit + 1))
    return [end for match in _CLUSTER.finditer(near) if (end := start + match.end()) <= limit]
