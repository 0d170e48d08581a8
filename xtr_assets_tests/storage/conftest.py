import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.storage.sample import Corpus, publish, write


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse.create(tmp_path / "warehouse")


Laid = Callable[..., Warehouse]


@pytest.fixture(scope="session")
def stock(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Warehouses that were made, by what was published in them; nobody changes them."""
    return {}


@pytest.fixture
def laid(stock: dict[str, Path], tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Laid:
    """A warehouse of the test's own in which these corpora were published, one after the other: a copy of one that the
    first who asked had made. To publish two takes 0.27 CPU s, to copy them 0.01."""

    def copied(*corpora: Corpus) -> Warehouse:
        key = json.dumps([{path: list(texts) for path, texts in corpus.items()} for corpus in corpora])
        if key not in stock:
            made = Warehouse.create(tmp_path_factory.mktemp("stock") / "warehouse")
            for corpus in corpora:
                write(made, corpus)
                publish(made)
            stock[key] = made.root
        return Warehouse.open(shutil.copytree(stock[key], tmp_path / "warehouse", dirs_exist_ok=True))

    return copied
