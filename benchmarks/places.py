"""Places in queries: whether what stands at a traceback's innermost frame, at a line or in a file comes first.

    python benchmarks/stdlib.py --keep FOLDER
    python benchmarks/places.py FOLDER/warehouse [--weight W ...] [--lines N]
    python benchmarks/places.py WAREHOUSE --frames [--weight W ...] [--lines N]
    python benchmarks/places.py WAREHOUSE --ordinary queries.jsonl

The first asks the standard library of the Python that runs this, as it was built: real tracebacks, by functions that
are called with what they do not take; the answer is the innermost frame whose file is in the index. Then drawn lines
and names of files. With --frames drawn lines are written as the tools of each file's language do. MRR@10 and the
share that is first, in hybrid, by what a place adds (`hybrid.place`; 0: nothing), the paired gain over nothing with its
95 % interval, and the CPU time of a query as a share of that without. With --ordinary: how many of other people's
questions are answered by other hits or scores with places than without.
"""

import argparse
import contextlib
import importlib
import inspect
import io
import json
import random
import sysconfig
import traceback
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from time import process_time
from typing import Any

import numpy as np
import numpy.typing as npt

import xtr_assets as xa
from xtr_assets.core.significance import bootstrap_interval
from xtr_assets.search.hits import Hit

STDLIB = Path(sysconfig.get_paths()["stdlib"])
# Modules of functions that only compute: whatever they are called with, nothing happens to this machine.
MODULES = (
    *("ast", "base64", "calendar", "codecs", "collections", "colorsys", "configparser", "contextlib", "copy"),
    *("dataclasses", "difflib", "dis", "email.base64mime", "email.charset", "email.encoders", "email.header"),
    *("email.quoprimime", "email.utils", "enum", "fnmatch", "fractions", "functools", "gettext", "hashlib", "heapq"),
    *("hmac", "html", "html.parser", "http.cookies", "inspect", "ipaddress", "json", "json.decoder", "json.encoder"),
    *("ntpath", "numbers", "operator", "pickletools", "plistlib", "posixpath", "pprint", "quopri", "random", "re"),
    *("re._compiler", "re._parser", "reprlib", "shlex", "statistics", "string", "stringprep", "struct", "textwrap"),
    *("tokenize", "tomllib", "traceback", "types", "typing", "urllib.parse", "uuid", "wsgiref.util"),
    *("xml.dom.minidom", "xml.sax.saxutils", "_strptime", "zipfile", "tarfile", "gzip", "bz2", "string"),
)
# What they are called with, one after the other, until something is raised inside.
STRANGE: tuple[Any, ...] = (None, -1, "\x00(", b"\xff", [], {}, [[]], object(), 1.5, "a b=c;%zz")
MOST_OF_FILE = 12
BATCH = 32
# A frame as the tools of a language write it.
FRAMES = {
    ".c": "{path}:{line}:9: error: expected ';' before '}}' token",
    ".cpp": "In file included from main.cc:1:\n/build/{path}:{line}:12: note: candidate expects 2 arguments",
    ".cs": "   at Program.Run(String[] args) in C:\\agent\\work\\1\\s\\{windows}:line {line}",
    ".go": "goroutine 1 [running]:\nmain.run(0x1)\n\t/home/ci/go/src/{path}:{line} +0x1d",
    ".java": 'Exception in thread "main" java.lang.IllegalStateException\n\tat org.example.Main.run({name}:{line})',
    ".js": "TypeError: x is not a function\n    at run (/srv/app/{path}:{line}:15)\n    at node:internal/main:27:3",
    ".kt": "e: file:///home/ci/{path}:{line}:5 Unresolved reference",
    ".rb": "/srv/app/{path}:{line}:in `run': undefined method (NoMethodError)",
    ".rs": "error[E0308]: mismatched types\n  --> {path}:{line}:13",
    ".ts": "{path}({line},7): error TS2322: Type 'string' is not assignable to type 'number'.",
}


@dataclass(frozen=True)
class Asked:
    """A query, and the file and line that answer it; line 0 where any chunk of the file does."""

    text: str
    path: str
    line: int

    def right(self, hit: Hit) -> bool:
        """Whether a hit is the answer."""
        return hit.path == self.path and (not self.line or hit.start_line <= self.line <= hit.end_line)


def raised() -> Iterator[tuple[str, list[tuple[str, int]]]]:
    """Tracebacks as they are printed, and their frames in the standard library, path and line, the innermost last."""
    for name in dict.fromkeys(MODULES):
        module = importlib.import_module(name)
        for own, made in sorted(vars(module).items()):
            # What is called `main` ends the process.
            if own.startswith(("_", "main")) or getattr(made, "__module__", "") != name or not callable(made):
                continue
            for arguments in ((one,) * count for count in (1, 2, 3) for one in STRANGE):
                if told := _called(made, arguments):
                    yield told
                    break


def _called(made: Any, arguments: Sequence[Any]) -> tuple[str, list[tuple[str, int]]] | None:
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            found = made(*arguments)
            if inspect.isgenerator(found):
                next(found)
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        inside = [
            (Path(frame.filename).relative_to(STDLIB).as_posix(), frame.lineno)
            for frame in frames
            if frame.lineno and frame.filename.startswith(f"{STDLIB}/")
        ]
        return ("".join(traceback.format_exception(error)), inside) if inside else None
    return None


