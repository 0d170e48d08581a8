"""What a forked child must not use of its parent: a connection that both write to gives each the other's answers."""

import os
from collections.abc import Callable
from typing import Generic, TypeVar

Made = TypeVar("Made")


class PerProcess(Generic[Made]):
    """Something that is made anew in each process, and in each event loop where `place` names it.

    make : makes one. place : names where it may be used beside the process, by default anywhere
    """

    def __init__(self, make: Callable[[], Made], place: Callable[[], object] = lambda: None) -> None:
        self._make, self._place = make, place
        # A parent's is never let go of here: to close it would speak to whom the parent speaks to.
        self._left: list[Made] = []
        self._here = os.getpid(), self._place()
        self._made = make()

    def here(self) -> Made:
        """The one of this process."""
        if self._here != (here := (os.getpid(), self._place())):
            if self._here[0] != here[0]:
                self._left.append(self._made)
            self._made, self._here = self._make(), here
        return self._made
