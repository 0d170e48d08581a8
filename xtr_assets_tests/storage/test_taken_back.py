"""What was rolled back or withdrawn stays so, whatever is collected, compacted, imported: a person brings it back."""

from pathlib import Path
from typing import Any

import pytest

from xtr_assets.core.errors import CorruptFile, GenerationError, InvalidInput, PublishRefused
from xtr_assets.core.types import Quarantined
from xtr_assets.storage.content import SETTINGS_NOTE, content_digest
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.origin import SOURCES_NOTE, Origin
from xtr_assets.storage.remembrance import content_of, refusal_of_wanted
from xtr_assets.storage.unnoted_move import followed
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.storage.conftest import Laid
from xtr_assets_tests.storage.sample import FINGERPRINT, REQUIRED, check, draft, encode_all, publish, texts, write

A, B, C = {"a.py": ["f one"]}, {"a.py": ["f one"], "b.py": ["g two"]}, {"c.py": ["h three"]}


@pytest.fixture
def lived(laid: Laid) -> Warehouse:
    """Generations 1 of A, 2 of B and 3 of C, which serves."""
    return laid(A, B, C)


def content(generation: Generation) -> str:
    return content_of(generation.layout, generation.manifest)


def build(warehouse: Warehouse, corpus: dict[str, list[str]], **options: Any) -> Generation:
    """What any build of a corpus comes to, whoever asked for it: a draft with all its checks, and `publish`."""
    write(warehouse, corpus)
    made = draft(warehouse)
    check(made)
    return warehouse.publish(made.number, required=REQUIRED, **options)


def test_a_collection_does_not_make_a_withdrawal_forgotten(lived: Warehouse) -> None:
    lived.withdraw(3, "licence", who="ann@host")
    lived.collect(keep=3)
    assert lived.layout.numbers() == [1, 2]
    with pytest.raises(
        PublishRefused, match=r"holds exactly what generation 3 held, which was withdrawn on .* by ann@host \(licence\)"
    ) as refused:
        build(lived, C)
    assert 'xtr-assets publish 4 --again --reason "..."' in str(refused.value)
    assert lived.published is not None and lived.published.number == 2


def test_a_collection_does_not_make_a_rollback_forgotten(lived: Warehouse) -> None:
    lived.rollback()
    lived.collect(keep=1)
    assert lived.layout.numbers() == [2]
    with pytest.raises(PublishRefused, match="what generation 3 held, which was rolled back"):
        build(lived, C)
    assert texts(build(lived, {**B, "z.py": ["z new"]})) == ["f one", "g two", "z new"]
    with pytest.raises(PublishRefused, match="generation 3"):
        build(lived, C)


@pytest.mark.parametrize("keep", [1, 3])
def test_what_lay_between_is_rolled_back_too_and_what_serves_is_not(lived: Warehouse, keep: int) -> None:
    lived.rollback(1, reason="both are odd")
    lived.collect(keep=keep)
    for corpus in (B, C):
        with pytest.raises(PublishRefused, match="both are odd"):
            build(lived, corpus)
    assert build(lived, A).parent == 1


def test_the_content_that_served_before_may_come_back(lived: Warehouse) -> None:
    lived.withdraw(3, "licence")
    lived.collect(keep=1)
    assert texts(build(lived, A)) == ["f one"]


def test_what_a_rollback_to_a_named_generation_replaced_was_rolled_back(lived: Warehouse) -> None:
    lived.rollback()
    build(lived, A | C)
    lived.rollback(3, reason="rather that one")
    with pytest.raises(PublishRefused, match="rather that one"):
        build(lived, A | C)


def test_withdrawal_holds_for_another_layout_of_the_same(lived: Warehouse) -> None:
    write(lived, {**B, "x.py": ["x"]})
    write(lived, B)
    encode_all(lived)
    snapshot = lived.snapshot("s")
    assert snapshot is not None
    lived.compact({"s": (tuple(one.segment_id for one in snapshot.segments),)})
    again = build(lived, B)
    assert content(again) == content(lived.generation(2))
    assert again.manifest.snapshots != lived.generation(2).manifest.snapshots
    lived.withdraw(again.number, "licence")
    assert lived.published is not None and lived.published.number == 3, "generation 2 holds the same"
    assert [one.state for one in lived.generations()] == ["retired", "withdrawn", "published", "withdrawn"]
    for step in (lambda: lived.rollback(2), lambda: lived.publish(2), lambda: lived.export(2, lived.root / "x")):
        with pytest.raises(GenerationError, match="what generation 4 held, which was withdrawn"):
            step()
    assert lived.rollback().number == 1


