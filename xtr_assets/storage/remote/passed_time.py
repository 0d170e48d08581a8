"""How much time passed for others: what they agreed on by a clock of theirs is over though this host stood still."""

from dataclasses import dataclass, field
from time import monotonic, time


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment, by both clocks of the host.

    The monotonic one stands still while the host is suspended, or its machine paused; the other one may be set. What
    either of them says has passed counts: who is early at the end of his time does no harm.
    """

    steady: float = field(default_factory=lambda: monotonic())
    wall: float = field(default_factory=lambda: time())

    def passed(self) -> float:
        """Seconds since then, at least."""
        return max(monotonic() - self.steady, time() - self.wall)
