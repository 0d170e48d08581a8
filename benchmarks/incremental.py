"""A small change: processor time and bytes of building after 0.1, 1 and 10 % of the documents changed.

    python benchmarks/incremental.py --rows 100000                 generated records, hashing encoder
    python benchmarks/incremental.py --packages asyncio json       a copy of the standard library, embedded encoder

Without --packages and --rows the whole standard library is built. Every build is a process of its own, as users run
it: `xtr-assets build`. Reported a step: CPU seconds of that process and its children, bytes of the files that are new
in the warehouse, bytes the kernel was asked to write (Dagster's database included), peak memory, and chunks encoded;
CPU and bytes also as a share of the full build, CPU beyond a build that finds nothing to do. Changes are spread over
all shards, or concentrated in one; of the library functions also grow by a line. Last: one changed file, from the
change until a new process finds it.
"""

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import yaml

from xtr_assets.sources.base import shard_of

SHARES = (0.001, 0.01, 0.1)
SHARDS = 4
# Records of a generated file: what a change of one record makes the build read again.
PER_FILE = 100
# Records of a topic, whose words most of their words are.
PER_TOPIC, TOPIC_WORDS, WORDS = 100, 40, 20_000
# A function's last line, where a comment changes its chunk and no other.
RETURN = re.compile(rb"^ +return\b[^\n#\\\"'(\[{]*$", re.MULTILINE)
COMMAND = str(Path(sys.executable).with_name("xtr-assets"))


class Corpus(Protocol):
    """Documents in files that can be changed."""

    folder: Path

    def write(self) -> dict[str, Any]:
        """Make the files; the fields of xtr.yaml that belong to them."""

    def change(self, share: float, shard: int | None, tag: str) -> int:
        """Change this share of the documents, in all shards or one; how many were changed."""

    def touch_one(self, word: str) -> str:
        """Let one file say a word that no other says; its path."""


