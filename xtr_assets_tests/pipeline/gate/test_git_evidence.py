"""Faults planted between a repository and the rows, and healthy ones: refs that move, links, pointers, records."""

import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from xtr_assets.config import parse_config
from xtr_assets.core.errors import ProviderError
from xtr_assets.core.types import Chunk, Quarantined
from xtr_assets.pipeline.gate import code_evidence, git_evidence
from xtr_assets.pipeline.gate.source_agrees import check
from xtr_assets.sources import git_commit, mixed_tree
from xtr_assets.sources.base import FileSource
from xtr_assets.sources.git_place import GitPlace
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.git_project import Repository, needs_git
from xtr_assets_tests.pipeline.gate.conftest import Plant, World

pytestmark = needs_git

CONFIG = """\
name: docs
sources:
  - {name: guide, kind: git, content: text, path: "%s", shards: 2}
  - {name: tools, kind: git, path: "%s", ref: main}
  - {name: papers, kind: git, content: records, path: "%s", include: ["*.jsonl"]}
encoder: {kind: hashing, dim: 64, token_dim: 32}
"""
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "4" * 64 + "\nsize 12345\n"
FILES = {
    **{f"p{n}.md": f"# Page {n}\n\nThe text of page {n}.\n\n## More {n}\n\nMore text of page {n}.\n" for n in range(8)},
    **{f"m{n}.py": f'def f{n}(value):\n    """Number {n}."""\n    return value + {n}\n' for n in range(4)},
    "a.jsonl": "".join(f'{{"_id": "{n}", "title": "T{n}", "text": "Record {n}."}}\n' for n in range(5)),
    "big.md": POINTER,
    "sub/deep/page.md": "# Deep\n\nDeep text.\n",
}


def looked_later(world: World) -> None:
    """The shards as if they had been looked at a minute after the ref was last moved, and found to be unchanged."""
    for shard in world.warehouse.shards():
        world.warehouse.note_look(shard, time.time_ns() + 60_000_000_000)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "clone")
    (made.path / "link.md").symlink_to("sub/deep/page.md")
    made.commit(FILES)
    return made


@pytest.fixture
def git_world(tmp_path: Path, repository: Repository) -> World:
    where = str(repository.path)
    config = parse_config(CONFIG % (where, where, where), tmp_path)
    return World(tmp_path, config, Warehouse.create(tmp_path / "warehouse"))


def test_healthy_repositories_pass_and_a_change_reads_little(git_world: World, repository: Repository) -> None:
    full = check(git_world.build())
    assert full.passed, full.summary
    # Pages twice (the link is one), modules and records once.
    assert full.details["files_read"] == full.details["files_changed"] == 2 * (8 + 3) + 4 + 1
    git_world.publish()
    repository.commit({"p3.md": "# Page 3\n\nAnother text.\n", "m9.py": "x = 1\n"}, delete=("p4.md",))
    found = check(git_world.build())
    assert found.passed, found.summary
    assert found.details["files_changed_read"] == 3


