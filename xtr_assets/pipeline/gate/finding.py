"""What a check of the gate found: the figure, what it is held against, and the sentence that a person reads."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Finding:
    """The verdict of one check on one draft.

    value, threshold : the figure and what it is held against; None where a check has none. summary : what was measured,
    in one plain sentence with both values. details : JSON, kept with the record and plotted by the UI. remedy : the
    setting or command that changes the outcome, where one does.
    """

    passed: bool
    value: float | None
    threshold: float | None
    summary: str
    details: Mapping[str, Any] = field(default_factory=dict)
    remedy: str = ""


def finite(value: Any) -> Any:
    """JSON with None for NaN and infinity, which it has no word for: a verdict about such figures is kept as well."""
    if isinstance(value, Mapping):
        return {name: finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
