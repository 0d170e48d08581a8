"""The command `git`, so that nothing of a repository runs: no hook, no filter, no helper, no fetch by itself.

A repository may come from anybody, and its config can name commands. Only `ls-tree` and `cat-file` look into one, and
`check-ignore` at its work tree: they ask no hook, filter or pager. What could still start something, fetching objects
that a partial clone lacks, is closed by GIT_ALLOW_PROTOCOL, which no config overrules.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from xtr_assets.core.errors import ProviderError

INSTALL = "apt-get install git (or what your system has), and pip install 'xtr-assets[git]'"
# A listing of a million files takes seconds; what takes this long waits for a disk that does not answer.
READ_SECONDS = 600.0
# What git says of an error is cut to this in our messages.
SAID = 300

_NO_PROTOCOL = "none"
_READING = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "core.alternateRefsCommand=false")


class GitFailed(Exception):
    """git said no; its words. Never seen outside this package."""


class GitKilled(GitFailed):
    """git was ended before it was done: what it had started may still be at work."""


def read_environment() -> dict[str, str]:
    """For commands over a repository of whoever it may be: none of the caller's GIT_* variables, no protocol."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {
        **kept,
        "GIT_ALLOW_PROTOCOL": _NO_PROTOCOL,
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }


def reading(git_dir: Path, *arguments: str) -> list[str]:
    """A command line over a repository. Its folder is named, not looked for in the folders above."""
    return [git(), *_READING, "--no-pager", "--literal-pathspecs", f"--git-dir={git_dir}", *arguments]


def looking(folder: Path, *arguments: str) -> list[str]:
    """A command line about a work tree: the repository is that which the folder lies in."""
    return [git(), *_READING, "--no-pager", "-C", str(folder), *arguments]


def git() -> str:
    """The path of the command. ProviderError where it is not installed."""
    found = shutil.which("git")
    if found is None:
        raise ProviderError(f"the command git is not on the PATH, which `kind: git` needs: {INSTALL}")
    return found


def answer(
    command: Sequence[str],
    environment: Mapping[str, str],
    asked: bytes = b"",
    seconds: float = READ_SECONDS,
    held: Sequence[int] = (),
) -> bytes:
    """What a command writes. GitFailed where it fails; GitKilled where it takes too long, or somebody ends it.

    held : descriptors that it, and whatever it starts, keep open as long as they live
    """
    try:
        done = subprocess.run(
            command,
            input=asked,
            capture_output=True,
            env=dict(environment),
            timeout=seconds,
            check=False,
            pass_fds=held,
        )
    except subprocess.TimeoutExpired as error:
        raise GitKilled(f"it took more than {seconds:g} s") from error
    except OSError as error:
        raise GitFailed(error.strerror or str(error)) from error
    if done.returncode:
        failure = GitKilled if done.returncode < 0 else GitFailed
        raise failure(" ".join(done.stderr.decode("utf-8", "replace").split())[:SAID] or f"exit {done.returncode}")
    return done.stdout
