import os
import time
from pathlib import Path
from typing import Any

import pytest

from xtr_assets.core.errors import MAY_NOT, ConfigError, SourceError
from xtr_assets.core.file_diff import UNREAD_SHA256
from xtr_assets.core.files import sha256_file
from xtr_assets.core.types import Quarantined
from xtr_assets.pipeline.gate.folder_evidence import folder_of
from xtr_assets.sources import file_scan
from xtr_assets_tests.sources.conftest import Opener, refusals, write


def test_files_come_in_order_of_path_with_their_digest(tmp_path: Path, opened: Opener) -> None:
    for path in ("b.py", "a/z.py", "a.py", "a/__pycache__/c.py", ".hidden/d.py", "site-packages/e.py", "f.txt"):
        write(tmp_path, path, path)
    found = opened("python").scan("lib", {})
    assert list(found) == ["a.py", "a/z.py", "b.py"]
    assert all(state.path == path and state.sha256 == sha256_file(tmp_path / path) for path, state in found.items())


def test_size_and_old_times_save_the_read(tmp_path: Path, opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_scan, "RACY_NS", 0)
    write(tmp_path, "same.py")
    write(tmp_path, "edited.py")
    write(tmp_path, "same size and mtime.py", "x = 1\n")
    first = opened("python").scan("lib", {})
    time.sleep(0.05)  # Longer than the grain of the file system's clock.
    write(tmp_path, "edited.py", "x = 22\n")
    old = write(tmp_path, "same size and mtime.py", "x = 2\n")
    os.utime(old, ns=(0, first["same size and mtime.py"].mtime_ns))
    read: list[str] = []

    def reading(path: Path, size: int) -> str:
        read.append(path.name)
        return sha256_file(path)

    monkeypatch.setattr(file_scan, "digest_of", reading)
    second = opened("python").scan("lib", first)
    assert sorted(read) == ["edited.py", "same size and mtime.py"]
    assert second["same.py"] == first["same.py"]
    assert all(second[path].sha256 != first[path].sha256 for path in read)
    assert opened("python").scan("lib", second) == second and len(read) == 2


def test_a_second_write_within_the_clocks_grain_is_seen(tmp_path: Path, opened: Opener) -> None:
    file = write(tmp_path, "a.py", "x = 1\n")
    stamp = file.stat().st_mtime_ns
    first = opened("python").scan("lib", {})
    file.write_text("x = 2\n")
    os.utime(file, ns=(stamp, stamp))
    assert opened("python").scan("lib", first)["a.py"].sha256 != first["a.py"].sha256


def test_loops_of_links_end_and_no_folder_is_walked_twice(tmp_path: Path, opened: Opener) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    write(root, "pkg/a.py")
    write(outside, "b.py")
    (root / "pkg/loop").symlink_to(root, target_is_directory=True)
    (root / "also").symlink_to(root / "pkg", target_is_directory=True)
    (root / "linked").symlink_to(outside, target_is_directory=True)
    (outside / "back").symlink_to(root, target_is_directory=True)
    (root / "file.py").symlink_to(outside / "b.py")
    assert list(opened("python", path=root).scan("lib", {})) == ["file.py", "linked/b.py", "pkg/a.py"]


def test_a_link_to_what_the_source_lies_in_is_not_followed(tmp_path: Path, opened: Opener) -> None:
    """`up -> ..` makes no neighbour a part of the source, and no link by way of /proc the whole machine."""
    root = tmp_path / "project" / "root"
    write(root, "a.py")
    write(root.parent, "beside.py")
    write(tmp_path, "above.py")
    (root / "up").symlink_to("..")
    (root / "far").symlink_to(tmp_path)
    (root / "machine").symlink_to("/")
    if Path("/proc/self/root").exists():
        (root / "process").symlink_to("/proc/self/root")
    (tmp_path / "named").symlink_to(root)
    for path in (root, tmp_path / "named"):
        source = opened("python", path=path)
        assert list(source.scan("lib", {})) == ["a.py"]
        assert list(folder_of(source.config).files) == ["a.py"]


def test_what_cannot_be_read_is_listed_and_quarantined_and_the_rest_goes_on(tmp_path: Path, opened: Opener) -> None:
    write(tmp_path, "good.py")
    (tmp_path / "dangling.py").symlink_to("nowhere.py")
    (tmp_path / "self.py").symlink_to("self.py")
    os.mkfifo(tmp_path / "pipe.py")
    source = opened("python")
    found = source.scan("lib", {})
    assert list(found) == ["dangling.py", "good.py", "pipe.py", "self.py"]
    assert [path for path, state in found.items() if state.sha256 == UNREAD_SHA256] == [
        "dangling.py",
        "pipe.py",
        "self.py",
    ]
    assert source.scan("lib", found) == found
    for path in ("dangling.py", "pipe.py", "self.py", "deleted since.py"):
        assert refusals(source, path) == [(0, "unreadable")]
    (tmp_path / "dangling.py").unlink()
    write(tmp_path, "dangling.py")
    assert source.scan("lib", found)["dangling.py"].sha256 != UNREAD_SHA256


