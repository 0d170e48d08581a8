"""/openapi.json: what the routes take and give, with the bounds of this server."""

from importlib.metadata import version
from typing import Any

from xtr_assets.search.request import MODES
from xtr_assets.server.limits import Limits
from xtr_assets.server.question import ASKED, SETTINGS

_INTEGER, _NUMBER, _TEXT = {"type": "integer"}, {"type": "number"}, {"type": "string"}
# Ids and numbers of generations.
_WHOLE = {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}
_ERRORS = {
    "400": "what is asked cannot be used",
    "401": "no valid token",
    "403": "a page of another site asks",
    "404": "no such index or chunk",
    "408": "it took too long",
    "409": "such a generation must not answer",
    "410": "the pinned generation is not held any more",
    "413": "the body is too large",
    "415": "the body is no plain JSON",
    "421": "called by a name that is not this server's",
    "500": "the server failed; its log says why",
    "503": "no room, or nothing is published",
}


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


_SOURCE = _object(source=_TEXT, chunks=_INTEGER, files=_INTEGER, kinds=_object())
_FOLDER = _object(source=_TEXT, path=_TEXT, chunks=_INTEGER)
_COPY = _object(chunk_id=_INTEGER, id=_TEXT, source=_TEXT, path=_TEXT, symbol=_TEXT, start_line=_INTEGER)


def openapi_document(limits: Limits) -> dict[str, Any]:
    """The document, OpenAPI 3.1."""
    chunk_id = {"name": "chunk_id", "in": "path", "required": True, "schema": _WHOLE}
    around = [
        _query(name, {"type": "integer", "minimum": 0, "maximum": limits.neighbours}) for name in ("before", "after")
    ]
    return {
        "openapi": "3.1.0",
        "info": {"title": "xtr-assets", "version": version("xtr-assets")},
        "security": [{"bearer": []}, {}],
        "paths": {
            "/v1/search": {
                "post": {
                    **_operation("Find chunks", "search", _search_answer()),
                    "requestBody": {
                        "required": True,
                        "content": {"application/json": {"schema": _search_request(limits)}},
                    },
                }
            },
            "/v1/chunks": {
                "get": _operation(
                    "Chunks by their ids", "chunks", _object(chunks=_list(_ref("Hit"))), [_query("ids", _TEXT)]
                )
            },
            "/v1/chunks/{chunk_id}": {
                "get": _operation(
                    "A chunk, and what stands around it",
                    "chunk",
                    _object(chunk=_ref("Hit"), before=_list(_ref("Hit")), after=_list(_ref("Hit"))),
                    [chunk_id, *around],
                )
            },
            "/v1/generation": {"get": _operation("The generation that answers", "generation", _object())},
            "/v1/generations": {"get": _operation("Every generation", "generations", _object(), pinned=False)},
            "/v1/generations/{number}/open": {
                "post": _operation(
                    "Open another generation, to be asked for by the header Xtr-Generation",
                    "open_generation",
                    _object(generation=_INTEGER, serving={"type": ["integer", "null"]}, kept=_list(_INTEGER)),
                    [{"name": "number", "in": "path", "required": True, "schema": _WHOLE}],
                    pinned=False,
                )
            },
            "/v1/facets": {
                "get": _operation(
                    "The modes there are, and what a search can be narrowed to: sources with their kinds, and folders",
                    "facets",
                    _object(modes=_list({"type": "string"}), sources=_list(_SOURCE), folders=_list(_FOLDER)),
                )
            },
            "/v1/state": {
                "get": _operation(
                    "What was left out, what is behind, what is under way, who moved the pointer when",
                    "state",
                    _object(
                        **dict.fromkeys(("shards", "history"), _list({"type": "object"})),
                        **dict.fromkeys(("quarantine", "stale"), _object(total=_INTEGER, files=_list(_object()))),
                        draft={"type": ["object", "null"]},
                        live_recall={"type": ["object", "null"]},
                    ),
                    pinned=False,
                )
            },
            "/": {"get": _plain("The search page", "page", "text/html", {})},
            "/healthz": {"get": _plain("Whether the process lives", "healthz", "application/json", {})},
            "/readyz": {"get": _plain("Whether every index answers", "readyz", "application/json", {"503": "not yet"})},
            "/metrics": {"get": _plain("Prometheus metrics", "metrics", "text/plain", {"401": _ERRORS["401"]})},
            "/openapi.json": {"get": _plain("This document", "openapi", "application/json", {})},
        },
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Hit": _hit(), "Error": _object(error=_object(type=_TEXT, message=_TEXT))},
        },
    }


