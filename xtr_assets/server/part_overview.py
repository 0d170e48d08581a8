"""What a front says of the set as a whole: its moves, what a search can be narrowed to, what could not be read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from xtr_assets.core.errors import GenerationError
from xtr_assets.server.facets import KEPT, Counted
from xtr_assets.server.limits import later
from xtr_assets.server.part_rounds import PartRounds
from xtr_assets.server.problem import Problem
from xtr_assets.server.state_report import intake_together
from xtr_assets.storage.parts.part_records import PartMove


@dataclass(frozen=True, slots=True)
class PartOverview:
    """Where the parts are asked, and the facets of the generations that were asked for last: they never change."""

    rounds: PartRounds
    kept: dict[tuple[tuple[str, str], ...], dict[str, Any]] = field(default_factory=dict)

    async def facets(self, move: PartMove) -> dict[str, Any]:
        """As a server of the whole gives them. Raises PartAbsent, PartDown, Problem."""
        key = tuple(sorted(move.named.items()))
        if key not in self.kept:
            found = await self._of_all(move, "/v1/part/facets")
            try:
                counted = Counted.together([Counted.read(one) for one in found.values()])
                modes = next(iter(found.values()))["modes"]
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise _strange(error) from error
            self.kept[key] = {"modes": modes, **counted.document()}
            while len(self.kept) > KEPT:
                del self.kept[next(iter(self.kept))]
        return self.kept[key]

    async def state(self, move: PartMove) -> dict[str, Any]:
        """The shards, and what could not be read or stayed behind, of all parts."""
        found = await self._of_all(move, "/v1/part/state")
        try:
            return intake_together(list(found.values()))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _strange(error) from error

    async def _of_all(self, move: PartMove, path: str) -> Mapping[str, Mapping[str, Any]]:
        return await self.rounds.of_parts(move, tuple(move.parts), path, lambda _: {})


def moves_listed(moves: Sequence[PartMove]) -> list[dict[str, Any]]:
    """Every move, oldest first: the generations of the set. Verdicts and sizes are the parts' own."""
    return [
        {
            "generation": move.number,
            "state": "published" if move is moves[-1] else "retired",
            "parent": None,
            "created_at": move.at,
            "live_rows": move.live_rows,
            "forced": move.forced,
            "to": move.to,
            "parts": {name: state.generation for name, state in move.parts.items()},
        }
        for move in moves
    ]


def _strange(error: Exception) -> Problem:
    return Problem(503, GenerationError.__name__, f"a part told what cannot be read: {error}", later())
