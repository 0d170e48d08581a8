"""What is asked of all parts of a set together: a move that fails it is not made, and one that is made keeps it."""

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from xtr_assets.core.errors import CorruptFile, PublishRefused, UnknownFormat
from xtr_assets.storage.manifest import CheckRecord
from xtr_assets.storage.parts import part_set, part_set_writer
from xtr_assets.storage.parts.joined_generation import JoinedGeneration
from xtr_assets.storage.parts.part_gate import SetProblem, set_problems
from xtr_assets.storage.parts.part_records import PartMove
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets.storage.parts.set_check import SetCheck
from xtr_assets_tests.faults.dying import dying
from xtr_assets_tests.storage.sample import texts
from xtr_assets_tests.storage.test_part_set import build, served, template, two

__all__ = ["template", "two"]


def asking(passed: bool = True, evidence: str = "some queries", seen: list[object] | None = None) -> list[SetCheck]:
    """A check that always finds this. seen : what it was given"""

    def look(candidate: JoinedGeneration, serving: PartMove | None, about: str) -> CheckRecord:
        if seen is not None:
            seen.extend([texts(candidate), None if serving is None else serving.checks])
        return CheckRecord(
            name="quality",
            passed=passed,
            value=0.4,
            threshold=0.5,
            subject=(),
            digest=about,
            at="2026-01-01T00:00:00Z",
            details={"summary": "it is 0.4; 0.5 was asked", "remedy": "mend it", "per_query": {"1": 0.4}},
        )

    return [SetCheck("quality", evidence, 0.5, look)]


def test_a_move_keeps_what_was_found_of_just_what_it_names(two: PartSet) -> None:
    seen: list[object] = []
    build(two.warehouse("a"), "second", "x")
    assert two.publish(checks=asking(seen=seen)).number == 2
    candidate, before = seen
    assert candidate == served(two) and before == {}, "it looks at what the move would serve"
    build(two.warehouse("b"), "second", "y")
    joined = two.publish(checks=asking(seen=seen))
    assert seen[3] == two.moves()[1].checks and joined.manifest.checks["quality"].value == 0.4
    assert [move.format_version for move in two.moves()] == [1, 2, 2]
    assert len({move.checks["quality"].digest for move in two.moves()[1:]}) == 2, "each is about what its move names"
    assert b"checks" not in two.layout.move(1).read_bytes()
    (told,) = two.moves()[-1].document()["checks"]
    assert told == {
        "name": "quality",
        "passed": True,
        "value": 0.4,
        "threshold": 0.5,
        "summary": "it is 0.4; 0.5 was asked",
    }


def test_the_same_asked_by_the_same_is_no_move(two: PartSet) -> None:
    seen: list[object] = []
    assert two.publish(checks=()).number == 1
    assert two.publish(checks=asking(seen=seen)).number == 2, "what serves was not asked yet"
    assert two.publish(checks=asking(seen=seen)).number == 2 and len(seen) == 2
    assert two.publish(checks=asking(evidence="other queries")).number == 3
    with pytest.raises(PublishRefused, match="did not pass"):
        two.publish(checks=asking(False, "still others"))
    assert two.number == 3


def test_what_fails_does_not_serve_and_says_why(two: PartSet) -> None:
    before = served(two)
    build(two.warehouse("a"), "second", "x")
    words = r"(?s)the set is not published.*check 'quality' did not pass: it is 0\.4; 0\.5 was asked; mend it"
    with pytest.raises(PublishRefused, match=words):
        two.publish(checks=asking(False))
    assert served(two) == before and two.number == 1
    # A person's word lets it serve, and the next one is held against what was found of it.
    two.publish(checks=asking(False), force_reason="it was meant")
    assert two.moves()[-1].forced == "it was meant" and not two.moves()[-1].checks["quality"].passed
    # A word for something else is none that nothing needed.
    build(two.warehouse("b"), "second", "y")
    two.publish(checks=asking(), force_reason="nothing needs it")
    assert two.moves()[-1].forced is None


def test_a_part_that_a_person_let_serve_is_asked_by_other_evidence_without_them(two: PartSet) -> None:
    build(two.warehouse("a"), "second", "x", passed=False)
    with pytest.raises(PublishRefused, match="part a: generation 2 was forced past its own gate"):
        two.publish(checks=asking())
    two.publish(checks=asking(), force_reason="it was meant")
    assert two.publish(checks=asking(evidence="other queries")).number == 3
    assert two.moves()[-1].forced == "it was meant"
    # Of what they ask, and of a shard that is to move, that person said nothing.
    two.reassign("y", "a")
    with pytest.raises(PublishRefused, match="shard 'y' was placed in part a"):
        two.publish(checks=asking(evidence="still others"))
    two.reassign("y", "b")
    with pytest.raises(PublishRefused, match="check 'quality' did not pass"):
        two.publish(checks=asking(False, "still others"))


