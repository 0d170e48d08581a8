"""Untrusted JSON: what is not valid JSON, or nested too deep, is a ValueError."""

import json
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from xtr_assets.core.errors import CorruptFile, UnknownFormat
from xtr_assets.core.files import read_regular


class NameTwice(ValueError):
    """An object in which a name stands twice."""


def read_json(data: bytes | str, *, distinct: bool = False) -> Any:
    """The value. Raises ValueError: no JSON, no UTF-8, an integer of thousands of digits, nested beyond Python's
    stack. With `distinct` NameTwice for an object in which a name stands twice: readers differ in which one counts."""
    try:
        return json.loads(data, object_pairs_hook=_distinct if distinct else None)
    except RecursionError as error:
        raise ValueError("nested deeper than a thousand levels") from error


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        raise NameTwice(f"the name {twice!r:.80} stands twice in an object, and which one counts is not known")
    return found


def read_described(path: Path, kind: str, *versions: int) -> dict[str, Any]:
    """A JSON file that says what a folder is. Raises CorruptFile where it is none, UnknownFormat where it is of another
    version than these."""
    name = f"{path.parent.name}/{path.name}"
    try:
        described = read_json(read_regular(path, name))
    except FileNotFoundError:
        raise CorruptFile(name, f"a JSON file of kind {kind}", "no file") from None
    except ValueError as error:
        raise CorruptFile(name, f"a JSON file of kind {kind}", f"unreadable JSON ({error})") from error
    if not isinstance(described, dict) or described.get("kind") != kind:
        found = described.get("kind") if isinstance(described, dict) else type(described).__name__
        raise CorruptFile(name, f"kind {kind}", f"kind {found}")
    if described.get("format_version") not in versions:
        raise UnknownFormat(
            f"{name}: format_version {described.get('format_version')}, this release reads "
            f"{' and '.join(map(str, versions))}; "
            "open it with the release that wrote it, or make it anew (`xtr-assets build`)"
        )
    return described


def known_settings(values: Mapping[str, Any], known: Collection[str], whose: str) -> dict[str, Any]:
    """The settings that this release knows. UnknownFormat where a later one set another, naming it; what is set to
    nothing asks for nothing."""
    if unknown := sorted(name for name, value in values.items() if name not in known and value):
        raise UnknownFormat(
            f"{whose} sets {', '.join(unknown)}, which this release does not follow; open it with the release that "
            "wrote it, or install a newer xtr-assets"
        )
    return {name: value for name, value in values.items() if name in known}
