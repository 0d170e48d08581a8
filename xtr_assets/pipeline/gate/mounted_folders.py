"""Folders of a source that are disks of their own: what a build on a host that lacks one of them must not take for
deleted, however small a share of the source it holds."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from xtr_assets.config import IndexConfig
from xtr_assets.pipeline.gate.source_stock import Holding
from xtr_assets.storage.generation import Generation

# Where Linux lists what is mounted in the namespace of this process.
MOUNTS = Path("/proc/self/mountinfo")
# The field of a line that holds where it is mounted.
_WHERE = 4
# Folders of that many levels are asked for their device: deeper ones are known where Linux lists them.
DEPTH = 3


def note_mounted(
    config: IndexConfig,
    serving: Generation | None,
    check: str,
    before: Mapping[str, Holding],
    now: Mapping[str, Holding],
) -> None:
    """Write into the holdings which folders are disks of their own: of what serves as the record of the check says, now
    as they are. One that is none now and still has files stays one."""
    record = None if serving is None else serving.manifest.checks.get(check)
    noted = {} if record is None else record.details.get("sources", {})
    for source in config.sources:
        if isinstance(source.path, Path) and (mine := now.get(source.name)) is not None:
            theirs = before.get(source.name, Holding())
            theirs.mounted = set(noted.get(source.name, {}).get("mounted", ()))
            mine.mounted = mounted_folders(source.folder, {**theirs.rows, **mine.rows})
            left = missing_folders(theirs.mounted, mine.mounted, theirs.rows, mine.rows)
            mine.mounted |= theirs.mounted.difference(left)


def mounted_folders(root: Path, files: Iterable[str]) -> set[str]:
    """Folders below `root`, relative and with slashes, in which some of `files` (relative paths) lie and that are
    mounted by themselves, or lead to another device by a link. Nothing where the root is not there."""
    folders = _folders(files)
    try:
        real = root.resolve(strict=True)
    except OSError:
        return set()
    listed = {one.relative_to(real).as_posix() for one in _listed() if one != real and one.is_relative_to(real)}
    return {one for one in folders if one in listed or (one.count("/") < DEPTH and _is_elsewhere(real / one))}


def missing_folders(before: Iterable[str], now: Iterable[str], served: Iterable[str], held: Iterable[str]) -> list[str]:
    """Of the folders that were mounted `before` and are not `now`: those that had files among `served` and have none
    among `held`."""
    was, still = _folders(served), _folders(held)
    return sorted(one for one in set(before).difference(now) if one in was and one not in still)


def _folders(files: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for path in files:
        above = path.rpartition("/")[0]
        while above and above not in found:
            found.add(above)
            above = above.rpartition("/")[0]
    return found


def _is_elsewhere(folder: Path) -> bool:
    try:
        return folder.stat().st_dev != folder.parent.stat().st_dev
    except OSError:
        return False


def _listed() -> list[Path]:
    try:
        lines = MOUNTS.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return []
    fields = [line.split(" ") for line in lines]
    return [Path(_unescaped(one[_WHERE])) for one in fields if len(one) > _WHERE]


def _unescaped(path: str) -> str:
    """Blanks, tabs, line ends and backslashes as they are: mountinfo writes them in octal."""
    for code, letter in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        path = path.replace(code, letter)
    return path
