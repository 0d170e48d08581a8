"""docs/api.md out of `__all__`, signatures and docstrings: `python -m xtr_assets_tests.api_page` writes it.

Read from the sources, so that annotations stand as they were written and the page is the same on every machine.
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

import xtr_assets

PAGE = Path(xtr_assets.__file__).parents[1] / "docs" / "api.md"

# What a user imports; everything else may change in any release (docs/dev/versions.md).
MODULES = (
    "xtr_assets",
    "xtr_assets.index",
    "xtr_assets.search",
    "xtr_assets.encoders",
    "xtr_assets.defs",
    "xtr_assets.testing",
)

HEAD = """\
# The Python interface

What is here is public: [dev/versions.md](dev/versions.md) says what that promises. Any other name may change in any
release. This page is written from the docstrings by `make docs`; edit those.

Arrays: `Floats` is float32, `Halves` float16, `Ints` int64, `Int32s` int32, `Mask` bool; all numpy, row-major. Shapes
stand in brackets: `[n, dim]`.
"""

Function = ast.FunctionDef | ast.AsyncFunctionDef
# A longer signature stands with one argument a line.
WIDTH = 110


@dataclass(frozen=True)
class Entry:
    """A public name, or a public member of one.

    name : dotted below the module. signature : as written, "" for a value. takes, gives : annotations of its arguments
    and of its result.
    """

    module: str
    name: str
    signature: str
    doc: str
    takes: str = ""
    gives: str = ""
    members: tuple["Entry", ...] = field(default=())


def entries() -> Iterator[Entry]:
    """Every public name once, under the first module that gives it, in the order of `__all__`."""
    seen: set[int] = set()
    for module in MODULES:
        loaded = import_module(module)
        for name in loaded.__all__:
            value = getattr(loaded, name)
            if id(value) not in seen:
                seen.add(id(value))
                yield entry(module, name, value)


def entry(module: str, name: str, value: object) -> Entry:
    """The entry of a class or function; anything else is a value, whose comment is its doc."""
    if inspect.isclass(value):
        return _class(module, name, value)
    if inspect.isfunction(value):
        return _function(module, name, _node(value))
    return Entry(module, name, "", f"`{value}`")


def _class(module: str, name: str, value: type) -> Entry:
    node = _node(value)
    assert isinstance(node, ast.ClassDef)
    members: dict[str, Entry] = {}
    fields: list[str] = []
    for base in [one for one in value.__mro__ if one.__module__.startswith("xtr_assets")]:
        found = _node(base)
        assert isinstance(found, ast.ClassDef)
        for item in found.body:
            if isinstance(item, Function) and not item.name.startswith("_") and item.name not in members:
                members[item.name] = _function(module, f"{name}.{item.name}", item)
            elif isinstance(item, ast.AnnAssign) and not (named := ast.unparse(item)).startswith("_"):
                fields.append(named.replace("'", '"'))
    made = next((item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "__init__"), None)
    bases = ", ".join(base.__name__ for base in value.__bases__ if base is not object)
    signature = f"class {name}({bases})" if issubclass(value, BaseException) else f"class {name}"
    if fields:
        signature += ":\n    " + "\n    ".join(fields)
    elif made is not None and not issubclass(value, BaseException):
        signature = f"class {name}{_arguments(made, name)}"
    doc = inspect.cleandoc(value.__doc__ or "")
    return Entry(module, name, signature, doc, "", ", ".join(fields), tuple(members.values()))


def _function(module: str, name: str, node: ast.AST) -> Entry:
    assert isinstance(node, Function)
    kinds = {ast.unparse(one) for one in node.decorator_list}
    result = "" if node.returns is None else _annotation(node.returns)
    if kinds & {"property", "cached_property"}:
        signature = f"{name}: {result}"
    else:
        begun = "async " if isinstance(node, ast.AsyncFunctionDef) else ""
        signature = f"{begun}{name}{_arguments(node, name)} -> {result}"
    marks = [one.annotation for one in (*node.args.args, *node.args.kwonlyargs) if one.annotation is not None]
    takes = ", ".join(map(_annotation, marks))
    return Entry(module, name, signature, ast.get_docstring(node) or "", takes, result)


def _arguments(node: Function, prefix: str = "") -> str:
    """The arguments in their parentheses, `self` and `cls` left out; one a line where they are long."""
    given = node.args
    plain = [*given.posonlyargs, *given.args]
    defaults = [None] * (len(plain) - len(given.defaults)) + list(given.defaults)
    written = [_argument(one, value) for one, value in zip(plain, defaults, strict=True)]
    if plain and plain[0].arg in ("self", "cls"):
        del written[0]
    if given.vararg is not None:
        written.append(f"*{_argument(given.vararg, None)}")
    elif given.kwonlyargs:
        written.append("*")
    written += [_argument(one, value) for one, value in zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    if given.kwarg is not None:
        written.append(f"**{_argument(given.kwarg, None)}")
    line = f"({', '.join(written)})"
    return line if len(prefix) + len(line) <= WIDTH else "(\n    " + ",\n    ".join(written) + ",\n)"


def _argument(one: ast.arg, default: ast.expr | None) -> str:
    if one.annotation is None:
        return one.arg if default is None else f"{one.arg}={ast.unparse(default)}"
    marked = f"{one.arg}: {_annotation(one.annotation)}"
    return marked if default is None else f"{marked} = {ast.unparse(default)}".replace("'", '"')


def _annotation(node: ast.expr) -> str:
    """As written; a name that is quoted because it comes later stands without its quotes."""
    written = ast.unparse(node)
    return written if "Literal" in written else re.sub(r"['\"]", "", written)


def _node(value: type | object) -> ast.stmt:
    return ast.parse(textwrap.dedent(inspect.getsource(value))).body[0]  # type: ignore[arg-type]


def page() -> str:
    """The whole of docs/api.md."""
    parts, module = [HEAD], ""
    for one in entries():
        if one.module != module:
            module = one.module
            parts.append(f"## `{module}`\n\n{_prose(inspect.cleandoc(import_module(module).__doc__ or ''))}\n")
        parts.append(f"### `{one.name}`\n\n{_code(one.signature)}{_prose(one.doc)}\n")
        parts += [f"#### `{member.name}`\n\n{_code(member.signature)}{_prose(member.doc)}\n" for member in one.members]
    return "\n".join(parts)


def _code(signature: str) -> str:
    return f"```python\n{signature}\n```\n\n" if signature else ""


def _prose(doc: str) -> str:
    """A docstring as Markdown: numpy's underlined sections as words, their entries as a list, doctests as code."""
    lines, kept, listing = doc.split("\n"), [], False
    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        if re.fullmatch(r"-{3,}", line.strip()):
            continue
        if re.fullmatch(r"-{3,}", following.strip()) and line.strip():
            kept += [f"{line.strip()}:", ""]
            listing = True
        elif (listed := re.match(r"([\w*, ]+?) : (.*)$", line)) and not line.startswith(" "):
            if kept and kept[-1] and not kept[-1].startswith(("- ", "  ")):
                kept.append("")
            listing = True
            kept.append(f"- `{listed[1]}`: {listed[2]}")
        elif not line.strip():
            kept.append("")
            listing = False
        else:
            kept.append(f"  {line.strip()}" if listing else line)
    return "\n".join(re.sub(r"(?<!`)<(?=\w+>)", r"\<", line) for line in kept)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
