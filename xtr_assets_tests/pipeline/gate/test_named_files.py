"""Code whose parser finds nothing: each line is there, and no chunk has the name of what it defines."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from xtr_assets.config import SourceConfig
from xtr_assets.core.chunking import chunk_code, code, code_grammar, code_parser, code_syntax
from xtr_assets.pipeline.gate.code_evidence import NamedFiles
from xtr_assets.pipeline.gate.source_agrees import check
from xtr_assets.sources import code_tree
from xtr_assets_tests.pipeline.gate.conftest import World


def script(number: int) -> str:
    return "\n".join(f"/** Says {n}. */\nfunction says_{number}_{n}(value) {{\n  return {n};\n}}\n" for n in range(6))


@pytest.fixture
def scripts(world: World) -> World:
    """Four scripts of six functions each beside the other sources."""
    for number in range(4):
        world.write(f"scripts/s{number}.js", script(number))
    include = ("**", "**/*.groovy")
    source = SourceConfig(name="scripts", kind="code", path=world.folder / "scripts", include=include)
    world.config_with(sources=(*world.config.sources, source))
    return world


def nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_syntax, "definitions", lambda *_: iter(()))


def no_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_parser, "parse", lambda *_: None)


def every_second(monkeypatch: pytest.MonkeyPatch) -> None:
    original: Callable[..., Any] = code_syntax.definitions
    monkeypatch.setattr(code_syntax, "definitions", lambda *given: iter(list(original(*given))[::2]))


@pytest.mark.parametrize("fault", [nothing, no_tree, every_second])
def test_definitions_that_a_parser_loses(
    scripts: World, monkeypatch: pytest.MonkeyPatch, fault: Callable[[pytest.MonkeyPatch], None]
) -> None:
    assert check(scripts.build()).passed
    fault(monkeypatch)
    found = check(scripts.build(full=True))
    assert not found.passed and "4 of 4 files of .js have definitions" in str(found.details["faults"]), found.summary


# A head that a parser may take the remark below it for a part of, and a definition.
HEADS = {
    ".kt": "package demo\n\nimport a.b\n\n/** Opens {}. */\nfun open_{}(x: Int): Int {{\n  return x\n}}\n",
    ".hs": "module Demo where\n\n-- | Opens {}.\nopen_{} :: Int -> Int\nopen_{} x = x\n",
    ".fish": "# Opens {}.\nfunction open_{}\n    echo 1\nend\n",
    ".tcl": "set a 1\n\n# Opens {}.\nproc open_{} {{x}} {{\n    return $x\n}}\n",
}


@pytest.mark.parametrize("suffix", HEADS)
def test_remarks_that_a_parser_leaves_above_their_definitions(
    world: World, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    for name in "abcdef":
        world.write(f"scripts/{name}{suffix}", HEADS[suffix].replace("{}", name).replace("{{", "{").replace("}}", "}"))
    source = SourceConfig(name="scripts", kind="code", path=world.folder / "scripts")
    world.config_with(sources=(*world.config.sources, source))
    assert check(world.build()).passed
    original: Callable[..., Any] = code_syntax._with_above
    remarks = {"comment", "multiline_comment", "haddock"}
    monkeypatch.setattr(
        code_syntax,
        "_with_above",
        lambda node, inherited, types, **how: original(node, inherited, types - remarks, **how),
    )
    found = check(world.build(full=True))
    assert f"6 of 6 comments of {suffix} lie apart" in str(found.details["faults"]), found.summary


# Of further languages a definition, with a letter for what it is called by.
DEFINITIONS = {
    ".clj": "(defn open-{}\n  [x]\n  x)\n",
    ".el": "(defun open-{} (x)\n  x)\n",
    ".lisp": "(defun open-{} (x)\n  x)\n",
    ".rkt": "(define (open-{} x)\n  x)\n",
    ".hs": "open_{} :: Int -> Int\nopen_{} x = x\n",
    ".elm": "open_{} : Int -> Int\nopen_{} x =\n    x\n",
    ".f90": "subroutine open_{}(x)\n  x = 1\nend subroutine\n",
    ".nim": "proc open{}*(x: int): int =\n  x\n",
    ".pas": "procedure TDoor.Open{};\nbegin\nend;\n",
    ".adb": "procedure Open_{} is\nbegin\n   null;\nend Open_{};\n",
    ".tcl": "proc open_{} {{x}} {{\n  return $x\n}}\n",
    ".v": "module open_{} (x);\n  input x;\nendmodule\n",
    ".vhd": "entity open_{} is\nend entity;\n",
    ".fish": "function open-{}\n  echo 1\nend\n",
    ".vim": "function! s:open_{}(x)\n  echo 1\nendfunction\n",
    ".scss": "@mixin open-{} {{\n  color: red;\n}}\n",
    ".prisma": "model Open{} {{\n  id Int @id\n}}\n",
    ".bzl": "def open_{}(x):\n    return x\n",
    ".thrift": "struct Open{} {{\n  1: i32 a\n}}\n",
    ".wgsl": "fn open_{}() {{\n  a();\n}}\n",
}


@pytest.mark.parametrize("suffix", DEFINITIONS)
def test_of_further_languages_definitions_are_found_by_another_reading(suffix: str) -> None:
    text = "\n".join(DEFINITIONS[suffix].format(*[one] * 2) for one in "abcdef")
    begin, end = {".pas": ("unit a;\nimplementation\n", "end.\n")}.get(suffix, ("", ""))
    found = [dataclasses.asdict(one) for one in chunk_code("s", f"a{suffix}", f"{begin}{text}{end}", 2000)]
    lines = f"{begin}{text}{end}".split("\n")
    for rows, faults in ((found, 0), ([{**one, "symbol": "<module>", "kind": "module"} for one in found], 1)):
        files = NamedFiles()
        for number in range(3):
            files.count(f"a{number}{suffix}", lines, rows)
        assert len(list(files.faults())) == faults == len(set(files.nameless)) // 3


def test_files_that_a_pattern_brought_in_as_plain_text_are_chunked_anew_once_their_language_is_known(
    scripts: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second reading knew their language, and refused each build until one with --full."""
    source = scripts.config.sources[-1]
    scripts.config_with(
        sources=(
            *scripts.config.sources[:-1],
            source.model_copy(update={"include": ("**", "**/*.hs", "**/*.vue")}),
        )
    )
    for number in range(3):
        functions = (DEFINITIONS[".hs"].format(*[one] * 2) for one in "abcdef")
        scripts.write(f"scripts/s{number}.hs", "\n".join(functions))
        scripts.write(f"scripts/s{number}.vue", "<script>\nfunction open() {\n}\n</script>\n<p>\n</p>\n")
    with monkeypatch.context() as older:
        known = {suffix: one for suffix, one in code_grammar.LANGUAGES.items() if suffix != ".hs"}
        older.setattr(code_parser, "LANGUAGES", known)
        older.setattr(code, "COMPONENTS", frozenset())
        older.setattr(code_tree, "LANGUAGES_VERSION", 1)
        scripts.build()
    found = check(scripts.build())
    assert found.passed, found.summary


