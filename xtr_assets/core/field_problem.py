"""Faults of a configuration in words: the field, the value, what is allowed."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

# Longer values are cut in messages: a name of ten megabytes is no help to anybody.
SHOWN = 60
# Fields whose values are secrets.
SECRET = frozenset(
    {
        "upkeep.failure_webhook",
        *(f"encoder.{part}{name}" for part in ("", "dense.", "tokens.") for name in ("key", "url")),
    }
)
# Patterns in words; what has none is shown as it stands.
_PATTERNS = {
    r"^[a-z][a-z0-9_]*$": "give lowercase letters, digits and underscores, a letter first",
    r"^[A-Za-z0-9][A-Za-z0-9_.]*$": "give letters, digits, dots and underscores, a letter or digit first",
    r"^\$[A-Za-z_][A-Za-z0-9_]*$": "give $NAME of the environment variable that holds it",
    r"^[0-9a-f]{40}$": "give a commit in full, 40 hex digits: what a branch or tag names may be another tomorrow",
    r"^(own|[\w.-]+/[\w.-]+@[0-9a-f]{40})$": "give own, or REPOSITORY@COMMIT with the commit in full",
    r"^https?://.+": "give an http address",
    r"^(https?://.+|\$[A-Za-z_][A-Za-z0-9_]*)$": "give an http address, or $NAME of an environment variable",
}
# What to give, by the kind of fault that pydantic found; `{...}` are filled from its context.
_REMEDIES = {
    "greater_than_equal": "give {ge} or more",
    "greater_than": "give more than {gt}",
    "less_than_equal": "give {le} or less",
    "less_than": "give less than {lt}",
    "string_too_long": "give at most {max_length} characters",
    "string_too_short": "give at least {min_length} characters",
    "literal_error": "use {expected}",
    "finite_number": "give a finite number",
}
# The same by how the kind's name begins.
_KINDS = {
    "int": "give a whole number",
    "float": "give a number",
    "bool": "give true or false",
    "string": "give text",
    "path": "give a path",
    "tuple": "give a list",
    "list": "give a list",
    "model": "give a mapping of fields",
    "dict": "give a mapping of fields",
}


def shown(value: object) -> str:
    """A value as messages show it, bounded, and without the secrets of addresses."""
    if isinstance(value, int) and value.bit_length() > 256:
        return f"an integer of {value.bit_length()} bits"
    if isinstance(value, str):
        value = without_secrets(value)
    text = without_secrets(repr(value[: SHOWN + 1] if isinstance(value, str | bytes) else value))
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


# A password, and who asks over https: many put their token there. Either ends at the last `@` before the path. A scheme
# is looked for where it begins: in each of its letters anew, a value of 256 KB took minutes.
_LOGIN = re.compile(r"(https?://)[^/\s'\"]+@|((?<![a-z0-9+.-])[a-z0-9+.-]+://)[^/:\s'\"]*:[^/\s'\"]*@", re.IGNORECASE)


def without_secrets(text: str) -> str:
    """A text whose addresses do not tell who logs in by what.

    >>> without_secrets("https://token@host/a, s3://key:se@cret@bucket, ssh://git@host/a")
    'https://...@host/a, s3://...@bucket, ssh://git@host/a'
    """
    return _LOGIN.sub(lambda found: f"{found[1] or found[2]}...@", text)


def problems(faults: Iterable[Mapping[str, Any]]) -> str:
    """Faults as pydantic lists them (`loc`, `type`, `input`, `ctx`), as one sentence of ours a field."""
    told: dict[str, list[str]] = {}
    for fault in faults:
        start, remedy = _problem(fault)
        # Of a union each alternative is listed as a fault of its own.
        if remedy not in told.setdefault(start, []):
            told[start].append(remedy)
    return "; ".join(f"{start}{', or '.join(remedies)}" for start, remedies in told.items())


def _problem(fault: Mapping[str, Any]) -> tuple[str, str]:
    """What is wrong, and what to give."""
    kind, value = str(fault["type"]), fault.get("input")
    # A union adds the names of its alternatives to the place; fields are plain words and numbers. What a person wrote
    # in the place of one is shown as it is.
    last = len(fault["loc"]) - 1 if kind == "extra_forbidden" else None
    named = [str(part) for at, part in enumerate(fault["loc"]) if at == last or re.fullmatch(r"\w+", str(part))]
    field = ".".join(named)
    if not field and kind == "value_error":
        # Of the whole file: the error names its fields.
        return "", _remedy(kind, fault.get("ctx") or {})
    field = field or "the file"
    if kind == "invalid_key":
        return f"the key {shown(value)} is no text; ", "remove it"
    if kind == "extra_forbidden":
        start = f"unknown field `{field}` (value {shown(value)}); "
        return start, "remove it, or see docs/configuration.md for the fields"
    if kind == "missing":
        return f"field `{field}` is missing", ""
    known = "" if isinstance(value, dict | list) or field in SECRET else f" is {shown(value)}"
    return f"`{field}`{known}: ", _remedy(kind, fault.get("ctx") or {})


def _remedy(kind: str, context: Mapping[str, Any]) -> str:
    if kind == "value_error":
        return str(context["error"])
    if kind == "string_pattern_mismatch":
        pattern = str(context["pattern"])
        return _PATTERNS.get(pattern, f"give text that matches {pattern}")
    if kind in _REMEDIES:
        return _REMEDIES[kind].format(**context)
    return _KINDS.get(kind.partition("_")[0], "give another value; docs/configuration.md says which")
