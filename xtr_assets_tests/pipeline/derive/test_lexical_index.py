"""Postings of words: new segments only, resumed after a death, the same bytes whatever came before."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

import xtr_assets as xa
from xtr_assets.core.errors import CorruptFile
from xtr_assets.index.lexical.postings_writer import write_postings
from xtr_assets.pipeline.derive import lexical_index
from xtr_assets.pipeline.derive.lexical_index import LEXICAL_FOLDER, LexicalReport, derive_lexical
from xtr_assets.search.loaders import LEXICAL_FILE, LexicalIndexFile
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests import fixtures
from xtr_assets_tests.fixtures import drafted, make_chunk, new_warehouse, publish_chunks, session, write_shard

CHUNKS = [make_chunk(f"f{i}.py", f"s{i}", f"topic{i % 6} word{i}") for i in range(30)]


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return new_warehouse(tmp_path / "w", CHUNKS)


def next_draft(warehouse: Warehouse, patch: pytest.MonkeyPatch) -> Draft:
    """A draft over what the shards hold, its words not derived yet."""
    with patch.context() as before:
        before.setattr(fixtures, "derive_lexical", lambda _: None)
        return drafted(warehouse)


def folders(warehouse: Warehouse) -> dict[str, bytes]:
    """The bytes of every lexical folder."""
    root = warehouse.root / "segments"
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.glob("*/lexical.*/*"))}


def counts(report: LexicalReport) -> tuple[int, int, int]:
    return report.postings_written, report.postings_reused, report.rows


def test_words_of_new_segments_alone_are_counted(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    before = folders(warehouse)
    write_shard(warehouse, "code", [*CHUNKS[1:], make_chunk("new.py", "n", "brand new words")])
    report = derive_lexical(session(next_draft(warehouse, monkeypatch)))
    assert counts(report) == (1, 1, 1) and report.terms > 0 and report.bytes > 0
    assert {name: data for name, data in folders(warehouse).items() if name in before} == before
    assert counts(derive_lexical(session(next_draft(warehouse, monkeypatch)))) == (0, 2, 0)


def test_a_compaction_counts_what_it_writes_anew(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        publish_chunks(warehouse, [*CHUNKS, *(make_chunk(f"n{i}.py", "n", f"late {i}") for i in range(number + 1))])
    warehouse.compact(warehouse.plan_compaction())
    report = derive_lexical(session(next_draft(warehouse, monkeypatch)))
    assert report.postings_written == 1 and 1 <= report.rows <= 34


def test_a_step_that_died_is_resumed_and_leaves_nothing_of_its_own(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_shard(warehouse, "code", [*CHUNKS, make_chunk("a.py", "a", "one")])
    write_shard(warehouse, "more", [make_chunk("b.py", "b", "two")])
    draft = next_draft(warehouse, monkeypatch)
    original, calls = write_postings, list[Path]()

    def dies(folder: Path, documents: Iterable[Sequence[str]]) -> None:
        calls.append(folder)
        (folder / "left.tmp").write_text("half of something")
        if len(calls) == 2:
            raise OSError("no space left on device")
        (folder / "left.tmp").unlink()
        original(folder, documents)

    with monkeypatch.context() as patch:
        patch.setattr(lexical_index, "write_postings", dies)
        with pytest.raises(OSError, match="no space"):
            derive_lexical(session(draft))
    report = derive_lexical(session(warehouse.open_draft(draft.number)))
    assert (report.postings_written, report.postings_reused) == (1, 2)
    assert not any("left.tmp" in name for name in folders(warehouse))


def test_a_folder_that_lost_a_file_is_named_and_not_taken_for_whole(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    (documents,) = warehouse.root.glob(f"segments/*/{LEXICAL_FOLDER}/documents.npy")
    draft = next_draft(warehouse, monkeypatch)
    documents.unlink()
    with pytest.raises(CorruptFile, match=rf"{LEXICAL_FOLDER}/documents\.npy"):
        derive_lexical(session(draft))


def test_the_manifest_lists_hashes_and_the_description_names_every_segment(warehouse: Warehouse) -> None:
    published = warehouse.published
    assert published is not None
    described = LexicalIndexFile.from_bytes(published.path(LEXICAL_FILE).read_bytes())
    assert described.postings == {one.segment_id: LEXICAL_FOLDER for one in published.manifest.segments}
    listed = {name for name in published.manifest.files if f"/{LEXICAL_FOLDER}/" in name}
    on_disk = {p.relative_to(warehouse.root).as_posix() for p in warehouse.root.glob(f"segments/*/{LEXICAL_FOLDER}/*")}
    assert listed == on_disk and len(listed) == 8


@pytest.mark.parametrize("name", ["terms.npy", "counts.npy", "lengths.npy", "lexical.json", "files.json"])
def test_verify_names_a_flipped_byte(warehouse: Warehouse, name: str) -> None:
    (path,) = warehouse.root.glob(f"segments/*/{LEXICAL_FOLDER}/{name}")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    problems = warehouse.verify().problems
    assert any(f"{LEXICAL_FOLDER}/{name}" in str(one) for one in problems), problems


def test_an_export_holds_the_words_and_an_import_answers_by_them(warehouse: Warehouse, tmp_path: Path) -> None:
    warehouse.export(1, tmp_path / "out")
    other = Warehouse.create(tmp_path / "other")
    other.import_generation(tmp_path / "out")
    other.publish(1, force_reason="no gate in this test")
    assert other.verify().problems == ()
    with xa.open(tmp_path / "other", "cpu") as searcher:
        assert searcher.search("word17", 5, "lexical")[0].symbol == "s17"


def test_words_of_rules_that_nothing_reads_are_collected_and_unfinished_ones_too(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lexical_index, "LEXICAL_FOLDER", "lexical.0")
    publish_chunks(warehouse, [*CHUNKS, make_chunk("n.py", "n", "new")])
    monkeypatch.undo()
    publish_chunks(warehouse, [*CHUNKS, make_chunk("n.py", "n", "newer")])
    (first,) = (one for one in warehouse.segments() if one.rows == 30)
    assert first.has_folder("lexical.0") and first.has_folder(LEXICAL_FOLDER)
    first.staging("lexical.7").joinpath("half").write_text("half")
    report = warehouse.collect(1)
    assert not first.has_folder("lexical.0") and first.has_folder(LEXICAL_FOLDER)
    assert any("lexical.7" in name for name in report.removed) and warehouse.verify().problems == ()
    with xa.open(warehouse, "cpu") as searcher:
        assert [hit.symbol for hit in searcher.search("newer", 5, "lexical")] == ["n"]
