"""What a source may lose unasked, what waits for a person, and how long that person's word holds."""

import shutil
from pathlib import Path

import pytest

from xtr_assets.config import GateConfig
from xtr_assets.core.errors import ConfigError
from xtr_assets.core.types import Quarantined
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.gate.nothing_vanished import Holding, accept, check, loss_of
from xtr_assets.storage.history import published_stack, read_history
from xtr_assets_tests.pipeline.gate.conftest import MODULES, PAGES, Plant, World, records


@pytest.fixture
def served(world: World) -> World:
    """Everything serves."""
    world.publish()
    return world


def look(world: World) -> Finding:
    return check(world.build())


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
    unlink(served.folder / "guide", [f"{n}.md" for n in range(9, 17)])
    assert not look(served).passed, "the word ended with the generation that served when it was given"


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
