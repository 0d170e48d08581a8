"""A commit of a repository: which one a ref names now, and the files of its tree. No file's content is read for it."""

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from xtr_assets.sources.file_scan import Listing
from xtr_assets.sources.git_command import answer, read_environment, reading
from xtr_assets.sources.globs import Globs

# Listings of commits that are kept: of a commit nothing ever changes, and a sensor looks each 30 seconds.
KEPT_COMMITS = 8
# A link to a link, and so on: as many as Linux follows.
LINKS = 40
_LINK, _SUBMODULE = "120000", "160000"


@dataclass(frozen=True, slots=True)
class Blob:
    """A file of a commit: `size` is None where its object is not in the repository."""

    object_id: str
    size: int | None


@dataclass(frozen=True)
class CommitTree:
    """What a commit holds, by path: files, links with where their objects lie, and the paths of submodules; `strange`:
    names that are no UTF-8, as they can be shown; `whole`: whether the content of all of them is there."""

    commit: str
    files: dict[str, Blob] = field(default_factory=dict)
    links: dict[str, Blob] = field(default_factory=dict)
    submodules: tuple[str, ...] = ()
    strange: tuple[str, ...] = ()
    whole: bool = True


def find_commit(git_dir: Path, ref: str) -> list[tuple[str, str]]:
    """(full name, commit) of everything that a ref names: none, one, or a branch and a tag of one name.

    Raises GitFailed where the repository cannot be read.
    """
    full = ref == "HEAD" or ref.startswith("refs/")
    names = [ref] if full else [f"refs/heads/{ref}", f"refs/tags/{ref}", f"refs/remotes/{ref}"]
    names += [ref] if len(ref) in (40, 64) and all(letter in "0123456789abcdef" for letter in ref) else []
    asked = "".join(f"{name}^{{commit}}\n" for name in names).encode()
    said = answer(reading(git_dir, "cat-file", "--batch-check"), read_environment(), asked).decode().splitlines()
    found = [(name, line.split()) for name, line in zip(names, said, strict=True)]
    return [(name, line[0]) for name, line in found if len(line) == 3 and line[1] == "commit"]


def commit_tree(git_dir: Path, commit: str) -> CommitTree:
    """The files of a commit. Raises GitFailed where its trees cannot be read."""
    tree = _listed(git_dir, commit)
    if not tree.whole:
        # What a commit holds never changes; what of it is in the repository does.
        _listed.cache_clear()
    return tree


@lru_cache(KEPT_COMMITS)
def _listed(git_dir: Path, commit: str) -> CommitTree:
    said = answer(reading(git_dir, "ls-tree", "-r", "-l", "-z", "--full-tree", commit), read_environment())
    files: dict[str, Blob] = {}
    links: dict[str, Blob] = {}
    submodules, strange = [], []
    for entry in said.split(b"\0")[:-1]:
        head, _, name = entry.partition(b"\t")
        mode, _, object_id, size = head.decode("ascii").split()
        try:
            path = name.decode("utf-8")
        except UnicodeDecodeError:
            strange.append(name.decode("utf-8", "backslashreplace"))
            continue
        if mode == _SUBMODULE:
            submodules.append(path)
        else:
            (links if mode == _LINK else files)[path] = Blob(object_id, int(size) if size.isdigit() else None)
    whole = all(blob.size is not None for blob in (*files.values(), *links.values()))
    return CommitTree(commit, files, links, tuple(submodules), tuple(strange), whole)


def select(tree: CommitTree, globs: Globs, target_of: Callable[[Blob], str]) -> tuple[Listing, dict[str, Blob]]:
    """(the files of a source, where each one's content lies). `target_of` reads a link.

    A link to a file of the same commit is a file with that content; one to a folder is passed over, as the folder has a
    name of its own; one that leads nowhere, or out of the repository, is stale.
    """
    listing, held = Listing(), {path: blob for path, blob in tree.files.items() if _is_of(path, globs)}
    beside = [path for path in tree.files if path not in held and not _is_left_out(path, globs)]
    other = [path for path in beside if globs.passes_over(path)]
    listing.left_out = len(beside) - len(other)
    folders = {parent for path in tree.files for parent in _parents(path)} if tree.links else set()
    for path in tree.links:
        if not _is_of(path, globs):
            continue
        target = _followed(path, tree.links, target_of)
        if target in tree.files:
            held[path] = tree.files[target]
        elif target not in folders:
            listing.closed[path] = "a link to something that is not in the repository"
    for path in tree.strange:
        if _is_of(path, globs):
            listing.closed[path] = "a name that is no UTF-8; rename it"
    listing.files, listing.other = sorted(held), sorted(other)
    listing.submodules = sorted(path for path in tree.submodules if not _is_left_out(path, globs))
    return listing, held


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def _is_left_out(path: str, globs: Globs) -> bool:
    return any(globs.skips_name(part) for part in path.split("/")) or any(map(globs.skips_folder, _parents(path)))


def _is_of(path: str, globs: Globs) -> bool:
    return globs.matches(path) and not _is_left_out(path, globs)


def _followed(path: str, links: Mapping[str, Blob], target_of: Callable[[Blob], str]) -> str:
    """Where a link leads, through other links; "" for one that leaves the repository, or goes round."""
    for _ in range(LINKS):
        if path not in links:
            return path
        target = target_of(links[path])
        path = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        if target.startswith("/") or path.split("/")[0] in ("..", "."):
            return ""
    return ""
