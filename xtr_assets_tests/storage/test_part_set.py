"""A set of parts: one move publishes all of them or nothing, whatever a part, a disk or another writer does."""

import errno
import os
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest

from xtr_assets.core import files
from xtr_assets.core.errors import (
    CorruptFile,
    GenerationError,
    InvalidInput,
    LinkRefused,
    PublishRefused,
    StorageError,
    UnknownFormat,
    WarehouseLocked,
    WarehouseNotFound,
)
from xtr_assets.core.types import VectorKind
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.lock import exclusive
from xtr_assets.storage.manifest import RequiredCheck
from xtr_assets.storage.parts import part_gate, part_set, part_set_writer
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets.storage.parts.pins import pin_for_moves, pinned_by_moves
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.storage.sample import ENCODER, FINGERPRINT, REQUIRED, check, encode, flip, texts, write

OTHER = "7b" * 32


def light(
    warehouse: Warehouse,
    fingerprint: str = FINGERPRINT,
    required: Sequence[RequiredCheck] = REQUIRED,
    notes: Mapping[str, Any] | None = None,
) -> Draft:
    """A draft of what the shards hold now, without catalog and id map, which no reader of a set opens."""
    versions = {}
    for shard in warehouse.shards():
        snapshot = warehouse.snapshot(shard)
        assert snapshot is not None
        versions[shard] = snapshot.data_version
        for one in snapshot.segments:
            if not warehouse.segment(one.segment_id).has_vectors(VectorKind(fingerprint)):
                encode(warehouse.segment(one.segment_id), fingerprint)
    made = warehouse.draft(
        "run", encoder=ENCODER, fingerprint=fingerprint, snapshots=versions, required=required, notes=notes
    )
    for name in ("dense.faiss", "xtr/index.json"):
        with made.writing(name) as path:
            path.write_bytes(b"an index of rows " + bytes(range(64)))
    return made


