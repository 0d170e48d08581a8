"""The files of a segment's postings: the same bytes for the same documents, and damage that is named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xtr_assets.core.errors import CorruptFile, UnknownFormat, XtrAssetsError
from xtr_assets.core.search_options import SearchOptions
from xtr_assets.index.lexical import postings_writer
from xtr_assets.index.lexical.index import LexicalIndex, LexicalPart
from xtr_assets.index.lexical.postings import LEXICAL_ARRAYS, LEXICAL_FILE, open_postings
from xtr_assets.index.lexical.postings_writer import write_postings
from xtr_assets_tests.index.lexical.segments import SCANS, Scan

DOCUMENTS = [["b", "a", "b"], [], ["c", "a"], ["a", "a", "a"]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "lexical.1"
    folder.mkdir()
    write_postings(folder, DOCUMENTS)
    return folder


def test_the_arrays_are_those_of_the_format(folder: Path) -> None:
    postings = open_postings(folder, 4, verify="full")
    assert postings.terms.tobytes() == b"abc"
    assert postings.term_bounds.tolist() == [0, 1, 2, 3]
    assert postings.lists.tolist() == [0, 3, 4, 5]
    assert postings.documents.tolist() == [0, 2, 3, 0, 2]
    assert postings.counts.tolist() == [1, 1, 3, 2, 1]
    assert postings.lengths.tolist() == [3, 0, 2, 3]
    assert [postings.number_of(term) for term in (b"a", b"b", b"c", b"", b"aa", b"d")] == [0, 1, 2, -1, -1, -1]
    assert sorted(path.name for path in folder.iterdir()) == sorted([*LEXICAL_ARRAYS, LEXICAL_FILE])


@pytest.mark.parametrize("block", [1, 3, 10_000])
def test_blocks_change_no_byte(tmp_path: Path, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(1)
    documents = [[f"w{i}" for i in random.integers(0, 20, random.integers(0, 9))] for _ in range(200)]
    for name in ("whole", "blocks"):
        (tmp_path / name).mkdir()
    write_postings(tmp_path / "whole", documents)
    monkeypatch.setattr(postings_writer, "BLOCK_TERMS", block)
    write_postings(tmp_path / "blocks", iter(documents))
    open_postings(tmp_path / "blocks", 200, verify="full")
    for path in (tmp_path / "whole").iterdir():
        assert path.read_bytes() == (tmp_path / "blocks" / path.name).read_bytes(), path.name


def damaged(folder: Path, name: str, change: Callable[[Any], Any]) -> None:
    array = np.load(folder / f"{name}.npy")
    np.save(folder / f"{name}.npy", change(array))


def put(at: int, value: int) -> Callable[[Any], Any]:
    def change(array: Any) -> Any:
        array[at] = value
        return array

    return change


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("lists", put(1, 5)),
        ("lists", put(0, 1)),
        ("lists", put(3, 6)),
        ("lists", put(1, -(2**62))),
        ("lists", lambda array: array[:-1]),
        ("lists", lambda array: array.astype(np.int32)),
        ("term_bounds", put(2, 0)),
        ("term_bounds", put(3, 2**40)),
        ("terms", lambda array: array[:-1]),
        ("documents", lambda array: array[:-1]),
        ("counts", lambda array: array.reshape(1, -1)),
        ("lengths", lambda array: array[:-1]),
        ("lengths", put(2, -1)),
    ],
)
def test_bounds_that_lead_astray_are_refused_at_opening(folder: Path, name: str, change: Callable[[Any], Any]) -> None:
    damaged(folder, name, change)
    with pytest.raises(CorruptFile) as refused:
        open_postings(folder, 4)
    assert refused.value.path == f"lexical.1/{name}.npy"


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("documents", put(0, 4)),
        ("documents", put(4, -1)),
        ("documents", put(1, 0)),
        ("documents", put(2, 1)),
        ("counts", put(0, 0)),
        ("counts", put(0, 2)),
        ("lengths", put(1, 1)),
        ("terms", put(0, ord("b"))),
        ("terms", put(0, ord("z"))),
    ],
)
def test_a_full_check_finds_what_a_search_would_only_meet(
    folder: Path, name: str, change: Callable[[Any], Any]
) -> None:
    damaged(folder, name, change)
    open_postings(folder, 4)
    with pytest.raises(CorruptFile) as refused:
        open_postings(folder, 4, verify="full")
    # A count that is wrong shows in the length that it does not add up to.
    assert refused.value.path in {f"lexical.1/{name}.npy", "lexical.1/lengths.npy"}


@pytest.mark.parametrize("scan", SCANS)
@pytest.mark.parametrize("row", [4, -1, 2**31 - 1, -(2**31)])
def test_a_search_follows_no_row_out_of_its_segment(
    folder: Path, scan: Scan, row: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged(folder, "documents", put(3, row))
    monkeypatch.setattr("xtr_assets.index.lexical.index.list_scan", scan)
    for live in (np.ones(10, np.bool_), np.array([0, 0, 0, 1, 0, 1, 1, 0, 0, 0], np.bool_)):
        index = LexicalIndex([LexicalPart(3, open_postings(folder, 4))], live)
        assert index.answer([["a", "c"]], SearchOptions(k=3))[0].rows.tolist()
        with pytest.raises(CorruptFile) as refused:
            index.answer([["a", "b"]], SearchOptions(k=3))
        assert refused.value.path == "lexical.1/documents.npy"
        # What scores given rows compares row numbers and follows none.
        assert len(index.score(["a"], np.array([3, 4, 5, 6]))) == 4
        with pytest.raises(CorruptFile):
            index.stored_terms(np.array([3]))
        with pytest.raises(CorruptFile):
            index.matching(["b"])


@pytest.mark.parametrize(
    "change",
    [
        {"rows": 5},
        {"terms": -1},
        {"terms": 2},
        {"postings": "5"},
        {"bytes": True},
        {"bytes": 2**70},
        {"kind": "xtr-postings"},
        {"terms": None},
    ],
)
def test_a_description_that_does_not_fit_is_refused(folder: Path, change: dict[str, Any]) -> None:
    described = json.loads((folder / LEXICAL_FILE).read_text())
    (folder / LEXICAL_FILE).write_text(json.dumps({**described, **change}))
    with pytest.raises(CorruptFile, match=r"^lexical\.1/"):
        open_postings(folder, 4)


def test_another_format_is_refused_with_both_versions(folder: Path) -> None:
    described = json.loads((folder / LEXICAL_FILE).read_text())
    (folder / LEXICAL_FILE).write_text(json.dumps({**described, "format_version": 2}))
    with pytest.raises(UnknownFormat, match="format_version 2, this release reads 1"):
        open_postings(folder, 4)


@pytest.mark.parametrize("name", [*LEXICAL_ARRAYS, LEXICAL_FILE])
def test_a_file_that_is_gone_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(CorruptFile) as refused:
        open_postings(folder, 4)
    assert refused.value.path == f"lexical.1/{name}"


@pytest.mark.parametrize("scan", SCANS)
def test_any_changed_byte_is_an_error_that_says_so_or_other_scores(
    folder: Path, scan: Scan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever byte changes: no crash, and nothing but the package's own errors."""
    monkeypatch.setattr("xtr_assets.index.lexical.index.list_scan", scan)
    random = np.random.default_rng(11)
    outcomes = set()
    for path in sorted(folder.iterdir()):
        before = path.read_bytes()
        for at in random.integers(0, len(before), 40):
            changed = bytearray(before)
            changed[at] ^= int(random.integers(1, 256))
            path.write_bytes(changed)
            try:
                index = LexicalIndex([LexicalPart(0, open_postings(folder, 4))], np.array([1, 1, 1, 0], np.bool_))
                index.answer([["a", "b", "c"], ["c"]], SearchOptions(k=4))
                index.score(["a", "b"], np.arange(4))
                index.matching(["a"])
                index.stored_terms(np.arange(4))
                outcomes.add("answered")
            except XtrAssetsError as error:
                assert isinstance(error, CorruptFile | UnknownFormat), error
                outcomes.add("refused")
        path.write_bytes(before)
    assert outcomes == {"answered", "refused"}
