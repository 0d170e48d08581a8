"""The searcher that steps of one process share: kept for a generation, and for no other of the same number."""

import shutil
from pathlib import Path

from xtr_assets.defs.resources import SearchResource
from xtr_assets_tests.fixtures import make_chunk, new_warehouse


def found(folder: Path) -> str:
    search = SearchResource(warehouse=str(folder), device="cpu")
    text = search.search("zebra", k=1, mode="lexical")[0].text
    search._release()
    return text


def test_a_warehouse_that_was_made_anew_answers_for_itself(tmp_path: Path) -> None:
    """It numbers its generations from 1 again: what was removed went on answering in a process that lives on."""
    for text in ("a zebra at noon", "a zebra at night"):
        new_warehouse(tmp_path / "w", [make_chunk("a.py", "a", text)])
        assert (found(tmp_path / "w"), found(tmp_path / "w")) == (text, text)
        shutil.rmtree(tmp_path / "w")
