"""What a source may lose unasked, what waits for a person, and how long that person's word holds."""

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from xtr_assets.config import GateConfig, SourceConfig
from xtr_assets.core.errors import ConfigError, PublishRefused
from xtr_assets.core.types import Quarantined
from xtr_assets.pipeline.gate import mounted_folders
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.gate.nothing_vanished import CHECK, Shown, accept, check, covers, loss_of
from xtr_assets.pipeline.gate.source_stock import Holding, held
from xtr_assets.storage.history import published_stack, read_history, read_published
from xtr_assets.storage.history_entry import AcceptedShrink
from xtr_assets_tests.pipeline.gate.conftest import MODULES, PAGES, Plant, World, records


def look(world: World) -> Finding:
    return check(world.build())


def serve_judged(world: World) -> None:
    """What the sources hold now serves, and what the check said of it is on record."""
    session = world.build()
    found = check(session)
    session.draft.record_check(
        CHECK, passed=found.passed, value=found.value, threshold=found.threshold, subject=(), details=found.details
    )
    world.warehouse.publish(session.draft.number, required=(), force_reason="a test")


def unlink(folder: Path, names: list[str]) -> None:
    for name in names:
        (folder / name).unlink()


def test_a_first_build_and_one_without_a_change_pass(world: World) -> None:
    found = look(world)
    assert found.passed and (found.value, found.threshold) == (0.0, 0.2)
    world.publish()
    found = look(world)
    assert found.passed
    assert found.details["sources"]["guide"]["rows"] == found.details["sources"]["guide"]["rows_serving"] == 2 * PAGES


