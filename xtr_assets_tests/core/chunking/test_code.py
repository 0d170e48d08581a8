"""Code of other languages: what each grammar's definitions come to, and that nothing of any file is lost."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtr_assets.core.chunking import chunk_code, code_parser
from xtr_assets.core.chunking.code_depth import MOST_NESTED, deepest
from xtr_assets.core.chunking.code_grammar import LANGUAGES
from xtr_assets.core.chunking.code_parser import Unparsable
from xtr_assets.core.types import Chunk
from xtr_assets_tests.core.chunking.code_samples import SAMPLES as FIRST
from xtr_assets_tests.core.chunking.further_samples import FURTHER, FURTHER_FOUND
from xtr_assets_tests.core.chunking.other_samples import OTHER, OTHER_FOUND
from xtr_assets_tests.long_cases import kept

SAMPLES = FIRST | FURTHER | OTHER


def chunks(text: str, suffix: str, max_chars: int = 2000) -> list[Chunk]:
    return list(chunk_code("lib", f"a{suffix}", text, max_chars))


# By suffix: kind, symbol, title and lines of each chunk.
FOUND: dict[str, list[tuple[str, str, str, int, int]]] = {
    ".js": [
        ("module", "<module>", "", 1, 1),
        ("class", "A", "", 3, 5),
        ("method", "A.y", "class A extends B", 7, 10),
        ("method", "A.z", "class A extends B", 11, 14),
        ("function", "f", "", 16, 19),
        ("module", "<module>", "", 20, 20),
        ("function", "module.exports.k", "", 21, 23),
        ("module", "<module>", "", 24, 25),
        ("function", "inner", "", 26, 28),
        ("module", "<module>", "", 29, 29),
    ],
    ".ts": [
        ("class", "A", "", 1, 2),
        ("method", "A.m", "class A", 3, 4),
        ("class", "A", "class A", 5, 5),
        ("method", "A.p", "class A", 6, 9),
        ("class", "I", "", 10, 12),
        ("module", "N", "", 13, 13),
        ("function", "N.f", "namespace N", 14, 16),
    ],
    ".tsx": [
        ("function", "App", "", 1, 3),
    ],
    ".go": [
        ("module", "<module>", "", 1, 1),
        ("method", "S.M", "", 3, 6),
        ("function", "F", "", 8, 9),
        ("class", "S", "", 11, 13),
        ("class", "A", "", 15, 16),
        ("class", "B", "", 17, 20),
    ],
    ".rs": [
        ("module", "<module>", "", 1, 1),
        ("class", "S", "", 3, 7),
        ("class", "S", "", 9, 9),
        ("method", "S::m", "impl<T> Tr for S<T>", 10, 13),
        ("module", "x", "", 14, 14),
        ("function", "x::y", "mod x", 15, 17),
        ("class", "Tr", "", 18, 19),
        ("method", "Tr::d", "trait Tr", 20, 22),
    ],
    ".java": [
        ("module", "<module>", "", 1, 1),
        ("class", "A", "", 3, 6),
        ("method", "A.m", "public class A<T> extends B", 8, 12),
        ("method", "A.A", "public class A<T> extends B", 14, 15),
        ("class", "A.I", "public class A<T> extends B", 17, 20),
    ],
    ".cpp": [
        ("module", "a::b", "", 1, 1),
        ("class", "a::b::C", "namespace a::b", 2, 5),
        ("method", "a::b::C::m", "class C : public D", 6, 8),
        ("class", "a::b::C", "class C : public D", 9, 9),
        ("method", "a::b::C::~C", "class C : public D", 10, 13),
        ("function", "a::b::x", "", 14, 16),
        ("class", "T", "", 17, 19),
        ("module", "<module>", "", 20, 20),
        ("function", "h", "", 21, 24),
    ],
    ".c": [
        ("module", "<module>", "", 1, 1),
        ("function", "f", "", 3, 7),
        ("function", "g", "", 9, 12),
        ("class", "S", "", 14, 16),
        ("module", "<module>", "", 17, 17),
    ],
    ".cs": [
        ("module", "<module>", "", 1, 1),
        ("module", "N", "", 2, 3),
        ("class", "N.A", "namespace N", 4, 8),
        ("method", "N.A.M", "public class A : B", 9, 12),
        ("method", "N.A.A", "public class A : B", 13, 17),
    ],
    ".rb": [
        ("module", "<module>", "", 1, 1),
        ("module", "M", "", 3, 4),
        ("class", "M::A", "module M", 5, 6),
        ("method", "M::A::m", "class A < B", 8, 11),
        ("method", "M::A::s", "class A < B", 13, 14),
        ("method", "M::A::q", "class A < B", 16, 19),
        ("function", "top", "", 21, 22),
    ],
    ".php": [
        ("module", "<module>", "", 1, 2),
        ("class", "C", "", 4, 7),
        ("method", "C::m", "class C extends D", 9, 13),
        ("function", "f", "", 15, 16),
    ],
    ".kt": [
        ("class", "A", "", 1, 3),
        ("method", "A.m", "class A(val x: Int) : B()", 5, 7),
        ("class", "A.Companion", "class A(val x: Int) : B()", 9, 9),
        ("method", "A.Companion.z", "companion object Companion", 10, 13),
        ("function", "ext", "", 15, 16),
    ],
    ".swift": [
        ("module", "<module>", "", 1, 1),
        ("class", "A", "", 3, 5),
        ("method", "A.m", "class A: B", 7, 10),
        ("method", "A.init", "class A: B", 11, 13),
        ("class", "A", "", 15, 15),
        ("method", "A.q", "extension A", 16, 18),
    ],
    ".scala": [
        ("module", "<module>", "", 1, 1),
        ("class", "A", "", 3, 5),
        ("method", "A.m", "class A(x: Int) extends B", 7, 11),
        ("class", "O", "", 13, 13),
        ("method", "O.y", "object O", 14, 15),
    ],
    ".sh": [
        ("module", "<module>", "", 1, 2),
        ("function", "f", "", 4, 7),
        ("function", "g", "", 9, 11),
        ("module", "<module>", "", 12, 12),
    ],
    ".sql": [
        ("class", "a", "", 1, 4),
        ("function", "f", "", 6, 11),
        ("class", "v", "", 13, 14),
        ("module", "<module>", "", 15, 15),
    ],
    **FURTHER_FOUND,
    **OTHER_FOUND,
}


def check_nothing_is_lost(text: str, found: list[Chunk], max_chars: int) -> None:
    lines = text.split("\n")
    assert "".join("".join(c.text for c in found).split()) == "".join(text.split())
    assert len({c.chunk_id for c in found}) == len(found)
    for chunk in found:
        assert 0 < len(chunk.text) <= max_chars
        verbatim = "\n".join(lines[chunk.start_line - 1 : chunk.end_line])
        assert chunk.text == verbatim or (chunk.start_line == chunk.end_line and chunk.text in verbatim)


@pytest.mark.parametrize("suffix", SAMPLES)
def test_each_definition_has_its_lines_and_its_qualified_name(suffix: str) -> None:
    found = chunks(SAMPLES[suffix], suffix)
    assert [(c.kind, c.symbol, c.title, c.start_line, c.end_line) for c in found] == FOUND[suffix]
    check_nothing_is_lost(SAMPLES[suffix], found, 2000)


def test_every_suffix_has_a_parser_and_a_sample_of_its_language() -> None:
    sampled = {LANGUAGES[suffix].grammar for suffix in SAMPLES}
    assert {language.grammar for language in LANGUAGES.values()} == sampled
    assert all(chunks("x", suffix) for suffix in LANGUAGES)


@pytest.mark.parametrize("suffix", SAMPLES)
def test_a_line_more_or_less_elsewhere_changes_no_id(suffix: str) -> None:
    text = SAMPLES[suffix]
    before = {c.chunk_id for c in chunks(text, suffix)}
    assert before == {c.chunk_id for c in chunks(text.replace("1", "111"), suffix)}
    assert before == {c.chunk_id for c in chunks("\n\n" + text, suffix)} or suffix == ".php"


def test_a_function_that_is_too_long_is_cut_between_statements_under_its_header() -> None:
    body = "".join(f"    if (x == {n}) {{\n        y({n});\n    }}\n" for n in range(40))
    text = f"class A {{\n  int f(int x)\n  {{\n{body}  }}\n}}\n"
    found = chunks(text, ".java", 300)
    check_nothing_is_lost(text, found, 300)
    parts = [c for c in found if c.symbol == "A.f"]
    assert [c.part for c in parts] == list(range(len(parts)))
    assert {c.title for c in parts[1:]} == {"class A: int f(int x)"}
    assert all(c.text.count("{") == c.text.count("}") for c in parts[1:-1])


def test_a_long_function_keeps_its_long_inner_functions_apart() -> None:
    inner = "".join(f"    const x{n} = {n};\n" for n in range(20))
    text = f"function outer() {{\n  a();\n  function inner() {{\n{inner}  }}\n  return inner;\n}}\n"
    found = chunks(text, ".js", 400)
    check_nothing_is_lost(text, found, 400)
    assert [c.symbol for c in found if not c.part] == ["outer", "outer.inner", "outer"]


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        (".js", "{{{{ ]]]] << this is no script >> ))) (((" * 20),
        (".java", "Dear reader,\n\nthis is a letter: it has been (badly) named...\n\nGoodbye, all!\n" * 5),
        (".sql", "\\copy a from stdin\n1\t2\t3\n\\.\n" * 30),
        (".rs", "\x01\x02\x03 <<<<>>>> %%%%\n" * 9),
    ],
)
def test_a_file_that_does_not_parse_is_plain_text(suffix: str, text: str) -> None:
    found = chunks(text, suffix)
    assert {(c.kind, c.symbol, c.title) for c in found} == {("text", "", "")}
    check_nothing_is_lost(text, found, 2000)


def test_a_file_with_one_fault_keeps_its_functions() -> None:
    text = "function a() {\n  return 1;\n}\n\nlet x = = 3;\n\nfunction b() {\n  return 2;\n}\n"
    assert [c.symbol for c in chunks(text, ".js")] == ["a", "<module>", "b"]


OBJECTS = """module.exports = {
  name: "x",
  "foo": function (a) {
    return a;
  },
  bar(b) {
    return b + 1;
  },
  more: {
    deep: async (c) => {
      await c;
    },
  },
};
const plain = {
  a: 1,
  b: (x) => x,
};
export default defineStore("t", {
  actions: {
    go() {
      return 1;
    },
  },
});
"""


@pytest.mark.parametrize("suffix", [".js", ".ts"])
def test_an_object_that_holds_functions_stands_for_a_class(suffix: str) -> None:
    found = chunks(OBJECTS, suffix)
    check_nothing_is_lost(OBJECTS, found, 2000)
    assert [(c.symbol, c.kind) for c in found if c.kind != "module"] == [
        ("module.exports", "class"),
        ("module.exports.foo", "method"),
        ("module.exports.bar", "method"),
        ("module.exports.more", "class"),
        ("module.exports.more.deep", "method"),
        ("actions", "class"),
        ("actions.go", "method"),
    ]


def test_functions_in_branches_of_a_shell_script_and_of_a_class_without_a_name_are_found() -> None:
    shell = "case $x in\na)\n  f() {\n    a\n  }\n  ;;\nesac\nif b; then\n  :\nelse\n  g() {\n    c\n  }\nfi\n"
    assert [c.symbol for c in chunks(shell, ".sh") if c.kind == "function"] == ["f", "g"]
    php = "<?php\nreturn new class extends Migration {\n  public function up() {\n    return 1;\n  }\n};\n"
    assert [c.symbol for c in chunks(php, ".php") if c.kind != "module"] == ["up"]


def test_a_header_is_the_language_that_parses_it() -> None:
    assert chunks("class A {\npublic:\n  int f() {\n    return 1;\n  }\n};\n", ".h")[1].symbol == "A::f"
    assert chunks("struct S {\n  int class;\n};\nint f(int new) {\n  return new;\n}\n", ".h")[1].symbol == "f"


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        (".js", "(" * MOST_NESTED + ")" * MOST_NESTED),
        (".cpp", "namespace a {\n" * MOST_NESTED + "}\n" * MOST_NESTED),
        (".scala", "[" * MOST_NESTED + "]" * MOST_NESTED),
        (".c", "int a;\n" * 50_000),
        (".go", "// c\n" * 50_000),
        (".rb", "def f\n" * 20_000),
        (".java", "<" * 50_000),
    ],
)
def test_endless_files_take_seconds_at_most(suffix: str, text: str) -> None:
    check_nothing_is_lost(text, chunks(text, suffix), 2000)


GRAMMARS = sorted({language.grammar: one for one, language in LANGUAGES.items()}.values())


# Depth is told before a grammar is opened; Scala's was the worst.
@pytest.mark.parametrize("suffix", kept(GRAMMARS, [".jsx", ".rs", ".scala", ".sql"]))
def test_deep_files_are_no_work_for_a_parser(suffix: str) -> None:
    """200,000 brackets took 2.5 to 17 s a language, and more than an hour in Scala."""
    begun = time.thread_time()
    for text in ("(" * 200_000, "\n[" * 100_000 + "]" * 100_000, "f(){" * 50_000):
        with pytest.raises(Unparsable, match=r"[0-9]+0,000 brackets stand inside each other, at most 256 are parsed"):
            chunks(text, suffix)
    assert time.thread_time() - begun < 3


def test_depth_is_told_with_its_line_and_strings_are_not_deep() -> None:
    deep = "(" * (MOST_NESTED + 1)
    with pytest.raises(Unparsable) as refused:
        chunks(f"let a = 1;\n{deep}\n", ".js")
    assert (refused.value.line, refused.value.detail[:4]) == (2, "257 ")
    smileys = "let a = [\n" + '  ":-(", ":(", \'8-{\', "\\":[",\n' * 1000 + "];\nfunction f() {\n  return a;\n}\n"
    assert deepest(smileys) == (1, 1)
    assert "f" in {one.symbol for one in chunks(smileys, ".js")}


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        *(("", 0), ("a", 0), ("()", 1), (")))(", 1), ("([{}])", 3), ("()()()", 1), ("'(' '[' \"{\"", 0), ("'(\n('", 2)),
        *((r'"\"(" (', 1), (r'"\\" (', 1), (r"\(\[", 2), ('"\\"(', 1)),
    ],
)
def test_depth(text: str, depth: int) -> None:
    assert deepest(text)[0] == depth


@pytest.mark.parametrize(
    ("suffix", "line"),
    [
        (".el", "(if (eq x 'a) 'b)"),
        (".v", "if (rst == 1'b0) q <= 1'b0;"),
        (".vhd", "if (clk'event) then q <= x'high;"),
        (".hs", "open = foldl' (shut x') y"),
        (".nix", "x = lib.foldl' (a: b') c;"),
    ],
)
def test_an_apostrophe_that_begins_no_string_hides_no_bracket(suffix: str, line: str) -> None:
    """Each such line was one bracket deeper than the last, and a file of 300 in quarantine."""
    assert chunks(f"{line}\n" * 300, suffix)
    assert deepest("'(' '\\'' ')", apostrophes=False)[0] == 0
    with pytest.raises(Unparsable, match="300 brackets"):
        chunks("(a'\n" * 300, suffix)


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        (".nix", "{\n  \u00fcber = lib.mkOption {\n    x = 1;\n  };\n}\n"),
        (".elm", "x =\n    1\n\n\n\u00fcber a =\n    a\n"),
        (".purs", "\u00fcber a =\n  a\n"),
    ],
)
def test_no_name_begins_within_a_word(suffix: str, text: str) -> None:
    """`ber` was one to grammars of ASCII: the second reading found it in no line, and refused the build."""
    found = chunks(text, suffix)
    check_nothing_is_lost(text, found, 2000)
    assert not [one for one in found if one.symbol.endswith("ber") and "\u00fcber" not in one.symbol]


def test_a_line_of_escaped_quotes_is_read_once() -> None:
    """50 KB took 8 CPU seconds, and four times that for twice as much: the 2 MiB of a file hours."""
    begun = time.thread_time()
    assert deepest('"' + '\\"' * 25_000 + "(") == (1, 1)
    assert deepest("'" + "\\'" * 25_000 + "(") == (1, 1)
    assert time.thread_time() - begun < 2


def test_many_runs_between_definitions_take_time_in_proportion() -> None:
    """Each run looked at every statement of the file: 3 CPU seconds of 100 KB, half an hour of 2 MiB."""
    begun = time.thread_time()
    text = ("a;\n" * 100 + "function f() {\n  b;\n}\n") * 300
    assert sum(one.text.count("a;") for one in chunks(text, ".js", 200)) == 100 * 300
    assert time.thread_time() - begun < 2


def test_a_parser_that_takes_too_long_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """24 KB of `else` take Scala's parser a second, and 16 times that for four times as much: no bracket is deep."""
    monkeypatch.setattr(code_parser, "MOST_SECONDS", 0.1)
    text, begun = "if(a){}else " * 20_000, time.thread_time()
    with pytest.raises(Unparsable, match="the parser of scala took more than 0 s for 240,000 bytes; exclude the file"):
        chunks(text, ".scala")
    assert time.thread_time() - begun < 2
    assert [one.symbol for one in chunks("object A {\n  def f(a: Int) = {\n    a\n  }\n}\n", ".scala")][-1] == "A.f"


