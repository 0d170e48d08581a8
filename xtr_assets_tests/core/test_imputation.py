import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtr_assets.core.imputation import best_per_document, floor_of, impute


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=40), st.integers(1, 60))
def test_the_floor_is_the_kth_best_or_the_least(values: list[int], k_prime: int) -> None:
    expected = sorted(values, reverse=True)[min(k_prime, len(values)) - 1]
    assert floor_of(np.array(values, np.float32), k_prime) == expected


def test_imputing_a_hand_computed_case() -> None:
    best = np.array([[0.9, np.nan], [np.nan, np.nan], [0.5, 0.6]], np.float32)
    assert impute(best, np.array([0.4, 0.3], np.float32)).tolist() == pytest.approx([1.2, 0.7, 1.1])


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(-9, 9)), max_size=30))
def test_the_best_per_document_equals_a_loop(pairs: list[tuple[int, int]]) -> None:
    expected: dict[int, int] = {}
    for document, value in pairs:
        expected[document] = max(value, expected.get(document, -100))
    documents = np.array([document for document, _ in pairs], np.int64)
    found, best = best_per_document(np.array([value for _, value in pairs], np.int64), documents)
    assert dict(zip(found.tolist(), best.tolist(), strict=True)) == expected
    assert found.tolist() == sorted(expected)
