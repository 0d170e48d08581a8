"""What differs between two moves of a set: of the whole, where a chunk in another part than before is kept; by part."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from xtr_assets.storage.generation_diff import GenerationDiff, diff
from xtr_assets.storage.parts.joined_generation import JoinedGeneration


@dataclass(frozen=True, eq=False)
class SetDiff(GenerationDiff):
    """From move `before` to move `after`. parts : by part, from generation to generation, of those that both name;
    None where they name the same one. gained, lost : the generation of parts that only one of them names."""

    parts: Mapping[str, GenerationDiff | None]
    gained: Mapping[str, int]
    lost: Mapping[str, int]

    def document(self) -> dict[str, Any]:
        """JSON-able, with counts in place of ids."""
        parts = {part: None if one is None else one.document() for part, one in self.parts.items()}
        return {**super().document(), "parts": parts, "gained": dict(self.gained), "lost": dict(self.lost)}


def diff_moves(before: JoinedGeneration, after: JoinedGeneration) -> SetDiff:
    """Compare live chunks and settings of two moves of one set, in time linear in the rows of both."""
    old = {part.name: part.generation for part in before.parts}
    new = {part.name: part.generation for part in after.parts}
    named = before.move.named, after.move.named
    parts = {
        part: None if named[0][part] == named[1][part] else diff(old[part], new[part]) for part in old if part in new
    }
    whole = diff(before, after)
    return SetDiff(
        **{one.name: getattr(whole, one.name) for one in fields(GenerationDiff)},
        parts=parts,
        gained={part: one.number for part, one in new.items() if part not in old},
        lost={part: one.number for part, one in old.items() if part not in new},
    )