def test_a_half_mounted_folder_waits_for_a_person_with_both_values(served: World) -> None:
    unlink(served.folder / "guide", [f"{n}.md" for n in range(PAGES // 2)])
    found = look(served)
    assert not found.passed and found.value == 0.5
    assert (
        found.summary == "source guide: 12 of 24 files are left, 50 % are missing; 20 % may go without a person's word"
    )
    assert "xtr-assets build --accept-shrink guide" in found.remedy and "gate.shrink" in found.remedy


def test_a_loss_of_a_little_in_each_of_many_builds_waits_once(world: World) -> None:
    world.config_with(gate=GateConfig(shrink=0.3))
    serve_judged(world)
    for n in range(0, 6, 2):
        unlink(world.folder / "guide", [f"{n}.md", f"{n + 1}.md"])
        assert look(world).passed
        serve_judged(world)
    unlink(world.folder / "guide", ["6.md", "7.md"])
    found = look(world)
    assert not found.passed and found.summary == (
        "source guide: 16 files are left of 24, the most that it held: 33.3 % went in several builds, each of which "
        "took too little; 30 % may go without a person's word"
    )
    assert accept(world.warehouse, world.config, ["guide"], "it is sold out") == ["guide"]
    serve_judged(world)
    unlink(world.folder / "guide", ["8.md", "9.md"])
    found = look(world)
    assert found.passed and found.details["sources"]["guide"]["most"] == {"unit": "files", "count": 16, "came": 0}


def test_what_rotates_loses_nothing_though_it_shrinks_slowly(world: World) -> None:
    serve_judged(world)
    for n in range(0, 12, 4):
        unlink(world.folder / "guide", [f"{page}.md" for page in range(n, n + 4)])
        for day in (n, n + 1):
            world.write(f"guide/day-{day}.md", f"# Day {day}\n\nwhat day {day} brought")
        assert look(world).passed
        serve_judged(world)
    assert len(list((world.folder / "guide").iterdir())) == 18 < 0.8 * PAGES


def test_as_few_records_as_a_person_may_delete_are_no_slow_loss(world: World) -> None:
    (world.folder / "papers/b.jsonl").unlink()
    world.write("papers/a.jsonl", records(range(20)))
    serve_judged(world)
    world.write("papers/a.jsonl", records(range(11)))
    assert look(world).passed
    world.write("papers/a.jsonl", records(range(10)))
    assert not look(world).passed


def test_records_that_are_cut_into_fewer_rows_are_no_slow_loss(world: World) -> None:
    def cut(most: int) -> None:
        kept = [one.model_copy(update={"max_chars": most}) for one in world.config.sources if one.name == "papers"]
        world.config_with(sources=(*world.config.sources[:2], *kept))

    made = [{"_id": f"p{n}", "text": words(n, 100), "year": 1990} for n in range(20)]
    world.write("papers/a.jsonl", "".join(json.dumps(one) + "\n" for one in made))
    cut(200)
    serve_judged(world)
    cut(2000)
    found = look(world)
    told = found.details["sources"]["papers"]
    assert found.passed and told["rows"] == 40 < 0.5 * told["rows_serving"]


def test_exports_that_go_a_few_in_each_build_wait_once(world: World) -> None:
    for n in range(10):
        world.write(f"papers/day-{n}.jsonl", records(range(100 + 10 * n, 110 + 10 * n)))
    serve_judged(world)
    unlink(world.folder / "papers", [f"day-{n}.jsonl" for n in range(4)])
    assert look(world).passed
    serve_judged(world)
    unlink(world.folder / "papers", ["day-4.jsonl"])
    found = look(world)
    assert not found.passed and "source papers: 110 records are left of 160, the most that it held" in found.summary


def test_what_went_to_another_source_is_missed_in_no_later_build(world: World) -> None:
    serve_judged(world)
    more = SourceConfig(name="more", kind="text", path=world.folder / "more")
    world.config_with(sources=(*world.config.sources, more))
    (world.folder / "more").mkdir()
    for n in range(PAGES // 2):
        (world.folder / f"guide/{n}.md").rename(world.folder / f"more/{n}.md")
    assert look(world).passed
    serve_judged(world)
    world.write(f"guide/{PAGES - 1}.md", "# The last page\n\nedited")
    found = look(world)
    assert found.passed, found.summary


def test_what_is_renamed_makes_up_for_no_slow_loss(world: World) -> None:
    serve_judged(world)
    unlink(world.folder / "guide", [f"{n}.md" for n in range(4)])
    (world.folder / "guide/old").mkdir()
    for n in range(4, PAGES):
        (world.folder / f"guide/{n}.md").rename(world.folder / f"guide/old/{n}.md")
    assert look(world).passed
    serve_judged(world)
    unlink(world.folder / "guide/old", ["4.md"])
    assert not look(world).passed


def test_a_disk_that_is_mounted_below_a_source_is_missed_however_little_it_holds(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = world.folder / "guide/our disk"
    mounts = world.folder / "mountinfo"
    mounts.write_text(f"36 35 98:0 / {str(disk).replace(' ', chr(92) + '040')} rw shared:1 - ext3 /dev/root rw\n")
    monkeypatch.setattr(mounted_folders, "MOUNTS", mounts)
    for n in range(2):
        world.write(f"guide/our disk/below/{n}.md", f"# Page {n}\n\nof the disk")
    serve_judged(world)
    shutil.move(disk / "below", world.folder / "kept")
    mounts.write_text("")
    found = look(world)
    assert not found.passed
    assert "source guide: nothing is left of our disk, mounted when what serves was built and not now" in found.summary
    assert accept(world.warehouse, world.config, ["guide"], "that disk was sold") == ["guide"]
    assert look(world).passed
    # What came back without a mount is there, and is asked about again if it goes.
    shutil.move(world.folder / "kept", disk / "below")
    serve_judged(world)
    assert world.warehouse.published is not None
    shutil.rmtree(disk)
    assert not look(world).passed


def test_a_link_to_a_disk_that_is_empty_now_is_missed(world: World, tmp_path: Path) -> None:
    mine = tmp_path.stat().st_dev
    others = [Path(one) for one in ("/dev/shm", "/tmp", "/var/tmp", ".") if os.access(one, os.W_OK)]
    elsewhere = next((one for one in others if one.stat().st_dev != mine), None)
    if elsewhere is None:
        pytest.skip("no other device can be written to")
    with tempfile.TemporaryDirectory(dir=elsewhere) as folder:
        (Path(folder) / "a.md").write_text("# A\n\nof another device")
        (world.folder / "guide/there").symlink_to(folder)
        serve_judged(world)
        (Path(folder) / "a.md").unlink()
        assert look(world).passed
    (world.folder / "guide/there").unlink()
    (world.folder / "guide/there").mkdir()
    found = look(world)
    assert not found.passed and "nothing is left of there, mounted" in found.summary


SIGN_IN = "# Sign in\n\nPlease sign in with the account of your company to go on. Your session has expired.{}\n\n"
SIGN_IN += "## Help\n\nCall us.\n"
FOOTER = (
    "\n\n## Feedback\n\nTell us what you think of this page: write to the desk, or call. We answer within two days."
)


@pytest.mark.parametrize("number", ["", " Request {}f3a91."])
def test_the_same_page_for_many_documents_waits(world: World, number: str) -> None:
    for n in range(PAGES):
        said = " ".join(f"Part {n + k * k} turns valve {k * n} by {n * n + k} degrees." for k in range(8))
        world.write(f"guide/{n}.md", f"# Machine {n}\n\n{said}\n\n## Parts of {n}\n\n{said[::-1]}\n")
    world.publish()
    for n in range(PAGES // 2):
        world.write(f"guide/{n}.md", (SIGN_IN * 4).replace("{}", number.format(7919 * n)))
    found = look(world)
    assert not found.passed and "source guide: texts that went differed to " in found.summary
    assert accept(world.warehouse, world.config, ["guide"], "they moved behind an account") == ["guide"]
    assert look(world).passed


def test_texts_of_another_encoding_wait(world: World) -> None:
    page = "# Größe {n}\n\nÜber die Maße von {n} für größere Räume.\n\n## Prüfung\n\nEs wäre schöner, {n} zu prüfen.\n"
    for n in range(PAGES):
        world.write(f"guide/{n}.md", page.format(n=n))
    world.publish()
    for n in range(PAGES // 2):
        world.write(f"guide/{n}.md", page.format(n=n).encode().decode("cp1252").encode())
    found = look(world)
    assert not found.passed and "texts that came have remains of another encoding" in found.summary
    for n in range(PAGES):
        world.write(f"guide/{n}.md", page.format(n=n).replace("wäre", "wäre überaus"))
    assert look(world).passed


def test_the_same_record_for_many_waits(served: World) -> None:
    one = (
        '{{"_id": "p{}", "title": "Out of order", "text": "The service cannot be reached; try again", "year": 1990}}\n'
    )
    served.write("papers/a.jsonl", "".join(one.format(n) for n in range(20)))
    found = look(served)
    assert not found.passed and "source papers: " in found.summary


def test_records_that_a_join_gave_many_times_wait(served: World) -> None:
    one = '{{"_id": "p{}-{}", "title": "Paper {}", "text": "What paper {} found.", "year": 1990}}\n'
    served.write("papers/more.jsonl", "".join(one.format(n, k, n, n) for n in range(40) for k in range(3)))
    found = look(served)
    assert not found.passed
    assert "source papers: 120 of 180 records say what another one says, 0 of 60 that serve do" in found.summary
    served.write("papers/more.jsonl", records(range(60, 180)))
    assert look(served).passed, "as many that say something else"


def test_a_long_document_that_is_shortened_while_others_are_edited_is_no_loss(world: World) -> None:
    def told(n: int, lines: int) -> str:
        return f"# Page {n}\n\n" + "\n".join(f"Line {k} of page {n} is about {k * k + n} lamps." for k in range(lines))

    for n in range(PAGES):
        world.write(f"guide/{n}.md", told(n, 400 if n == 0 else 4))
    world.publish()
    for n in range(6):
        world.write(f"guide/{n}.md", told(n, 40 if n == 0 else 5))
    found = look(world)
    assert found.passed, found.summary


def words(seed: object, count: int) -> str:
    """Words that no other seed gives."""
    return " ".join(hashlib.sha256(f"{seed} {n}".encode()).hexdigest()[:7] for n in range(count))


@pytest.mark.parametrize(
    ("title", "before", "after"),
    [
        (
            words("{n}", 1) + " {long}",
            "{short}.",
            "{short}. Only for customers in Austria; the offer ends on Sunday the 5th of May.",
        ),
        ("Table {n}", "{short} {n} x 7{n} x 12 cm", "{short} {n}\u00a0\u00d7\u00a07{n}\u00a0\u00d7\u00a012 cm"),
    ],
    ids=["one sentence more in each below a long title", "signs between blanks that break no line"],
)
def test_records_that_were_all_edited_alike_are_no_loss(world: World, title: str, before: str, after: str) -> None:
    def held(text: str) -> str:
        known = [{"n": n, "long": words(n, 25), "short": words(-n, 6)} for n in range(60)]
        made = ({"_id": f"p{one['n']}", "title": title.format(**one), "text": text.format(**one)} for one in known)
        return "".join(json.dumps(one) + "\n" for one in made)

    for file in ("a", "b"):
        world.write(f"papers/{file}.jsonl", "")
    world.write("papers/all.jsonl", held(before))
    world.publish()
    world.write("papers/all.jsonl", held(after))
    found = look(world)
    assert found.passed, found.summary


def test_a_clause_that_many_records_end_with_is_no_join(world: World) -> None:
    """Cut off it is a row of its own, which says what another one says."""
    clause = words("clause", 30)
    made = [{"_id": f"p{n}", "text": f"{words(n, 24)}\n\n{clause}"} for n in range(90)]
    lines = [json.dumps(one) + "\n" for one in made]
    sources = [
        one.model_copy(update={"max_chars": 250}) if one.name == "papers" else one for one in world.config.sources
    ]
    world.config_with(sources=tuple(sources))
    world.write("papers/more.jsonl", "".join(lines[:10]))
    world.publish()
    world.write("papers/more.jsonl", "".join(lines))
    session = world.build()
    found = check(session)
    assert found.details["sources"]["papers"]["rows"] == 60 + 2 * 90
    assert found.passed, found.summary


def test_a_long_page_in_place_of_many_short_documents_waits(world: World) -> None:
    """However little of it is compared: rows that say the same to the letter are one."""
    for n in range(PAGES):
        world.write(f"guide/{n}.md", f"# Page {n}\n\n{words(n, 70)}\n")
    world.publish()
    page = "".join(f"## Part {n}\n\n{words(f'part {n}', 60)}\n\n" for n in range(5))
    for n in range(PAGES // 2):
        world.write(f"guide/{n}.md", f"# Sign in\n\n{page}")
    found = look(world)
    assert not found.passed and "of what it says is missing" in found.summary


def test_a_footer_that_all_documents_get_is_no_loss(served: World) -> None:
    for n in range(PAGES):
        file = served.folder / f"guide/{n}.md"
        file.write_text(file.read_text() + FOOTER)
    for n in range(4):
        served.write(f"guide/moved{n}.md", "# Moved\n\nThis page has moved.\n")
    found = look(served)
    assert found.passed, found.summary


def test_a_few_files_may_be_deleted_by_hand_however_small_the_source(served: World) -> None:
    unlink(served.folder / "guide", [f"{n}.md" for n in range(4)])
    unlink(served.folder / "tools", [f"m{n}.py" for n in range(MODULES // 2 - 1)])
    (served.folder / "papers/b.jsonl").unlink()
    assert look(served).passed


def test_one_of_two_documents_may_be_deleted_and_the_last_may_not(world: World) -> None:
    world.config_with(sources=(world.config.sources[0].model_copy(update={"shards": 1}),))
    unlink(world.folder / "guide", [f"{n}.md" for n in range(2, PAGES)])
    world.publish()
    (world.folder / "guide/1.md").unlink()
    assert look(world).passed
    (world.folder / "guide/0.md").write_text("\n\n")
    found = look(world)
    assert not found.passed and "it holds nothing, 4 rows of 2 files serve" in found.summary and found.value == 1.0


def test_files_that_were_renamed_or_written_anew_are_not_lost(served: World) -> None:
    (served.folder / "guide/old").mkdir()
    for n in range(PAGES):
        (served.folder / f"guide/{n}.md").rename(served.folder / f"guide/old/{n}.md")
    for n in range(MODULES):
        served.write(f"tools/m{n}.py", (served.folder / f"tools/m{n}.py").read_text().replace("thing", "other"))
    assert look(served).passed


def test_a_mass_quarantine_waits(served: World, plant: Plant) -> None:
    half = {f"{n}.md" for n in range(PAGES // 2)}
    plant(lambda source, path, items: [Quarantined(source, path, 0, "undecodable", "?")] if path in half else items)
    found = check(served.build(full=True))
    assert not found.passed and "source guide" in found.summary


@pytest.mark.parametrize(("refused", "asked"), [(5, True), (4, False)])
def test_a_suffix_whose_reader_broke_waits_though_it_is_a_small_share(
    world: World, plant: Plant, refused: int, asked: bool
) -> None:
    for n in range(6):
        world.write(f"guide/n{n}.TXT", f"Note {n} about lamps")
    for n in range(30):
        world.write(f"guide/more{n}.md", f"# More {n}\n\nof it")
    world.publish()
    gone = {f"n{n}.TXT" for n in range(refused)}
    plant(lambda source, path, items: [Quarantined(source, path, 0, "unparsable", "?")] if path in gone else items)
    found = check(world.build(full=True))
    assert found.passed is not asked
    if asked:
        assert found.value == pytest.approx(5 / 6)
        assert "source guide: 5 of the 6 .txt files that serve are in quarantine; 20 % may go" in found.summary
        assert accept(world.warehouse, world.config, ["guide"], "no notes any more") == ["guide"]
        assert check(world.build(full=True)).passed


def test_a_quarantine_that_jumped_waits_though_no_row_went(served: World) -> None:
    for n in range(PAGES):
        served.write(f"guide/new{n}.md", b"\xff\xff")
    found = look(served)
    assert not found.passed and "24 files cannot be used, 0 of what serves could not" in found.summary
    assert found.value == 0.5


def test_what_could_not_be_used_before_is_no_jump(world: World) -> None:
    for n in range(10):
        world.write(f"guide/bad{n}.md", b"\xff\xff")
    assert look(world).passed
    world.publish()
    world.write("guide/one.md", "# One\n\ntext\n")
    assert look(world).passed


def test_a_first_build_of_which_more_is_unusable_than_usable_waits(world: World) -> None:
    for n in range(PAGES):
        world.write(f"guide/bad{n}.md", b"\xff\xff")
    assert not look(world).passed
    for n in range(MODULES):
        world.write(f"tools/m{n}.py", "def broken(:\n")
    found = look(world)
    assert "source tools: nothing of it can be used, 8 files are in quarantine" in found.summary


def test_a_source_of_which_nothing_can_be_used_is_asked_about_once(world: World) -> None:
    for n in range(MODULES):
        world.write(f"tools/m{n}.py", "print 'of Python 2'\n")
    assert not look(world).passed
    assert accept(world.warehouse, world.config, ["tools"], "Python 2") == ["tools"]
    world.publish()
    world.write("tools/m0.py", "print 'and changed'\n")
    world.write("tools/more.py", "print 'and new'\n")
    world.write("guide/0.md", "# Page 0\n\nAnother text.\n\n## More 0\n\nNothing 0 else.\n")
    assert look(world).passed
    world.publish()
    for n in range(5):
        world.write(f"tools/new{n}.py", "print 'a folder of them'\n")
    found = look(world)
    assert not found.passed and "source tools: nothing of it can be used, 14 files are in quarantine" in found.summary


def test_an_export_cut_at_a_line_waits(served: World) -> None:
    served.write("papers/a.jsonl", records(range(15)))
    found = look(served)
    assert not found.passed and "source papers: 35 of 60 rows are left, 42 % are missing" in found.summary


def test_truncated_documents_wait_and_one_that_was_shortened_does_not(served: World) -> None:
    for n in range(PAGES):
        served.write(f"guide/{n}.md", f"# Page {n}\n\nText of page {n}.\n")
    assert "source guide: 24 of 48 rows are left" in look(served).summary
    for n in range(1, PAGES):
        served.write(f"guide/{n}.md", f"# Page {n}\n\nText of page {n}.\n\n## More {n}\n\nNothing {n} else.\n")
    assert look(served).passed


def test_pages_that_are_called_by_fewer_words_lost_nothing(world: World) -> None:
    def write(title: str) -> None:
        sections = "".join(f"## Step {step}\n\nDo it.\n\n" for step in range(4))
        for n in range(PAGES):
            world.write(f"guide/{n}.md", f"---\ntitle: {title} {n}\n---\n{f'Text of page {n}. ' * 20}\n\n{sections}")

    write("The handbook of the platform and of all who work with it, page")
    world.publish()
    write("Page")
    found = look(world)
    assert found.passed, found.summary


def test_other_settings_of_a_source_are_no_loss(served: World) -> None:
    tools = served.config.sources[1].model_copy(update={"max_chars": 5000})
    served.config_with(sources=(served.config.sources[0], tools, served.config.sources[2]))
    assert look(served).passed


def test_a_source_that_left_the_configuration_is_a_persons_word(served: World) -> None:
    served.config_with(sources=served.config.sources[:2])
    found = check(served.session(papers=None))
    assert found.passed and set(found.details["sources"]) == {"guide", "tools"}


def test_the_share_is_a_setting(served: World) -> None:
    unlink(served.folder / "guide", [f"{n}.md" for n in range(PAGES // 2)])
    served.config_with(gate=GateConfig(shrink=0.6))
    assert look(served).passed


def test_a_word_lets_just_that_shrink_pass_and_is_kept_with_who_and_why(served: World) -> None:
    unlink(served.folder / "guide", [f"{n}.md" for n in range(8)])
    assert not look(served).passed
    assert accept(served.warehouse, served.config, ["guide"], "the old manual is gone") == ["guide"]
    found = look(served)
    assert found.passed, found.summary
    told = found.details["sources"]["guide"]
    assert told["accepted_because"] == "the old manual is gone" and "@" in told["accepted_by"]
    entry = read_history(served.warehouse.layout)[-1]
    assert (entry.action, entry.generation) == ("accepted_shrink", 1)
    assert entry.shrink is not None and (entry.shrink.source, entry.shrink.files) == ("guide", PAGES - 8)
    # Less still was not accepted; what comes back is.
    unlink(served.folder / "guide", ["9.md"])
    assert not look(served).passed
    served.write("guide/9.md", "# Page 9\n\nBack.\n\n## More\n\nstill\n")
    assert look(served).passed
    served.publish()
    assert look(served).passed
    shrunk = read_published(served.warehouse.layout)
    served.warehouse.rollback()
    assert not look(served).passed, "it does not come back with the generation that served when it was given"
    served.warehouse.rollback(shrunk)
    unlink(served.folder / "guide", [f"{n}.md" for n in range(9, 17)])
    assert not look(served).passed, "the word ended with the generation that served when it was given"


def test_a_word_is_for_what_was_shown(served: World) -> None:
    unlink(served.folder / "guide", [f"{n}.md" for n in range(8)])
    told = look(served).details["sources"]["guide"]
    seen = AcceptedShrink(
        source="guide", rows=told["rows"], files=told["files"], unusable=0, text_bytes=told["text_bytes"] + 20
    )
    less = seen.model_copy(update={"files": seen.files + 1})
    for unlike in (Shown(2, {"guide": less}), Shown(2, {})):
        with pytest.raises(PublishRefused, match=r"source guide holds .* by now, and draft 2, which nothing_vanished"):
            accept(served.warehouse, served.config, ["guide"], "it is gone", shown=unlike)
    assert accept(served.warehouse, served.config, ["guide"], "it is gone", shown=Shown(2, {"guide": seen}))
    assert [one.shrink for one in served.warehouse.history()] == [None, seen], "edits since are no further loss"


def test_a_word_moves_no_pointer(served: World) -> None:
    unlink(served.folder / "guide", [f"{n}.md" for n in range(8)])
    served.ingest()
    accept(served.warehouse, served.config, ["guide"], None)
    served.warehouse.clean()
    entries = served.warehouse.history()
    assert [entry.action for entry in entries] == ["published", "accepted_shrink"]
    assert published_stack(entries, 1) == [1]
    assert served.warehouse.published is not None and served.warehouse.published.number == 1


def test_a_word_for_what_did_not_shrink_is_not_kept_for_later(served: World) -> None:
    assert accept(served.warehouse, served.config, ["guide"], "just in case") == []
    unlink(served.folder / "guide", [f"{n}.md" for n in range(PAGES - 1)])
    assert not look(served).passed


def test_a_word_for_one_source_is_none_for_another(served: World) -> None:
    unlink(served.folder / "guide", [f"{n}.md" for n in range(8)])
    unlink(served.folder / "tools", [f"m{n}.py" for n in range(6)])
    served.ingest()
    assert accept(served.warehouse, served.config, ["tools"], None) == ["tools"]
    found = look(served)
    assert not found.passed and found.summary.startswith("source guide") and "tools" not in found.summary
    with pytest.raises(ConfigError, match="no source is called 'gide'; the configuration has guide, tools, papers"):
        accept(served.warehouse, served.config, ["gide"], None)


def test_a_word_at_a_first_build(world: World) -> None:
    for n in range(PAGES):
        world.write(f"guide/bad{n}.md", b"\xff\xff")
    world.ingest()
    assert accept(world.warehouse, world.config, ["guide"], None) == ["guide"]
    assert look(world).passed


def test_an_emptied_export_keeps_its_rows_and_loses_nothing(served: World) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        served.write(f"papers/{name}", b"")
    found = look(served)
    assert found.passed and found.details["sources"]["papers"]["rows"] == 60


def test_what_cannot_be_read_today_is_not_lost(served: World) -> None:
    shutil.move(served.folder / "guide", served.folder / "elsewhere")
    (served.folder / "guide").mkdir()
    for n in range(PAGES):
        (served.folder / f"guide/{n}.md").symlink_to(served.folder / f"gone/{n}.md")
    assert look(served).passed


def test_losses_by_their_kind() -> None:
    many = Holding({f"{n}": 10 for n in range(100)})
    assert loss_of("text", many, Holding({f"{n}": 10 for n in range(81)}), 0.2).words == ""
    assert loss_of("text", many, Holding({f"{n}": 10 for n in range(79)}), 0.2).share == pytest.approx(0.21)
    one = Holding({"a": 100})
    assert loss_of("records", one, Holding({"a": 91}), 0.0).words == ""
    assert loss_of("records", one, Holding({"a": 70}), 0.2).share == pytest.approx(0.3)
    assert loss_of("text", one, Holding({"a": 30}), 0.2).words == ""
    assert loss_of("text", one, Holding(), 1.0).share == 1.0 and loss_of("text", one, Holding(), 1.0).words


def papers(numbers: range, text: str = "text", words: int = 12) -> str:
    """Records of a title and a longer text, under the name that an export gives the column."""
    return "".join(
        f'{{"_id": "p{n}", "title": "Paper {n}", "{text}": "{f"finding {n} of many " * words}", "year": {1990 + n}}}\n'
        for n in numbers
    )


@pytest.fixture
def written(world: World) -> World:
    """Sixty records of about 250 characters serve, in two files."""
    world.write("papers/a.jsonl", papers(range(40)))
    world.write("papers/b.jsonl", papers(range(40, 60)))
    world.publish()
    return world


def test_rows_that_stay_without_their_text_wait(written: World) -> None:
    written.write("papers/b.jsonl", papers(range(40, 60), "body"))
    found = look(written)
    told = found.details["sources"]["papers"]
    assert told["rows"] == told["rows_serving"] == 60, "no row went"
    assert not found.passed and found.value == pytest.approx(0.32, abs=0.02)
    assert "source papers: " in found.summary and "bytes of text" in found.summary
    assert "20 % may go without a person's word" in found.summary and "--accept-shrink papers" in found.remedy


def test_what_came_besides_makes_up_for_no_text(written: World) -> None:
    written.write("papers/b.jsonl", papers(range(40, 60), "body"))
    written.write("papers/c.jsonl", papers(range(60, 120)))
    found = look(written)
    told = found.details["sources"]["papers"]
    assert told["text_bytes"] > told["text_bytes_serving"]
    assert not found.passed
    assert "the 60 rows that stayed hold" in found.summary


def test_texts_that_went_with_the_names_of_their_rows_wait(written: World) -> None:
    for name, numbers in (("a", range(40)), ("b", range(40, 60))):
        (written.folder / f"papers/{name}.jsonl").unlink()
        written.write(f"papers/{name}2.jsonl", papers(numbers, "body"))
    found = look(written)
    assert found.details["sources"]["papers"]["rows"] == 60
    assert not found.passed and "bytes of text are left" in found.summary


def test_nine_records_may_lose_their_text_however_long_it_was(world: World) -> None:
    world.write("papers/a.jsonl", papers(range(12), words=30) + records(range(12, 40)))
    world.publish()
    world.write("papers/a.jsonl", papers(range(9), "body") + papers(range(9, 12), words=30) + records(range(12, 40)))
    assert look(world).passed
    world.write("papers/a.jsonl", papers(range(12), "body") + records(range(12, 40)))
    assert not look(world).passed


def test_documents_cut_after_a_line_wait_and_four_that_were_shortened_do_not(world: World) -> None:
    page = "# Page {n}\n\nText of page {n}.\n\n" + "A long paragraph about {n}, to its end.\n" * 6
    for n in range(PAGES):
        world.write(f"guide/{n}.md", page.format(n=n))
    world.publish()
    for n in range(4):
        world.write(f"guide/{n}.md", f"# Page {n}\n\nShort.\n")
    assert look(world).passed
    for n in range(4, PAGES):
        world.write(f"guide/{n}.md", page.format(n=n).replace("to its end", "till its end"))
    assert look(world).passed, "edits of a few words are none"
    for n in range(12):
        world.write(f"guide/{n}.md", f"# Page {n}\n\nText of page {n}.\n")
    found = look(world)
    assert not found.passed and "source guide: " in found.summary and "bytes of text" in found.summary
    rows = found.details["sources"]["guide"]
    assert rows["rows"] == rows["rows_serving"] and rows["files"] == PAGES


def test_a_log_that_was_rolled_lost_no_text(written: World) -> None:
    (written.folder / "papers/a.jsonl").rename(written.folder / "papers/a.1.jsonl")
    written.write("papers/a.jsonl", papers(range(60, 62)))
    assert look(written).passed


def test_a_word_covers_the_text_that_was_there_when_it_was_given(written: World) -> None:
    written.write("papers/b.jsonl", papers(range(40, 60), "body"))
    written.ingest()
    assert accept(written.warehouse, written.config, ["papers"], "the texts moved elsewhere") == ["papers"]
    entry = written.warehouse.history()[-1]
    found = look(written)
    assert found.passed and entry.shrink is not None
    assert entry.shrink.text_bytes == found.details["sources"]["papers"]["text_bytes"] > 0
    written.write("papers/b.jsonl", papers(range(40, 60), "body").replace("Paper", "Note"))
    assert look(written).passed, "an edit within the share"
    written.write("papers/a.jsonl", papers(range(40), "body"))
    assert not look(written).passed, "no more of it was accepted"


def test_a_word_of_a_release_that_counted_no_text_says_nothing_of_it() -> None:
    word = AcceptedShrink(source="papers", rows=60, files=2, unusable=0)
    assert "text_bytes" not in word.model_dump(), "a line of before keeps its bytes"
    assert not covers(word, Holding({"a.jsonl": 40, "b.jsonl": 20}), 0.2)
    assert covers(AcceptedShrink(source="papers", rows=0, files=0, unusable=0), Holding(), 0.2)


def test_sizes_are_those_of_live_rows(written: World) -> None:
    written.write("papers/a.jsonl", papers(range(10, 40)))
    draft = written.build().draft
    (papers_held,) = (one for source, one in held(draft).items() if source == "papers")
    table = draft.chunk_table(["source", "path", "kind", "title", "text"]).to_pylist()
    true = {"a.jsonl": 0, "b.jsonl": 0}
    for row in table:
        if row["source"] == "papers":
            title = "" if row["kind"] == "section" else row["title"]
            true[row["path"]] += len(title.encode()) + len(row["text"].encode())
    assert papers_held.texts.by_path() == true
    assert papers_held.rows == {"a.jsonl": 30, "b.jsonl": 20}
