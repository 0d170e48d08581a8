"""Untrusted JSON: what is not valid JSON, or nested too deep, is a ValueError."""

import json
from typing import Any


def read_json(data: bytes | str) -> Any:
    """The value. Raises ValueError: no JSON, no UTF-8, an integer of thousands of digits, nested beyond Python's
    stack."""
    try:
        return json.loads(data)
    except RecursionError as error:
        raise ValueError("nested deeper than a thousand levels") from error
