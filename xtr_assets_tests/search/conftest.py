"""One small warehouse for tests that only read: duplicates, two shards, languages, metadata, dead rows, a hole."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from xtr_assets.core.ids import chunk_id
from xtr_assets.core.types import Chunk
from xtr_assets.search import Searcher
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import drafted, make_chunk, publish, write_shard

SENTENCE = (
    "parse date zebra index search token vector graph list file path name read write open close lock thread queue "
    "event loop task future result error value key map set tree node edge weight score rank query filter"
)
WORDS = SENTENCE.split()


def texts(count: int, seed: int) -> list[str]:
    """Random sentences over a small vocabulary; every seventh is the one before it, word for word."""
    random = np.random.default_rng(seed)
    made: list[str] = []
    for i in range(count):
        if i % 7 == 6:
            made.append(made[-1])
        else:
            made.append(" ".join(random.choice(WORDS, random.integers(2, 25))))
    return made


def corpus() -> tuple[list[Chunk], list[Chunk]]:
    """(code, documents)"""
    code = [
        make_chunk(
            f"pkg{i % 5}/{'tests/' if i % 23 in (6, 11, 17) else ''}mod{i % 23}.{'rs' if i % 23 % 5 == 4 else 'py'}",
            f"f{i}",
            text,
            line=1 + i,
            kind=("function", "method")[i % 2],
        )
        for i, text in enumerate(texts(700, 1))
    ]
    documents = [
        make_chunk(
            f"guide/{i % 11}.md",
            f"section {i}",
            text,
            source="docs",
            kind="section",
            title=f"Guide > {i % 11}",
            metadata=f'{{"tags": ["t{i % 3}", "all"], "year": {2015 + i % 10}}}',
        )
        for i, text in enumerate(texts(300, 2))
    ]
    return code, documents


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """Two generations: the second has lost a file of the first, and its dense index lists four times four rows."""
    made = Warehouse.create(tmp_path_factory.mktemp("search") / "warehouse")
    code, documents = corpus()
    write_shard(made, "code", code)
    write_shard(made, "docs", documents)
    publish(made, recipe="IVF16,Flat")
    write_shard(made, "code", [chunk for chunk in code if chunk.path != "pkg3/mod3.py"])
    publish(made, recipe="IVF16,Flat")
    return made


@pytest.fixture(scope="session")
def searcher(warehouse: Warehouse) -> Iterator[Searcher]:
    with Searcher(warehouse, device="cpu") as opened:
        yield opened


# What `legs` is published with: unlike the standard in every number, so that a constant of the code shows.
PROFILE = {
    "candidates": 60,
    "weights": {"dense": 0.9, "name": 0.3, "xtr": 0.7, "lexical": 0.4},
    "length": 0.04,
    "symbol": 2.5,
    "alone": 0.03,
    "pooled": 0.4,
    "called": 1.2,
    "place": 7.0,
    "digits": 3.0,
    "beside": 1.1,
}

CURVE = {
    "version": 1,
    "weights": {"cosine": 3.0, "lead": 0.7},
    "bias": -4.0,
    "auc": 0.9,
    "error": 0.05,
    "held_out": 100,
}


def _shelf(file: int) -> str:
    return "tests/" if file % 9 == 1 else ""


@pytest.fixture(scope="session")
def legs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searcher]:
    """Code with names and documents without, in four parts a symbol, published with weights and a length term."""
    made = Warehouse.create(tmp_path_factory.mktemp("legs") / "warehouse")
    code, documents = corpus()
    parts = [
        replace(
            chunk,
            chunk_id=chunk_id(
                "code", path := f"pkg{i // 8 % 5}/{_shelf(i // 8)}mod{i // 8}.py", symbol := f"f{i // 4}", 0, i % 4
            ),
            path=path,
            symbol=symbol,
            part=i % 4,
        )
        for i, chunk in enumerate(code)
    ]
    write_shard(made, "code", parts)
    write_shard(made, "docs", documents)
    publish(made, recipe="IVF16,Flat")
    write_shard(made, "code", parts[24:])
    draft = drafted(made, recipe="IVF16,Flat", named=("code",))
    draft.set_profile("hybrid", PROFILE)
    draft.set_profile("confidence", CURVE)
    number = made.publish(draft.number, force_reason="these tests have no gate").number
    with Searcher(made, device="cpu", generation=number) as opened:
        yield opened


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "warehouse"
