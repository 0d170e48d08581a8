"""An index of another release is not evolved: its centroids are trained anew, and the report says why."""

from pathlib import Path

import pytest

from xtr_assets.core.errors import UnknownFormat
from xtr_assets.index.late.centroids import TokenModel
from xtr_assets.pipeline.derive.token_index import derive_tokens
from xtr_assets.storage.draft import Draft
from xtr_assets_tests.fixtures import ENCODER, make_chunk, new_warehouse, session


def test_centroids_of_another_format_are_trained_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chunks = [make_chunk(f"f{i}.py", f"s{i}", f"topic{i % 6} word{i}") for i in range(30)]
    warehouse = new_warehouse(tmp_path / "w", chunks)
    parent, snapshot = warehouse.published, warehouse.snapshot("code")
    assert parent is not None and snapshot is not None
    versions = {"code": snapshot.data_version}

    def draft() -> Draft:
        return warehouse.draft("t", encoder=ENCODER.describe(), fingerprint=ENCODER.fingerprint, snapshots=versions)

    assert derive_tokens(session(draft())).how == "evolved"

    def refuse(folder: Path) -> TokenModel:
        raise UnknownFormat("model.json: format_version 1, this release reads 2")

    monkeypatch.setattr("xtr_assets.pipeline.derive.token_index.TokenModel.load", refuse)
    monkeypatch.setattr("xtr_assets.pipeline.derive.token_index._tune", lambda *_, **__: None)
    report = derive_tokens(session(draft()))
    assert report.how == "trained" and "format_version 1, this release reads 2" in report.reason
