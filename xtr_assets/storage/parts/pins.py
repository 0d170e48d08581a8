"""pinned.json: which generations of a part the moves of its set name, read by the part's own collection."""

from collections.abc import Collection

from xtr_assets.core.files import write_atomic
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.links import refuse_linked
from xtr_assets.storage.lock import committing
from xtr_assets.storage.parts.part_records import Pins
from xtr_assets.storage.stored_json import read_stored


def pinned_by_moves(layout: Layout) -> frozenset[int]:
    """Generations that moves name; none where the warehouse is no part. CorruptFile, UnknownFormat: what cannot be read
    may name anything, and nothing is collected then."""
    refuse_linked(layout, layout.pinned_json)
    if not layout.pinned_json.exists():
        return frozenset()
    return frozenset(read_stored(Pins, layout.pinned_json, layout.relative(layout.pinned_json)).generations)


def pin_for_moves(layout: Layout, numbers: Collection[int]) -> None:
    """Name exactly these. Whoever adds one holds the generation open meanwhile (`Generation.pin`): a collection has
    either seen that, or removed it before."""
    refuse_linked(layout, layout.pinned_json)
    following = Pins(generations=tuple(sorted(set(numbers))))
    if pinned_by_moves(layout) != set(following.generations):
        # Beside the part's own writer, who takes temporaries that nobody holds this lock for to be a dead one's.
        with committing(layout, "pins of the set"):
            write_atomic(layout.pinned_json, following.to_bytes())
