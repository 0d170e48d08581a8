"""Moves of a set beyond the next one: a generation that must never serve again, an earlier move published anew, a copy
in a folder of its own, two moves compared."""

import shutil
from pathlib import Path

import pytest

from xtr_assets.core.errors import CorruptFile, GenerationError, InvalidInput, PublishRefused, StorageError
from xtr_assets.storage.content import SETTINGS_NOTE
from xtr_assets.storage.origin import SOURCES_NOTE
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets_tests.faults.dying import dying
from xtr_assets_tests.storage.sample import check, flip, write
from xtr_assets_tests.storage.test_part_set import build, light, served, template, two
from xtr_assets_tests.storage.test_set_store import moved

__all__ = ["template", "two"]


def test_what_is_withdrawn_leaves_the_set(two: PartSet) -> None:
    first = served(two)
    moved(two, "second")
    moved(two, "second", "b", "y")
    with pytest.raises(InvalidInput, match="needs a reason"):
        two.withdraw("a", 2, " ")
    now = two.withdraw("a", 2, "it was wrong")
    assert now is not None and now.number == 4 and served(two) == first
    assert two.moves()[-1].to == 1 and two.moves()[-1].reason == "generation 2 of part a is withdrawn: it was wrong"
    assert two.warehouse("a").generation(2).state == "withdrawn"
    # Of what does not serve nothing moves; twice is told.
    assert two.withdraw("b", 2, "neither") is not None and two.number == 4
    with pytest.raises(PublishRefused, match="was withdrawn"):
        two.withdraw("b", 2, "again")
    with pytest.raises(GenerationError, match="no earlier move can serve without it; publish another one of the part"):
        two.withdraw("a", 1, "and this")
    assert two.warehouse("a").generation(1).state == "published"


def test_the_same_content_under_another_number_leaves_the_set_with_it(two: PartSet) -> None:
    """A part that was built to the same again: what is wrong is what it holds."""
    moved(two, "second")
    moved(two, "third")
    build(two.warehouse("a"), "second", "x")
    two.publish()
    before = two.moves()[-1].parts["a"].generation
    assert two.withdraw("a", before, "wrong") is not None
    assert "x0 third" in served(two) and two.warehouse("a").generation(2).state == "withdrawn"


def test_what_an_earlier_release_made_of_what_is_withdrawn_leaves_the_set_too(two: PartSet) -> None:
    first, a = served(two), two.warehouse("a")
    moved(two, "second")
    write(a, {"x.py": [f"x{i} second" for i in range(3)]}, "x", source_fingerprint="v2")
    newer = light(a, notes={SOURCES_NOTE: "as configured"})
    check(newer)
    a.publish(newer.number)
    two.publish()
    two.withdraw("a", newer.number, "a secret")
    assert served(two) == first and two.moves()[-1].to == 1
    with pytest.raises(PublishRefused, match="part a: generation 2 was withdrawn"):
        two.publish(2, again_reason="of all parts")


