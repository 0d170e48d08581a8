"""docs/dev/versions.md names each format_version that the readers take, and the warehouse that proves it."""

import json
import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from xtr_assets.index.dense.serialization import FORMAT_VERSION
from xtr_assets.index.late.centroids import MODEL_FORMAT, WIDE_MODEL_FORMAT
from xtr_assets.index.late.postings import POSTINGS_FORMAT, WIDE_POSTINGS_FORMAT
from xtr_assets.index.late.serialization import TOKENS_FORMAT
from xtr_assets.index.lexical.postings import LEXICAL_FORMAT
from xtr_assets.search.loaders import LexicalIndexFile, TokenIndexFile
from xtr_assets.storage.manifest import Listing, Manifest, SegmentInfo
from xtr_assets.storage.parts.part_records import PartMove, Pins, SetInfo
from xtr_assets.storage.parts.set_store import SetPush
from xtr_assets.storage.remote.block_lists import BlockLists
from xtr_assets.storage.remote.move import Move, Store
from xtr_assets.storage.snapshot import Snapshot
from xtr_assets.storage.warehouse_info import WarehouseInfo

ROOT = Path(__file__).parents[1]
COMPAT = ROOT / "xtr_assets_tests" / "compat"
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]

MODELS: dict[str, type[BaseModel]] = {
    "`warehouse.json`": WarehouseInfo,
    "`manifest.json`": Manifest,
    "`shards/*/*.json`": Snapshot,
    "`segment.json`": SegmentInfo,
    "`files.json`": Listing,
    "`xtr/index.json`": TokenIndexFile,
    "`lexical/index.json`": LexicalIndexFile,
    "`parts.json`": SetInfo,
    "`moves/*.json` of a set": PartMove,
    "`pinned.json`": Pins,
    "`pushes/*.json` of a set": SetPush,
    "`store.json`": Store,
    "`moves/*.json` of a store": Move,
    "block lists of a store": BlockLists,
}
CONSTANTS = [
    ("token model", MODEL_FORMAT),
    ("token model", WIDE_MODEL_FORMAT),
    ("postings", POSTINGS_FORMAT),
    ("postings", WIDE_POSTINGS_FORMAT),
    ("`lexical.json`", LEXICAL_FORMAT),
    ("a folder of `DenseIndex.save`", FORMAT_VERSION),
    ("a folder of `TokenIndex.save`", TOKENS_FORMAT),
]


def rows() -> list[tuple[str, int, str, str]]:
    """(file, version, read since, compat) of each line of the table."""
    text = (ROOT / "docs" / "dev" / "versions.md").read_text("utf-8")
    lines = re.findall(r"^\| (.+?) \| (\d+) \| (\S+) \| (\S+) \|$", text, flags=re.MULTILINE)
    return [(file, int(version), since, golden) for file, version, since, golden in lines]


def read_by_the_code() -> set[tuple[str, int]]:
    found = set(CONSTANTS)
    for file, model in MODELS.items():
        found |= {(file, version) for version in get_args(model.model_fields["format_version"].annotation)}
    return found


def golden_versions(folder: Path, file: str) -> set[int]:
    """The format_versions of the files of this kind in a golden warehouse."""
    pattern, _, whose = file.strip("`").partition("` of a ")
    # Moves of a set and of a store have one name.
    if whose and not (folder / {"set": "parts.json", "store": "store.json"}[whose]).is_file():
        return set()
    files = folder.glob(pattern if "*" in pattern else f"**/{pattern}")
    loaded = [json.loads(path.read_text("utf-8")) for path in files]
    return {one["format_version"] for one in loaded if isinstance(one, dict) and "format_version" in one}


def goldens() -> list[Path]:
    return sorted(path for path in COMPAT.glob("format-*") if path.is_dir())


def test_each_version_that_is_read_stands_in_the_table_once() -> None:
    stated = [(file, version) for file, version, *_ in rows()]
    assert sorted(stated) == sorted(read_by_the_code())


@pytest.mark.parametrize(("file", "version", "since", "golden"), rows())
def test_a_line_is_proved_by_its_warehouse(file: str, version: int, since: str, golden: str) -> None:
    """The tests of compat/ open each golden warehouse, verify it and read its texts."""
    release = tuple(map(int, since.split(".")))
    assert release <= tuple(map(int, VERSION.split("."))) and f"[{since}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")
    holding = [folder.name for folder in goldens() if version in golden_versions(folder, file)]
    if golden == "none":
        assert not holding, f"{holding} holds {file} of version {version}; name it in docs/dev/versions.md"
    else:
        assert golden in holding, f"no {file} of version {version} in compat/{golden}"
        test = COMPAT / f"test_{golden.replace('-', '_')}.py"
        assert f'"{golden}"' in test.read_text("utf-8") and "verify()" in test.read_text("utf-8")


def test_every_golden_warehouse_is_named() -> None:
    assert goldens()
    assert {folder.name for folder in goldens()} <= {golden for *_, golden in rows()}
