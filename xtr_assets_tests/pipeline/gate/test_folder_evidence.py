"""The files of a source against its snapshots: what the scan missed is found, what changes meanwhile is no fault."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from xtr_assets.config import ContentKind, SourceConfig
from xtr_assets.core.types import Quarantined
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.gate.path_patterns import SUFFIXES, PathPatterns
from xtr_assets.pipeline.gate.source_agrees import check
from xtr_assets.sources import base, file_scan, folder_place, open_source
from xtr_assets.sources.globs import Globs
from xtr_assets.sources.mixed_tree import MixedTree
from xtr_assets_tests.pipeline.gate.conftest import FILES, Plant, World

# More than the kernel's clock for files is behind.
TICK = 0.08


def looked(world: World) -> Finding:
    """A build whose files are older than its scan."""
    time.sleep(TICK)
    return check(world.build())


def listing_without(monkeypatch: pytest.MonkeyPatch, wrong: Callable[[str], bool]) -> None:
    real = file_scan.list_files

    def list_files(*given: Any) -> Any:
        found = real(*given)
        found.files[:] = [path for path in found.files if not wrong(path)]
        return found

    monkeypatch.setattr(folder_place, "list_files", list_files)


def strange(world: World) -> World:
    """Links, hidden files, other cases, caches: what belongs to the sources by the rules, and what does not."""
    world.write("guide/.hidden.md", "# Hidden\n\nNobody asked for it.\n")
    world.write("guide/.git/a.md", "# Git\n\nNor for this.\n")
    world.write("guide/node_modules/a.md", "# Other people's\n\nNor for this.\n")
    world.write("guide/UPPER.MD", "# Another suffix\n\nNot read.\n")
    world.write("guide/deep/er/a.md", "# Deep\n\nIt counts.\n")
    world.write("guide/picture.png", b"\x89PNG")
    world.write("aside/b.md", "# Aside\n\nA linked folder.\n")
    world.write("aside.md", "# Beside\n\nA linked file.\n")
    (world.folder / "guide/link.md").symlink_to(world.folder / "aside.md")
    (world.folder / "guide/linked").symlink_to(world.folder / "aside")
    (world.folder / "guide/loop").symlink_to(world.folder / "guide")
    (world.folder / "guide/again").symlink_to(world.folder / "guide/deep")
    (world.folder / "guide/dangling.md").symlink_to(world.folder / "nowhere")
    (world.folder / "guide" / os.fsdecode(b"bad\xff.md")).write_text("# A name\n")
    return world


def test_strange_folders_are_listed_as_the_scan_lists_them(world: World) -> None:
    found = looked(strange(world))
    assert found.passed, found.summary
    assert found.details["files_listed"] >= FILES + 3
    assert found.details["shards_looked_at"] == 6


@pytest.mark.parametrize("lost", ["link.md", "linked/b.md", "deep/er/a.md", "3.md"])
def test_a_file_that_the_walk_misses_is_found(world: World, lost: str, monkeypatch: pytest.MonkeyPatch) -> None:
    listing_without(monkeypatch, lambda path: path == lost)
    found = looked(strange(world))
    assert not found.passed and found.value == 1
    assert f"guide/{lost}: it lies in the source, and the generation has no such file" in found.summary


def test_a_file_that_the_walk_should_not_take_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Globs, "skips_name", lambda *_: False)
    found = looked(strange(world))
    told = " ".join(found.details["faults"])
    assert "guide/.hidden.md: the configuration leaves it out" in told and "node_modules/a.md" in told


def test_what_came_or_went_or_changed_after_the_scan_is_no_fault(world: World) -> None:
    time.sleep(TICK)
    world.publish()
    world.write("guide/new.md", "# New\n\nFor this build.\n")
    time.sleep(TICK)
    session = world.build()
    time.sleep(TICK)
    world.write("guide/late.md", "# Late\n\nToo late.\n")
    world.write("tools/below/late.py", "x = 1\n")
    world.write("aside/old.md", "# Old\n\nOf old.\n")
    (world.folder / "guide/4.md").write_text("# Page 4\n\nOther words of page 4.\n")
    (world.folder / "tools/m2.py").unlink()
    (world.folder / "papers/b.jsonl").rename(world.folder / "papers/c.jsonl")
    (world.folder / "aside").rename(world.folder / "guide/aside")
    assert (found := check(session)).passed, found.summary


def test_what_comes_between_the_looks_at_two_shards_is_no_fault(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shards of a source share one listing, of before the first look: a large shard is looked at for minutes."""
    scan = base.FileSource.scan
    came: list[Path] = []

    def slow(self: base.FileSource, shard: str, known: Any) -> Any:
        found = scan(self, shard, known)
        if shard.startswith("guide-00"):
            came.extend(world.write(f"guide/late{n}.md", f"# Late {n}\n\nIt came meanwhile.\n") for n in range(12))
            time.sleep(TICK)
        return found

    monkeypatch.setattr(base.FileSource, "scan", slow)
    time.sleep(TICK)
    found = check(world.build())
    assert found.passed and len(came) == 12, found.summary
    assert found.details["shards_looked_at"] == 6
    monkeypatch.undo()
    # The next build takes them in.
    session = world.build()
    assert check(session).passed
    held = {path for one in session.draft.snapshots().values() for path in one.files}
    assert {path.name for path in came} <= held


def test_a_source_that_is_unmounted_after_the_scan_is_no_fault(world: World) -> None:
    world.write("guide/mounted/a.md", "# Mounted\n\nOn another disk.\n")
    time.sleep(TICK)
    session = world.build()
    (world.folder / "tools").rename(world.folder / "away")
    (world.folder / "guide/mounted/a.md").unlink()
    assert (found := check(session)).passed, found.summary


