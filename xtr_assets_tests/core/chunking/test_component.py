"""Components of one file: what is script, style and markup, on which lines."""

from collections.abc import Iterator
from typing import Any

import pytest

from xtr_assets.core.chunking import chunk_code, code_syntax
from xtr_assets.core.chunking.code_parser import Unparsable
from xtr_assets.core.chunking.component import component
from xtr_assets.core.types import Chunk
from xtr_assets.pipeline.gate.component_evidence import kinds_of
from xtr_assets_tests.core.chunking.component_samples import COMPONENTS
from xtr_assets_tests.core.chunking.test_code import check_nothing_is_lost


def chunks(text: str, suffix: str = ".vue", max_chars: int = 2000) -> list[Chunk]:
    found = list(chunk_code("lib", f"Door{suffix}", text, max_chars))
    check_nothing_is_lost(text.replace("\r\n", "\n"), found, max_chars)
    return found


def places(text: str, suffix: str = ".vue") -> list[tuple[str, int, int]]:
    return [(one.symbol, one.start_line, one.end_line) for one in chunks(text, suffix)]


# By suffix: symbol and lines of each chunk.
FOUND = {
    ".vue": [
        *[("<template>", 1, 1), ("<module>", 2, 8), ("<module>", 10, 14), ("toggle", 16, 20), ("close", 22, 25)],
        *[("<template>", 27, 34), ("<style>", 36, 40), ("<template>", 42, 44)],
    ],
    ".svelte": [
        *[("<module>", 1, 1), ("load", 2, 5), ("<module>", 7, 10), ("open", 12, 15), ("<template>", 17, 21)],
        ("<style>", 23, 25),
    ],
    ".astro": [
        *[("<module>", 1, 2), ("Props", 4, 6), ("<module>", 8, 8), ("shout", 10, 13), ("<template>", 15, 20)],
        *[("<style>", 22, 26), ("<module>", 28, 28), ("Toggle", 29, 29), ("Toggle.connectedCallback", 30, 34)],
        ("<template>", 35, 35),
    ],
}


@pytest.mark.parametrize("suffix", COMPONENTS)
def test_script_style_and_markup_are_chunks_of_their_own_on_their_lines(suffix: str) -> None:
    assert places(COMPONENTS[suffix], suffix) == FOUND[suffix]
    assert [one.symbol for one in chunks(COMPONENTS[suffix].replace("\n", "\r\n"), suffix)] == [
        symbol for symbol, _, _ in FOUND[suffix]
    ]


SCRIPT = "function open() {\n  return 1;\n}\n"


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("<script>\na\n</script>\n<p/>", "sssm"),
        ('<script setup\n  lang="ts"\n  generic="T extends Map<string, U>">\na\n</script>', "sssss"),
        ("<SCRIPT>\na\n</Script >\n<p/>", "sssm"),
        ('<script src="./x.js"></script>\n<script src="./y.js" />\n<p>\n</p>', "mmmm"),
        ("<!-- <script>\na\n</script> -->\n<script>\na\n</script>", "mmmsss"),
        ("<!--\n<script>\n", "mmm"),
        ("<script>\nconst s = '</script>';\n<p>\n</script>", "ssmm"),
        ("<p>\n  <style>\n    p {}\n  </style>\n</p>", "mcccm"),
        ("<script>\nconst s = `\n<style>\n</style>`;\n</script>", "sssss"),
        ('<template lang="pug">\nscript\n  | a\n</template>', "mmmm"),
        ("<scripts>\n</scripts>\n<style-guide>\n</style-guide>", "mmmm"),
        ("<script>\na\n</scripts>\n</script\n>\n<p/>", "sssssm"),
        ("<\u017fcript>\na\n</\u017fcript>\n<script>\n\u0130</script>\n<p/>", "mmmssm"),
        ("<p><script>\na\n</script></p>", "mmm"),
        ("<script>\na", "ss"),
        ('<script lang="ts" a=\'\n</script>', "mm"),
        ("<p>\n</p>", "mm"),
        ("", "m"),
    ],
)
def test_a_block_begins_with_its_tag_on_a_line_and_ends_with_the_first_end_of_it(text: str, kinds: str) -> None:
    named = {"<script>": "s", "<style>": "c", "<template>": "m", "script": "s"}
    blocks = component(text, ".vue").blocks
    assert "".join(named[one.kind] * (one.place[1] - one.place[0] + 1) for one in blocks) == kinds
    # The gate reads it the same, with code of its own; `<style-guide>` and `<scripts>` are no such tags to either.
    assert "".join(named[one] for one in kinds_of(text.split("\n"), astro=False)) == kinds


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("---\na\n---\n<p/>", "sssm"),
        ("\n---\na\n---\n<p/>", "msssm"),
        ("---\n---\n<p/>", "ssm"),
        ("<p/>\n---\na\n---", "mmmm"),
        ("---\na\n", "mmm"),
        ("---\na\n--- \n<script>\nb\n</script>", "ssssss"),
    ],
)
def test_a_component_of_astro_begins_with_code_between_dashes(text: str, kinds: str) -> None:
    named = {"<script>": "s", "<template>": "m", "script": "s"}
    blocks = component(text, ".astro").blocks
    assert "".join(named[one.kind] * (one.place[1] - one.place[0] + 1) for one in blocks) == kinds
    assert "".join(named[one] for one in kinds_of(text.split("\n"), astro=True)) == kinds


