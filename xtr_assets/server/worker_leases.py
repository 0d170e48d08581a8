"""Leases of generations that several processes keep together: a client may meet another of them at each request."""

from pathlib import Path
from time import monotonic, time

# A lease is renewed on the disk no more often than that; it lasts ten minutes.
RENEW_SECONDS = 1.0


class WorkerLeases:
    """Of one index. A lease is an empty file whose time says when it was renewed."""

    def __init__(self, folder: Path, index: str, seconds: float) -> None:
        self._folder, self._index, self._seconds = folder, index, seconds
        self._renewed: dict[int, float] = {}

    def renew(self, number: int) -> None:
        """Somebody asks for this generation."""
        now = monotonic()
        if now - self._renewed.get(number, -RENEW_SECONDS) >= RENEW_SECONDS:
            self._path(number).touch()
            self._renewed[number] = now

    def left(self, number: int) -> float:
        """Seconds that the lease of a generation still lasts; 0 where there is none."""
        try:
            # A clock that was put back would make it last longer.
            left = self._path(number).stat().st_mtime + self._seconds - time()
            return min(self._seconds, max(0.0, left))
        except FileNotFoundError:
            return 0.0

    def end(self, number: int) -> None:
        """Nobody is to find it any more."""
        self._path(number).unlink(missing_ok=True)
        self._renewed.pop(number, None)

    def _path(self, number: int) -> Path:
        return self._folder / f"lease.{self._index}.{number}"
