"""Names of code beside universal-ctags: which functions, methods and classes lie in a chunk that bears their name.

    python benchmarks/code_names.py FOLDER [FOLDER ...]

Needs `ctags` (universal-ctags) on the path, which parses by itself and knows nothing of tree-sitter. Of each suffix:
files, those split as plain text, names that ctags knows on more than one line, and the share that a chunk on their line
bears. What macros define (`TEST(Vector, Grows)`) ctags calls TEST; such names, in capitals alone, are left out.
"""

import argparse
import json
import os
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from xtr_assets.core.chunking import chunk_code
from xtr_assets.core.chunking.code_grammar import CODE_SUFFIXES
from xtr_assets.core.chunking.code_parser import Unparsable
from xtr_assets.core.types import Chunk

KINDS = frozenset(
    [
        "function",
        "method",
        "class",
        "interface",
        "struct",
        "enum",
        "trait",
        "func",
        "constructor",
        "singletonMethod",
        "generator",
        "subroutine",
        "procedure",
        "task",
        "message",
        "service",
    ]
)
MAX_BYTES, MAX_CHARS = 2 * 1024**2, 2000


@dataclass
class Count:
    files: int = 0
    plain: int = 0
    names: int = 0
    found: int = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--missed", type=int, default=0, help="print so many names that were not found, of each suffix")
    asked = parser.parse_args()
    print("| folder | suffix | files | plain text | names | found |\n|---|---|---|---|---|---|")
    for folder in asked.folders:
        known = tags(folder)
        counts: dict[str, Count] = defaultdict(Count)
        missed: dict[str, list[str]] = defaultdict(list)
        for path in sorted(
            path for path in folder.rglob("*") if path.suffix.lower() in CODE_SUFFIXES and path.is_file()
        ):
            chunks = chunks_of(path)
            if chunks is None:
                continue
            count, suffix = counts[path.suffix.lower()], path.suffix.lower()
            count.files += 1
            count.plain += bool(chunks) and all(chunk.kind == "text" for chunk in chunks)
            for name, line in known[os.path.normpath(path)]:
                count.names += 1
                if bears(chunks, name, line):
                    count.found += 1
                else:
                    missed[suffix].append(f"{path.name}:{line} {name}")
        for suffix, one in sorted(counts.items()):
            share = f"{one.found / one.names:.3f}" if one.names else "-"
            print(f"| {folder.name} | {suffix} | {one.files} | {one.plain} | {one.names} | {share} |")
            for text in missed[suffix][: asked.missed]:
                print(f"  {text}")


def tags(folder: Path) -> dict[str, list[tuple[str, int]]]:
    """Path -> (name, line) of what ctags found."""
    command = ["ctags", "--output-format=json", "--fields=+nKe", "--extras=-F", "-R", "-f", "-", str(folder)]
    found: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines():
        tag = json.loads(line)
        name = tag.get("name", "")
        usual = (
            re.fullmatch(r"[A-Za-z_][\w-]*", name)
            and not name.isupper()
            and not name.startswith(("__anon", "Anonymous"))
        )
        if tag.get("kind") in KINDS and usual and tag.get("end") != tag["line"]:
            found[os.path.normpath(tag["path"])].append((name, tag["line"]))
    return found


def chunks_of(path: Path) -> list[Chunk] | None:
    """None where the product would read nothing of the file."""
    if path.stat().st_size > MAX_BYTES:
        return None
    try:
        return list(chunk_code("s", path.name, path.read_text(), MAX_CHARS))
    except (UnicodeDecodeError, Unparsable):
        return None


def bears(chunks: list[Chunk], name: str, line: int) -> bool:
    return any(name in words(chunk) for chunk in chunks if chunk.start_line <= line <= chunk.end_line)


def words(chunk: Chunk) -> Iterator[str]:
    return iter(re.split(r"[^\w-]+", chunk.symbol.split(" after ")[0]))


if __name__ == "__main__":
    main()