def test_a_script_is_read_as_its_language_says_and_another_one_by_its_lines() -> None:
    typed = "function open<T>(a: T): a is T & string {\n  return 1;\n}\n"
    assert ("open", 2, 5) in places(f'<script lang="ts">\n{typed}</script>\n')
    assert ("open", 2, 5) in places(f"<script lang='tsx'>\n{typed.replace('<T>', '<T,>')}</script>\n")
    coffee = '<script lang="coffee">\nopen = (a) ->\n  a\n</script>\n<p>\n</p>\n'
    assert places(coffee) == [("<module>", 1, 4), ("<template>", 5, 6)]
    assert places("<script>\n}}} %% <<\n</script>\n<p>\n</p>\n")[-1] == ("<template>", 4, 5)


def test_methods_of_options_are_found_and_two_scripts_are_one_file() -> None:
    options = "export default {\n  methods: {\n    shut() {\n      a();\n    },\n  },\n};\n"
    text = f"<script>\n{options}{SCRIPT}</script>\n"
    assert ("methods.shut", 4, 8) in places(text) and ("open", 9, 12) in places(text)
    twice = f"<script>\n{SCRIPT}</script>\n<script setup>\n{SCRIPT.replace('open', 'shut')}</script>\n"
    assert [symbol for symbol, _, _ in places(twice)] == ["<module>", "open", "<module>", "shut"]


def test_many_scripts_of_one_component_are_looked_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """For each block all definitions of all were gone through: 1.9 MB of 1,900 scripts took minutes."""
    original, roots = code_syntax.definitions, []

    def counted(scope: Any, *more: Any) -> Iterator[Any]:
        roots.append(scope.parent is None)
        return original(scope, *more)

    monkeypatch.setattr(code_syntax, "definitions", counted)
    found = chunks(f"<script>\n{SCRIPT}</script>\n<p>\n</p>\n" * 20)
    assert sum(one.symbol == "open" for one in found) == 20 and sum(roots) == 1


def test_long_markup_is_cut_between_elements_and_keeps_its_ids_where_the_script_changes() -> None:
    markup = "<main>\n" + "".join(f"  <p>\n    word {n}\n  </p>\n" for n in range(40)) + "</main>\n"
    found = [one for one in chunks(markup, ".svelte", 300) if one.symbol == "<template>"]
    assert len(found) > 3 and all(one.text.count("<p>") == one.text.count("</p>") for one in found)
    other = [
        one for one in chunks(f"<script>\n{SCRIPT}</script>\n{markup}", ".svelte", 300) if one.symbol == "<template>"
    ]
    assert [one.chunk_id for one in other] == [one.chunk_id for one in found]


def test_what_is_too_deep_is_told_by_its_line_in_the_component() -> None:
    with pytest.raises(Unparsable) as refused:
        chunks("<p>\n</p>\n<script>\n\n" + "(" * 300 + "\n</script>\n")
    assert refused.value.line == 5
    assert places("<p>\n" + "(" * 300 + "\n</p>\n") == [("<template>", 1, 3)]


def test_tags_that_nothing_closes_take_time_in_proportion() -> None:
    for text in ('<script a="\n' * 3_000, "<style\n" * 3_000, "<!--\n" * 3_000, "<script>\n" * 3_000):
        assert component(text, ".vue").blocks
        assert len(kinds_of(text.split("\n"), astro=False)) == 3_001
