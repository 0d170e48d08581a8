"""Collection removes what nothing kept needs, never what something does."""

import errno
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from xtr_assets.core.errors import CorruptFile, GenerationError, InvalidInput, StorageError
from xtr_assets.core.files import commit_folder, fsync_dir
from xtr_assets.storage import garbage, model_folder, temporary_files
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.storage.conftest import Laid
from xtr_assets_tests.storage.sample import (
    FINGERPRINT,
    REQUIRED,
    check,
    draft,
    encode,
    encode_all,
    flip,
    publish,
    texts,
    write,
)


@pytest.fixture
def four(laid: Laid) -> Warehouse:
    """Generations 1 to 4 over corpora that share nothing."""
    return laid(*({f"f{step}.py": [f"s{step} text"]} for step in range(4)))


def numbers(warehouse: Warehouse) -> list[int]:
    return [generation.number for generation in warehouse.generations()]


def test_the_newest_generations_and_all_they_need_are_kept(four: Warehouse) -> None:
    report = four.collect(keep=2)
    assert (report.kept, report.generations, numbers(four)) == ((3, 4), (1, 2), [3, 4])
    assert [texts(g) for g in four.generations()] == [["s2 text"], ["s3 text"]]
    assert four.verify().ok
    assert len(four.segments()) == 2 and len(list(four.root.glob("shards/s/*.json"))) == 3
    assert four.rollback().number == 3


