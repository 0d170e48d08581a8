"""An index of one leg in Dagster: its graph has no asset and no check of the other, and its builds serve."""

import pytest

from xtr_assets.core.errors import NotInThisIndex
from xtr_assets.defs.factory import build_index_defs
from xtr_assets.pipeline.gate.gate_check import LEG_OF_ASSET
from xtr_assets.pipeline.gate.registry import checks_of
from xtr_assets.search.searcher import Searcher
from xtr_assets_tests.defs.conftest import CONFIG, Project
from xtr_assets_tests.defs.test_in_process import materialized

DENSE = CONFIG.format(name="small").replace("kind: hashing", "kind: hashing, token_dim: 0")
TOKENS = DENSE.replace("token_dim: 0", "dim: 0")
TEXTS = {"dense": DENSE, "tokens": TOKENS}


@pytest.mark.parametrize("legs", ["dense", "tokens"])
def test_the_graph_has_no_asset_and_no_check_of_the_other_leg(fresh: Project, legs: str) -> None:
    fresh.configure(TEXTS[legs])
    graph = build_index_defs(fresh.config).resolve_asset_graph()
    absent = {asset for asset, leg in LEG_OF_ASSET.items() if leg != legs}
    keys = {key.path[-1] for key in graph.get_all_asset_keys()}
    assert not keys & absent and keys >= LEG_OF_ASSET.keys() - absent
    # Nor is one of them left over as what another depends on, which Dagster would show as an asset of somebody else.
    assert {key for key in graph.get_all_asset_keys() if not graph.get(key).is_materializable} == set()
    checks = {key.name for key in graph.asset_check_keys}
    assert checks == {check.name for check in checks_of(fresh.config)} and "legs_agree" in checks


def test_an_index_of_both_legs_becomes_one_without_tokens_by_one_build(project: Project) -> None:
    project.configure(DENSE)
    built = project.build()
    assert (built.published, built.failed) == (True, ()) and "the encoder changed" in built.reason
    assert project.warehouse.generation(2).manifest.lone_leg == "dense"
    assert not set(materialized(project)) & {"token_embeddings", "xtr_index"}
    assert project.build().built is None, "what is absent is not missing"
    with Searcher(project.warehouse, "cpu") as searcher:
        assert searcher.search("insert in sorted order", 3)[0].scores.keys() <= {"dense", "name", "lexical"}
        with pytest.raises(NotInThisIndex, match="answers in mode hybrid, dense, lexical, exact"):
            searcher.search("insert in sorted order", 3, "xtr")
