from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtr_assets.core.types import Chunk
from xtr_assets.storage.generation_diff import diff
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import make_chunk, new_warehouse, publish_chunks

# What each of eight chunks says; 0: it is not there.
Corpus = st.lists(st.integers(0, 3), min_size=8, max_size=8)


def chunks(corpus: list[int]) -> list[Chunk]:
    return [
        make_chunk(f"f{i}.py", f"s{i}", f"text {i} edition {edition}") for i, edition in enumerate(corpus) if edition
    ]


@settings(max_examples=15)
@given(Corpus, Corpus)
def test_the_difference_is_that_of_the_two_corpora(
    tmp_path_factory: pytest.TempPathFactory, first: list[int], second: list[int]
) -> None:
    first[0], second[0] = 1, 1  # one chunk stays, so that both generations have something to index
    warehouse: Warehouse = new_warehouse(tmp_path_factory.mktemp("w") / "w", chunks(first))
    after = publish_chunks(warehouse, chunks(second))
    before = warehouse.generation(1)
    found = diff(before, after)
    ids = {chunk.symbol: chunk.chunk_id for chunk in [*chunks(first), *chunks(second)]}

    def expected(wanted: list[bool]) -> list[int]:
        return sorted(ids[f"s{i}"] for i, one in enumerate(wanted) if one)

    pairs = list(zip(first, second, strict=True))
    assert found.added.tolist() == expected([not old and bool(new) for old, new in pairs])
    assert found.removed.tolist() == expected([bool(old) and not new for old, new in pairs])
    assert found.changed.tolist() == expected([bool(old and new) and old != new for old, new in pairs])
    assert found.kept == sum(bool(old) and old == new for old, new in pairs)
    assert found.same_chunks == (first == second)
    back = diff(after, before)
    assert (back.added.tolist(), back.removed.tolist()) == (found.removed.tolist(), found.added.tolist())


def test_settings_that_differ_are_named(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path / "w", chunks([1, 1, 1, 1, 1, 0, 0, 0]))
    publish_chunks(warehouse, chunks([1, 1, 1, 2, 1, 1, 0, 0]), recipe="HNSW16")
    found = warehouse.diff(1, 2)
    assert found.settings["recipe.dense.recipe"] == ("Flat", "HNSW16")
    assert found.settings["live_rows"] == (5, 6)
    assert "fingerprint" not in found.settings
    document = found.document()
    assert document["sources"] == {"code": {"added": 1, "removed": 0, "changed": 1}}
    assert found.added.dtype == np.int64