def build(
    warehouse: Warehouse,
    said: str,
    shard: str,
    *,
    passed: bool = True,
    fingerprint: str | None = None,
    blend: object = None,
) -> Generation:
    """Publish a generation in which the shard says this, past the gate where it did not pass."""
    write(warehouse, {f"{shard}.py": [f"{shard}{i} {said}" for i in range(3)]}, shard)
    made = light(warehouse, fingerprint or FINGERPRINT, () if fingerprint else REQUIRED)
    if blend is not None:
        made.set_profile("hybrid", blend)
    check(made, passed)
    if passed and fingerprint is None and blend is None:
        return warehouse.publish(made.number)
    return warehouse.publish(made.number, force_reason="a test")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two parts, each with a generation that passed, published by one move."""
    made = PartSet.create(tmp_path_factory.mktemp("template") / "set")
    build(made.add("a"), "first", "x")
    build(made.add("b"), "first", "y")
    made.publish(who="somebody", reason="the first")
    return made.root


@pytest.fixture
def two(template: Path, tmp_path: Path) -> PartSet:
    shutil.copytree(template, tmp_path / "set")
    return PartSet.open(tmp_path / "set")


def served(parts: PartSet) -> list[str]:
    published = parts.published
    assert published is not None
    return texts(published)


def test_a_move_names_every_part_and_a_part_by_itself_moves_nothing(two: PartSet) -> None:
    before = served(two)
    assert before == [f"{shard}{i} first" for shard in "xy" for i in range(3)]
    (move,) = two.moves()
    assert (move.number, move.who, move.reason, move.live_rows) == (1, "somebody", "the first", 6)
    assert {name: (part.generation, part.shards) for name, part in move.parts.items()} == {
        "a": (1, ("x",)),
        "b": (1, ("y",)),
    }
    build(two.warehouse("a"), "second", "x")
    build(two.add("c"), "first", "z")
    assert served(two) == before and two.number == 1
    assert two.publish().number == 2
    assert served(two) == [f"x{i} second" for i in range(3)] + [f"{s}{i} first" for s in "yz" for i in range(3)]
    # The same again is no move.
    assert two.publish().number == 2 and len(two.moves()) == 2


def test_a_rollback_is_a_move_and_what_it_took_back_needs_a_word(two: PartSet) -> None:
    first = served(two)
    build(two.warehouse("a"), "second", "x")
    build(two.add("c"), "first", "z")
    two.publish()
    assert two.rollback(reason="worse").number == 3
    assert served(two) == first and two.moves()[-1].to == 1
    with pytest.raises(PublishRefused, match=r"part a: generation 2, move 3 \(rolled back on .*publish it again"):
        two.publish()
    with pytest.raises(InvalidInput, match="again needs a reason"):
        two.publish(again_reason=" ")
    assert two.publish(again_reason="it was the weather").number == 4
    assert two.moves()[-1].again == "it was the weather"
    assert two.rollback(1).number == 5
    with pytest.raises(GenerationError, match="no earlier move can serve"):
        two.rollback()
    with pytest.raises(GenerationError, match=r"move 2 is none that a rollback goes to; there are: none"):
        two.rollback(2)
    # Another generation of the part is not what was taken back.
    build(two.warehouse("a"), "third", "x")
    two.remove("c")
    assert two.publish().number == 6 and "x0 third" in served(two)


def test_a_named_generation_outlives_collections_of_its_part(two: PartSet, tmp_path: Path) -> None:
    part = two.warehouse("a")
    for said in ("second", "third", "fourth", "fifth"):
        build(part, said, "x")
    # By another path than that of the set: what is pinned lies in the part.
    moved = tmp_path / "elsewhere"
    shutil.move(part.root, moved)
    report = Warehouse.open(moved).collect(keep=1)
    assert report.pinned == (1,) and report.kept == (1, 5)
    assert Warehouse.open(moved).verify().ok
    shutil.move(moved, part.root)
    assert "x0 first" in served(two)
    # The third move back is the last one that keeps its generations.
    for said in ("sixth", "seventh", "eighth"):
        build(part, said, "x")
        two.publish()
    assert pinned_by_moves(part.layout) == {6, 7, 8} and pinned_by_moves(two.warehouse("b").layout) == {1}
    part.collect(keep=1)
    assert [two.rollback().parts[0].generation.number for _ in range(2)] == [7, 6]
    with pytest.raises(GenerationError, match="no earlier move can serve"):
        two.rollback()
    with pytest.raises(GenerationError, match="part a: generation 1 is unknown"):
        two.generation(1)


def test_a_part_that_was_taken_out_keeps_nothing_once_no_move_that_counts_names_it(
    two: PartSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    two.remove("b")
    layout, real = Layout(two.layout.part("b")), pin_for_moves

    def pin(of: Layout, numbers: Collection[int]) -> None:
        if of.root == layout.root:
            raise OSError(errno.EIO, "its disk fails")
        real(of, numbers)

    for said in ("second", "third", "fourth"):
        assert pinned_by_moves(layout) == {1}
        build(two.warehouse("a"), said, "x")
        # A disk of a part that was taken out is in no move's way.
        monkeypatch.setattr(part_set_writer, "pin_for_moves", pin if said == "second" else real)
        assert two.publish(force_reason="b was taken out").number == two.number
    assert pinned_by_moves(layout) == frozenset() and pinned_by_moves(two.warehouse("a").layout) == {2, 3, 4}


def test_what_a_part_that_was_taken_out_is_a_link_to_now_keeps_its_pins(two: PartSet, tmp_path: Path) -> None:
    """It belongs to another set, whose moves name what it pins."""
    two.remove("b")
    moved = two.layout.part("b").rename(tmp_path / "b")
    two.layout.part("b").symlink_to(moved)
    pin_for_moves(Layout(moved), {1, 7})
    build(two.warehouse("a"), "second", "x")
    two.publish(force_reason="b was taken out")
    assert pinned_by_moves(Layout(moved)) == {1, 7}


def test_a_part_that_is_cleaned_while_the_set_pins_takes_nothing_of_it(
    two: PartSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(two.warehouse("a"), "second", "x")
    cleaning = Thread(target=two.warehouse("a").clean)
    real = files.fsync_file

    def meanwhile(path: Path) -> None:
        if path.name.startswith(".pinned.json.") and cleaning.ident is None:
            cleaning.start()
            # It ends, or waits for the commit.
            cleaning.join(0.3)
        real(path)

    monkeypatch.setattr(files, "fsync_file", meanwhile)
    assert two.publish().number == 2
    cleaning.join(30)
    assert pinned_by_moves(two.warehouse("a").layout) == {1, 2}


def test_nothing_is_collected_where_it_cannot_be_read_what_is_pinned(two: PartSet) -> None:
    part = two.warehouse("a")
    build(part, "second", "x")
    part.layout.pinned_json.write_text('{"format_version": 2, "generations": []}')
    with pytest.raises(UnknownFormat, match="format_version 2"):
        part.collect(keep=1)
    part.layout.pinned_json.unlink()
    part.layout.pinned_json.symlink_to("nowhere")
    with pytest.raises(LinkRefused, match=r"pinned\.json is a link"):
        part.collect(keep=1)
    assert [one.number for one in part.generations()] == [1, 2]


def nothing_published(parts: PartSet) -> None:
    parts.add("c")


def another_encoder(parts: PartSet) -> None:
    build(parts.add("c"), "first", "z", fingerprint=OTHER)


def other_weights(parts: PartSet) -> None:
    build(parts.add("c"), "first", "z", blend={"candidates": 50})


def a_shard_twice(parts: PartSet) -> None:
    build(parts.add("c"), "first", "y")


def a_chunk_twice(parts: PartSet, shard: str = "y") -> None:
    """The same file under another shard's name: chunk ids are those of its place."""
    made = parts.add("c")
    corpus = {f"{shard}.py": [f"{shard}0 first"]}
    write(made, corpus, shard)
    shutil.move(made.layout.shard(shard), made.layout.shard("w"))
    current = made.layout.current("w")
    document = made.layout.snapshot("w", current.read_text().strip())
    document.write_text(document.read_text().replace(f'"shard": "{shard}"', '"shard": "w"'))
    from xtr_assets.storage.stored_json import sha256_bytes

    version = sha256_bytes(document.read_bytes())[:16]
    document.rename(made.layout.snapshot("w", version))
    current.write_text(version + "\n")
    one = light(made)
    check(one)
    made.publish(one.number)


