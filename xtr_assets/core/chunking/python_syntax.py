"""Python's syntax tree, as the chunker reads it: nested statements, line ranges, signatures."""

import ast
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef

# A longer signature (subprocess.Popen.__init__) would take more of a later part's tokens than its own text.
MAX_SIGNATURE_CHARS = 160


def parse(text: str) -> ast.Module:
    """The module's tree. Raises SyntaxError, or ValueError, RecursionError or MemoryError for what breaks the parser.

    Warnings about the parsed code (invalid escapes) are not this program's warnings.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text)


def inner_statements(statement: ast.stmt) -> list[ast.stmt]:
    """The statements inside a compound one, in order of lines; empty for a simple one.

    A chain of elif is one list: in the tree each elif nests in the one before, and a long chain would nest too deep
    for recursion.
    """
    found: list[ast.stmt] = []
    while True:
        found += getattr(statement, "body", [])
        for clause in (*getattr(statement, "handlers", []), *getattr(statement, "cases", [])):
            found += clause.body
        orelse: list[ast.stmt] = getattr(statement, "orelse", [])
        if isinstance(statement, ast.If) and len(orelse) == 1 and isinstance(orelse[0], ast.If):
            statement = orelse[0]
            continue
        return found + orelse + list(getattr(statement, "finalbody", []))


def first_line(statement: ast.stmt, lines: Sequence[str]) -> int:
    """Where a statement begins, its decorators included.

    The tree places a decorator where its expression begins; the `@` may stand further up, before a bracket or a
    backslash that ends its line, with nothing but comments between.
    """
    decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
    if not decorators:
        return statement.lineno
    first = decorators[0].lineno
    while first > 1 and not lines[first - 1].lstrip().startswith("@"):
        first -= 1
    return first


def last_line(statement: ast.stmt) -> int:
    return statement.end_lineno or statement.lineno


@dataclass(frozen=True, slots=True)
class Member:
    """A statement of a scope: a definition that gets chunks of its own (`node`), or a unit of the scope's own code."""

    first: int
    last: int
    statement: ast.stmt
    node: Definition | None


def members(body: list[ast.stmt], lines: Sequence[str], separate: Callable[[Definition], bool]) -> Iterator[Member]:
    """Statements of a scope in order, conditional definitions (`if TYPE_CHECKING:`, `try:`) taken out of their block.

    A definition for which `separate` is false is a unit, and so is a compound statement without separate definitions.
    """
    for statement in body:
        if isinstance(statement, Definition):
            own = statement if separate(statement) else None
            yield Member(first_line(statement, lines), last_line(statement), statement, own)
            continue
        inside = list(members(inner_statements(statement), lines, separate))
        if any(member.node is not None for member in inside):
            yield from inside
        else:
            yield Member(statement.lineno, last_line(statement), statement, None)


def signature(node: Function) -> str:
    """`async def get(self, *, timeout)`: names only, since defaults and annotations can be of any size."""
    arguments = node.args
    positional = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    if arguments.posonlyargs:
        positional.insert(len(arguments.posonlyargs), "/")
    if arguments.vararg:
        positional.append(f"*{arguments.vararg.arg}")
    elif arguments.kwonlyargs:
        positional.append("*")
    positional += [argument.arg for argument in arguments.kwonlyargs]
    if arguments.kwarg:
        positional.append(f"**{arguments.kwarg.arg}")
    keyword = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    written = f"{keyword} {node.name}({', '.join(positional)})"
    return written if len(written) <= MAX_SIGNATURE_CHARS else f"{keyword} {node.name}(...)"
