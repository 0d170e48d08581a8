from collections.abc import Iterator

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from xtr_assets.encoders.batches import batches, cut_windows

lengths_of_texts = st.lists(st.integers(0, 40), max_size=20)


@given(lengths_of_texts, st.integers(1, 12))
def test_windows_cover_every_token_once_in_order_and_are_of_nearly_equal_size(
    lengths: list[int], capacity: int
) -> None:
    windows = cut_windows(lengths, capacity)
    for text, length in enumerate(lengths):
        mine = windows.owner == text
        covered = [place for a, b in zip(windows.start[mine], windows.stop[mine], strict=True) for place in range(a, b)]
        sizes = windows.lengths[mine]
        assert covered == list(range(length))
        assert len(sizes) == max(1, -(-length // capacity))
        assert sizes.max() <= capacity and sizes.max() - sizes.min() <= 1
    assert (np.diff(windows.owner) >= 0).all()


@given(st.lists(st.integers(1, 40), max_size=30), st.integers(1, 100), st.integers(0, 50))
def test_batches_hold_every_window_once_within_the_budget(lengths: list[int], budget: int, overhead: int) -> None:
    found = list(batches(np.array(lengths, np.int64), budget, overhead))
    assert sorted(int(j) for batch in found for j in batch) == list(range(len(lengths)))
    for batch in found:
        longest = max(lengths[j] for j in batch)
        assert len(batch) == 1 or len(batch) * longest <= budget


@given(st.lists(st.integers(1, 20), min_size=1, max_size=9), st.integers(20, 80), st.integers(0, 30))
def test_no_other_cut_of_the_windows_costs_less(lengths: list[int], budget: int, overhead: int) -> None:
    ordered = sorted(lengths, reverse=True)

    def cost(batches_of: list[list[int]]) -> int:
        return sum(len(one) * max(one) + overhead for one in batches_of)

    def cuts(rest: list[int]) -> Iterator[list[list[int]]]:
        if not rest:
            yield []
        for stop in range(1, len(rest) + 1):
            if stop == 1 or stop * rest[0] <= budget:
                yield from ([rest[:stop], *others] for others in cuts(rest[stop:]))

    found = [[lengths[j] for j in batch] for batch in batches(np.array(lengths, np.int64), budget, overhead)]
    assert cost(found) == min(map(cost, cuts(ordered)))
