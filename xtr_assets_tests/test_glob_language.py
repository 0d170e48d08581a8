"""One glob language: a source, a filter and the gate read drawn patterns alike."""

import os
import re
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtr_assets.config import SourceConfig
from xtr_assets.core.errors import ConfigError, InvalidInput
from xtr_assets.core.where_syntax import Compare, parse_where
from xtr_assets.pipeline.gate.path_patterns import SUFFIXES, PathPatterns
from xtr_assets.pipeline.gate.where_truth import glob_matches
from xtr_assets.search.filter_columns import PathColumn, TextColumn
from xtr_assets.sources.config_tree import ConfigTree
from xtr_assets.sources.globs import Globs
from xtr_assets.sources.mixed_tree import MixedTree

# Of the suite; `XTR_ASSETS_GLOBS=20000 pytest` tries more, some minutes.
EXAMPLES = int(os.environ.get("XTR_ASSETS_GLOBS", "300"))
# Characters that mean something in a glob or a regular expression, and both neighbours of the slash (`.`, `0`).
PIECES = ["**", "*", "?", "[", "]", "[ab]", "[!a]", "[.-0]", "[]a]", "[!]-]", "[a-b-]", "-", "!", "^", "&&", "a"]
PIECES += ["b", "0", "~~", "+", "$", "(", "|", "{", "\n", ".py", ".", "é", "e\u0301", "test"]
NAMES = ["a", "b", "ab", "0", ".", "-", "]", "[", "!", "^", "&", "\n", ".py", ".PY", "é", "e\u0301", "test", "*"]
NAMES += ["a.b"]

part = st.one_of(st.just("**"), st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map("".join))
pattern = st.lists(part, min_size=1, max_size=4).map("/".join)
written = st.tuples(st.sampled_from(["", "./"]), pattern, st.sampled_from(["", "", "/", "//"])).map("".join)
written = written.filter(lambda text: relative(text.removeprefix("./").rstrip("/")))
name = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map("".join)
path = st.lists(name.filter(lambda one: one not in (".", "..")), min_size=1, max_size=4)


def relative(text: str) -> bool:
    return not any(one in ("", ".", "..") for one in text.split("/"))


def holds(column: type[TextColumn | PathColumn], wild: str, texts: list[str]) -> list[bool]:
    """What a filter makes of texts, by Arrow's own regular expressions."""
    return list(column(pa.chunked_array([pa.array(texts, pa.string())])).compare(Compare("glob", (wild,))))


@settings(max_examples=EXAMPLES)
@given(pattern.filter(relative), path)
def test_a_source_excludes_what_a_filter_allows(wild: str, names: list[str]) -> None:
    taken = Globs(["**/*"], [wild], [], "lib").matches("/".join(names))
    # What sources add to the language: a last name without wildcards may be a folder, a suffix is in any case.
    asked = [wild] if re.search(r"[*?\[]", wild.rpartition("/")[2]) else [wild, f"{wild}/**"]
    # A name that begins with its dot has no suffix.
    lowered = re.sub(r"(?<=[^/])\.PY", ".py", "/".join(names))
    allowed = any(holds(PathColumn, one, [lowered])[0] for one in asked)
    assert taken is not allowed, (wild, names)


@settings(max_examples=EXAMPLES)
@given(st.lists(written, max_size=2), st.lists(written, max_size=2), path)
def test_the_gate_reads_patterns_as_the_sources_do(include: list[str], exclude: list[str], names: list[str]) -> None:
    globs = Globs(include, exclude, SUFFIXES["python"], "lib")
    mine = PathPatterns(
        SourceConfig(name="lib", kind="python", path=Path("x"), include=tuple(include), exclude=tuple(exclude))
    )
    theirs = globs.matches("/".join(names)) and not any(globs.skips_name(one) for one in names)
    assert mine.takes(tuple(names)) == theirs, (include, exclude, names)
    assert mine.shuts(tuple(names)) == globs.skips_folder("/".join(names)), (exclude, names)


@settings(max_examples=EXAMPLES)
@given(pattern, st.lists(path.map("/".join) | st.sampled_from(["", "/", "a/", "/a", "a//b"]), max_size=5))
def test_the_gate_reads_filters_as_the_search_does(wild: str, texts: list[str]) -> None:
    assert holds(TextColumn, wild, texts) == [glob_matches(wild, text) for text in texts], (wild, texts)


@pytest.mark.parametrize("wild", ["[b-a]", "x/[!b-a]*.py"])
def test_a_range_that_runs_backwards_is_refused_by_both(wild: str) -> None:
    with pytest.raises(ConfigError, match=f"`include` of source lib is {re.escape(repr(wild))}: .* write a-b"):
        Globs([wild], [], [], "lib")
    with pytest.raises(InvalidInput, match="runs backwards; write a-b"):
        parse_where({"path": {"glob": wild}})


CONFIG_NAMES = [
    *("Dockerfile", "Dockerfile.dev", "CMakeLists.txt", "a.yml", "A.YAML", ".a.yml", ".github", "workflows", "a"),
    *(
        "package.json",
        "data.json",
        "secrets.yml",
        "My_Secret.YML",
        "pnpm-lock.yaml",
        ".circleci",
        ".flake8",
        ".env.yml",
        "tsconfig.json",
    ),
    *("Makefile.am", ".cargo", "config.toml", ".devcontainer", "devcontainer.json", "node_modules", "README.md"),
]
config_path = st.lists(st.sampled_from(CONFIG_NAMES), min_size=1, max_size=4)
CONFIG_INCLUDE = ["**", "**/.github/**", "a/**", "**/*.yml", "**/secrets.yml", "Dockerfile", "**/.*", "**/*.md"]


@pytest.mark.parametrize("name", ["secrets.yml", "Secrets.YML", "my_secrets.yaml", "secrets.properties", "vault.YAML"])
def test_secrets_are_left_out_in_any_case(name: str) -> None:
    assert Globs([], [], ConfigTree.suffixes, "lib", ConfigTree.names).skips_name(name)
    assert not Globs([f"conf/{name}"], [], ConfigTree.suffixes, "lib", ConfigTree.names).skips_name(name)


@settings(max_examples=EXAMPLES)
@given(
    st.sampled_from(["config", "git"]),
    st.lists(st.sampled_from(CONFIG_INCLUDE), max_size=2),
    st.lists(st.sampled_from(["a/**", "**/*.yml", "Dockerfile"]), max_size=1),
    config_path,
)
def test_the_gate_knows_configuration_by_name_as_the_sources_do(
    kind: str, include: list[str], exclude: list[str], names: list[str]
) -> None:
    reader = ConfigTree if kind == "config" else MixedTree
    globs = Globs(include, exclude, reader.suffixes, "lib", reader.names)
    mine = PathPatterns(
        SourceConfig(name="lib", kind=kind, path=Path("x"), include=tuple(include), exclude=tuple(exclude))
    )
    theirs = globs.matches("/".join(names)) and not any(globs.skips_name(one) for one in names)
    assert mine.takes(tuple(names)) == theirs, (include, exclude, names)