def test_a_folder_that_is_swapped_after_the_scan_is_no_fault(world: World) -> None:
    world.write("next/7.md", "# Page 7\n\nOf the next release.\n")
    world.write("next/new.md", "# New\n\nOf the next release.\n")
    time.sleep(TICK)
    session = world.build()
    time.sleep(TICK)
    (world.folder / "guide").rename(world.folder / "before")
    (world.folder / "next").rename(world.folder / "guide")
    assert (found := check(session)).passed, found.summary


@pytest.mark.parametrize("what", ["new", "gone", "changed", "moved"])
def test_a_change_that_the_scan_does_not_see_is_found(world: World, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    time.sleep(TICK)
    world.publish()
    world.write("guide/1.md", "# Page 1\n\nOther words of page 1, which are seen.\n")
    world.write("tools/m1.py", "x = 1\n")
    scan = base.FileSource.scan
    monkeypatch.setattr(
        base.FileSource,
        "scan",
        lambda self, shard, known: {
            **known,
            **{p: s for p, s in scan(self, shard, known).items() if p in ("1.md", "m1.py")},
        },
    )
    if what == "new":
        world.write("tools/new.py", "def new():\n    return 1\n")
    elif what == "gone":
        (world.folder / "tools/m3.py").unlink()
    elif what == "changed":
        file = world.folder / "tools/m3.py"
        file.write_text(file.read_text().replace("Open.", "Shut."))
    else:
        (world.folder / "tools/m3.py").rename(world.folder / "tools/m33.py")
    found = looked(world)
    assert not found.passed and "tools/" in found.summary


@pytest.mark.parametrize(("refused", "passes"), [(2, True), (4, False)])
def test_what_is_stale_and_can_be_read_is_found(world: World, plant: Plant, refused: int, passes: bool) -> None:
    """A file or two that a parser fails on end no build."""
    world.publish()
    for n in range(6):
        world.write(f"guide/{n}.md", f"# Page {n}\n\nOther words of page {n}.\n")
    bad = {f"{n}.md" for n in range(refused)}
    plant(lambda source, path, items: [Quarantined(source, path, 0, "unreadable", "?")] if path in bad else items)
    found = looked(world)
    assert found.passed == passes, found.summary
    assert passes or "it is stale (?) and can be read" in found.summary


def test_what_could_not_be_read_for_a_moment_is_no_fault(
    world: World, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.publish()
    for n in range(6):
        world.write(f"guide/{n}.md", f"# Page {n}\n\nOther words of page {n}.\n")
    read = base.FileSource.read
    plant(lambda source, path, items: [Quarantined(source, path, 0, "unreadable", "?")] if path != "x" else items)
    time.sleep(TICK)
    session = world.build()
    monkeypatch.setattr(base.FileSource, "read", read)
    assert (found := check(session)).passed, found.summary


def test_two_sources_of_one_folder_and_one_of_a_file(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    guide = world.config.sources[0]
    world.config_with(
        sources=(
            guide.model_copy(update={"shards": 1, "exclude": ("1*",)}),
            guide.model_copy(update={"name": "tens", "shards": 3, "include": ("1?.md", "deep/")}),
            world.config.sources[2].model_copy(update={"path": world.folder / "papers/a.jsonl"}),
        )
    )
    found = looked(strange(world))
    assert found.passed, found.summary
    listing_without(monkeypatch, lambda path: path == "12.md")
    (world.folder / "guide/0.md").write_text("# Page 0\n\nNow this.\n")
    found = looked(world)
    assert not found.passed and "tens/12.md" in found.summary


PATHS = [
    "a.py", "a.md", "A.PY", ".a.py", ".git/a.py", "x/a.py", "x/.h/a.py", "x/y/a.py", "test/a.py", "x/test/a.py",
    "test", "tests/a.md", "x/test.py", "node_modules/a.py", "lost+found/a.py", "[a].py", "b.py", "ab.py", "x/a.txt",
    "a/b/c/d.py", "x y/a.py",
]  # fmt: skip
PATTERNS = [
    (), ("**/*.py",), ("*.py",), ("test",), ("test/",), ("**/test/**",), ("**/test",), ("x/**",), ("x",), ("**",),
    ("?.py",),
    ("[ab].py",), ("[!a].py",), ("[[]a].py",), ("[a.py",), (".git/**",), ("**/.*.py",), ("x/**/a.py",), ("**/y/*",),
    ("node_modules/**",), ("./x//y/",), ("**/**/a.py",), ("x/*.txt", "a.py"), ("*/a.*",), ("a**.py",), ("x*/**",),
]  # fmt: skip


@pytest.mark.parametrize("include", PATTERNS, ids=str)
def test_patterns_are_read_as_the_sources_read_them(include: tuple[str, ...], tmp_path: Any) -> None:
    for exclude in PATTERNS:
        config = SourceConfig(name="lib", kind="python", path=tmp_path, include=include, exclude=exclude)
        globs, mine = open_source(config).globs, PathPatterns(config)  # type: ignore[attr-defined]
        for path in PATHS:
            names = tuple(path.split("/"))
            theirs = globs.matches(path) and not any(globs.skips_name(name) for name in names)
            assert mine.takes(names) == theirs, (include, exclude, path)
            assert mine.shuts(names) == globs.skips_folder(path), (exclude, path)


def test_every_kind_has_its_suffixes(tmp_path: Any) -> None:
    kinds = set(get_args(ContentKind)) - {"own"}
    assert set(kinds) == set(SUFFIXES)
    for kind in kinds:
        reads = MixedTree if kind == "mixed" else type(open_source(SourceConfig(name="lib", kind=kind, path=tmp_path)))
        assert set(reads.suffixes) == set(SUFFIXES[kind])  # type: ignore[attr-defined]
