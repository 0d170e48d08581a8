"""What must have passed before a generation serves: whoever asks for less, or edits a record, gets no less."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xtr_assets.core.errors import CorruptFile, InvalidInput, PublishRefused
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.manifest import RequiredCheck
from xtr_assets.storage.refusal import figures
from xtr_assets.storage.seal import seal_text
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.storage.sample import ENCODER, FINGERPRINT, REQUIRED, check, draft, encode_all, write

BASE = {"a.py": ["f one", "g two"]}


@pytest.fixture
def begun(warehouse: Warehouse) -> Draft:
    """A draft as a build begins it: it says itself what it must pass."""
    write(warehouse, BASE)
    return gated(warehouse)


def gated(warehouse: Warehouse, run_id: str = "run", required: tuple[RequiredCheck, ...] = REQUIRED) -> Draft:
    encode_all(warehouse)
    snapshot = warehouse.snapshot("s")
    assert snapshot is not None
    versions = {"s": snapshot.data_version}
    made = warehouse.draft(run_id, encoder=ENCODER, fingerprint=FINGERPRINT, snapshots=versions, required=required)
    for name in ("dense.faiss", "xtr/index.json"):
        with made.writing(name) as path:
            path.write_bytes(b"index")
    made.set_profile("dense", {"nprobe": 8})
    return made


def edit(made: Draft, change: Callable[[Any], object]) -> None:
    """What somebody does to manifest.json with an editor."""
    path = made.layout.manifest(made.number)
    loaded = json.loads(path.read_bytes())
    change(loaded)
    path.write_text(json.dumps(loaded))


def test_what_a_draft_was_begun_with_is_demanded_of_whoever_publishes(warehouse: Warehouse, begun: Draft) -> None:
    for required in (None, (), [RequiredCheck("files_verified", 1, ("dense.faiss",), ("dense",))]):
        with pytest.raises(PublishRefused, match="dense_recall: has no record"):
            warehouse.publish(begun.number, required=required)
    check(begun)
    assert warehouse.publish(begun.number).state == "published"
    assert warehouse.history()[-1].forced is False


def test_more_may_be_asked_than_the_draft_was_begun_with(warehouse: Warehouse, begun: Draft) -> None:
    check(begun)
    with pytest.raises(PublishRefused, match="judged_quality: has no record"):
        warehouse.publish(begun.number, required=[RequiredCheck("judged_quality")])


def test_nothing_required_is_nothing_passed_and_leaves_its_trace(warehouse: Warehouse) -> None:
    write(warehouse, BASE)
    made = draft(warehouse)
    made.record_check("dense_recall", passed=True, value=1.0, threshold=0.9, subject=())
    with pytest.raises(PublishRefused, match="nothing says which checks it must pass"):
        warehouse.publish(made.number, required=())
    with pytest.raises(PublishRefused, match=r"dense_recall: passed, but its record is not about dense\.faiss"):
        warehouse.publish(made.number, required=REQUIRED[:1])
    forced = warehouse.publish(made.number, required=(), force_reason="a script")
    assert (forced.forced, forced.manifest.forced) == ("a script", "a script")
    assert warehouse.history()[-1].forced


def test_names_alone_are_no_requirement(warehouse: Warehouse, begun: Draft) -> None:
    with pytest.raises(InvalidInput, match="takes RequiredCheck"):
        warehouse.publish(begun.number, required=["dense_recall"])  # type: ignore[list-item]


def test_a_record_of_another_version_of_the_check_does_not_count(warehouse: Warehouse, begun: Draft) -> None:
    check(begun)
    begun.record_check(
        "dense_recall",
        passed=True,
        value=1.0,
        threshold=0.9,
        subject=["dense.faiss"],
        profile_keys=["dense"],
        version=2,
    )
    with pytest.raises(PublishRefused, match="by version 2 of the check, version 1 is asked"):
        warehouse.publish(begun.number)


@pytest.mark.parametrize(
    "change",
    [
        {"passed": True},
        {"threshold": 0.1, "passed": True},
        {"value": 0.99, "passed": True},
        {"version": 1, "details": {"summary": "all is well"}, "passed": True},
    ],
)
def test_an_edited_record_is_found(warehouse: Warehouse, begun: Draft, change: dict[str, Any]) -> None:
    check(begun, passed=False)
    edit(begun, lambda manifest: [record.update(change) for record in manifest["checks"].values()])
    with pytest.raises(PublishRefused, match="was changed after the check wrote it"):
        warehouse.publish(begun.number)


def test_a_record_written_by_hand_is_found(warehouse: Warehouse, begun: Draft) -> None:
    check(begun)

    def forge(manifest: Any) -> None:
        for record in manifest["checks"].values():
            del record["seal"]

    edit(begun, forge)
    with pytest.raises(PublishRefused, match="does not say who made it"):
        warehouse.publish(begun.number)


def test_a_record_under_another_name_or_of_another_draft_does_not_hold(warehouse: Warehouse, begun: Draft) -> None:
    check(begun)
    other = gated(warehouse, "another run")
    good = json.loads(begun.layout.manifest(begun.number).read_bytes())["checks"]
    edit(other, lambda manifest: manifest.update(checks=good, format_version=3))
    with pytest.raises(PublishRefused, match="or belongs to another draft"):
        warehouse.publish(other.number)
    edit(begun, lambda manifest: manifest["checks"].update(dense_recall=good["files_verified"]))
    with pytest.raises(PublishRefused, match="dense_recall: its record was changed"):
        warehouse.publish(begun.number)


def test_a_requirement_struck_out_by_hand_is_still_asked_by_the_config(warehouse: Warehouse, begun: Draft) -> None:
    edit(begun, lambda manifest: manifest.update(required=[], format_version=1))
    with pytest.raises(PublishRefused, match="dense_recall: has no record"):
        warehouse.publish(begun.number, required=REQUIRED)
    with pytest.raises(PublishRefused, match="nothing says which checks"):
        warehouse.publish(begun.number)


@pytest.mark.parametrize(("kind", "key"), [("profile", "dense"), ("profile", "hybrid"), ("recipe", "dense")])
def test_whatever_the_searcher_obeys_is_covered(warehouse: Warehouse, begun: Draft, kind: str, key: str) -> None:
    check(begun)
    edit(begun, lambda manifest: manifest[kind].update({key: {"nprobe": 1}}))
    with pytest.raises(PublishRefused, match=r"other bytes|profile sets 'hybrid'"):
        warehouse.publish(begun.number)


def test_postings_belong_to_the_token_index(warehouse: Warehouse) -> None:
    write(warehouse, BASE)
    made = gated(warehouse, required=(RequiredCheck("xtr_recall", 1, ("xtr",), ("dense", "xtr")),))
    made.record_check(
        "xtr_recall", passed=True, value=1.0, threshold=0.9, subject=["xtr"], profile_keys=["dense", "xtr"]
    )
    segment = made.segments[0].segment
    (segment.staging("postings.m") / "lists.npy").write_bytes(b"lists")
    segment.seal_folder("postings.m")
    made.use_folders([f"segments/{segment.segment_id}/postings.m"])
    with pytest.raises(PublishRefused, match="xtr_recall: passed for other bytes"):
        warehouse.publish(made.number)


def test_a_sealed_manifest_edited_with_its_sha256_is_found_by_the_history(warehouse: Warehouse, begun: Draft) -> None:
    check(begun, passed=False)
    warehouse.publish(begun.number, force_reason="the demo is at noon")
    write(warehouse, {**BASE, "b.py": ["h three"]})
    made = gated(warehouse)
    check(made)
    warehouse.publish(made.number)

    def better(manifest: Any) -> None:
        manifest["forced"] = None
        manifest["checks"]["dense_recall"]["passed"] = True

    edit(begun, better)
    warehouse.layout.manifest_seal(begun.number).write_bytes(
        seal_text(warehouse.layout.manifest(begun.number).read_bytes())
    )
    steps: tuple[Callable[[], object], ...] = (warehouse.rollback, lambda: warehouse.publish(begun.number))
    for step in steps:
        with pytest.raises(CorruptFile, match=r"generations/1/manifest\.json: expected sha256 .* by the history"):
            step()
    assert [problem.path for problem in warehouse.verify().problems] == ["generations/1/manifest.json"]


@pytest.fixture
def target(tmp_path: Path) -> Warehouse:
    return Warehouse.create(tmp_path / "target")


def test_what_is_imported_keeps_its_verdicts_and_is_held_to_them(
    warehouse: Warehouse, begun: Draft, target: Warehouse, tmp_path: Path
) -> None:
    check(begun)
    warehouse.publish(begun.number)
    target.import_generation(warehouse.export(begun.number, tmp_path / "out").root)
    with pytest.raises(PublishRefused, match="judged_quality: has no record"):
        target.publish(begun.number, required=[*REQUIRED, RequiredCheck("judged_quality")])
    assert target.publish(begun.number).forced is None
    assert [(e.action, e.forced) for e in target.history()] == [("imported", False), ("published", False)]


def test_what_was_forced_elsewhere_is_not_published_here_without_a_word(
    warehouse: Warehouse, begun: Draft, target: Warehouse, tmp_path: Path
) -> None:
    check(begun, passed=False)
    warehouse.publish(begun.number, force_reason="there")
    target.import_generation(warehouse.export(begun.number, tmp_path / "out").root)
    with pytest.raises(PublishRefused, match=r"dense_recall: recall of the dense index is 0\.97; 0\.95 is asked"):
        target.publish(begun.number)
    assert target.published is None
    generation = target.publish(begun.number, force_reason="here too")
    assert (generation.forced, generation.manifest.forced) == ("here too", "there")
    assert target.history()[-1].forced


def test_an_import_edited_after_it_arrived_is_found(
    warehouse: Warehouse, begun: Draft, target: Warehouse, tmp_path: Path
) -> None:
    check(begun, passed=False)
    warehouse.publish(begun.number, force_reason="there")
    target.import_generation(warehouse.export(begun.number, tmp_path / "out").root)
    path = target.layout.manifest(begun.number)
    path.write_bytes(path.read_bytes().replace(b'"there"', b'"hello"'))
    target.layout.manifest_seal(begun.number).write_bytes(seal_text(path.read_bytes()))
    with pytest.raises(CorruptFile, match="by the history"):
        target.publish(begun.number, force_reason="here too")


def test_a_refusal_is_in_words(warehouse: Warehouse, begun: Draft) -> None:
    keys: Any = {"subject": ["dense.faiss"], "profile_keys": ["dense"]}
    begun.record_check(
        "dense_recall",
        passed=False,
        value=0.9442307692307692,
        threshold=0.95,
        details={"mean": 0.9569230769230769, "k": 10},
        **keys,
    )
    begun.record_check(
        "files_verified",
        passed=False,
        value=1.0,
        threshold=0.0,
        details={"summary": "One file of 12 differs.", "remedy": "Build again, or restore it."},
        **keys,
    )
    with pytest.raises(PublishRefused) as refused:
        warehouse.publish(begun.number)
    assert str(refused.value).splitlines() == [
        "generation 1 is not published:",
        "  dense_recall: recall@10 of the dense index is 0.957, surely at least 0.944; 0.95 is asked",
        "    `xtr-assets tune` says what other search settings find; `recall.dense` in xtr.yaml is what is asked",
        "  files_verified: One file of 12 differs",
        "    Build again, or restore it",
        "build again once that is repaired, or publish it all the same, which is kept: "
        '`xtr-assets publish 1 --force --reason "..."` (in Dagster: `publish` with `force`)',
    ]


def test_two_figures_that_differ_look_different() -> None:
    assert figures(0.957, 0.95) == ("0.957", "0.95")
    assert figures(0.94996, 0.95) == ("0.94996", "0.95")
    assert figures(1.0, 1.01) == ("1", "1.01")
    assert figures(0.95, 0.95) == ("0.95", "0.95")
