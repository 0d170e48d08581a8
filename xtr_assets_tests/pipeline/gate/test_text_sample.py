import numpy as np
import pytest

from xtr_assets.pipeline.gate.text_sample import choose_new, sample_size


@pytest.mark.parametrize("rows", [0, 1, 31, 32, 33, 40, 100, 1_000, 5_000, 70_000])
@pytest.mark.parametrize("segments", [1, 3, 17])
def test_as_many_rows_are_chosen_as_the_statistics_are_about(rows: int, segments: int) -> None:
    """docs/gate.md says 32 at least: what edges, lengths and parts choose twice is made up for."""
    rng = np.random.default_rng(rows + segments)
    parts = [part + 1_000 * i for i, part in enumerate(np.array_split(np.arange(rows), segments))]
    lengths = rng.permutation(rows)
    chosen = choose_new(parts, lengths, rng)
    assert len(chosen) == sample_size(rows) and (np.diff(chosen) > 0).all()
    assert np.isin(chosen, np.concatenate(parts)).all()
    if rows:
        every = np.concatenate(parts)
        assert every[lengths.argmax()] in chosen
