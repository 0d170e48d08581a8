"""What an index says of itself at a glance."""

import numpy as np

from xtr_assets.index import DenseIndex, TokenIndex

ROWS = np.eye(8, 16, dtype=np.float32)


def test_an_index_says_what_it_holds_and_where_and_that_it_is_closed() -> None:
    dense = DenseIndex.build(ROWS, "Flat")
    assert repr(dense).startswith("DenseIndex(recipe Flat, rows 8, dim 16, device cpu")
    tokens = TokenIndex.build(ROWS, np.arange(9, dtype=np.int64))
    assert repr(tokens).startswith("TokenIndex(rows 8, ")
    for index in (dense, tokens):
        name = type(index).__name__
        assert f"<caption style='text-align:left'>{name}</caption>" in index._repr_html_()
        index.close()
        assert repr(index) == f"{name}(closed)" and "closed" in index._repr_html_()
