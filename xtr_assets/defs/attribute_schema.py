"""The JSON Schema of the component's attributes: what `dg check yaml` and editors hold a defs.yaml against.

It is made from the models of the configuration, so that a field is said once. Two things are changed: a template may
stand wherever a value does, and alternatives are told apart by what decides between them (`kind`, null), so that an
error names the field that is wrong and not all alternatives.
"""

from collections.abc import Mapping
from typing import Any

from xtr_assets.config import IndexConfig

Schema = dict[str, Any]

TEMPLATE: Schema = {"type": "string", "pattern": "{{|{%"}


def attribute_schema(own: Schema) -> Schema:
    """The schema of all attributes; `own` : of those that are no fields of a configuration."""
    parts = [own, IndexConfig.model_json_schema()]
    properties = {
        name: templated(inlined(schema, part.get("$defs", {})))
        for part in parts
        for name, schema in part["properties"].items()
    }
    # Not written by anybody: `queries: log` says it.
    properties.pop("queries_from_log", None)
    properties["queries"] = {"if": {"const": "log"}, "else": properties["queries"]}
    # The folder's name and the project's warehouse stand in.
    for name in ("name", "warehouse"):
        properties[name].pop("default", None)
        properties[name].get("else", {}).pop("default", None)
    return {
        "title": "Retrieval index",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "if": {"not": {"required": ["config"]}},
        "then": {"required": ["sources"]},
    }


def inlined(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """The schema without references: it is put into others, whose definitions it does not know."""
    if isinstance(schema, list):
        return [inlined(one, definitions) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        rest = {name: value for name, value in schema.items() if name != "$ref"}
        return {**inlined(definitions[schema["$ref"].rpartition("/")[2]], definitions), **rest}
    return {name: inlined(value, definitions) for name, value in schema.items()}


def templated(schema: Any) -> Schema:
    """The schema of a value in whose place, or inside of which, templates may stand."""
    if schema is True or not schema:
        return {}
    told = {name: schema[name] for name in ("title", "description", "default") if name in schema}
    return {**told, "if": TEMPLATE, "else": _opened(schema)}


def _opened(schema: Schema) -> Schema:
    made = dict(schema)
    options = made.pop("oneOf", None) or made.pop("anyOf", None)
    if options is not None:
        made.pop("discriminator", None)
        made |= _alternatives(options)
    if "properties" in made:
        made["properties"] = {name: templated(one) for name, one in made["properties"].items()}
    if isinstance(made.get("items"), dict):
        made["items"] = templated(made["items"])
    if isinstance(made.get("additionalProperties"), dict):
        made["additionalProperties"] = templated(made["additionalProperties"])
    return made


def _alternatives(options: list[Schema]) -> Schema:
    nothing = [one for one in options if one.get("type") == "null"]
    rest = [one for one in options if one.get("type") != "null"]
    if nothing:
        return {"if": {"type": "null"}, "else": _opened(rest[0]) if len(rest) == 1 else _alternatives(rest)}
    if all("properties" in one for one in rest):
        return _by_kind(rest)
    return {"anyOf": [_opened(one) for one in rest]}


def _by_kind(options: list[Schema]) -> Schema:
    """Mappings that are told apart by `kind`, as the configuration's own discriminator does it."""
    known = {_kind(one): one for one in options if _kind(one) is not None}
    free = [one for one in options if "kind" in one["properties"] and _kind(one) is None]
    pairs = [one for one in options if "kind" not in one["properties"]]
    named: Schema = {"required": ["kind"]}
    cases = [({"properties": {"kind": {"const": kind}}, **named}, one) for kind, one in known.items()]
    others = {"kind": {"type": "string", "not": {"anyOf": [{"enum": list(known)}, TEMPLATE]}}}
    cases += [({"properties": others, **named}, one) for one in free]
    paired: Schema = {"anyOf": [{"required": [name]} for one in pairs for name in one["properties"]]}
    cases += [({"not": named, **paired}, one) for one in pairs]
    first = next(iter(known.values()))
    cases.append(({"not": {"anyOf": [named, *([paired] if pairs else [])]}}, first))
    return {"type": "object", "allOf": [{"if": condition, "then": _opened(one)} for condition, one in cases]}


def _kind(option: Schema) -> str | None:
    kind: str | None = option["properties"].get("kind", {}).get("const")
    return kind
