"""What POST /v1/search takes: read from JSON and held against the limits before any index hears of it.

The settings of a search (nprobe, explain, ...) are the keyword arguments of `Searcher.search_batch`, and their types
the annotations there: a keyword that is added to the Searcher is taken by the server, and stands in its OpenAPI.
"""

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from xtr_assets.search.request import MODES
from xtr_assets.search.searcher import Searcher
from xtr_assets.server.limits import Limits
from xtr_assets.server.problem import refused

Kind = Literal["queries", "vectors", "tokens"]

# What one request asks with, in the order of preference of error messages.
ASKED: Mapping[str, Kind] = {"query": "queries", "queries": "queries", "vectors": "vectors", "tokens": "tokens"}
PLAIN = (*ASKED, "k", "mode", "where", "hydrate")
# The mode that vectors of a kind are searched in.
MODE_OF: Mapping[Kind, str] = {"vectors": "dense", "tokens": "xtr"}


def settings_of(function: Callable[..., Any]) -> dict[str, dict[str, Any]]:
    """The keyword-only arguments of a search, name -> JSON schema of what it takes besides null."""
    hints = get_type_hints(function)
    arguments = inspect.signature(function).parameters.values()
    return {one.name: _schema(one.name, hints[one.name]) for one in arguments if one.kind is one.KEYWORD_ONLY}


def _schema(name: str, hint: Any) -> dict[str, Any]:
    if get_origin(hint) in (Union, UnionType):
        (hint,) = [one for one in get_args(hint) if one is not type(None)]
    if get_origin(hint) is Literal:
        return {"type": "string", "enum": list(get_args(hint))}
    if hint not in (int, bool):
        raise TypeError(f"{name} is a {hint}; say in server/question.py what it is in JSON")
    return {"type": "integer", "minimum": 1} if hint is int else {"type": "boolean"}


SETTINGS: Mapping[Kind, Mapping[str, dict[str, Any]]] = {
    "queries": settings_of(Searcher.search_batch),
    "vectors": settings_of(Searcher.search_vectors),
    "tokens": settings_of(Searcher.search_tokens),
}


@dataclass(frozen=True, slots=True)
class Question:
    """One request: what is asked with, and how. `single` is a request with `query`, answered without a list."""

    kind: Kind
    asked: Sequence[Any]
    k: int
    mode: str
    where: Mapping[str, Any] | None
    settings: Mapping[str, Any] = field(default_factory=dict)
    single: bool = False
    hydrate: bool = True

    @property
    def alike(self) -> str:
        """Questions with the same text here may be answered by one call."""
        if self.where is None and not self.settings:
            return f"{self.k} {self.mode}"
        return json.dumps([self.k, self.mode, self.where, self.settings], sort_keys=True)


def parse_question(document: Mapping[str, Any], limits: Limits) -> Question:
    """Raises Problem 400 that names the field, its value and what is allowed. Values of filters and settings are left
    to the Searcher, which knows them."""
    given = [name for name in ASKED if document.get(name) is not None]
    if len(given) != 1:
        raise refused(400, f"{' and '.join(given) or 'nothing'} to search for; give one of {', '.join(ASKED)}")
    (name,) = given
    kind, value = ASKED[name], document[name]
    known = (*PLAIN, *SETTINGS[kind])
    for field_name in document:
        if field_name not in known:
            raise refused(400, f"the field {field_name[:100]!r} is unknown with {name!r}; use {', '.join(known)}")
    asked = [value] if name == "query" else _list(name, value, limits)
    if kind == "queries":
        _check_texts(asked, limits)
    k = _bounded(document.get("k", 10), limits)
    if k * len(asked) > limits.hits:
        raise refused(
            400,
            f"k = {k} for {len(asked)} queries is {k * len(asked)} hits, at most {limits.hits} are given; ask for less",
        )
    where = document.get("where")
    if where is not None:
        check_where(where, limits)
    settings = {one: document[one] for one in SETTINGS[kind] if document.get(one) is not None}
    for one, given_value in settings.items():
        _check_type(one, given_value, SETTINGS[kind][one])
    mode = _mode(kind, document.get("mode"))
    hydrate = document.get("hydrate", True)
    _check_type("hydrate", hydrate, {"type": "boolean"})
    return Question(kind, asked, k, mode, where or None, settings, name == "query", hydrate)


def _list(name: str, value: Any, limits: Limits) -> list[Any]:
    if not isinstance(value, list):
        raise refused(400, f"{name} is no list; give a list, one entry a query")
    if len(value) > limits.batch:
        raise refused(
            400, f"{name} has {len(value)} entries, at most {limits.batch} are taken; ask in several requests"
        )
    return value


def _check_texts(texts: Sequence[Any], limits: Limits) -> None:
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise refused(400, f"query {i} is no text; queries are text")
        if len(text) > limits.query_chars:
            raise refused(
                400,
                f"query {i} has {len(text)} characters, at most {limits.query_chars} are taken; ask with what matters",
            )
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise refused(400, f"query {i} holds half of a character (a surrogate); send Unicode text")


def _bounded(k: Any, limits: Limits) -> int:
    if type(k) is not int or not 1 <= k <= limits.k:
        raise refused(400, f"k is {_short(k)}; give a whole number from 1 to {limits.k}")
    return k


def _mode(kind: Kind, given: Any) -> str:
    allowed = (MODE_OF[kind],) if kind in MODE_OF else MODES
    mode = given if given is not None else MODE_OF.get(kind, "hybrid")
    if mode not in allowed:
        raise refused(400, f"mode is {_short(mode)} with {kind}; use {' or '.join(allowed)}")
    return str(mode)


def check_where(where: Any, limits: Limits) -> None:
    """Depth and number of values, without recursion: what is checked here may be as deep as JSON allows."""
    if not isinstance(where, dict):
        raise refused(400, 'where is no object; give one such as {"source": "stdlib"}')
    level: list[Any] = [where]
    values = depth = 0
    while level:
        depth += 1
        if depth > limits.where_depth:
            raise refused(400, f"where nests deeper than {limits.where_depth} levels; leave out pairs of not")
        inner = [one for each in level for one in (each.values() if isinstance(each, dict) else each)]
        values += len(inner)
        if values > limits.where_values:
            raise refused(
                400, f"where holds {values} values or more, at most {limits.where_values} are taken; ask in several"
            )
        level = [one for one in inner if isinstance(one, dict | list)]


def _check_type(name: str, value: Any, schema: Mapping[str, Any]) -> None:
    if "enum" in schema:
        fits, wanted = isinstance(value, str) and value in schema["enum"], f"one of {', '.join(schema['enum'])}"
    elif schema["type"] == "boolean":
        fits, wanted = isinstance(value, bool), "true or false"
    else:
        fits, wanted = type(value) is int and 1 <= value < 2**31, "a whole number of at least 1"
    if not fits:
        raise refused(400, f"{name} is {_short(value)}; give {wanted}")


def _short(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**64:
        return "a number of more than 64 bits"
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    return repr(value)[:100]
