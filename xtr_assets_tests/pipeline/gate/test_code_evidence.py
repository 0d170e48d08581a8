"""Faults planted in the rows of code of other languages, and healthy files of each."""

import dataclasses

import pytest

from xtr_assets.config import SourceConfig
from xtr_assets.core.ids import chunk_id
from xtr_assets.core.types import Chunk
from xtr_assets.pipeline.gate.source_agrees import check
from xtr_assets_tests.core.chunking.code_oddities import ODDITIES
from xtr_assets_tests.core.chunking.code_samples import SAMPLES as FIRST
from xtr_assets_tests.core.chunking.component_samples import COMPONENTS
from xtr_assets_tests.core.chunking.further_samples import FURTHER
from xtr_assets_tests.core.chunking.other_samples import OTHER
from xtr_assets_tests.pipeline.gate.conftest import Plant, World
from xtr_assets_tests.pipeline.gate.test_source_agrees import FAULTS, Change, in_file

SAMPLES = FIRST | FURTHER | OTHER | COMPONENTS
NAMES = ("parse", "load", "store", "merge", "walk", "close")
FUNCTION = """\
/** Does NAME of what it is given. */
export function NAMEValue(x) {
  if (x) {
    return 'NAME';
  }
}
"""
CLASS = """
class Reader {
  size = 1;

  /** The next line. */
  next() {
    return this.size;
  }
}
"""
SCRIPT = "import a from 'a';\n\n" + "\n".join(FUNCTION.replace("NAME", name) for name in NAMES) + CLASS


@pytest.fixture
def coded(world: World) -> World:
    source = SourceConfig(name="scripts", kind="code", path=world.folder / "scripts", max_chars=300)
    world.config_with(sources=(*world.config.sources, source))
    world.write("scripts/a.js", SCRIPT)
    for suffix, text in SAMPLES.items():
        world.write(f"scripts/sample{suffix}", text)
    return world


def test_healthy_code_of_every_language_passes(coded: World) -> None:
    coded.write("scripts/crlf.go", SAMPLES[".go"].replace("\n", "\r\n"))
    coded.write("scripts/feed.js", "a();\n\x0c\nfunction f() {\n  return '\u2028';\n}\n")
    coded.write("scripts/bom.ts", b"\xef\xbb\xbffunction f() {\n  return 1;\n}\n")
    coded.write("scripts/min.js", "function f(a){return a}" * 200)
    for name in NAMES:
        # A fence is no comment.
        coded.write(f"scripts/{name}.astro", f"---\nfunction {name}() {{\n  return 1;\n}}\n---\n<p>{name}</p>\n")
    # Braces in the patterns of a bundle, as highlight.js has them.
    bundle = "function NAME(e){\n  return[" + f"'{'x' * 500}'," + 'e("{",/[{]/),' * 9 + "]}\n"
    coded.write("scripts/bundle.js", "".join(bundle.replace("NAME", name) for name in NAMES))
    coded.write("scripts/long.js", f"function {'ab' * 300}(x) {{\n  return 1;\n}}\n")
    coded.write("scripts/letter.java", "Dear reader,\n\nthis is no code: it was (badly) named...\n")
    for suffix, texts in ODDITIES.items():
        for number, text in enumerate(texts):
            coded.write(f"scripts/odd{number}{suffix}", text)
    coded.write("scripts/empty.c", "\n\n")
    coded.write("scripts/binary.c", b"int a;\0\0")
    found = check(coded.build())
    assert found.passed, found.details["faults"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_rows_of_a_script_is_found_and_told(coded: World, plant: Plant, fault: str) -> None:
    plant(in_file("a.js", FAULTS[fault]))
    found = check(coded.build())
    assert not found.passed and "a.js" in found.summary


def cut_early(held: list[Chunk]) -> list[Chunk]:
    """Each function ends a line before its end, and the line is a chunk of the file's own code."""
    found: list[Chunk] = []
    for one in held:
        if one.kind != "function":
            found.append(one)
            continue
        lines, last = one.text.split("\n"), one.end_line
        found.append(dataclasses.replace(one, text="\n".join(lines[:-1]), end_line=last - 1))
        place = chunk_id(one.source, one.path, f"<module> after {one.symbol}")
        rest = dataclasses.replace(one, chunk_id=place, kind="module", symbol="<module>", title="")
        found.append(dataclasses.replace(rest, text=lines[-1], start_line=last))
    return found


def named_as_the_next(held: list[Chunk]) -> list[Chunk]:
    """Each function under the symbol of the next one, and placed by it."""
    functions = [one for one in held if one.kind == "function"]
    renamed = [
        dataclasses.replace(one, symbol=other.symbol, chunk_id=chunk_id(one.source, one.path, other.symbol))
        for one, other in zip(functions, [*functions[1:], functions[0]], strict=True)
    ]
    return [one for one in held if one.kind != "function"] + renamed


@pytest.mark.parametrize("fault", [cut_early, named_as_the_next])
def test_a_fault_of_the_chunker_that_keeps_every_line_is_found(coded: World, plant: Plant, fault: Change) -> None:
    plant(in_file("a.js", fault))
    found = check(coded.build())
    assert not found.passed and "a.js" in found.summary


def called_otherwise(held: list[Chunk]) -> list[Chunk]:
    """Style by the symbol of markup, placed by it."""
    place = chunk_id("scripts", "sample.vue", "<template>", 3)
    style = [dataclasses.replace(one, symbol="<template>", chunk_id=place) for one in held if one.symbol == "<style>"]
    return [one for one in held if one.symbol != "<style>"] + style


def torn_elsewhere(held: list[Chunk]) -> list[Chunk]:
    """The first line of the style with the markup above it."""
    found = []
    for one in held:
        lines = one.text.split("\n")
        if one.start_line == 27:
            one = dataclasses.replace(one, text=f'{one.text}\n\n<style scoped lang="scss">', end_line=36)
        elif one.symbol == "<style>":
            one = dataclasses.replace(one, text="\n".join(lines[1:]), start_line=37)
        found.append(one)
    return found


@pytest.mark.parametrize("fault", [called_otherwise, torn_elsewhere])
def test_markup_style_and_script_of_a_component_are_told_apart(coded: World, plant: Plant, fault: Change) -> None:
    plant(in_file("sample.vue", fault))
    found = check(coded.build())
    assert not found.passed and "sample.vue" in found.summary and " are " in str(found.details["faults"])


def test_code_in_quarantine_that_can_be_read_is_found(coded: World, plant: Plant) -> None:
    plant(in_file("a.js", lambda held: []))
    found = check(coded.build())
    assert not found.passed and "a.js" in found.summary
