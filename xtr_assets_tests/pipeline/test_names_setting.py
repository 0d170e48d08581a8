"""Names switched on and off in a warehouse that lives: what is encoded, what is listed, what is built and why."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from xtr_assets.core.errors import CorruptFile, GenerationError
from xtr_assets.encoders.base import Encoded, Progress
from xtr_assets.encoders.hashing import Hashing
from xtr_assets.pipeline.plan import decide, index_settings
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.life import steps
from xtr_assets_tests.life.world import World, module, named, records
from xtr_assets_tests.long_cases import LONG


class Project:
    """Sources, their warehouse, and what the encoder was asked for."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.world = World(folder)
        self.world.write("code/a.py", module({"load": "red green", "save": "sun"}))
        self.world.write("notes/m.jsonl", records({"n": "moon and stars"}))
        self.warehouse = Warehouse.create(folder / "warehouse")
        self.seen: list[str] = []
        real = Hashing.encode_documents

        def counted(encoder: Hashing, texts: list[str], progress: Progress | None = None) -> Encoded:
            self.seen += texts
            return real(encoder, texts, progress)

        patch.setattr(Hashing, "encode_documents", counted)

    def ingested(self) -> list[str]:
        """What ingest had to encode now."""
        self.seen.clear()
        steps.ingest(self.warehouse, self.world.config)
        return sorted(self.seen)

    def built(self) -> tuple[Generation | None, str]:
        made = steps.build(self.warehouse, self.world.config, whole=LONG)
        return made.generation, made.reason

    def files(self, number: int) -> list[str]:
        return [name for name in self.warehouse.generation(number).manifest.files if "/names." in name]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    yield Project(tmp_path, monkeypatch)


NAMES = ["a load", "a save"]


def test_on_for_code_and_for_nothing_else(project: Project) -> None:
    assert [one for one in project.ingested() if one in NAMES] == NAMES
    generation, _ = project.built()
    assert generation is not None and len(project.files(1)) == 3 * len(
        [one for one in generation.manifest.segments if one.shard.startswith("code")]
    )
    names = generation.names()
    assert names is not None
    for row in generation.chunk_table(["source"]).to_pylist():
        assert names.gather(np.array([row["row"]])).any() == (row["source"] == "code")
    assert project.built() == (None, "generation 1 serves and holds exactly this")


def test_switched_on_off_and_on_again(project: Project) -> None:
    project.world.names = False
    project.built()
    assert project.warehouse.generation(1).names() is None and project.files(1) == []
    assert not list(project.warehouse.layout.segments.rglob("names.*"))

    project.world.names = True
    assert project.ingested() == NAMES, "names alone: no text is encoded again"
    generation, reason = project.built()
    assert generation is not None and "names" in reason
    assert len(named(project.warehouse, 2)) == 4
    assert generation.manifest.segments == project.warehouse.generation(1).manifest.segments

    project.world.names = False
    generation, reason = project.built()
    assert generation is not None and "names" in reason and generation.names() is None
    assert project.files(3) == []

    # They lie on in the segments for whoever switches them on again.
    project.warehouse.collect(1)
    project.world.names = True
    assert project.ingested() == []
    project.built()
    assert len(project.files(4)) > 0 and project.warehouse.verify().ok


def test_a_warehouse_of_an_earlier_release_gets_names_with_the_next_build(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(index_settings, "names_setting", lambda _: {})
        project.world.names = False
        project.built()
    project.world.names = True
    assert "names" not in project.warehouse.generation(1).manifest.notes["settings"]

    assert project.ingested() == NAMES
    generation, reason = project.built()

    assert generation is not None and "new in this release" in reason
    assert len(project.files(2)) > 0 and project.files(1) == []


def test_what_was_rolled_back_before_names_came_is_not_built_for_them(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(index_settings, "names_setting", lambda _: {})
        earlier.setattr(decide, "named_shards", lambda _: {})
        project.world.names = False
        project.built()
        project.world.write("code/a.py", module({"load": "one two three"}))
        project.built()
        project.warehouse.rollback()
    project.world.names = True

    generation, reason = project.built()

    assert generation is None and "rolled back" in reason, "names are a default: the content is what was rolled back"


def test_names_that_are_not_those_of_a_generation_are_not_served(project: Project) -> None:
    project.built()
    generation = project.warehouse.generation(1)
    (path, *_) = sorted(project.warehouse.layout.segments.rglob("vectors.npy"))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert [one.path.rpartition("/")[2] for one in project.warehouse.verify().problems] == ["vectors.npy"]
    path.write_bytes(data[:-2])
    with pytest.raises(CorruptFile, match=r"vectors\.npy"):
        generation.names()


def test_export_and_import_carry_names(project: Project, tmp_path: Path) -> None:
    project.built()
    project.warehouse.export(1, tmp_path / "export")
    target = Warehouse.create(tmp_path / "target")
    target.import_generation(tmp_path / "export")
    assert named(target, 1) == named(project.warehouse, 1) != {}
    assert target.verify().ok


def test_a_rollback_serves_the_names_of_before_a_rename(project: Project) -> None:
    project.built()
    before = named(project.warehouse, 1)
    project.world.write("code/b.py", project.world.files["code/a.py"])
    project.world.write("code/a.py", None)
    assert project.ingested() == ["b load", "b save"]
    project.built()
    assert not set(named(project.warehouse, 2).values()) & {one for one in before.values() if any(one)}
    project.warehouse.rollback()
    assert project.warehouse.published is not None and named(project.warehouse, 1) == before


def test_compaction_copies_names_and_collection_removes_them_with_their_encoder(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xtr_assets.core.compaction.TIER_SEGMENTS", 2)
    for place in range(3):
        project.world.write(f"code/c{place}.py", module({f"f{place}": "red blue"}))
        project.built()
    before = named(project.warehouse, 3)
    project.seen.clear()
    with monkeypatch.context() as patch:
        patch.setattr("xtr_assets.pipeline.ingest.encode.names_writer", _refused)
        assert steps.compact(project.warehouse, project.world.config).generation is not None
    assert named(project.warehouse, 4) == before
    project.world.dim = 24
    project.built()
    old = project.warehouse.generation(4).fingerprint[:8]
    assert list(project.warehouse.layout.segments.rglob(f"names.{old}.*"))
    project.warehouse.collect(1)
    assert not list(project.warehouse.layout.segments.rglob(f"names.{old}.*"))
    assert len(named(project.warehouse, 5)) == len(before) and project.warehouse.verify().ok


def _refused(*_: object) -> None:
    raise GenerationError("nothing is encoded here")
