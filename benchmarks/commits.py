"""What a commit says as a question, the functions that it changed as the answer: objective, and as many as wanted.

    git clone https://github.com/pallets/click FOLDER/click
    python benchmarks/commits.py FOLDER [PROJECT ...] [--most 120] [--modes hybrid dense xtr lexical]

FOLDER holds clones, with their histories, of projects of project_questions.json; each is indexed at the commit that
stands there, as `benchmarks/projects.py` does. A question is the first line of a commit, without a number in brackets
and a conventional prefix: four words or more, no release, typo, format or documentation; one to three functions
changed outside tests, in at most three files, which all still stand at that commit. A commit that adds one of them
is told apart, as its line is much what the docstring says. Printed is what answers, by mode.
"""

import argparse
import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from projects import ranks_of, told, warehouse_of

import xtr_assets as xa
from xtr_assets.core.chunking import chunk_code, chunk_python
from xtr_assets.core.chunking.code_parser import Unparsable
from xtr_assets.core.file_purpose import is_of_tests

MOST_FILES, MOST_FUNCTIONS, MOST_CHARS = 3, 3, 100_000
SKIPPED = re.compile(
    r"\b(merge|revert|reverts|release|releases|bump|typos?|docs?|docstrings?|documentation|changelog|readme|comments?|"
    r"lint|linter|linting|format|formatting|black|ruff|pyupgrade|flake8|isort|mypy|typing|types?|hints?|annotations?|"
    r"version|spelling|grammar|copyright|license|tests?|ci|pre-commit|deprecate|imports?|rename|style|whitespace)\b",
    re.IGNORECASE,
)
KINDS = "feat|fix|chore|refactor|perf|build|style|test"
PREFIX = re.compile(rf"^(\[[^\]]*\]\s*|({KINDS})(\([^)]*\))?!?:\s+)", re.IGNORECASE)
NUMBERS = re.compile(r"\s*\(?(fixes |closes |refs? )?#\d+\)?\.?", re.IGNORECASE)
HUNK = re.compile(r"^@@ -\S+ \+(\d+)(?:,(\d+))? @@")


def git(folder: Path, *arguments: str) -> str:
    """What git says; nothing where it refuses, as for a file that was not there."""
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, check=False).stdout.decode("utf-8", "replace")


def functions(folder: Path, commit: str, path: str) -> list[tuple[str, int, int]]:
    """(symbol, first line, last line) of the definitions of a file at a commit."""
    chunk = chunk_python if path.endswith(".py") else chunk_code
    try:
        chunks = list(chunk("src", path, git(folder, "show", f"{commit}:{path}"), MOST_CHARS))
    except (SyntaxError, ValueError, Unparsable):
        return []
    found = [(one.symbol, one.start_line, one.end_line) for one in chunks if one.symbol and one.symbol[0] != "<"]
    return [(symbol, first, last) for symbol, first, last in found if first is not None and last is not None]


def subject(line: str) -> str:
    """The first line of a commit as somebody would ask it."""
    return NUMBERS.sub("", PREFIX.sub("", line)).strip()


def commits(folder: Path, tip: str, suffixes: list[str]) -> Iterator[tuple[str, str, dict[str, list[range]]]]:
    """(commit, first line, the lines by changed file of code), newest first."""
    files = [f"*.{suffix}" for suffix in suffixes]
    text = git(
        folder, "log", "--no-merges", "-U0", "-n", "6000", "--format=%x00%H%x01%ae%x01%s", "-p", tip, "--", *files
    )
    for entry in text.split("\0")[1:]:
        head, *lines = entry.splitlines()
        parts = head.split("\1")
        if len(parts) != 3 or "bot" in parts[1]:
            continue
        changed: dict[str, list[range]] = {}
        path = ""
        for line in lines:
            if line.startswith("+++ "):
                path = line[6:] if line.startswith("+++ b/") else ""
            elif path and (hunk := HUNK.match(line)):
                first, many = int(hunk[1]), int(hunk[2] or 1)
                changed.setdefault(path, []).append(range(first, first + max(many, 1)))
        own = {path: spans for path, spans in changed.items() if not is_of_tests(path, None)}
        if 1 <= len(own) <= MOST_FILES:
            yield parts[0], parts[2], own


def mined(folder: Path, tip: str, suffixes: list[str], most: int) -> list[dict[str, Any]]:
    """The questions of a project; of one function not more than three."""
    found: list[dict[str, Any]] = []
    asked: Counter[str] = Counter()
    for commit, line, changed in commits(folder, tip, suffixes):
        text = subject(line)
        if len(text.split()) < 4 or SKIPPED.search(line):
            continue
        answers, new = [], False
        for path, spans in changed.items():
            there = {symbol for symbol, _, _ in functions(folder, f"{commit}~", path)}
            for symbol, first, last in functions(folder, commit, path):
                if any(span.start <= last and first < span.stop for span in spans) and not is_of_tests(path, symbol):
                    answers.append(f"{path} {symbol}")
                    new |= symbol not in there
        answers = list(dict.fromkeys(answers))
        still = (
            {f"{path} {symbol}" for path in changed for symbol, _, _ in functions(folder, tip, path)}
            if 1 <= len(answers) <= MOST_FUNCTIONS
            else set()
        )
        if not still.issuperset(answers) or not answers or max(asked[one] for one in answers) >= 3:
            continue
        if any(one["question"] == text for one in found):
            continue
        asked.update(answers)
        found.append({"question": text, "line": line, "commit": commit, "answers": answers, "new": new})
        if len(found) == most:
            break
    return found


def main() -> None:
    """Mine, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("projects", nargs="*")
    parser.add_argument("--most", type=int, default=120)
    parser.add_argument("--modes", nargs="+", default=["hybrid", "dense", "xtr", "lexical"])
    given = parser.parse_args()
    folder = given.folder.resolve()
    known = json.loads(Path(__file__).with_name("project_questions.json").read_text("utf-8"))
    found: dict[tuple[str, bool], list[Any]] = {}
    for name in given.projects or [name for name in known if (folder / name).is_dir()]:
        questions = mined(folder / name, known[name]["commit"], known[name]["suffixes"], given.most)
        with xa.open(warehouse_of(folder, name, known[name]["suffixes"])) as searcher:
            for mode in given.modes:
                for new in (False, True):
                    asked = [one for one in questions if one["new"] == new]
                    if asked:
                        found.setdefault((mode, new), []).append(ranks_of(searcher, asked, mode))
                        told(f"{name}, {mode}, {'adds' if new else 'changes'}", *[found[mode, new][-1]] * 2)
    for (mode, new), ranks in found.items():
        told(f"all, {mode}, {'adds' if new else 'changes'}", *[np.concatenate(ranks)] * 2)


if __name__ == "__main__":
    main()
