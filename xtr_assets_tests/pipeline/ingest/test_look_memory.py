"""Looks that are remembered find what looks in full find."""

import os
import time
from pathlib import Path

import pytest

from xtr_assets.config import IndexConfig
from xtr_assets.core.errors import SourceError
from xtr_assets.pipeline.ingest import look_memory
from xtr_assets.pipeline.ingest.look_memory import LookMemory
from xtr_assets.pipeline.ingest.scan import ShardScan, scan_shard, shard_sources, write_chunks
from xtr_assets.storage.warehouse import Warehouse

OLD_NS = 10**18


class Watched:
    """A folder of two shards, its warehouse, and looks at it that are counted."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.docs, self.memory, self.full = folder / "docs", LookMemory(), 0
        self.docs.mkdir()
        for name in "abcdef":
            self.write(f"{name}.md", f"# {name}\n\nwords of {name}")
        self.config = IndexConfig.model_validate(
            {"sources": [{"name": "docs", "kind": "text", "path": str(self.docs), "shards": 2}]}
        )
        self.warehouse = Warehouse.create(folder / "w")
        # Files that tests write are young: the clock of a look is set past that.
        monkeypatch.setattr(time, "time_ns", lambda: 2 * 10**18)

        def counted(*arguments: object) -> ShardScan:
            self.full += 1
            return scan_shard(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(look_memory, "scan_shard", counted)

    def write(self, name: str, text: str) -> None:
        (self.docs / name).write_text(text)

    def look(self) -> tuple[list[str], int]:
        """(shards that changed, full looks that it took)"""
        before = self.full
        scans, errors = self.memory.scans(self.warehouse, shard_sources(self.config).items())
        if errors:
            raise errors[0]
        truth = [scan_shard(self.warehouse, *one) for one in shard_sources(self.config).items()]
        assert [(one.files, one.reason, one.content) for one in scans] == [
            (one.files, one.reason, one.content) for one in truth
        ]
        return [one.shard for one in scans if one.changed], self.full - before

    def ingest(self) -> None:
        for shard, source in shard_sources(self.config).items():
            scan = scan_shard(self.warehouse, shard, source)
            if scan.changed:
                write_chunks(self.warehouse, scan, scan.touched)


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    found = Watched(tmp_path, monkeypatch)
    assert len(found.look()[0]) == 2
    found.ingest()
    # The first look after it reads files whose times were too young to be trusted, and remembers.
    assert found.look() == ([], 2)
    return found


def test_nothing_changed_takes_no_full_look(watched: Watched) -> None:
    assert watched.look() == ([], 0)
    assert watched.look() == ([], 0)


def test_a_change_is_seen_and_what_was_ingested_is_remembered_again(watched: Watched) -> None:
    watched.write("a.md", "# a\n\nother words")
    changed, full = watched.look()
    assert (len(changed), full) == (1, 2)
    # What changed is looked at in full until it is ingested.
    assert watched.look() == (changed, 1)
    watched.ingest()
    assert watched.look() == ([], 1)
    assert watched.look() == ([], 0)


def test_a_snapshot_that_somebody_else_moved_is_looked_at_in_full(watched: Watched) -> None:
    shard = shard_sources(watched.config).popitem()[0]
    os.utime(watched.warehouse.layout.scan_hints(shard), ns=(OLD_NS, OLD_NS))
    assert watched.look() == ([], 1)


def test_other_settings_are_looked_at_in_full(watched: Watched) -> None:
    (source,) = watched.config.sources
    other = source.model_copy(update={"max_chars": source.max_chars - 1})
    watched.config = watched.config.model_copy(update={"sources": [other]})
    changed, full = watched.look()
    assert (len(changed), full) == (2, 2)


def test_another_choice_of_files_is_looked_at_in_full(watched: Watched) -> None:
    """No fingerprint says which files there are to be."""
    (source,) = watched.config.sources
    watched.config = watched.config.model_copy(update={"sources": [source.model_copy(update={"exclude": ("a.md",)})]})
    assert len(watched.look()[0]) == 1


def test_a_source_that_went_is_an_error_and_comes_back(watched: Watched) -> None:
    watched.docs.rename(watched.docs.parent / "away")
    with pytest.raises(SourceError, match="is gone"):
        watched.look()
    (watched.docs.parent / "away").rename(watched.docs)
    assert watched.look()[0] == []


def test_what_could_not_be_read_is_looked_at_each_time(watched: Watched) -> None:
    (watched.docs / "g.md").symlink_to(watched.docs.parent / "nowhere.md")
    watched.look()
    watched.ingest()
    assert watched.look()[1] > 0
    assert watched.look()[1] > 0
    (watched.docs.parent / "nowhere.md").write_text("# g\n\nwords")
    assert len(watched.look()[0]) == 1


def test_no_more_is_kept_than_may_be(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look_memory, "MOST_FILES", 3)
    watched.memory = LookMemory()
    assert watched.look()[1] == 2
    assert watched.look()[1] >= 1


def test_a_look_that_is_remembered_is_as_old_as_the_stamp(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards share the stamp of their source: what comes while one of them is scanned is younger than it."""
    ticks = iter(range(2 * 10**18, 3 * 10**18, 10**9))
    monkeypatch.setattr(time, "time_ns", lambda: next(ticks))
    assert watched.look() == ([], 0)
    scans, _ = watched.memory.scans(watched.warehouse, shard_sources(watched.config).items())
    assert len(scans) == 2 and len({one.looked_ns for one in scans}) == 1