def a_chunk_of_the_first_part_twice(parts: PartSet) -> None:
    a_chunk_twice(parts, "x")


def a_flipped_bit(parts: PartSet) -> None:
    part = parts.warehouse("b")
    build(part, "second", "y")
    flip(part.root / "generations" / "2" / "dense.faiss", 20)


def a_lost_file(parts: PartSet) -> None:
    part = parts.warehouse("b")
    build(part, "second", "y")
    (segment,) = part.generation(2).segments
    segment.segment.directory.joinpath("chunks.arrow").unlink()


def an_unmounted_disk(parts: PartSet) -> None:
    build(parts.warehouse("a"), "second", "x")
    folder = parts.layout.part("b")
    shutil.rmtree(folder)
    folder.mkdir()


def a_changed_manifest(parts: PartSet) -> None:
    """With its seal: the part's own history knows better."""
    part = parts.warehouse("b")
    build(part, "second", "y")
    manifest = part.layout.manifest(2)
    manifest.write_bytes(manifest.read_bytes().replace(b'"run_id": "run"', b'"run_id": "ruN"'))
    from xtr_assets.storage.seal import seal_text

    part.layout.manifest_seal(2).write_bytes(seal_text(manifest.read_bytes()))


def a_withdrawn_generation(parts: PartSet) -> None:
    part = parts.warehouse("b")
    build(part, "second", "y")
    part.withdraw(2, "bad")
    part.layout.published.write_text("2\n")


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (nothing_published, "part c: it has published nothing"),
        (another_encoder, r"part c: its encoder is sample 7b7b.*that of part a sample 5a5a"),
        (other_weights, r"part c: its weights of the legs is {'candidates': 50}, that of part a None"),
        (a_shard_twice, "part c: shard 'y' is in part b too"),
        (a_chunk_twice, r"part c: 1 chunks are in another part too, the first \d+ in b"),
        (a_chunk_of_the_first_part_twice, r"part c: 1 chunks are in another part too, the first \d+ in a"),
        (a_flipped_bit, r"part b: generation 2: generations/2/dense.faiss: expected sha256"),
        (a_lost_file, r"part b: generation 2: segments/.*chunks.arrow: expected .* found no file"),
        (an_unmounted_disk, r"part b: no warehouse at .*is its disk mounted"),
        (a_changed_manifest, "b.*generations/2/manifest.json: expected sha256 .* by the history"),
        (a_withdrawn_generation, "parts/b/PUBLISHED: expected generation 1"),
    ],
    ids=lambda one: one.__name__ if callable(one) else "",
)
def test_what_cannot_serve_together_is_refused_by_part_whatever_somebody_says(
    two: PartSet, harm: Callable[[PartSet], None], told: str
) -> None:
    before = two.moves()
    harm(two)
    for reason in (None, "never mind"):
        with pytest.raises(StorageError, match=told):
            two.publish(force_reason=reason)
    assert two.moves() == before and not list(two.layout.moves.glob(".*"))


