"""Drafts, checks, the pointer: what may serve, and the way back."""

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xtr_assets.core.errors import CorruptFile, GenerationError, InvalidInput, PublishRefused
from xtr_assets.core.files import record, sha256_file
from xtr_assets.storage import digests, history, scrub
from xtr_assets.storage import draft as draft_module
from xtr_assets.storage import publish as publishing
from xtr_assets.storage.digests import forget_digests
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.manifest import Manifest, RequiredCheck
from xtr_assets.storage.seal import read_manifest
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.storage.conftest import Laid
from xtr_assets_tests.storage.sample import (
    ENCODER,
    FINGERPRINT,
    REQUIRED,
    check,
    draft,
    encode_all,
    flip,
    publish,
    texts,
    write,
)

BASE = {"a.py": ["f one", "g two"], "b.py": ["h three"]}
CHANGED = {"a.py": ["f one", "g other"], "c.py": ["k four"]}


@pytest.fixture
def built(laid: Laid) -> Warehouse:
    """Generation 1 published."""
    return laid(BASE)


@pytest.fixture
def twice(laid: Laid) -> Warehouse:
    """Generations 1 and 2, of which 2 is published."""
    return laid(BASE, CHANGED)


def serving(warehouse: Warehouse) -> int | None:
    return warehouse.published.number if warehouse.published else None


def test_what_was_built_before_another_was_published_needs_a_reason(built: Warehouse) -> None:
    """Its run died before it published; what came since would go without a word."""
    write(built, CHANGED)
    late = draft(built)
    check(late)
    write(built, {**CHANGED, "d.py": ["m five"]})
    newer = publish(built)
    with pytest.raises(
        PublishRefused, match=r"generation 2 was built from generation 1, but 3 serves by now; build .*"
    ):
        built.publish(late.number, required=REQUIRED)
    assert serving(built) == newer.number
    assert built.publish(late.number, force_reason="the other was wrong").forced == "the other was wrong"
    assert built.history()[-1].forced
    built.publish(newer.number)
    assert built.publish(late.number).number == 2, "it served: moving the pointer is all there is"
    beside = built.draft(
        "run", encoder=ENCODER, fingerprint=FINGERPRINT, snapshots=late.manifest.snapshots, parent=None
    )
    with pytest.raises(
        PublishRefused, match=r"generation 4 was built from nothing, but 2 serves by now; build .*force"
    ):
        built.publish(beside.number)


def test_what_was_built_before_is_published_where_what_it_was_built_from_serves_again(built: Warehouse) -> None:
    write(built, CHANGED)
    late = draft(built)
    check(late)
    write(built, {**CHANGED, "d.py": ["m five"]})
    publish(built)
    built.rollback()
    assert built.publish(late.number, required=REQUIRED).forced is None
    assert serving(built) == late.number


def test_nothing_is_published_at_first(warehouse: Warehouse) -> None:
    assert (warehouse.published, warehouse.generations(), warehouse.newest_draft()) == (None, [], None)
    with pytest.raises(GenerationError, match="nothing serves, and nothing was published before that may"):
        warehouse.rollback()


def test_a_draft_with_its_checks_is_published_and_serves(built: Warehouse) -> None:
    generation = built.published
    assert generation is not None and generation.number == 1
    assert (generation.state, generation.sealed, generation.live_rows) == ("published", True, 3)
    assert texts(generation) == ["f one", "g two", "h three"]
    assert [e.action for e in built.history()] == ["published"]


def test_rows_stay_where_the_parent_has_them(twice: Warehouse) -> None:
    one, two = twice.generations()
    assert (one.state, two.state, two.parent) == ("retired", "published", 1)
    assert two.segments[0].base_row == 0 and two.segments[1].base_row == 3
    assert two.live.tolist() == [True, False, False, True, True]
    assert texts(two) == ["f one", "g other", "k four"] and texts(one) == ["f one", "g two", "h three"]


