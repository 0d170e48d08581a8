"""What a front says of a part that does not answer, and of what it does not answer itself."""

from collections.abc import Iterable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from xtr_assets.core.errors import GenerationError
from xtr_assets.server.guard import response_of
from xtr_assets.server.limits import later
from xtr_assets.server.part_call import PartDown
from xtr_assets.server.problem import Problem, refused
from xtr_assets.storage.parts.part_records import PartMove


class Candidates(list[PartMove]):
    """The moves that a request may be answered from, the first that can be is. named : whether it pinned one, which is
    the only one then."""

    def __init__(self, moves: Iterable[PartMove], *, named: bool = False) -> None:
        super().__init__(moves)
        self.named = named


def absent(part: str, moves: Candidates, last: PartMove) -> Problem:
    """503 where the part may hold what is asked for in a moment; 410 for an earlier move that was named. Whoever named
    none is never told that one is gone: it may have been the last when he asked."""
    gone = moves.named and moves[0].number != last.number
    numbers = " or ".join(str(move.number) for move in moves)
    told = f"part {part} does not hold the generation of move {numbers}"
    return Problem(410 if gone else 503, GenerationError.__name__, told, later())


def down(error: PartDown) -> Problem:
    """503 that names the part, and what helps where a server of it is of another release."""
    if error.outdated:
        told = f"part {error.part} cannot answer this front: a server of it {error.outdated}"
        return Problem(503, GenerationError.__name__, told, later())
    return Problem(503, GenerationError.__name__, f"part {error.part} does not answer on any server", later())


async def no_route(request: Request, error: Exception) -> Response:
    """404 or 405 that says which routes there are."""
    assert isinstance(error, HTTPException)
    problem = refused(
        error.status_code,
        f"a front of parts does not answer {request.method} {request.url.path[:100]}; it has POST /v1/search, GET "
        "/v1/chunks, /v1/generation, /v1/generations, /v1/facets, /v1/state, /healthz, /readyz and /metrics. A server "
        "over the whole set has the rest: `xtr-assets serve --warehouse SET`",
    )
    return response_of(Problem(problem.status, problem.kind, problem.message, error.headers or {}))
