"""Sources under other names: renamed, split, joined, exchanged; what they lost on the way is seen, nothing else is."""

import shutil
from pathlib import Path

import pytest

from xtr_assets.config import SourceConfig
from xtr_assets.core.types import Quarantined
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.gate.nothing_vanished import accept, check
from xtr_assets_tests.git_project import Repository, needs_git
from xtr_assets_tests.pipeline.gate.conftest import PAGES, Plant, World, records


def look(world: World) -> Finding:
    """A draft over the sources of the configuration, whatever else the warehouse has."""
    world.ingest()
    shards = {shard for one in world.config.sources for shard in shards_of(one)}
    gone = {shard.replace("-", "__"): None for shard in world.warehouse.shards() if shard not in shards}
    return check(world.session(**gone))


def shards_of(source: SourceConfig) -> list[str]:
    count = source.shards
    return [source.name] if count == 1 else [f"{source.name}-{n:02d}of{count:02d}" for n in range(count)]


def sources(world: World, **changes: list[SourceConfig]) -> None:
    """The sources of the configuration, each replaced by those named after it."""
    world.config_with(
        sources=tuple(one for source in world.config.sources for one in changes.get(source.name, [source]))
    )


def other(world: World, which: str, **changes: object) -> SourceConfig:
    """A source of the configuration with some of its settings changed."""
    (source,) = [one for one in world.config.sources if one.name == which]
    return source.model_copy(update=changes)


def unlink(folder: Path, numbers: range, name: str = "{}.md") -> None:
    for number in numbers:
        (folder / name.format(number)).unlink()


def lost(found: Finding, *names: str) -> None:
    """Refused, and each name is told."""
    assert not found.passed and all(name in found.summary for name in names), found.summary


def test_a_source_that_was_renamed_lost_nothing(served: World) -> None:
    sources(served, guide=[other(served, "guide", name="manual")])
    found = look(served)
    assert found.passed and found.value == 0.0, found.summary
    assert found.details["sources"]["manual"]["served_as"] == ["guide"]


def test_a_new_name_hides_no_loss(served: World) -> None:
    sources(served, guide=[other(served, "guide", name="manual")])
    unlink(served.folder / "guide", range(10))
    found = look(served)
    assert found.summary == (
        "source manual, called guide in what serves: 14 of 24 files are left, 42 % are missing; "
        "20 % may go without a person's word"
    )
    assert "--accept-shrink manual" in found.remedy and "--accept-shrink guide" not in found.remedy


def test_a_new_name_hides_no_reader_that_broke(world: World, plant: Plant) -> None:
    for n in range(6):
        world.write(f"guide/n{n}.txt", f"Note {n} about lamps")
    for n in range(10):
        world.write(f"guide/more{n}.md", f"# More {n}\n\nof it")
    world.publish()
    sources(world, guide=[other(world, "guide", name="manual")])
    gone = {f"n{n}.txt" for n in range(5)}
    plant(lambda source, path, items: [Quarantined(source, path, 0, "unparsable", "?")] if path in gone else items)
    lost(look(world), "source manual, called guide in what serves: 5 of the 6 .txt files that serve are in quarantine")


@pytest.mark.parametrize("left", [4, 7, 20])
def test_however_much_went(served: World, left: int) -> None:
    """Of a rename that nine tenths did not survive there are few files to tell it by, and a few may go by hand."""
    sources(served, guide=[other(served, "guide", name="manual")])
    unlink(served.folder / "guide", range(PAGES - left))
    assert look(served).passed == (left in (4, 20)), "four files of a new source are no evidence of anything"


def test_paths_that_changed_with_the_name(served: World) -> None:
    (served.folder / "book/pages").mkdir(parents=True)
    for number in range(PAGES):
        (served.folder / f"guide/{number}.md").rename(served.folder / f"book/pages/page{number}.markdown")
    sources(served, guide=[other(served, "guide", name="book", path=served.folder / "book")])
    assert look(served).passed
    unlink(served.folder / "book/pages", range(6), "page{}.markdown")
    lost(look(served), "source book, called guide", "18 of 24 files")


