"""Whatever is asked of any route: an answer that openapi.json knows, and never an error of the server.

A short form of `schemathesis run http://localhost:8080/openapi.json`, which found no error of the server either
(docs/measurements.md).
"""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xtr_assets.server.limits import Limits
from xtr_assets.server.openapi import openapi_document

DOCUMENT = openapi_document(Limits())
REQUEST = DOCUMENT["paths"]["/v1/search"]["post"]["requestBody"]["content"]["application/json"]["schema"]["properties"]
TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)
ANYTHING: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
COLUMNS = st.sampled_from(["source", "path", "kind", "start_line", "symbol", "no such column"])
FILTERS = st.dictionaries(COLUMNS, ANYTHING | st.fixed_dictionaries({"glob": TEXTS}), max_size=3)


def fitting(schema: Any) -> Any:
    """Values that a property of the schema allows."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kinds = {
        "boolean": st.booleans(),
        "integer": st.integers(schema.get("minimum", -5), schema.get("maximum", 2**31)),
        "number": st.floats(allow_nan=False, allow_infinity=False),
        "string": TEXTS,
        "object": FILTERS,
    }
    if schema["type"] == "array":
        return st.lists(fitting(schema["items"]), max_size=3)
    return kinds[schema["type"]]


# Mostly what the schema says, by one way of asking; now and then something else in its place.
BODIES = st.one_of(
    *(
        st.fixed_dictionaries(
            {name: fitting(REQUEST[name])},
            optional={
                other: st.one_of(*[fitting(schema)] * 4, ANYTHING)
                for other, schema in REQUEST.items()
                if other not in ("query", "queries", "vectors", "tokens")
            },
        )
        for name in ("query", "query", "queries", "vectors", "tokens")
    ),
    ANYTHING,
)


@pytest.fixture(scope="module")
def asking(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url) as opened:
        yield opened


def known(path: str, method: str, answer: httpx.Response) -> None:
    told = f"{method} {path}: {answer.status_code} {answer.text[:300]}"
    assert answer.status_code < 500, told
    assert str(answer.status_code) in DOCUMENT["paths"][path][method]["responses"], told
    if answer.status_code >= 400:
        assert {*answer.json()["error"]} == {"type", "message"}, told
    elif path.startswith("/v1"):
        assert answer.json()["index"] == "docs"


@settings(max_examples=80, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(body=BODIES)
def test_any_search_is_answered_or_refused(asking: httpx.Client, body: Any) -> None:
    known("/v1/search", "post", asking.post("/v1/search", json=body))


@settings(max_examples=40, derandomize=True)
@given(
    path=st.sampled_from([path for path, found in DOCUMENT["paths"].items() if "get" in found]),
    parameters=st.dictionaries(st.sampled_from(["index", "ids", "before", "after", "x"]), TEXTS, max_size=2),
    number=st.integers(-1, 2**66),
    pinned=st.none() | st.integers(-1, 2**66).map(str),
)
def test_any_question_is_answered_or_refused(
    asking: httpx.Client, path: str, parameters: dict[str, str], number: int, pinned: str | None
) -> None:
    headers = {} if pinned is None else {"Xtr-Generation": pinned}
    address = path.replace("{chunk_id}", str(number))
    known(path, "get", asking.get(address, params=parameters, headers=headers))
