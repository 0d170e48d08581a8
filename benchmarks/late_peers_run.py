"""Runs the contenders of benchmarks/late_interaction.py: each a process, each at its settings, all in turns.

A contender is built with its defaults, and measured with its default search. Where that misses the overlap asked
for, the cheapest of its settings that reaches it is looked for on some of the queries, and with `--finer` a second
build with a finer store is tried where none does. Then all are asked the same queries round by round, so that what
else the machine does hits all alike.
"""

import json
import select
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

K = 10
FILTER_BUCKET = 7


@dataclass
class Child:
    """A contender's process."""

    name: str
    python: str
    data: Path
    folder: Path
    process: Any = None
    peak_mb: float = 0.0

    def ask(self, do: str, cpu_limit: float = 1e9, **arguments: Any) -> dict[str, Any]:
        """The answer, or {"error"}; the process is ended once it has spent `cpu_limit` CPU seconds on one request."""
        if self.process is None:
            script = Path(__file__).with_name("late_peers.py")
            command = [self.python, str(script), self.name, str(self.data), str(self.folder)]
            log = self.data / f"{self.name}.log"
            with log.open("a") as errors:
                self.process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, bufsize=1
                )
        print(json.dumps({"do": do, **arguments}), file=self.process.stdin, flush=True)
        before = self.cpu_seconds()
        while not select.select([self.process.stdout], [], [], 0.5)[0]:
            self.note_memory()
            if self.cpu_seconds() - before > cpu_limit:
                spent = self.cpu_seconds() - before
                self.end()
                return {"error": f"not done after {spent:.0f} CPU s ({self.peak_mb:.0f} MB)"}
        self.note_memory()
        line = self.process.stdout.readline()
        if not line:
            self.end()
            return {"error": f"the process ended ({self.peak_mb:.0f} MB)"}
        answer: dict[str, Any] = json.loads(line)
        return answer

    def note_memory(self) -> None:
        status = Path(f"/proc/{self.process.pid}/status")
        if status.exists():
            for line in status.read_text().splitlines():
                if line.startswith("VmHWM"):
                    self.peak_mb = max(self.peak_mb, int(line.split()[1]) / 1024)

    def cpu_seconds(self) -> float:
        stat = Path(f"/proc/{self.process.pid}/stat")
        if not stat.exists():
            return 0.0
        fields = stat.read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / 100

    def end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@dataclass
class Contender:
    """A built index of a peer and the settings it is asked with."""

    child: Child
    title: str
    options: dict[str, Any]
    built: dict[str, Any]
    can: list[str]
    opened: dict[str, Any] = field(default_factory=dict)
    settings: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    updates: dict[str, Any] = field(default_factory=dict)
    filtered: dict[str, Any] = field(default_factory=dict)


def say(text: str) -> None:
    print(text, flush=True)


def overlap(found: list[list[int]], wanted: np.ndarray) -> float:
    return float(np.mean([len(set(one) & set(other.tolist())) / K for one, other in zip(found, wanted, strict=True)]))


