"""Suffixes of files as people are told of them."""

from collections.abc import Mapping


def told_suffixes(counts: Mapping[str, int], most: int) -> str:
    """How many files have each suffix, the most frequent first, and how many more suffixes there are.

    >>> told_suffixes({".md": 2, ".png": 1200, ".rtf": 2}, 2)
    '1,200 .png, 2 .md and 1 more suffixes'
    """
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    more = f" and {len(ordered) - most} more suffixes" if len(ordered) > most else ""
    return ", ".join(f"{count:,} {suffix}" for suffix, count in ordered[:most]) + more