def forced_itself(parts: PartSet) -> None:
    build(parts.warehouse("b"), "second", "y", passed=False)


def a_lost_shard(parts: PartSet) -> None:
    """The part was built again without its shard, as a new one of another name."""
    part = parts.warehouse("b")
    shutil.rmtree(part.layout.shard("y"))
    build(part, "second", "w")


def a_moved_shard(parts: PartSet) -> None:
    a_lost_shard(parts)
    build(parts.warehouse("a"), "first", "y")


def a_part_taken_out(parts: PartSet) -> None:
    parts.remove("b")


def a_shard_that_was_placed_and_never_built(parts: PartSet) -> None:
    assert parts.place({"new": 10}) == {"new": "b"}


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (forced_itself, "part b: generation 2 was forced past its own gate: a test"),
        pytest.param(
            a_lost_shard,
            "part b: shard 'y' was placed here and its generation does not have it",
            marks=pytest.mark.long,
        ),
        (a_moved_shard, "part a: shard 'y' was placed in part b, where it stays"),
        (a_part_taken_out, r"part b: move 1 .* names it, and it was taken out"),
        (a_shard_that_was_placed_and_never_built, "part b: shard 'new' was placed here"),
    ],
    ids=lambda one: one.__name__ if callable(one) else "",
)
def test_what_a_person_may_answer_for_needs_a_reason_that_is_kept(
    two: PartSet, harm: Callable[[PartSet], None], told: str
) -> None:
    harm(two)
    build(two.warehouse("a"), "second", "x")
    with pytest.raises(PublishRefused, match=told):
        two.publish()
    with pytest.raises(InvalidInput, match="force needs a reason"):
        two.publish(force_reason="")
    assert two.publish(force_reason="we know").number == 2
    assert two.moves()[-1].forced == "we know"
    assert two.info.shards.keys() == {shard for part in two.moves()[-1].parts.values() for shard in part.shards}
    # What was answered for is as it is now.
    build(two.warehouse("a"), "third", "x")
    if harm is forced_itself:
        with pytest.raises(PublishRefused, match="forced past its own gate"):
            two.publish()
    else:
        assert two.publish().number == 3 and two.moves()[-1].forced is None