def test_a_withdrawal_that_dies_is_done_again(two: PartSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = served(two)
    moved(two, "second")
    counted = PartSet.open(shutil.copytree(two.root, tmp_path / "counted"))
    with dying(monkeypatch, None) as life:
        counted.withdraw("a", 2, "wrong")
    after = set()
    for at in range(1, len(life.steps) + 1):
        here = PartSet.open(shutil.copytree(two.root, tmp_path / f"at{at}"))
        with dying(monkeypatch, at):
            here.withdraw("a", 2, "wrong")
        after.add(here.number)
        if here.number == 2:
            here.withdraw("a", 2, "wrong")
        assert served(here) == first and here.warehouse("a").generation(2).state == "withdrawn"
        assert here.verify(full=False).ok
        shutil.rmtree(here.root)
    assert after == {2, 3}


def test_an_earlier_move_is_published_anew(two: PartSet) -> None:
    first = served(two)
    moved(two, "second")
    second = served(two)
    assert two.publish(1, reason="the old ones").number == 3 and served(two) == first
    assert two.publish(3).number == 3
    two.rollback()
    assert served(two) == second
    two.rollback()
    assert served(two) == first
    with pytest.raises(PublishRefused, match="a rollback of the set took this back: part a: generation 2"):
        two.publish(2)
    two.publish(2, again_reason="it was right")
    assert served(two) == second and two.moves()[-1].again == "it was right"
    with pytest.raises(GenerationError, match="move 9 is unknown; there are 1 to 6"):
        two.publish(9)
    two.warehouse("a").rollback()
    two.warehouse("a").withdraw(2, "wrong")
    two.rollback(1)
    with pytest.raises(PublishRefused, match="part a: generation 2 was withdrawn"):
        two.publish(2, again_reason="still right")
    # The gate of the set is asked again: a part that was taken out since.
    build(two.add("c"), "first", "z")
    two.publish(again_reason="with c")
    two.remove("c")
    with pytest.raises(PublishRefused, match=r"part c: move .* names it, and it was taken out of the set since"):
        two.publish(1)
    two.publish(1, force_reason="c is gone", again_reason="as it was")
    assert served(two) == first


def test_what_a_rollback_took_off_comes_back_under_no_other_number(two: PartSet) -> None:
    """A full build, a compaction or another release makes a generation of its own of the same content."""
    first = served(two)
    moved(two, "second")
    second = served(two)
    two.rollback()
    build(two.warehouse("a"), "second", "x")
    with pytest.raises(PublishRefused, match="a rollback of the set took this back: part a: generation 3"):
        two.publish()
    assert served(two) == first
    two.publish(again_reason="it was right")
    # From then on it is like any other.
    build(two.warehouse("a"), "second", "x")
    two.publish()
    assert served(two) == second
    two.rollback()
    moved(two, "third")
    assert "x0 third" in served(two)


@pytest.mark.parametrize("step", [None, *range(1, 12)])
def test_a_move_that_names_a_part_which_was_taken_out_serves_again(
    two: PartSet, step: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole, or after a death at any step of it: the next one who publishes goes on, and says what is gone."""
    build(two.add("c"), "third", "z")
    two.publish()
    named = served(two)
    two.remove("c")
    without = two.publish(force_reason="c is gone").number
    with dying(monkeypatch, step):
        assert two.publish(without - 1, again_reason="as it was").number == without + 1
    opened = PartSet.open(two.root)
    if step is None:
        assert served(opened) == named
    opened.publish(force_reason="c is gone", again_reason="as it is")
    assert served(opened) != named and "c" not in opened.moves()[-1].parts
    assert set(opened.info.shards) and all(place.part in opened.info.parts for place in opened.info.shards.values())


def test_an_exported_set_serves_alone(two: PartSet, tmp_path: Path) -> None:
    first = served(two)
    moved(two, "second")
    build(two.warehouse("b"), "unseen", "y")
    copy = two.export(tmp_path / "copy")
    shutil.rmtree(shutil.copytree(two.root, tmp_path / "aside"))
    assert served(copy) == served(two) != first and copy.number == 2 and copy.moves() == two.moves()
    assert copy.verify().ok and copy.info.shards == two.info.shards
    copy.warehouse("a").collect(1)
    assert served(copy) == served(two)
    earlier = two.export(tmp_path / "earlier", 1)
    assert served(earlier) == first and earlier.number == 1 and earlier.verify().ok
    # It is a set like any other: built on, published, rolled back to what it has.
    moved(copy, "third")
    copy.rollback()
    assert served(copy) == served(two)
    with pytest.raises(StorageError, match="exists; export into a folder that does not"):
        two.export(tmp_path / "copy")
    with pytest.raises(GenerationError, match="nothing is published together"):
        PartSet.create(tmp_path / "empty").export(tmp_path / "none")


def test_an_export_of_what_is_damaged_or_withdrawn_leaves_nothing(two: PartSet, tmp_path: Path) -> None:
    moved(two, "second")
    two.warehouse("a").withdraw(2, "wrong")
    with pytest.raises(PublishRefused, match=r"part a: .*was withdrawn"):
        two.export(tmp_path / "copy")
    two.rollback()
    flip(next((two.layout.part("b") / "segments").rglob("chunks.arrow")), -1)
    with pytest.raises(CorruptFile, match="parts/b/"):
        two.export(tmp_path / "copy")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["set"]


def test_moves_are_compared_as_a_whole_and_by_part(two: PartSet) -> None:
    build(two.warehouse("a"), "second", "x")
    build(two.add("c"), "first", "z")
    two.publish()
    found = two.diff(1, 2)
    assert (len(found.changed), len(found.added), len(found.removed), found.kept) == (3, 3, 0, 3)
    assert found.parts["b"] is None and found.gained == {"c": 1} and not found.lost
    assert found.parts["a"] is not None and (found.parts["a"].before, found.parts["a"].after) == (1, 2)
    document = two.diff(2, 1).document()
    assert document["lost"] == {"c": 1} and document["removed"] == 3 and document["parts"]["a"]["changed"] == 3
    with pytest.raises(GenerationError, match="move 3 is unknown"):
        two.diff(1, 3)


def test_what_is_damaged_of_an_earlier_move_is_reported_and_not_raised(two: PartSet) -> None:
    moved(two, "second")
    layout = two.warehouse("a").layout
    flip(layout.manifest(1), 40)
    flip(two.warehouse("b").layout.generation(1) / "dense.faiss", 3)
    for number in (1, None):
        found = [one.path for one in two.verify(number).problems]
        assert "parts/a/generations/1/manifest.json" in found and "parts/b/generations/1/dense.faiss" in found
    for number in (0, 3):
        with pytest.raises(GenerationError, match=f"move {number} is unknown; there are 1 to 2"):
            two.verify(number)


def otherwise(parts: PartSet, said: str) -> int:
    """A generation of part a that is made from the files of what says this, by other settings."""
    warehouse = parts.warehouse("a")
    write(warehouse, {"x.py": [f"x{i} {said}" for i in range(3)]}, "x")
    made = light(warehouse, notes={SETTINGS_NOTE: {"recall": {"k": 50}}})
    check(made)
    return warehouse.publish(made.number).number


def test_what_is_withdrawn_with_its_files_leaves_the_set_by_other_settings_too(two: PartSet) -> None:
    first, a = served(two), two.warehouse("a")
    moved(two, "second")
    build(a, "third", "x")
    number = otherwise(two, "second")
    two.publish()
    two.withdraw("a", number, "a secret")
    assert served(two) == first and two.moves()[-1].to == 1
    with pytest.raises(PublishRefused, match=f"made from the same files as generation {number}"):
        a.publish(2)


def test_nothing_is_withdrawn_where_every_earlier_move_is_made_from_the_same_files(two: PartSet) -> None:
    a = two.warehouse("a")
    build(a, "third", "x")
    number = otherwise(two, "first")
    two.publish()
    with pytest.raises(GenerationError, match="no earlier move can serve without it"):
        two.withdraw("a", number, "a secret")
    assert a.generation(number).state == "published" and two.number == 2
    # What takes over in the part is made from the same: the settings alone are withdrawn.
    two.rollback()
    a.rollback(1)
    two.withdraw("a", number, "too slow")
    assert two.number == 3 and not a.history()[-1].files


def test_a_move_by_other_settings_of_what_is_withdrawn_leaves_the_set_with_it(two: PartSet) -> None:
    """The part went on: what serves in it is made from other files, what the set serves is not."""
    first, a = served(two), two.warehouse("a")
    moved(two, "second")
    number = otherwise(two, "second")
    build(a, "third", "x")
    two.withdraw("a", number, "a secret")
    assert served(two) == first
    a.rollback(1)
    with pytest.raises(GenerationError, match=f"made from the same files as generation {number}"):
        a.rollback(2)
