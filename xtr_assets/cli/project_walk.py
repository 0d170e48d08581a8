"""The walk of `init`: the files that are a person's own, and what is left out, as patterns that sources take."""

import os
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath

from xtr_assets.cli.made_folders import is_made, named, named_file
from xtr_assets.core.errors import ProviderError
from xtr_assets.sources.file_scan import is_folder, is_utf8, walk_folders
from xtr_assets.sources.git_exclusions import ignored
from xtr_assets.sources.globs import Globs

# Files of `init` itself.
OWN = {"xtr.yaml", "definitions.py", "workspace.yaml", "dagster.yaml"}
# So many patterns of one cause are told.
MOST_TOLD = 12


@dataclass
class ProjectWalk:
    """files : regular ones below the folder, the nearest first. hidden : hidden ones that are known. made, ignored :
    patterns of what is left out, as tools made it or git ignores it. notes : what else a person should know."""

    files: list[Path] = field(default_factory=list)
    hidden: list[Path] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass
class _Seen:
    """Relative paths: folders that are walked, files, folders that tools made, those that hold a repository, and links
    to folders. known : which hidden files are meant."""

    known: Globs
    folders: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    repositories: set[str] = field(default_factory=set)
    links: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)


def walk_project(folder: Path, reads: Callable[[str], bool], known: Globs) -> ProjectWalk:
    """As sources walk, but for what tools made, what git ignores, and hidden files and folders that are not `known`. Of
    files that it ignores those that a source `reads` have a pattern: no source takes others."""
    seen, found = _Seen(known), ProjectWalk()

    def look(here: str, entries: list[os.DirEntry[str]]) -> list[os.DirEntry[str]]:
        return _look(folder, here, entries, seen)

    def closed(here: str, _: OSError) -> None:
        found.notes.append(f"{here} cannot be listed: check its permissions")

    try:
        walk_folders(folder, look, closed)
    except OSError:
        found.notes.append(". cannot be listed: check its permissions")
        return found
    folders, files = _ignored(folder, seen, found)
    found.made = sorted(seen.names | set(_patterns(seen.made, seen.folders)))
    found.ignored = [
        *_patterns(sorted(folders), seen.folders),
        *map(_plain, sorted(path for path in files if reads(path))),
    ]
    # What lies nearest comes first: of two files of queries it is the one that is meant.
    left = files | {path for path in seen.files if _below(path, folders)}
    kept = sorted((folder / path for path in seen.files if path not in left), key=lambda path: (len(path.parts), path))
    found.hidden = [path for path in kept if _is_hidden(path.relative_to(folder))]
    hidden = set(found.hidden)
    found.files = [path for path in kept if path not in hidden]
    for link in sorted(seen.links):
        away = (folder / link).resolve()
        if not away.is_relative_to(folder.resolve()) and not _below(link, folders):
            told = f"{link} is a link to {away}: what lies there is read too, unless `exclude` names it"
            found.notes.append(told)
    found.notes = [*_told("tools made", found.made), *_told("git ignores", found.ignored), *found.notes]
    return found


def _look(folder: Path, here: str, entries: list[os.DirEntry[str]], seen: _Seen) -> list[os.DirEntry[str]]:
    """Note what lies in one folder; the folders in it that are to be looked at."""
    beside = {entry.name for entry in entries}
    if ".git" in beside or not here:
        seen.repositories.add(here)
    if here:
        seen.folders.append(here)
    if here and (folder / here).is_symlink():
        seen.links.add(here)
    kept = []
    for entry in entries:
        path = f"{here}/{entry.name}" if here else entry.name
        if seen.known.skips_name(entry.name) or not is_utf8(entry.name):
            continue
        hidden = _is_hidden(PurePosixPath(path))
        if not is_folder(entry):
            if hidden and not seen.known.matches(path):
                continue
            # Of a closed folder pathlib would raise.
            if not os.path.isfile(entry.path) or (not here and entry.name in OWN):  # noqa: PTH113
                continue
            if pattern := named_file(entry.name):
                seen.names.add(f"**/{pattern}")
            else:
                seen.files.append(path)
        elif pattern := named(entry.name):
            seen.names.add(f"**/{pattern}/**")
        elif is_made(folder / path, beside):
            seen.made.append(path)
        else:
            kept.append(entry)
    return kept


def _ignored(folder: Path, seen: _Seen, found: ProjectWalk) -> tuple[set[str], set[str]]:
    """Folders and files that the repositories here ignore: of a folder that is ignored nothing below it."""
    told: set[str] = set()
    asked: dict[str, list[str]] = defaultdict(list)
    for path in (*seen.folders, *seen.files):
        # git follows no link to a folder: what lies behind one is another repository's, or nobody's.
        if not _below(path, seen.links):
            asked[_nearest(path, seen.repositories)].append(path)
    for repository, paths in asked.items():
        inside = [path[len(repository) + 1 :] if repository else path for path in paths]
        try:
            answer = ignored(folder / repository, inside)
        except ProviderError as error:
            if _has_git(folder / repository):
                found.notes.append(f"what git ignores was not left out: {error}")
            continue
        told |= {f"{repository}/{path}" if repository else path for path in answer or ()}
    folders = {path for path in seen.folders if path in told}
    folders = {path for path in folders if not _below(path, folders)}
    return folders, {path for path in seen.files if path in told and not _below(path, folders)}


def _nearest(path: str, repositories: Collection[str]) -> str:
    """The innermost of the repositories that a path lies in; "" is the folder itself."""
    return next((one for one in _around(path) if one in repositories), "")


def _below(path: str, folders: Collection[str]) -> bool:
    return bool(folders) and any(one in folders for one in _around(path))


def _around(path: str) -> Iterator[str]:
    """The folders that a path lies in, the innermost first."""
    while "/" in path:
        path = path[: path.rindex("/")]
        yield path


def _has_git(folder: Path) -> bool:
    return any(os.path.lexists(here / ".git") for here in (folder.resolve(), *folder.resolve().parents))


def _patterns(left: list[str], kept: list[str]) -> list[str]:
    """Patterns of the folders `left`: by the name alone, and so for those to come, where two and more are called so and
    none that is kept."""
    names: dict[str, list[str]] = defaultdict(list)
    for path in left:
        names[PurePosixPath(path).name].append(path)
    these = set(left)
    others = {PurePosixPath(path).name for path in kept if path not in these and not _below(path, these)}
    found = []
    for name, paths in names.items():
        alike = len(paths) > 1 and name not in others
        found += [f"**/{_plain(name)}/**"] if alike else [f"{_plain(path)}/**" for path in paths]
    return sorted(found)


def _is_hidden(path: PurePath) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _plain(path: str) -> str:
    """A pattern that means just this path."""
    return re.sub(r"([*?\[])", r"[\1]", path)


def _told(cause: str, patterns: list[str]) -> list[str]:
    if not patterns:
        return []
    more = f" and {len(patterns) - MOST_TOLD} more, in `exclude`" if len(patterns) > MOST_TOLD else ""
    return [f"left out, as {cause} it: {', '.join(patterns[:MOST_TOLD])}{more}"]
