"""A repository made for a test, by the command git with nothing of the caller's own settings."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

# Where it is not installed, what is tested of repositories is skipped, and larger stories have folders in their place.
GIT = shutil.which("git") is not None
needs_git = pytest.mark.skipif(not GIT, reason="the command git is not installed")
_OWN = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "GIT_TERMINAL_PROMPT": "0"}
_AUTHOR = {
    f"GIT_{who}_{what}": said
    for who in ("AUTHOR", "COMMITTER")
    for what, said in (("NAME", "A. Writer"), ("EMAIL", "writer@example.org"))
}


class Repository:
    """A clone with a work tree, on the branch main; the one that is there already, or a new one."""

    def __init__(self, path: Path, *options: str) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        if not (path / ".git").exists():
            self.git("init", "--quiet", "--template=", "--initial-branch=main", *options)

    def git(self, *arguments: str, asked: bytes = b"") -> str:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        done = subprocess.run(
            ["git", "-C", str(self.path), *arguments],
            env={**kept, **_OWN, **_AUTHOR},
            input=asked,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, (arguments, done.stderr.decode())
        return done.stdout.decode().strip()

    def write(self, path: str, content: str | bytes) -> Path:
        file = self.path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def commit(self, files: Mapping[str, str | bytes] | None = None, *, delete: tuple[str, ...] = ()) -> str:
        """Write, delete and commit; the commit's id."""
        for path, content in (files or {}).items():
            self.write(path, content)
        for path in delete:
            (self.path / path).unlink()
        self.git("add", "--all", "--force")
        self.git("commit", "--quiet", "--allow-empty", "--no-verify", "--message=.")
        return self.git("rev-parse", "HEAD")
