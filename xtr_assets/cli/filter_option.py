"""--where on the command line: `key=value`, `key=glob:*.py`, `year=gte:2020`, or JSON."""

import json
from collections.abc import Sequence
from typing import Any

import typer

from xtr_assets.core.json_document import read_json

# Operators that may stand before a value, with a colon between.
SHORT = ("glob", "prefix", "gt", "gte", "lt", "lte")


def parse_where(conditions: Sequence[str]) -> dict[str, Any] | None:
    """The filter of a search from its conditions, all of which must hold; None where there are none.

    >>> parse_where(["source=stdlib", "path=glob:asyncio/*", "year=2020"])
    {'source': 'stdlib', 'path': {'glob': 'asyncio/*'}, 'year': 2020}
    >>> parse_where(['year="2020"', 'source=["a", "b"]'])
    {'year': '2020', 'source': ['a', 'b']}
    """
    where: dict[str, Any] = {}
    for condition in conditions:
        for key, value in _parse(condition).items():
            if key in where:
                raise _wrong(f"{key!r} stands twice ({where[key]!r} and {value!r}); give a JSON list instead")
            where[key] = value
    return where or None


def _parse(condition: str) -> dict[str, Any]:
    if condition.lstrip().startswith("{"):
        try:
            loaded: dict[str, Any] = read_json(condition)
        except ValueError as error:
            raise _wrong(f"{condition!r} is not JSON: {error}") from error
        return loaded
    key, equals, value = condition.partition("=")
    if not equals or not key.strip():
        raise _wrong(f"{condition!r} is not key=value; try --where source=stdlib or --where 'path=glob:*.py'")
    return {key.strip(): _value(key.strip(), value.strip())}


def _value(key: str, text: str) -> Any:
    """JSON where the text is JSON (numbers, lists, quoted strings), `operator:value`, else the text itself."""
    operator, colon, operand = text.partition(":")
    if colon and operator in SHORT:
        return {operator: operand if operator in ("glob", "prefix") else _typed(key, operand)}
    # No source, path or kind begins with a word and one colon; symbols (std::vector) and metadata (doi:10.1) may.
    if colon and operator.isalpha() and key in ("source", "path", "kind"):
        raise _wrong(
            f"{operator}: of {key}={text!r} is no operator; use one of {', '.join(SHORT)}, or quote what is meant "
            f"as it stands: '{key}={json.dumps(text)}'"
        )
    return _typed(key, text)


def _typed(key: str, text: str) -> Any:
    """`path=2024` is a path, and `symbol=Infinity` a symbol: these columns hold text alone."""
    # It brings numpy, which what only prints a help does without.
    from xtr_assets.core.where_syntax import TEXT_COLUMNS

    value = _json(text)
    return value if key not in TEXT_COLUMNS or isinstance(value, str | list | dict) else text


def _json(text: str) -> Any:
    try:
        return read_json(text)
    except ValueError:
        return text


def _wrong(problem: str) -> typer.BadParameter:
    return typer.BadParameter(problem, param_hint="--where")
