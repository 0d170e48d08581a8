"""A set in an object store, where one thing crosses another: a rollback and a push, a collection and a mirror, a part
that went on by itself, two hosts at once."""

import json
import random
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Barrier

import pytest

from xtr_assets.core.errors import (
    CorruptFile,
    GenerationError,
    PublishRefused,
    StoreConflict,
    StoreError,
    UnknownFormat,
)
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets.storage.parts.set_garbage import collect_part_store, collect_set_store
from xtr_assets.storage.parts.set_mirror import mirror_set
from xtr_assets.storage.parts.set_pull import pull_set
from xtr_assets.storage.parts.set_push import LocalSet, push_set
from xtr_assets.storage.parts.set_store import SetPush, SetStore
from xtr_assets.storage.remote import store_garbage
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.storage.remote.faulty import FolderBucket, store_over
from xtr_assets_tests.storage.remote.test_store_kills import killed
from xtr_assets_tests.storage.sample import write
from xtr_assets_tests.storage.test_part_set import build, light, served, template, two
from xtr_assets_tests.storage.test_set_store import deadly, moved, push, store, texts_of

__all__ = ["template", "two"]


@pytest.fixture
def behind(two: PartSet, tmp_path: Path) -> tuple[PartSet, SetStore]:
    """A set that was rolled back to a generation of part a which never served in the part's store."""
    moved(two, "second")
    to = store(tmp_path / "store")
    push(two, to)
    two.rollback()
    return two, to


def test_a_set_goes_back_to_what_its_store_never_served(behind: tuple[PartSet, SetStore], tmp_path: Path) -> None:
    two, to = behind
    planned = push_set(two, LocalSet.of(two), to, dry_run=True)
    assert planned.dry_run and planned.files > 0
    assert push(two, to) == 2 and push(two, to) == 2
    assert to.wanted().push.format_version == 2
    # Whoever follows the part alone sees what it saw before.
    head = to.part_last("a")
    assert head is not None and head.move.serving == 2 and set(head.move.generations) == {1, 2}
    pull_set(tmp_path / "pulled", to)
    pulled = PartSet.open(tmp_path / "pulled")
    assert served(pulled) == served(two) and "x0 first" in served(pulled) and pulled.verify().ok
    # It is built on there as here: the part went on, and the next one follows that.
    assert texts_of(pulled, "a") == texts_of(two, "a")
    moved(pulled, "third")
    assert push(pulled, to) == 3 and to.wanted().push.format_version == 1
    assert pull_set(two.root, to).moved and served(two) == served(pulled) and "x0 third" in served(two)


def test_a_host_of_one_part_takes_what_lies_beside(behind: tuple[PartSet, SetStore], tmp_path: Path) -> None:
    two, to = behind
    push(two, to)
    pull_set(tmp_path / "host", to, ["a"])
    host = PartSet.open(tmp_path / "host").warehouse("a")
    assert host.published is not None and host.published.number == 1
    assert [one.number for one in host.generations()] == [1] and host.verify().ok
    # It follows; what the part served meanwhile need not come.
    moved(two, "third")
    push(two, to)
    pull_set(tmp_path / "host", to, ["a"])
    assert host.published is not None and host.published.number == 3 and host.verify().ok
    host.collect(1)
    two.rollback(1)
    push(two, to)
    pull_set(tmp_path / "host", to, ["a"])
    assert [one.number for one in host.generations()] == [1, 3]


def test_a_release_that_reads_no_such_push_says_so(behind: tuple[PartSet, SetStore]) -> None:
    two, to = behind
    push(two, to)
    document = json.loads(to.wanted().push.to_bytes())
    with pytest.raises(UnknownFormat, match="format_version 3, this release reads 1 and 2"):
        SetPush.from_bytes(json.dumps({**document, "format_version": 3}).encode(), "pushes/00000002.json")


