"""A repository read a second time, by dulwich where the source asks the command git: its objects and refs alone, and
nothing of its config.

A ref may move while a build runs, and that is no fault: the files that are held have to be those of a commit that the
ref named since they were looked at. Where nothing tells which ones it named (no log of it), and it moved, nothing is
concluded of the list; each blob that rows were made of is read again all the same.
"""

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from xtr_assets.config import SourceConfig
from xtr_assets.core.file_diff import UNREAD_SHA256
from xtr_assets.pipeline.gate.folder_evidence import (
    UNKNOWN,
    Held,
    before,
    refused_again,
    well_formed,
)
from xtr_assets.pipeline.gate.path_patterns import PathPatterns
from xtr_assets.pipeline.gate.ref_log import RefLog, log_of
from xtr_assets.sources import open_source
from xtr_assets.sources.git_mirror import MIRRORED, mirror_folder
from xtr_assets.storage.snapshot import Snapshot

_FOLDER, _LINK, _SUBMODULE = 0o040000, 0o120000, 0o160000
_BLOB = 3
# Commits that a ref named since a look, one of which is what is held: a rebase names hundreds in a second. Of more
# nothing is concluded. A healthy shard is the last one or the first, so that a tree or two are read.
COMMITS = 200


@dataclass(slots=True)
class GitTree:
    """A repository as it is now.

    files : by path, when the ref was last moved. blobs : by path, the ids of the files of the commit it names.
    """

    config: SourceConfig
    log: RefLog | None = None
    files: dict[str, int] = field(default_factory=dict)
    blobs: dict[str, str] = field(default_factory=dict)
    store: Any = None

    def was_so(self, path: str, looked_ns: int) -> bool:
        """Whether a path held what it holds now when its shard was looked at. A blob never becomes another one."""
        return before(self.files.get(path, UNKNOWN), looked_ns)

    @contextmanager
    def reading(self, path: str, recorded: str) -> Iterator[tuple[Path, str]]:
        """A file with the content of the recorded blob, and the digest that it really has. OSError where it is not
        there."""
        data = self._blob(recorded)
        with tempfile.NamedTemporaryFile(suffix=PurePosixPath(path).suffix) as stream:
            stream.write(data)
            stream.flush()
            yield Path(stream.name), blob_digest(data, recorded)

    def _blob(self, recorded: str) -> bytes:
        if self.store is None:
            raise OSError(0, "there is no repository")
        try:
            kind, data = self.store.get_raw(_object_id(recorded).encode())
        except KeyError as error:
            raise OSError(0, "the blob is not there") from error
        if kind != _BLOB:
            raise OSError(0, "it is no blob")
        return bytes(data)


def _object_id(recorded: str) -> str:
    """The id of a blob: 40 digits after 24 zeros, or 64 of a repository with SHA-256."""
    return recorded[24:] if recorded.startswith("0" * 24) else recorded


def blob_digest(data: bytes, recorded: str) -> str:
    """The digest of a file's content, as git makes it, of the same kind as a recorded one."""
    made = hashlib.sha256() if _object_id(recorded) == recorded else hashlib.sha1(usedforsecurity=False)
    made.update(b"blob %d\0" % len(data))
    made.update(data)
    return f"{made.hexdigest():0>64}"


def git_tree_of(config: SourceConfig) -> GitTree:
    """The files of the commit that a ref names; none where the repository, the ref or dulwich is not there."""
    try:
        from dulwich.object_store import DiskObjectStore
    except ImportError:
        return GitTree(config)
    folder, name = _where(config)
    log = log_of(folder, name)
    if log is None or not log.commits:
        return GitTree(config, log)
    store = DiskObjectStore(log.common / "objects", object_format=_format_of(log.commits[-1]))
    found = GitTree(config, log, store=store)
    try:
        found.blobs = blobs_of(store, log.commits[-1], config)
    except (KeyError, ValueError, OSError):
        return found
    found.files = dict.fromkeys(found.blobs, log.moved_ns)
    return found


def _format_of(commit: str) -> Any:
    from dulwich.object_format import SHA1, SHA256

    return SHA256 if len(commit) == 64 else SHA1


def _where(config: SourceConfig) -> tuple[Path, str]:
    """(folder with HEAD in it, name of the ref)."""
    ref = config.ref or "HEAD"
    if isinstance(config.path, str):
        return mirror_folder(config.path, ref), MIRRORED
    dotted = config.folder / ".git"
    if dotted.is_file():
        return config.folder / dotted.read_text("utf-8", "replace").partition(":")[2].strip(), ref
    return (dotted if dotted.is_dir() else config.folder), ref