def test_an_older_layout_of_what_serves_is_not_withdrawn_alone(lived: Warehouse) -> None:
    again = build(lived, B)
    with pytest.raises(GenerationError, match=f"generation {again.number} serves and holds exactly what generation 2"):
        lived.withdraw(2, "licence")
    assert lived.published is not None and lived.published.number == again.number


def test_where_all_that_served_is_withdrawn_nothing_takes_over(warehouse: Warehouse) -> None:
    write(warehouse, A)
    publish(warehouse)
    build(warehouse, A)
    with pytest.raises(GenerationError, match="nothing was published before it that holds anything else"):
        warehouse.withdraw(2, "licence")
    assert warehouse.published is not None and warehouse.published.number == 2


def test_an_import_of_the_same_is_refused_as_well(lived: Warehouse, tmp_path: Path) -> None:
    exported = lived.export(3, tmp_path / "out").root
    lived.withdraw(3, "licence")
    lived.collect(keep=2)
    assert lived.import_generation(exported).state == "withdrawn"
    with pytest.raises(PublishRefused, match="generation 3 was withdrawn"):
        lived.publish(3)
    other = Warehouse.create(tmp_path / "other")
    for corpus in (A, B, A | B | C, C):
        write(other, corpus)
        publish(other)
    lived.import_generation(other.export(4, tmp_path / "out-4").root)
    with pytest.raises(PublishRefused, match="what generation 3 held, which was withdrawn"):
        lived.publish(4, required=REQUIRED)


def test_a_number_that_was_collected_here_is_not_given_to_another_generation(lived: Warehouse, tmp_path: Path) -> None:
    other = Warehouse.create(tmp_path / "other")
    write(other, {"other.py": ["o other"]})
    publish(other)
    lived.collect(keep=1)
    with pytest.raises(GenerationError, match="a generation 1 of its own, or had one"):
        lived.import_generation(other.export(1, tmp_path / "out").root)


def test_only_a_person_brings_it_back_and_who_and_why_are_kept(lived: Warehouse) -> None:
    lived.withdraw(3, "licence")
    with pytest.raises(InvalidInput, match="again needs a reason"):
        lived.publish(3, again_reason=" ")
    assert lived.publish(3, again_reason="the licence is settled", who="ann@host").state == "published"
    allowed, published = lived.history()[-2:]
    assert (allowed.action, allowed.generation, allowed.who, allowed.reason) == (
        "allowed",
        3,
        "ann@host",
        "the licence is settled",
    )
    assert (published.action, published.forced) == ("published", False)
    # It is like any other again: followed by the next, it may come back.
    build(lived, A)
    assert build(lived, C).number == 5
    lived.withdraw(5, "after all")
    with pytest.raises(PublishRefused, match="after all"):
        lived.publish(3)


def test_what_was_collected_is_allowed_by_its_content(lived: Warehouse) -> None:
    digest = content(lived.generation(3))
    with pytest.raises(GenerationError, match="nothing took back"):
        lived.allow_again(digest, "why not")
    lived.withdraw(3, "licence")
    lived.collect(keep=1)
    lived.allow_again(digest, "settled")
    assert build(lived, C).state == "published"


def test_a_draft_of_what_was_taken_back_is_published_with_a_word_only_where_its_checks_passed(lived: Warehouse) -> None:
    lived.rollback()
    write(lived, C)
    made = draft(lived)
    check(made, passed=False)
    with pytest.raises(PublishRefused, match="dense_recall"):
        lived.publish(made.number, required=REQUIRED, again_reason="it was fine")
    assert [entry.action for entry in lived.history()].count("allowed") == 0


