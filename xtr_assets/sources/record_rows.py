"""What the readers of records hand on: a row, or why there is none; and the canonical JSON of a row's metadata."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from xtr_assets.sources.reason import Reason


@dataclass(frozen=True, slots=True)
class Row:
    """A record as it was read; `line` from 1, in Parquet the row. `end_line`: its last one, 0 where it has one."""

    line: int
    values: Mapping[str, Any]
    end_line: int = 0


class InvalidRecord(Exception):
    """A record, or with line 0 a whole file, that cannot be used; raised or handed on, and quarantined either way."""

    def __init__(self, line: int, reason: Reason, detail: str) -> None:
        self.line, self.reason, self.detail = line, reason, detail
        super().__init__(detail)


# As JSON writes one, with zeros or a plus before it as well.
_NUMBER = re.compile(r"[+-]?[0-9]{1,300}(?P<real>(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)")


def number_of(value: Any) -> Any:
    """The number that a text is, whole where it is written so; any other value as it is.

    >>> number_of("12.50"), number_of(" 007"), number_of("1,5"), number_of("n/a"), number_of(True)
    (12.5, 7, '1,5', 'n/a', True)
    """
    found = _NUMBER.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        return value
    number = float(found[0]) if found["real"] else int(found[0])
    return number if abs(number) < math.inf else value


_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def canonical_json(fields: Mapping[str, Any], line: int) -> str:
    """Sorted keys, no spaces, UTF-8; NaN and infinities, which JSON lacks, become null, times ISO 8601 strings and
    durations seconds."""
    if not fields:
        return "{}"
    try:
        written = _ENCODER.encode(_plain(fields))
        if not written.isascii():
            written.encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        held = f"`{_unwritable(fields)}` of the metadata cannot be written as JSON: {error}"
        raise InvalidRecord(line, "invalid-record", f"{held}; leave it out of `metadata`") from error
    return written


def _unwritable(fields: Mapping[str, Any]) -> str:
    """The first field that JSON cannot hold."""
    for name, value in fields.items():
        try:
            _ENCODER.encode(_plain(value)).encode("utf-8")
        except (TypeError, ValueError, RecursionError):
            return name
    return next(iter(fields))  # A name of a field, and no value.


def _plain(value: Any) -> Any:
    if type(value) is str:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value / timedelta(seconds=1)
    return str(value) if isinstance(value, Decimal | UUID) else value