def compare(data: Path, wanted: np.ndarray, filtered: np.ndarray, peers: dict[str, str], arguments: Any) -> None:
    """Build, choose, ask in turns, print.

    data : the folder of the arrays (late_peers.py); wanted, filtered : int64 [q, k], the exact best rows of each query,
    of all and of the rows that the filter keeps; peers : name -> interpreter.
    """
    tokens = len(np.load(data / "tokens.npy", mmap_mode="r"))
    count = len(wanted)
    contenders: list[Contender] = []
    failures: list[str] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        for name, python in peers.items():
            try:
                contenders += build_and_choose(name, python, data, folder, wanted, arguments, failures)
            except Exception as error:
                failures.append(f"| {name} | {type(error).__name__}: {error} |")
        asked = [(one, label, setting) for one in contenders for label, setting in one.settings]
        answers: dict[int, dict[str, list[Any]]] = {
            number: {"rows": [], "wall": [], "cpu": []} for number in range(len(asked))
        }
        for first in range(0, count, max(1, count // arguments.rounds)):
            queries = list(range(first, min(count, first + max(1, count // arguments.rounds))))
            for number, (one, _, setting) in enumerate(asked):
                answer = one.child.ask("search", queries=queries, setting=setting)
                for key, values in answers[number].items():
                    values += answer[key]
        for one in contenders:
            change(one, filtered, Path(temporary))
    say(f"\n| | setting | overlap@{K} | ms a query | CPU ms |\n|---|---|---|---|---|")
    for number, (one, label, setting) in enumerate(asked):
        result = answers[number]
        shown = ", ".join(f"{key} {value}" for key, value in setting.items()) or "default"
        shown = f"{label}: {shown}" if label else shown
        wall, cpu = (float(np.median(result[key])) for key in ("wall", "cpu"))
        say(f"| {one.title} | {shown} | {overlap(result['rows'], wanted):.3f} | {wall:.2f} | {cpu:.2f} |")
    say(
        "\n| | build, CPU s | peak MB | bytes a token | open, first query ms | filter to 1 %: CPU ms, overlap "
        "| add 100, ms | remove 100, ms |\n|---|---|---|---|---|---|---|---|"
    )
    for one in contenders:
        cells = [f"{one.built['cpu']:.1f}", f"{one.built['peak_mb']:.0f}", f"{one.built['bytes'] / tokens:.0f}"]
        cells += [f"{one.opened['wall']:.0f}"]
        cells += ["" if not one.filtered else f"{one.filtered['cpu']:.2f}, {one.filtered['overlap']:.3f}"]
        cells += [one.updates.get(verb, "") for verb in ("add", "remove")]
        say(f"| {one.title} | " + " | ".join(cells) + " |")
    for failure in failures:
        say(failure)


def build_and_choose(
    name: str, python: str, data: Path, folder: Path, wanted: np.ndarray, arguments: Any, failures: list[str]
) -> list[Contender]:
    probe = Child(name, python, data, folder / name)
    about = probe.ask("about")
    probe.end()
    if "error" in about:
        failures.append(f"| {name} | not installed: {about['error']} |")
        return []
    tuning = list(range(0, len(wanted), max(1, 2 * len(wanted) // min(len(wanted), 2 * arguments.tuning))))
    found = []
    for number, options in enumerate(about["builds"][: None if arguments.finer else 1]):
        title = f"{name} {about['version']}" + "".join(f", {key} {value}" for key, value in options.items())
        child = Child(name, python, data, folder / f"{name}-{number}")
        built = build(child, options, arguments.build_limit)
        if "error" in built:
            failures.append(f"| {title} | build: {built['error']} |")
            continue
        say(f"{title}: {built['cpu']:.1f} CPU s, {built['peak_mb']:.0f} MB")
        child = Child(name, python, data, folder / f"{name}-{number}")
        one = Contender(child, title, options, built, about["can"])
        one.opened = child.ask("open")
        if "error" in one.opened:
            failures.append(f"| {title} | open: {one.opened['error']} |")
            continue
        best = choose(one, about["settings"], tuning, wanted, arguments.goal)
        one.settings = [("", about["settings"][0])]
        if best is not None and best[1] != about["settings"][0]:
            label = f"cheapest at {arguments.goal}" if best[0] else "best overlap"
            one.settings.append((label, best[1]))
        found.append(one)
        if best is not None and best[0]:
            break
    return found


def build(child: Child, options: dict[str, Any], limit: float) -> dict[str, Any]:
    """What building cost; an index that an earlier run left in the folder is kept, with what was noted of it."""
    note = child.folder.with_suffix(".json")
    if note.exists():
        kept: dict[str, Any] = json.loads(note.read_text())
        return kept
    built = child.ask("build", cpu_limit=limit, options=options)
    built["peak_mb"] = child.peak_mb
    child.end()
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps(built))
    return built


def choose(
    one: Contender, settings: list[dict[str, Any]], tuning: list[int], wanted: np.ndarray, goal: float
) -> tuple[bool, dict[str, Any]] | None:
    """(reached, setting): the cheapest that reaches the goal on the tuning queries, else the one of most overlap."""
    tried = []
    for setting in settings:
        answer = one.child.ask("search", queries=tuning, setting=setting)
        if "error" in answer:
            say(f"  {setting}: {answer['error']}")
            if one.child.process is None:
                one.child.ask("open")
            continue
        shared, cpu = overlap(answer["rows"], wanted[tuning]), float(np.median(answer["cpu"]))
        say(f"  {setting or 'default'}: overlap {shared:.3f}, {cpu:.2f} CPU ms")
        tried.append((shared, cpu, setting))
    if not tried:
        return None
    most = max(shared for shared, _, _ in tried)
    reached = most >= goal
    # Without the goal, what costs least of those as good as the best.
    enough = goal if reached else most - 0.002
    _, cheapest = min(((cpu, number) for number, (shared, cpu, _) in enumerate(tried) if shared >= enough))
    return reached, tried[cheapest][2]


def change(one: Contender, filtered: np.ndarray, temporary: Path) -> None:
    """The filter at the last setting, then adding to and removing from a copy of the index."""
    if "filter" in one.can:
        setting = one.settings[-1][1]
        answer = one.child.ask("search", queries=list(range(len(filtered))), setting=setting, bucket=FILTER_BUCKET)
        if "error" not in answer:
            shared = overlap(answer["rows"], filtered)
            one.filtered = {"cpu": float(np.median(answer["cpu"])), "overlap": shared}
    one.child.end()
    child = Child(one.child.name, one.child.python, one.child.data, temporary / "changed")
    shutil.copytree(one.child.folder, child.folder)
    child.ask("open")
    for verb in ("add", "remove"):
        if verb in one.can:
            answer = child.ask(verb, count=100)
            one.updates[verb] = answer["error"][:60] if "error" in answer else f"{answer['wall']:.0f}"
    child.end()
    shutil.rmtree(child.folder)


if __name__ == "__main__":
    sys.exit("run benchmarks/late_interaction.py --peers NAME=PYTHON ...")