def test_histories_of_older_releases_are_completed_before_a_manifest_goes(lived: Warehouse) -> None:
    lived.withdraw(3, "licence")
    older_history(lived)
    digest = content(lived.generation(3))
    assert digest in lived.taken_back()
    dry = lived.collect(keep=1, dry_run=True)
    assert 3 in dry.generations and not any(entry.content for entry in lived.history())
    lived.collect(keep=1)
    assert lived.layout.numbers() == [2]
    assert digest in lived.taken_back()
    assert {e.generation for e in lived.history() if e.action == "remembered"} == {1, 2, 3}
    assert Warehouse.open(lived.root).info.format_version == 3
    with pytest.raises(PublishRefused, match="licence"):
        build(lived, C)
    lived.collect(keep=1)
    assert len([e for e in lived.history() if e.action == "remembered"]) == 3, "once is enough"


def test_a_withdrawal_without_a_known_content_still_names_its_number(lived: Warehouse) -> None:
    lived.withdraw(1, "licence")
    older_history(lived)
    assert lived.generation(1).state == "withdrawn"
    with pytest.raises(GenerationError, match="was withdrawn"):
        lived.rollback(1)


def older_history(warehouse: Warehouse) -> None:
    """The history as releases wrote it that did not know contents."""
    lines = [entry.model_copy(update={"content": None, "after": None}).signed() for entry in warehouse.history()]
    warehouse.layout.history.write_text("".join(f"{line.model_dump_json()}\n" for line in lines))
    info = warehouse.info.model_copy(update={"format_version": 1, "history": None})
    warehouse.layout.warehouse_json.write_bytes(info.to_bytes())
    assert b"content" not in warehouse.layout.history.read_bytes()


@pytest.mark.parametrize("dies", ["before the history", "after"])
def test_a_rollback_that_died_before_it_was_noted_counts(
    lived: Warehouse, dies: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dead(*_: object, **__: object) -> None:
        raise RuntimeError("died")

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="died"):
        patch.setattr("xtr_assets.storage.publish.append_history", dead)
        lived.rollback()
    if dies == "after":
        lived.clean()
        assert lived.history()[-1].action == "recovered"
    with pytest.raises(PublishRefused, match="what generation 3 held, which was rolled back"):
        build(lived, C)


def test_a_content_is_what_is_held_and_asked_not_how_it_is_laid_out_or_released() -> None:
    said = {"recall": {"dense": 0.95, "k": 10}, "dense": {"recipe": "auto"}, "formats": {"postings": 2}}
    same: list[dict[str, Any]] = [
        {},
        {"formats": {"postings": 3}},
        {"recall": {"dense": 0.95}, "encoder": {"kind": "hashing", "a setting of tomorrow": 1}},
        {"recall": {"dense": 0.95, "xtr": 0.95}, "dense": {"recipe": "auto", "target": "cpu"}, "queries": None},
    ]
    other: list[dict[str, Any]] = [
        {"recall": {"dense": 0.9}},
        {"dense": {"recipe": "Flat"}},
        {"queries": {"path": "ab"}},
    ]
    digest = content_digest("5a", {"s": "ab", "t": "cd"}, said)
    assert {content_digest("5a", {"t": "cd", "s": "ab"}, settings) for settings in same} == {digest}
    assert digest not in {content_digest("5a", {"t": "cd", "s": "ab"}, settings) for settings in other}
    assert digest != content_digest("5b", {"s": "ab", "t": "cd"}, said)
    assert digest != content_digest("5a", {"s": "ab"}, said)


def build_by(
    warehouse: Warehouse, corpus: dict[str, list[str]], release: str, sources: str, *quarantined: Quarantined
) -> Generation:
    """What a build of a release comes to that cuts files in its own way, and notes what the configuration says."""
    write(warehouse, corpus, quarantined=quarantined, source_fingerprint=release)
    made = draft(warehouse, notes={SOURCES_NOTE: sources})
    check(made)
    return warehouse.publish(made.number, required=REQUIRED)


def test_another_release_that_cuts_the_same_files_otherwise_brings_nothing_back(lived: Warehouse) -> None:
    lived.withdraw(3, "licence")
    with pytest.raises(PublishRefused, match="holds exactly what generation 3 held, which was withdrawn"):
        build_by(lived, C, "v2", "as configured")
    assert lived.published is not None and lived.published.number == 2
    assert lived.publish(4, required=REQUIRED, again_reason="settled").state == "published"
    assert not lived.taken_back()


