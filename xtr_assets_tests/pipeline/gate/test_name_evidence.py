"""The gate's own wording of names: the same as what is encoded, over real code and strange text."""

import sysconfig
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtr_assets.config import IndexConfig, SourceConfig
from xtr_assets.core.name_text import name_text
from xtr_assets.core.types import Chunk
from xtr_assets.pipeline.gate.name_evidence import expected_name, name_problems
from xtr_assets.sources import open_source
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.core.chunking.code_samples import SAMPLES as FIRST
from xtr_assets_tests.core.chunking.further_samples import FURTHER
from xtr_assets_tests.core.chunking.other_samples import OTHER
from xtr_assets_tests.fixtures import drafted, make_chunk, write_shard
from xtr_assets_tests.long_cases import more

SAMPLES = FIRST | FURTHER | OTHER
# What either wording takes apart.
PIECES = (
    *('"""', "'''", "r", "U", "def f():", "class A(", "):", ":", "\n", "\n\n", "    ", "\t", "\x0b", "\u2028", "\r"),
    *("#", "##", "# ", "#!", "//", "///", "//!", "/*", "/**", "*/", " * ", "--", "-", "@param", "@", "!", ". "),
    *(
        "(*",
        "*)",
        "<#",
        "#>",
        "#=",
        "=#",
        "--[[",
        "--[[--",
        "]]",
        "%",
        "%% ",
        "#'",
        '"',
        "=head2 a",
        "=cut",
        "\\brief ",
    ),
    *("@doc ", "@doc", "~S", "~s", "@brief ", "\\", "\\a", ".SYNOPSIS", "</summary>", "<summary>", "<", ">", "def"),
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
    *(";", ";;; ", ";;;###autoload", "(defn f", "{-", "{-|", "-}", "{", "}", "| ", "^", "!", "!> ", "!<"),
    *("1", "\u00b2", "\u0663", "\u2460", "x" * 40, "one two three four five six seven eight ", "?", "\uff01"),
)
TEXTS = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=24).map("".join)
PARTS = st.one_of(
    st.sampled_from(["src", "lib", "__init__.py", "a.b.py", ".py", "..", ".", "", "HTTPServer.java", "x.pyi"]),
    st.text(max_size=12).map(lambda text: text.replace("/", "")),
)
SUFFIXES = st.sampled_from(
    ["", "", ".py", ".ex", ".jl", ".cs", ".r", ".lua", ".el", ".clj", ".hs", ".f90", ".nim", ".pas", ".fs", ".bzl"]
)
PATHS = st.tuples(st.lists(PARTS, min_size=1, max_size=6).map("/".join), SUFFIXES).map("".join)
KINDS = st.sampled_from(["module", "class", "function", "method", "section", "record", ""])


@settings(max_examples=more(300, 800))
@given(path=PATHS, symbol=st.one_of(TEXTS, st.just("<module>")), text=TEXTS, kind=KINDS)
def test_strange_text_is_named_alike(path: str, symbol: str, text: str, kind: str) -> None:
    assert expected_name(path, symbol, text, kind) == (name_text(path, symbol, text, kind) or "")


