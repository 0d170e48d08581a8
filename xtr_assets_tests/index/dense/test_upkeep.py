from collections.abc import Iterator

import numpy as np
import pytest

from xtr_assets.index import DenseIndex
from xtr_assets.index.dense.recipe import inverted
from xtr_assets.index.dense.repair import misfit_share, misfit_shares, repair_lists
from xtr_assets.index.dense.upkeep import MISFIT_SHARE, upkeep_of
from xtr_assets_tests.index.dense.dense_data import clustered, one_thread


@pytest.fixture(scope="module", autouse=True)
def threads() -> Iterator[None]:
    with one_thread():
        yield


@pytest.mark.parametrize("recipe", ["IVF32,Flat", "IVF32,SQ8", "PCA24,IVF32,SQ4", "IVF32,PQ8x4fsr"])
def test_an_index_as_it_was_trained_needs_nothing(recipe: str) -> None:
    needed = upkeep_of(DenseIndex.build(clustered(2000), recipe))
    assert (needed.action, needed.growth) == ("nothing", 1.0)
    assert needed.misfits == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize("recipe", ["IVF32,SQ8", "IVF32,PQ8x4fsr"])
def test_rows_of_new_topics_ask_for_a_repair_which_cures_them(recipe: str) -> None:
    index = DenseIndex.build(clustered(2000), recipe)
    index.add(clustered(1500, topics=12, seed=77))
    needed = upkeep_of(index)
    assert needed.action == "repair"
    assert "further from their centroid" in needed.reason
    repair_lists(index)
    assert misfit_share(index) < MISFIT_SHARE
    assert upkeep_of(index).action == "nothing"


def test_codebooks_that_saw_too_little_ask_for_a_retrain_and_other_codes_do_not() -> None:
    actions = {}
    for recipe in ("IVF16,SQ8", "IVF16,PQ8x4fsr"):
        index = DenseIndex.build(clustered(800), recipe)
        index.add(clustered(1700, topics=12, seed=77))
        actions[recipe] = upkeep_of(index).action
    assert actions == {"IVF16,SQ8": "repair", "IVF16,PQ8x4fsr": "retrain"}


def test_more_rows_of_the_same_topics_need_nothing() -> None:
    data = clustered(3500)
    index = DenseIndex.build(data[:2000], "IVF32,SQ8")
    index.add(data[2000:])
    assert upkeep_of(index).action == "nothing"


@pytest.mark.parametrize("recipe", ["Flat", "HNSW8", "IVF8_HNSW8,Flat"])
def test_what_has_no_lists_to_repair_needs_none(recipe: str) -> None:
    needed = upkeep_of(DenseIndex.build(clustered(400), recipe))
    assert needed.action == "nothing"
    assert "no lists that can be repaired" in needed.reason


def test_misfits_are_the_rows_beyond_nine_tenths_of_the_trained_ones_by_hand() -> None:
    vectors = clustered(100)
    index = DenseIndex.build(vectors, "IVF4,Flat")
    lists = inverted(index.faiss_index)
    stored = vectors.astype(np.float16).astype(np.float32)
    fits, owners = (each[:, 0] for each in lists.quantizer.search(stored, 1))
    assert index.profile["trained_fit"] == pytest.approx(np.quantile(fits, 0.1), abs=1e-5)
    expected = [(fits[owners == number] < index.profile["trained_fit"]).mean() for number in range(4)]
    np.testing.assert_allclose(misfit_shares(index), expected, atol=0.03)