class Generated:
    """JSONL files of records about topics: the words of a topic, and some of all."""

    def __init__(self, folder: Path, rows: int) -> None:
        self.folder, self.rows = folder, rows
        self._random = random.Random(7)

    def write(self) -> dict[str, Any]:
        self.folder.mkdir(parents=True)
        for first in range(0, self.rows, PER_FILE):
            lines = [self._record(i, "") for i in range(first, min(first + PER_FILE, self.rows))]
            self._path(first // PER_FILE).write_text("\n".join(lines) + "\n", "utf-8")
        source = {"name": "records", "kind": "records", "path": str(self.folder), "shards": SHARDS}
        # What the gate costs is measured here; words in random directions are harder to tell apart than a model's.
        recall = {"dense": 0.7, "xtr": 0.8, "new_rows": 0.5}
        return {"sources": [source], "encoder": {"kind": "hashing"}, "recall": recall}

    def change(self, share: float, shard: int | None, tag: str) -> int:
        wanted = max(1, round(share * self.rows))
        rows = range(self.rows) if shard is None else [i for n in self._files_of(shard) for i in self._rows_of(n)]
        chosen = set(self._random.sample(rows, wanted) if shard is None else rows[:wanted])
        for number in sorted({i // PER_FILE for i in chosen}):
            path = self._path(number)
            lines = path.read_text("utf-8").splitlines()
            for place, i in enumerate(self._rows_of(number)):
                if i in chosen:
                    lines[place] = self._record(i, tag)
            path.write_text("\n".join(lines) + "\n", "utf-8")
        return len(chosen)

    def touch_one(self, word: str) -> str:
        path = self._path(0)
        lines = path.read_text("utf-8").splitlines()
        lines[0] = json.dumps({"_id": "0", "title": word, "text": f"{word} {word}"})
        path.write_text("\n".join(lines) + "\n", "utf-8")
        return path.name

    def _record(self, i: int, tag: str) -> str:
        chance = random.Random(f"{i}{tag}")
        topic = chance.randrange(max(1, self.rows // PER_TOPIC))
        words = [f"word{(topic * 37 + chance.randrange(TOPIC_WORDS)) % WORDS}" for _ in range(24)]
        title = " ".join(words[:3])
        words += [f"word{chance.randrange(WORDS)}" for _ in range(4)]
        return json.dumps({"_id": str(i), "title": title, "text": " ".join(words)})

    def _path(self, number: int) -> Path:
        return self.folder / f"records-{number:06d}.jsonl"

    def _rows_of(self, number: int) -> range:
        return range(number * PER_FILE, min((number + 1) * PER_FILE, self.rows))

    def _files_of(self, shard: int) -> list[int]:
        files = range(-(-self.rows // PER_FILE))
        return [n for n in files if shard_of(self._path(n).name, SHARDS) == shard]


class Library:
    """A copy of the standard library's sources, or of some of its packages. A document is a function that returns."""

    def __init__(self, folder: Path, packages: list[str]) -> None:
        self.folder, self.packages = folder, packages
        self._random = random.Random(7)

    def write(self) -> dict[str, Any]:
        origin = Path(sysconfig.get_paths()["stdlib"])
        for path in sorted(origin.rglob("*.py")):
            parts = path.relative_to(origin).parts
            if self.packages and parts[0] not in self.packages and parts[0].removesuffix(".py") not in self.packages:
                continue
            if {"test", "tests", "site-packages", "lib2to3", "idlelib", "idle_test"} & set(parts):
                continue
            target = self.folder.joinpath(*parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        source = {"name": "stdlib", "kind": "python", "path": str(self.folder), "shards": SHARDS}
        return {"sources": [source]}

    def change(self, share: float, shard: int | None, tag: str) -> int:
        places = list(self._places())
        wanted = max(1, round(share * len(places)))
        here = [p for p in places if shard is None or shard_of(p[0], SHARDS) == shard]
        chosen = self._random.sample(here, wanted) if shard is None else here[:wanted]
        return self._insert(chosen, f"  # revised {tag}")

    def grow(self, share: float, tag: str) -> int:
        """Let this share of the documents grow by a line, which moves all that stands below in their files."""
        places = list(self._places())
        chosen = self._random.sample(places, max(1, round(share * len(places))))
        return self._insert(chosen, f"\n    # grown {tag}")

    def _insert(self, places: list[tuple[str, int]], text: str) -> int:
        for name in sorted({name for name, _ in places}):
            data = (self.folder / name).read_bytes()
            # From the end, so that the places before stay where they are.
            for at in sorted((at for n, at in places if n == name), reverse=True):
                data = data[:at] + text.encode() + data[at:]
            (self.folder / name).write_bytes(data)
        return len(places)

    def touch_one(self, word: str) -> str:
        name = next(self._places())[0]
        with (self.folder / name).open("a", encoding="utf-8") as file:
            file.write(f'\n\ndef {word}():\n    """Say {word}: {word}."""\n    return "{word}"\n')
        return name

    def _places(self) -> Iterator[tuple[str, int]]:
        """(file, end of a line that returns), the first of each 12 lines so that functions mostly come once."""
        for path in sorted(self.folder.rglob("*.py")):
            data, last = path.read_bytes(), -12
            for found in RETURN.finditer(data):
                line = data.count(b"\n", 0, found.end())
                if line - last >= 12:
                    last = line
                    yield path.relative_to(self.folder).as_posix(), found.end()


@dataclass
class Spent:
    """One build."""

    step: str
    seconds: float
    cpu_seconds: float
    new_bytes: int
    kernel_bytes: int
    peak_mb: float
    documents: int = 0
    encoded: int = 0
    published: bool = False
    shares: dict[str, float] = field(default_factory=dict)
    costs: dict[str, float] = field(default_factory=dict)


def run(arguments: list[str], work: Path) -> tuple[dict[str, Any], float, float, float]:
    """(what it printed, wall seconds, CPU seconds, peak MB) of a command in a process of its own."""
    # Who installs the package has its modules compiled: without that each command compiles them anew.
    left_out = {"DAGSTER_HOME", "PYTHONDONTWRITEBYTECODE"}
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    with tempfile.TemporaryFile() as output:
        started = perf_counter()
        process = subprocess.Popen([COMMAND, *arguments], cwd=work, stdout=output, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = perf_counter() - started
        output.seek(0)
        printed = json.loads(output.read() or "{}")
    if process.returncode:
        sys.exit(f"xtr-assets {' '.join(arguments)} ended with {process.returncode}: {printed.get('failed', '')}")
    return printed, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def built(step: str, work: Path) -> Spent:
    """Build, and what it cost."""
    before, asked = files_of(work / "warehouse"), kernel_bytes()
    document, seconds, cpu, peak = run(["build", "--json"], work)
    asked = kernel_bytes() - asked
    after = files_of(work / "warehouse")
    fresh = sum(size for key, size in after.items() if key not in before)
    encoded = sum(int(shard.get("encoded", 0)) for shard in document["shards"].values())
    costs = {name: cost["cpu_seconds"] for name, cost in document["costs"].items() if "cpu_seconds" in cost}
    return Spent(step, seconds, cpu, fresh, asked, peak, encoded=encoded, published=document["published"], costs=costs)


def files_of(folder: Path) -> dict[tuple[str, int, int], int]:
    """Bytes of every file, by path, inode and time: a file that was replaced is a new one."""
    found = {}
    for path in folder.rglob("*") if folder.is_dir() else ():
        status = path.stat()
        if path.is_file():
            found[str(path), status.st_ino, status.st_mtime_ns] = status.st_size
    return found


def kernel_bytes() -> int:
    """Bytes that this process and the children it waited for gave to write calls."""
    lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(lines["wchar"])


def measure(corpus: Corpus, work: Path) -> dict[str, Any]:
    """All steps; the figures, JSON-able."""
    config = {"name": "small", "warehouse": "warehouse", **corpus.write()}
    (work / "xtr.yaml").write_text(yaml.safe_dump(config), "utf-8")
    steps = [built("full", work), built("idle", work)]
    for share in SHARES:
        for where, shard in (("spread", None), ("one shard", 0)):
            documents = corpus.change(share, shard, f"{share}{where[0]}")
            step = built(f"{share:.1%} {where}", work)
            step.documents = documents
            steps.append(step)
            told(step, steps[0])
    if isinstance(corpus, Library):
        documents = corpus.grow(0.01, "1")
        steps.append(built("1.0% grown by a line", work))
        steps[-1].documents = documents
        told(steps[-1], steps[0])
    steps.append(built("idle again", work))
    full, idle = steps[0], steps[1]
    for step in steps:
        step.shares = {
            "cpu": round(step.cpu_seconds / full.cpu_seconds, 4),
            "cpu_beyond_idle": round((step.cpu_seconds - idle.cpu_seconds) / full.cpu_seconds, 4),
            "new_bytes": round(step.new_bytes / full.new_bytes, 4),
        }
    return {
        "cpus": os.cpu_count(),
        "steps": [vars(step) for step in steps],
        "one_file": searchable(corpus, work),
    }


def told(step: Spent, full: Spent) -> None:
    """A line while it runs."""
    print(f"{step.step}: {step.cpu_seconds:.1f} CPU s of {full.cpu_seconds:.1f}", file=sys.stderr)


def searchable(corpus: Corpus, work: Path) -> dict[str, Any]:
    """One changed file: build and search, each in a new process."""
    word = "zyxomatic"
    name = corpus.touch_one(word)
    _, build_seconds, build_cpu, _ = run(["build", "--json"], work)
    answer, search_seconds, search_cpu, _ = run(["search", word, "--json"], work)
    if name not in [hit["path"] for hit in answer["hits"]]:
        sys.exit(f"{name} says {word!r} and is not among the hits")
    return {
        "build_seconds": round(build_seconds, 2),
        "build_cpu_seconds": round(build_cpu, 2),
        "search_seconds": round(search_seconds, 2),
        "search_cpu_seconds": round(search_cpu, 2),
    }


def show(figures: dict[str, Any]) -> None:
    """The table for people."""
    head = ("step", "documents", "encoded", "wall s", "CPU s", "CPU", "beyond idle", "new MB", "bytes", "peak MB")
    print(("{:20}" + "{:>12}" * (len(head) - 1)).format(*head), file=sys.stderr)
    for step in figures["steps"]:
        shares = step["shares"]
        print(
            f"{step['step']:20}{step['documents']:>12,}{step['encoded']:>12,}{step['seconds']:>12.1f}"
            f"{step['cpu_seconds']:>12.1f}{shares['cpu']:>12.1%}{shares['cpu_beyond_idle']:>12.1%}"
            f"{step['new_bytes'] / 1e6:>12.2f}{shares['new_bytes']:>12.1%}{step['peak_mb']:>12,.0f}",
            file=sys.stderr,
        )
    print(f"one changed file: {figures['one_file']}", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, help="generate this many records")
    parser.add_argument("--packages", nargs="+", default=[], help="packages and modules of the standard library")
    parser.add_argument("--keep", type=Path, help="work in this new folder, and leave it")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = (given.keep or Path(temporary)).absolute()
        work.mkdir(parents=True, exist_ok=True)
        corpus: Corpus
        if given.rows:
            corpus = Generated(work / "records", given.rows)
        else:
            corpus = Library(work / "library", given.packages)
        figures = measure(corpus, work)
    show(figures)
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
