"""The folder of a repository's objects, by the path that a person gives: a clone, a bare one, or a worktree."""

from pathlib import Path

from xtr_assets.core.errors import SourceError

# What a `.git` file holds is a line.
LINK_BYTES = 4096


def git_folder(path: Path, source: str) -> Path:
    """The folder with `objects` in it. SourceError where there is none, or where it leads to another repository."""
    try:
        found = _folder(path, source)
        if not ((found / "objects").is_dir() or (found / "commondir").is_file()) or not (found / "HEAD").exists():
            raise SourceError(
                f"source {source}: {path} is no git repository; clone it there, correct `path` (the folder that holds "
                ".git, or a bare repository), or remove the source from the configuration to drop its chunks"
            )
        _refuse_borrowed(found, source)
    except OSError as error:
        raise SourceError(
            f"source {source} cannot be looked at: {path} ({error.strerror}); check the permissions of the folders "
            "above it, and whether its disk is well"
        ) from error
    return found


def _folder(path: Path, source: str) -> Path:
    dotted = path / ".git"
    if dotted.is_dir():
        return dotted
    if not dotted.is_file():
        return path
    # A worktree names the repository that it is of, which names it back. Whoever writes such a file alone could have
    # any repository of this machine read.
    with dotted.open("rb") as stream:
        named = path / stream.read(LINK_BYTES).decode("utf-8", "replace").removeprefix("gitdir:").strip()
    back = named / "gitdir"
    if not back.is_file() or (named / back.read_text("utf-8", "replace").strip()).resolve() != dotted.resolve():
        raise SourceError(
            f"source {source}: {dotted} leads to {named}, which is no worktree of it (a submodule, or a link); give "
            "that folder as `path` where it is meant"
        )
    return named


def _refuse_borrowed(found: Path, source: str) -> None:
    """Objects that lie in another repository are not this one's; and refs have to be where the gate reads them."""
    common = found / "commondir"
    base = found / common.read_text("utf-8", "replace").strip() if common.is_file() else found
    if (base / "reftable").is_dir():
        raise SourceError(
            f"source {source}: {base} keeps its refs in tables, which are not read a second time; "
            f"git -C {base} refs migrate --ref-format=files"
        )
    for name in ("alternates", "http-alternates"):
        file = base / "objects/info" / name
        if file.is_file() and file.stat().st_size:
            raise SourceError(
                f"source {source}: {base} takes objects from another folder ({file}); make it whole: "
                f"git -C {base} repack -a -d, then remove that file"
            )