def test_vectors_tokens_and_masks_agree_on_the_rows_of_a_segment_that_left(twice: Warehouse) -> None:
    write(twice, {"b.py": ["h three"]})
    write(twice, {"b.py": ["h three"], "z.py": ["z last"]})
    publish(twice)
    write(twice, {"b.py": ["h three"]})
    generation = publish(twice)
    assert generation.vectors().end_row == generation.tokens().end_row == generation.end_row == len(generation.live)
    assert generation.vectors().rows().max() < generation.end_row - 1
    assert texts(generation) == ["h three"]


def test_an_empty_corpus_is_a_generation(warehouse: Warehouse) -> None:
    write(warehouse, {})
    generation = publish(warehouse)
    assert (generation.end_row, generation.live_rows, generation.vectors().dim) == (0, 0, 8)
    assert texts(generation) == [] and len(generation.tokens()) == 0


def test_a_missing_a_failed_and_an_outdated_check_are_all_named(warehouse: Warehouse) -> None:
    write(warehouse, BASE)
    made = draft(warehouse)
    made.record_check("failed", passed=False, value=0.5, threshold=0.95, subject=["dense.faiss"])
    made.record_check("outdated", passed=True, value=1.0, threshold=0.95, subject=["dense.faiss"])
    with made.writing("dense.faiss") as path:
        path.write_bytes(b"another index")
    with pytest.raises(PublishRefused) as refused:
        warehouse.publish(made.number, required=[RequiredCheck(name) for name in ("absent", "failed", "outdated")])
    for part in (
        "absent: has no record",
        "failed: measured 0.5; 0.95 is asked",
        "outdated: passed for other bytes",
        'xtr-assets publish 1 --force --reason "..."',
    ):
        assert part in str(refused.value)
    assert (serving(warehouse), warehouse.generation(1).state) == (None, "draft")


def test_a_check_holds_for_the_profile_it_was_made_with(warehouse: Warehouse) -> None:
    write(warehouse, BASE)
    made = draft(warehouse)
    made.set_profile("dense", {"nprobe": 8})
    made.record_check(
        "dense_recall", passed=True, value=1.0, threshold=0.9, subject=["dense.faiss"], profile_keys=["dense", "xtr"]
    )
    made.set_profile("dense", {"nprobe": 1})
    with pytest.raises(PublishRefused, match="other bytes"):
        warehouse.publish(made.number, required=[RequiredCheck("dense_recall", 1, ("dense.faiss",), ("dense", "xtr"))])
    made.set_profile("dense", {"nprobe": 8})
    assert (
        warehouse.publish(
            made.number, required=[RequiredCheck("dense_recall", 1, ("dense.faiss",), ("dense", "xtr"))]
        ).number
        == 1
    )


def test_folders_of_segments_that_come_later_do_not_outdate_a_check(warehouse: Warehouse) -> None:
    write(warehouse, BASE)
    made = draft(warehouse)
    check(made)
    segment = made.segments[0].segment
    (segment.staging("postings.m") / "lists.npy").write_bytes(b"lists")
    segment.seal_folder("postings.m")
    made.use_folders([f"segments/{segment.segment_id}/postings.m"])
    assert warehouse.publish(made.number, required=REQUIRED).has_file(
        f"segments/{segment.segment_id}/postings.m/lists.npy"
    )


def test_a_check_about_a_file_that_is_not_there_is_refused(warehouse: Warehouse) -> None:
    write(warehouse, BASE)
    made = draft(warehouse)
    with pytest.raises(InvalidInput, match=r"about 'hnsw\.faiss'"):
        made.record_check("x", passed=True, value=None, threshold=None, subject=["hnsw.faiss"])


def test_force_needs_a_reason_and_keeps_it(warehouse: Warehouse) -> None:
    write(warehouse, BASE)
    made = draft(warehouse)
    with pytest.raises(InvalidInput, match="force needs a reason"):
        warehouse.publish(made.number, required=REQUIRED, force_reason=" ")
    generation = warehouse.publish(made.number, required=REQUIRED, force_reason="the demo is at noon", who="ann@host")
    assert generation.manifest.forced == "the demo is at noon"
    entry = warehouse.history()[-1]
    assert (entry.reason, entry.forced, entry.who) == ("the demo is at noon", True, "ann@host")


