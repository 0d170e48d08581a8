"""What an object says of itself in a notebook: a table of names and values, none of whose texts is HTML."""

from collections.abc import Mapping
from html import escape
from typing import Any

# Characters of a value: a cell of a notebook, not a page of it.
MOST = 200


def plain(values: Mapping[str, Any]) -> dict[str, str]:
    """Values that can be read at a glance, as text; nested ones and those that are not there are left out.

    >>> plain({"rows": 12345, "recipe": "Flat", "share": 0.51234, "plan": {"a": 1}, "none": None})
    {'rows': '12,345', 'recipe': 'Flat', 'share': '0.512'}
    """
    return {name: _said(value) for name, value in values.items() if value is not None and not _nested(value)}


def html_table(title: str, values: Mapping[str, Any]) -> str:
    """A caption and a row for each value."""
    rows = "".join(
        f"<tr><th style='text-align:left'>{escape(name)}</th><td style='text-align:left'>{escape(said)}</td></tr>"
        for name, said in plain(values).items()
    )
    return f"<table><caption style='text-align:left'>{escape(title)}</caption><tbody>{rows}</tbody></table>"


def _nested(value: Any) -> bool:
    return isinstance(value, Mapping | list | tuple | set)


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    said = f"{value:.3g}" if isinstance(value, float) else str(value)
    return said if len(said) <= MOST else said[:MOST] + "…"