def test_code_that_no_parser_reads_is_in_quarantine_and_the_gate_agrees(
    scripts: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts.write("scripts/deep.js", f"f({'[' * 300}{']' * 300})\n")
    found = check(scripts.build())
    assert found.passed, found.summary
    # One that is not deep is refused.
    monkeypatch.setattr(code_parser, "MOST_NESTED", 1)
    scripts.write("scripts/flat.js", "f([0])\n")
    found = check(scripts.build())
    assert found.details["faults"] == ["scripts/flat.js: it is in quarantine and can be read"]


def test_a_file_whose_parser_comes_to_no_end_is_no_fault_and_most_of_a_suffix_are(
    scripts: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: Callable[..., Any] = code_parser._parsed
    monkeypatch.setattr(code_parser, "_parsed", lambda data, *more: None if b"slow" in data else parsed(data, *more))
    scripts.write("scripts/slow.js", "slow()\n")
    session = scripts.build()
    assert [one.detail[:40] for one in session.draft.snapshots()["scripts"].quarantine] == [
        "the parser of javascript took more than "
    ]
    found = check(session)
    assert found.passed, found.summary
    monkeypatch.setattr(code_parser, "_parsed", lambda *_: None)
    found = check(scripts.build(full=True))
    assert found.details["faults"] == ["5 of 5 files of .js are in quarantine, and can be read"]


def test_a_file_that_holds_code_as_a_text_is_listed_and_no_fault(scripts: World) -> None:
    held = script(9).replace("/**", "//").replace(". */", ".")
    scripts.write("scripts/templates.js", f"export const page = `\n{held}`;\n")
    found = check(scripts.build())
    assert found.passed and found.details["files_nameless"] == ["templates.js"], found.summary


def test_a_pointer_of_lfs_in_a_folder_of_code_is_no_code(scripts: World) -> None:
    scripts.write("scripts/dump.sql", "version https://git-lfs.github.com/spec/v1\noid sha256:4\nsize 9\n")
    session = scripts.build()
    assert [one.reason for one in session.draft.snapshots()["scripts"].quarantine] == ["pointer"]
    found = check(session)
    assert found.passed, found.summary


@pytest.mark.parametrize(
    ("name", "begin", "define", "end"),
    [
        ("show{}.m", "% Shows things.", "function show_{}(x)", "end"),
        ("Show{}.pm", "use v6;", "sub show_{}($x) {{", "}"),
        ("Other{}.pm", "unit module Other;", "sub show_{}($x) {{", "}"),
        ("Newer{}.pm", "use v5.38;", "class Show{} {{", "}"),
        ("show{}.pl", "#!/usr/bin/env raku", "multi sub MAIN(Int $a) {{ }}\nsub show_{}($x) {{", "}"),
        (
            "typed{}.jsx",
            "// @flow",
            "type P{0} = {{|\n  +a: ?A,\n|}};\nclass Show{0} extends B<P{0}> {{\n  +x: A;",
            "}",
        ),
        ("hire{}.sql", "create package body show as", "function show_{}(x in number) return number is", "end;"),
        ("Show{}.groovy", "package show", "class Show{} {{", "}"),
        ("show{}.ts", "declare const x: number;", "export function show_{}(x: number): string;", ""),
        ("show{}.d.ts", "declare const x: number;", "export function show_{}(\n  x: number\n): string;", ""),
    ],
)
def test_another_language_under_a_suffix_is_plain_text_and_no_fault(
    scripts: World, name: str, begin: str, define: str, end: str
) -> None:
    for number in range(4):
        said = "\n".join(f"{define.format(n)}\n  if x > {n}\n    say(x, {n})\n  end\n{end}\n" for n in range(6))
        scripts.write(f"scripts/{name.format(number)}", f"{begin}\n{said}")
    found = check(scripts.build())
    assert found.passed, found.summary
