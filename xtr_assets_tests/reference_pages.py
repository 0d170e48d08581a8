"""docs/fields.md out of the models of the configuration, docs/commands.md out of the command line's own help:
`python -m xtr_assets_tests.reference_pages` writes both."""

import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import typer
from pydantic import BaseModel

import xtr_assets
from xtr_assets.cli import app
from xtr_assets.config import encoder_kinds, index_config
from xtr_assets.config.source_config import SourceConfig
from xtr_assets.defs.component import Automation, Look, RunTags, Schedules

DOCS = Path(xtr_assets.__file__).parents[1] / "docs"

# Heading -> model, in the order of the page.
FIELDS: Mapping[str, type[BaseModel]] = {
    "xtr.yaml": index_config.IndexConfig,
    "parts": index_config.PartsConfig,
    "sources": SourceConfig,
    "recall": index_config.RecallConfig,
    "gate": index_config.GateConfig,
    "queries": index_config.QueriesConfig,
    "query_log": index_config.QueryLogConfig,
    "dense": index_config.DenseConfig,
    "upkeep": index_config.UpkeepConfig,
    "encoder of kind minilm": encoder_kinds.MiniLmConfig,
    "encoder of kind hashing": encoder_kinds.HashingConfig,
    "encoder of kind sentence-transformers": encoder_kinds.SentenceTransformersConfig,
    "encoder of kind static": encoder_kinds.StaticConfig,
    "encoder of kind endpoint": encoder_kinds.EndpointConfig,
    "encoder of kind late-interaction": encoder_kinds.LateInteractionConfig,
    "encoder of kind xtr": encoder_kinds.XtrConfig,
    "encoder of somebody's own": encoder_kinds.PythonConfig,
    "encoder of two parts": encoder_kinds.EncoderPair,
    "prompts of an encoder": encoder_kinds.Prompts,
    "defs.yaml": Look,
    "schedules of a defs.yaml": Schedules,
    "automation of a defs.yaml": Automation,
    "run_tags of a defs.yaml": RunTags,
}
# Written by nobody: `queries: log` says it.
UNWRITTEN = "queries_from_log"
MORE = {"queries": " or `log`"}
# A list of more alternatives is said in a word.
MOST_KINDS = 4
FIELDS_HEAD = """\
# Every field

What the configuration takes, from the models that read it: names, types, bounds, defaults. What the fields are good
for stands in [configuration.md](configuration.md), [encoders.md](encoders.md) and [dagster.md](dagster.md). This page
is written by `make docs`; edit the models. A `defs.yaml` takes the fields of `xtr.yaml` as well.
"""
COMMANDS_HEAD = """\
# Every command

What `xtr-assets COMMAND --help` says. This page is written by `make docs`; edit the commands. When to use which:
[operations.md](operations.md).
"""


def fields_page() -> str:
    """The whole of docs/fields.md."""
    return "\n".join([FIELDS_HEAD, *(_section(name, model) for name, model in FIELDS.items())])


def _section(heading: str, model: type[BaseModel]) -> str:
    schema = model.model_json_schema()
    wanted = set(schema.get("required", ()))
    properties = {name: told for name, told in schema["properties"].items() if name != UNWRITTEN}
    described = any("description" in told for told in properties.values())
    rows = [
        f"| `{name}` | {_kind(told, schema.get('$defs', {}))}{MORE.get(name, '') if '$defs' in schema else ''} "
        f"| {_default(told, name in wanted)} |" + (f" {told.get('description', '')} |" if described else "")
        for name, told in properties.items()
    ]
    about = _joined(inspect.cleandoc(model.__doc__ or ""))
    head = f"| field | type | default |{' |' * described}\n|---|---|---|{'---|' * described}"
    return f"## {heading}\n\n{about}\n\n{head}\n" + "\n".join(rows) + "\n"


def _joined(doc: str) -> str:
    """Its paragraphs, each one line; without what only the code's reader is told."""
    parts = (" ".join(part.split()) for part in doc.split("\n\n"))
    return "\n\n".join(part for part in parts if UNWRITTEN not in part)


