"""Faults between files of configuration, tables, markup, books or components and their rows: `source_agrees` refuses
each. A few here; all of them, with what would serve, in the long run (test_mutants.py)."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import pytest

from xtr_assets.pipeline.gate import source_agrees
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.ingest.scan import note_unchanged, scan, write_chunks
from xtr_assets.pipeline.plan.draft_session import DraftSession, end_session
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import ENCODER, encode
from xtr_assets_tests.long_cases import kept
from xtr_assets_tests.mutants.corpus import Corpus, write_corpus
from xtr_assets_tests.mutants.fault import Mutant
from xtr_assets_tests.mutants.places import components, markups, settings, tables, volumes

BY_NAME = {
    one.name: one
    for place in (settings, tables, markups, volumes, components)
    for one in place.MUTANTS
    if not one.equivalent
}
# The source that the files of a place lie in.
SOURCES = {"settings": "settings", "tables": "tables", "markup": "guide", "books": "guide", "components": "scripts"}
# Of those that were published before the second reading knew them, one of each kind.
CHOSEN = (
    "the outer keys are lost",
    "documents are called by their kind alone",
    "items of lists have no names",
    "what is inside of a key is not looked into",
    "comments go with what stands above",
    "tables within a text are tables",
    "what goes on behind a backslash begins anew",
    "variables of a makefile are targets",
    "recipes of a makefile are targets",
    "functions of CMake go on to the next",
    "entries of braces have no names",
    "a document of YAML is one text",
    "months and days of a sheet change places",
    "days of a sheet are numbers",
    "the first sheet is read",
    "tags of Org are words of a title",
    "anchors and comments belong to the section above",
    "two words of each paragraph of a book run together",
    "spaces that are elements are lost",
    "the script of a component is not parsed",
    "comments of .clj go with what stands above",
    "functions of more languages are classes",
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return write_corpus(tmp_path_factory.mktemp("kinds"), files="kinds")


def found_in(corpus: Corpus, names: Sequence[str], folder: Path, mutant: Mutant | None = None) -> Finding:
    """What the check says of some sources that were ingested with a fault, or with none."""
    sources = tuple(one for one in corpus.config.sources if one.name in names)
    config = corpus.config.model_copy(update={"sources": sources})
    warehouse = Warehouse.create(folder / "warehouse")
    with nullcontext() if mutant is None else mutant.plant(folder):
        scans = list(scan(warehouse, config))
        note_unchanged(warehouse, scans)
        for one in scans:
            write_chunks(warehouse, one, one.touched)
    for segment in warehouse.segments():
        encode(segment)
    snapshots = {name: held.data_version for name in warehouse.shards() if (held := warehouse.snapshot(name))}
    draft = warehouse.draft("run", encoder=ENCODER.describe(), fingerprint=ENCODER.fingerprint, snapshots=snapshots)
    try:
        return source_agrees.check(DraftSession(warehouse, draft, config))
    finally:
        end_session()


def test_nothing_planted_passes(corpus: Corpus, tmp_path: Path) -> None:
    found = found_in(corpus, ("settings", "tables", "guide", "scripts"), tmp_path)
    assert found.passed, found.summary
    assert not found.details["files_nameless"]


@pytest.mark.parametrize("name", kept(CHOSEN, CHOSEN[::3]))
def test_a_fault_is_refused(corpus: Corpus, tmp_path: Path, name: str) -> None:
    mutant = BY_NAME[name]
    assert not found_in(corpus, [SOURCES[mutant.place]], tmp_path, mutant).passed