@pytest.fixture
def of_an_image(four: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """The same in the lower layer of an overlayfs, which renames no folder of that."""
    rename = Path.replace

    def replace(path: Path, target: Path) -> Path:
        if path.is_dir() and "tmp" not in path.relative_to(four.root).parts:
            raise OSError(errno.EXDEV, "Invalid cross-device link", str(path))
        return rename(path, target)

    monkeypatch.setattr(Path, "replace", replace)
    return four


def test_folders_of_an_image_are_collected_where_they_stand(of_an_image: Warehouse) -> None:
    report = of_an_image.collect(keep=2)
    assert (report.kept, report.generations, numbers(of_an_image)) == ((3, 4), (1, 2), [3, 4])
    assert len(report.removed) > 2 and not any((of_an_image.root / name).exists() for name in report.removed)
    assert of_an_image.verify().ok and of_an_image.rollback().number == 3


def test_a_disk_without_room_for_a_temporary_is_collected(four: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(lock: Path) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", str(lock))

    monkeypatch.setattr(temporary_files, "_hold", full)
    report = four.collect(keep=1)
    assert (report.generations, numbers(four), texts(four.generation(4))) == ((1, 2, 3), [4], ["s3 text"])
    assert four.verify().ok and len(four.segments()) == 1 and len(list(four.root.glob("shards/s/*.json"))) == 2


def test_a_draft_of_an_image_is_discarded(of_an_image: Warehouse) -> None:
    made = draft(of_an_image)
    of_an_image.discard(made.number)
    assert not made.directory.exists() and numbers(of_an_image) == [1, 2, 3, 4]


def test_what_a_crash_leaves_of_an_image_is_collected(of_an_image: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """A generation that lost a part is one still, which the next collection takes; so is a segment without its list."""
    folder = of_an_image.root / "generations" / "1" / "xtr"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(shutil, "rmtree", _killed)
        of_an_image.collect(keep=1)
    assert folder.is_dir()
    of_an_image.collect(keep=1)
    assert numbers(of_an_image) == [4] and of_an_image.verify().ok and len(of_an_image.segments()) == 1


def test_the_empty_folder_that_a_crash_leaves_of_an_image_goes(
    of_an_image: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, serving = (of_an_image.root / "generations" / one for one in ("1", "4"))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "rmdir", _killed)
        of_an_image.collect(keep=3)
    assert not any(first.iterdir()) and of_an_image.verify().ok
    assert "generations/1" in of_an_image.collect(keep=4, dry_run=True).removed
    of_an_image.collect(keep=4)
    assert numbers(of_an_image) == [2, 3, 4]
    first.mkdir()
    assert of_an_image.clean() == ["generations/1"]
    shutil.rmtree(serving)
    serving.mkdir()
    with pytest.raises(CorruptFile, match="the manifest of a sealed generation"):
        of_an_image.collect(keep=1)
    assert not of_an_image.verify().ok


def _killed(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_a_dry_run_says_the_same_and_removes_nothing(four: Warehouse) -> None:
    before = sorted(p for p in four.root.rglob("*") if p.is_file())
    planned = four.collect(keep=1, dry_run=True)
    assert sorted(p for p in four.root.rglob("*") if p.is_file()) == before
    done = four.collect(keep=1)
    assert planned.removed == done.removed and planned.bytes == done.bytes > 0
    assert not any((four.root / name).exists() for name in done.removed)
    assert four.collect(keep=1).removed == {}


def test_what_a_rollback_would_go_to_is_kept_before_newer_ones(four: Warehouse) -> None:
    four.rollback(2)
    assert four.collect(keep=2).kept == (1, 2)
    assert four.rollback().number == 1


def test_who_commits_does_not_wait_for_each_thing_that_goes(four: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder was made durable once for each snapshot and each segment, a year's at the first collection: whoever
    waited for the commit lock meanwhile gave up after a minute."""
    for number in range(9):
        write(four, {"z.py": [f"z {number}"]})
    synced: list[Path] = []

    def counted(path: Path) -> None:
        synced.append(path)
        fsync_dir(path)

    monkeypatch.setattr(garbage, "fsync_dir", counted)
    removed = four.collect(keep=4).removed
    assert len([name for name in removed if name.startswith("segments/")]) >= 8
    assert len([name for name in removed if name.startswith("shards/")]) >= 8
    assert len(synced) <= 4 and four.verify().ok


def test_what_is_compared_is_not_collected_meanwhile(four: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was told as a file that is lost, to be restored from a copy."""
    read = Generation.chunk_table

    def beside(generation: Generation, *given: Any) -> pa.Table:
        Warehouse.open(four.root).collect(keep=1)
        return read(generation, *given)

    monkeypatch.setattr(Generation, "chunk_table", beside)
    assert len(four.diff(1, 3).added) == 1 and numbers(four) == [1, 3, 4]
    assert four.collect(keep=1).generations == (1, 3)


def test_a_withdrawn_generation_goes_first(four: Warehouse) -> None:
    four.withdraw(3, "why")
    assert four.collect(keep=2).kept == (2, 4)


def test_the_published_generation_always_stays(four: Warehouse) -> None:
    four.rollback(1)
    assert four.collect(keep=1).kept == (1,)
    with pytest.raises(InvalidInput, match="keep is 0"):
        four.collect(keep=0)
    with pytest.raises(InvalidInput, match="keep is '3'; pass a whole number of at least 1"):
        four.collect(keep="3")  # type: ignore[arg-type]


def test_numbers_are_not_used_again_after_collection(four: Warehouse) -> None:
    four.rollback(1)
    four.collect(keep=1)
    write(four, {"new.py": ["new"]})
    assert publish(four).number == 5


def test_a_pinned_generation_is_never_collected(four: Warehouse) -> None:
    with four.generation(1).pin() as pinned:
        report = four.collect(keep=1)
        assert (report.pinned, report.kept) == ((1,), (1, 4))
        assert texts(pinned) == ["s0 text"] and four.verify().ok
    assert four.collect(keep=1).generations == (1,)


def test_a_pin_of_another_process_holds_and_ends_with_it(four: Warehouse) -> None:
    script = (
        "import sys, time; from xtr_assets.storage.warehouse import Warehouse\n"
        "with Warehouse.open(sys.argv[1]).generation(1).pin():\n"
        "    print('pinned', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(four.root)], stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None and reader.stdout.readline() == "pinned\n"
        assert four.collect(keep=1).pinned == (1,)
        reader.kill()
        reader.wait()
    assert four.collect(keep=1).generations == (1,)


def test_pinning_what_was_collected_says_so(four: Warehouse) -> None:
    late = four.generation(1)
    four.collect(keep=1)
    with pytest.raises(GenerationError, match="generation 1 was collected"), late.pin():
        pass


def test_a_reader_that_is_overtaken_between_pointer_and_manifest_gets_the_next_one(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(warehouse, {"a.py": ["f one"]})
    publish(warehouse)
    write(warehouse, {"a.py": ["f two"]})
    overtaken: list[int] = []
    real = Generation.open

    def slow(layout: Layout, number: int) -> Generation:
        if not overtaken:
            overtaken.append(number)
            publish(warehouse)
            warehouse.collect(keep=1)
        return real(layout, number)

    beside = Warehouse.open(warehouse.root)
    with monkeypatch.context() as patch:
        patch.setattr(Generation, "open", slow)
        generation = beside.published
    assert overtaken and generation is not None and texts(generation) == ["f two"]


def test_pinning_writes_nothing(four: Warehouse) -> None:
    before = {p: p.stat().st_mtime_ns for p in four.root.rglob("*")}
    with four.generation(4).pin():
        assert {p: p.stat().st_mtime_ns for p in four.root.rglob("*")} == before


def test_an_open_draft_keeps_what_it_needs_and_what_it_may_record_next(four: Warehouse) -> None:
    write(four, {"next.py": ["next text"]})
    made = draft(four)
    model = four.add_model(lambda folder: np.save(folder / "c.npy", np.ones(2)), "test")
    segment = made.segments[0].segment
    np.save(segment.staging(f"postings.{model.name}") / "lists.npy", np.ones(1))
    segment.seal_folder(f"postings.{model.name}")
    four.collect(keep=1)
    made.use_folders([four.layout.relative(model)])
    made.use_folders([f"segments/{segment.segment_id}/postings.{model.name}"])
    check(made)
    assert texts(four.publish(made.number, required=REQUIRED)) == ["next text"]


def test_rows_of_a_snapshot_that_no_generation_has_yet_are_kept(four: Warehouse) -> None:
    segment = write(four, {"next.py": ["next text"]}).new_segment
    assert segment is not None
    encode(segment)
    four.collect(keep=1)
    assert publish(four).live_rows == 1


def test_of_two_that_keep_one_model_at_once_both_have_it(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    def model() -> Path:
        return warehouse.add_model(lambda folder: np.save(folder / "c.npy", np.ones(2)), "test")

    def late(folder: Path, target: Path) -> bool:
        monkeypatch.undo()
        model()
        return commit_folder(folder, target)

    monkeypatch.setattr(model_folder, "commit_folder", late)
    assert (model() / "c.npy").is_file()


def test_models_and_postings_that_nothing_uses_go(four: Warehouse) -> None:
    model = four.add_model(lambda folder: np.save(folder / "c.npy", np.ones(2)), "test")
    segment = four.generation(4).segments[0].segment
    np.save(segment.staging("postings.00000000") / "lists.npy", np.ones(1))
    segment.seal_folder("postings.00000000")
    removed = four.collect(keep=4).removed
    assert set(removed) == {
        four.layout.relative(model),
        f"segments/{segment.segment_id}/postings.00000000",
    }


def test_encodings_of_an_encoder_that_serves_no_more_go_those_of_a_coming_one_stay(warehouse: Warehouse) -> None:
    old, coming = "00" * 32, "cc" * 32
    write(warehouse, {"a.py": ["f one"]})
    made = draft(warehouse, fingerprint=old)
    check(made)
    warehouse.publish(made.number, required=REQUIRED)
    publish(warehouse)
    encode_all(warehouse, coming)
    (segment,) = warehouse.segments()
    warehouse.collect(keep=2)
    assert segment.has_embeddings(old)
    # Somebody goes back to it: what it encoded is needed by the generation to come.
    assert not [name for name in warehouse.collect(keep=1, encoder=old).removed if old[:8] in name]
    assert segment.has_embeddings(old)
    removed = warehouse.collect(keep=1).removed
    assert [segment.has_embeddings(f) for f in (old, FINGERPRINT, coming)] == [False, True, True]
    assert [segment.has_tokens(f) for f in (old, FINGERPRINT, coming)] == [False, True, True]
    assert any(name.endswith(f"embeddings.{old[:8]}.npy") for name in removed)
    assert warehouse.verify().ok


def test_staging_of_a_segment_that_is_gone_goes_too(four: Warehouse) -> None:
    gone, kept = (four.generation(number).segments[0].segment for number in (1, 4))
    for segment in (gone, kept):
        (segment.staging("encoding.x") / "block.npy").write_bytes(b"block")
    four.collect(keep=1)
    assert [p.name for p in four.layout.staging_root.iterdir()] == [kept.segment_id]


@pytest.mark.parametrize("name", [".DS_Store", ".nfs00000001", "@eaDir", "lost+found"])
def test_what_systems_leave_in_folders_stays_and_stops_nothing(four: Warehouse, name: str) -> None:
    segment = four.generation(4).segments[0].segment.directory
    left = [folder / name for folder in (*four.root.iterdir(), segment) if folder.is_dir()]
    for path in left:
        path.mkdir() if "." not in name else path.touch()
    report = four.collect(keep=1)
    assert numbers(four) == [4] and not any(name in path for path in report.removed)
    assert left and all(path.exists() for path in left)


def test_a_segment_that_is_collected_while_it_is_encoded_leaves_nothing(warehouse: Warehouse) -> None:
    """Its change was taken back meanwhile. Left without rows, its folder refused the change when it came again."""
    one, two = {"a.py": ["one", "two"]}, {"a.py": ["one", "two"], "b.py": ["three"]}
    write(warehouse, one)
    publish(warehouse)
    segment = write(warehouse, two).new_segment
    assert segment is not None and len(segment.chunks()) == 1
    write(warehouse, one)
    warehouse.collect(1)
    with pytest.raises(StorageError, match=f"segment {segment.segment_id} was collected meanwhile"):
        encode(segment)
    assert not segment.directory.exists()
    assert write(warehouse, two).added == 1


def test_nothing_is_collected_while_a_manifest_cannot_be_read(four: Warehouse) -> None:
    flip(four.generation(3).directory / "manifest.json", 30)
    before = sorted(four.root.rglob("*"))
    with pytest.raises(CorruptFile, match=r"generations/3/manifest\.json"):
        four.collect(keep=2)
    assert [p for p in before if "segments" in p.parts and not p.exists()] == []


def test_a_draft_that_was_overtaken_goes_and_one_that_may_still_be_published_stays(warehouse: Warehouse) -> None:
    write(warehouse, {"a.py": ["f one"]})
    publish(warehouse)
    write(warehouse, {"a.py": ["f two"]})
    overtaken = draft(warehouse)
    published = publish(warehouse)
    half_written = warehouse.layout.generation(published.number + 1)
    (half_written / "xtr").mkdir(parents=True)
    (half_written / "xtr" / "index.json").write_text("{}")
    write(warehouse, {"a.py": ["f three"]})
    following = draft(warehouse)

    planned, report = warehouse.collect(dry_run=True), warehouse.collect()

    assert planned.removed == report.removed
    assert {name for name in report.removed if name.startswith("generations/")} == {
        f"generations/{overtaken.number}",
        f"generations/{published.number + 1}",
    }
    assert report.generations == ()
    assert [one.number for one in warehouse.generations()] == [1, published.number, following.number]


def test_postings_that_were_begun_and_that_nobody_ends_go(four: Warehouse) -> None:
    write(four, {"f4.py": ["s4 text"]})
    model = four.add_model(lambda folder: np.save(folder / "c.npy", np.ones(2)), "test")
    made = draft(four)
    made.use_folders([four.layout.relative(model)])
    check(made)
    four.publish(made.number, required=REQUIRED)
    segment = made.segments[-1].segment
    for name in ("postings.0123abcd", f"postings.{model.name}", "encoding.5a5a5a5a"):
        (segment.staging(name) / "part.npy").write_bytes(b"unfinished")
    folder = f"staging/{segment.segment_id}"
    assert [name for name in four.collect(keep=2, dry_run=True).removed if name.startswith("staging")] == [
        f"{folder}/postings.0123abcd"
    ]
    four.collect(keep=2)
    assert sorted(p.name for p in (four.root / folder).iterdir()) == ["encoding.5a5a5a5a", f"postings.{model.name}"]


def test_where_what_is_kept_cannot_be_read_nothing_goes(four: Warehouse) -> None:
    flip(four.layout.manifest(4), 5)
    with pytest.raises(CorruptFile, match=r"generations/4/manifest\.json"):
        four.collect(keep=1)
    assert four.layout.numbers() == [1, 2, 3, 4], "what a rollback could go to is still there"
    assert four.rollback().number == 3
