"""`python -m xtr_assets_tests.mutants.syntax [COUNT [SEED [word ...]]]`: random faults in the syntax of the package.

Each is planted in a copy of the package, which builds a project in a process of its own; what it published is read by
the package without the fault. Words choose modules by their path. Ends with 1 where a fault was published with harm;
texts that are missing because a reader failed, and stand in the quarantine, are told of and count apart.
"""

import importlib.util
import json
import os
import pickle
import random
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xtr_assets
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.mutants import trial
from xtr_assets_tests.mutants.fault import Run
from xtr_assets_tests.mutants.syntax.operators import Slip, slip
from xtr_assets_tests.mutants.truth import Truth, truth_of

# A fault in a check is none in an index; what is counted or said to people is none either.
LEFT_OUT = ("pipeline/gate/", "telemetry/", "cli/", "config/", "core/errors.py", "core/progress.py")
# Seconds that a build may take: one that takes more is stopped by whoever waits for it.
PATIENCE = 600
COUNT, SEED = 60, 1
# An editable install finds the package before PYTHONPATH does: a copy with a fault was never imported.
BEGIN = """
import runpy, sys
sys.meta_path[:] = [one for one in sys.meta_path if not type(one).__module__.startswith("_editable")]
runpy.run_module("xtr_assets_tests.mutants.syntax.child", run_name="__main__", alter_sys=True)
"""
COMPILED = ("xtr_assets.index._kernels", "xtr_assets.sources._listing", "xtr_assets.encoders._forward")


@dataclass(frozen=True)
class Story:
    """A build of a project, the truth about it, and the lines of each module that run in it."""

    run: Run
    lists: bool
    papers: bool
    base: Path
    truth: Truth
    truth_file: Path
    lines: Mapping[str, frozenset[int]]
    quarantine: frozenset[str]

    @property
    def name(self) -> str:
        return self.run + (", lists" if self.lists else "") + (", papers" if self.papers else "")


STORIES: tuple[tuple[Run, bool, bool], ...] = (
    ("full", False, False),
    ("incremental", False, False),
    ("incremental", True, False),
    ("incremental", False, True),
    ("compaction", False, False),
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

    def build(self, story: tuple[Run, bool, bool], project: Path, truth: Path, lines: Path | None) -> dict[str, Any]:
        """What `child` says of a build of a project."""
        run, lists, papers = story
        words = [str(project), run, "1" if lists else "", "1" if papers else "", str(truth), str(lines or "")]
        command = [sys.executable, "-c", BEGIN, *words]
        environment = os.environ | {"PYTHONPATH": str(self.tree), "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            done = subprocess.run(
                command, env=environment, cwd=self.folder, capture_output=True, text=True, timeout=PATIENCE, check=False
            )
        except subprocess.TimeoutExpired:
            return {"published": False, "stopped": ["nothing within time"], "message": "", "harm": []}
        told = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
        if not told:
            message = done.stderr[-600:]
            return {"published": False, "stopped": [f"ended with {done.returncode}"], "message": message, "harm": []}
        found: dict[str, Any] = json.loads(told[0].removeprefix("RESULT "))
        package = Path(found["package"])
        assert package.is_relative_to(self.tree.resolve()), f"{package} was built with, not the copy in {self.tree}"
        return found

    def story(self, bases: trial.Bases, run: Run, lists: bool, papers: bool) -> Story:
        """A project to begin from, and which lines a build of it runs."""
        corpus = bases.copy(run, "auto", lists, papers)
        truth = truth_of(corpus)
        assert len(truth.encoded.embeddings) and truth.words, "encoded by the clean package"
        file, lines = corpus.folder.with_suffix(".truth"), corpus.folder.with_suffix(".lines")
        file.write_bytes(pickle.dumps(truth))
        copy = corpus.folder.with_suffix(".traced")
        shutil.copytree(corpus.folder, copy)
        told = self.build((run, lists, papers), copy, file, lines)
        assert told["published"], told
        ran: dict[str, set[int]] = {}
        for path, line in json.loads(lines.read_text()):
            if not path.startswith(LEFT_OUT):
                ran.setdefault(path, set()).add(line)
        own = {path: frozenset(some) for path, some in ran.items()}
        return Story(run, lists, papers, corpus.folder, truth, file, own, _quarantine(copy))

    def attempt(self, story: Story, path: str, fault: Slip) -> dict[str, Any]:
        """A build with the fault; harm as the clean package sees it."""
        project = self.folder / "trial"
        shutil.rmtree(project, ignore_errors=True)
        shutil.copytree(story.base, project)
        (self.tree / "xtr_assets" / path).write_text(fault.text)
        try:
            told = self.build((story.run, story.lists, story.papers), project, story.truth_file, None)
        finally:
            shutil.copy2(self.clean / path, self.tree / "xtr_assets" / path)
        if told["published"]:
            told["harm"] = trial._harm(story.truth, Warehouse.open(project / trial.WAREHOUSE))
            told["quarantined"] = sorted(_quarantine(project) - story.quarantine)
        return told


def _quarantine(project: Path) -> frozenset[str]:
    """What stands in the quarantine of what serves."""
    published = Warehouse.open(project / trial.WAREHOUSE).published
    assert published is not None
    entries = [entry for snapshot in published.snapshots().values() for entry in snapshot.quarantine]
    return frozenset(f"{entry.path}: {entry.reason}" for entry in entries)


def _kind(told: Mapping[str, Any]) -> str:
    if not told["published"]:
        return "stopped"
    if not told["harm"]:
        return "harmless"
    return "quarantined" if told["quarantined"] else "PUBLISHED"


def main(words: list[str]) -> int:
    """0 where no fault was published with harm."""
    count, seed = (int(word) for word in (*words, str(COUNT), str(SEED))[:2]) if words else (COUNT, SEED)
    chosen, counts = random.Random(seed), Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        plant, bases = Plant(Path(folder)), trial.Bases(Path(folder) / "bases")
        bases.folder.mkdir()
        stories = [plant.story(bases, *one) for one in STORIES]
        while counts.total() < count:
            story = chosen.choice(stories)
            paths = [one for one in sorted(story.lines) if not words[2:] or any(word in one for word in words[2:])]
            path = chosen.choices(paths, [len(story.lines[one]) for one in paths])[0]
            fault = slip((plant.clean / path).read_text(), story.lines[path], chosen)
            if fault is None:
                continue
            told = plant.attempt(story, path, fault)
            kind = "stopped" if not told["published"] else "PUBLISHED" if told["harm"] else "harmless"
            counts[kind] += 1
            print(
                f"{kind:10} {story.name}: {path}:{fault.line}: {fault.before[:80]!r} -> {fault.after[:80]!r}",
                flush=True,
            )
            print(
                f"           {', '.join(told['stopped'][:4]) or '; '.join(told['harm'][:3]) or 'no harm'}", flush=True
            )
    print(f"{counts.total()} faults by seed {seed}: {dict(counts)}")
    return 1 if counts["PUBLISHED"] else 0


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main(sys.argv[1:]))