def test_what_the_store_withdrew_is_not_brought_beside(behind: tuple[PartSet, SetStore], tmp_path: Path) -> None:
    two, to = behind
    other = PartSet.open(shutil.copytree(two.root, tmp_path / "other")).warehouse("a")
    other.withdraw(1, "wrong all along")
    other.push(tmp_path / "store" / "parts" / "a")
    with pytest.raises(PublishRefused, match=r"part a: generation 1 was withdrawn in .*xtr-assets pull"):
        push(two, to)
    assert to.wanted().last.number == 2


def test_a_collection_keeps_what_the_set_names(behind: tuple[PartSet, SetStore], tmp_path: Path) -> None:
    two, to = behind
    push(two, to)
    report = collect_set_store(to, 1, grace_hours=0)["a"]
    assert report.named == (1,) and report.kept == (1, 2)
    pull_set(tmp_path / "pulled", to)
    assert served(PartSet.open(tmp_path / "pulled")) == served(two)
    # By the address of the part it is the same.
    assert Warehouse.collect_store(tmp_path / "store" / "parts" / "a", 1, grace_hours=0).named == (1,)
    for said in ("third", "fourth", "fifth"):
        moved(two, said)
    push(two, to)
    assert Warehouse.collect_store(tmp_path / "store" / "parts" / "a", 1, grace_hours=0).generations == (1, 2)


def test_what_was_collected_is_pushed_again(behind: tuple[PartSet, SetStore], tmp_path: Path) -> None:
    """By somebody who knows nothing of sets; and a pull of what is gone says who can help."""
    two, to = behind
    push(two, to)
    store_garbage.collect_store(to.part_store("a"), 1, grace_hours=0)
    with pytest.raises(GenerationError, match=r"part a: generation 1 was collected in .*push again from a host"):
        pull_set(tmp_path / "pulled", to)
    assert PartSet.open(tmp_path / "pulled").published is None
    two.warehouse("a").rollback()
    moved(two, "other", "b", "y")
    push(two, to)
    pull_set(tmp_path / "pulled", to)
    assert served(PartSet.open(tmp_path / "pulled")) == served(two)


@pytest.mark.parametrize("back", [1, 1, None])
def test_of_two_hosts_that_push_at_once_one_wins(
    behind: tuple[PartSet, SetStore], tmp_path: Path, back: int | None
) -> None:
    """Both went on in one part, each its own way, and back, or not: the store has the moves of one of them, whole."""
    two, to = behind
    hosts = [PartSet.open(shutil.copytree(two.root, tmp_path / name)) for name in ("one", "other")]
    for host in hosts:
        moved(host, f"by {host.root.name}")
        if back is not None:
            host.rollback(back)
    barrier, won = Barrier(2), []

    def work(host: PartSet) -> None:
        barrier.wait()
        with suppress(StoreConflict):
            push(host, store(tmp_path / "store"))
            won.append(host)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, hosts))
    assert len(won) == 1
    pull_set(tmp_path / "pulled", to)
    pulled = PartSet.open(tmp_path / "pulled")
    assert pulled.moves() == won[0].moves() and served(pulled) == served(won[0]) and pulled.verify().ok


class Watched(FolderBucket):
    """Does something once, right before an object of this prefix is written."""

    def __init__(self, root: Path, prefix: str, then: Callable[[], object]) -> None:
        super().__init__(root)
        self.prefix, self.then = prefix, [then]

    def create(self, name: str, data: bytes) -> bool:
        if name.startswith(self.prefix) and self.then:
            self.then.pop()()
        return super().create(name, data)


def test_a_collection_beside_a_push_takes_nothing_that_it_names(
    behind: tuple[PartSet, SetStore], tmp_path: Path
) -> None:
    two, to = behind
    root = tmp_path / "store"

    # Between the parts and the push: the push has let the collection know what it is about to name.
    def collect() -> None:
        report = collect_part_store(store(root), "a", 1, grace_hours=0)
        assert report.kept == (1, 2) and report.leased == (1,)

    push(two, SetStore(store_over(Watched(root, "pushes/", collect)), to.part_store))
    pull_set(tmp_path / "first", to)
    assert served(PartSet.open(tmp_path / "first")) == served(two)

    # The push ends between the look of a collection and its first removal: what was to go stays.
    for said in ("third", "fourth", "fifth"):
        moved(two, said)
        push(two, to)

    def go_back() -> None:
        two.rollback(1)
        push(two, store(root))

    watched = SetStore(to.root, lambda name: store_over(Watched(root / "parts" / name, "moves/", go_back)))
    report = collect_part_store(watched, "a", 1, grace_hours=0)
    assert two.number == 7 and report.kept == (1, 5) and 2 in report.generations
    pull_set(tmp_path / "second", to)
    assert served(PartSet.open(tmp_path / "second")) == served(two) and "x0 first" in served(two)


