"""What goes wrong, as an HTTP answer: a status, and a body that names the error, both values and the remedy."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from secrets import token_hex

from xtr_assets.core.errors import (
    EncoderMismatch,
    GenerationError,
    InvalidInput,
    NotInThisIndex,
    QuestionTimeout,
    ServerBusy,
    StillArriving,
    XtrAssetsError,
)

log = logging.getLogger(__name__)

# Errors of the library that say what the client did, with messages made of the client's own values. Messages of all
# others may hold paths of this machine: they are logged, and the client gets the number of the line.
CLIENTS_OWN: Mapping[type[XtrAssetsError], int] = {NotInThisIndex: 400, InvalidInput: 400, EncoderMismatch: 400}

# What comes from a store takes seconds to minutes: who asks again sooner hears the same.
ARRIVING_RETRY = 5


@dataclass(eq=False)
class Problem(Exception):
    """Why a request is not answered. `kind` is the name of the exception that the clients of this package raise."""

    status: int
    kind: str
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def document(self) -> dict[str, dict[str, str]]:
        """The body of the answer."""
        return {"error": {"type": self.kind, "message": self.message}}


def refused(status: int, message: str) -> Problem:
    """A request that cannot be used."""
    return Problem(status, InvalidInput.__name__, message)


def busy(message: str, retry_after: int) -> Problem:
    """No room at the moment."""
    return Problem(503, ServerBusy.__name__, message, {"Retry-After": str(retry_after)})


def too_slow(message: str) -> Problem:
    """A body, or an answer, that took too long."""
    return Problem(408, QuestionTimeout.__name__, message, {"Connection": "close"})


def problem_of(error: Exception) -> Problem:
    """The answer to an error of any kind."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, StillArriving):
        return Problem(503, StillArriving.__name__, str(error), {"Retry-After": str(ARRIVING_RETRY)})
    for kind, status in CLIENTS_OWN.items():
        if isinstance(error, kind):
            return Problem(status, kind.__name__, str(error))
    number = token_hex(4)
    log.error("request failed, number %s", number, exc_info=error)
    kind_name = type(error).__name__ if isinstance(error, XtrAssetsError) else XtrAssetsError.__name__
    status = 503 if isinstance(error, GenerationError) else 500
    return Problem(status, kind_name, f"the server could not answer; its log says why under the number {number}")
