"""A fault that is mended leaves nothing behind: what a refused draft brought is made anew, and what was found wrong in
it is looked at again."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from xtr_assets.defs.assets.embeddings import FORGOT_TAG
from xtr_assets.defs.context import AFRESH_TAG
from xtr_assets.encoders.hashing import Hashing
from xtr_assets.pipeline.derive import lexical_index
from xtr_assets.pipeline.gate import vectors_are_the_texts
from xtr_assets.pipeline.ingest import encode_blocks
from xtr_assets.pipeline.plan import after_refusal
from xtr_assets.pipeline.plan.after_refusal import encodings_refused, forget_encodings
from xtr_assets.telemetry.metrics import CHUNKS_ENCODED
from xtr_assets_tests.defs.conftest import STDLIB, Project
from xtr_assets_tests.defs.test_sensors import Daemon, definitions
from xtr_assets_tests.mutants.fault import locally, replaced
from xtr_assets_tests.mutants.places.encodings import embeddings

VECTORS = "vectors_are_the_texts"


def grow(project: Project) -> None:
    """A module comes: some twenty chunks."""
    shutil.copy(STDLIB / "shlex.py", project.modules)


def wrong_vectors(project: Project) -> int:
    """Live rows that serve with the embedding of another text."""
    generation = project.warehouse.published
    assert generation is not None
    table = generation.chunk_table(["title", "text"])
    texts = ["\n".join(filter(None, (row["title"], row["text"]))) for row in table.to_pylist()]
    true = Hashing(64, 32).encode_documents(texts).embeddings.astype(np.float32)
    stored = generation.vectors().gather(table["row"].to_numpy())
    return int((np.einsum("nd,nd->n", stored, true) < 0.99).sum())


def failed(project: Project) -> set[str]:
    result = project.build()
    assert not result.published
    return {one.name for one in result.failed if one.blocking}


def test_encodings_that_a_draft_was_refused_for_are_made_anew(project: Project) -> None:
    grow(project)
    with embeddings(lambda vectors: np.roll(vectors, 1, axis=0))(Path()):
        assert VECTORS in failed(project)
    served = project.warehouse.generation(1)
    kept = {name: (project.warehouse.layout.root / name).stat().st_ino for name in served.manifest.files}

    result = project.build()

    assert (result.published, result.failed, project.published) == (True, (), 3)
    assert wrong_vectors(project) == 0
    assert result.shards["modules"]["encoded"] > 10, "the texts of the refused draft, encoded again"
    there = {name: (project.warehouse.layout.root / name).stat().st_ino for name in kept}
    assert there == kept, "what serves is never touched"
    assert project.warehouse.verify().problems == (), "no draft names what is gone"
    # Nothing was refused since: nothing is forgotten.
    assert forget_encodings(project.warehouse) == []
    assert project.build().built is None


def test_a_run_that_a_sensor_asks_for_makes_them_anew_too(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody runs a command: the next change comes, and what it is built upon is encoded again."""
    daemon = Daemon(project)
    daemon.settle()
    grow(project)
    with embeddings(lambda vectors: np.roll(vectors, 1, axis=0))(Path()):
        assert daemon.settle() == (1, 1)
    assert project.published == 1 and encodings_refused(project.warehouse)
    with monkeypatch.context() as patch:
        # The run of another shard takes them away between two looks: who waits for the lock looks again.
        patch.setattr(after_refusal, "record", lambda path: path.with_name("gone").stat())
        assert encodings_refused(project.warehouse)
    shutil.copy(STDLIB / "bisect.py", project.modules / "more.py")
    assert daemon.settle() == (1, 1)
    assert project.published == 3 and wrong_vectors(project) == 0
    assert project.warehouse.verify().problems == () and not encodings_refused(project.warehouse)
    # Once for what serves: a fault that stays would have all of it encoded again at each change.
    told = [run.tags.get(FORGOT_TAG) for run in project.instance.get_runs()]
    assert [one.split()[2:] for one in told if one] == [[project.warehouse.info.created_at, "1"]]


