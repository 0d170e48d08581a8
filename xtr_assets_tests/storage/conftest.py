import os
from pathlib import Path

import pytest

from xtr_assets.storage.warehouse import Warehouse


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """That fsync is called where it must be is what faults/ tests; here it would only make hundreds of commits slow."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse.create(tmp_path / "warehouse")