def build_with(
    warehouse: Warehouse, corpus: dict[str, list[str]], settings: dict[str, Any], fingerprint: str = FINGERPRINT
) -> Generation:
    """What a build comes to under other settings of the index, or with another encoder."""
    write(warehouse, corpus)
    made = draft(warehouse, fingerprint=fingerprint, notes={SETTINGS_NOTE: settings})
    check(made)
    return warehouse.publish(made.number, required=REQUIRED)


def test_what_was_withdrawn_stays_so_under_other_settings_and_another_encoder(lived: Warehouse) -> None:
    assert build_with(lived, A | C, {}).number == 4
    assert build_with(lived, C, {"recall": {"k": 50}}).number == 5
    lived.withdraw(5, "licence")
    assert Warehouse.open(lived.root).info.format_version == 6
    assert lived.published is not None and lived.published.number == 4
    with pytest.raises(PublishRefused, match=r"same files as generation 5, which was withdrawn .*licence"):
        build_with(lived, C, {"recall": {"k": 20}})
    with pytest.raises(PublishRefused, match="made from the same files as generation 5"):
        build_with(lived, C, {}, "6b" * 32)
    with pytest.raises(GenerationError, match="made from the same files as generation 5"):
        lived.rollback(3)
    lived.collect(keep=3)
    assert lived.layout.numbers() == [1, 2, 4, 6, 7], "generations 3 and 5 serve no more, and are no way back"
    assert lived.rollback().number == 2
    assert build_with(lived, A | {"d.py": ["i four"]}, {}).state == "published"
    assert lived.publish(6, force_reason="late", again_reason="settled").state == "published"
    assert build_with(lived, C, {"recall": {"k": 30}}).state == "published"


def test_what_was_made_from_files_that_were_withdrawn_is_withdrawn_wherever_it_is_told(lived: Warehouse) -> None:
    build_with(lived, A | C, {})
    build_with(lived, C, {"recall": {"k": 50}})
    before = lived.layout.published.read_bytes()
    lived.rollback(3)
    of_three = lived.layout.published.read_bytes()
    lived.rollback(2)
    lived.withdraw(5, "licence")
    assert lived.history()[-1].also == (3,)
    states = {one.number: one.state for one in lived.generations()}
    assert states == {1: "retired", 2: "published", 3: "withdrawn", 4: "retired", 5: "withdrawn"}
    for pointer in (before, of_three):
        lived.layout.published.write_bytes(pointer)
        with pytest.raises(
            CorruptFile, match=r"expected generation 2, of the last move, found generation [35], withdrawn"
        ):
            followed(lived.layout)
    lived.layout.published.write_text("2\n")
    lived.publish(3, again_reason="settled")
    assert lived.generation(3).state == "published" and lived.generation(5).state == "withdrawn"
    lived.rollback(2)
    assert lived.generation(3).state == "retired"


def test_where_the_same_files_take_over_only_the_settings_were_withdrawn(lived: Warehouse) -> None:
    assert build_with(lived, C, {"recall": {"k": 50}}).number == 4
    lived.withdraw(4, "too slow")
    assert Warehouse.open(lived.root).info.format_version == 4
    assert lived.published is not None and lived.published.number == 3
    assert build_with(lived, C, {"recall": {"k": 20}}).state == "published"
    with pytest.raises(PublishRefused, match="holds exactly what generation 4 held, which was withdrawn"):
        build_with(lived, C, {"recall": {"k": 50}})


def test_other_settings_of_the_same_files_are_other_content_unless_these_were_withdrawn(lived: Warehouse) -> None:
    first = build_by(lived, A | B, "v2", "long chunks")
    lived.rollback()
    with pytest.raises(PublishRefused, match=f"what generation {first.number} held, which was rolled back"):
        build_by(lived, A | B, "v4", "long chunks")
    short = build_by(lived, A | B, "v3", "short chunks")
    lived.withdraw(short.number, "too short")
    assert lived.published is not None and lived.published.number == 3
    with pytest.raises(PublishRefused, match=f"the same files as generation {short.number}, which was withdrawn"):
        build_by(lived, A | B, "v4", "long chunks")


def test_what_waited_for_a_library_is_other_content_once_that_is_there(lived: Warehouse) -> None:
    waiting = Quarantined("s", "c.py", 0, "not-installed", "`pip install` it")
    build_by(lived, C | {"a.py": ["f one, again"]}, "v2", "as configured", waiting)
    lived.rollback()
    assert build_by(lived, C | {"a.py": ["f one, again"]}, "v2 with it", "as configured").number == 5


