"""`python -m xtr_assets_tests.mutants.syntax [COUNT [SEED [word ...]]]`: random faults in the syntax of the package.

Each is planted in a copy of the package, which builds a project in a process of its own. What serves then is read by
the package without the fault, also where the build failed after the pointer moved, or found nothing to do. Words choose
modules by their path. Ends with 1 where harm serves that nobody was told of: files that a reader failed on, and that
stand in the quarantine or among what is stale, count apart.
"""

import importlib.util
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import xtr_assets
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.mutants import trial
from xtr_assets_tests.mutants.fault import Files, Run
from xtr_assets_tests.mutants.syntax.operators import Slip, slip
from xtr_assets_tests.mutants.truth import Truth, truth_of

# A fault in a check is none in an index; what is counted or said to people is none either.
LEFT_OUT = ("pipeline/gate/", "telemetry/", "cli/", "config/", "core/errors.py", "core/progress.py")
# Seconds that a build may take: one that takes more is stopped by whoever waits for it.
PATIENCE = 180
COUNT, SEED = 60, 1
# What each process of a build begins with, the readers of documents too: an editable install finds the package before
# PYTHONPATH does, so that a copy with a fault was never imported. With a file in LINES_FILE each line of the package
# that runs is written there once.
LINES_FILE = "XTR_ASSETS_TESTS_LINES"
BEGIN = f"""
import os, sys, threading
sys.meta_path[:] = [one for one in sys.meta_path if not type(one).__module__.startswith("_editable")]
if file := os.environ.get({LINES_FILE!r}):
    package = os.path.join(os.path.dirname(__file__), "xtr_assets") + os.sep
    told, ran = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT), set()
    def line(frame, event, _):
        place = frame.f_code.co_filename, frame.f_lineno
        if event == "line" and place not in ran:
            ran.add(place)
            os.write(told, f"{{place[0].removeprefix(package)}}:{{place[1]}}\\n".encode())
        return line
    def call(frame, event, _):
        return line if frame.f_code.co_filename.startswith(package) else None
    sys.settrace(call)
    threading.settrace(call)
"""
COMPILED = ("xtr_assets.index._kernels", "xtr_assets.sources._listing", "xtr_assets.encoders._forward")


Kind = Literal["stopped", "harmless", "told", "PUBLISHED"]


@dataclass(frozen=True)
class Story:
    """A build of a project, the truth about it, and the lines of each module that run in it."""

    run: Run
    lists: bool
    files: Files
    base: Path
    truth: Truth
    lines: Mapping[str, frozenset[int]]
    unread: frozenset[str]

    @property
    def name(self) -> str:
        return self.run + (", lists" if self.lists else "") + (f", {self.files}" if self.files else "")


@dataclass(frozen=True)
class Outcome:
    """kind : "stopped" where the build failed, or was refused, and what served serves still. said : what stopped it,
    files that are said to be unread, and the harm of what serves."""

    kind: Kind
    said: list[str]


STORIES: tuple[tuple[Run, bool, Files], ...] = (
    ("full", False, ""),
    ("incremental", False, ""),
    ("incremental", True, ""),
    ("incremental", False, "papers"),
    ("incremental", False, "kinds"),
    ("compaction", False, ""),
)


