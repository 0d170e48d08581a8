import numpy as np
import pytest
import torch

from xtr_assets.core.errors import InvalidInput
from xtr_assets.encoders.head import Projection
from xtr_assets.encoders.head_file import open_head
from xtr_assets.encoders.make_projection import half_whitened


def test_half_whitened_states_have_the_square_roots_of_the_variances() -> None:
    rng = np.random.default_rng(5)
    states = (
        rng.standard_normal((4000, 6)) * [9, 4, 2, 1, 0.5, 0.1] @ np.linalg.qr(rng.standard_normal((6, 6)))[0]
    ) + 3
    matrix = half_whitened(states.astype(np.float32), 4)
    variances = np.linalg.eigvalsh(np.cov(states, rowvar=False))[::-1][:4]
    np.testing.assert_allclose(np.cov(states @ matrix, rowvar=False), np.diag(np.sqrt(variances)), atol=1e-2)


def test_a_head_projects_and_scales_to_unit_length() -> None:
    head = Projection(np.array([[3, 0], [0, 4], [9, 9]], np.float32), 5, "0" * 64)
    found = head({5: torch.tensor([[1.0, 1.0, 0.0]])})
    np.testing.assert_allclose(found.numpy(), [[0.6, 0.8]], atol=1e-6)
    assert (head.layers, head.token_dim) == ((5,), 2)


def test_the_shipped_projection_fits_the_model() -> None:
    head = open_head("projection", 6)
    assert isinstance(head, Projection)
    found = head({6: torch.eye(384)})
    assert found.shape == (384, 128) and len(head.sha256) == 64
    # Columns fall in length as the variances to the power -1/4 rise: it is that projection, not a transposed one.
    lengths = np.linalg.norm(head.matrix, axis=0)
    assert bool((np.diff(lengths) > -1e-6).all())


def test_a_projection_with_nan_is_refused() -> None:
    with pytest.raises(InvalidInput, match="make it again"):
        Projection(np.full((3, 2), np.nan, np.float32), 1, "0" * 64)
