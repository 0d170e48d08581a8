"""Which paths of a folder git ignores: by .gitignore at every level, info/exclude and the user's own file."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from xtr_assets.core.errors import ProviderError
from xtr_assets.sources.git_command import READ_SECONDS, looking, read_environment


def ignored(folder: Path, paths: Sequence[str]) -> set[str] | None:
    """Those of the `paths`, relative to the folder and behind no link to a folder, that git ignores and does not track.

    None where the folder itself is ignored: whoever asks about it wants it all the same. Empty where it lies in no
    repository. ProviderError where git is not installed, or says no for another cause (a repository of another user).
    """
    # From a name with `-` or `:` at its beginning git makes an option or magic.
    asked = [os.fsencode(f"./{path}") for path in paths]
    told = _told(folder, [b".", *asked])
    if b"." in told:
        return None
    return {path for path, name in zip(paths, asked, strict=True) if name in told}


def _told(folder: Path, names: list[bytes]) -> set[bytes]:
    command = looking(folder, "check-ignore", "-z", "--stdin")
    try:
        done = subprocess.run(
            command,
            input=b"\0".join(names),
            capture_output=True,
            env=read_environment(),
            timeout=READ_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ProviderError(f"git does not say what it ignores in {folder}: {error}") from error
    said = " ".join(done.stderr.decode("utf-8", "replace").split())
    if done.returncode in (0, 1):  # 1: none of them is.
        return set(done.stdout.split(b"\0"))
    if "not a git repository" in said or "must be run in a work tree" in said:
        return set()
    raise ProviderError(f"git does not say what it ignores in {folder}: {said[:300]}")
