"""A process that dies at its n-th durable step, without its cleaning up: everything after that step fails."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

# What changes a disk durably (the steps that are counted), and what a dead process can no longer do.
STEPS = ("replace", "fsync")
AFTER_DEATH = ("replace", "rename", "fsync", "unlink", "remove", "rmdir", "mkdir", "ftruncate", "pwrite")


class Died(BaseException):
    """Not an Exception: nothing may handle it, as nothing handles a kill."""


class Dying:
    """Counts durable steps; from the n-th on nothing reaches the disk any more."""

    def __init__(self, at: int | None) -> None:
        self.at = at
        self.steps: list[str] = []

    @property
    def dead(self) -> bool:
        return self.at is not None and len(self.steps) >= self.at


@contextmanager
def dying(monkeypatch: pytest.MonkeyPatch, at: int | None) -> Iterator[Dying]:
    """Die in place of the `at`-th step; None only counts. Died is swallowed here."""
    life = Dying(at)
    with monkeypatch.context() as patch:
        for name in AFTER_DEATH:
            patch.setattr(os, name, _mortal(life, getattr(os, name), name in STEPS))
        try:
            yield life
        except Died:
            assert life.dead
        except Exception as error:
            # The first consequence may be an ordinary error in a cleaning-up step; it must come from the death.
            assert life.dead, error


def _mortal(life: Dying, real: Callable[..., Any], counted: bool) -> Callable[..., Any]:
    def step(*args: Any, **kwargs: Any) -> Any:
        if counted:
            life.steps.append(real.__name__)
        if life.dead:
            raise Died
        return real(*args, **kwargs)

    return step
