"""A set of parts in an object store: what is pushed is what is pulled, whoever dies or races."""

import random
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import xtr_assets as xa
from xtr_assets.core.errors import (
    CorruptFile,
    PublishRefused,
    StorageError,
    StoreConflict,
    StoreError,
    WarehouseNotFound,
)
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.parts import set_pull, set_push
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets.storage.parts.pins import pinned_by_moves
from xtr_assets.storage.parts.set_pull import pull_set
from xtr_assets.storage.parts.set_push import LocalSet, push_set
from xtr_assets.storage.parts.set_store import SetStore
from xtr_assets.storage.remote import upload
from xtr_assets.storage.remote.object_store import file_name
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.faults.dying import dying
from xtr_assets_tests.storage.remote.faulty import FolderBucket, store_over
from xtr_assets_tests.storage.remote.test_store_kills import Deadly, killed
from xtr_assets_tests.storage.sample import texts
from xtr_assets_tests.storage.test_part_set import build, served, template, two

__all__ = ["template", "two"]
Bucket = Callable[[Path], FolderBucket]


def store(root: Path, bucket: Bucket = FolderBucket) -> SetStore:
    return SetStore(store_over(bucket(root)), lambda part: store_over(bucket(root / "parts" / part)))


def push(parts: PartSet, to: SetStore) -> int:
    return push_set(parts, LocalSet.of(parts), to, sleep=lambda _: None).push


def texts_of(parts: PartSet, part: str) -> list[str]:
    published = parts.warehouse(part).published
    assert published is not None
    return texts(published)


def moved(parts: PartSet, said: str, part: str = "a", shard: str = "x") -> int:
    build(parts.warehouse(part), said, shard)
    return parts.publish().number


def test_a_pulled_set_is_the_pushed_one(two: PartSet, tmp_path: Path) -> None:
    place, here = tmp_path / "store", tmp_path / "pulled"
    with pytest.raises(WarehouseNotFound, match="no set of parts at"):
        (tmp_path / "none").mkdir()
        PartSet.pull(here, tmp_path / "none")
    assert not here.exists()
    planned = two.push(place, dry_run=True)
    assert planned.dry_run and planned.files > 10 and not place.exists()
    report = two.push(f"file://{place}")
    assert (report.move, report.push, report.moved) == (1, 1, True)
    # What two parts have in common is sent once.
    assert 0 < report.files <= planned.files
    assert not two.push(place).moved
    came = PartSet.pull(here, place)
    assert (came.move, came.moved, came.parts) == (1, True, ("a", "b")) and came.files >= report.files
    pulled = PartSet.open(here)
    assert served(pulled) == served(two) and pulled.verify().ok
    assert pulled.info == two.info and pulled.moves() == two.moves()
    assert pinned_by_moves(pulled.warehouse("a").layout) == {1}
    assert not PartSet.pull(here, place).moved

    # A part that went on by itself: the set's own generation is what goes, and what comes.
    first = served(two)
    build(two.warehouse("a"), "unseen", "x")
    moved(two, "seen", "b", "y")
    build(two.warehouse("b"), "not yet", "y")
    assert two.push(place).files > 0
    assert PartSet.pull(here, place).move == 2 and served(pulled) == served(two)
    assert "x0 unseen" in served(two) and "y0 not yet" not in served(pulled)
    two.rollback()
    assert two.push(place).files == 0 and PartSet.pull(here, place).move == 3
    assert served(pulled) == served(two) == first and pulled.verify().ok
    # What was pulled is built on and pushed back.
    build(pulled.warehouse("a"), "from there", "x")
    pulled.publish(again_reason="part b was right")
    assert PartSet.pull(here, place).ahead == 1
    assert pulled.push(place).moved and PartSet.pull(two.root, place).moved
    assert served(two) == served(pulled) and "x0 from there" in served(two)
    PartSet.open(here).warehouse("a").collect(1)
    assert served(pulled) == served(two)