def test_force_does_not_publish_damaged_files(warehouse: Warehouse) -> None:
    write(warehouse, BASE)
    made = draft(warehouse)
    flip(made.directory / "dense.faiss", 3)
    with pytest.raises(PublishRefused, match=r"generations/1/dense\.faiss: expected sha256"):
        warehouse.publish(made.number, force_reason="hurry")


def test_an_unknown_number_is_refused_with_those_there_are(built: Warehouse) -> None:
    with pytest.raises(GenerationError, match="generation 9 is unknown; there are: 1"):
        built.publish(9)


def test_rollback_goes_to_the_one_before_and_then_to_the_one_before_that(twice: Warehouse) -> None:
    write(twice, BASE)
    publish(twice)
    assert twice.rollback().number == 2
    assert twice.rollback().number == 1
    with pytest.raises(GenerationError, match="nothing was published before generation 1"):
        twice.rollback()
    assert texts(twice.generation(1)) == ["f one", "g two", "h three"]
    assert serving(twice) == 1


def test_rollback_after_a_rollback_and_a_publish_skips_what_was_rolled_back(twice: Warehouse) -> None:
    twice.rollback()
    write(twice, {"z.py": ["z"]})
    assert publish(twice).parent == 1
    assert twice.rollback().number == 1


def test_rollback_to_a_number(twice: Warehouse) -> None:
    assert twice.rollback(1, reason="odd hits", who="ann").number == 1
    entry = twice.history()[-1]
    assert (entry.action, entry.previous, entry.reason) == ("rolled_back", 2, "odd hits")
    with pytest.raises(GenerationError, match="published one already"):
        twice.rollback(1)
    made = draft(twice)
    with pytest.raises(GenerationError, match="is a draft"):
        twice.rollback(made.number)


def test_an_older_generation_is_published_by_moving_the_pointer(twice: Warehouse) -> None:
    manifest = (twice.generation(1).directory / "manifest.json").read_bytes()
    assert twice.publish(1, required=[RequiredCheck("a check of today")]).number == 1
    assert (twice.generation(1).directory / "manifest.json").read_bytes() == manifest
    assert twice.rollback().number == 2


def test_a_withdrawn_generation_never_serves_again(twice: Warehouse) -> None:
    twice.withdraw(1, "licence")
    assert twice.generation(1).state == "withdrawn"
    with pytest.raises(GenerationError, match=r"withdrawn on .* by .* \(licence\)"):
        twice.publish(1)
    with pytest.raises(GenerationError, match="was withdrawn"):
        twice.rollback(1)
    with pytest.raises(GenerationError, match="nothing was published before"):
        twice.rollback()


def test_withdrawing_the_serving_generation_rolls_back_first(twice: Warehouse) -> None:
    twice.withdraw(2, "bad chunks", who="ann")
    assert (serving(twice), twice.generation(2).state) == (1, "withdrawn")
    assert [e.action for e in twice.history()] == ["published", "published", "rolled_back", "withdrawn"]
    with pytest.raises(GenerationError, match="nothing was published before it"):
        twice.withdraw(1, "also bad")
    assert serving(twice) == 1


def test_withdraw_needs_a_reason_and_something_that_was_published(built: Warehouse) -> None:
    with pytest.raises(InvalidInput, match="needs a reason"):
        built.withdraw(1, "")
    made = draft(built)
    with pytest.raises(GenerationError, match="discard it"):
        built.withdraw(made.number, "why")


def test_numbers_are_never_used_twice(built: Warehouse) -> None:
    made = draft(built)
    assert made.number == 2
    built.discard(2)
    assert draft(built).number == 3
    with pytest.raises(GenerationError, match="is sealed; collection removes it"):
        built.discard(1)
    with pytest.raises(GenerationError, match="2 is unknown"):
        built.discard(2)


def test_the_newest_draft_is_found_by_another_process(built: Warehouse) -> None:
    draft(built, "first")
    draft(built, "second")
    found = Warehouse.open(built.root).newest_draft()
    assert found is not None and (found.number, found.run_id) == (3, "second")
    assert built.open_draft(2).run_id == "first"


