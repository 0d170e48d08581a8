"""Who is told of questions that were answered: live recall and the query log. Nobody waits for them."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from xtr_assets.search.hit_table import Hits
from xtr_assets.server.hosted_index import HostedIndex
from xtr_assets.server.question import Question

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """One text that was asked, how, and what it was answered with, from which generation."""

    index: HostedIndex
    generation: int
    text: str
    question: Question
    hits: Hits


class Witness(Protocol):
    """Told of every answer to a text, in the thread that answered it: what takes long is put off."""

    def tell(self, told: Told) -> None:
        """One text and its answer."""


def tell_all(witnesses: Sequence[Witness], told: Told) -> None:
    """Tell each. What goes wrong there is logged: the answer is right all the same."""
    for one in witnesses:
        try:
            one.tell(told)
        except Exception:
            log.exception("%s could not take note of a question", type(one).__name__)
