"""Commands that take an index of parts where they take a warehouse: by the words of one warehouse."""

import json
import shutil
from pathlib import Path

import pytest

from xtr_assets.core.errors import StorageError, WarehouseNotFound
from xtr_assets.defs.part_resources import PartResource
from xtr_assets.defs.resources import WarehouseResource
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets_tests.cli.conftest import enter
from xtr_assets_tests.cli.test_parts import build, run
from xtr_assets_tests.storage.test_part_set import build as build_part
from xtr_assets_tests.storage.test_part_set import template, two
from xtr_assets_tests.storage.test_set_moves import otherwise
from xtr_assets_tests.storage.test_set_store import moved

__all__ = ["template", "two"]

FORCE = ("--force", "--reason", "no gate here")


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PartSet:
    """Two parts, and a second move in which part a says something else."""
    enter(tmp_path, monkeypatch)
    run("parts", "init", "set")
    for part in ("a", "b"):
        run("parts", "add", "set", part)
        build("set", part, "zebra")
    run("parts", "publish", "set", "--force", "no gate here")
    build("set", "a", "giraffe")
    run("parts", "publish", "set", "--force", "no gate here")
    return PartSet.open("set")


def found(where: str) -> set[str]:
    hits = json.loads(run("search", "text", "-k", "9", "-w", where, "--json").stdout)["hits"]
    return {hit["text"] for hit in hits}


def test_moves_are_compared(made: PartSet) -> None:
    document = json.loads(run("diff", "1", "2", "-w", "set", "--json").stdout)
    assert (document["changed"], document["kept"]) == (3, 3) and document["parts"]["b"] is None
    assert document["parts"]["a"]["changed"] == 3 and document["lost"] == document["gained"] == {}
    shown = run("diff", "1", "2", "-w", "set", "-q", "zebra text")
    told = " ".join(shown.stderr.split())
    assert "move 1 to 2: chunks 0 added, 0 removed, 3 changed, 3 kept" in told and "the same" in told
    assert "zebra text: " in told
    made.remove("b")
    run("parts", "publish", "set", "--force", "b is gone")
    gone = " ".join(run("diff", "2", "3", "-w", "set").stderr.split())
    assert "3 removed" in gone and "none" in gone


def test_a_generation_of_a_part_is_withdrawn_from_the_set(made: PartSet) -> None:
    unnamed = run("withdraw", "2", "--reason", "bad", "-w", "set")
    assert unnamed.exit_code == 2
    told = " ".join(unnamed.stderr.replace("│", " ").split())
    assert "name it by --part; the set serves 2 of a, 1 of b" in told
    done = json.loads(run("withdraw", "2", "--part", "a", "--reason", "bad", "-w", "set", "--json").stdout)
    assert done["move"] == 3 and done["history"]["to"] == 1
    assert not any("giraffe" in text for text in found("set"))
    aside = run("withdraw", "1", "--part", "b", "--reason", "bad too", "-w", "set")
    assert aside.exit_code == 1 and "no earlier move can serve without it" in " ".join(aside.stderr.split())
    assert run("withdraw", "1", "--part", "a", "--reason", "x", "-w", "set/parts/a").exit_code == 2
    build("set", "b", "lion")
    other = run("withdraw", "2", "--part", "b", "--reason", "never served", "-w", "set")
    assert other.exit_code == 0 and "which the set did not serve; move 3 serves" in " ".join(other.stderr.split())


def test_a_withdrawal_from_a_set_says_what_is_made_of_the_same_files(two: PartSet) -> None:
    where = str(two.layout.root)
    by_others = otherwise(two, "first")
    told = run("withdraw", str(by_others), "--part", "a", "--reason", "too slow", "-w", where)
    assert "generation 1 of part a was made from the same files: where these are what" in " ".join(told.stderr.split())
    moved(two, "second")
    by_others = otherwise(two, "second")
    build_part(two.warehouse("a"), "third", "x")
    told = run("withdraw", str(by_others), "--part", "a", "--reason", "a secret", "-w", where)
    assert f"withdrawn with it: {by_others - 1} of part a" in told.stderr


