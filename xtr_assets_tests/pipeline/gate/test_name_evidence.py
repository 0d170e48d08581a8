"""The gate's own wording of names: the same as what is encoded, over real code and strange text."""

import sysconfig
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtr_assets.config import SourceConfig
from xtr_assets.core.name_text import name_text
from xtr_assets.core.types import Chunk
from xtr_assets.pipeline.gate.name_evidence import expected_name
from xtr_assets.sources import open_source
from xtr_assets_tests.core.chunking.code_samples import SAMPLES as FIRST
from xtr_assets_tests.core.chunking.further_samples import FURTHER

SAMPLES = FIRST | FURTHER
# What either wording takes apart.
PIECES = (
    *('"""', "'''", "r", "U", "def f():", "class A(", "):", ":", "\n", "\n\n", "    ", "\t", "\x0b", "\u2028", "\r"),
    *("#", "##", "# ", "#!", "//", "///", "//!", "/*", "/**", "*/", " * ", "--", "-", "@param", "@", "!", ". "),
    *(
        "word",
        "Word",
        "HTTPServer",
        "v2Beta",
        "a_b",
        "\u00fcber",
        "\u0130",
        "\u691c\u7d22\u3002",
        "\u0e01\u0e33",
        "e.g.",
    ),
    *("1", "\u00b2", "\u0663", "\u2460", "x" * 40, "one two three four five six seven eight ", "?", "\uff01"),
)
TEXTS = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=24).map("".join)
PARTS = st.one_of(
    st.sampled_from(["src", "lib", "__init__.py", "a.b.py", ".py", "..", ".", "", "HTTPServer.java", "x.pyi"]),
    st.text(max_size=12).map(lambda text: text.replace("/", "")),
)
PATHS = st.lists(PARTS, min_size=1, max_size=6).map("/".join)
KINDS = st.sampled_from(["module", "class", "function", "method", "section", "record", ""])


@settings(max_examples=500)
@given(path=PATHS, symbol=st.one_of(TEXTS, st.just("<module>")), text=TEXTS, kind=KINDS)
def test_strange_text_is_named_alike(path: str, symbol: str, text: str, kind: str) -> None:
    assert expected_name(path, symbol, text, kind) == (name_text(path, symbol, text, kind) or "")


def chunks_of(kind: str, folder: Path, include: tuple[str, ...] = ()) -> list[Chunk]:
    source = open_source(SourceConfig(name="s", kind=kind, path=folder, include=include))
    return [item for path in source.scan("s", {}) for item in source.read(path) if isinstance(item, Chunk)]


def test_the_standard_library_is_named_alike() -> None:
    chunks = chunks_of("python", Path(sysconfig.get_paths()["stdlib"]), ("[a-d]*.py", "email/*.py", "unittest/*.py"))
    names = [name_text(one.path, one.symbol, one.text, one.kind) or "" for one in chunks]
    assert names == [expected_name(one.path, one.symbol, one.text, one.kind) for one in chunks]
    assert len(names) > 2000 and sum(": " in name for name in names) > 500
    assert all(len(name) < 600 for name in names), "a name is short, whatever it names"


def test_other_languages_are_named_alike(tmp_path: Path) -> None:
    pytest.importorskip("tree_sitter")
    for suffix, text in SAMPLES.items():
        (tmp_path / f"sample{suffix}").write_text(text)
    names = {}
    for one in chunks_of("code", tmp_path):
        names[one.path, one.symbol] = name_text(one.path, one.symbol, one.text, one.kind)
        assert (names[one.path, one.symbol] or "") == expected_name(one.path, one.symbol, one.text, one.kind)
    assert len({path for path, _ in names}) == len(SAMPLES)
    assert any(": " in (name or "") for name in names.values())