def test_who_cannot_ask_does_not_let_serve_what_nobody_asked(two: PartSet) -> None:
    two.publish(checks=asking())
    build(two.warehouse("a"), "second", "x")
    with pytest.raises(PublishRefused, match=r"move 2 .*was asked 'quality', .*by the configuration of the set"):
        two.publish()
    two.publish(force_reason="at night")
    assert two.moves()[-1].format_version == 1
    # Nobody asks any more: the configuration says so.
    two.publish(checks=asking())
    build(two.warehouse("a"), "third", "x")
    two.publish(checks=())
    assert two.moves()[-1].forced is None and not two.moves()[-1].checks


def test_what_goes_back_takes_its_record_along_and_is_not_asked(two: PartSet) -> None:
    two.publish(checks=asking())
    build(two.warehouse("a"), "second", "x")
    two.publish(checks=asking(False), force_reason="it was meant")
    two.rollback()
    assert two.moves()[-1].checks == two.moves()[1].checks and two.moves()[-1].format_version == 2
    seen: list[object] = []
    with pytest.raises(PublishRefused, match=r"'quality' did not pass: .*`xtr-assets publish 3 --again --force --re"):
        two.publish(3, again_reason="after all", checks=asking(seen=seen))
    two.publish(3, again_reason="after all", force_reason="it was meant", checks=asking(seen=seen))
    assert not seen and two.moves()[-1].checks == two.moves()[2].checks
    two.publish(2)
    assert two.moves()[-1].checks == two.moves()[1].checks and two.moves()[-1].forced is None


