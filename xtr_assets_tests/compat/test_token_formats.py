"""Token models and postings of version 2 in the golden warehouses: made again, they are the same bytes."""

import json
from pathlib import Path

import numpy as np
import pytest

from xtr_assets.core.row_store import TokenPart
from xtr_assets.index.late.centroids import TokenModel
from xtr_assets.index.late.postings import write_postings

HERE = Path(__file__).parent
MODELS = sorted(path.parent for path in HERE.glob("format-*/models/*/model.json"))
POSTINGS = sorted(path.parent for path in HERE.glob("format-*/segments/*/postings.*/postings.json"))


def same_files(made: Path, kept: Path) -> None:
    """All but the list of the folder, which a warehouse writes."""
    names = {path.name for path in kept.iterdir()} - {"files.json"}
    assert {path.name for path in made.iterdir()} == names
    for name in names:
        assert (made / name).read_bytes() == (kept / name).read_bytes(), f"{kept.relative_to(HERE)}/{name}"


def test_there_are_some_to_hold_it_to() -> None:
    assert len(MODELS) >= 3 and len(POSTINGS) >= 6
    described = [json.loads((path / "postings.json").read_text()) for path in POSTINGS]
    described += [json.loads((path / "model.json").read_text()) for path in MODELS]
    assert {one["format_version"] for one in described} == {2}


@pytest.mark.parametrize("folder", MODELS, ids=lambda path: f"{path.parts[-3]}-{path.name}")
def test_a_model_is_written_as_it_was(folder: Path, tmp_path: Path) -> None:
    TokenModel.load(folder).write(tmp_path)
    same_files(tmp_path, folder)


@pytest.mark.parametrize("folder", POSTINGS, ids=lambda path: f"{path.parts[-4]}-{path.parts[-2]}-{path.name}")
def test_postings_are_written_as_they_were(folder: Path, tmp_path: Path) -> None:
    model = TokenModel.load(folder.parents[2] / "models" / folder.name.partition(".")[2])
    rows = json.loads((folder / "postings.json").read_text())["rows"]
    tokens = [path for path in folder.parent.glob("tokens.*") if np.load(path / "tokens.npy").shape[1] == model.dim]
    for one in tokens:
        codes, scales, offsets = (np.load(one / f"{name}.npy") for name in ("tokens", "scales", "offsets"))
        assert len(offsets) == rows + 1
        write_postings(model, TokenPart(0, codes, scales, offsets), tmp_path)
        same_files(tmp_path, folder)
    assert tokens
