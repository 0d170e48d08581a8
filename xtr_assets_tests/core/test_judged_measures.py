import math

import pytest

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.judged_measures import judged_recall, mrr_at_k, ndcg_at_k, success_at_k


def test_judged_measures_are_those_computed_by_hand() -> None:
    ranked = [["a", "b", "c"], ["x", "y", "z"]]
    judgments = [{"b": 1, "c": 2, "n": 0}, {"q": 1}]
    gain = 1 / math.log2(3) + 2 / math.log2(4)
    ideal = 2 / math.log2(2) + 1 / math.log2(3)
    assert ndcg_at_k(ranked, judgments, 10).tolist() == pytest.approx([gain / ideal, 0.0])
    assert mrr_at_k(ranked, judgments, 10).tolist() == [0.5, 0.0]
    assert mrr_at_k(ranked, judgments, 1).tolist() == [0.0, 0.0]
    assert judged_recall(ranked, judgments, 2).tolist() == [0.5, 0.0]
    assert success_at_k(ranked, judgments, 1).tolist() == [0.0, 0.0]
    assert success_at_k(ranked, judgments, 2).tolist() == [1.0, 0.0]


def test_a_query_without_positive_judgment_is_refused() -> None:
    with pytest.raises(InvalidInput, match="query 0 has no positive judgment"):
        mrr_at_k([["a"]], [{"a": 0}], 10)