def test_a_death_between_the_look_and_the_move_loses_nothing(
    two: PartSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = served(two)
    build(two.warehouse("a"), "second", "x")
    counted = PartSet.open(shutil.copytree(two.root, tmp_path / "counted"))
    with dying(monkeypatch, None) as life:
        counted.publish(checks=asking())
    after = served(counted)
    for at in range(1, len(life.steps) + 1):
        here = PartSet.open(shutil.copytree(two.root, tmp_path / f"at{at}"))
        with dying(monkeypatch, at):
            here.publish(checks=asking())
        assert served(here) == (before if here.number == 1 else after) and here.verify(full=False).ok
        assert here.publish(checks=asking()).number == 2 and here.moves()[1].checks["quality"].passed
        shutil.rmtree(here.root)


def test_what_a_part_publishes_while_the_set_is_asked_is_not_in_the_move(two: PartSet) -> None:
    build(two.warehouse("a"), "second", "x")
    (check,) = asking()

    def beside(candidate: JoinedGeneration, serving: PartMove | None, about: str) -> CheckRecord:
        build(two.warehouse("a"), "third", "x")
        return check.look(candidate, serving, about)

    two.publish(checks=[replace(check, look=beside)])
    assert "x0 second" in served(two)
    assert two.publish(checks=asking()).number == 3 and "x0 third" in served(two)


def test_what_a_part_goes_back_from_while_the_set_is_asked_does_not_serve(two: PartSet) -> None:
    before = served(two)
    build(two.warehouse("a"), "wrong", "x")
    build(two.warehouse("b"), "second", "y")
    (check,) = asking()

    def beside(candidate: JoinedGeneration, serving: PartMove | None, about: str) -> CheckRecord:
        serving_there = two.warehouse("a").published
        if serving_there is not None and serving_there.number == 2:
            two.warehouse("a").rollback()
        return check.look(candidate, serving, about)

    two.publish(checks=[replace(check, look=beside)])
    assert two.number == 2 and all(one in served(two) for one in before if one.startswith("x"))
    assert "x0 wrong" not in served(two) and "y0 second" in served(two)


@pytest.mark.parametrize("passed", [True, False])
def test_a_withdrawal_waits_for_no_judge(two: PartSet, monkeypatch: pytest.MonkeyPatch, passed: bool) -> None:
    """Nor does what was judged beside the withdrawn one serve by that: it is asked anew, beside what serves now."""
    monkeypatch.setattr(part_set_writer, "LOCK_WAIT_SECONDS", 0.0)
    first = served(two)
    two.publish(checks=asking())
    build(two.warehouse("a"), "wrong", "x")
    two.publish(checks=asking())
    build(two.warehouse("b"), "second", "y")
    seen: list[int] = []

    def beside(candidate: JoinedGeneration, serving: PartMove | None, about: str) -> CheckRecord:
        assert serving is not None
        seen.append(serving.number)
        if len(seen) == 1:
            with ThreadPoolExecutor(1) as pool:
                pool.submit(PartSet.open(two.root).withdraw, "a", 2, "a secret").result()
            assert served(two) == first, "it is gone while the judge looks"
        return asking(passed)[0].look(candidate, serving, about)

    checks = [replace(asking()[0], look=beside)]
    if passed:
        assert two.publish(checks=checks).number == 5 and seen == [3, 4]
        assert "x0 wrong" not in served(two) and "y0 second" in served(two)
        assert [move.to for move in two.moves()] == [None, None, None, 2, None]
    else:
        with pytest.raises(PublishRefused, match="did not pass"):
            two.publish(checks=checks)
        assert two.number == 4 and seen == [3], "what is refused is refused by whatever it was held against"


def test_a_withdrawal_does_not_wait_till_all_bytes_are_read(two: PartSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_set_writer, "LOCK_WAIT_SECONDS", 0.0)
    first = served(two)
    build(two.warehouse("a"), "wrong", "x")
    two.publish()
    build(two.warehouse("b"), "second", "y")
    read: list[int] = []

    def beside(*given: Any, **how: Any) -> list[SetProblem]:
        read.append(two.number or 0)
        if len(read) == 1:
            with ThreadPoolExecutor(1) as pool:
                pool.submit(PartSet.open(two.root).withdraw, "a", 2, "a secret").result()
            assert served(two) == first
        return set_problems(*given, **how)

    monkeypatch.setattr(part_set, "set_problems", beside)
    with pytest.raises(PublishRefused, match="generation 2 was withdrawn"):
        two.publish()
    assert two.publish().number == 4 and read == [2, 3] and "y0 second" in served(two)


def test_what_is_withdrawn_while_it_is_asked_does_not_serve(two: PartSet) -> None:
    build(two.warehouse("a"), "wrong", "x")
    (check,) = asking()

    def beside(candidate: JoinedGeneration, serving: PartMove | None, about: str) -> CheckRecord:
        PartSet.open(two.root).withdraw("a", 2, "a secret")
        return check.look(candidate, serving, about)

    with pytest.raises(PublishRefused, match="part a: generation 2 was withdrawn meanwhile"):
        two.publish(checks=[replace(check, look=beside)])
    assert two.number == 1


def test_how_many_chunks_a_part_takes_is_no_reason_to_ask_anew(two: PartSet) -> None:
    """Two releases of a configuration, each of which has its own number, would let no judge come to an end."""
    build(two.warehouse("a"), "second", "x")
    (check,) = asking()
    asked: list[int] = []

    def beside(candidate: JoinedGeneration, serving: PartMove | None, about: str) -> CheckRecord:
        assert not asked, "it is asked anew"
        asked.append(700)
        PartSet.open(two.root).settle({}, asked[-1])
        return check.look(candidate, serving, about)

    assert two.publish(checks=[replace(check, look=beside)]).number == 2
    assert asked == [700] and two.info.most_chunks == 700


def test_two_that_ask_side_by_side_make_one_move(two: PartSet) -> None:
    build(two.warehouse("a"), "second", "x")
    (check,) = asking()
    beside: list[int] = []

    def look(candidate: JoinedGeneration, serving: PartMove | None, about: str) -> CheckRecord:
        if not beside:
            beside.append(0)
            with ThreadPoolExecutor(1) as pool:
                beside.append(pool.submit(PartSet.open(two.root).publish, checks=[check]).result().number)
        return check.look(candidate, serving, about)

    assert two.publish(checks=[replace(check, look=look)]).number == 2 and beside == [0, 2] and two.number == 2


def test_a_record_goes_wherever_the_moves_go(two: PartSet, tmp_path: Path) -> None:
    two.publish(checks=asking())
    store, copy = str(tmp_path / "store"), str(tmp_path / "copy")
    two.push(store)
    PartSet.mirror(store, copy)
    PartSet.pull(tmp_path / "pulled", copy)
    PartSet.pull(tmp_path / "front", store, parts=())
    two.export(tmp_path / "exported")
    for name in ("pulled", "front", "exported"):
        here = PartSet.open(tmp_path / name)
        assert here.moves() == two.moves()
        if name != "front":
            build(here.warehouse("a"), "second", "x")
            with pytest.raises(PublishRefused, match="nothing says how to ask this one"):
                here.publish()


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (lambda move: move.update(format_version=3), UnknownFormat, "format_version 3, this release reads 1 and 2"),
        (lambda move: move.update(format_version=1), CorruptFile, "checks need format_version 2, the file has 1"),
        (lambda move: move.pop("checks"), CorruptFile, "checks need format_version 2, the file has 2"),
    ],
)
def test_a_move_says_in_its_version_whether_it_has_records(
    two: PartSet, change: Callable[[dict[str, object]], object], error: type[Exception], said: str
) -> None:
    two.publish(checks=asking())
    move = json.loads(two.layout.move(2).read_bytes())
    change(move)
    with pytest.raises(error, match=said):
        PartMove.from_bytes(json.dumps(move).encode(), "moves/00000002.json")
