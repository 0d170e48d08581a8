"""Packages are read as they are, by their licence; what does not belong to them, or cannot be read, gives nothing."""

import io
import tarfile
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

from xtr_assets.config import SourceConfig
from xtr_assets.core.errors import ConfigError
from xtr_assets.pipeline.heads.pair_sources import mine_package, mine_sources

MODULE = '''
def parse_date(text):
    """Parse a date in ISO format."""
    found = DATES.match(text[:10])
    return None if found is None else found.group()
'''
PAGE = "Guide\n=====\n\nThe wheel holds everything that is needed, and is copied to a folder of its own.\n"


def metadata(licence: str) -> str:
    body = "# Why dates\n\nDates are hard to read in the many forms that people write.\n"
    return f"Metadata-Version: 2.1\nName: Date_Tools\nVersion: 1.2\n{licence}\n\n{body}"


def wheel(path: Path, licence: str = "License-Expression: MIT", **more: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("date_tools/parser.py", MODULE)
        archive.writestr("date_tools-1.2.dist-info/METADATA", metadata(licence))
        for name, text in more.items():
            archive.writestr(name.replace("__", "/") + ".py", text)
    return path


def test_a_wheel_gives_pairs_under_its_name_version_licence_and_digest(tmp_path: Path) -> None:
    mined = mine_package(wheel(tmp_path / "date_tools-1.2-py3-none-any.whl"))
    (origin,) = mined.origins
    assert (origin.name, origin.version, origin.licence) == ("date-tools", "1.2", "MIT")
    assert len(origin.sha256) == 64 and origin.file == "date_tools-1.2-py3-none-any.whl"
    assert {pair.question for pair in mined.pairs} == {"Parse a date in ISO format.", "parse date", "Why dates"}
    assert dict(origin.pairs) == {"docstring": 1, "name": 1, "heading": 1}
    assert {pair.origin for pair in mined.pairs} == {"date-tools"}


@pytest.mark.parametrize(
    ("line", "allowed"),
    [
        ("License-Expression: Apache-2.0", True),
        ("Classifier: License :: OSI Approved :: BSD License", True),
        ("License: MIT License", True),
        ("License-Expression: LGPL-2.1-only", False),
        ("Classifier: License :: OSI Approved :: MIT License\nClassifier: License :: Other/Proprietary License", False),
        ("License-Expression: MIT AND GPL-3.0-only", False),
        ("License-Expression: MIT AND CC-BY-NC-4.0", False),
        ("License: Apache 2.0 with Commons Clause", False),
        ("Summary: without a word on its licence", False),
        ("License: SUBMITTED to nobody", False),
    ],
)
def test_only_permissive_packages_give_pairs(tmp_path: Path, line: str, allowed: bool) -> None:
    path = wheel(tmp_path / "a.whl", line)
    (origin,) = mine_package(path).origins
    assert bool(mine_package(path).pairs) is allowed is not bool(origin.refused)
    assert mine_package(path, any_licence=True).pairs


def test_tests_vendored_code_and_what_is_no_python_are_left_out(tmp_path: Path) -> None:
    other = MODULE.replace("date", "hour")
    path = wheel(
        tmp_path / "a.whl", a__tests__test_x=other, a___vendor__six=other, a__broken="def (:", a__nul="x = '\0'"
    )
    assert "Parse a hour in ISO format." not in {pair.question for pair in mine_package(path).pairs}
    assert "Parse a hour in ISO format." in {
        pair.question for pair in mine_package(wheel(tmp_path / "b.whl", a__hours=other)).pairs
    }


def test_the_metadata_of_what_a_package_vendors_is_not_its_own(tmp_path: Path) -> None:
    path = wheel(tmp_path / "a.whl")
    with zipfile.ZipFile(path, "a") as archive:
        for folder in ("a/_vendor/six-1.dist-info", "date_tools/other-2.dist-info"):
            archive.writestr(f"{folder}/METADATA", "Name: other\nLicense-Expression: GPL-3.0\n")
    (origin,) = mine_package(path).origins
    assert (origin.name, origin.licence, origin.refused) == ("date-tools", "MIT", "")


def test_a_source_archive_gives_its_pages_and_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "date_tools-1.2.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, text in (
            ("date_tools-1.2/PKG-INFO", metadata("License: BSD")),
            ("date_tools-1.2/docs/guide.rst", PAGE.replace("Guide\n=====", "Copy the wheel\n==============")),
            ("date_tools-1.2/../../escaped.py", MODULE),
        ):
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
        link = tarfile.TarInfo("date_tools-1.2/docs/link.rst")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    questions = {pair.question for pair in mine_package(path).pairs}
    assert "Copy the wheel" in questions and "Why dates" in questions
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_a_folder_is_read_without_following_links(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for folder in (inside, outside):
        folder.mkdir()
    (outside / "secret.py").write_text(MODULE.replace("date", "password"))
    (inside / "parser.py").write_text(MODULE)
    (inside / "link.py").symlink_to(outside / "secret.py")
    (inside / "all").symlink_to(outside)
    mined = mine_package(inside)
    assert {pair.question for pair in mined.pairs} == {"Parse a date in ISO format.", "parse date"}


@pytest.mark.parametrize("data", [b"", b"no archive", b"PK\x03\x04 torn"])
def test_what_is_no_package_is_refused(tmp_path: Path, data: bytes) -> None:
    for name in ("a.whl", "a.tar.gz"):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ConfigError, match=f"{name} is no folder, wheel or source archive"):
            mine_package(tmp_path / name)
    # A byte of what is compressed, and the number of how it is.
    whole = wheel(tmp_path / "whole.whl").read_bytes()
    for at in (whole.index(b"PK\1\2") + 10, len(whole) // 8):
        for value in range(0, 256, 15):
            (tmp_path / "torn.whl").write_bytes(whole[:at] + bytes([value]) + whole[at + 1 :])
            with suppress(ConfigError):
                mine_package(tmp_path / "torn.whl")
    with pytest.raises(ConfigError, match="nowhere"):
        mine_package(tmp_path / "nowhere")


def test_the_sources_of_an_index_give_what_a_build_reads(tmp_path: Path) -> None:
    (tmp_path / "parser.py").write_text(MODULE)
    (tmp_path / "other.py").write_text(MODULE.replace("date", "hour"))
    config = SourceConfig(name="own", kind="python", path=tmp_path, exclude=("other.py",))
    mined = mine_sources([config])
    assert {pair.place for pair in mined.pairs} == {"parser.py:parse_date"}
    assert [origin.name for origin in mined.origins] == ["own"]