def test_one_address_holds_a_set_or_a_warehouse(two: PartSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads there would stay with what came first, and nobody would be told."""
    of_set, of_one = tmp_path / "set store", tmp_path / "one store"
    alone = two.warehouse("a")
    two.push(of_set)
    for dry_run in (True, False):
        with pytest.raises(StoreConflict, match="holds a set of parts, and this is one warehouse"):
            alone.push(of_set, dry_run=dry_run)
    monkeypatch.setenv("XTR_ASSETS_CACHE", str(tmp_path / "cache"))
    with pytest.raises(WarehouseNotFound, match="holds a set of parts, which is not read in place; `xtr-assets pull`"):
        xa.open(f"file://{of_set}")
    with pytest.raises(WarehouseNotFound, match="holds a set of parts"):
        Warehouse.create(tmp_path / "pulled").pull(of_set)
    alone.push(of_one)
    for dry_run in (True, False):
        with pytest.raises(StoreConflict, match=r"holds one warehouse \(.*\), and this is a set of parts"):
            two.push(of_one, dry_run=dry_run)
    # A part's own store stays the place of a warehouse.
    assert not alone.push(of_set / "parts" / "a").moved


def test_what_was_planned_here_outlives_a_pull(two: PartSet, tmp_path: Path) -> None:
    """A shard told to go to another part, one that was placed and a part that was added: no move says so yet."""
    place, here = tmp_path / "store", tmp_path / "pulled"
    two.push(place)
    PartSet.pull(here, place)
    pulled = PartSet.open(here)
    assert pulled.reassign("x", "b") == "a"
    pulled.add("c")
    (new,) = pulled.place({"z": 5}).values()
    PartSet.pull(here, place)
    moved(two, "from there", "b", "y")
    two.push(place)
    PartSet.pull(here, place)
    told = PartSet.open(here).info
    assert told.moved == two.info.moved and told.parts == ("a", "b", "c")
    assert {shard: one.part for shard, one in told.shards.items()} == {"x": "b", "y": "b", "z": new}
    # What its makers placed otherwise meanwhile is as they have it, and what is served is no plan.
    two.reassign("x", "d")
    build(two.warehouse("d"), "moved", "x")
    shutil.rmtree(two.warehouse("a").layout.shards / "x")
    build(two.warehouse("a"), "left", "w")
    two.publish()
    two.push(place)
    PartSet.pull(here, place)
    told = PartSet.open(here).info
    assert told.shards["x"].part == "d" and told.shards["z"].part == new and told.parts == ("a", "b", "d", "c")


def test_a_host_of_one_part_and_a_front_take_what_they_need(two: PartSet, tmp_path: Path) -> None:
    two.push(tmp_path / "store")
    front = PartSet.pull(tmp_path / "front", tmp_path / "store", parts=[])
    assert front.parts == () and front.files == 0
    assert PartSet.open(tmp_path / "front").moves() == two.moves()
    PartSet.pull(tmp_path / "host", tmp_path / "store", parts=["b"])
    host = PartSet.open(tmp_path / "host")
    published = host.warehouse("b").published
    assert published is not None and published.number == 1 and not host.layout.part("a").exists()
    with pytest.raises(StoreConflict, match="has no part c; there are a, b"):
        PartSet.pull(tmp_path / "host", tmp_path / "store", parts=["c"])


def test_parts_that_the_last_move_does_not_name_come_too(two: PartSet, tmp_path: Path) -> None:
    """Of a set that was rolled back behind a part: whoever pulls it builds on, as its makers do."""
    build(two.add("c"), "first", "z")
    two.publish()
    two.push(tmp_path / "store")
    two.rollback()
    two.add("d")
    two.push(tmp_path / "store")
    assert set(two.moves()[-1].parts) == {"a", "b"}
    PartSet.pull(tmp_path / "pulled", tmp_path / "store")
    pulled = PartSet.open(tmp_path / "pulled")
    assert pulled.verify().ok
    assert texts_of(pulled, "c") == texts_of(two, "c") and pulled.warehouse("d").published is None
    # Nothing is taken from what was built here meanwhile.
    build(pulled.warehouse("c"), "here", "z")
    PartSet.pull(tmp_path / "pulled", tmp_path / "store")
    assert "z0 here" in texts_of(pulled, "c")


def test_a_collection_takes_nothing_of_a_set_that_comes(
    two: PartSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The set was rolled back behind a part, which serves the later generation as soon as that is here."""
    build(two.warehouse("a"), "second", "x")
    two.publish()
    two.push(tmp_path / "store")
    two.rollback()
    two.push(tmp_path / "store")
    real = set_pull._go_on

    def then_a_collection(folder: Path, given: SetStore, part: str) -> tuple[int, int]:
        came = real(folder, given, part)
        Warehouse.open(folder).collect(1)
        return came

    monkeypatch.setattr(set_pull, "_go_on", then_a_collection)
    pull_set(tmp_path / "pulled", store(tmp_path / "store"))
    pulled = PartSet.open(tmp_path / "pulled")
    assert served(pulled) == served(two) and pinned_by_moves(pulled.warehouse("a").layout) == {1}
    assert pulled.warehouse("a").collect(1).kept == (1, 2)


def test_a_publish_during_a_pull_wins_and_the_set_is_read_on(
    two: PartSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pull takes hours. parts.json named the store's move afterwards, and nobody could read the set any more."""
    place, here, bring = tmp_path / "store", tmp_path / "pulled", set_pull._bring
    two.push(place)
    PartSet.pull(here, place)
    pulled = PartSet.open(here)
    moved(two, "theirs")
    two.push(place)

    def beside(*given: Any) -> tuple[int, int]:
        monkeypatch.setattr(set_pull, "_bring", bring)
        came = bring(*given)
        moved(pulled, "ours", "b", "y")
        return came

    monkeypatch.setattr(set_pull, "_bring", beside)
    with pytest.raises(StoreConflict, match=r"different ways. There: move 2 .* Here: move 2 "):
        PartSet.pull(here, place)
    assert pulled.number == 2 and "y0 ours" in served(pulled) and pulled.verify().ok


def test_what_a_part_withdrew_is_not_pushed_by_the_set(two: PartSet, tmp_path: Path) -> None:
    build(two.warehouse("a"), "second", "x")
    two.publish()
    two.warehouse("a").withdraw(2, "wrong")
    with pytest.raises(PublishRefused, match=r"part a: generation 2 was withdrawn .*`xtr-assets parts rollback`"):
        two.push(tmp_path / "store")
    two.rollback()
    assert two.push(tmp_path / "store").moved


def test_what_is_withdrawn_while_a_set_is_pushed_does_not_serve_in_its_store(
    two: PartSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A push takes hours. Of a part that had gone there before nobody asked again."""
    place = tmp_path / "store"
    two.push(place)
    build(two.warehouse("a"), "secret", "x")
    moved(two, "more", "b", "y")

    def beside(layout: Layout, *given: Any, **named: Any) -> upload.PushReport:
        report = upload.push(layout, *given, **named)
        if layout.root.name == "b":
            two.withdraw("a", 2, "a password")
        return report

    with monkeypatch.context() as patch:
        patch.setattr(set_push, "push", beside)
        with pytest.raises(PublishRefused, match="part a: generation 2 was withdrawn"):
            two.push(place)
    PartSet.pull(tmp_path / "here", place)
    assert "x0 secret" not in served(PartSet.open(tmp_path / "here"))


def test_a_part_that_died_while_it_noted_something_is_pushed(two: PartSet, tmp_path: Path) -> None:
    """A torn last line is no entry, for the part's readers and for the set's push."""
    with two.warehouse("a").layout.history.open("ab") as file:
        file.write(b'{"torn')
    assert push(two, store(tmp_path / "store")) == 1


def test_a_push_of_a_set_sends_anew_what_its_store_lost(two: PartSet, tmp_path: Path) -> None:
    """A rule of the bucket took objects that the pushes name. Who pulls is told to push: the same push brings them."""
    to = store(tmp_path / "store")
    moved(two, "second")
    push(two, to)
    state, last = LocalSet.of(two), to.wanted().push
    head = to.part_store("a").head()
    assert head is not None
    files = two.warehouse("a").generation(2).manifest.files
    of_rows = next(one for name, one in files.items() if name.startswith("segments/"))
    of_part, of_set = tmp_path / "store" / "parts" / "a", tmp_path / "store"
    for at, lost, count in (
        (of_part, of_rows, 1),
        (of_part, head.move.generations[2], 0),
        (of_part, head.move.history, 0),
        (of_part, head.move.info, 0),
        (of_set, last.moves[0], 0),
        (of_set, last.info, 0),
    ):
        FolderBucket(at).path(file_name(lost)).unlink()
        with pytest.raises(CorruptFile, match="`xtr-assets push` from a warehouse that has it"):
            pull_set(tmp_path / f"not {lost.sha256}", to)
        if at == of_set:
            with pytest.raises(StoreError, match="`xtr-assets push` sends it anew"):
                push_set(two, state, to, dry_run=True)
        else:
            planned = push_set(two, state, to, dry_run=True)
            assert (planned.moved, planned.files) == (False, count)
        assert not FolderBucket(at).path(file_name(lost)).exists(), "who plans writes nothing"
        report = push_set(two, state, to)
        assert (report.moved, report.push, report.files) == (False, 1, count)
        pull_set(pulled := tmp_path / lost.sha256, to)
        assert served(PartSet.open(pulled)) == served(two)


def test_what_was_withdrawn_since_is_not_sent_anew(two: PartSet, tmp_path: Path) -> None:
    """A part took it back, and somebody removed it from the bucket: the next push brought it there again."""
    to = store(tmp_path / "store")
    moved(two, "second")
    push(two, to)
    two.warehouse("a").withdraw(2, "a secret")
    assert push(two, to) == 1, "nothing is new, and nothing is lost"
    rows = next(one for name, one in two.warehouse("a").generation(2).manifest.files.items() if "segments/" in name)
    lost = FolderBucket(tmp_path / "store" / "parts" / "a").path(file_name(rows))
    lost.unlink()
    with pytest.raises(PublishRefused, match=r"part a: generation 2 was withdrawn .*`xtr-assets parts rollback`"):
        push(two, to)
    assert not lost.exists()


def test_of_two_hosts_that_push_one_wins_and_the_other_is_told(two: PartSet, tmp_path: Path) -> None:
    to = store(tmp_path / "store")
    push(two, to)
    other = PartSet.open(shutil.copytree(two.root, tmp_path / "other"))
    moved(two, "mine")
    moved(other, "theirs", "b", "y")
    assert push(other, to) == 2
    with pytest.raises(StoreConflict, match=r"different ways. There: move 2 .* by push 2 .*Whoever pushed first won"):
        push(two, to)
    with pytest.raises(StoreConflict, match="different ways"):
        pull_set(two.root, to)
    late = PartSet.open(shutil.copytree(other.root, tmp_path / "late"))
    moved(other, "more", "b", "y")
    assert push(other, to) == 3
    with pytest.raises(StoreConflict, match="is ahead of this set: move 3"):
        push(late, to)
    assert pull_set(late.root, to).move == 3 and served(late) == served(other)


@pytest.mark.parametrize("place", ["pushes/00000001.json", "moves", "parts/a/moves/00000001.json"])
def test_what_is_damaged_in_the_store_never_serves(two: PartSet, tmp_path: Path, place: str) -> None:
    to, here = store(tmp_path / "store"), tmp_path / "pulled"
    push(two, to)
    pull_set(here, to)
    moved(two, "second")
    push(two, to)
    root = tmp_path / "store"
    if place == "moves":
        last = LocalSet.of(two).records[-1].sha256
        path = root / "files" / last[:2] / last
    else:
        path = root / place.replace("00000001", "00000002")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises((CorruptFile, StorageError)):
        pull_set(here, to)
    assert PartSet.open(here).number == 1 and PartSet.open(here).verify().ok


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_pushes_that_are_killed_leave_the_old_or_the_new(two: PartSet, tmp_path: Path) -> None:
    root, chance, deaths = tmp_path / "store", random.Random(7), 0
    push(two, store(root))
    for said in ("second", "third"):
        number = moved(two, said)
        for _ in range(4):
            deaths += killed(partial(push, two, deadly(root, chance.randrange(1, 25))))
            assert store(root).wanted().last.number in (number, number - 1)
        push(two, store(root))
        assert store(root).wanted().last.number == number
    pull_set(tmp_path / "b", store(root))
    assert deaths >= 6 and served(PartSet.open(tmp_path / "b")) == served(two)


def test_pulls_that_die_leave_the_old_or_the_new(two: PartSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At many durable steps, most of them of the last ones, over three moves of which two were never pushed."""
    to = store(tmp_path / "store")
    push(two, to)
    pull_set(tmp_path / "b", to)
    before = served(two)
    moved(two, "between", "b", "y")
    moved(two, "again", "b", "y")
    moved(two, "second")
    after = served(two)
    push(two, to)
    counted = shutil.copytree(tmp_path / "b", tmp_path / "counted")
    with dying(monkeypatch, None) as life:
        pull_set(counted, to)
    total, seen = len(life.steps), set()
    for at in (5, total // 2, *range(total - 24, total - 12, 4), *range(total - 12, total + 1)):
        here = shutil.copytree(tmp_path / "b", tmp_path / f"b{at}")
        with dying(monkeypatch, at) as life:
            pull_set(here, to)
        assert life.dead
        opened = PartSet.open(here)
        found = served(opened)
        assert found in (before, after)
        assert opened.moves()[-1].number == opened.number, (
            f"died at step {at}: a move before the one that serves is gone"
        )
        seen.add(found == after)
        pull_set(here, to)
        assert served(PartSet.open(here)) == after and PartSet.open(here).moves() == two.moves()
        assert PartSet.open(here).verify(full=False).ok
        shutil.rmtree(here)
    assert seen == {False, True}


def deadly(root: Path, at: int) -> SetStore:
    return store(root, lambda path: Deadly(path, at))
