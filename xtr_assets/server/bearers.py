"""Bearer tokens: several, each with a name, from a file and the environment; revoked by taking the line out.

A line of the file is `name token`; `#` begins a comment. The file is read again when it changes, so that no restart is
needed. Where it is gone nobody's token counts: what cannot be read is no permission.
"""

import logging
import os
import re
from collections.abc import Iterable, Sequence
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from threading import Lock

from xtr_assets.core.errors import ConfigError

log = logging.getLogger(__name__)

# "name token, name token"
VARIABLE = "XTR_ASSETS_TOKENS"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# As RFC 6750 has it.
TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
# 96 bits in base64; people's own words are shorter.
SHORTEST = 16
# A file of tokens is some lines.
MOST_BYTES = 1 << 20

_Stamp = tuple[int, int, int, int]
# A name, and the digest of a token. A name may have several: the old one until whoever holds it has the new one.
_Named = tuple[str, bytes]


class Bearers:
    """Who may ask. Without a file and a variable there are none, and `open` is True."""

    def __init__(self, path: Path | None = None, variable: str | None = None) -> None:
        """Raises ConfigError where a line of the file or of the variable is no name and token, or there is no line."""
        given = os.environ.get(VARIABLE) if variable is None else variable
        self._path, self._lock = path, Lock()
        self._fixed = [] if given is None else _strict(given.split(","), f"${VARIABLE}")
        self._stamp: _Stamp | None = None
        self._listed: list[_Named] = []
        self.open = path is None and given is None
        if path is not None:
            try:
                # The stamp first: a file that is replaced meanwhile is read again.
                self._stamp = _stamp(path)
                self._listed = _strict(_lines(path), str(path))
            except OSError as error:
                raise ConfigError(
                    f"the token file {path} cannot be read ({error.strerror}); name one that is"
                ) from error
            if path.stat().st_mode & 0o077:
                log.warning("others can read the token file %s; `chmod 600` it", path)

    def name_of(self, header: str | None) -> str | None:
        """The name of the token in an `Authorization` header; None where it is none of ours."""
        scheme, _, token = (header or "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        asked = _digest(token.strip())
        found = None
        # Each is compared, in constant time and as digests: how long it takes tells nothing of any token.
        for name, digest in (*self._current(), *self._fixed):
            if compare_digest(asked, digest):
                found = name
        return found

    def problem(self) -> str | None:
        """Why nobody's token counts now, None where some do."""
        if self.open or self._current() or self._fixed:
            return None
        return f"no token is valid: {'the token file is gone or empty' if self._path else 'none was given'}"

    def _current(self) -> Sequence[_Named]:
        if self._path is None:
            return self._listed
        with self._lock:
            try:
                stamp = _stamp(self._path)
                if stamp != self._stamp:
                    self._listed, self._stamp = _tolerant(_lines(self._path), self._path), stamp
                    names = ", ".join(name for name, _ in self._listed)
                    log.info("%d tokens in %s: %s", len(self._listed), self._path, names)
            except OSError as error:
                if self._stamp is not None or self._listed:
                    log.error(
                        "the token file %s cannot be read (%s): no token of it counts", self._path, error.strerror
                    )
                self._listed, self._stamp = [], None
            return self._listed


def _strict(lines: Iterable[str], origin: str) -> list[_Named]:
    found = []
    for number, line in _written(lines):
        named = _parse(line)
        if named is None:
            raise ConfigError(_wrong(origin, number))
        found.append(named)
    if not found:
        raise ConfigError(f"{origin} holds no token; write a line `name token`, with `openssl rand -hex 32`")
    return found


def _tolerant(lines: Iterable[str], path: Path) -> list[_Named]:
    """A line that a slip of the keyboard made unusable locks out its own name, not everybody."""
    found = []
    for number, line in _written(lines):
        named = _parse(line)
        if named is None:
            log.error("%s", _wrong(str(path), number))
        else:
            found.append(named)
    return found


def _written(lines: Iterable[str]) -> list[tuple[int, str]]:
    bare = [(number, line.partition("#")[0].strip()) for number, line in enumerate(lines, 1)]
    return [(number, line) for number, line in bare if line]


def _parse(line: str) -> _Named | None:
    name, _, token = line.partition(" ")
    token = token.strip()
    if NAME.fullmatch(name) is None or TOKEN.fullmatch(token) is None or len(token) < SHORTEST:
        return None
    return name, _digest(token)


def _wrong(origin: str, number: int) -> str:
    # Never the line itself: errors are logged, and a token may be in it.
    return (
        f"{origin}, entry {number}: not `name token` with a token of at least {SHORTEST} letters, digits and ._~+/-; "
        "make one with `openssl rand -hex 32`"
    )


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogateescape")).digest()


def _lines(path: Path) -> list[str]:
    with path.open("rb") as file:
        return file.read(MOST_BYTES).decode("utf-8", "replace").splitlines()


def _stamp(path: Path) -> _Stamp:
    found = path.stat()
    # A copy that keeps its times (`cp -p`) over a file of the same size changes the last of them alone.
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_ctime_ns
