"""A warehouse of one generation, made once; tests get copies, which cost a few milliseconds."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from xtr_assets.storage.remote import upload
from xtr_assets.storage.remote.download import PullReport, head_of, pull
from xtr_assets.storage.remote.object_store import ObjectStore
from xtr_assets.storage.remote.upload import LocalState, PushReport
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.storage.remote.faulty import FolderBucket, store_over
from xtr_assets_tests.storage.sample import publish, write

CORPUS = {"a.py": ["f one", "g two"]}


@pytest.fixture(scope="session")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pushed") / "warehouse"
    made = Warehouse.create(folder)
    write(made, CORPUS)
    publish(made)
    return folder


@pytest.fixture
def host(_made: Path, tmp_path: Path) -> Callable[[str], Warehouse]:
    """A host by its name: a copy of the warehouse with generation 1."""

    def made(name: str) -> Warehouse:
        return Warehouse.open(shutil.copytree(_made, tmp_path / name))

    return made


@pytest.fixture
def bucket(tmp_path: Path) -> FolderBucket:
    return FolderBucket(tmp_path / "bucket")


@pytest.fixture
def store(bucket: FolderBucket) -> ObjectStore:
    return store_over(bucket)


def push_to(warehouse: Warehouse, store: ObjectStore, *, dry_run: bool = False) -> PushReport:
    return upload.push(warehouse.layout, LocalState.of(warehouse.layout), store, dry_run=dry_run, sleep=lambda s: None)


def pull_from(warehouse: Warehouse, store: ObjectStore, *, dry_run: bool = False) -> PullReport:
    with warehouse.lock("pull"):
        return pull(warehouse.layout, store, head_of(store), dry_run=dry_run)


def next_generation(warehouse: Warehouse, text: str) -> int:
    """Publish a generation that holds one text more."""
    write(warehouse, {**CORPUS, f"{text}.py": [f"{text} more"]})
    return publish(warehouse).number