def test_a_verdict_that_is_gone_from_a_part_is_told(two: PartSet, monkeypatch: pytest.MonkeyPatch) -> None:
    """A release that asks for more of the sealed manifest than it has: its records do not stand any more."""
    build(two.warehouse("b"), "second", "y")
    monkeypatch.setattr("xtr_assets.storage.requirement.subject_digest", lambda *_: "0" * 64)
    with pytest.raises(PublishRefused, match="part b: generation 2: check 'dense_recall' passed for other bytes"):
        two.publish()


def test_a_damaged_or_lost_move_is_never_answered_with_an_earlier_one(two: PartSet) -> None:
    build(two.warehouse("a"), "second", "x")
    two.publish()
    path, data = two.layout.move(2), two.layout.move(2).read_bytes()
    path.unlink()
    with pytest.raises(CorruptFile, match=r"moves/00000002.json: expected a move, found no file"):
        _ = two.published
    for changed, told in (
        (data.replace(b'"who": "', b'"who": "x'), "by parts.json"),
        (data[:-9], "JSON"),
        (b"", "JSON"),
        (data.replace(b'"format_version": 1', b'"format_version": 9'), "format_version 9"),
    ):
        path.write_bytes(changed)
        for act in (lambda: two.published, two.moves, two.publish, two.rollback):
            with pytest.raises(StorageError, match=told):
                act()
    path.write_bytes(data)
    first = two.layout.move(1)
    first.write_bytes(first.read_bytes().replace(b"the first", b"the worst"))
    # What serves is whole; what went before is told by who reads it.
    assert "x0 second" in served(two)
    with pytest.raises(CorruptFile, match=r"moves/00000002\.json: expected the move after"):
        two.rollback()


class Death(BaseException):
    """The process ends here."""


@pytest.mark.parametrize(
    ("module", "name", "after"),
    [
        (part_set, "pin_for_moves", 1),
        (os, "link", 1),
        (part_set.PartSet, "_write", 2),
        (part_set.PartSet, "_unpin", 2),
    ],
)
def test_a_writer_that_dies_at_any_step_leaves_the_move_before_or_the_whole_one(
    two: PartSet, monkeypatch: pytest.MonkeyPatch, module: object, name: str, after: int
) -> None:
    build(two.warehouse("a"), "second", "x")
    before = served(two)

    def die(*_: object) -> None:
        raise Death

    with monkeypatch.context() as patch:
        patch.setattr(module, name, die)
        with pytest.raises(Death):
            two.publish()
    assert two.number == after and not list(two.layout.moves.glob(".*"))
    assert (served(two) == before) == (after == 1)
    # A collection at this moment takes nothing away that a reader needs.
    two.warehouse("a").collect(keep=1)
    served(two)
    # The next writer goes on from there, and makes no second move of it.
    assert two.publish().number == 2 and len(two.moves()) == 2
    assert two.rollback().number == 3 and served(two) == before
    assert two.info.moved is not None and two.info.moved.number == 3


def test_what_a_pull_that_died_left_of_later_moves_is_in_nobodys_way(two: PartSet) -> None:
    """It brings the last move first. A set that went on by itself in place of pulling again could not be read any
    more."""
    shutil.copy(two.layout.move(1), two.layout.move(3))
    assert two.number == 1
    build(two.warehouse("b"), "second", "y")
    assert two.publish().number == 2
    assert [move.number for move in two.moves()] == [1, 2] and served(two)[3:] == [f"y{i} second" for i in range(3)]