def tracebacks(paths: frozenset[str]) -> list[Asked]:
    """Each line that something was raised at once, few of a file."""
    found: dict[tuple[str, int], str] = {}
    counts: dict[str, int] = {}
    for text, frames in raised():
        here = [place for place in frames if place[0] in paths]
        if here and here[-1] not in found and counts.get(here[-1][0], 0) < MOST_OF_FILE:
            found[here[-1]] = text
            counts[here[-1][0]] = counts.get(here[-1][0], 0) + 1
    return [Asked(text, path, line) for (path, line), text in found.items()]


def drawn(rows: Sequence[dict[str, Any]], count: int, chance: random.Random) -> list[tuple[str, int]]:
    """Paths and lines of chunks, each of another one."""
    chosen = chance.sample(rows, min(count, len(rows)))
    return [(row["path"], chance.randint(row["start_line"], row["end_line"])) for row in chosen]


def of_library(rows: Sequence[dict[str, Any]], count: int, chance: random.Random) -> dict[str, list[Asked]]:
    """What the standard library is asked, by kind."""
    paths = sorted({row["path"] for row in rows})
    raises = tracebacks(frozenset(paths))
    lines, files = drawn(rows, count, chance), chance.sample(paths, min(count, len(paths)))
    alone = [path for path in paths if sum(path.endswith(f"/{PurePosixPath(one).name}") for one in paths) < 2]
    return {
        "tracebacks": raises,
        "their last frames": [last for one in raises if f"/{one.path}" in (last := _last_frame(one)).text],
        "path:line": [Asked(f"{path}:{line}", path, line) for path, line in lines],
        "name:line": [Asked(f"{PurePosixPath(path).name}:{line}", path, line) for path, line in lines],
        "a path": [Asked(path, path, 0) for path in files],
        "a name": [Asked(PurePosixPath(one).name, one, 0) for one in chance.sample(alone, min(count, len(alone)))],
    }


def _last_frame(one: Asked) -> Asked:
    return replace(one, text=[line for line in one.text.split("\n") if line.startswith("  File ")][-1].strip())


def of_languages(rows: Sequence[dict[str, Any]], count: int, chance: random.Random) -> dict[str, list[Asked]]:
    """Drawn lines as the tools of each language write them."""
    found: dict[str, list[Asked]] = {}
    for suffix, form in FRAMES.items():
        own = [row for row in rows if row["path"].endswith(suffix)]
        for path, line in drawn(own, count, chance):
            name, windows = PurePosixPath(path).name, path.replace("/", "\\")
            said = form.format(path=path, line=line, name=name, windows=windows)
            found.setdefault(suffix, []).append(Asked(said, path, line))
    return found


def weigh(searcher: xa.Searcher, weight: float) -> None:
    """Rank from now on as a generation that was published with this weight."""
    with searcher.opened() as opened:
        opened.legs = replace(opened.legs, blend=replace(opened.legs.blend, place=weight))


def ranks(searcher: xa.Searcher, asked: Sequence[Asked]) -> tuple[npt.NDArray[np.float64], float]:
    """float64 [n]: one over the rank of the first answer, 0 behind the tenth; the CPU seconds of a query."""
    found, before = list[float](), process_time()
    for at in range(0, len(asked), BATCH):
        some = asked[at : at + BATCH]
        for one, hits in zip(some, searcher.search_batch([one.text for one in some], 10), strict=True):
            found.append(next((1 / rank for rank, hit in enumerate(hits, 1) if one.right(hit)), 0.0))
    return np.array(found), (process_time() - before) / len(asked)


def differing(searcher: xa.Searcher, texts: Sequence[str], weight: float) -> int:
    """How many questions are answered otherwise with places."""
    told = []
    for one in (0.0, weight):
        weigh(searcher, one)
        batches = [searcher.search_batch(texts[at : at + BATCH], 10) for at in range(0, len(texts), BATCH)]
        told.append([[(hit.chunk_id, hit.score, hit.confidence) for hit in hits] for some in batches for hits in some])
    return sum(one != other for one, other in zip(*told, strict=True))


def main() -> None:
    """Print a line for each kind and weight."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("warehouse", type=Path)
    parser.add_argument("--weight", type=float, nargs="*", default=[10.0])
    parser.add_argument("--lines", type=int, default=300, help="lines and files that are drawn, of each kind")
    parser.add_argument("--frames", action="store_true", help="as tools of several languages write lines")
    parser.add_argument("--ordinary", type=Path, help="questions that name no places, as JSON lines with `text`")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    with xa.open(given.warehouse, device="cpu") as searcher:
        if given.ordinary:
            texts = [json.loads(line)["text"] for line in given.ordinary.read_text().splitlines()]
            print(f"{differing(searcher, texts, given.weight[-1])} of {len(texts)} questions are answered otherwise")
            return
        with searcher.opened() as opened:
            rows = opened.generation.chunk_table(["path", "start_line", "end_line"]).to_pylist()
        searcher.search("so that what is loaded at the first call is loaded: x.py:1")
        make = of_languages if given.frames else of_library
        for kind, asked in make(rows, given.lines, random.Random(1)).items():
            weigh(searcher, 0.0)
            without, seconds = ranks(searcher, asked)
            print(f"{kind:<18} {len(asked):>4}    without  MRR {without.mean():.3f}  first {(without == 1).mean():.3f}")
            for weight in given.weight:
                weigh(searcher, weight)
                found, own = ranks(searcher, asked)
                gain = bootstrap_interval(found - without)
                told = f"{gain.mean:+.3f} [{gain.low:.3f}, {gain.high:.3f}]"
                first = f"MRR {found.mean():.3f}  first {(found == 1).mean():.3f}"
                print(f"{'':<18} {'':>4} {weight:>10g}  {first}  {told}  CPU {own / seconds:.2f}", flush=True)


if __name__ == "__main__":
    main()
