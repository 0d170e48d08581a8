"""A repository elsewhere: a bare clone of one commit in the cache folder, fetched anew when the ref moved."""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import TextIO

from xtr_assets.core.cache_place import cache_folder
from xtr_assets.core.errors import SourceError
from xtr_assets.core.field_problem import without_secrets
from xtr_assets.sources.git_command import GitFailed, GitKilled, answer, git, read_environment
from xtr_assets.sources.git_commit import find_commit

# One name in the mirror, whatever the ref is called there.
MIRRORED = "refs/xtr-assets/source"
# Asking which commit a ref names; fetching one.
ASK_SECONDS, FETCH_SECONDS = 60.0, 3600.0
# So often it is looked whether another process has ended with the mirror.
LOOK_SECONDS = 0.05
# A connection that gives less than 1,000 bytes a second for a minute has died.
_SLOW = ("-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=60")
# What the ref named is kept: the gate holds what was ingested against it.
_LOGGED = ("-c", "core.logAllRefUpdates=always")
# Commits of the days before make room when git tidies up, which it does before the fetch ends.
_TIDY = (
    "gc.autoDetach=false",
    "maintenance.autoDetach=false",
    "gc.reflogExpire=2.days",
    "gc.reflogExpireUnreachable=2.days",
    "gc.pruneExpire=1.day",
)
# What a person's own setting of ssh and credentials may say; what points git at another repository may not.
_OWN = ("GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSH_VARIANT", "GIT_ASKPASS", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM")
_OWN_HTTP = ("GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "GIT_SSL_NO_VERIFY", "GIT_PROXY_SSL_CAINFO", "GIT_HTTP_USER_AGENT")


def updated_mirror(address: str, ref: str, source: str) -> Path:
    """The mirror's folder, its commit that of the ref now. SourceError where it cannot be had: nothing is dropped."""
    folder = mirror_folder(address, ref)
    try:
        with _locked(folder) as lock:
            name, wanted = _remote_commit(address, ref, source, lock)
            if [commit for _, commit in find_commit(folder, MIRRORED)] != [wanted]:
                _fetch(folder, address, name, lock)
    except GitFailed as error:
        told = without_secrets(f"{address} cannot be fetched (git: {error})")
        raise SourceError(
            f"source {source}: {told}; check the address, the network and the credentials (git ls-remote asks the "
            "same); what was ingested of it stays"
        ) from error
    return folder


def mirror_folder(address: str, ref: str) -> Path:
    """Where the mirror of a repository at a ref lies."""
    return cache_folder() / "git" / hashlib.sha256(f"{address}\n{ref}".encode()).hexdigest()[:32]


@contextmanager
def _locked(folder: Path) -> Iterator[int]:
    """The mirror, made where there is none, for this process alone; the descriptor of its lock. A git that outlives
    this process, or was killed beside what it had started, keeps it: whoever has it knows that no other is at work."""
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        _wait_for(lock, folder)
        ended = False
        try:
            # Made anew, which changes nothing of a whole one, where whoever made it was killed before all was there.
            if not all((folder / name).exists() for name in ("HEAD", "config", "refs", "objects/info")):
                line = [git(), "init", "--quiet", "--bare", "--template=", str(folder)]
                answer(line, read_environment(), held=[lock.fileno()])
            yield lock.fileno()
            ended = True
        except Exception as error:
            ended = not isinstance(error, GitKilled)
            raise
        finally:
            if ended:
                # For all who have the descriptor: what keeps credentials for the next git lives on, a quarter of an
                # hour or more.
                fcntl.flock(lock, fcntl.LOCK_UN)


def _wait_for(lock: TextIO, folder: Path) -> None:
    """GitFailed where another git has the mirror for longer than a fetch may take: one whose process died waits for
    ever for a host that does not answer over ssh."""
    until = monotonic() + FETCH_SECONDS
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if monotonic() >= until:
                held = f"another one has {folder.with_suffix('.lock')} for more than {FETCH_SECONDS:g} s; end it"
                raise GitFailed(held) from error
        sleep(LOOK_SECONDS)


def _remote_commit(address: str, ref: str, source: str, lock: int) -> tuple[str, str]:
    """The full name of a ref there, and the commit that it names."""
    if len(ref) in (40, 64) and all(letter in "0123456789abcdef" for letter in ref):
        return ref, ref
    full = ref == "HEAD" or ref.startswith("refs/")
    names = [ref] if full else [f"refs/heads/{ref}", f"refs/tags/{ref}"]
    asked = [one for name in names for one in (name, f"{name}^{{}}")]
    said = answer([git(), *_SLOW, "ls-remote", "--", address, *asked], _environment(), seconds=ASK_SECONDS, held=[lock])
    lines = (line.partition("\t") for line in said.decode("utf-8", "replace").splitlines())
    found = {named: commit for commit, _, named in lines}
    # Of a tag with a message the commit that it is of.
    commits = {name: found.get(f"{name}^{{}}", found.get(name)) for name in names}
    named = {name: commit for name, commit in commits.items() if commit}
    if not named:
        raise SourceError(
            f"source {source} is gone: {without_secrets(address)} has no branch or tag {ref}; correct `ref`, or remove "
            "the source from the configuration to drop its chunks"
        )
    if len(set(named.values())) > 1:
        where = without_secrets(address)
        raise SourceError(f"source {source}: {where} has {' and '.join(named)}; write one in full as `ref`")
    return next(iter(named.items()))


def _fetch(folder: Path, address: str, name: str, lock: int) -> None:
    """Bring the commit of a ref, without the history before it."""
    # A git that was killed leaves the files by which it kept others out, and each later one would refuse to begin.
    # Of that of `gc` it says nothing: the mirror would never be tidied up again.
    for left in [*folder.glob("*.lock"), *folder.glob("objects/*.lock"), *(folder / "refs").rglob("*.lock")]:
        left.unlink(missing_ok=True)
    options = ("--quiet", "--no-tags", "--depth=1", "--no-write-fetch-head", "--no-recurse-submodules", "--force")
    line = [
        git(),
        *_SLOW,
        *_LOGGED,
        *(one for said in _TIDY for one in ("-c", said)),
        f"--git-dir={folder}",
        "fetch",
        *options,
        "--",
        address,
        f"+{name}:{MIRRORED}",
    ]
    answer(line, _environment(), seconds=FETCH_SECONDS, held=[lock])


def _environment() -> dict[str, str]:
    own = {name: os.environ[name] for name in (*_OWN, *_OWN_HTTP) if name in os.environ}
    return {**read_environment(), **own, "GIT_ALLOW_PROTOCOL": "https:ssh:git:file"}
