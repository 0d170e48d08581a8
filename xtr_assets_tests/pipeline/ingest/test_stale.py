"""What cannot be read today keeps its rows: through `scan` and `write_chunks`, as a build and a sensor call them."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xtr_assets.config import IndexConfig, parse_config
from xtr_assets.core.errors import MAY_NOT, CorruptFile, SourceError
from xtr_assets.core.file_diff import UNREAD_SHA256
from xtr_assets.pipeline.ingest.intake import intake_of
from xtr_assets.pipeline.ingest.scan import scan, scan_shard, source_of, write_chunks
from xtr_assets.sources import document_worker, file_scan
from xtr_assets.sources import records as records_source
from xtr_assets.sources.bounded_read import digest_of
from xtr_assets.sources.jsonl import read_jsonl
from xtr_assets.sources.place import SourceFile
from xtr_assets.storage.shard_writer import ShardChange
from xtr_assets.storage.snapshot import Snapshot, content_digest
from xtr_assets.storage.warehouse import Warehouse

CONFIG = """\
name: docs
sources:
  - {name: guide, kind: text, path: guide}
  - {name: papers, kind: records, path: papers, metadata: []}
encoder: {kind: hashing}
"""


class Project:
    def __init__(self, folder: Path) -> None:
        self.folder, self.config = folder, parse_config(CONFIG, folder)
        self.warehouse = Warehouse.create(folder / "warehouse")

    def write(self, path: str, content: str | bytes) -> Path:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def ingest(self, *, full: bool = False, config: IndexConfig | None = None) -> dict[str, ShardChange]:
        """Every shard that a build would ingest."""
        return {
            one.shard: write_chunks(self.warehouse, one, one.readable if full else one.touched)
            for one in scan(self.warehouse, config or self.config)
            if full or one.changed
        }

    def texts(self, shard: str) -> set[str]:
        """The live texts of a shard, by its current snapshot."""
        found: set[str] = set()
        snapshot = self.snapshot(shard)
        for one in snapshot.segments:
            table = self.warehouse.segment(one.segment_id).chunks()
            found |= set(table["text"].filter(pa.array(~snapshot.dead_mask(one.segment_id))).to_pylist())
        return found

    def snapshot(self, shard: str) -> Snapshot:
        found = self.warehouse.snapshot(shard)
        assert found is not None
        return found

    def stale(self, shard: str) -> dict[str, str]:
        return {one.path: one.reason for one in self.snapshot(shard).stale}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path)
    made.write("guide/a.md", "# A\n\nabout a\n")
    made.write("guide/deep/b.md", "# B\n\nabout b\n")
    made.write("papers/p.jsonl", records(range(20)))
    made.write("papers/q.jsonl", records(range(20, 30)))
    made.ingest()
    return made


CLOSED = f"Permission denied; {MAY_NOT}"


def records(numbers: range) -> str:
    return "".join(f'{{"_id": "p{n}", "text": "paper {n}"}}\n' for n in numbers)


def denied(*_: Any, **__: Any) -> Any:
    raise PermissionError(13, "Permission denied")


def test_a_file_without_permission_keeps_its_rows_until_it_can_be_read(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, texts = project.snapshot("guide"), project.texts("guide")
    with monkeypatch.context() as patch:
        patch.setattr(file_scan, "digest_of", denied)
        assert set(project.ingest()) == {"guide", "papers"}
        assert project.stale("guide") == {"a.md": CLOSED, "deep/b.md": CLOSED}
        assert project.texts("guide") == texts and len(project.texts("papers")) == 30
        assert project.snapshot("guide").content == before.content, "no generation is due for it"
        since = project.snapshot("guide").stale[0].since
        assert project.ingest() == {}, "nothing is asked for again while nothing changes"
        assert project.ingest(full=True)["guide"].snapshot.stale[0].since == since
        assert project.texts("guide") == texts
    project.write("guide/a.md", "# A\n\nanother a\n")
    assert set(project.ingest()) == {"guide", "papers"}
    assert project.texts("guide") == {"# A\n\nanother a", "# B\n\nabout b"} and not project.stale("papers")


def test_a_link_whose_target_is_away_keeps_its_rows_and_a_deleted_one_does_not(project: Project) -> None:
    target = project.folder / "disk" / "a.md"
    target.parent.mkdir()
    shutil.move(project.folder / "guide/a.md", target)
    (project.folder / "guide/a.md").symlink_to(target)
    assert project.ingest() == {}
    target.parent.rename(project.folder / "away")
    project.ingest()
    assert project.stale("guide") == {"a.md": "a link to something that is not there"}
    assert "# A\n\nabout a" in project.texts("guide")
    (project.folder / "guide/a.md").unlink()
    project.ingest()
    assert project.texts("guide") == {"# B\n\nabout b"} and not project.stale("guide")


def test_a_folder_that_cannot_be_listed_keeps_what_lies_below(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: denied() if str(path).endswith("deep") else scandir(path))
    project.ingest()
    reasons = project.stale("guide")
    assert set(reasons) == {"deep", "deep/b.md"} and "cannot be listed: Permission denied" in reasons["deep/b.md"]
    assert "# B\n\nabout b" in project.texts("guide")
    assert project.ingest() == {}


@pytest.mark.parametrize("error", [5, 13, 116])
def test_what_the_disk_does_not_tell_is_not_deleted(
    project: Project, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    """An I/O error, a folder that may not be entered, a stale NFS handle: neither stat nor lstat answers."""

    def failing(call: Callable[..., Any]) -> Callable[..., Any]:
        def called(self: Path, *args: Any, **kwargs: Any) -> Any:
            if self.name == "b.md":
                raise OSError(error, os.strerror(error))
            return call(self, *args, **kwargs)

        return called

    monkeypatch.setattr(Path, "stat", failing(Path.stat))
    monkeypatch.setattr(Path, "lstat", failing(Path.lstat))
    project.ingest()
    assert project.stale("guide") == {"deep/b.md": CLOSED if error == 13 else os.strerror(error)}
    assert "# B\n\nabout b" in project.texts("guide")


def test_a_file_that_vanishes_or_fails_between_scan_and_read_keeps_its_rows(project: Project) -> None:
    project.write("guide/a.md", "# A\n\nanother a\n")
    project.write("guide/c.md", "# C\n\nabout c\n")
    project.write("guide/d.md", "# D\n\nabout d\n")
    (guide, _) = scan(project.warehouse, project.config)
    (project.folder / "guide/a.md").unlink()
    (project.folder / "guide/d.md").unlink()
    done: list[int] = []
    change = write_chunks(project.warehouse, guide, guide.touched, done.append)
    assert project.texts("guide") == {"# A\n\nabout a", "# B\n\nabout b", "# C\n\nabout c"}
    assert set(project.stale("guide")) == {"a.md", "d.md"} and len(done) == 3
    assert change.snapshot.files["d.md"].sha256 == UNREAD_SHA256
    project.ingest()
    assert set(project.snapshot("guide").files) == {"deep/b.md", "c.md"} and not project.stale("guide")


def test_records_that_fail_half_way_leave_no_half(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write("papers/p.jsonl", records(range(100, 140)))

    def failing(file: SourceFile) -> Any:
        for number, row in enumerate(read_jsonl(file)):
            if number == 7:
                raise OSError(5, "Input/output error")
            yield row

    monkeypatch.setattr("xtr_assets.sources.records.read_jsonl", failing)
    project.ingest()
    assert project.stale("papers") == {"p.jsonl": "Input/output error"}
    assert project.texts("papers") == {f"paper {n}" for n in range(30)}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it holds no record (0 bytes)"),
        (records(range(50))[:-9].encode(), "the file ends in the midst of a record"),
        (records(range(50)).replace('"text"', '"body"').encode(), "none of its 50 records can be used"),
        (records(range(50)).replace('"_id"', '"id"').encode(), "none of its 50 records can be used"),
        (b"\x1f\x8b\x08 packed \n by somebody\n", "none of its 2 records can be used"),
        (b"<html>502 Bad Gateway</html>\n", "none of its 1 records can be used"),
    ],
)
def test_an_export_that_went_wrong_keeps_its_rows_and_is_not_read_again_and_again(
    project: Project, content: bytes, reason: str
) -> None:
    project.write("papers/p.jsonl", content)
    assert set(project.ingest()) == {"papers"}
    assert project.texts("papers") == {f"paper {n}" for n in range(30)}
    (told,) = project.stale("papers").values()
    assert told.startswith(reason) and project.snapshot("papers").quarantine == ()
    assert project.ingest() == {}
    (entry,) = project.snapshot("papers").stale
    assert project.ingest(full=True)["papers"].snapshot.stale == (entry,)
    project.write("papers/p.jsonl", records(range(5)))
    project.ingest()
    assert project.texts("papers") == {f"paper {n}" for n in (*range(5), *range(20, 30))} and not project.stale(
        "papers"
    )


def test_settings_that_take_what_was_refused_reach_it(project: Project) -> None:
    """An export names its id otherwise from today on: who corrects `id` was told of the old one until it changed."""
    project.write("papers/p.jsonl", records(range(50, 60)).replace('"_id"', '"key"'))
    project.ingest()
    (before,) = project.snapshot("papers").stale
    papers = project.config.sources[1].model_copy(update={"id": "key"})
    corrected = project.config.model_copy(update={"sources": (project.config.sources[0], papers)})
    elsewhere = project.config.model_copy(
        update={"sources": (project.config.sources[0], papers.model_copy(update={"id": "nosuch"}))}
    )
    project.ingest(config=elsewhere)
    assert "`nosuch` is missing" in project.stale("papers")["p.jsonl"]
    assert project.snapshot("papers").stale[0].since == before.since
    assert project.ingest(config=elsewhere) == {}
    project.ingest(config=corrected)
    assert {f"paper {n}" for n in range(50, 60)} <= project.texts("papers")
    assert "p.jsonl" not in project.stale("papers")


def test_pages_stay_where_what_reads_them_is_not_installed_any_more(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that was set up without the extra `documents` would have dropped what another one indexed."""
    project.write("guide/page.html", "<h1>Page</h1><p>A page of the guide.")
    project.ingest()
    held = project.texts("guide")
    assert any("A page of the guide." in text for text in held)
    with monkeypatch.context() as patch:
        patch.setattr(document_worker, "_version", lambda _: "")
        project.write("guide/new.html", "<p>New.")
        project.ingest()
        assert project.texts("guide") == held
        assert "pip install 'xtr-assets[documents]'" in project.stale("guide")["page.html"]
        assert [entry.reason for entry in project.snapshot("guide").quarantine] == ["not-installed"]
        assert project.ingest() == {}
    project.ingest()
    assert any("New." in text for text in project.texts("guide")) and not project.stale("guide")