SAID = {
    ".r": "#' Opens it. Now.\n#' @export\nopen_it <- function(a) {\n  a\n}",
    ".erl": "%% @doc Opens it. Now.\n-spec open(term()) -> term().\nopen(X) ->\n  X.",
    ".ex": '@spec open(t) :: t\n@doc since: "1.0"\n@doc """\nOpens it. Now.\n"""\ndef open(a) do\n  a\nend',
    ".exs": '@doc ~S"Opens it."\ndef open(a) do\n  a\nend',
    ".jl": '"""\n    open(a)\n\nOpens it. Now.\n"""\nfunction open(a)\n  a\nend',
    ".ml": "(** Opens it. Now. *)\nlet open_it x =\n  x",
    ".lua": "--- Opens it. Now.\n-- @param a b\nfunction open(a)\n  return a\nend",
    ".LUA": "--[[--\nOpens\nit.\n]]\nfunction open(a)\n  return a\nend",
    ".graphql": '"""\nOpens it.\n"""\ntype Door {\n  id: ID!\n}',
    ".cs": "/// <summary>\n/// Opens <b>it</b>\n/// </summary>\n/// <param name='x'>y</param>\nvoid Open(int x) {\n}",
    ".cpp": "/**\n * \\brief Opens it\n * \\param x y\n */\nint open(int x) {\n}",
    ".sol": "/// @notice Opens it. Now.\n/// @param x y\nfunction open(uint x) {\n}",
    ".ps1": "<#\n.SYNOPSIS\nOpens it. Now.\n#>\nfunction Open-It {\n}",
    ".hs": "-- | Opens it. Now.\nopen :: Int -> Int\nopen x =\n  x",
    ".elm": "{-| Opens\nit. Now.\n-}\nopen : Int -> Int\nopen x =\n    x",
    ".fs": "/// <summary>\n/// Opens <b>it</b>\n/// </summary>\nlet open x =\n    x",
    ".clj": ';; Not this.\n(defn open\n  "Opens\n  it. Now."\n  [x]\n  x)',
    ".el": ';;;###autoload\n(defun open (x)\n  "Opens it. \\"Now\\"."\n  x)',
    ".scm": ";;; Opens it. Now.\n(define (open x)\n  x)",
    ".rkt": ';; Opens it.\n(define (open x)\n  (display x)\n  (display\n   "text"))',
    ".bzl": '# Not this.\ndef open(x):\n    """Opens it.\n\n    Args:\n      x: y\n    """\n    return x',
    ".f90": "!> Opens it. Now.\n!! More\nsubroutine open(x)\nend subroutine",
    ".nim": "# Not this.\nproc open(x: int) =\n  ## Opens it. Now.\n  echo x",
    ".pas": "{ Opens it. Now. }\nprocedure Open(X: Integer);\nbegin\nend;",
    ".nix": "/**\n  Opens it. Now.\n*/\nopen = x:\n  x;",
    ".vim": '" Opens it. Now.\nfunction! Open(x)\nendfunction',
    ".vhd": "-- Opens it. Now.\nentity open is\nend open;",
    ".pl": "=head2 open\n\nOpens it. Now.\n\n=cut\n\nsub open {\n}",
}


@pytest.mark.parametrize("suffix", SAID)
def test_what_stands_above_a_definition_is_in_its_name(suffix: str) -> None:
    for read in (name_text, expected_name):
        assert " ".join((read(f"a{suffix}", "open", SAID[suffix], "function") or "").split()) == "a open: Opens it"
        assert read(f"a{suffix}", "a", SAID[suffix], "module") == "a", "above a whole file stands its licence"


def test_a_partition_of_an_asset_that_lacks_its_names_is_told(tmp_path: Path) -> None:
    """Its shard is called by source and partition, which may hold hyphens of its own."""
    warehouse = Warehouse.create(tmp_path / "w")
    write_shard(warehouse, "orders-2026-01-31", [make_chunk("orders/2026-01-31", "7", "Seven words.", source="orders")])
    source = SourceConfig(
        name="orders", kind="asset", asset="orders", id="id", text="text", names=True, partitions=("2026-01-31",)
    )
    (found,) = name_problems(drafted(warehouse), [], IndexConfig(sources=(source,)))
    assert "names in segments of source orders" in str(found)


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
    for one in chunks_of("code", tmp_path, ("**", "**/*.d")):
        names[one.path, one.symbol] = name_text(one.path, one.symbol, one.text, one.kind)
        assert (names[one.path, one.symbol] or "") == expected_name(one.path, one.symbol, one.text, one.kind)
    assert len({path for path, _ in names}) == len(SAMPLES)
    assert any(": " in (name or "") for name in names.values())
