"""Tiers: what is merged, what is left, and what a stream of changes costs in the long run."""

from hypothesis import given
from hypothesis import strategies as st

from xtr_assets.core.compaction import LARGE_ROWS, TIER_SEGMENTS, SegmentSize, plan_compaction, tier


def sizes(*rows: int | tuple[int, int]) -> list[SegmentSize]:
    """Segments a, b, c ... of so many rows, or (rows, live rows)."""
    pairs = [(one, one) if isinstance(one, int) else one for one in rows]
    return [SegmentSize(chr(ord("a") + i), *pair) for i, pair in enumerate(pairs)]


def test_few_segments_are_left_alone() -> None:
    assert plan_compaction(sizes(10, 20, 30)) == ()


def test_four_small_segments_become_one() -> None:
    assert plan_compaction(sizes(10, 20, 5000, 30, 40)) == (("a", "b", "d", "e"),)


def test_a_merge_that_fills_the_next_tier_is_planned_as_one() -> None:
    assert plan_compaction(sizes(500, 500, 500, 100, 100, 100, 100)) == (("a", "b", "c", "d", "e", "f", "g"),)


def test_large_segments_are_rewritten_when_a_fifth_is_dead() -> None:
    assert plan_compaction(sizes((10_000, 8_001), (10_000, 8_000))) == (("b",),)


def test_small_segments_are_rewritten_only_when_half_is_dead() -> None:
    assert plan_compaction(sizes((100, 51), (100, 50))) == (("b",),)


def test_where_all_is_to_be_erased_each_segment_with_a_dead_row_is_rewritten() -> None:
    assert plan_compaction(sizes((10_000, 9_999), 10_000, (100, 99), (5_000, 5_000)), erase=True) == (("a",), ("c",))
    merged = sizes((500, 499), 500, 500, 500, 5_000, (30_000, 29_999))
    assert plan_compaction(merged, erase=True) == (("a", "b", "c", "d"), ("f",))


@given(st.lists(st.tuples(st.integers(1, 20_000), st.floats(0.01, 1.0)), max_size=30))
def test_what_is_left_meets_the_promise(pairs: list[tuple[int, float]]) -> None:
    segments = [SegmentSize(str(i), rows, max(1, int(rows * share))) for i, (rows, share) in enumerate(pairs)]
    by_id = {one.segment_id: one for one in segments}
    groups = plan_compaction(segments)
    named = [one for group in groups for one in group]
    assert len(named) == len(set(named))
    left = [one.live_rows for one in segments if one.segment_id not in named]
    left += [sum(by_id[one].live_rows for one in group) for group in groups]
    assert all([tier(n) for n in left].count(level) < TIER_SEGMENTS for level in set(map(tier, left)))
    assert sum(left) == sum(one.live_rows for one in segments)
    untouched = [one for one in segments if one.segment_id not in named and one.rows >= LARGE_ROWS]
    assert all(one.dead_rows < one.rows * 0.2 for one in untouched)


def test_a_thousand_changes_of_ten_rows_rewrite_each_row_a_few_times() -> None:
    segments: list[SegmentSize] = []
    rewritten = most = 0
    for change in range(1000):
        segments.append(SegmentSize(f"n{change}", 10, 10))
        for group in plan_compaction(segments):
            rows = sum(one.rows for one in segments if one.segment_id in group)
            rewritten += rows
            segments = [one for one in segments if one.segment_id not in group]
            segments.append(SegmentSize(f"m{change}", rows, rows))
        most = max(most, len(segments))
    assert rewritten <= 12 * 10_000
    assert most <= 13