def test_a_file_without_permission_is_quarantined(
    tmp_path: Path, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "a.py")

    def denied(*_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    source = opened("python")
    monkeypatch.setattr(Path, "read_bytes", denied)
    monkeypatch.setattr(file_scan, "digest_of", denied)
    assert source.scan("lib", {})["a.py"].sha256 == UNREAD_SHA256
    assert list(source.read("a.py")) == [Quarantined("lib", "a.py", 0, "unreadable", f"Permission denied; {MAY_NOT}")]


def test_a_folder_that_is_closed_for_a_day_keeps_its_files(
    tmp_path: Path, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "a.py")
    write(tmp_path, "closed/b.py")
    source = opened("python", shards=3)
    before = {shard: source.scan(shard, {}) for shard in source.shards()}
    scandir = os.scandir

    def closed(path: Path) -> Any:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    after = {shard: source.scan(shard, before[shard]) for shard in source.shards()}
    kept = {path: state.sha256 for found in after.values() for path, state in found.items()}
    known = {path: state.sha256 for found in before.values() for path, state in found.items()}
    assert kept == {**known, "closed": UNREAD_SHA256}
    assert refusals(source, "closed") == [(0, "unreadable")]
    # What lies below it is closed as well, to the gate's own walk too.
    look = Path.stat

    def shut(path: Path, **how: Any) -> os.stat_result:
        if path.parent.name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return look(path, **how)

    monkeypatch.setattr(Path, "stat", shut)
    assert set(folder_of(source.config).files) == {"a.py"}


def test_a_name_that_is_no_utf8_is_reported_in_an_escaped_form(tmp_path: Path, opened: Opener) -> None:
    write(tmp_path, "a.py")
    try:
        (Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff.py"))).write_text("x = 1\n")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    source = opened("python")
    assert list(source.scan("lib", {})) == ["a.py", "bad\\xff.py"]
    assert refusals(source, "bad\\xff.py") == [(0, "unreadable")]
    # A file that is really called so is read.
    write(tmp_path, "bad\\xff.py")
    assert not opened("python").scan("lib", {})["bad\\xff.py"].unread
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/old\xff"))).mkdir()
    assert "old\\xff" in opened("python").listing().closed
    # Who cannot rename it leaves it out.
    assert list(opened("python", exclude=("bad*", "old*/**")).scan("lib", {})) == ["a.py"]


def test_a_source_that_is_gone_is_an_error_with_path_and_remedy(tmp_path: Path, opened: Opener) -> None:
    with pytest.raises(SourceError, match=r"source lib is gone: nothing at .*/gone; mount or restore it"):
        opened("python", path=tmp_path / "gone").scan("lib", {})


def test_a_folder_without_a_file_of_the_source_is_an_error_that_says_what_lies_there(
    tmp_path: Path, opened: Opener
) -> None:
    write(tmp_path, "a.csv")
    with pytest.raises(SourceError, match=r"kind `python` reads \(\.py\) outside of `exclude` \(b\); files of other"):
        opened("python", exclude=("b",)).scan("lib", {})
    for name in ("a.b/c.CSV", "Makefile"):
        write(tmp_path, name)
    asked = r"suffix that kind `code` reads \((\.\w+, ){4}\.\w+ and \d+ more\)"
    found = r"files of other suffixes that lie there: 3 \(\.csv 2, without a suffix 1\)"
    with pytest.raises(SourceError, match=rf"{asked}; {found}; mount or restore it, correct `path` or `kind`"):
        opened("code").scan("lib", {})
    with pytest.raises(
        SourceError, match=r"`include` \(x/\*\.py\); files that `include` or `exclude` leave out: 3; mount"
    ):
        opened("code", include=("x/*.py",)).scan("lib", {})
    with pytest.raises(SourceError, match="no other file lies where it looks"):
        opened("code", path=write(tmp_path, "b/.git/config").parent.parent).scan("lib", {})


def test_a_root_that_cannot_be_listed_is_an_error(tmp_path: Path, opened: Opener) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceError, match="cannot be listed"):
        opened("text", path=tmp_path / "pipe").scan("lib", {})


def test_shards_share_the_files_by_path_whatever_lies_beside_them(tmp_path: Path, opened: Opener) -> None:
    for number in range(40):
        write(tmp_path, f"{number}.py")
    source = opened("python", shards=4)
    assert source.shards() == ("lib-00of04", "lib-01of04", "lib-02of04", "lib-03of04")
    parts = [set(source.scan(shard, {})) for shard in source.shards()]
    assert sum(len(part) for part in parts) == len(set().union(*parts)) == 40
    assert all(parts)
    write(tmp_path, "new.py")
    assert all(part <= set(source.scan(shard, {})) for part, shard in zip(parts, source.shards(), strict=True))
    assert opened("python", shards=200).shards()[7] == "lib-007of200"
    with pytest.raises(SourceError, match="no shard 'lib'"):
        source.scan("lib", {})


def test_a_source_may_be_one_file_but_then_nothing_chooses_among_files(tmp_path: Path, opened: Opener) -> None:
    file = write(tmp_path, "notes.txt", "hello")
    source = opened("text", path=file)
    assert list(source.scan("lib", {})) == ["notes.txt"]
    assert [chunk.path for chunk in source.read("notes.txt")] == ["notes.txt"]
    with pytest.raises(ConfigError, match=r"`path` of source lib is one file"):
        opened("text", path=file, shards=2).scan("lib-00of02", {})


def test_the_fingerprint_covers_what_decides_the_chunks_and_nothing_else(tmp_path: Path, opened: Opener) -> None:
    first = opened("records").fingerprint()
    assert len(first) == 64 and opened("records", path=tmp_path / "moved", include=("*.jsonl",)).fingerprint() == first
    others = [
        opened("records", max_chars=999),
        opened("records", id="key"),
        opened("records", text="body"),
        opened("records", title=None),
        opened("records", metadata=("year",)),
        opened("records", name="other"),
        opened("text"),
        opened("python"),
    ]
    assert len({first, *(source.fingerprint() for source in others)}) == 9