def test_a_sealed_generation_cannot_be_written(built: Warehouse) -> None:
    with pytest.raises(GenerationError, match="sealed and never changes"):
        built.open_draft(1)


def test_a_draft_object_that_was_sealed_meanwhile_cannot_be_written(warehouse: Warehouse) -> None:
    write(warehouse, BASE)
    made = draft(warehouse)
    check(made)
    warehouse.publish(made.number, required=REQUIRED)
    before = (made.directory / "dense.faiss").read_bytes()
    with pytest.raises(GenerationError, match="sealed"), made.writing("dense.faiss") as path:
        path.write_bytes(b"late")
    assert (made.directory / "dense.faiss").read_bytes() == before
    assert warehouse.verify().ok


def test_two_writers_of_one_draft_lose_nothing(warehouse: Warehouse) -> None:
    write(warehouse, BASE)
    made = draft(warehouse)
    beside = Draft.open(warehouse.layout, made.number)
    made.set_recipe("dense", {"family": "flat"})
    beside.set_recipe("xtr", {"centroids": 4})
    made.set_note("seconds", 1.5)
    manifest = warehouse.generation(made.number).manifest
    assert (manifest.recipe, manifest.notes) == (
        {"dense": {"family": "flat"}, "xtr": {"centroids": 4}},
        {"seconds": 1.5},
    )


def test_what_is_written_while_a_draft_is_read_again_is_read_the_next_time(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(warehouse, BASE)
    made = draft(warehouse)
    other = warehouse.open_draft(made.number)
    other.set_note("first", 1)
    real, meanwhile = read_manifest, [lambda: other.set_note("second", 2)]

    def read(layout: Layout, number: int) -> Manifest:
        found = real(layout, number)
        while meanwhile:
            meanwhile.pop()()
        return found

    monkeypatch.setattr(draft_module, "read_manifest", read)
    made.reload()
    made.reload()
    assert set(made.manifest.notes) >= {"first", "second"}


def test_what_is_written_to_a_draft_while_it_is_published_is_not_lost(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(warehouse, BASE)
    made = draft(warehouse)
    check(made)
    real = scrub.verify_once

    def slow(*given: Any, **more: Any) -> list[CorruptFile]:
        late = warehouse.open_draft(made.number)
        late.record_check("late", passed=False, value=0.0, threshold=1.0, subject=("dense.faiss",))
        return real(*given, **more)

    with monkeypatch.context() as patch:
        patch.setattr(publishing, "verify_once", slow)
        with pytest.raises(PublishRefused, match="was written to while it was published"):
            warehouse.publish(made.number, required=REQUIRED)
    assert warehouse.published is None
    assert "late" in warehouse.publish(made.number, required=REQUIRED).manifest.checks


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, object(), np.float32(1)])
def test_a_note_that_is_not_json_is_refused_and_the_manifest_stays(warehouse: Warehouse, value: object) -> None:
    write(warehouse, BASE)
    made = draft(warehouse)
    before = (made.directory / "manifest.json").read_bytes()
    with pytest.raises(InvalidInput, match="no JSON"):
        made.set_note("x", value)
    assert (made.directory / "manifest.json").read_bytes() == before


