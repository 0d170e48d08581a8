import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from xtr_assets.core.token_codec import decode_int8, encode_int8


@given(hnp.arrays(np.float32, st.tuples(st.integers(0, 6), st.just(5)), elements=st.floats(-1, 1, width=32)))
def test_a_component_is_off_by_at_most_half_a_step(tokens: np.ndarray) -> None:
    codes, scales = encode_int8(tokens)
    # A scale below float16's smallest normal number has no precision left: such rows are all but zero.
    step = np.maximum(scales.astype(np.float32), 6e-5)[:, None]
    assert codes.dtype == np.int8 and scales.dtype == np.float16
    # Rounding the scale down can push the peak past 127 by a few thousandths of a step: hence 0.6 and not 0.5.
    assert (np.abs(decode_int8(codes, scales) - tokens) <= 0.6 * step).all()


def test_dot_products_of_unit_vectors_keep_three_digits() -> None:
    random = np.random.default_rng(0)
    tokens = random.standard_normal((2000, 128), np.float32)
    tokens /= np.linalg.norm(tokens, axis=1, keepdims=True)
    decoded = decode_int8(*encode_int8(tokens))
    assert np.abs((decoded - tokens) @ tokens[0]).max() < 0.004


def test_a_row_of_zeros_stays_zeros() -> None:
    codes, scales = encode_int8(np.zeros((1, 4), np.float32))
    assert not codes.any()
    assert scales.tolist() == [0.0]