def test_a_person_has_them_made_anew_once_more_by_a_run_that_takes_nothing_over(project: Project) -> None:
    daemon = Daemon(project)
    daemon.settle()
    grow(project)
    with embeddings(lambda vectors: np.roll(vectors, 1, axis=0))(Path()):
        assert daemon.settle() == (1, 1)
    ingest = definitions(project.config).resolve_job_def("ingest")
    asked = f"small {Hashing(64, 32).fingerprint[:16]} {project.warehouse.info.created_at} 1"
    project.instance.create_run_for_job(ingest, tags={FORGOT_TAG: asked})

    def run(tags: dict[str, str]) -> None:
        assert ingest.execute_in_process(instance=project.instance, partition_key="modules", tags=tags).success

    run({})
    assert encodings_refused(project.warehouse), "it was done once for what serves"
    run({AFRESH_TAG: "true"})
    assert not encodings_refused(project.warehouse)


@pytest.mark.long
def test_a_fault_that_stays_has_all_encoded_again_once_and_not_at_each_change(project: Project) -> None:
    daemon = Daemon(project)
    daemon.settle()
    grow(project)
    encoded = []
    with embeddings(lambda vectors: np.roll(vectors, 1, axis=0))(Path()):
        for name in ("", "one.py", "two.py"):
            if name:
                (project.modules / name).write_text(f'def {name[:3]}():\n    """Say {name}."""\n    return "{name}"\n')
            made = CHUNKS_ENCODED._value.get()
            assert daemon.settle() == (1, 1)
            encoded.append(CHUNKS_ENCODED._value.get() - made)
    assert encoded[0] > 10 and encoded[1] > encoded[0] and encoded[2] < 3
    assert project.published == 1 and encodings_refused(project.warehouse)
    assert project.build().published and wrong_vectors(project) == 0


def test_what_never_served_is_kept_where_a_draft_was_refused_for_something_else(project: Project) -> None:
    grow(project)
    with locally("pipeline.derive.exact_neighbors", "exact_dense", lambda real: lambda *a: _turned(real(*a)))(Path()):
        assert VECTORS not in failed(project)
    assert forget_encodings(project.warehouse) == []
    result = project.build()
    assert result.published and "modules" not in result.shards, "nothing is encoded twice"


def _turned(found: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return found[0][:, ::-1].copy(), found[1][:, ::-1].copy()


def test_words_that_a_draft_was_refused_for_are_counted_anew(project: Project) -> None:
    grow(project)
    real = lexical_index.terms_of
    with replaced("pipeline.derive.lexical_index:terms_of", lambda _: lambda one: [[], *list(real(one))[:-1]])(Path()):
        assert "lexical_agrees" in failed(project)
    result = project.build()
    assert result.published and "modules" not in result.shards, "nothing is encoded for that"
    assert project.warehouse.verify().problems == ()


@pytest.mark.long
def test_a_row_that_a_draft_was_refused_for_is_looked_at_again(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`rebuild` alone forgets nothing, and its sample may miss the row; the gate remembers it."""
    grow(project)
    real = encode_blocks.Block.of

    def first_wrong(encoded):  # type: ignore[no-untyped-def]
        encoded.embeddings[0] = -encoded.embeddings[0]
        return real(encoded)

    with monkeypatch.context() as patch:
        patch.setattr(encode_blocks.Block, "of", staticmethod(first_wrong))
        assert VECTORS in failed(project)
    with monkeypatch.context() as patch:
        patch.setattr("xtr_assets.defs.in_process.forget_encodings", lambda _: [])
        nothing = np.empty(0, np.int64)
        sample = vectors_are_the_texts.sample
        patch.setattr(vectors_are_the_texts, "sample", lambda *given: (nothing, sample(*given)[1]))
        for _ in range(2):
            assert VECTORS in failed(project)
    assert project.build().published
    assert wrong_vectors(project) == 0
