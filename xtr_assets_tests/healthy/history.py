"""`python -m xtr_assets_tests.healthy.history REPOSITORY... [--behind 400 200 100 40 15 5 0] [--acts SEED]`: the
history of real repositories, built commit by commit as a person would.

What `init` proposes for the oldest of these commits is indexed (by the hashing encoder, which takes minutes), then
every later one is laid in its place and built. All have to be published. Where a source lost more than may go without a
person's word, which real histories do, that is asked for by `nothing_vanished` alone, and the word is given.
With `--acts` an operator's acts come between, drawn by a seed: see `operator_acts`. At the end every byte is verified.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from xtr_assets_tests.healthy.operator_acts import Operator
from xtr_assets_tests.healthy.project_folder import ENCODERS, Built, ProjectFolder

BEHIND = (400, 200, 100, 40, 15, 5, 0)
GIT_SOURCE = {"name": "repository", "kind": "git", "path": "./corpus", "ref": "history"}


def history(
    repository: Path,
    behind: Sequence[int],
    path: Path,
    *,
    encoder: str = "hashing",
    acts: int | None = None,
    git: bool = False,
) -> Iterator[Built]:
    """Build the commits so far behind HEAD, oldest first, in a new folder; those before the first commit are passed
    over. Between them somebody acts, where `acts` is a seed. With `git` the repository itself is the source, whose
    branch moves."""
    shutil.rmtree(path, ignore_errors=True)
    folder, operator = ProjectFolder(path), None
    for number in sorted(behind, reverse=True):
        commit = _git(repository, "rev-parse", "--quiet", "--verify", f"HEAD~{number}").decode().strip()
        if not commit:
            continue
        if operator is not None:
            yield from operator.between()
        if git:
            _move(repository, commit, folder.corpus)
        else:
            _lay(repository, commit, folder.corpus)
        if not folder.configured:
            folder.configure(encoder, [GIT_SOURCE] if git else None)
        yield (found := folder.build(commit[:12]))
        if operator is None and acts is not None and not found.stopped:
            operator = Operator(folder, acts)
    if folder.configured:
        yield folder.command("verify", "verify")


def _lay(repository: Path, commit: str, corpus: Path) -> None:
    """The files of the commit; those whose bytes a snapshot lacks, and links, are left out."""
    shutil.rmtree(corpus, ignore_errors=True)
    corpus.mkdir(parents=True)
    listed = [line.split(b"\t", 1) for line in _git(repository, "ls-tree", "-rz", commit).split(b"\0") if line]
    blobs = [(path, told.split()[2]) for told, path in listed if told.startswith(b"100")]
    held = _git(repository, "cat-file", "--batch", given=b"".join(blob + b"\n" for _, blob in blobs))
    at = 0
    for path, _ in blobs:
        told, at = held[at : held.index(b"\n", at)], held.index(b"\n", at) + 1
        if told.endswith(b" missing"):
            continue
        size = int(told.split()[2])
        whole = corpus / os.fsdecode(path)
        whole.parent.mkdir(parents=True, exist_ok=True)
        whole.write_bytes(held[at : at + size])
        at += size + 1


def _move(repository: Path, commit: str, clone: Path) -> None:
    """A branch of a clone names the commit."""
    if not clone.exists():
        _git(Path(), "clone", "--quiet", "--bare", str(repository.absolute()), str(clone))
    _git(clone, "update-ref", "refs/heads/history", commit)


def _git(repository: Path, *words: str, given: bytes = b"") -> bytes:
    return subprocess.run(
        ["git", "-C", str(repository), *words],
        input=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
    ).stdout


def main(words: list[str]) -> int:
    """0 where every commit was published."""
    parser = argparse.ArgumentParser(prog="python -m xtr_assets_tests.healthy.history")
    parser.add_argument("repositories", type=Path, nargs="+", help="clones with their history, bare or not")
    parser.add_argument("--behind", type=int, nargs="+", default=BEHIND, help="commits behind HEAD that are built")
    parser.add_argument("--encoder", choices=sorted(ENCODERS), default="hashing")
    parser.add_argument("--acts", type=int, metavar="SEED", help="draw an operator's acts between the commits")
    parser.add_argument("--git", action="store_true", help="the repository is the source, and its branch moves")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep each project and what its builds told there")
    given = parser.parse_args(words)
    builds = refused = shrunk = 0
    for repository in given.repositories:
        name = repository.name if repository.name != "repo" else repository.parent.name
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch if given.keep is None else given.keep).resolve() / name
            course = history(repository, given.behind, folder, encoder=given.encoder, acts=given.acts, git=given.git)
            for one in course:
                builds, refused, shrunk = builds + 1, refused + bool(one.stopped), shrunk + one.word
                print(f"{name}: {one}", flush=True)
    print(f"{len(given.repositories)} repositories, {builds} steps: {refused} refused, {shrunk} shrinks by word")
    return 1 if refused or not builds else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