@settings(max_examples=60)
@given(
    st.sampled_from(sorted(SAMPLES)),
    st.lists(st.tuples(st.integers(0, 400), st.sampled_from(["", "{", "}", "\n", '"', "/*", "(", "é", "\u2028"]))),
    st.sampled_from([20, 60, 2000]),
)
def test_nothing_of_any_file_is_lost(suffix: str, edits: list[tuple[int, str]], max_chars: int) -> None:
    text = SAMPLES[suffix]
    for at, put in edits:
        text = text[:at] + put + text[at + 1 :]
    check_nothing_is_lost(text, chunks(text, suffix, max_chars), max_chars)


CLAUSES = """f(0) ->
  1;
%% The rest.
f(X) ->
  X.
g() ->
  f(2).
f(X, Y) ->
  X + Y.
"""


def test_clauses_of_one_function_are_one_chunk_and_no_other_definition_is_passed_over() -> None:
    found = chunks(CLAUSES, ".erl")
    check_nothing_is_lost(CLAUSES, found, 2000)
    assert [(c.symbol, c.start_line, c.end_line) for c in found] == [("f", 1, 5), ("g", 6, 7), ("f", 8, 9)]
    elixir = (
        "defmodule A do\n  def f(1), do: 2\n\n  @doc false\n  def f(x), do: x\n  use B\n  def f(x, y), do: y\nend\n"
    )
    assert [(c.symbol, c.start_line, c.end_line) for c in chunks(elixir, ".ex")] == [
        ("A", 1, 1),
        ("A.f", 2, 5),
        ("A", 6, 6),
        ("A.f", 7, 8),
    ]


