"""What a refused draft brought is made anew before it is built upon: nothing else would make it right.

Encodings and postings of a segment are never replaced, and a text that some segment has is not encoded again. So what a
fault wrote that is mended by now would lie there, each later build would reuse it, and the gate would refuse each, or
miss it one day in its sample.
"""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from xtr_assets.core.errors import StorageError
from xtr_assets.core.files import record
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.draft_leftovers import drop, entries, unserved_encodings, unserved_postings
from xtr_assets.storage.history import read_published
from xtr_assets.storage.seal import is_sealed, read_manifest
from xtr_assets.storage.vector_files import LISTING_NAME
from xtr_assets.storage.warehouse import Warehouse

log = logging.getLogger(__name__)

# Checks that say that vectors are not those of the texts.
OF_ENCODINGS = frozenset({"embeddings_valid", "tokens_valid", "vectors_are_the_texts"})
# Checks that say that postings are not those of their rows. Others fail where an index misses rows as well, which
# deriving the same postings again, minutes for a million rows, does not mend.
OF_POSTINGS = frozenset({"rows_everywhere", "lexical_agrees"})


def forget_encodings(warehouse: Warehouse) -> list[str]:
    """Remove encodings that never served, and what was derived of them, where a draft was refused for its vectors and
    they lie there as they did; the drafts that name any of it go too.

    Returns the names of what was removed of segments. Before shards are looked at: they are then encoded again.
    """
    layout = warehouse.layout
    for draft, found in _refused_encodings(warehouse):
        return _dropped(warehouse, draft, [*found, *unserved_postings(layout, _segments(draft))])
    return []


def encodings_refused(warehouse: Warehouse) -> bool:
    """Whether there may be anything that `forget_encodings` would remove. Needs no lock: where another run removes it
    at this moment, whoever has the lock looks again."""
    try:
        return next(_refused_encodings(warehouse), None) is not None
    except (StorageError, OSError):
        return True


def _refused_encodings(warehouse: Warehouse) -> Iterator[tuple[Draft, list[Path]]]:
    """Drafts that were refused for their vectors, with encodings that never served, where these lie as they did."""
    for draft in refused_drafts(warehouse):
        if OF_ENCODINGS & failed_checks(draft):
            found = unserved_encodings(warehouse.layout, draft.fingerprint)
            if any(_as_judged(draft, path) for path in found):
                yield draft, found


def forget_postings(warehouse: Warehouse) -> list[str]:
    """Remove postings that never served, where a draft was refused for them alone: the next one derives its own. One
    that was refused for its vectors stays until these are encoded again: it says which were wrong."""
    for draft in refused_drafts(warehouse):
        failed = failed_checks(draft)
        if OF_POSTINGS & failed and not OF_ENCODINGS & failed:
            return _dropped(warehouse, draft, unserved_postings(warehouse.layout, _segments(draft)))
    return []


def refused_drafts(warehouse: Warehouse) -> Iterator[Draft]:
    """Drafts after what serves that a required check refused, the newest first, down to one that none refused: its run
    may go on, and needs what it names."""
    layout, published = warehouse.layout, read_published(warehouse.layout) or 0
    for number in reversed(layout.numbers()):
        if number <= published or not layout.manifest(number).is_file() or is_sealed(layout, number):
            continue
        draft = warehouse.open_draft(number)
        if not failed_checks(draft):
            return
        yield draft


def failed_checks(draft: Draft) -> frozenset[str]:
    """The checks that it must pass and failed."""
    records = draft.manifest.checks
    required = (one.name for one in draft.manifest.required or ())
    return frozenset(name for name in required if name in records and not records[name].passed)


def _as_judged(draft: Draft, path: Path) -> bool:
    """Whether the list of an encoding is there as the draft names it."""
    listing = path / LISTING_NAME if path.is_dir() else path
    recorded = draft.manifest.files.get(draft.layout.relative(listing))
    return recorded is not None and recorded == record(listing)


def _segments(draft: Draft) -> set[str]:
    return {one.segment_id for one in draft.manifest.segments}


def _dropped(warehouse: Warehouse, draft: Draft, paths: Sequence[Path]) -> list[str]:
    layout, names = warehouse.layout, {warehouse.layout.relative(path) for path in paths}
    # First those that would lack something then.
    for number in layout.numbers():
        open_draft = bool(names) and layout.manifest(number).is_file() and not is_sealed(layout, number)
        if open_draft and names & entries(read_manifest(layout, number).files):
            warehouse.discard(number)
    removed = drop(layout, paths)
    if removed:
        log.info("draft %d was refused: %d of its files and folders are made anew", draft.number, len(removed))
    return removed