def blobs_of(store: Any, commit: str, config: SourceConfig) -> dict[str, str]:
    """By path, the blobs of the source's files. KeyError where an object is missing."""
    patterns = PathPatterns(config)
    modes: dict[str, tuple[int, str]] = {}
    for entry in store.iter_tree_contents(store[_peeled(store, commit)].tree):
        try:
            path = entry.path.decode("utf-8")
        except UnicodeDecodeError:
            continue
        modes[path] = (entry.mode & 0o170000, entry.sha.decode())
    found = {}
    for path in modes:
        names = tuple(path.split("/"))
        if not patterns.takes(names):
            continue
        mode, blob = _end_of(store, path, modes)
        if blob and mode not in (_LINK, _SUBMODULE):
            found[path] = blob
    return found


def _peeled(store: Any, name: str) -> bytes:
    """The commit, where a name is that of a tag with a message."""
    held = store[name.encode()]
    while held.type_name == b"tag":
        held = store[held.object[1]]
    found: bytes = held.id
    return found


def _end_of(store: Any, path: str, modes: Mapping[str, tuple[int, str]]) -> tuple[int, str]:
    """(mode, blob) of a path, links followed inside the repository; ("") where they lead to no file in it."""
    seen: set[str] = set()
    while path in modes and path not in seen:
        seen.add(path)
        mode, blob = modes[path]
        if mode != _LINK:
            return mode, blob
        names = path.split("/")[:-1]
        for part in store[blob.encode()].as_raw_string().decode("utf-8", "replace").split("/"):
            if part == ".." and not names:
                return 0, ""
            names = names[:-1] if part == ".." else names + ([part] if part not in ("", ".") else [])
        path = "/".join(names)
    return 0, ""


def tree_faults(held: Held, tree: GitTree) -> Iterator[str]:
    """Files that are held and are not those of any commit that the ref named since they were looked at."""
    if tree.log is None or not tree.log.commits:
        return  # It went since: the scan refuses a ref that is not there.
    patterns = PathPatterns(held.config)
    for shard, snapshot in held.snapshots.items():
        stale = {entry.path for entry in snapshot.stale}
        for path in snapshot.files.keys() - stale:
            if not patterns.takes(tuple(path.split("/"))):
                yield f"{held.config.name}/{path}: the configuration leaves it out, and the generation has it"
        yield from _list_faults(held, tree, shard, snapshot, stale)


def _list_faults(held: Held, tree: GitTree, shard: str, snapshot: Snapshot, stale: set[str]) -> list[str]:
    """What a shard holds otherwise than the commit nearest to it, where it is none of those that it may be."""
    assert tree.log is not None
    named = list(dict.fromkeys(tree.log.named_since(held.looked.get(shard, 0))))
    least: list[str] = []
    if len(named) > COMMITS:
        return least
    for commit in (*named[-1:], *named[:-1]):
        found = _difference(held, tree, shard, snapshot, stale, commit)
        if found is None:
            return []
        least = min(least or found, found, key=len)
    return least


def _difference(
    held: Held, tree: GitTree, shard: str, snapshot: Snapshot, stale: set[str], commit: str
) -> list[str] | None:
    """What a shard holds otherwise than a commit; None where it holds the same, or the commit is there no more."""
    try:
        blobs = (
            tree.blobs if commit == (tree.log and tree.log.commits[-1]) else blobs_of(tree.store, commit, held.config)
        )
    except (KeyError, ValueError, OSError):
        return None
    name = held.config.name
    wanted = {path: blob for path, blob in blobs.items() if held.shard_of(path) == shard and path not in stale}
    held_now = {path: file for path, file in snapshot.files.items() if path not in stale}
    found = [
        f"{name}/{path}: it is in the repository, and the generation has no such file"
        for path in wanted.keys() - held_now.keys()
    ]
    found += [
        f"{name}/{path}: it is not in the repository, and the generation has it"
        for path in held_now.keys() - wanted.keys()
    ]
    for path in wanted.keys() & held_now.keys():
        recorded = held_now[path].sha256
        if recorded != UNREAD_SHA256 and _object_id(recorded) != wanted[path]:
            found.append(
                f"{name}/{path}: it is blob {wanted[path][:12]}, the generation has {_object_id(recorded)[:12]}"
            )
    return found or None


def stale_faults(held: Held, tree: GitTree, served: Mapping[str, Snapshot]) -> Iterator[str]:
    """Files that became stale in this build though their blobs are there and well-formed, and the source refuses them
    again."""

    def refused(_: str, path: str) -> bool:
        if path not in tree.blobs:
            return False
        try:
            with tree.reading(path, f"{tree.blobs[path]:0>64}") as (file, _):
                readable = file.stat().st_size > 0 and well_formed(held.config, file)
        except OSError:
            return False
        asked = open_source(held.config).read(path) if readable else ()
        return any(getattr(item, "reason", "") == "unreadable" for item in asked)

    yield from refused_again(held, served, refused)
