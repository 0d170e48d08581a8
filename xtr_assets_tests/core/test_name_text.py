"""What a chunk is called, case by case; the gate's own wording is held against it in pipeline/gate."""

import pytest

from xtr_assets.core.name_text import MOST_SAID, MOST_WORDS, name_text

DOC = 'def gather(*aws):\n    """Run awaitables at once. Second sentence.\n\n    More.\n    """\n    return 1\n'


@pytest.mark.parametrize(
    ("path", "symbol", "text", "kind", "name"),
    [
        ("asyncio/tasks.py", "gather", DOC, "function", "asyncio tasks gather: Run awaitables at once"),
        ("src/lib/web/HTTPServer.java", "HTTPServer.doGet", "x", "method", "web http server do get"),
        ("collections/__init__.py", "Counter.most_common", "x", "method", "collections counter most common"),
        ("json/decoder.py", "JSONDecoder.raw_decode", "x", "method", "json decoder raw decode"),
        ("json/tool.py", "<module>", '# c\n\n"""Validate JSON\n\nUsage: x"""\n', "module", "json tool: Validate JSON"),
        ("a.rs", "b::c", "// One\n// two. Three\nfn c() {}", "function", "a b c: One two"),
        ("a.js", "b", "/**\n * Adds up.\n * @param x\n */\nfunction b() {}", "function", "a b: Adds up"),
        ("a.rb", "b", "# Adds up\ndef b; end", "method", "a b: Adds up"),
        ("a.c", "b", "#define X\nint b() {}", "function", "a b"),
        ("a.js", "<module>", "/* Copyright of somebody */\nimport x", "module", "a"),
        ("a.py", "f", "def f():\n    if x:\n        '''not a docstring of f'''\n", "function", "a f"),
        ("a.py", "f", 'def f(\n    a,  # why\n):\n    r"""Says \\d."""', "function", "a f: Says \\d"),
        ("guide/install.md", "Guide > Linux", "# Linux\ntext", "section", "guide install linux"),
        ("notes", "", "text", "text", "notes"),
        ("__init__.py", "<module>", "import x", "module", None),
        ("_.py", "", "/** */", "function", None),
        ("", "", "", "", None),
    ],
)
def test_what_a_chunk_is_called(path: str, symbol: str, text: str, kind: str, name: str | None) -> None:
    assert name_text(path, symbol, text, kind) == name


def test_a_name_is_short_whatever_it_names() -> None:
    path = "/".join(f"folder{i}" for i in range(600)) + "/file.py"
    said = '"""' + "word " * 5000 + '"""'
    name = name_text(path, "deep", said, "module")
    assert name is not None
    place, _, sentence = name.partition(": ")
    assert (len(place.split()), len(sentence.split())) == (MOST_WORDS, MOST_SAID)
    assert place.endswith("folder599 file deep"), "the nearest folders tell it from others"


def test_a_text_without_an_end_is_read_once() -> None:
    assert name_text("a.js", "b", "/*" + "*" * 200_000, "function") == "a b"
    assert name_text("a.py", "b", "def b():\n" + "#\n" * 100_000, "function") == "a b"
