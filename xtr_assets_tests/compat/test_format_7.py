"""Generations of one leg beside one of both: manifests of version 4, a warehouse.json of version 5."""

import json
import shutil
from pathlib import Path
from typing import Any, Literal

import pytest

import xtr_assets as xa
from xtr_assets.core.errors import CorruptFile, NotInThisIndex, UnknownFormat
from xtr_assets.storage.manifest import Manifest
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets.storage.warehouse_info import WarehouseInfo
from xtr_assets_tests.storage.sample import texts

GOLDEN = Path(__file__).parent / "format-7"
MODES = {
    1: ("hybrid", "dense", "xtr", "lexical", "exact"),
    2: ("hybrid", "dense", "lexical", "exact"),
    3: ("hybrid", "xtr", "lexical", "exact"),
}
NO_FILE = {"bytes": 1, "sha256": "0" * 64}


class ManifestBefore(Manifest):
    """As the release before read it."""

    format_version: Literal[1, 2, 3] = 1


class InfoBefore(WarehouseInfo):
    format_version: Literal[1, 2, 3, 4] = 1


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return Path(shutil.copytree(GOLDEN, tmp_path / "warehouse"))


def test_it_is_small() -> None:
    assert sum(p.stat().st_size for p in GOLDEN.rglob("*") if p.is_file()) < 250_000


def test_every_generation_has_its_state_and_its_texts_and_every_byte_verifies(path: Path) -> None:
    warehouse = Warehouse.open(path)
    expected = json.loads(GOLDEN.with_suffix(".json").read_text())
    assert {str(g.number): {"state": g.state, "texts": texts(g)} for g in warehouse.generations()} == expected
    assert [sorted(g.legs) for g in warehouse.generations()] == [["dense", "tokens"], ["dense"], ["tokens"]]
    assert [g.manifest.format_version for g in warehouse.generations()] == [1, 4, 4]
    assert warehouse.info.format_version == 5
    assert warehouse.verify().problems == ()


@pytest.mark.parametrize("number", [1, 2, 3])
def test_each_answers_in_the_modes_that_it_has_and_names_them_where_it_is_asked_for_another(
    path: Path, number: int
) -> None:
    with xa.open(path, "cpu", generation=number) as searcher:
        assert searcher.modes == MODES[number]
        for mode in MODES[1]:
            if mode in MODES[number]:
                (hit, *_) = searcher.search("raise connection refused", 3, mode)  # type: ignore[arg-type]
                assert hit.symbol == "stop" or "refused" in hit.text
            else:
                with pytest.raises(NotInThisIndex, match=f"answers in mode {', '.join(MODES[number])}"):
                    searcher.search("raise connection refused", 3, mode)  # type: ignore[arg-type]


def test_a_release_of_before_refuses_warehouse_and_manifest_by_both_versions(path: Path) -> None:
    with pytest.raises(UnknownFormat, match="format_version 5, this release reads 1 and 2 and 3 and 4"):
        InfoBefore.from_bytes((path / "warehouse.json").read_bytes(), "warehouse.json")
    with pytest.raises(UnknownFormat, match="format_version 4, this release reads 1 and 2 and 3"):
        ManifestBefore.from_bytes((path / "generations" / "2" / "manifest.json").read_bytes(), "manifest.json")


def test_a_manifest_that_lost_its_leg_or_claims_another_is_refused(path: Path) -> None:
    manifests: list[dict[str, Any]] = [
        json.loads((path / "generations" / number / "manifest.json").read_bytes()) for number in "12"
    ]
    both, dense = manifests
    without = {name: one for name, one in both["files"].items() if "/tokens." not in name}
    beside = {f"segments/{one['segment_id']}/tokens.{dense['fingerprint'][:8]}/files.json": NO_FILE for one in dense["segments"]}  # fmt: skip  # noqa: E501
    plants: dict[str, dict[str, Any]] = {
        "tokens is a leg of the generation": {**both, "files": without},
        "an encoder of both legs": {**both, "lone_leg": "dense", "format_version": 4, "files": without},
        "one leg, None, and an encoder of dense": {**dense, "lone_leg": None, "format_version": 1},
        "one leg needs format_version 4": {**dense, "format_version": 3},
        "of a leg that the generation does not have": {**dense, "files": dense["files"] | beside},
        "leaves nothing to search": {**dense, "encoder": {**dense["encoder"], "dim": 0}},
    }
    for problem, planted in plants.items():
        with pytest.raises(CorruptFile, match=problem):
            Manifest.from_bytes(json.dumps(planted).encode(), "manifest.json")


def test_an_encoder_of_one_leg_in_an_older_warehouse_json_is_refused(path: Path) -> None:
    info = json.loads((path / "warehouse.json").read_bytes())
    del info["check"]
    with pytest.raises(CorruptFile, match="gives one leg, which needs format_version 5"):
        WarehouseInfo.from_bytes(json.dumps({**info, "format_version": 4}).encode(), "warehouse.json")
