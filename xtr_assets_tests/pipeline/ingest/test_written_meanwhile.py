"""A file that is written to between the scan and the reading is read again at the next scan, whatever it holds then."""

from pathlib import Path

import pytest

from xtr_assets.config import parse_config
from xtr_assets.pipeline.ingest.scan import scan, write_chunks
from xtr_assets.storage.warehouse import Warehouse

A, B = "# Title\n\nfirst words\n", "# Title\n\nother words\n"


class Project:
    """A source of two files, of which the second is written to once the first was read."""

    def __init__(self, folder: Path, kind: str = "text") -> None:
        self.folder = folder / "docs"
        self.folder.mkdir()
        config = f"name: docs\nsources: [{{name: s, kind: {kind}, path: docs}}]\nencoder: {{kind: hashing}}\n"
        self.config = parse_config(config, folder)
        self.warehouse = Warehouse.create(folder / "warehouse")

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def ingest(self, *meanwhile: str) -> str:
        """Why the shard was chunked, "" where it was not. `meanwhile`: what b.md becomes while a.md is read."""
        (one,) = scan(self.warehouse, self.config)
        waiting = list(meanwhile)
        if one.changed:
            write_chunks(
                self.warehouse, one, one.touched, lambda _: self.write("b.md", waiting.pop()) if waiting else None
            )
        return one.reason

    def texts(self) -> set[str]:
        snapshot = self.warehouse.snapshot("s")
        assert snapshot is not None
        rows = [
            (text, dead)
            for one in snapshot.segments
            for text, dead in zip(
                self.warehouse.segment(one.segment_id).chunks()["text"].to_pylist(),
                snapshot.dead_mask(one.segment_id),
                strict=True,
            )
        ]
        return {text for text, dead in rows if not dead}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path)
    made.write("a.md", "# A\n\nabout a\n")
    made.write("b.md", A)
    return made


def test_rows_of_what_a_file_was_for_a_moment_do_not_stay(project: Project) -> None:
    """Scanned as A, read as B, and A again ever after: its sha256 is the one that was scanned."""
    project.ingest(B)
    assert any("other words" in text for text in project.texts())
    project.write("b.md", A)
    assert project.ingest() == "1 changed"
    assert any("first words" in text for text in project.texts())
    assert not any("other words" in text for text in project.texts())
    assert project.ingest() == ""


def test_a_log_that_is_written_to_all_the_time_is_read_and_read_again(project: Project) -> None:
    project.ingest(A + "\nline 1\n")
    assert any("line 1" in text for text in project.texts())
    assert project.ingest(A + "\nline 1\n\nline 2\n") == "1 changed"
    # Nobody writes any more: one look more, and rest.
    assert [project.ingest(), project.ingest()] == ["1 changed", ""]


def test_a_file_that_nobody_wrote_to_is_not_read_again(project: Project) -> None:
    assert [project.ingest(), project.ingest()] == ["never chunked", ""]


def test_a_file_that_is_gone_before_its_rows_are_written_is_gone_at_the_next_scan(project: Project) -> None:
    (one,) = scan(project.warehouse, project.config)
    write_chunks(project.warehouse, one, one.touched, lambda _: (project.folder / "a.md").unlink(missing_ok=True))
    assert project.ingest() == "1 deleted"
    assert not any("about a" in text for text in project.texts())
