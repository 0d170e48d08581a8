"""What is asked of all parts of a set together, before a move names them, and what the move keeps of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from xtr_assets.storage.manifest import CheckRecord
from xtr_assets.storage.parts.joined_generation import JoinedGeneration
from xtr_assets.storage.parts.part_records import PartMove
from xtr_assets.storage.stored_json import canonical_json, sha256_bytes


@dataclass(frozen=True, slots=True)
class SetCheck:
    """A check of the generations that a move would name.

    evidence : names what it asks by, such as the bytes of a file; by other evidence it is asked again, though no part
    changed. threshold : what is asked for besides. look : given the candidate, the move that serves, and
    what a record is about, what was found
    """

    name: str
    evidence: str
    threshold: float | None
    look: Callable[[JoinedGeneration, PartMove | None, str], CheckRecord]

    def stands(self, move: PartMove) -> bool:
        """Whether a move has a record of it for just the generations that it names, by this evidence."""
        record = move.checks.get(self.name)
        return record is not None and record.digest == self.digest(move)

    def record(self, candidate: JoinedGeneration, serving: PartMove | None) -> CheckRecord:
        """Look, before the candidate serves."""
        return self.look(candidate, serving, self.digest(candidate.move))

    def told(self, tell: Callable[[CheckRecord], None]) -> "SetCheck":
        """The same, which tells what it found: of what is refused nothing is kept."""

        def look(candidate: JoinedGeneration, serving: PartMove | None, about: str) -> CheckRecord:
            record = self.look(candidate, serving, about)
            tell(record)
            return record

        return replace(self, look=look)

    def digest(self, move: PartMove) -> str:
        """64 hex digits that name what a record is about."""
        return sha256_bytes(canonical_json([self.name, self.evidence, move.named]))
