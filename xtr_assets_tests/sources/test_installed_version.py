"""Versions of packages are read once, and anew where something was installed, updated or removed."""

import shutil
from importlib import metadata
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from xtr_assets.sources.installed_version import installed_version


def install(folder: Path, version: str) -> None:
    """As pip does: the folder of the old version goes, and one that is called by the new version comes."""
    for old in folder.glob("planted-*.dist-info"):
        shutil.rmtree(old)
    new = folder / f"planted-{version}.dist-info"
    new.mkdir(parents=True)
    (new / "METADATA").write_text(f"Metadata-Version: 2.1\nName: planted\nVersion: {version}\n")


def test_a_version_is_read_again_only_where_packages_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads, read = list[str](), metadata.version

    def counted(name: str) -> str:
        reads.append(name)
        return read(name)

    monkeypatch.setattr(metadata, "version", counted)
    monkeypatch.syspath_prepend(tmp_path / "here")
    with pytest.raises(PackageNotFoundError):
        installed_version("planted")
    install(tmp_path / "here", "1.0")
    assert [installed_version("planted") for _ in range(3)] == ["1.0"] * 3
    assert reads == ["planted"] * 2
    install(tmp_path / "here", "2.0")
    assert [installed_version("planted") for _ in range(3)] == ["2.0"] * 3
    assert len(reads) == 3
    shutil.rmtree(tmp_path / "here")
    with pytest.raises(PackageNotFoundError):
        installed_version("planted")
