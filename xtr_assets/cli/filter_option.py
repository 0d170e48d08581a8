"""--where on the command line: `key=value`, `key=glob:*.py`, or JSON."""

from collections.abc import Sequence
from typing import Any

import typer

from xtr_assets.core.json_document import read_json

GLOB = "glob:"


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
    return {key.strip(): _value(value.strip())}


def _value(text: str) -> Any:
    """JSON where the text is JSON (numbers, lists, quoted strings), else the text itself."""
    if text.startswith(GLOB):
        return {"glob": text.removeprefix(GLOB)}
    try:
        return read_json(text)
    except ValueError:
        return text


def _wrong(problem: str) -> typer.BadParameter:
    return typer.BadParameter(problem, param_hint="--where")
