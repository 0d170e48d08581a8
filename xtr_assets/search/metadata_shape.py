"""Metadata of one shape, read by Arrow: flat JSON objects of plain strings and whole numbers, as records have them.

A shape is a regular expression made of one object; what it matches is read without a Python object for each row, and
means what a parser says of it: a string without quotes, backslashes and control characters is its own text, and the
keys of an object stand as they are. Everything else is left to the parser.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from xtr_assets.core.types import Ints

# Fewer different objects are parsed one by one: 1 us each.
WORTH_IT = 256
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_STRING = r'"([^"\\\x00-\x1f]*)"'
# At most 18 digits: all of them fit 64 bits.
_INTEGER = r"(-?(?:0|[1-9][0-9]{0,17}))"
# RE2 compiles a few hundred groups, slowly; nobody's records have so many fields.
MOST_FIELDS = 32


@dataclass(frozen=True, slots=True, eq=False)
class ShapedFields:
    """owners : int64, ascending, the objects of the shape; fields : what each of them holds, by name; rest : int64,
    all other objects."""

    owners: Ints
    fields: Mapping[str, pa.Array]
    rest: Ints


def shaped_fields(objects: pa.Array) -> ShapedFields:
    """What the objects of the first one's shape hold.

    >>> texts = ['{"title":"a","year":2019}', '{"title":"b\\\\n","year":1}', '{"title":"c","year":-7}']
    >>> found = shaped_fields(pa.array(texts * 100))
    >>> found.owners[:3].tolist(), found.rest[:2].tolist(), found.fields["year"][:2].to_pylist()
    ([0, 2, 3], [1, 4], [2019, -7])
    """
    nothing = ShapedFields(np.empty(0, np.int64), {}, np.arange(len(objects)))
    kinds = _kinds(objects[0].as_py()) if len(objects) >= WORTH_IT else None
    if not kinds:
        return nothing
    import pyarrow.compute as pc

    parts = (f'"{re.escape(name)}":{_INTEGER if kind is int else _STRING}' for name, kind in kinds.items())
    # Groups are named by their number: a key is no name of a group.
    pattern = ",".join(part.replace("(", f"(?P<f{at}>", 1) for at, part in enumerate(parts))
    found = pc.extract_regex(objects, rf"\A\{{{pattern}\}}\z")
    matched = found.is_valid()
    owners = np.flatnonzero(matched.to_numpy(zero_copy_only=False))
    texts = found.filter(matched).flatten()
    fields = {
        name: pc.cast(values, pa.int64()) if kind is int else values
        for (name, kind), values in zip(kinds.items(), texts, strict=True)
    }
    return ShapedFields(owners, fields, np.flatnonzero(~matched.to_numpy(zero_copy_only=False)))


def _kinds(text: str) -> dict[str, type] | None:
    """The type of each field of an object; None where it is of no shape."""
    try:
        held = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(held, dict) or not 0 < len(held) <= MOST_FIELDS:
        return None
    kinds = {name: type(value) for name, value in held.items()}
    plain = all(_PLAIN_KEY.fullmatch(name) and kind in (str, int) for name, kind in kinds.items())
    return kinds if plain else None