@needs_git
def test_a_folder_that_became_a_repository(served: World) -> None:
    shutil.move(served.folder / "guide", served.folder / "clone/docs")
    clone = Repository(served.folder / "clone")
    clone.commit({"README.md": "# Clone\n\nWhat came besides.\n"})
    source = SourceConfig(name="clone", kind="git", path=served.folder / "clone", content="mixed")
    sources(served, guide=[source])
    assert look(served).passed
    clone.commit(delete=tuple(f"docs/{n}.md" for n in range(10)))
    lost(look(served), "source clone, called guide", "15 of 24 files")


def test_texts_that_went_with_the_name_are_missed_though_each_file_is_there(world: World) -> None:
    page = "# Page {n}\n\nText of page {n}.\n\n" + "A long paragraph about {n}, to its end.\n" * 6
    for number in range(PAGES):
        world.write(f"guide/{number}.md", page.format(n=number))
    world.publish()
    sources(world, guide=[other(world, "guide", name="manual")])
    assert look(world).passed
    for number in range(PAGES):
        world.write(f"guide/{number}.md", f"# Page {number}\n\nText of page {number}.\n")
    lost(look(world), "source manual, called guide", "bytes of text are left")


def test_records_under_another_name(served: World) -> None:
    sources(served, papers=[other(served, "papers", name="articles")])
    assert look(served).passed
    served.write("papers/a.jsonl", records(range(15)))
    lost(look(served), "source articles, called papers", "35 of 60 rows are left")