def _kind(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """What a field takes, in words; null, which leaves it out, is not said."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        heading = next((one for one, model in FIELDS.items() if model.__name__ == name), None)
        return f"[{heading}](#{_anchor(heading)})" if heading else _kind(definitions[name], definitions)
    for union in ("anyOf", "oneOf"):
        if union in schema:
            kinds = [_kind(one, definitions) for one in schema[union] if one.get("type") != "null"]
            return " or ".join(dict.fromkeys(kinds)) if len(kinds) <= MOST_KINDS else "one of the kinds below"
    if "enum" in schema:
        return ", ".join(_code(one) for one in schema["enum"])
    if "const" in schema:
        return _code(schema["const"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}), definitions)}"
    named = {
        "string": "text",
        "integer": "whole number",
        "number": "number",
        "boolean": "true or false",
        "object": "mapping",
    }
    word = "path" if schema.get("format") == "path" else named.get(schema.get("type", ""), "anything")
    return word + _bounds(schema)


def _bounds(schema: Mapping[str, Any]) -> str:
    low, above, high = (schema.get(name) for name in ("minimum", "exclusiveMinimum", "maximum"))
    told = ""
    if above is not None:
        told = f" above {above:g}" + (f", up to {high:g}" if high is not None else "")
    elif low is not None:
        told = f", {low:g} to {high:g}" if high is not None else f", {low:g} or more"
    if "maxLength" in schema:
        told += f", up to {schema['maxLength']} characters"
    return told + (f" like {_code(schema['pattern'])}" if "pattern" in schema else "")


def _default(schema: Mapping[str, Any], wanted: bool) -> str:
    if wanted:
        return "required"
    value = schema.get("default")
    if value is None or value in ({}, []):
        return "none"
    # Its own fields have theirs.
    return "its fields'" if isinstance(value, dict) else _code(value)


def _code(value: object) -> str:
    written = {True: "true", False: "false"}.get(value, str(value)) if isinstance(value, bool) else str(value)
    return f"`{written}`".replace("|", "\\|")


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command of `xtr-assets`, by name, in the order of the help."""
    group = typer.main.get_command(app)
    with click.Context(group) as context:
        assert isinstance(group, click.Group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            yield name, command


def commands_page() -> str:
    """The whole of docs/commands.md."""
    return "\n".join([COMMANDS_HEAD, *(_command(name, command) for name, command in commands())])


def _command(name: str, command: click.Command) -> str:
    arguments = [one for one in command.params if isinstance(one, click.Argument)]
    options = [one for one in command.params if isinstance(one, click.Option) and one.name != "help"]
    usage = " ".join(["xtr-assets", name, *(["[OPTIONS]"] if options else []), *map(_metavar, arguments)])
    parts = [f"## {name}", f"`{usage}`", _joined(inspect.cleandoc(command.help or ""))]
    rows = [f"| `{_metavar(one)}` | {_help(one)} |" for one in arguments]
    rows += [f"| {_names(one)} | {_help(one)} |" for one in options]
    if rows:
        parts.append("| | |\n|---|---|\n" + "\n".join(rows))
    return "\n\n".join(parts) + "\n"


def _metavar(one: click.Parameter) -> str:
    name = one.metavar or (one.name or "").upper()
    plain = name.strip("[]").removesuffix("...")
    shown = f"{plain}..." if one.nargs == -1 else plain
    return shown if one.required else f"[{shown}]"


def _names(one: click.Option) -> str:
    names = ", ".join(f"`{name}`" for name in (*one.opts, *one.secondary_opts))
    return names if one.is_flag else f"{names} {_value(one)}"


def _value(one: click.Option) -> str:
    if one.metavar:
        return one.metavar
    if isinstance(one.type, click.IntRange | click.FloatRange):
        return "N"
    return "\\|".join(one.type.choices) if isinstance(one.type, click.Choice) else one.type.name.upper()


def _help(one: click.Parameter) -> str:
    told = " ".join((getattr(one, "help", None) or "").split()).replace("|", "\\|")
    shown = getattr(one, "show_default", None)
    if isinstance(shown, str):
        return f"{told} Default: {shown}."
    if shown is not False and one.default not in (None, False, ()) and not callable(one.default):
        return f"{told} Default: `{one.default}`."
    return told


PAGES = {"fields.md": fields_page, "commands.md": commands_page}

if __name__ == "__main__":
    for page, made in PAGES.items():
        (DOCS / page).write_text(made(), "utf-8")