def test_a_function_of_many_clauses_is_cut_by_its_lines_and_stays_one() -> None:
    text = "".join(f"f({n}) ->\n  {n};\n" for n in range(60)) + "f(X) ->\n  X.\n"
    found = chunks(text, ".erl", 200)
    check_nothing_is_lost(text, found, 200)
    assert {c.symbol for c in found} == {"f"} and [c.part for c in found] == list(range(len(found)))


# What parsers put into the node above, or before the body of a class, for the first definition alone.
FIRST_REMARKS = [
    (".kt", "package demo\n\nimport a.b\n\n/**\n * Reads.\n */\nfun read(): Int {\n  return 1\n}\n", "read", (5, 10)),
    (".kt", "package demo\n\n/** A stack. */\nclass Stack {\n  val a = 1\n}\n", "Stack", (3, 6)),
    (".kt", "import a.b // why\n\n// Of nothing.\n\nfun read(): Int {\n  return 1\n}\n", "read", (5, 7)),
    (".hs", "module B where\n\n-- | Reversed.\nrev :: [a] -> [a]\nrev = foldl (flip (:)) []\n", "rev", (3, 5)),
    (".fish", "# Greets.\nfunction greet\n    echo hello\nend\n", "greet", (1, 4)),
    (".tcl", "set a 1\n\n# Greets.\nproc greet {who} {\n    puts $who\n}\n", "greet", (3, 6)),
    (".nim", "## Adds.\nproc add*(a, b: int): int =\n  a + b\n", "add", (1, 3)),
    (".rb", "module A\n  # A site.\n  class Site\n    def a\n      1\n    end\n  end\nend\n", "A::Site", (2, 3)),
    (".rb", "class Site\n  # Reads.\n  def read\n    1\n  end\nend\n", "Site::read", (2, 6)),
    (".hpp", "namespace a\n{\n/// A span.\ntemplate <typename T> struct span {\n  int n;\n};\n}\n", "a::span", (3, 7)),
    (".cpp", '#include <a.h>\n\n// Reads.\nextern "C" int read(int a) {\n  return a;\n}\n', "read", (3, 6)),
]  # fmt: skip