def test_what_an_earlier_release_made_of_what_is_withdrawn_takes_over_no_more(lived: Warehouse) -> None:
    assert build_by(lived, C, "v2", "as configured").number == 4
    with pytest.raises(GenerationError, match="generation 4 serves and holds exactly what generation 3 does"):
        lived.withdraw(3, "licence")
    lived.withdraw(4, "licence")
    assert lived.published is not None and lived.published.number == 2
    with pytest.raises(PublishRefused, match="what generation 4 held, which was withdrawn"):
        lived.rollback(3)


def test_what_serves_is_built_by_another_release_though_its_files_were_taken_back_once(lived: Warehouse) -> None:
    write(lived, C, source_fingerprint="other settings")
    assert publish(lived).number == 4
    lived.withdraw(3, "bad settings")
    assert build_by(lived, C, "v2", "as configured").state == "published"


def test_a_rollback_goes_to_what_a_person_let_serve_though_its_files_were_withdrawn_once(lived: Warehouse) -> None:
    """Of the same files there are two cuts by earlier releases: a person's word is about what is made of them now."""
    write(lived, C, source_fingerprint="other settings")
    assert publish(lived).number == 4
    for number in (3, 4):
        lived.withdraw(number, "licence")
    write(lived, C, source_fingerprint="v2")
    made = draft(lived, notes={SOURCES_NOTE: "as configured"})
    check(made)
    lived.publish(made.number, required=REQUIRED, again_reason="settled")
    assert build_by(lived, A, "v2", "as configured").number == 6
    assert lived.rollback().number == made.number


@pytest.fixture
def banned(lived: Warehouse) -> Warehouse:
    """Generations 4 of A | C and 5 of C by other settings, which was withdrawn with its files; 2 serves."""
    build_with(lived, A | C, {})
    build_with(lived, C, {"recall": {"k": 50}})
    lived.withdraw(5, "licence")
    lived.rollback(2)
    return lived


def test_a_word_for_files_leaves_the_content_that_was_withdrawn_with_them(banned: Warehouse) -> None:
    with pytest.raises(PublishRefused):
        build_with(banned, C, {"recall": {"k": 20}})
    assert banned.publish(6, required=REQUIRED, again_reason="these settings").state == "published"
    build(banned, A)
    assert build_with(banned, C, {"recall": {"k": 30}}).state == "published"
    with pytest.raises(PublishRefused, match="holds exactly what generation 5 held, which was withdrawn"):
        build_with(banned, C, {"recall": {"k": 50}})


def test_a_word_for_a_content_lets_its_files_serve_though_another_was_withdrawn_with_them(lived: Warehouse) -> None:
    build_with(lived, C, {"recall": {"k": 50}})
    for number in (4, 3):
        lived.withdraw(number, "licence")
    assert lived.publish(4, again_reason="settled").state == "published"
    build(lived, A)
    assert build_with(lived, C, {"recall": {"k": 50}}).state == "published"
    lived.rollback()
    assert lived.publish(4, again_reason="once more").state == "published"
    with pytest.raises(PublishRefused, match="generation 3 was withdrawn"):
        lived.publish(3)


def test_files_that_serve_after_a_word_are_withdrawn_anew(banned: Warehouse) -> None:
    with pytest.raises(PublishRefused):
        build_with(banned, C, {"recall": {"k": 20}})
    banned.publish(6, required=REQUIRED, again_reason="settled")
    assert build_with(banned, C, {"recall": {"k": 30}}).number == 7
    banned.rollback(2)
    banned.withdraw(7, "after all")
    with pytest.raises(GenerationError, match="made from the same files as generation 7"):
        banned.rollback(6)


def test_what_was_withdrawn_with_its_files_is_told_without_reading_a_snapshot(
    banned: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(banned, C)
    snapshot = banned.snapshot("s")
    assert snapshot is not None
    origin = Origin.of("6b" * 32, {"s": snapshot}, {SETTINGS_NOTE: {"recall": {"k": 20}}})
    monkeypatch.setattr("xtr_assets.storage.origin.read_snapshot", lambda *_: pytest.fail("a snapshot was read"))
    back = refusal_of_wanted(banned.layout, "00" * 32, origin)
    assert back is not None and back.by_files and back.generation == 5