def test_two_writers_do_not_make_one_move(two: PartSet, monkeypatch: pytest.MonkeyPatch) -> None:
    build(two.warehouse("a"), "second", "x")
    with exclusive(two.layout.writer_lock, "somebody's publish"):
        monkeypatch.setattr(part_set_writer, "LOCK_WAIT_SECONDS", 0.0)
        found: list[Exception] = []

        def other() -> None:
            try:
                PartSet.open(two.root).publish()
            except WarehouseLocked as error:
                found.append(error)

        thread = Thread(target=other)
        thread.start()
        thread.join()
        assert len(found) == 1 and "somebody's publish" in str(found[0])
    # Where no lock holds, the name of the move does: the second one finds it taken.
    link, name = os.link, two.layout.move(2)

    def slower(source: Path, target: Path) -> None:
        monkeypatch.setattr(os, "link", link)
        shutil.copyfile(source, target)
        link(source, target)

    monkeypatch.setattr(os, "link", slower)
    with pytest.raises(GenerationError, match=r"00000002.json was made by another writer meanwhile"):
        two.publish()
    assert name.is_file() and two.number == 2
    # An answer that a file server lost is asked for again, and finds the link there that is its own.
    build(two.warehouse("a"), "third", "x")

    def twice(source: Path, target: Path) -> None:
        link(source, target)
        link(source, target)

    monkeypatch.setattr(os, "link", twice)
    assert two.publish().number == 3


def test_links_and_strange_folders_are_refused(two: PartSet, tmp_path: Path) -> None:
    part = two.layout.part("b")
    shutil.move(part, tmp_path / "real")
    part.symlink_to(tmp_path / "real")
    for act in (lambda: two.published, two.publish, lambda: two.warehouse("b")):
        with pytest.raises(LinkRefused, match="parts/b is a link"):
            act()
    with pytest.raises(InvalidInput, match="folder name"):
        two.add("../outside")
    with pytest.raises(StorageError, match="a set of parts already"):
        PartSet.create(two.root)
    with pytest.raises(StorageError, match="neither empty nor a set"):
        PartSet.create(tmp_path)
    with pytest.raises(WarehouseNotFound, match="no set of parts at"):
        PartSet.open(tmp_path / "real")
    with pytest.raises(WarehouseNotFound, match="is a set of parts, and no warehouse"):
        Warehouse.open(two.root)
    with pytest.raises(WarehouseNotFound, match=r"no part 'q' in .*; there are: a, b"):
        two.warehouse("q")


def test_of_hosts_that_create_a_set_at_once_one_makes_it(tmp_path: Path) -> None:
    for turn in range(10):
        root, start = tmp_path / f"set-{turn}", Barrier(3)

        def create(number: int, root: Path = root, start: Barrier = start) -> int:
            start.wait()
            try:
                PartSet.create(root, most_chunks=number)
            except StorageError:
                return 0
            return number

        with ThreadPoolExecutor(3) as pool:
            made = [one for one in pool.map(create, (1, 2, 3)) if one]
        assert [PartSet.open(root).info.most_chunks] == made


@pytest.mark.parametrize("exist_ok", [False, True])
def test_a_creation_that_was_killed_is_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exist_ok: bool
) -> None:
    """What it leaves was "neither empty nor a set", for ever."""

    def die(*_: object) -> None:
        raise Death

    for module, name in ((part_set, "write_atomic"), (files, "fsync_file")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, die)
            with pytest.raises(Death):
                PartSet.create(tmp_path / "set", exist_ok=exist_ok)
    assert PartSet.create(tmp_path / "set", exist_ok=exist_ok).info.parts == ()
    assert PartSet.create(tmp_path / "set", exist_ok=True).info.parts == ()
    (tmp_path / "other" / "parts" / "a").mkdir(parents=True)
    with pytest.raises(StorageError, match="neither empty nor a set of parts"):
        PartSet.create(tmp_path / "other", exist_ok=exist_ok)


def test_a_part_that_was_replaced_is_not_what_the_move_names(two: PartSet, tmp_path: Path) -> None:
    """Another warehouse under the same name, whose generation has the same number."""
    other = Warehouse.create(tmp_path / "other")
    build(other, "changed", "y")
    shutil.rmtree(two.layout.part("b"))
    shutil.copytree(other.root, two.layout.part("b"))
    with pytest.raises(CorruptFile, match=r"parts/b/generations/1/manifest.json: expected sha256 .* the move names"):
        _ = two.published


