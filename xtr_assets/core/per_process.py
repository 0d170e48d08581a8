"""What a forked child must not use of its parent: a connection that both write to gives each the other's answers."""

import os
from collections.abc import Callable
from typing import Generic, TypeVar

Made = TypeVar("Made")


class PerProcess(Generic[Made]):
    """Something that is made anew in each process, and in each event loop where `place` names it.

    make : makes one. place : names where it may be used beside the process, by default anywhere. ended : whether nobody
    will ask at a place again
    """

    def __init__(
        self,
        make: Callable[[], Made],
        place: Callable[[], object] = lambda: None,
        ended: Callable[[object], bool] = lambda _: False,
    ) -> None:
        self._make, self._place, self._ended = make, place, ended
        # By process and place. That of a parent stays: to close it would speak to whom the parent speaks to.
        self._made: dict[tuple[int, object], Made] = {}

    def here(self) -> Made:
        """The one of this process and place."""
        here = os.getpid(), self._place()
        if (made := self._made.get(here)) is not None:
            return made
        for process, place in list(self._made):
            if process == here[0] and self._ended(place):
                self._made.pop((process, place), None)
        # Of two threads that come first both take the one that is kept.
        return self._made.setdefault(here, self._make())

    def forget(self, made: Made) -> None:
        """Give this one to nobody any more; who has it keeps it."""
        here = os.getpid(), self._place()
        if self._made.get(here) is made:
            self._made.pop(here, None)
