"""What a rollback of the set took off, under whatever number a part serves it now."""

from collections.abc import Callable, Mapping, Sequence

from xtr_assets.storage.layout import Layout
from xtr_assets.storage.parts.move_chain import taken_back
from xtr_assets.storage.parts.part_records import PartMove, PartState
from xtr_assets.storage.remembrance import alike


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
        holds_the_same = alike(layout_of(part), number)
        served = [(move, move.parts[part]) for move in moves if part in move.parts]
        for digest, by in own.items():
            gone = {state.generation for _, state in served if state.manifest_sha256 == digest}
            again = {state.generation for move, state in served if move.number >= by.number}
            if exact is None and any(map(holds_the_same, gone)) and not any(map(holds_the_same, again)):
                exact = by
        if exact is not None:
            found[part] = exact
    return found