def test_what_is_being_withdrawn_is_not_published_meanwhile(two: PartSet, monkeypatch: pytest.MonkeyPatch) -> None:
    """The set did not serve it when it was looked at, and served it for good when it was withdrawn."""
    build(two.warehouse("a"), "secret", "x")
    monkeypatch.setattr(part_set_writer, "LOCK_WAIT_SECONDS", 0.0)
    withdraw = Warehouse.withdraw

    def beside(*given: Any, **named: Any) -> None:
        with ThreadPoolExecutor(1) as pool, pytest.raises(WarehouseLocked, match="'withdrawal of generation 2 of part"):
            pool.submit(PartSet.open(two.root).publish).result()
        withdraw(*given, **named)

    monkeypatch.setattr(Warehouse, "withdraw", beside)
    joined = two.withdraw("a", 2, "a password")
    assert joined is not None and joined.number == 1 and "x0 secret" not in served(two)


def test_what_a_part_withdraws_while_the_set_is_verified_is_not_published(
    two: PartSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All bytes of all parts are read, which takes long; a part is withdrawn from by itself too."""
    build(two.warehouse("a"), "secret", "x")
    asked = part_gate.set_problems

    def beside(*given: Any, **named: Any) -> list[part_gate.SetProblem]:
        found = asked(*given, **named)
        two.warehouse("a").withdraw(2, "a password")
        return found

    monkeypatch.setattr(part_set, "set_problems", beside)
    with pytest.raises(PublishRefused, match="part a: generation 2 was withdrawn meanwhile"):
        two.publish()
    assert two.number == 1 and "x0 secret" not in served(two)


def test_a_part_that_withdrew_what_serves_is_told_and_passed_over(
    two: PartSet, caplog: pytest.LogCaptureFixture
) -> None:
    build(two.warehouse("a"), "second", "x")
    two.publish()
    build(two.warehouse("a"), "third", "x")
    two.publish()
    two.warehouse("a").withdraw(2, "bad")
    two.warehouse("a").withdraw(3, "bad too")
    published = two.published
    assert published is not None and published.state == "withdrawn" and "its part withdrew" in caplog.text
    with pytest.raises(PublishRefused, match="move 2 names a generation that its part withdrew"):
        two.rollback(2)
    assert two.rollback().move.to == 1
    assert "x0 first" in served(two)


def test_shards_stay_where_they_were_placed_and_new_parts_touch_no_other(tmp_path: Path) -> None:
    made = PartSet.create(tmp_path / "set", most_chunks=10)
    assert made.place({"x": 6, "y": 3, "z": 2}) == {"x": "part-0001", "y": "part-0001", "z": "part-0002"}
    build(made.warehouse("part-0001"), "first", "x")
    build(made.warehouse("part-0001"), "first", "y")
    build(made.warehouse("part-0002"), "first", "z")
    made.publish()
    files = {
        path: path.stat().st_mtime_ns for path in made.layout.part("part-0001").rglob("*") if path.name != "pinned.json"
    }
    # Three chunks were built of each, whatever was said before; a shard of more than a part gets one alone.
    assert made.place({"x": 99, "u": 7, "big": 50, "v": 1}) == {
        "x": "part-0001",
        "u": "part-0002",
        "big": "part-0003",
        "v": "part-0004",
    }
    for part, shards in (("part-0002", "u"), ("part-0003", ("big",)), ("part-0004", "v")):
        for shard in shards:
            build(made.warehouse(part), "first", shard)
    made.publish()
    after = {
        path: path.stat().st_mtime_ns for path in made.layout.part("part-0001").rglob("*") if path.name != "pinned.json"
    }
    assert {path for path in after if after[path] != files.get(path)} <= {made.layout.part("part-0001")}
    assert len(made.moves()[-1].parts) == 4
    with pytest.raises(InvalidInput, match="counted from 0"):
        made.place({"w": -1})
