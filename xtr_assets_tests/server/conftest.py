"""One warehouse and one running server for all tests that only ask."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from xtr_assets.search.searcher import Searcher
from xtr_assets_tests.fixtures import new_warehouse
from xtr_assets_tests.server.hostile import hostile_warehouse
from xtr_assets_tests.server.site import served, version


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("served") / "warehouse"
    new_warehouse(path, version(1))
    return path


@pytest.fixture(scope="session")
def url(folder: Path) -> Iterator[str]:
    with served({"docs": folder}) as address:
        yield address


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hostile") / "warehouse"
    hostile_warehouse(path)
    return path


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url) as opened:
        yield opened


@pytest.fixture(scope="session")
def local(folder: Path) -> Iterator[Searcher]:
    with Searcher(folder, device="cpu") as opened:
        yield opened