@pytest.mark.parametrize(("suffix", "text", "symbol", "place"), FIRST_REMARKS)
def test_the_comment_above_the_first_definition_is_its(
    suffix: str, text: str, symbol: str, place: tuple[int, int]
) -> None:
    found = {one.symbol: (one.start_line, one.end_line) for one in chunks(text, suffix)}
    assert found[symbol] == place


def test_a_comment_above_what_wraps_a_definition_is_no_part_of_it() -> None:
    lua = "-- Only here.\nif a then\n  function f()\n    return 1\n  end\nend\n"
    assert [(c.symbol, c.start_line) for c in chunks(lua, ".lua")] == [("<module>", 1), ("f", 3)]
    ml = "module M = struct\n  (* f *)\n  let f x =\n    x\nend\n"
    assert [(c.symbol, c.start_line) for c in chunks(ml, ".ml")] == [("M", 1), ("M.f", 2)]


def test_functions_that_are_handed_over_are_no_methods_and_short_bindings_are_constants() -> None:
    r = "x <- lapply(y, FUN = function(i) {\n  i\n})\nA <- setRefClass('A', methods = list(m = function() {\n  1\n}))\n"
    assert [(c.kind, c.symbol) for c in chunks(r, ".r")] == [("module", "<module>"), ("class", "A")]
    lua = "local f = function() return 1 end\nlocal T = {\n  a = 1,\n}\n"
    assert {c.symbol for c in chunks(lua, ".lua")} == {"<module>"}
    assert {c.symbol for c in chunks("my $x = {\n  a => 1,\n};\n", ".pl")} == {"<module>"}
    assert {c.symbol for c in chunks("const x: u32 =\n    1;\nextern fn f() void;\n", ".zig")} == {"<module>"}


