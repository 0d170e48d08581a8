"""Which commits a ref of a repository named, and when it was last moved: its files and its log, read as they lie."""

import re
from dataclasses import dataclass
from pathlib import Path

from xtr_assets.pipeline.gate.folder_evidence import before

# A log tells whole seconds; the clock of who wrote it is this machine's.
SECOND_NS = 1_000_000_000
# Between what a log says and the time of the ref's file lies what git takes to write both.
LATE_NS = 5 * SECOND_NS
_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
# A symbolic ref to a symbolic ref, and so on.
_STEPS = 8


@dataclass(frozen=True, slots=True)
class RefLog:
    """common : the folder of the repository's objects. commits : what the ref named, one after another, the last one
    now. since : when each was named (ns; 0 where it is not known). moved_ns : the latest time of the ref's files, 0 for
    a commit, which never moves."""

    common: Path
    commits: tuple[str, ...]
    since: tuple[int, ...]
    moved_ns: int

    def named_since(self, looked_ns: int) -> list[str]:
        """Every commit that the ref may have named at a time or later; none where that cannot be told."""
        if not self.moved_ns or (looked_ns and before(self.moved_ns, looked_ns)):
            return [self.commits[-1]]
        # A log whose times are not those of its file says when commits are dated, not when they were named.
        dated = list(self.since) == sorted(self.since) and abs(self.moved_ns - self.since[-1]) < LATE_NS
        if not looked_ns or not dated:
            return []
        ends = [*self.since[1:], 1 << 63]
        return [one for one, end in zip(self.commits, ends, strict=True) if end + SECOND_NS >= looked_ns]


def log_of(git_dir: Path, ref: str) -> RefLog | None:
    """None where there is no repository, or no such ref."""
    try:
        common = git_dir / (git_dir / "commondir").read_text("utf-8").strip()
    except OSError:
        common = git_dir
    if _ID.fullmatch(ref):
        return RefLog(common, (ref,), (0,), 0)
    names = [ref] if ref == "HEAD" or ref.startswith("refs/") else [f"refs/{one}/{ref}" for one in _KINDS]
    for name in names:
        found = _resolved(git_dir, common, name)
        if found is not None:
            full, commit, files = found
            moved = max((_time(file) for file in files), default=0)
            # Where HEAD led is in its own log: the branch that it names now may be another one.
            commits, since = _logged(git_dir, common, "HEAD" if ref == "HEAD" else full, commit)
            return RefLog(common, commits, since, moved)
    return None


_KINDS = ("heads", "tags", "remotes")


def _resolved(git_dir: Path, common: Path, name: str) -> tuple[str, str, list[Path]] | None:
    """(full name, what it names, the files that say so)."""
    files = [common / "packed-refs"]
    for _ in range(_STEPS):
        own = git_dir / name if name == "HEAD" else common / name
        files.append(own)
        said = _read(own)
        if said.startswith("ref: "):
            name = said.removeprefix("ref: ").strip()
        elif _ID.fullmatch(said.strip()):
            return name, said.strip(), files
        else:
            lines = (line.partition(" ") for line in _read(files[0]).splitlines() if _ID.match(line))
            packed = {named: commit for commit, _, named in lines}
            return (name, packed[name], files) if name in packed else None
    return None


def _logged(git_dir: Path, common: Path, name: str, commit: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """What its log says it named, where the log ends with what it names now; else that alone."""
    lines = _read((git_dir if name == "HEAD" else common) / "logs" / name).splitlines()
    entries = [(line.split()[1], _second(line)) for line in lines if len(line.split()) > 3]
    if not entries or entries[-1][0] != commit:
        return (commit,), (0,)
    first = lines[0].split()[0]
    entries = entries if not first.strip("0") else [(first, 0), *entries]
    return tuple(one for one, _ in entries), tuple(second * SECOND_NS for _, second in entries)


def _second(line: str) -> int:
    """When, of a line of a log: `old new name <address> second zone<tab>what`."""
    words = line.partition("\t")[0].split()
    return int(words[-2]) if words[-2].isdigit() else 0


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8", "replace")
    except OSError:
        return ""


def _time(file: Path) -> int:
    try:
        status = file.lstat()
    except OSError:
        return 0
    return max(status.st_mtime_ns, status.st_ctime_ns)
