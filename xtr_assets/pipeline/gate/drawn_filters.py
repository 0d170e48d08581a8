"""Filters drawn from the data they are asked of: every column, bounds that rows stand on, rows that died."""

from collections.abc import Mapping, Sequence
from typing import Any
from unicodedata import normalize

import numpy as np

from xtr_assets.pipeline.gate.where_truth import COLUMNS, FIELD, Row, whole_characters

Filter = dict[str, Any]
# Rows that filters are drawn from, of those that live and of those that died with the change.
ANCHORS, DEAD_ANCHORS = 2, 2
# Fields of metadata that are asked for: of each type of values one, where there are so many, before there are two.
FIELDS = 6
# A longer text is no filter that anybody asks, and beyond some length none that search takes.
LONGEST_TEXT = 1_000
# Integers beyond are compared as doubles, which this module's exact comparison is not.
EXACT = 2**53


def drawn_filters(live: Sequence[Row], dead: Sequence[Row], chance: np.random.Generator) -> list[Filter]:
    """Different filters over the columns and metadata of the rows; each of `dead` is the only reason for one, too."""
    found: list[Filter] = []
    if live:
        for one in chance.choice(len(live), min(ANCHORS, len(live)), replace=False).tolist():
            found += _of_row(live[one], live[int(chance.integers(len(live)))])
        some = [live[at]["chunk_id"] for at in chance.choice(len(live), min(5, len(live)), replace=False).tolist()]
        found.append({"chunk_id": [*some, *(one["chunk_id"] for one in dead[:3])]})
        found += _of_fields(live, chance)
        found += _of_accents(live)
    for at in np.unique(np.linspace(0, max(len(dead) - 1, 0), DEAD_ANCHORS).astype(int)).tolist() if dead else []:
        found += _of_dead(dead[at])
    return list({repr(sorted(one.items())): one for one in found if _askable(one)}.values())


def _of_row(row: Row, other: Row) -> list[Filter]:
    """Conditions that a row stands on, and that another one bounds."""
    path, symbol = row["path"], row["symbol"]
    folder, _, name = path.rpartition("/")
    ending = name[name.rfind(".") :] if "." in name else ""
    place = f"{_literal(folder)}/" if folder else ""
    low, high = sorted((row["start_line"], other["start_line"]))
    last = sorted((row["end_line"], other["end_line"]))
    found: list[Filter] = [
        {"source": row["source"]},
        {"kind": {"not": row["kind"]}},
        {"kind": [row["kind"], other["kind"]], "source": {"not": other["source"]}},
        {"path": path},
        # Capitals count.
        {"path": path.swapcase()},
        {"symbol": symbol.swapcase()},
        # Of several values each counts, whatever the others are.
        {"source": [row["source"], other["source"]]},
        {"kind": [other["kind"], row["kind"]]},
        {"path": [path, other["path"]]},
        {"symbol": [other["symbol"], symbol]},
        {"start_line": [low, high]},
        {"path": {"glob": f"{place}*{_literal(ending)}"}},
        {"path": {"glob": f"**/{_literal(name[:1])}*"}},
        {"path": {"glob": f"{_literal(path[:1])}*"}},
        # All of a path but its ends: nothing, unless a glob is looked for inside.
        {"path": {"glob": _literal(path[:-1])}},
        {"path": {"glob": _literal(path[1:])}},
        {"path": {"not": {"glob": f"**/*{_literal(ending)}"}}},
        {"path": {"prefix": path[: max(1, len(path) // 2)]}},
        {"symbol": {"prefix": symbol[: max(1, len(symbol) // 2)]}},
        {"symbol": {"prefix": symbol[len(symbol) // 2 :] or "?"}},
        {"start_line": {"gte": low, "lt": high + 1}, "source": row["source"]},
        {"start_line": {"gt": low}, "end_line": {"lte": last[1]}, "path": {"prefix": path[:1]}},
        {"end_line": {"lt": last[1], "gte": last[0]}},
        {"part": {"lte": row["part"]}, "source": row["source"], "kind": {"not": {"prefix": other["kind"][:1]}}},
    ]
    if name:
        found.append({"path": {"glob": f"{place}?{_literal(name[1:])}"}})
    return found


def _of_fields(rows: Sequence[Row], chance: np.random.Generator) -> list[Filter]:
    """Equal, absent, other than, at least: of each field that rows have, by the value of one that has it."""
    names = sorted({name for row in rows for name in row["metadata"]})
    found: list[Filter] = []
    for name in _of_each_type([names[at] for at in chance.permutation(len(names)).tolist()], rows):
        values = [one for row in rows for one in _plain(row["metadata"].get(name))]
        column = f"{FIELD}{name}" if name in COLUMNS or name.startswith(FIELD) else name
        found.append({column: None})
        if values:
            value = values[int(chance.integers(len(values)))]
            found += [{column: value}, {column: {"not": value}}, {column: [value, None]}]
            found.append({column: [value, next((one for one in values if one != value), value)]})
            if not isinstance(value, bool):
                found += [{column: {"gte": value}}, {column: {"gt": value}}]
    return found


def _of_each_type(names: Sequence[str], rows: Sequence[Row]) -> list[str]:
    """FIELDS of the names, in order: first one of each type of values, then others."""
    kinds: dict[str, str] = {}
    for name in names:
        held = (row["metadata"].get(name) for row in rows)
        kinds[name] = next((type(one).__name__ for one in held if one is not None), "")
    first = [name for at, name in enumerate(names) if kinds[name] not in [kinds[one] for one in names[:at]]]
    return [*first, *(name for name in names if name not in first)][:FIELDS]


def _of_accents(rows: Sequence[Row]) -> list[Filter]:
    """A path with an accent, spelled in both ways: as one letter, and as a letter with a mark behind it."""
    for row in rows:
        spelled = [normalize(form, row["path"]) for form in ("NFC", "NFD")]
        if spelled[0] != spelled[1]:
            return [{"path": one} for one in spelled]
    return []


def _of_dead(row: Row) -> list[Filter]:
    """What met a row that died: rows that meet it now, often none, are all that may come."""
    return [
        {"chunk_id": row["chunk_id"]},
        {"path": row["path"], "source": row["source"]},
        {"source": row["source"], "start_line": row["start_line"]},
        {"symbol": row["symbol"], "kind": row["kind"]},
    ]


def _plain(value: Any) -> list[Any]:
    """Values that can be compared with, of a field."""
    held = value if isinstance(value, list) else [value]
    return [
        one
        for one in held
        if isinstance(one, str | bool)
        or (isinstance(one, int) and abs(one) < EXACT)
        or (isinstance(one, float) and np.isfinite(one))
    ]


def _askable(value: Any) -> bool:
    """Whether all text in it is short, and made of whole characters: JSON may escape half of one."""
    if isinstance(value, dict):
        return all(_askable(one) for pair in value.items() for one in pair)
    if isinstance(value, list):
        return all(_askable(one) for one in value)
    return not isinstance(value, str) or (len(value) <= LONGEST_TEXT and value == whole_characters(value))


def _literal(text: str) -> str:
    """Text as part of a glob; what means something in one becomes `?`."""
    return "".join("?" if one in "*?[]" else one for one in text)


def shown(where: Mapping[str, Any] | None) -> str:
    """A filter for people."""
    text = "no filter" if where is None else repr(dict(where))
    return text if len(text) <= 120 else f"{text[:117]}..."
