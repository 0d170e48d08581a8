import numpy as np
import pytest

from xtr_assets.pipeline.gate.text_sample import choose_new, sample_size


@pytest.mark.parametrize("rows", [0, 1, 31, 32, 33, 40, 100, 1_000, 5_000, 70_000])
@pytest.mark.parametrize("segments", [1, 3, 17])
def test_as_many_rows_are_chosen_as_the_statistics_are_about(rows: int, segments: int) -> None:
    """docs/gate.md says how many at least: what edges, lengths and parts choose twice is made up for."""
    rng = np.random.default_rng(rows + segments)
    parts = [part + 1_000 * i for i, part in enumerate(np.array_split(np.arange(rows), segments))]
    lengths = rng.permutation(rows)
    chosen = choose_new(parts, lengths, rng)
    assert len(chosen) == sample_size(rows) and (np.diff(chosen) > 0).all()
    assert np.isin(chosen, np.concatenate(parts)).all()
    if rows:
        every = np.concatenate(parts)
        assert every[lengths.argmax()] in chosen


@pytest.mark.parametrize("rows", [24, 25, 31, 33, 45, 64, 99, 150])
def test_few_rows_of_a_change_miss_a_fault_no_more_often_than_32_of_very_many(rows: int) -> None:
    """By drawing, not by the formula that chose how many: a fault in a tenth of the rows, in places drawn anew."""
    rng, trials = np.random.default_rng(rows), 4_000
    looked_at, wrong = sample_size(rows), max(1, rows // 10)
    assert looked_at == rows if rows <= 24 else looked_at >= 24
    chosen = rng.permuted(np.tile(np.arange(rows), (trials, 1)), axis=1)[:, :looked_at]
    missed = float((chosen >= wrong).all(axis=1).mean())
    # Three standard deviations of what 4,000 trials say.
    assert missed <= 0.9**32 + 3 * (0.9**32 / trials) ** 0.5
