import json
import os
import shutil
import stat
from pathlib import Path

import numpy as np
import pytest

from xtr_assets.core.errors import CorruptFile, UnknownFormat
from xtr_assets.index import TokenIndex
from xtr_assets.index.late.options import SearchProfile
from xtr_assets_tests.index.late.token_corpus import TokenCorpus, make_corpus


@pytest.fixture(scope="module")
def corpus() -> TokenCorpus:
    return make_corpus(80, length=8)


@pytest.fixture
def folder(tmp_path: Path, corpus: TokenCorpus) -> Path:
    index = TokenIndex.build(corpus.tokens, corpus.offsets, profile=SearchProfile(nprobe=5))
    index.add(corpus.document(3), np.array([0, len(corpus.document(3))]))
    index.remove([1])
    index.save(tmp_path / "index")
    return tmp_path / "index"


def files_of(folder: Path) -> dict[str, int]:
    return {p.relative_to(folder).as_posix(): p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("mmap", [True, False])
def test_a_loaded_index_searches_as_the_one_that_was_saved(folder: Path, corpus: TokenCorpus, mmap: bool) -> None:
    index = TokenIndex.load(folder, mmap=mmap, verify="full")
    fresh = TokenIndex.build(corpus.tokens, corpus.offsets)
    fresh.add(corpus.document(3), np.array([0, len(corpus.document(3))]))
    fresh.remove([1])
    assert index.profile.nprobe == 5 and len(index) == 80 and index.segments == 2
    for query in corpus.queries:
        for one, other in zip(index.search(query, 6), fresh.search(query, 6), strict=True):
            np.testing.assert_array_equal(one, other)


def test_every_file_is_listed_and_no_path_is_absolute(folder: Path) -> None:
    described = json.loads((folder / "tokens.json").read_text())
    assert {*described["files"], "tokens.json"} == set(files_of(folder))
    moved = folder.parent / "elsewhere"
    shutil.move(folder, moved)
    assert len(TokenIndex.load(moved, verify="full")) == 80


def test_a_profile_of_a_later_release_is_refused_by_what_it_sets(folder: Path) -> None:
    described = json.loads((folder / "tokens.json").read_text())
    for phases in (0, 2):
        later = {**described, "profile": {**described["profile"], "phases": phases}}
        (folder / "tokens.json").write_text(json.dumps(later))
        if not phases:
            assert TokenIndex.load(folder).profile.nprobe == 5
    with pytest.raises(UnknownFormat, match=r"profile of .* sets phases.*release that wrote it"):
        TokenIndex.load(folder)


@pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o700), (0o022, 0o755), (0o002, 0o775)])
def test_folders_are_as_the_umask_says(tmp_path: Path, corpus: TokenCorpus, umask: int, mode: int) -> None:
    index = TokenIndex.build(corpus.tokens, corpus.offsets)
    before = os.umask(umask)
    try:
        index.save(tmp_path / "index")
    finally:
        os.umask(before)
    made = [path for path in (tmp_path / "index").rglob("*") if path.is_dir()]
    assert made and {stat.S_IMODE(path.stat().st_mode) for path in made} == {mode}


def test_saving_again_writes_only_what_is_new(folder: Path, corpus: TokenCorpus) -> None:
    before = files_of(folder)
    index = TokenIndex.load(folder)
    index.add(corpus.tokens[:5], np.array([0, 5]))
    index.remove([2])
    index.save(folder)
    after = files_of(folder)
    kept = {name for name in before if not name.startswith(("live.", "tokens.json"))}
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    assert sum(name.startswith("live.") for name in after) == 1
    loaded = TokenIndex.load(folder, verify="full")
    assert loaded.segments == 3 and len(loaded) == 80 and not loaded.live[[1, 2]].any()


def test_a_mask_that_a_crash_cut_short_is_written_again(folder: Path) -> None:
    index = TokenIndex.load(folder)
    index.remove([7, 9])
    live = next(folder.glob("live.*.npy"))
    index.save(folder)
    (new,) = folder.glob("live.*.npy")
    assert new != live
    # As a process leaves it that ends while it writes, before tokens.json names it.
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / new.name).write_bytes(b"\x93NUMPY")
    index.save(folder)
    assert np.array_equal(TokenIndex.load(folder, verify="full").live, index.live)


def test_a_compacted_index_leaves_no_old_file_behind(folder: Path) -> None:
    index = TokenIndex.load(folder, mmap=False)
    index.compact()
    index.save(folder)
    assert set(files_of(folder)) == {*json.loads((folder / "tokens.json").read_text())["files"], "tokens.json"}
    assert TokenIndex.load(folder, verify="full").segments == 1


def test_any_altered_byte_is_found_in_full_and_named(folder: Path) -> None:
    for name in json.loads((folder / "tokens.json").read_text())["files"]:
        path = folder / name
        data = path.read_bytes()
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        with pytest.raises(CorruptFile, match=name):
            TokenIndex.load(folder, verify="full")
        path.write_bytes(data)
    TokenIndex.load(folder, verify="full")


def test_a_truncated_or_missing_file_is_refused_at_opening(folder: Path) -> None:
    for name in json.loads((folder / "tokens.json").read_text())["files"]:
        path = folder / name
        data = path.read_bytes()
        path.write_bytes(data[:-1])
        with pytest.raises(CorruptFile, match=name):
            TokenIndex.load(folder)
        path.unlink()
        with pytest.raises(CorruptFile, match=name):
            TokenIndex.load(folder)
        path.write_bytes(data)


def test_altered_offsets_never_reach_a_search(folder: Path) -> None:
    path = next(folder.glob("segments/*/offsets.npy"))
    offsets = np.load(path)
    offsets[1] = 1 << 40
    np.save(path, offsets)
    with pytest.raises(CorruptFile, match=r"offsets\.npy"):
        TokenIndex.load(folder)


def test_a_newer_format_is_refused_with_both_versions(folder: Path) -> None:
    path = folder / "tokens.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format_version": 7}))
    with pytest.raises(UnknownFormat, match="format_version 7, this release reads 1"):
        TokenIndex.load(folder)


def test_an_empty_folder_is_no_index(tmp_path: Path) -> None:
    with pytest.raises(CorruptFile, match=r"tokens\.json: expected a JSON file"):
        TokenIndex.load(tmp_path)


def test_reset_goes_back_to_what_it_was_opened_with(tmp_path: Path) -> None:
    corpus = make_corpus(40)
    index = TokenIndex.build(corpus.tokens, corpus.offsets, profile=SearchProfile(nprobe=5))
    index.apply("nprobe=9,rescore=60")
    index.save(tmp_path / "index")
    assert index.reset() == SearchProfile(nprobe=5) == index.profile
    with TokenIndex.load(tmp_path / "index", "cpu") as opened:
        kept = opened.profile
        assert (kept.nprobe, kept.rescore) == (9, 60)
        opened.apply("nprobe=2")
        assert opened.reset() == kept == opened.profile