def _search_request(limits: Limits) -> dict[str, Any]:
    text = {"type": "string", "maxLength": limits.query_chars}
    vectors = {"type": "array", "items": _list(_NUMBER), "maxItems": limits.batch}
    settings = {name: schema for kind in SETTINGS.values() for name, schema in kind.items()}
    return {
        "type": "object",
        "additionalProperties": False,
        "description": "Exactly one of query, queries, vectors and tokens.",
        "oneOf": [{"required": [name]} for name in ASKED],
        "properties": {
            "query": text,
            "queries": {"type": "array", "items": text, "maxItems": limits.batch},
            "vectors": vectors,
            "tokens": {"type": "array", "items": _list(_list(_NUMBER)), "maxItems": limits.batch},
            "k": {"type": "integer", "minimum": 1, "maximum": limits.k, "default": 10},
            "mode": {"type": "string", "enum": list(MODES), "default": "hybrid"},
            "where": {"type": "object", "description": "docs/searching.md, Filters"},
            "hydrate": {
                "type": "boolean",
                "default": True,
                "description": "with the chunks: their places, texts and metadata",
            },
            **settings,
        },
    }


def _search_answer() -> dict[str, Any]:
    meant = {
        "type": "string",
        "description": "what was asked instead: its spelling was corrected, or nothing holds what it quotes",
    }
    found = {"hits": _list(_ref("Hit")), "corrected": meant}
    return {
        "type": "object",
        "description": "`hits` for `query`, `results` for everything else.",
        "required": ["index", "generation", "mode", "took_ms"],
        "properties": {
            "index": _TEXT,
            "generation": _INTEGER,
            "mode": _TEXT,
            "took_ms": _NUMBER,
            **found,
            "results": _list({"type": "object", "required": ["hits"], "properties": found}),
        },
    }


def _hit() -> dict[str, Any]:
    optional = {
        **{name: {"type": ["number", "null"]} for name in ("score", "confidence")},
        "scores": {"type": "object", "additionalProperties": _NUMBER},
        **dict.fromkeys(("source", "path", "symbol", "kind", "title", "text"), _TEXT),
        **dict.fromkeys(("part", "start_line", "end_line"), _INTEGER),
        "metadata": {"type": "object"},
        "copies": {"type": "integer", "description": "with collapse text: how many other chunks have its text"},
        "also": {**_list(_COPY), "description": "of those the first, by source, path and line"},
        "explanation": {"type": "object"},
    }
    required = {"rank": _INTEGER, "chunk_id": _INTEGER, "id": _TEXT}
    return {"type": "object", "required": list(required), "properties": {**required, **optional}}


def _operation(
    summary: str,
    name: str,
    answer: dict[str, Any],
    parameters: list[dict[str, Any]] | None = None,
    pinned: bool = True,
) -> dict[str, Any]:
    header = {
        "name": "Xtr-Generation",
        "in": "header",
        "description": "answer from this generation or not at all",
        "schema": _WHOLE,
    }
    return {
        "summary": summary,
        "operationId": name,
        "parameters": [_query("index", _TEXT), *([header] if pinned else []), *(parameters or [])],
        "responses": {
            "200": {"description": "answered", "content": {"application/json": {"schema": answer}}},
            **{status: _error(says) for status, says in _ERRORS.items()},
        },
    }


def _plain(summary: str, name: str, kind: str, others: dict[str, str]) -> dict[str, Any]:
    said = {status: {"description": says} for status, says in others.items()}
    return {
        "summary": summary,
        "operationId": name,
        "responses": {"200": {"description": "answered", "content": {kind: {}}}, **said},
    }


def _error(says: str) -> dict[str, Any]:
    return {"description": says, "content": {"application/json": {"schema": _ref("Error")}}}


def _query(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}
