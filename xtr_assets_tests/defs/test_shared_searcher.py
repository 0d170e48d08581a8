"""The searcher that steps of one process share: kept for a generation, and for no other of the same number."""

import shutil
from pathlib import Path

from xtr_assets.defs.resources import SearchResource
from xtr_assets_tests.fixtures import make_chunk, new_warehouse, publish


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


def test_what_was_published_before_is_let_go_once_no_step_uses_it(tmp_path: Path) -> None:
    """A sensor that searches runs in a process that lives on: no collection could remove what it had open."""
    warehouse = new_warehouse(tmp_path / "w", [make_chunk("a.py", "a", "a zebra at noon")])
    using, idle = (SearchResource(warehouse=str(warehouse.root), device="cpu") for _ in range(2))
    assert found(warehouse.root) and using.generation == 1
    publish(warehouse)
    assert idle.generation == 2
    idle._release()
    assert using.generation == 1 and warehouse.collect(keep=1).pinned == (1,)
    using._release()
    publish(warehouse)
    assert found(warehouse.root)
    assert warehouse.collect(keep=1).generations == (1, 2)