def test_functions_of_a_bundle_have_their_names() -> None:
    text = (
        '(function(){function r(e,n,t){}return r})()({1:[function(require,module,exports){\n"use strict";\n'
        'function one(a) {\n  return a;\n}\n},{"./b":2}],2:[function(require,module,exports){\n'
        "function two(b) {\n  return b;\n}\n},{}]},{},[1]);\n"
    )
    named = {chunk.symbol: (chunk.start_line, chunk.end_line) for chunk in chunks(text, ".js")}
    assert (named["one"], named["two"]) == ((3, 5), (7, 9))


def test_methods_of_one_delegate_differ_by_their_selectors() -> None:
    head = "- (void)table:(T *)table"
    text = f"@implementation A\n{head} did:(int)a {{\n  f();\n}}\n{head}\n    will:(int)a {{\n  g();\n}}\n@end\n"
    assert [c.symbol for c in chunks(text, ".m")] == ["A", "A.table:did:", "A.table:will:"]


def test_a_fault_late_in_a_file_leaves_the_functions_before_it() -> None:
    """The block that is left open takes nothing with it."""
    functions = "".join(f"function Get-{name} {{\n    param($a)\n    return $a\n}}\n\n" for name in ("One", "Two"))
    found = chunks(functions + "if ($a) {\n", ".ps1")
    assert [c.symbol for c in found][:2] == ["Get-One", "Get-Two"]