class Plant:
    """A copy of the package that faults are planted in, below a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.tree = folder, folder / "tree"
        self.clean = Path(xtr_assets.__file__).parent
        here = Path(__file__).parents[2]
        for package in (self.clean, here):
            shutil.copytree(package, self.tree / package.name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in COMPILED:
            spec = importlib.util.find_spec(name)
            assert spec is not None and spec.origin is not None, name
            built = Path(spec.origin)
            shutil.copy2(built, self.tree / "/".join(name.split(".")[:-1]) / built.name)
        (self.tree / "sitecustomize.py").write_text(BEGIN)
        self.trials = 0

    def build(self, story: tuple[Run, bool, Files], project: Path, lines: Path | None = None) -> dict[str, Any]:
        """What `child` says of a build of a project."""
        run, lists, files = story
        module = "xtr_assets_tests.mutants.syntax.child"
        command = [sys.executable, "-m", module, str(project), run, "1" if lists else "", files]
        environment = os.environ | {"PYTHONPATH": str(self.tree), "PYTHONDONTWRITEBYTECODE": "1"}
        environment |= {LINES_FILE: str(lines)} if lines else {}
        try:
            done = subprocess.run(
                command, env=environment, cwd=self.folder, capture_output=True, text=True, timeout=PATIENCE, check=False
            )
        except subprocess.TimeoutExpired:
            return {"stopped": ["nothing within time"], "message": ""}
        told = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
        if not told:
            return {"stopped": [f"ended with {done.returncode}"], "message": done.stderr[-600:]}
        found: dict[str, Any] = json.loads(told[0].removeprefix("RESULT "))
        package = Path(found["package"])
        assert package.is_relative_to(self.tree.resolve()), f"{package} was built with, not the copy in {self.tree}"
        return found

    def story(self, bases: trial.Bases, run: Run, lists: bool, files: Files) -> Story:
        """A project to begin from, and which lines a build of it runs."""
        corpus = bases.copy(run, "auto", lists, files)
        truth = truth_of(corpus)
        assert len(truth.encoded.embeddings) and truth.words, "encoded by the clean package"
        lines = corpus.folder.with_suffix(".lines")
        copy = corpus.folder.with_suffix(".traced")
        shutil.copytree(corpus.folder, copy)
        told = self.build((run, lists, files), copy, lines)
        assert not told["stopped"] and _serving(copy) != _serving(corpus.folder), told
        ran: dict[str, set[int]] = {}
        for one in lines.read_text().splitlines():
            path, _, number = one.rpartition(":")
            if not path.startswith(LEFT_OUT):
                ran.setdefault(path, set()).add(int(number))
        own = {path: frozenset(some) for path, some in ran.items()}
        return Story(run, lists, files, corpus.folder, truth, own, _unread(copy))

    def attempt(self, story: Story, path: str, fault: Slip) -> Outcome:
        """A build with the fault; harm as the clean package sees it."""
        # A folder of its own: what this process keeps of the files of a trial is not for the next one.
        self.trials += 1
        project = self.folder / f"trial{self.trials}"
        shutil.copytree(story.base, project)
        (self.tree / "xtr_assets" / path).write_text(fault.text)
        try:
            told = self.build((story.run, story.lists, story.files), project)
        finally:
            shutil.copy2(self.clean / path, self.tree / "xtr_assets" / path)
        try:
            if told["stopped"] and _serving(project) == _serving(story.base):
                return Outcome("stopped", told["stopped"])
            found = trial._harm(story.truth, Warehouse.open(project / trial.WAREHOUSE))
            more = _unread(project) - story.unread
            return Outcome(_kind(found, more=more), [*told["stopped"], *sorted(more), *found])
        finally:
            shutil.rmtree(project)


def _serving(project: Path) -> tuple[int | None, str]:
    """The pointer, and what it points to."""
    folder = project / trial.WAREHOUSE
    return trial._serving(Warehouse.open(folder)) if (folder / "warehouse.json").exists() else (None, "")


def _unread(project: Path) -> frozenset[str]:
    """What serves says of files that it could not read: the quarantine, and what stays as it was."""
    published = Warehouse.open(project / trial.WAREHOUSE).published
    if published is None:
        return frozenset()
    found: set[str] = set()
    for snapshot in published.snapshots().values():
        found |= {f"{one.path}: {one.reason}" for one in snapshot.quarantine}
        found |= {f"{one.path}: {one.reason}" for one in snapshot.stale}
    return frozenset(found)


def _kind(harm: Sequence[str], *, more: Collection[str]) -> Kind:
    """What serves. more : which files are said to be unread besides."""
    if not harm:
        return "harmless"
    return "told" if more else "PUBLISHED"


def main(words: list[str]) -> int:
    """0 where no harm serves that nobody is told of."""
    count, seed = (int(word) for word in (*words[:2], *map(str, (COUNT, SEED)[len(words[:2]) :])))
    chosen, counts = random.Random(seed), Counter[Kind]()
    with tempfile.TemporaryDirectory() as folder:
        plant, bases = Plant(Path(folder)), trial.Bases(Path(folder) / "bases")
        bases.folder.mkdir()
        stories = [_of_words(plant.story(bases, *one), words[2:]) for one in STORIES]
        if not (stories := [one for one in stories if one.lines]):
            sys.exit(f"no module that a build runs is called by {' or '.join(words[2:])}")
        while counts.total() < count:
            story = chosen.choice(stories)
            paths = sorted(story.lines)
            path = chosen.choices(paths, [len(story.lines[one]) for one in paths])[0]
            fault = slip((plant.clean / path).read_text(), story.lines[path], chosen)
            if fault is None:
                continue
            found = plant.attempt(story, path, fault)
            counts[found.kind] += 1
            place = f"{path}:{fault.line}: {fault.before[:80]!r} -> {fault.after[:80]!r}"
            print(f"{found.kind:11} {story.name}: {place}", flush=True)
            print(f"            {', '.join(found.said[:4]) or 'no harm'}", flush=True)
    print(f"{counts.total()} faults by seed {seed}: {dict(counts)}")
    return 1 if counts["PUBLISHED"] else 0


def _of_words(story: Story, words: Sequence[str]) -> Story:
    """A story with the lines of modules whose path holds a word."""
    lines = {path: some for path, some in story.lines.items() if not words or any(word in path for word in words)}
    return replace(story, lines=lines)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main(sys.argv[1:]))
