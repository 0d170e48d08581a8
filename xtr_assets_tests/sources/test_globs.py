import re
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtr_assets.config import SourceConfig
from xtr_assets.core.errors import ConfigError
from xtr_assets.core.types import Chunk
from xtr_assets.sources import open_source
from xtr_assets.sources.globs import Globs


def globs(include: list[str] | None = None, exclude: list[str] | None = None) -> Globs:
    return Globs(include or [], exclude or [], [".py", ".md"], "lib")


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("**/*.py", ["a.py", "a/b/c.py"], ["a.pyc", "a.md"]),
        ("*.py", ["a.py"], ["a/b.py"]),
        ("a/**", ["a/b.py", "a/b/c.md"], ["a/b.txt", "a.py", "ab/c.py"]),
        ("a", ["a", "a/b.py"], ["ab/c.py", "a/b.txt"]),
        ("a/", ["a/b.py"], ["a", "a/b.txt"]),
        ("**/t/**", ["t/a.py", "x/t/y/a.py"], ["xt/a.py", "t.py"]),
        ("**", ["a.py", "a/b.md"], ["a.txt"]),
        ("a/**/z.py", ["a/z.py", "a/b/c/z.py"], ["z.py", "a/zz.py"]),
        ("docs/*", ["docs/a.txt"], ["docs/a/b.md"]),
        ("[ab]?.py", ["ax.py"], ["cx.py", "a.py", "a/.py"]),
        ("[!a].py", ["b.py"], ["a.py"]),
        ("a[.py", ["a[.py"], ["a.py"]),
        ("./a.py", ["a.py"], ["b.py"]),
        ("a+(b).py", ["a+(b).py"], ["aab.py"]),
    ],
)
def test_an_include_pattern_takes_these_and_not_those(pattern: str, yes: list[str], no: list[str]) -> None:
    mine = globs([pattern])
    assert [path for path in yes if not mine.matches(path)] == []
    assert [path for path in no if mine.matches(path)] == []


@pytest.mark.parametrize("pattern", ["test", "**/test", "**/test/**", "test/"])
def test_an_excluded_folder_takes_everything_below_it(pattern: str) -> None:
    mine = globs(exclude=[pattern])
    assert not mine.matches("test/a.py") and not mine.matches("test/deep/a.md")
    assert mine.skips_folder("test")
    assert mine.matches("tests/a.py") and not mine.skips_folder("tests")


def test_hidden_names_and_caches_are_left_out_unless_they_are_named() -> None:
    assert all(globs().skips_name(name) for name in (".git", "__pycache__", "node_modules", "lost+found"))
    assert not globs().skips_name("a.py")
    assert not globs([".github/**"]).skips_name(".github")
    assert globs([".github/**"]).skips_name(".git")
    assert not globs(["site-packages/a/**"]).skips_name("site-packages")
    assert not globs(["**/.*.md"]).skips_name(".a.md")


@pytest.mark.parametrize("pattern", ["/etc/*.py", "../a.py", "a/../b", "", ".", "a\\b.py"])
def test_a_pattern_that_leaves_the_root_is_refused_with_its_field(pattern: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"`exclude` of source lib is {pattern!r}")):
        globs(exclude=[pattern])


names = st.text("ab.", min_size=1, max_size=3).filter(lambda name: name.strip("."))
components = st.text("ab.*?", min_size=1, max_size=3).filter(lambda part: part.strip(".") and "**" not in part)


@given(st.lists(components, min_size=1, max_size=3), st.lists(names, min_size=1, max_size=3))
def test_patterns_without_double_stars_match_as_pathlib_does(parts: list[str], path: list[str]) -> None:
    wild = [*parts[:-1], f"{parts[-1]}?*"]  # A wildcard at the end, so that it names files only.
    # PurePath.match anchors at the right: the lengths must agree for it to mean the whole path.
    expected = len(path) == len(wild) and PurePosixPath("/".join(path)).match("/".join(wild))
    assert globs(["/".join(wild)]).matches("/".join(path)) == expected


@pytest.mark.parametrize(
    ("include", "path"),
    [
        ((), "GUIDE.MD"),
        ((), "a/Notes.Md"),
        (("**/*.MD",), "a/notes.md"),
        (("docs",), "docs/NOTES.MD"),
        (("Cafe\u0301/*.md",), "Caf\u00e9/a.md"),
        (("Caf\u00e9/*.md",), "Cafe\u0301/a.MD"),
        (("r\u00e9sum\u00e9.md",), "re\u0301sume\u0301.md"),
    ],
)
def test_suffixes_have_no_case_and_accents_no_spelling(include: tuple[str, ...], path: str) -> None:
    assert Globs(include, (), (".md",), "docs").matches(path)
    assert not Globs(include, ("**/*.Md",), (".md",), "docs").matches(path)


def test_names_keep_their_case() -> None:
    assert Globs(("docs.Old",), (), (".md",), "docs").matches("docs.Old/a.md")
    assert not Globs((), ("docs.Old/",), (".md",), "docs").matches("docs.Old/a.md")
    assert not Globs(("Guide.md",), (), (".md",), "docs").matches("guide.md")
    assert Globs((), ("Cafe\u0301/**",), (".md",), "docs").skips_folder("Caf\u00e9")


def test_a_file_of_a_decomposed_name_is_opened_by_its_own_bytes(tmp_path: Path) -> None:
    (tmp_path / "Cafe\u0301.MD").write_text("# A")
    source = open_source(SourceConfig(name="docs", kind="text", path=tmp_path, include=("Caf\u00e9.md",)))
    assert list(source.scan("docs", {})) == ["Cafe\u0301.MD"]
    assert [one.symbol for one in source.read("Cafe\u0301.MD") if isinstance(one, Chunk)] == ["A"]


def test_a_hidden_name_is_brought_back_in_its_own_case() -> None:
    held = Globs((".GitHub/*.md", ".Notes.MD"), (), (".md",), "docs")
    assert not held.skips_name(".GitHub") and held.matches(".GitHub/a.MD")
    assert held.skips_name(".github") and not held.skips_name(".Notes.md")
