"""Another encoder: encoded beside the old one, resumable, switched by one publish; going back encodes nothing."""

import shutil
from collections.abc import Sequence

import pytest

from xtr_assets.core.errors import XtrAssetsError
from xtr_assets.encoders.base import Encoded, Progress
from xtr_assets.encoders.hashing import Hashing
from xtr_assets.pipeline.ingest import encode_plan
from xtr_assets.search.searcher import Searcher
from xtr_assets_tests.defs.conftest import CONFIG, STDLIB, Project

QUESTION = "split text into lines of a given width"
OLD = CONFIG.format(name="small")
NEW = OLD.replace("kind: hashing", "kind: hashing, dim: 48, token_dim: 24")


def die_at(monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    """The encoder fails at its n-th block."""
    calls, real = [0], Hashing.encode_documents

    def mortal(self: Hashing, texts: Sequence[str], progress: Progress | None = None) -> Encoded:
        calls[0] += 1
        if calls[0] == call:
            raise MemoryError("no more")
        return real(self, texts, progress)

    monkeypatch.setattr(Hashing, "encode_documents", mortal)


def test_an_upgrade_that_died_goes_on_where_it_was_and_one_publish_switches(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encode_plan, "BLOCK_TEXTS", 8)
    rows = project.warehouse.generation(1).live_rows
    with Searcher(project.warehouse, "cpu") as reader:
        before = reader.search(QUESTION, 5)
        project.configure(NEW)
        with monkeypatch.context() as patch, pytest.raises(XtrAssetsError, match="no more"):
            die_at(patch, 3)
            project.build()
        assert project.published == 1
        assert reader.search(QUESTION, 5) == before
        assert [one.action for one in project.warehouse.history()] == ["published"]

        result = project.build()

        assert (result.built, result.published) == (2, True)
        assert "the encoder changed from" in result.reason
        assert result.costs["ingest.encode"]["resumed"] == 16
        # The first run has no report, it died; the two blocks it left are not encoded again.
        assert result.shards["modules"]["encoded"] == rows - 16
        assert [one.generation for one in project.warehouse.history()] == [1, 2]
        # Nothing is chunked anew, and the rows stay where they are.
        one, two = (project.warehouse.generation(number) for number in (1, 2))
        assert one.manifest.segments == two.manifest.segments
        assert (one.manifest.encoder.dim, two.manifest.encoder.dim) == (64, 48)
        # Who reads moves from one encoder to the other when it refreshes, not before.
        assert reader.search(QUESTION, 5) == before
        assert reader.refresh() == 2
        assert [hit.symbol for hit in reader.search(QUESTION, 5)] == project.top(QUESTION, 5)
    assert not project.warehouse.layout.staging_root.exists() or not any(
        project.warehouse.layout.staging_root.rglob("*.npz")
    )


@pytest.mark.long
def test_going_back_encodes_nothing(project: Project) -> None:
    answered = project.top(QUESTION)
    project.configure(NEW)
    assert project.build().published
    still = pytest.MonkeyPatch()
    die_at(still, 1)

    # By the pointer: it stays there, although the config still names the new encoder.
    project.warehouse.rollback()
    stayed = project.build()
    assert stayed.built is None
    assert "rolled back" in stayed.reason
    project.configure(OLD)
    assert "generation 1 serves and holds exactly this" in project.build().reason

    # By the config: what serves is the new encoder's, and the old one's vectors are still there.
    # Its checks alone encode.
    still.undo()
    project.warehouse.publish(2, again_reason="the new encoder after all")
    result = project.build()
    assert (result.built, result.published, result.shards) == (3, True, {})
    assert project.warehouse.generation(3).manifest.encoder.dim == 64
    assert project.top(QUESTION) == answered


def test_after_changes_going_back_encodes_only_what_changed(project: Project) -> None:
    project.configure(NEW)
    assert project.build().published
    shutil.copy(STDLIB / "glob.py", project.modules)
    changed = project.build().shards["modules"]
    project.configure(OLD)

    result = project.build()

    assert result.published
    assert 0 < result.shards["modules"]["encoded"] == changed["encoded"]
    # Collected once no kept generation uses them.
    old, new = project.warehouse.generation(1).fingerprint[:8], project.warehouse.generation(2).fingerprint[:8]
    project.warehouse.collect(keep=1)
    kept = {path.name.split(".")[1] for path in project.warehouse.layout.segments.glob("*/embeddings.*.npy")}
    assert kept == {old}
    assert new != old
