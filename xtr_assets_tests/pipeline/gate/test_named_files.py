"""Code whose parser finds nothing: each line is there, and no chunk has the name of what it defines."""

from collections.abc import Callable
from typing import Any

import pytest

from xtr_assets.config import SourceConfig
from xtr_assets.core.chunking import code_parser, code_syntax
from xtr_assets.pipeline.gate.source_agrees import check
from xtr_assets_tests.pipeline.gate.conftest import World


def script(number: int) -> str:
    return "\n".join(f"/** Says {n}. */\nfunction says_{number}_{n}(value) {{\n  return {n};\n}}\n" for n in range(6))


@pytest.fixture
def scripts(world: World) -> World:
    """Four scripts of six functions each beside the other sources."""
    for number in range(4):
        world.write(f"scripts/s{number}.js", script(number))
    source = SourceConfig(name="scripts", kind="code", path=world.folder / "scripts")
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


def test_a_file_that_holds_code_as_a_text_is_listed_and_no_fault(scripts: World) -> None:
    held = script(9).replace("/**", "//").replace(". */", ".")
    scripts.write("scripts/templates.js", f"export const page = `\n{held}`;\n")
    found = check(scripts.build())
    assert found.passed and found.details["files_nameless"] == ["templates.js"], found.summary