def split(world: World, *, keeping: str = "more") -> None:
    """Half of the pages of `guide` go to a folder and a source of their own."""
    (world.folder / "second").mkdir()
    for number in range(PAGES // 2):
        (world.folder / f"guide/{number}.md").rename(world.folder / f"second/{number}.md")
    second = other(world, "guide", name="second", path=world.folder / "second", shards=1)
    sources(world, guide=[other(world, "guide", name=keeping), second])


@pytest.mark.parametrize("keeping", ["first", "guide"])
def test_a_source_that_was_cut_in_two(served: World, keeping: str) -> None:
    split(served, keeping=keeping)
    found = look(served)
    assert found.passed, found.summary
    unlink(served.folder / "second", range(8))
    lost(look(served), f"sources {keeping}, second, called guide", "16 of 24 files")


@pytest.mark.parametrize("name", ["all", "guide"])
def test_two_sources_that_became_one(world: World, name: str) -> None:
    """The smaller one is a share of the larger that may go."""
    for number in range(20):
        world.write(f"notes/n{number}.md", f"# Note {number}\n\nSaid of note {number}.\n")
    for number in range(PAGES, 120):
        world.write(f"guide/{number}.md", f"# Page {number}\n\nText of page {number}.\n")
    notes = other(world, "guide", name="notes", path=world.folder / "notes", shards=1)
    world.config_with(sources=(*world.config.sources, notes))
    world.publish()
    shutil.move(world.folder / "notes", world.folder / "guide/notes")
    sources(world, guide=[other(world, "guide", name=name)], notes=[])
    found = look(world)
    assert found.passed, found.summary
    unlink(world.folder / "guide/notes", range(8), "n{}.md")
    lost(look(world), f"source {name}, called notes", "12 of 20 files")


def test_two_that_are_renamed_at_once(served: World) -> None:
    sources(
        served,
        guide=[other(served, "guide", name="manual")],
        papers=[other(served, "papers", name="articles")],
    )
    assert look(served).passed
    served.write("papers/a.jsonl", records(range(15)))
    found = look(served)
    lost(found, "source articles, called papers")
    assert "manual" not in found.summary


def exchanged(world: World) -> None:
    """`guide` has forty pages and `notes` twelve, and then their names are exchanged."""
    for number in range(PAGES, 40):
        world.write(f"guide/{number}.md", f"# Page {number}\n\nText of page {number}.\n")
    for number in range(12):
        world.write(f"notes/{number}.md", f"# Note {number}\n\nSaid of note {number}.\n")
    notes = other(world, "guide", name="notes", path=world.folder / "notes", shards=1)
    world.config_with(sources=(*world.config.sources, notes))
    world.publish()
    sources(
        world,
        guide=[other(world, "guide", path=world.folder / "notes")],
        notes=[other(world, "notes", path=world.folder / "guide")],
    )


def test_names_that_were_exchanged(world: World) -> None:
    exchanged(world)
    found = look(world)
    assert found.passed, found.summary


@pytest.mark.parametrize(("folder", "told"), [("guide", "source notes, called guide"), ("notes", "called notes")])
def test_what_was_lost_while_names_were_exchanged(world: World, folder: str, told: str) -> None:
    exchanged(world)
    unlink(world.folder / folder, range(16) if folder == "guide" else range(6))
    lost(look(world), told)


def test_another_source_in_place_of_one_that_left_is_a_persons_word(served: World) -> None:
    """What two of one house share makes no rename of it."""
    shared = "# License\n\n" + "\n\n".join(f"## {n}\n\nParagraph {n} of a license." for n in range(20))
    served.write("guide/LICENSE.md", shared)
    served.publish()
    served.write("help/LICENSE.md", shared)
    for number in range(5):
        served.write(f"help/{number}.md", f"# Help {number}\n\nHelp for case {number}.\n")
    sources(
        served, guide=[other(served, "guide", name="help", path=served.folder / "help", include=("**/[!0-3]*.md",))]
    )
    found = look(served)
    assert found.passed and "served_as" not in found.details["sources"]["help"], found.summary


def test_files_that_moved_to_another_source_are_not_lost(served: World) -> None:
    """Both keep their names: half of the pages lie in the other one's folder now."""
    served.write("more/kept.md", "# Kept\n\nIt was there.\n")
    more = other(served, "guide", name="more", path=served.folder / "more", shards=1)
    served.config_with(sources=(*served.config.sources, more))
    served.publish()
    for number in range(PAGES // 2):
        (served.folder / f"guide/{number}.md").rename(served.folder / f"more/{number}.md")
    found = look(served)
    assert found.passed, found.summary
    unlink(served.folder / "more", range(6))
    lost(look(served), "called guide", "18 of 24 files")


def test_a_loss_beside_a_new_source_of_other_texts_is_one(served: World) -> None:
    for number in range(PAGES):
        served.write(f"news/{number}.md", f"# News {number}\n\nNothing of before: {number}.\n")
    news = other(served, "guide", name="news", path=served.folder / "news", include=("1*.md",), shards=1)
    served.config_with(sources=(*served.config.sources, news))
    unlink(served.folder / "guide", range(12))
    found = look(served)
    assert found.summary.startswith("source guide: 12 of 24 files are left"), found.summary


def test_a_persons_word_is_for_the_new_name_and_for_just_that(served: World) -> None:
    sources(served, guide=[other(served, "guide", name="manual")])
    unlink(served.folder / "guide", range(10))
    assert not look(served).passed
    assert accept(served.warehouse, served.config, ["manual"], "half of it was old") == ["manual"]
    found = look(served)
    assert found.passed, found.summary
    assert found.details["sources"]["manual"]["accepted_because"] == "half of it was old"
    unlink(served.folder / "guide", range(10, 12))
    assert not look(served).passed


def test_a_word_for_each_piece(served: World) -> None:
    split(served)
    unlink(served.folder / "second", range(8))
    served.ingest()
    assert accept(served.warehouse, served.config, ["second"], None) == ["second"]
    assert not look(served).passed
    assert accept(served.warehouse, served.config, ["more"], None) == ["more"]
    assert look(served).passed