def test_a_move_is_published_by_its_number(made: PartSet) -> None:
    assert json.loads(run("publish", "1", *FORCE, "-w", "set", "--json").stdout)["move"] == 3
    assert not any("giraffe" in text for text in found("set"))
    assert "nothing is new" in run("publish", "3", *FORCE, "-w", "set").stderr
    run("rollback", "1", "-w", "set")
    refused = run("publish", "2", *FORCE, "-w", "set")
    assert refused.exit_code == 1 and "took this back" in refused.stderr


def test_a_set_is_exported_and_mirrored_and_its_store_is_collected(made: PartSet) -> None:
    assert json.loads(run("export", "copy", "-w", "set", "--json").stdout)["move"] == 2
    assert found("copy") == found("set")
    assert "exported move 1" in " ".join(run("export", "old", "--generation", "1", "-w", "set").stderr.split())
    assert not any("giraffe" in text for text in found("old"))
    run("rollback", "-w", "set")
    assert json.loads(run("push", "store", "-w", "set", "--json").stdout)["move"] == 3
    planned = json.loads(run("mirror", "store", "mirrored", "--dry-run", "--json").stdout)
    assert planned["dry_run"] and planned["files"] > 0 and not Path("mirrored").exists()
    done = " ".join(run("mirror", "store", "mirrored").stderr.split())
    assert "mirrored move 3 of" in done and "2 parts" in done and "1 pushes" in done
    assert run("pull", "mirrored", "-w", "pulled").exit_code == 0
    assert found("pulled") == found("set")
    kept = json.loads(run("gc", "--store", "store", "--keep", "1", "--grace", "0", "--json").stdout)
    assert kept["a"]["kept"] == [1] and kept["b"]["kept"] == [1]
    shown = " ".join(run("gc", "--store", "store", "--dry-run").stderr.split())
    assert shown.count("would remove") == 2


def test_what_the_last_three_moves_name_stays_in_a_collection_which_says_so(made: PartSet) -> None:
    first = made.root / "parts" / "a" / "generations" / "1"
    told = " ".join(run("gc", "--keep", "1", "-w", "set").stderr.split())
    assert "generations 1 stay because a reader has them open, or a move of the set names them" in told
    for said, stays in (("lion", True), ("tiger", False)):
        build("set", "a", said)
        run("parts", "publish", "set", "--force", "no gate here")
        run("gc", "--keep", "1", "-w", "set")
        assert first.exists() == stays


def test_a_part_that_is_away_or_in_another_s_place_is_not_built_into(made: PartSet) -> None:
    """Its disk is not mounted when a build comes: one in its place would hide it, and not know what it withdrew."""
    away = made.root / "parts" / "a"
    resource, unbuilt = WarehouseResource(path=str(away)), WarehouseResource(path=str(made.root / "parts" / "c"))
    away.rename(made.root / "elsewhere")
    with pytest.raises(WarehouseNotFound, match=r"part a: .*is its disk mounted\? move 2 .* names it: mount it"):
        resource.open()
    assert not away.exists()
    told = " ".join(run("search", "text", "-w", "set").stderr.split())
    assert "part a: no warehouse at" in told and "is its disk mounted?" in told
    # A part that nothing names is made by its first build, and so is one that was taken out and comes again.
    assert unbuilt.open().published is None
    made.remove("a")
    made.add("a")
    assert resource.open().published is None
    shutil.rmtree(away)
    (made.root / "elsewhere").rename(away)
    assert resource.open().published is not None and any("giraffe" in text for text in found("set"))
    # Disks in each other's place: each part would be filled with the shards of the other.
    parts = made.root / "parts"
    for before, after in (("a", "away"), ("b", "a"), ("away", "b")):
        (parts / before).rename(parts / after)
    with pytest.raises(StorageError, match=r"part a: the warehouse of part b lies at .*by move 2 .*in its own place"):
        WarehouseResource(path=str(parts / "a")).open()
    with pytest.raises(StorageError, match="part b: the warehouse of part a lies at"):
        PartResource(path=str(made.root), part="b", places={}, max_chunks=made.info.most_chunks).open()


def test_a_warehouse_below_no_set_may_be_called_anything(tmp_path: Path) -> None:
    """The names of parts are few; the folder that a configuration names is a person's."""
    for name in ("my index", "Büro", ".index", "parts"):
        assert WarehouseResource(path=str(tmp_path / name)).open().published is None