def test_a_full_build_tries_again_what_was_refused(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a release that left it so when the settings were corrected."""
    content = records(range(50, 60))
    with monkeypatch.context() as patch:
        patch.setattr(records_source, "read_jsonl", lambda _: iter(()))
        project.write("papers/p.jsonl", content)
        project.ingest()
    assert project.stale("papers") and project.ingest() == {}
    one = scan_shard(project.warehouse, "papers", source_of(project.config, "papers"), again=True)
    write_chunks(project.warehouse, one, one.readable)
    assert {f"paper {n}" for n in range(50, 60)} <= project.texts("papers") and not project.stale("papers")


def test_parquet_without_footer_or_columns_keeps_its_rows(project: Project) -> None:
    table = pa.table({"_id": [f"d{n}" for n in range(9)], "text": [f"row {n}" for n in range(9)]})
    file = project.folder / "papers/t.parquet"
    pq.write_table(table, file)
    project.ingest()
    whole = file.read_bytes()
    for wrong in (whole[:-20], b"", b"PAR1", whole[: len(whole) // 2]):
        file.write_bytes(wrong)
        project.ingest()
        assert "not Parquet" in project.stale("papers")["t.parquet"]
        assert len(project.texts("papers")) == 39
    pq.write_table(table.rename_columns(["id", "text"]), file)
    project.ingest()
    assert project.stale("papers")["t.parquet"] == "no column `_id`; the file has id, text"
    file.write_bytes(whole)
    assert set(project.ingest()) == {"papers"} and not project.stale("papers")
    assert len(project.texts("papers")) == 39


def test_a_first_build_has_no_rows_to_keep(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("guide/a.md", "# A\n\nabout a\n")
    (tmp_path / "guide/away.md").symlink_to("nowhere.md")
    project.write("papers/p.jsonl", records(range(5)) + '{"_id": "cut", "te')
    project.write("papers/empty.jsonl", "")
    project.ingest()
    assert project.texts("guide") == {"# A\n\nabout a"}
    assert project.stale("guide") == {"away.md": "a link to something that is not there"}
    told = [(entry.path, entry.line, entry.reason) for entry in project.snapshot("papers").quarantine]
    assert told == [("empty.jsonl", 0, "no-records"), ("p.jsonl", 6, "truncated")]
    assert len(project.texts("papers")) == 5
    assert project.ingest() == {}


@pytest.mark.parametrize("content", [b"", b"nonsense\n", b'{"id": 1, "body": "x"}\n'])
def test_a_source_of_records_without_one_is_gone_not_empty(tmp_path: Path, content: bytes) -> None:
    project = Project(tmp_path)
    project.write("guide/a.md", "# A\n\nabout a\n")
    project.write("papers/p.jsonl", content)
    with pytest.raises(SourceError, match=r"source papers holds no record that can be used: p\.jsonl"):
        project.ingest()
    assert project.warehouse.snapshot("papers") is None


def test_an_empty_mount_point_is_a_source_that_is_gone(project: Project) -> None:
    (project.folder / "guide").rename(project.folder / "disk")
    with pytest.raises(SourceError, match="source guide is gone"):
        project.ingest()
    (project.folder / "guide").mkdir()
    with pytest.raises(SourceError, match="is there, but no file in it"):
        project.ingest()


def test_settings_that_change_meanwhile_reach_a_stale_file_once_it_is_back(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "# A\n\n" + "A sentence of words. " * 40
    project.write("guide/a.md", text)
    project.ingest()
    guide = project.config.sources[0].model_copy(update={"max_chars": 250})
    config = project.config.model_copy(update={"sources": (guide, project.config.sources[1])})
    held = project.snapshot("guide")
    with monkeypatch.context() as patch:
        patch.setattr(
            file_scan, "digest_of", lambda path, size: denied() if path.name == "a.md" else digest_of(path, size)
        )
        project.ingest(config=config)
    assert text.strip() in {one.strip() for one in project.texts("guide")}
    away = project.snapshot("guide")
    assert away.stale[0].settings == held.source_fingerprint != away.source_fingerprint
    project.ingest(config=config)
    assert max(map(len, project.texts("guide"))) <= 250
    assert project.snapshot("guide").content != away.content, "other rows, so that a generation is due"


def test_only_snapshots_with_stale_files_have_the_third_version(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = project.snapshot("guide")
    assert plain.format_version == 1 and b"stale" not in plain.to_bytes()
    assert plain.content == content_digest(plain.source_fingerprint, plain.files)
    with monkeypatch.context() as patch:
        patch.setattr(file_scan, "digest_of", denied)
        project.ingest()
    snapshot = project.snapshot("guide")
    assert snapshot.format_version == 3
    wrong = snapshot.to_bytes().replace(b'"format_version": 3', b'"format_version": 2')
    with pytest.raises(CorruptFile, match="stale files need format_version 3, the file has 2"):
        Snapshot.from_bytes(wrong, "a snapshot")
    project.warehouse.compact({"guide": (tuple(one.segment_id for one in snapshot.segments),)})
    assert project.snapshot("guide").stale == snapshot.stale
    project.ingest()
    assert project.snapshot("guide").format_version == 1 and project.snapshot("guide").content == plain.content


def test_the_intake_tells_what_was_left_out_and_where_the_list_is(project: Project) -> None:
    for n in range(5):
        project.write(f"guide/bad{n}.md", b"\xff\xff")
    for path in ("guide/a.rtf", "guide/deep/b.RTF", "guide/Makefile", "papers/readme.md", "guide/.hidden.rtf"):
        project.write(path, "x")
    (project.folder / "guide/a.md").unlink()
    (project.folder / "guide/a.md").symlink_to("nowhere")
    project.ingest()
    found = intake_of(project.warehouse, project.config)
    assert found.skipped == {".md": 1, ".rtf": 2, "no suffix": 1}
    told = "\n".join(found.sentences())
    assert "quarantine: 5 files or records of 5 files cannot be used: bad0.md:1 (undecodable); bad1.md" in told
    assert "bad3" not in told and "`xtr-assets status --json`" in told
    assert "stale: 1 file could not be read, what was indexed of them stays: a.md (a link to" in told.replace(
        "they had", "it had"
    )
    assert "skipped: no source reads 2 .rtf, 1 .md, 1 no suffix" in told
    document = found.document()
    assert len(document["quarantine"]) == 5 and document["stale"][0]["shard"] == "guide"


def test_what_another_source_reads_or_a_person_left_out_is_not_skipped(tmp_path: Path) -> None:
    text = """\
name: docs
sources:
  - {name: guide, kind: text, path: ., include: ["docs/**/*.md"], exclude: ["docs/old"]}
  - {name: code, kind: python, path: ., include: ["src/**"]}
"""
    project = Project(tmp_path)
    project.config = parse_config(text, tmp_path)
    for path in ("docs/a.md", "docs/a.py", "docs/old/x.pdf", "other/x.pdf", "src/b.py", "src/c.md", "src/d.so"):
        project.write(path, "x = 1\n")
    assert intake_of(project.warehouse, project.config).skipped == {".md": 1, ".py": 1, ".so": 1}
