"""One random fault in the syntax of a module: what a slip of a hand makes of an expression that runs."""

import ast
import random
from collections.abc import Collection, Iterator
from dataclasses import dataclass

_COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_COUNTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_CALLED = {
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "sorted": "list",
    "reversed": "list",
    "minimum": "maximum",
    "maximum": "minimum",
    "cumsum": "asarray",
    "unique": "asarray",
    "flatnonzero": "asarray",
    "startswith": "endswith",
    "endswith": "startswith",
    "strip": "lstrip",
    "rstrip": "strip",
    "lower": "strip",
    "casefold": "strip",
    "union": "intersection",
    "append": "count",
    "add": "discard",
    "update": "copy",
}
# What is said to people or when something fails is no place for a fault that an index could have.
_QUIET = (ast.JoinedStr, ast.Raise, ast.Assert, ast.Global, ast.Import, ast.ImportFrom)


@dataclass(frozen=True, slots=True)
class Slip:
    """A module with one fault. line : where. before, after : the syntax of the place, as `ast.unparse` writes it."""

    text: str
    line: int
    kind: str
    before: str
    after: str


def slip(source: str, lines: Collection[int], chosen: random.Random) -> Slip | None:
    """A module with one fault in a line that runs; None where the draw changes nothing, or nothing can be drawn."""
    tree = ast.parse(source)
    places = [(node, kind) for node in _nodes(tree, lines, inside=False) for kind in _kinds(node)]
    if not places:
        return None
    node, kind = chosen.choice(places)
    before, line = ast.unparse(node), _line(node)
    new = _changed(node, kind, chosen)
    text = ast.unparse(ast.fix_missing_locations(_Replace(node, new).visit(tree)))
    if text == ast.unparse(ast.parse(source)):
        return None
    return Slip(text, line, kind, before, ast.unparse(new))


class _Replace(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        return self.new if node is self.old else self.generic_visit(node)


def _nodes(node: ast.AST, lines: Collection[int], *, inside: bool) -> Iterator[ast.AST]:
    """What stands in functions, in lines that run; neither annotations nor decorators nor defaults."""
    if isinstance(node, _QUIET):
        return
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        for one in node.body:
            yield from _nodes(one, lines, inside=True)
        return
    if isinstance(node, ast.ClassDef):
        for one in node.body:
            yield from _nodes(one, lines, inside=inside)
        return
    if inside and _line(node) in lines:
        yield node
    for name, value in ast.iter_fields(node):
        if name == "annotation":
            continue
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, ast.AST):
                yield from _nodes(one, lines, inside=inside)


def _line(node: ast.AST) -> int:
    return int(getattr(node, "lineno", 0))


def _kinds(node: ast.AST) -> list[str]:
    match node:
        case ast.Compare():
            return ["compare"]
        case ast.BinOp() if type(node.op) in _COUNTED:
            return ["count"]
        case ast.BoolOp():
            return ["and-or", "one condition less"]
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert()):
            return ["sign"]
        case ast.Constant() if type(node.value) in (int, float, bool):
            return ["constant"]
        case ast.If() | ast.IfExp():
            return ["always", "never"]
        case ast.While():
            return ["never"]
        case ast.Slice() if node.lower is not None or node.upper is not None:
            return ["border"]
        case ast.Call():
            return _kinds_of_call(node)
        case ast.Expr(value=ast.Call() | ast.Yield() | ast.YieldFrom()) | ast.Continue() | ast.Break():
            return ["left out"]
        case ast.AugAssign():
            return ["left out", "set"]
        case ast.For():
            return ["last one less", "first one less"]
    return []


def _kinds_of_call(node: ast.Call) -> list[str]:
    kinds = []
    if len(node.args) > 1 and not any(isinstance(one, ast.Starred) for one in node.args):
        kinds.append("arguments swapped")
    if node.keywords:
        kinds.append("keyword left out")
    if _called(node) in _CALLED:
        kinds.append("called")
    return kinds


def _called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _changed(node: ast.AST, kind: str, chosen: random.Random) -> ast.AST:
    """The node with the fault: the same one changed in place, or another one."""
    match node, kind:
        case ast.Compare(), _:
            at = chosen.randrange(len(node.ops))
            node.ops[at] = chosen.choice(_COMPARED[type(node.ops[at])])()
        case ast.BinOp(), _:
            node.op = _COUNTED[type(node.op)]()
        case ast.BoolOp(), "and-or":
            node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        case ast.BoolOp(), _:
            node.values.pop(chosen.choice((0, -1)))
        case ast.UnaryOp(), _:
            return node.operand
        case ast.Constant(), _:
            node.value = _another(node.value, chosen)
        case ((ast.If() | ast.IfExp() | ast.While()), _):
            node.test = ast.Constant(kind == "always")
        case ast.Slice(), _:
            _move_border(node, chosen)
        case ast.Call(), "arguments swapped":
            at = chosen.randrange(len(node.args) - 1)
            node.args[at], node.args[at + 1] = node.args[at + 1], node.args[at]
        case ast.Call(), "keyword left out":
            node.keywords.pop(chosen.randrange(len(node.keywords)))
        case ast.Call(func=ast.Attribute() as func), _:
            func.attr = _CALLED[func.attr]
        case ast.Call(func=ast.Name() as func), _:
            func.id = _CALLED[func.id]
        case ast.AugAssign(), "set":
            return ast.Assign([node.target], node.value)
        case ast.For(), _:
            ends = ast.Slice(None, ast.Constant(-1)) if kind == "last one less" else ast.Slice(ast.Constant(1), None)
            node.iter = ast.Subscript(ast.Call(ast.Name("list", ast.Load()), [node.iter], []), ends, ast.Load())
        case _:
            return ast.Pass()
    return node


def _another(value: object, chosen: random.Random) -> bool | int | float:
    if isinstance(value, bool):
        return not value
    assert isinstance(value, int | float), value
    return value + chosen.choice((1, -1)) if isinstance(value, int) else value * chosen.choice((0.5, 2.0))


def _move_border(node: ast.Slice, chosen: random.Random) -> None:
    gone = chosen.random() < 0.5
    if node.lower is not None and (node.upper is None or chosen.random() < 0.5):
        node.lower = None if gone else ast.BinOp(node.lower, ast.Add(), ast.Constant(1))
    elif node.upper is not None:
        node.upper = None if gone else ast.BinOp(node.upper, ast.Sub(), ast.Constant(1))
