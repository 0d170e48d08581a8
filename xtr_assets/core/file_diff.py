"""File diff: which files of a shard were added, changed, moved, deleted or could not be read between two scans."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from xtr_assets.core.types import FileState

# Stands for the sha256 of a file that could never be read. No file has it, so it never counts as a move, and a file
# that becomes readable counts as changed.
UNREAD_SHA256 = "0" * 64


@dataclass(frozen=True, slots=True)
class FileChanges:
    """Paths by what happened to them, each tuple sorted; `moved` holds (old path, new path).

    `stale` could be read at the look before, or were not there, and cannot be read now: what was known of them stays.
    """

    added: tuple[str, ...]
    changed: tuple[str, ...]
    moved: tuple[tuple[str, str], ...]
    deleted: tuple[str, ...]
    unchanged: tuple[str, ...]
    stale: tuple[str, ...] = ()

    @property
    def touched(self) -> tuple[str, ...]:
        """Paths to chunk (again): added, changed and the new names of moved files, sorted."""
        return tuple(sorted((*self.added, *self.changed, *(new for _, new in self.moved))))

    @property
    def removed(self) -> tuple[str, ...]:
        """Paths whose chunks have gone: deleted and the old names of moved files, sorted."""
        return tuple(sorted((*self.deleted, *(old for old, _ in self.moved))))

    def __bool__(self) -> bool:
        """Whether anything happened at all."""
        return bool(self.added or self.changed or self.moved or self.deleted or self.stale)


def diff_files(before: Mapping[str, FileState], after: Mapping[str, FileState]) -> FileChanges:
    """Compare by sha256 alone: sizes and mtimes are hints of the scan and decide nothing here.

    A file counts as moved when its path has gone and a new path holds the same bytes; each old path is used once, in
    order of name. One that could not be read and can be now counts as changed even where its bytes are the old ones:
    the source's settings may have changed meanwhile.
    """
    gone: dict[str, list[str]] = defaultdict(list)
    for path in sorted(before.keys() - after.keys(), reverse=True):
        gone[before[path].sha256].append(path)
    unreadable = gone.pop(UNREAD_SHA256, [])
    added: list[str] = []
    moved: list[tuple[str, str]] = []
    stale = {path for path, state in after.items() if state.unread and not (path in before and before[path].unread)}
    for path in sorted(after.keys() - before.keys() - stale):
        old = gone.get(after[path].sha256)
        if old:
            moved.append((old.pop(), path))
        else:
            added.append(path)
    both = sorted((before.keys() & after.keys()) - stale)
    changed = [p for p in both if before[p].sha256 != after[p].sha256 or (before[p].unread and not after[p].unread)]
    same = set(both).difference(changed)
    return FileChanges(
        added=tuple(added),
        changed=tuple(changed),
        moved=tuple(sorted(moved)),
        deleted=tuple(sorted([*unreadable, *(path for paths in gone.values() for path in paths)])),
        unchanged=tuple(path for path in both if path in same),
        stale=tuple(sorted(stale)),
    )