def test_what_takes_the_place_of_a_file_while_it_is_published_is_not_sealed(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step that was taken for dead, and is none: its file stood there, the manifest had that of before for ever."""
    write(warehouse, BASE)
    made = draft(warehouse)
    check(made)
    late, lying = Draft.open(made.layout, made.number), made.directory / "dense.faiss"

    def beside(*given: Any, **named: Any) -> list[CorruptFile]:
        found = scrub.verify_once(*given, **named)
        with pytest.raises(KeyboardInterrupt), late.batch():
            with late.writing("dense.faiss") as path:
                path.write_bytes(b"another index of as many " + bytes(range(64)))
            raise KeyboardInterrupt
        return found

    before = lying.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(publishing, "verify_once", beside)
        with pytest.raises(PublishRefused, match=f"generation {made.number} was written to while it was published"):
            warehouse.publish(made.number, required=REQUIRED)
    assert warehouse.published is None and not made.sealed
    with pytest.raises(PublishRefused, match="1 files fail verification"):
        warehouse.publish(made.number, required=REQUIRED)
    lying.write_bytes(before)
    assert warehouse.publish(made.number, required=REQUIRED).number == made.number


def test_a_step_that_fails_leaves_no_file(warehouse: Warehouse) -> None:
    write(warehouse, BASE)
    made = draft(warehouse)
    with pytest.raises(RuntimeError), made.writing("evaluation/curve.png") as path:
        path.write_bytes(b"half")
        raise RuntimeError
    assert not made.has_file("evaluation/curve.png") and not (made.directory / "evaluation").exists()
    assert list(warehouse.layout.scratch.iterdir()) == []
    with pytest.raises(GenerationError, match="nothing was written for 'x'"), made.writing("x"):
        pass


def test_a_folder_is_written_and_replaced_as_a_whole(warehouse: Warehouse) -> None:
    write(warehouse, BASE)
    made = draft(warehouse)
    for names in (["a", "b"], ["c"]):
        with made.writing("xtr/parts") as folder:
            folder.mkdir()
            for name in names:
                (folder / name).write_text(name)
    assert [n for n in made.manifest.files if "xtr/parts" in n] == ["generations/1/xtr/parts/c"]
    assert [p.name for p in (made.directory / "xtr" / "parts").iterdir()] == ["c"]


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a//b", "manifest.json"])
def test_a_file_name_never_leaves_the_draft(warehouse: Warehouse, name: str) -> None:
    write(warehouse, BASE)
    made = draft(warehouse)
    with pytest.raises(InvalidInput), made.writing(name) as path:
        path.write_text("x")


def test_a_draft_needs_the_encodings_and_says_so(warehouse: Warehouse) -> None:
    change = write(warehouse, BASE)
    with pytest.raises(Exception, match="encode it first"):
        warehouse.draft("run", encoder=ENCODER, fingerprint=FINGERPRINT, snapshots={"s": change.snapshot.data_version})
    assert warehouse.generations() == []


def test_a_draft_of_another_dim_is_refused(warehouse: Warehouse) -> None:
    change = write(warehouse, BASE)
    encode_all(warehouse)
    with pytest.raises(InvalidInput, match=r"holds dims \(8, 4\), the encoder sample says \(16, 4\)"):
        warehouse.draft(
            "run",
            encoder={**ENCODER, "dim": 16},
            fingerprint=FINGERPRINT,
            snapshots={"s": change.snapshot.data_version},
        )


def test_shared_models_are_kept_once_and_recorded(built: Warehouse) -> None:
    def save(folder: Path) -> None:
        np.save(folder / "centroids.npy", np.arange(6, dtype=np.float32))

    one, two = built.add_model(save, "kmeans"), built.add_model(save, "kmeans")
    assert one == two
    made = draft(built)
    made.use_folders([built.layout.relative(one)])
    assert made.manifest.files[f"{built.layout.relative(one)}/centroids.npy"] == record(one / "centroids.npy")
    assert made.has_file(f"{built.layout.relative(one)}/files.json")
    flip(one / "centroids.npy", 140)
    assert [p.path for p in built.verify(made.number).problems] == [f"models/{one.name}/centroids.npy"]


def test_a_file_of_a_generation_is_compared_before_it_is_handed_out(built: Warehouse) -> None:
    generation = built.generation(1)
    assert generation.path("dense.faiss").read_bytes().startswith(b"an index")
    flip(generation.directory / "dense.faiss", 5)
    forget_digests()
    with pytest.raises(CorruptFile, match=r"generations/1/dense\.faiss"):
        generation.path("dense.faiss")
    with pytest.raises(GenerationError, match=r"no file 'hnsw\.faiss'"):
        generation.path("hnsw.faiss")


def test_a_manifest_that_does_not_match_its_seal_is_refused(built: Warehouse) -> None:
    path = built.generation(1).directory / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"run_id": "run"', b'"run_id": "ran"'))
    with pytest.raises(CorruptFile, match=r"generations/1/manifest\.json: expected sha256"):
        built.generation(1)


def test_the_seal_is_what_sha256sum_reads(built: Warehouse) -> None:
    import hashlib

    folder = built.generation(1).directory
    digest = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    assert (folder / "manifest.json.sha256").read_text() == f"{digest}  manifest.json\n"


def test_generations_never_raises_over_a_half_written_folder(built: Warehouse) -> None:
    (built.layout.generations / "2").mkdir()
    (built.layout.generations / "3").mkdir()
    (built.layout.manifest(3)).write_bytes(b"{")
    assert [g.number for g in built.generations()] == [1]
    assert draft(built).number == 4
    built.clean()
    assert built.layout.numbers() == [1, 4]


def test_clean_keeps_the_newest_draft_only(built: Warehouse) -> None:
    for run in ("a", "b", "c"):
        draft(built, run)
    assert built.clean() == ["generations/2", "generations/3"]
    assert built.clean(keep_drafts=0) == ["generations/4"]
    assert [g.number for g in built.generations()] == [1]


def test_chunk_table_gives_rows_beside_columns(twice: Warehouse) -> None:
    generation = twice.generation(2)
    table = generation.chunk_table(["path"])
    assert table.column_names == ["row", "path"]
    assert table["row"].to_pylist() == [0, 3, 4]
    assert len(generation.chunk_table(["path"], live=False)) == 5


def _held(warehouse: Warehouse) -> tuple[bytes | None, bytes]:
    pointer, history = warehouse.layout.published, warehouse.layout.history
    return (pointer.read_bytes() if pointer.is_file() else None), (history.read_bytes() if history.is_file() else b"")


Step = Callable[[Warehouse], object]
STEPS: dict[str, Step] = {
    "publish": lambda warehouse: publish(warehouse),
    "rollback": lambda warehouse: warehouse.rollback(),
    "withdraw": lambda warehouse: warehouse.withdraw(2, "bad"),
    "withdraw another": lambda warehouse: warehouse.withdraw(1, "bad"),
}


@pytest.mark.parametrize("step", ["publish", "rollback", "withdraw"])
@pytest.mark.parametrize("fault", ["another number", "nothing", "no number"])
def test_a_pointer_that_went_elsewhere_is_put_back_and_told(
    twice: Warehouse, step: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(twice, {"d.py": ["l five"]})
    wrong = {"another number": b"7\n", "no number": b"1"}

    def moved(layout: Layout, number: int) -> None:
        if fault in wrong:
            layout.published.write_bytes(wrong[fault])

    held = _held(twice)
    monkeypatch.setattr(publishing, "move_pointer", moved)
    number = 3 if step == "publish" else 1
    with pytest.raises(
        GenerationError, match=f"PUBLISHED was to name generation {number} and .* names 2 now, as before"
    ):
        STEPS[step](twice)
    assert _held(twice) == held
    monkeypatch.undo()
    assert serving(twice) == 2
    twice.rollback()
    assert serving(twice) == 1


def test_the_first_pointer_that_went_elsewhere_is_taken_away(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(warehouse, BASE)
    monkeypatch.setattr(publishing, "move_pointer", lambda layout, _: layout.published.write_bytes(b"9\n"))
    with pytest.raises(GenerationError, match="names 9 after it was written; PUBLISHED names none now, as before"):
        publish(warehouse)
    assert warehouse.published is None and not warehouse.history()


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("fault", ["lost", "of another generation", "of another content", "twice", "over the others"])
def test_a_line_of_the_history_that_is_not_what_was_said_is_taken_out_and_told(
    twice: Warehouse, step: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(twice, {"d.py": ["l five"]})
    append = history.append_history

    def wrong(layout: Layout, action: str, generation: int, **given: Any) -> None:
        if fault == "of another generation":
            append(layout, action, 3 - generation if generation < 3 else 1, **given)
        elif fault == "of another content":
            append(layout, action, generation, **{**given, "content": "0" * 64})
        elif fault != "lost":
            if fault == "over the others":
                layout.history.write_bytes(b"")
            append(layout, action, generation, **given)
            if fault == "twice":
                append(layout, action, generation, **given)

    held = _held(twice)
    monkeypatch.setattr(publishing, "append_history", wrong)
    # A history without its lines is refused by whoever appends to it.
    cut = fault == "over the others"
    told = (
        r"history\.jsonl: expected .* by warehouse\.json" if cut else r"history\.jsonl was to .* names 2 now, as before"
    )
    with pytest.raises(CorruptFile if cut else GenerationError, match=told):
        STEPS[step](twice)
    assert _held(twice) == held
    monkeypatch.undo()
    assert serving(twice) == 2


def test_a_draft_is_of_a_known_encoder_wherever_its_maker_died(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was taken up again and published would name an encoder that warehouse.json does not have."""

    def dying(*_: object) -> bool:
        raise KeyboardInterrupt

    write(warehouse, {"a.py": ["one", "two"]})
    with monkeypatch.context() as patched:
        patched.setattr("xtr_assets.storage.draft_lifecycle.commit_folder", dying)
        with pytest.raises(KeyboardInterrupt):
            draft(warehouse)
    assert FINGERPRINT in Warehouse.open(warehouse.root).info.encoders


def test_notes_of_the_end_are_sealed_beside_those_of_before(warehouse: Warehouse) -> None:
    made = draft(warehouse)
    made.set_note("begun", 1)
    check(made)
    serving = warehouse.publish(made.number, required=REQUIRED, notes={"ended": 2})
    assert warehouse.generation(serving.number).manifest.notes == {"begun": 1, "ended": 2}
    assert warehouse.verify().problems == ()
    # What is sealed never changes, whatever a second run says of it.
    again = warehouse.publish(made.number, required=REQUIRED, notes={"ended": 3})
    assert again.manifest.notes == serving.manifest.notes


def test_a_note_of_the_end_that_is_no_json_seals_nothing(warehouse: Warehouse) -> None:
    made = draft(warehouse)
    check(made)
    with pytest.raises(InvalidInput, match="no JSON"):
        warehouse.publish(made.number, required=REQUIRED, notes={"ended": {1, 2}})
    assert warehouse.published is None and not warehouse.generation(made.number).sealed


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Names of the files that were read to be hashed, by a process that has read nothing, on a host whose times are
    exact."""
    monkeypatch.setenv("XTR_ASSETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(scrub, "SETTLED_NS", -1)
    found: list[str] = []

    def counted(path: Path) -> str:
        found.append(path.name)
        return sha256_file(path)

    monkeypatch.setattr(digests, "sha256_file", counted)
    return found


def test_a_rollback_reads_what_this_host_has_not_read(twice: Warehouse, reads: list[str]) -> None:
    twice.rollback(1)
    assert "dense.faiss" in reads and any(name.startswith("embeddings") for name in reads)
    for number in (2, 1, 2):
        twice.rollback(number)
        reads.clear()
        # As another process: what it does not remember itself.
        forget_digests()
    twice.rollback(1)
    assert reads == []


def test_a_rollback_reads_again_what_somebody_wrote_to(twice: Warehouse, reads: list[str]) -> None:
    for number in (1, 2):
        twice.rollback(number)
    forget_digests()
    path = twice.generation(1).directory / "dense.faiss"
    before = path.stat()
    flip(path, 0)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(CorruptFile, match=r"dense\.faiss"):
        twice.rollback(1)
    assert twice.published is not None and twice.published.number == 2


def test_a_publish_reads_what_is_new_and_no_more(twice: Warehouse, reads: list[str]) -> None:
    twice.rollback(1)
    twice.rollback(2)
    write(twice, {**CHANGED, "z.py": ["z new"]})
    encode_all(twice)
    made = draft(twice)
    check(made)
    forget_digests()
    reads.clear()
    twice.publish(made.number, required=REQUIRED)
    old = {one.segment.segment_id for one in twice.generation(2).segments}
    files = twice.generation(made.number).manifest.files
    shared = [name for name in files if any(name.startswith(f"segments/{one}/") for one in old)]
    new = Counter(name.rpartition("/")[2] for name in set(files).difference(shared))
    # A segment's own record is read by whoever opens it.
    assert shared and set(Counter(reads) - new) == {"segment.json"} and not new - Counter(reads)
