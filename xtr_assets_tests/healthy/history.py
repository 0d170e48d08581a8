"""`python -m xtr_assets_tests.healthy.history REPOSITORY... [--behind 400 200 100 40 15 5 0]`: the history of real
repositories, built commit by commit as a person would.

What `init` proposes for the oldest of these commits is indexed (by the hashing encoder, which takes minutes), then
every later one is laid in its place and built. All have to be published. Where a source lost more than may go without a
person's word, which real histories do, that is asked for by `nothing_vanished` alone, and the word is given.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMAND = [sys.executable, "-m", "xtr_assets"]
BEHIND = (400, 200, 100, 40, 15, 5, 0)


@dataclass(frozen=True, slots=True)
class Built:
    """A commit, how many live chunks serve after its build, whether a person's word was needed, what stopped it."""

    commit: str
    chunks: int
    word: bool
    stopped: str = ""

    def __str__(self) -> str:
        told = f"REFUSED {self.stopped}" if self.stopped else f"ok, {self.chunks:,} chunks"
        return f"{self.commit} {told}{' (a shrink, by word)' if self.word else ''}"


def history(repository: Path, behind: Sequence[int], folder: Path) -> Iterator[Built]:
    """Build the commits so far behind HEAD, oldest first, in a new folder; those before the first commit are passed
    over."""
    shutil.rmtree(folder, ignore_errors=True)
    for number in sorted(behind, reverse=True):
        commit = _git(repository, "rev-parse", "--quiet", "--verify", f"HEAD~{number}").decode().strip()
        if not commit:
            continue
        _lay(repository, commit, folder / "corpus")
        if not (folder / "xtr.yaml").exists():
            _configure(folder)
        yield _build(folder, commit[:12])


def _lay(repository: Path, commit: str, corpus: Path) -> None:
    shutil.rmtree(corpus, ignore_errors=True)
    corpus.mkdir(parents=True)
    subprocess.run(["tar", "-x", "-C", str(corpus)], input=_git(repository, "archive", commit), check=True)


def _configure(folder: Path) -> None:
    _run(folder, "init")
    path = folder / "xtr.yaml"
    text, count = re.subn(r"(?m)^encoder:.*\n(?:[ #].*\n)*", "encoder: {kind: hashing}\n", path.read_text("utf-8"))
    path.write_text(text if count else f"{text}\nencoder: {{kind: hashing}}\n", "utf-8")


def _build(folder: Path, commit: str) -> Built:
    found = _run(folder, "build", "--json")
    failed = _blocking(found)
    word = [one["name"] for one in failed] == ["nothing_vanished"]
    if word:
        names = re.findall(r"--accept-shrink (\S+)", failed[0]["remedy"])
        asked = [option for name in names for option in ("--accept-shrink", name)]
        found = _run(folder, "build", "--json", *asked, "--reason", f"as it is in {commit}")
    stopped = "; ".join(f"{one['name']}: {one['summary']}" for one in _blocking(found)) or found.get("refused") or ""
    return Built(commit, int(found.get("live_rows") or 0), word, str(stopped))


def _blocking(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in found["failed"] if one.get("blocking", True)]


def _run(folder: Path, *words: str) -> dict[str, Any]:
    """What a command says as JSON; of one that ended without, its error in place of a check that failed."""
    done = subprocess.run([*COMMAND, *words], cwd=folder, capture_output=True, text=True, check=False)
    if done.stdout.startswith("{"):
        told: dict[str, Any] = json.loads(done.stdout)
        return {"failed": [], **told}
    error = " ".join(done.stderr.split())[-400:]
    return {"failed": [] if done.returncode == 0 else [{"name": words[0], "summary": error}]}


def _git(repository: Path, *words: str) -> bytes:
    return subprocess.run(["git", "-C", str(repository), *words], capture_output=True, check=False).stdout


def main(words: list[str]) -> int:
    """0 where every commit was published."""
    parser = argparse.ArgumentParser(prog="python -m xtr_assets_tests.healthy.history")
    parser.add_argument("repositories", type=Path, nargs="+", help="clones with their history, bare or not")
    parser.add_argument("--behind", type=int, nargs="+", default=BEHIND, help="commits behind HEAD that are built")
    given = parser.parse_args(words)
    builds = refused = 0
    for repository in given.repositories:
        with tempfile.TemporaryDirectory() as folder:
            for built in history(repository, given.behind, Path(folder) / "project"):
                builds, refused = builds + 1, refused + bool(built.stopped)
                print(f"{repository.name}: {built}", flush=True)
    print(f"{len(given.repositories)} repositories, {builds} builds: {refused} refused")
    return 1 if refused or not builds else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