def test_a_host_that_died_before_its_push_holds_nobody_up(two: PartSet, tmp_path: Path) -> None:
    """It moved the part's store, and the set's push never came: who pulls anew goes on from there."""
    to = store(tmp_path / "store")
    push(two, to)
    other = PartSet.open(shutil.copytree(two.root, tmp_path / "other"))
    moved(other, "theirs")
    other.warehouse("a").push(tmp_path / "store" / "parts" / "a")
    moved(two, "mine")
    with pytest.raises(StoreConflict, match=r"went different ways.*Pull into a new folder"):
        push(two, to)
    pull_set(tmp_path / "anew", to)
    anew = PartSet.open(tmp_path / "anew")
    assert served(anew) != served(two) and "x0 theirs" in texts_of(anew, "a")
    moved(anew, "mine")
    assert push(anew, to) == 2


def test_what_does_not_serve_is_no_reason_to_refuse_a_pull(
    two: PartSet, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A draft here has the number that a part's store went on with, or the part went another way by itself."""
    to = store(tmp_path / "store")
    push(two, to)
    here = PartSet.open(shutil.copytree(two.root, tmp_path / "here"))
    other = PartSet.open(shutil.copytree(two.root, tmp_path / "other"))
    write(here.warehouse("a"), {"x.py": ["x0 a draft"]}, "x")
    draft = light(here.warehouse("a"))
    build(other.warehouse("a"), "mine", "x")
    build(two.warehouse("a"), "second", "x")
    two.warehouse("a").push(tmp_path / "store" / "parts" / "a")
    moved_b = PartSet.open(shutil.copytree(two.root, tmp_path / "b"))
    moved_b.warehouse("a").rollback()
    moved(moved_b, "new", "b", "y")
    push(moved_b, to)
    pull_set(here.root, to)
    assert f"generation {draft.number} of the store was made elsewhere" in caplog.text
    pull_set(other.root, to)
    assert served(here) == served(other) == served(moved_b) and "x0 mine" in texts_of(other, "a")


def test_a_mirror_is_pulled_as_its_source_is(behind: tuple[PartSet, SetStore], tmp_path: Path) -> None:
    two, to = behind
    push(two, to)
    copy = store(tmp_path / "copy")
    planned = mirror_set(to, SetStore.at(tmp_path / "copy", "empty"), dry_run=True)
    assert planned.dry_run and planned.files > 10 and not (tmp_path / "copy" / "store.json").exists()
    report = mirror_set(to, copy)
    assert (report.move, report.pushes, report.parts) == (3, 2, ("a", "b")) and report.files > 10
    assert mirror_set(to, copy).files == 0
    pull_set(tmp_path / "pulled", copy)
    assert served(PartSet.open(tmp_path / "pulled")) == served(two)
    with pytest.raises(StoreError, match="is a mirror of the store"):
        push(two, copy)
    for said in ("third", "fourth", "fifth"):
        moved(two, said)
    push(two, to)
    collect_set_store(to, 1, grace_hours=0)
    gone = mirror_set(to, copy, grace_hours=0)
    assert gone.removed > 0 and served(PartSet.open(tmp_path / "pulled")) != served(two)
    pull_set(tmp_path / "pulled", copy)
    assert served(PartSet.open(tmp_path / "pulled")) == served(two)
    other = store(tmp_path / "other")
    push(PartSet.open(shutil.copytree(two.root, tmp_path / "another")), other)
    with pytest.raises(StoreError, match="mirror of the store"):
        mirror_set(other, copy)


def test_a_push_during_a_mirror_is_copied_with_it(two: PartSet, tmp_path: Path) -> None:
    to, copy = store(tmp_path / "store"), tmp_path / "copy"
    push(two, to)
    mirror_set(to, store(copy))

    def meanwhile() -> None:
        moved(two, "meanwhile")
        push(two, store(tmp_path / "store"))

    moved(two, "second")
    push(two, to)
    watched = SetStore(store_over(Watched(copy, "files/", meanwhile)), store(copy).part_store)
    assert mirror_set(to, watched).pushes == 2
    pull_set(tmp_path / "pulled", store(copy))
    assert served(PartSet.open(tmp_path / "pulled")) == served(two) and "x0 meanwhile" in served(two)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_pushes_after_a_rollback_that_are_killed_go_on(behind: tuple[PartSet, SetStore], tmp_path: Path) -> None:
    two, to = behind
    chance = random.Random(5)
    assert sum(killed(partial(push, two, deadly(tmp_path / "store", chance.randrange(1, 25)))) for _ in range(6)) >= 3
    assert to.wanted().last.number in (2, 3)
    push(two, to)
    pull_set(tmp_path / "pulled", to)
    assert served(PartSet.open(tmp_path / "pulled")) == served(two)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_mirrors_that_are_killed_leave_the_old_or_the_new(two: PartSet, tmp_path: Path) -> None:
    to, copy, chance, deaths = store(tmp_path / "store"), tmp_path / "copy", random.Random(3), 0
    push(two, to)
    mirror_set(to, store(copy))
    for said in ("second", "third"):
        before = served(two)
        moved(two, said)
        push(two, to)
        for _ in range(4):
            deaths += killed(partial(mirror_set, to, deadly(copy, chance.randrange(1, 20))))
            pull_set(tmp_path / "seen", store(copy))
            assert served(PartSet.open(tmp_path / "seen")) in (before, served(two))
        mirror_set(to, store(copy))
        pull_set(tmp_path / "seen", store(copy))
        assert served(PartSet.open(tmp_path / "seen")) == served(two)
    assert deaths >= 4


def test_nothing_goes_from_a_mirror_that_its_last_push_names(two: PartSet, tmp_path: Path) -> None:
    """Neither before the next push is there, nor after, where the source went on and was collected meanwhile."""
    root, copy = tmp_path / "store", tmp_path / "copy"
    push(two, store(root))
    mirror_set(store(root), store(copy))

    def go_on() -> None:
        """What served so far is no move that a rollback of the last three goes to."""
        for said in ("one more", "two more", "three more"):
            moved(two, f"{said} after {two.number}")
        push(two, store(root))
        collect_set_store(store(root), 1, grace_hours=0)

    class Died(Exception):
        pass

    def die() -> None:
        raise Died

    for meanwhile in (die, go_on):
        go_on()
        before = served(PartSet.open(tmp_path / "seen")) if (tmp_path / "seen").exists() else None
        watched = SetStore(store_over(Watched(copy, "pushes/", meanwhile)), store(copy).part_store)
        with suppress(Died):
            mirror_set(store(root), watched, grace_hours=0)
        # From nothing: all that the last push of the mirror names is there.
        shutil.rmtree(tmp_path / "seen", ignore_errors=True)
        pull_set(tmp_path / "seen", store(copy))
        assert PartSet.open(tmp_path / "seen").verify().ok and served(PartSet.open(tmp_path / "seen")) != before
    mirror_set(store(root), store(copy), grace_hours=0)
    pull_set(tmp_path / "seen", store(copy))
    assert served(PartSet.open(tmp_path / "seen")) == served(two)


@pytest.mark.parametrize("place", ["pushes/00000001.json", "parts/a/moves/00000001.json"])
def test_a_damaged_store_is_not_mirrored(two: PartSet, tmp_path: Path, place: str) -> None:
    to = store(tmp_path / "store")
    push(two, to)
    path = tmp_path / "store" / place
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(CorruptFile):
        mirror_set(to, store(tmp_path / "copy"))
    assert not (tmp_path / "copy" / "pushes").exists()
