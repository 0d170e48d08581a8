"""A decomposed path (macOS) is met by its composed name, and the other way; search and the gate's reading agree."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from xtr_assets.core.where_syntax import Compare
from xtr_assets.pipeline.gate.where_truth import HeldRows
from xtr_assets.search.filter_columns import PathColumn

COMPOSED, DECOMPOSED = "caf\u00e9/a.md", "cafe\u0301/a.md"
ROWS = [COMPOSED, DECOMPOSED, "cafe/a.md"]


@pytest.mark.parametrize("spelled", ["caf\u00e9", "cafe\u0301"])
@pytest.mark.parametrize("operator, rest", [("in", "/a.md"), ("prefix", "/"), ("glob", "/*.md")])
@pytest.mark.parametrize("dictionary", [False, True])
def test_both_spellings_of_a_path_are_one(spelled: str, operator: Any, rest: str, dictionary: bool) -> None:
    values = pa.array(ROWS)
    found = PathColumn(values.dictionary_encode() if dictionary else values).compare(
        Compare(operator, (spelled + rest,))
    )
    assert np.asarray(found).tolist() == [True, True, False]
    asked = {operator: [spelled + rest] if operator == "in" else spelled + rest}
    rows = HeldRows({at: {"path": path, "metadata": {}} for at, path in enumerate(ROWS)})
    assert rows.passing({"path": asked}).tolist() == [0, 1]
    assert rows.passing({"path": {"not": asked}}).tolist() == [2]
