"""Which segments to write anew: tiers, so that a stream of small changes costs a logarithm of rewrites. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

# Segments whose live rows lie within a factor of four are one tier, and four of a tier become one of the next: a row
# is rewritten log4(rows) times over its life (10 times at a million), and a shard holds at most three segments a tier.
TIER_FACTOR = 4
TIER_SEGMENTS = 4
# Below this many rows everything is one tier: opening a segment costs about what reading 256 rows does.
SMALLEST_TIER_ROWS = 256
# A segment is rewritten alone when a fifth of its rows is dead: dead rows cost disk and, in families without removal,
# search time in proportion. Small segments wait for a merge unless most of them is dead: rewriting them moves rows in
# every derived index and saves nothing that is noticed.
DEAD_SHARE = 0.2
SMALL_DEAD_SHARE = 0.5
LARGE_ROWS = 4096


@dataclass(frozen=True, slots=True)
class SegmentSize:
    """What planning knows of a segment."""

    segment_id: str
    rows: int
    live_rows: int

    @property
    def dead_rows(self) -> int:
        return self.rows - self.live_rows


def tier(live_rows: int) -> int:
    """0 up to SMALLEST_TIER_ROWS, one more for each factor of TIER_FACTOR.

    >>> [tier(n) for n in (1, 256, 257, 1024, 1025, 4097)]
    [0, 0, 1, 1, 2, 3]
    """
    level, limit = 0, SMALLEST_TIER_ROWS
    while live_rows > limit:
        level, limit = level + 1, limit * TIER_FACTOR
    return level


def plan_compaction(segments: Sequence[SegmentSize], *, erase: bool = False) -> tuple[tuple[str, ...], ...]:
    """Groups of segments of one shard, each to become one segment; a group of one is rewritten without its dead rows.

    Merging fills the next tier, which may then be merged too: what would be written twice is planned as one group.
    erase : every segment with a dead row is rewritten, however few there are.
    """
    groups: list[tuple[int, tuple[SegmentSize, ...]]] = [(one.live_rows, (one,)) for one in segments]
    while True:
        tiers: dict[int, list[int]] = {}
        for index, (live_rows, _) in enumerate(groups):
            tiers.setdefault(tier(live_rows), []).append(index)
        full = [indices for _, indices in sorted(tiers.items()) if len(indices) >= TIER_SEGMENTS]
        if not full:
            break
        merged = [groups[index] for index in full[0]]
        rest = [group for index, group in enumerate(groups) if index not in full[0]]
        members = tuple(one for _, group in merged for one in group)
        groups = [*rest, (sum(live for live, _ in merged), members)]
    order = {one.segment_id: place for place, one in enumerate(segments)}
    planned = [group for _, group in groups if len(group) > 1 or _worth_rewriting(group[0], erase)]
    named = [tuple(sorted((one.segment_id for one in group), key=order.__getitem__)) for group in planned]
    return tuple(sorted(named, key=lambda group: order[group[0]]))


def _worth_rewriting(one: SegmentSize, erase: bool) -> bool:
    share = DEAD_SHARE if one.rows >= LARGE_ROWS else SMALL_DEAD_SHARE
    return one.dead_rows > 0 if erase else one.dead_rows >= one.rows * share