@pytest.mark.parametrize("suffix", sorted(FURTHER | OTHER))
def test_a_letter_has_no_definitions(suffix: str) -> None:
    found = chunks("Dear reader,\n\nthis is a letter: it has been (badly) named...\n\nGoodbye, all!\n" * 3, suffix)
    assert {c.kind for c in found} <= {"text", "module"}


def test_the_header_of_a_class_of_objective_c_is_not_c() -> None:
    text = """#import <Foundation/Foundation.h>
@class Other;

/// A door.
@interface Door : NSObject <NSCopying>
@property (nonatomic, strong) NSString *name;
- (void)open:(int)x;
@end

@protocol Shutter <NSObject>
- (void)shut;
@end

static inline int twice(int x) {
  return 2 * x;
}
"""
    found = {(one.kind, one.symbol) for one in chunk_code("s", "Door.h", text, 900)}
    assert found == {("module", "<module>"), ("class", "Door"), ("class", "Shutter"), ("function", "twice")}
    assert {one.symbol for one in chunk_code("s", "a.h", "struct door {\n  int x;\n};\n", 900)} == {"door"}


def test_words_of_newer_swift_cost_no_name() -> None:
    text = """actor Door {
  nonisolated(unsafe) static var doors: [4 of Int] = [1, 2, 3, 4]
  func open(_ x: sending Int) throws(Jammed) -> Int {
    return unsafe x
  }
  isolated deinit {
    shut()
  }
  consuming func shut() {
    close()
  }
}
struct Row<let n: Int> {
  func first() -> Int {
    return n
  }
}
"""
    chunks = list(chunk_code("s", "a.swift", text, 900))
    symbols = [one.symbol for one in chunks]
    assert {"Door", "Door.open", "Door.deinit", "Door.shut", "Row", "Row.first"} <= set(symbols)
    lines = text.split("\n")
    assert all(one.text == "\n".join(lines[one.start_line - 1 : one.end_line]) for one in chunks)


MATLAB = """\
function [x, iters] = solve(A, b, tol)
% SOLVE  Solve a linear system by conjugate gradients.
x = zeros(size(b));  r = b - A*x';  iters = 0;
while norm(r) > tol
    iters = iters + 1;
end
end

classdef Point < handle
    methods
        function d = dist(obj, other), d = sqrt((obj.x - other.x)^2); end
    end
end
"""


def test_matlab_in_files_that_are_called_as_those_of_objective_c_loses_names_and_no_line() -> None:
    for longest in (2000, 120):
        found = chunks(MATLAB, ".m", longest)
        assert {(one.kind, one.symbol) for one in found} <= {("module", "<module>"), ("text", "")}
        said = " ".join(" ".join(one.text for one in found).split())
        assert all(word in said for word in MATLAB.split()) and max(len(one.text) for one in found) <= longest
    assert ".mli" not in LANGUAGES
