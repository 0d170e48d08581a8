"""What a rollback of the set took off, under whatever number a part serves it now."""

from collections.abc import Callable, Mapping, Sequence

from xtr_assets.storage.history import read_history
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.parts.move_chain import taken_back
from xtr_assets.storage.parts.part_records import PartMove, PartState
from xtr_assets.storage.remembrance import known_contents, same_origin


def taken_off(
    layout_of: Callable[[str], Layout], states: Mapping[str, PartState], moves: Sequence[PartMove]
) -> dict[str, PartMove]:
    """Part -> the rollback that took back what `states` say of it.

    A compaction, a retrain, a full build or another release makes a generation of its own of the same content: it stays
    taken back until a move serves that content again.
    """
    found: dict[str, PartMove] = {}
    for part, own in taken_back(moves).items():
        if part not in states:
            continue
        exact, number = own.get(states[part].manifest_sha256), states[part].generation
        alike = _alike(layout_of(part), number)
        served = [(move, move.parts[part]) for move in moves if part in move.parts]
        for digest, by in own.items():
            gone = {state.generation for _, state in served if state.manifest_sha256 == digest}
            again = {state.generation for move, state in served if move.number >= by.number}
            if exact is None and any(map(alike, gone)) and not any(map(alike, again)):
                exact = by
        if exact is not None:
            found[part] = exact
    return found


def _alike(layout: Layout, number: int) -> Callable[[int], bool]:
    """Whether a generation of the part holds what `number` holds."""
    contents = known_contents(layout, read_history(layout))

    def holds_the_same(other: int) -> bool:
        known = contents.get(number)
        return (known is not None and known == contents.get(other)) or same_origin(layout, number, other)

    return holds_the_same
