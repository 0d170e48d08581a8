"""Arrow values that Python's own types cannot hold, as JSON can: nanoseconds, years beyond 9999, zones nobody knows."""

from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

_UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def plain_value(scalar: Any) -> Any:
    """The value of an Arrow scalar: as Python has it, else times as ISO 8601 text and durations as seconds.

    Raises whatever Arrow raises for a value that has no such form.
    """
    try:
        return scalar.as_py()
    except UnicodeDecodeError:
        raise
    except Exception:
        # What a row says must not depend on its neighbours: only what has no other form is written by hand.
        return _by_hand(scalar)


def _by_hand(scalar: Any) -> Any:
    kind = scalar.type
    if pa.types.is_timestamp(kind):
        return _timestamp(scalar)
    if pa.types.is_date(kind):
        return str(np.datetime64(scalar.value, "D" if pa.types.is_date32(kind) else "ms").astype("datetime64[D]"))
    if pa.types.is_time(kind):
        return _time(scalar.value, kind.unit)
    if pa.types.is_duration(kind):
        return scalar.value / _UNITS[kind.unit]
    if pa.types.is_struct(kind):
        return {name: plain_value(item) for name, item in scalar.items()}
    if _is_list(kind):
        return [plain_value(item) for item in scalar]
    if pa.types.is_dictionary(kind):
        return plain_value(scalar.value)
    raise ValueError(f"a value of type {kind} has no form in Python")


def _is_list(kind: Any) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _timestamp(scalar: Any) -> str:
    kind = scalar.type
    instant = str(np.datetime64(scalar.value, kind.unit))
    if kind.tz is None:
        return instant
    try:
        # Its zone's offset at that second; what a datetime cannot hold, and zones unknown here, are told in UTC.
        whole = scalar.value // _UNITS[kind.unit]
        local: datetime = pa.scalar(whole, pa.timestamp("s", kind.tz)).as_py()
        offset = local.isoformat()[19:]
    except Exception:
        return f"{instant}+00:00"
    fraction = instant[19:]
    return f"{local.isoformat()[:19]}{fraction}{offset}"


def _time(value: int, unit: str) -> str:
    seconds, part = divmod(value, _UNITS[unit])
    minutes, second = divmod(seconds, 60)
    digits = len(str(_UNITS[unit])) - 1
    fraction = f".{part:0{digits}d}" if part else ""
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{second:02d}{fraction}"
