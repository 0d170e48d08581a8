"""Messages that programs print, pasted into the search: is the code found that says them?

    git clone https://github.com/celery/celery FOLDER/celery
    python benchmarks/messages.py FOLDER [PROJECT ...] [--words 0 1]

FOLDER holds the Python projects of project_questions.json by their names, or some of them, each indexed whole into
FOLDER/indexes where it is not there yet. Of each up to 120 messages are drawn that its code raises or logs, of three
words at least, outside of its tests, examples and documentation; where the code puts a value, one is put that the code
does not know. Each is asked alone, behind the type of its error, as a line of a log, and quoted in a question; one hit
a symbol. Printed is what answers by what a row gains for each word in a row (`hybrid.verbatim` of the profile), and the
paired gain in MRR@10 over the first of these with its 95 % interval.
"""

import argparse
import ast
import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from projects import DEEP, Ranks, answers, told, warehouse_of

import xtr_assets as xa
from xtr_assets.search.blend import IN_A_ROW

MOST, SEED = 120, 5
VALUES = (
    "'foo'", "42", "/tmp/data.json", "'my_task'", "None", "http://localhost:8080/x", "3.5", "['a', 'b']", "example.com",
    "'utf-9'", "<Foo object at 0x7f3a2c>", "7", "bar_baz", "'2024-01-05'",
)  # fmt: skip
LEVELS = {"debug", "info", "warning", "warn", "error", "critical", "exception"}
ASIDE = re.compile(r"(^|/)(tests?|testing|docs?|examples?|t)/|test_|conftest")
_PERCENT = re.compile(r"%(?:\(\w+\))?[-#0 +]*\d*(?:\.\d+)?[sdrfxi]")


@dataclass(frozen=True)
class Said:
    """A message with values put in; `kind` is the type of an error, or "" of what is logged."""

    message: str
    kind: str
    answer: str

    def forms(self) -> dict[str, str]:
        """As people paste it."""
        stamp, kind = "2026-11-28 10:12:33,512", self.kind or "WARNING"
        line = f"{stamp} ERROR root: job 3 failed: {self.kind}: {self.message}"
        logged = f"[{stamp}: WARNING/MainProcess] {self.message}"
        quoted = f'why do I get "{self.message}" here'
        typed, line = f"{kind}: {self.message}", line if self.kind else logged
        return {"alone": self.message, "typed": typed, "line": line, "quoted": quoted}


def message_of(node: ast.AST, chance: random.Random) -> str | None:
    """The text of an expression, values put in."""
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(str(one.value) if isinstance(one, ast.Constant) else chance.choice(VALUES) for one in parts)
        case ast.BinOp(left=left, op=ast.Mod()):
            said = message_of(left, chance)
            return None if said is None else _PERCENT.sub(lambda _: chance.choice(VALUES), said)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            both = [message_of(one, chance) for one in (left, right)]
            return "".join(one or chance.choice(VALUES) for one in both) if any(both) else None
        case ast.Call(func=ast.Attribute(value=said_by, attr="format")):
            said = message_of(said_by, chance)
            return None if said is None else re.sub(r"\{[^{}]*\}", lambda _: chance.choice(VALUES), said)
    return None


def said_in(tree: ast.AST, path: str, chance: random.Random, own: tuple[str, ...] = ()) -> Iterator[Said]:
    """What the functions and classes of a file raise and log."""
    for node in ast.iter_child_nodes(tree):
        named = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        inner = (*own, node.name) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) else own
        kind, message = "", None
        match node:
            case ast.Raise(exc=ast.Call(func=func, args=[first, *_])):
                kind, message = ast.unparse(func).rpartition(".")[2], message_of(first, chance)
            case ast.Call(func=ast.Attribute(attr=level), args=[first, *_]) if level in LEVELS:
                message = message_of(first, chance)
                message = None if message is None else _PERCENT.sub(lambda _: chance.choice(VALUES), message)
        if not named and message and own and len(message) < 300 and len(re.findall(r"[A-Za-z]{3,}", message)) > 2:
            yield Said(" ".join(message.split()), kind, f"{path} {'.'.join(own)}")
        yield from said_in(node, path, chance, inner)


def drawn(folder: Path) -> list[Said]:
    """Up to MOST messages of a project."""
    chance, found = random.Random(SEED), list[Said]()
    for file in sorted(folder.rglob("*.py")):
        path = file.relative_to(folder).as_posix()
        if ASIDE.search(path):
            continue
        try:
            found += said_in(ast.parse(file.read_text("utf-8")), path, chance)
        except (SyntaxError, ValueError):
            continue
    chance.shuffle(found)
    return found[:MOST]


def rank_of(searcher: xa.Searcher, text: str, right: list[str]) -> int:
    """Of the first hit that is, or lies in, or holds, a definition that says it."""
    hits = searcher.search(text, k=DEEP, collapse="symbol")
    for rank, hit in enumerate(hits, 1):
        holds = any(path == hit.path and symbol.startswith(f"{hit.symbol}.") for path, symbol in map(_apart, right))
        if holds or answers(hit, right):
            return rank
    return DEEP + 1


def _apart(answer: str) -> tuple[str, str]:
    path, _, symbol = answer.rpartition(" ")
    return path, symbol


def main() -> None:
    """Index what is to be indexed, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("projects", nargs="*")
    parser.add_argument("--words", type=float, nargs="+", default=[0.0, IN_A_ROW])
    given = parser.parse_args()
    folder = given.folder.resolve()
    known = json.loads(Path(__file__).with_name("project_questions.json").read_text("utf-8"))
    python = [name for name in known if known[name]["suffixes"] == ["py"] and (folder / name).is_dir()]
    ranks: dict[tuple[str, float], list[Ranks]] = {}
    for name in given.projects or python:
        asked = drawn(folder / name)
        with xa.open(warehouse_of(folder, name, ["py"])) as searcher, searcher.opened() as opened:
            published = opened.legs.blend
            for words in given.words:
                object.__setattr__(opened.legs, "blend", replace(published, verbatim=words))
                for form in ("alone", "typed", "line", "quoted"):
                    found = [
                        rank_of(
                            searcher,
                            one.forms()[form],
                            [other.answer for other in asked if other.message == one.message],
                        )
                        for one in asked
                    ]
                    ranks.setdefault((form, words), []).append(np.array(found, np.int64))
                    first = ranks[form, given.words[0]][-1]
                    told(f"{name}, {form}, {words:g} a word", ranks[form, words][-1], first)
    for (form, words), all_of in ranks.items():
        told(f"all, {form}, {words:g} a word", np.concatenate(all_of), np.concatenate(ranks[form, given.words[0]]))


if __name__ == "__main__":
    main()