def test_code_that_waits_for_its_parsers_is_no_fault_until_they_are_there(
    git_world: World, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise ProviderError("no parsers")

    monkeypatch.setattr(mixed_tree, "require", missing)
    monkeypatch.setattr(code_evidence, "find_spec", lambda name: None)
    repository.commit({"a.go": "package a\n\nfunc F() int {\n\treturn 1\n}\n"})
    session = git_world.build()
    assert [one.reason for one in session.draft.snapshots()["tools"].quarantine] == ["not-installed", "pointer"]
    found = check(session)
    assert found.passed, found.summary
    monkeypatch.setattr(code_evidence, "find_spec", lambda name: name)
    assert "for want of a library that is installed" in check(session).summary


def test_a_ref_that_moves_while_it_is_built_is_no_fault(git_world: World, repository: Repository) -> None:
    session = git_world.build()
    repository.commit({"p3.md": "# Page 3\n\nAnother text.\n"}, delete=("p4.md",))
    repository.git("checkout", "--quiet", "-b", "elsewhere")
    repository.commit({"p5.md": "# Page 5\n\nOn another branch.\n"})
    found = check(session)
    assert found.passed, found.summary
    assert found.details["files_skipped"] == 0, "blobs stay what they are"


def test_a_ref_that_is_moved_many_times_while_it_is_built_is_no_fault(
    git_world: World, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a rebase does, which names each commit that it picks."""
    session = git_world.build()
    repository.commit({"p3.md": "# Page 3\n\nAnother text.\n"})
    for _ in range(24):
        repository.git("commit", "--quiet", "--allow-empty", "--no-verify", "--message=.")
    assert check(session).passed
    # What is held is what the ref named first; where that is not compared any more nothing is known.
    original = git_evidence.blobs_of
    monkeypatch.setattr(git_evidence, "blobs_of", lambda *given: {**original(*given), "p9.md": "4" * 40})
    found = check(session)
    assert not found.passed and "p9.md: it is in the repository" in found.summary
    monkeypatch.setattr(git_evidence, "COMMITS", 20)
    assert check(session).passed


def test_a_repository_that_is_away_proves_nothing(git_world: World, repository: Repository) -> None:
    session = git_world.build()
    repository.path.rename(repository.path.with_name("away"))
    found = check(session)
    assert not found.passed and "not one of" in found.summary


FAULTS: dict[str, Callable[[Chunk], dict[str, Any]]] = {
    "texts are cut": lambda one: {"text": one.text[:8]},
    "lines are off by one": lambda one: {"start_line": one.start_line + 1, "end_line": one.end_line + 1},
    "titles are lost": lambda one: {"title": "x"},
}


@pytest.mark.parametrize("path", ["p3.md", "m3.py", "a.jsonl", "link.md"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_rows_of_one_blob_is_found(git_world: World, plant: Plant, path: str, fault: str) -> None:
    def planted(_: str, place: str, items: list[Chunk | Quarantined]) -> list[Chunk | Quarantined]:
        held = [one for one in items if isinstance(one, Chunk)]
        return [dataclasses.replace(one, **FAULTS[fault](one)) for one in held] if place == path else items

    plant(planted)
    found = check(git_world.build())
    assert not found.passed and path in found.summary


@pytest.mark.parametrize("old", [False, True])  # Told by the ref's log, or by the time of its file.
@pytest.mark.parametrize("where", ["a file is passed over", "a file has another's blob", "a file is made up"])
def test_a_list_that_is_not_the_commits_is_found(
    git_world: World, repository: Repository, monkeypatch: pytest.MonkeyPatch, where: str, old: bool
) -> None:
    select = git_commit.select

    def wrong(*given: Any) -> Any:
        listing, held = select(*given)
        if "p2.md" in held and where == "a file is passed over":
            listing.files.remove("p2.md")
        elif "p2.md" in held and where == "a file has another's blob":
            held["p2.md"] = held["p1.md"]
        elif "p2.md" in held:
            held["p77.md"] = held["p1.md"]
            listing.files.append("p77.md")
        return listing, held

    monkeypatch.setattr("xtr_assets.sources.git_place.select", wrong)
    git_world.ingest()
    if old:
        looked_later(git_world)
    found = check(git_world.session())
    assert not found.passed and ("p2.md" in found.summary or "p77.md" in found.summary)


def test_a_ref_that_is_read_as_it_was_before_is_found(
    git_world: World, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    git_world.publish()
    first = repository.git("rev-parse", "HEAD")
    repository.commit({"p3.md": "# Page 3\n\nAnother text.\n"})
    monkeypatch.setattr("xtr_assets.sources.git_place.find_commit", lambda *_: [("HEAD", first)])
    git_world.ingest()
    looked_later(git_world)
    found = check(git_world.session())
    assert not found.passed and "p3.md: it is blob" in found.summary


def test_where_nothing_says_what_a_ref_named_nothing_is_concluded(git_world: World, repository: Repository) -> None:
    git_world.ingest()
    repository.commit({"p3.md": "# Page 3\n\nAnother text.\n"})
    for log in (repository.path / ".git/logs").rglob("*"):
        if log.is_file():
            log.unlink()
    found = check(git_world.session())
    assert found.passed, found.summary


def test_a_pointer_that_has_rows_is_found(git_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xtr_assets.sources.place.LFS_POINTER", b"never")
    found = check(git_world.build())
    assert not found.passed and "big.md: 1 rows of a pointer of Git LFS" in found.summary


def test_files_that_are_called_unreadable_and_are_not_are_found(
    git_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = FileSource.read

    def failing(self: Any, path: str) -> Iterator[Chunk | Quarantined]:
        if path.startswith("p"):
            yield self.refuse(path, 0, "unreadable", "a fault")
        else:
            yield from original(self, path)

    monkeypatch.setattr(FileSource, "read", failing)
    found = check(git_world.build())
    assert not found.passed and "it is stale (a fault) and can be read" in found.summary


def test_a_blob_of_other_bytes_is_told(git_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The source takes one blob's bytes for another's: ids are right, rows are not."""
    original = GitPlace.file

    def other(self: Any, path: str, *given: Any) -> Any:
        return original(self, "p1.md" if path == "p2.md" else path, *given)

    monkeypatch.setattr(GitPlace, "file", other)
    found = check(git_world.build())
    assert not found.passed and "p2.md" in found.summary


def test_a_mirror_is_read_again_and_held_against_its_log(
    tmp_path: Path, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XTR_ASSETS_CACHE", str(tmp_path / "cache"))
    where = f"file://{repository.path}"
    config = parse_config(CONFIG % (where, where, where), tmp_path)
    world = World(tmp_path, config, Warehouse.create(tmp_path / "warehouse"))
    found = check(world.build())
    assert found.passed, found.summary
    world.publish()
    repository.commit({"p3.md": "# Page 3\n\nAnother text.\n"})
    session = world.build()
    assert check(session).passed
    monkeypatch.setattr("xtr_assets.pipeline.gate.git_evidence.blobs_of", lambda *_: {"p1.md": "0" * 40})
    assert not check(session).passed
