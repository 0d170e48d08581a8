"""Files that run a project: what their chunks are called, and that nothing of any file is lost."""

import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from xtr_assets.core.chunking import chunk_config
from xtr_assets.core.chunking.config_names import config_style
from xtr_assets.core.types import Chunk
from xtr_assets.pipeline.gate.config_pieces import NamedPieces
from xtr_assets.pipeline.gate.text_evidence import line_faults, lines_of, runs_of, whole_faults
from xtr_assets_tests.core.chunking.config_samples import SAMPLES, WORKFLOW


def chunks(path: str, text: str, max_chars: int = 2000) -> list[Chunk]:
    return list(chunk_config("lib", path, text, max_chars))


def faults(path: str, text: str, max_chars: int = 2000) -> list[str]:
    """What the gate says of the chunks of a file."""
    rows = [{name: getattr(one, name) for name in Chunk.__dataclass_fields__} for one in chunks(path, text, max_chars)]
    lines, runs = lines_of(text), runs_of(rows)
    found = [*line_faults(lines, rows, max_chars), *whole_faults(lines, runs, max_chars)]
    return [*found, *NamedPieces().faults_of(path, lines, rows, max_chars)]


@pytest.mark.parametrize("path", SAMPLES)
def test_what_chunks_are_called_and_where_they_stand(path: str) -> None:
    text, expected = SAMPLES[path]
    found = chunks(path, text)
    assert [(one.symbol, one.start_line, one.end_line) for one in found] == expected
    assert {one.kind for one in found} == {"config"}
    assert all(one.title == one.symbol for one in found)
    assert faults(path, text) == faults(path, text, 200) == faults(path, text.replace("\n", "\r\n")) == []


def test_long_lists_are_taken_apart_by_what_their_items_are_called() -> None:
    steps = "\n".join(f"      - name: Step {n}\n        run: |\n          {'echo ' * 60}\n" for n in range(6))
    found = chunks("ci.yml", f"jobs:\n  test:\n    runs-on: linux\n    steps:\n{steps}")
    assert [one.symbol for one in found] == ["jobs.test", *(f"jobs.test.steps.Step {n}" for n in range(6))]


def test_keys_of_a_long_table_are_called_by_both() -> None:
    keys = "\n".join(f"key{n} = [\n{'  1,' * 100}\n]" for n in range(5))
    found = chunks("x.toml", f"[tool.long]\n{keys}")
    assert [one.symbol for one in found] == [f"tool.long.key{n}" for n in range(5)]


def test_items_in_quotes_and_escapes_have_names_that_can_be_kept() -> None:
    for path in ("package.json", "a.yml"):
        text = '{"a\\ud800b": {"x": 1,\n"y": 2}, "\\n": 3,\n"' + "c" * 300 + '": "' + "d" * 300 + '"}'
        assert faults(path, text) == [], path


def test_what_does_not_parse_falls_into_paragraphs() -> None:
    template = "a: 1\n{{- if .Values.x }}\nb:\n\tc: 2\n{{- end }}\n\nd: 3\n"
    for path, text in (("t.yaml", template), ("package.json", '{"a": [}'), ("x.yml", "a: 'b")):
        found = chunks(path, text)
        assert found and {(one.kind, one.symbol) for one in found} == {("text", "")}
        assert faults(path, text) == []


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
        "a: &a {b: *a}\n",
        "base: &base {x: 1}\nweb:\n  <<: *base\n  x: 1\n  x: 2\n",
        "? [a, b]\n: c\n? {d: e}\n: f\n1: 2\ntrue: no\n",
        "v: !Ref Name\nw: !!python/object:os.system {x: 1}\n",
        "a: |\n  # no comment\n  --- no document\nb: >-\n  text\n",
        "--- |\n text\n--- # second\na: 1\n...\n%YAML 1.1\n---\nb: 2\n",
        "-\n  - a\n  -\n    name: b\n- name: c\n",
        "\n\n",
        "{}",
        "- 1\n- 2\n",
        "'a\n  b': 1\n",
        "a: 1\n...\n",
        "# nothing but a comment\n",
        "!" * 200 + " x\n",
        "\ufeffa: 1\n",
        "a: \x85b\n",
    ],
)
def test_odd_yaml_is_read_whole(text: str) -> None:
    assert faults("a.yml", text) == []
    padded = text + "".join(f"\nk{n}: {'v ' * 100}" for n in range(10))
    assert faults("a.yml", padded) == []


def test_what_is_nested_without_end_costs_no_stack() -> None:
    for text in ("[" * 5000 + "]" * 5000, "".join(f"{' ' * n}a:\n" for n in range(600)), "- " * 5000):
        assert faults("a.yml", text) == []
    # What libyaml needs the square of its depth for falls into paragraphs.
    assert {one.kind for one in chunks("a.yml", "[" * 300 + "]" * 300)} == {"text"}
    assert faults("package.json", '{"a":\n' * 5000 + "1" + "}" * 5000) == []


WORDS = st.sampled_from([
    "a", "key", "jobs", ":", ": ", "- ", "  ", "    ", "\t", "#", "# x", "|", ">", "---", "[", "]", "{", "}", '"', "'",
    "=", "[t]", "[[t]]", '"""', "\\", "FROM x AS y", "RUN <<E", "E", "x: y", "define X", "endef", ".PHONY: a", "a:",
    "function(f)", "endfunction()", "(", ")", "task t {", "}", "//", "/*", "*/", ";", ",", "name: n", "kind: K", "é",
    "apiVersion: v1", "metadata:", "&a", "*a", "!t", "if (x) {", "word " * 40,
])  # fmt: skip
LINE = st.lists(WORDS, max_size=4).map("".join)
PATHS = st.sampled_from(["a.yml", "package.json", "a.toml", "a.ini", "Dockerfile", "Makefile", "a.cmake", "a.gradle"])


@settings(max_examples=300)
@given(PATHS, st.lists(LINE, max_size=25).map("\n".join), st.sampled_from([200, 2000]))
def test_every_line_of_drawn_files_lies_in_one_chunk(path: str, text: str, max_chars: int) -> None:
    assert faults(path, text, max_chars) == []
    found = chunks(path, text, max_chars)
    assert len({one.chunk_id for one in found}) == len(found)


KEY = st.sampled_from(["name", "web", "steps", "a-b", "a.b", "x/y", "1", "on", "größe"])
SCALAR = st.sampled_from(["1", "text", "a: b", "", "two words", "long " * 80, "line\nline", "# no"])
VALUE = st.recursive(
    SCALAR, lambda one: st.lists(one, max_size=4) | st.dictionaries(KEY, one, max_size=4), max_leaves=25
)


@settings(max_examples=200)
@given(st.dictionaries(KEY, VALUE, max_size=5), st.sampled_from([200, 2000]))
def test_drawn_documents_are_no_fault_to_the_gate(document: object, max_chars: int) -> None:
    for path, text in (
        ("a.yml", yaml.safe_dump(document, allow_unicode=True, sort_keys=False)),
        ("package.json", json.dumps(document, indent=2, ensure_ascii=False)),
    ):
        assert faults(path, text, max_chars) == [], text


TABLES = "".join(f"\n[{name}]\nlong = '{'v ' * 200}'" for name in ("one", "two", "three"))


@pytest.mark.parametrize(
    "said",
    [
        '"""Don\'t panic."""',
        '"""\nThis isn\'t all"""',
        '"""He said \\"hi\\""""',
        '"""a\\""" [no]\n[none]\n"""',
        '"""\n# no comment """',
        "'''\nsay \"hi'''",
        "'''it's''''",
        '"""\n[none]\n"""',
        "'C:\\'",
        '""',
    ],
)
def test_tables_below_a_text_of_several_lines_are_found(said: str) -> None:
    assert [one.symbol for one in chunks("a.toml", f"said = {said}{TABLES}")] == ["said", "one", "two", "three"]


@pytest.mark.parametrize("end", ["\x85", "\u2028", "\u2029"])
def test_what_ends_lines_in_other_programs_ends_none_of_yaml(end: str) -> None:
    text = "a:\n  x: 'IT'\nb: IT\n# IT\nc:\n  y: 1\n".replace("IT", f"one{end}two")
    padded = "".join(f"{line}\n  {'z: ' + 'v ' * 150 if line.endswith(':') else ''}\n" for line in text.splitlines())
    assert faults("a.yml", padded) == []
    plain = text.replace(end, " ")
    found = [(one.symbol, one.start_line, one.end_line) for one in chunks("a.yml", text, 20)]
    assert found == [(one.symbol, one.start_line, one.end_line) for one in chunks("a.yml", plain, 20)]


def test_stages_below_what_looks_like_the_begin_of_a_text_are_found() -> None:
    run = "RUN " + "make && " * 40 + "true"
    text = f"FROM a AS x\nRUN cat <<< word; echo $((1<<n))\n{run}\nFROM b AS y\nRUN <<EOF\nFROM none\nEOF\n{run}\n"
    assert [one.symbol for one in chunks("Dockerfile", text)] == ["x", "y"]
    windows = f"# escape=`\nFROM a AS x\nWORKDIR C:\\\nFROM b AS y\nRUN dir `\n  FROM\n{run}\n"
    assert [one.symbol for one in chunks("Dockerfile", windows)] == ["x", "y"]
    assert [one.symbol for one in chunks("Dockerfile", windows.partition("\n")[2])] == ["x"]


def test_a_text_at_the_begin_of_its_lines_ends_no_block() -> None:
    stage = '    stage(\'NAME\') {\n      sh """\nset -e\nmake } NAME\n"""\n' + "      echo 'x'\n" * 60 + "    }\n"
    text = "pipeline {\n  stages {\n" + "".join(stage.replace("NAME", one) for one in ("Build", "Test")) + "  }\n}\n"
    found = chunks("Jenkinsfile", text)
    assert {one.symbol for one in found} == {f"pipeline.stages.stage {one}" for one in ("Build", "Test")}
    assert faults("Jenkinsfile", text) == []


def test_a_glob_calls_its_section_of_editorconfig_however_long() -> None:
    for glob in ("*.{cs,vb}", "*.[ch]", "{*.{c,h},Make[!x]}", "*"):
        text = f"root = true\n\n[*.md]\na = 1\n\n[{glob}]\n" + "".join(f"rule_{n} = {'x' * 40}\n" for n in range(90))
        found = chunks(".editorconfig", text)
        assert [one.symbol for one in found[:2]] == ["", "*.md"] and {one.symbol for one in found[2:]} == {glob}
        assert len(found) > 4 and faults(".editorconfig", text) == []


def test_of_several_keys_on_one_line_none_calls_them_all() -> None:
    assert [one.symbol for one in chunks(".prettierrc.json", '{"semi": false, "singleQuote": true}')] == [""]
    long = "".join(f'\n"s{n}": "{"v" * 300}",' for n in range(6))
    text = '{\n"name": "x", "scripts": {' + long + "}}"
    assert [one.symbol for one in chunks("package.json", text)][1:] == [f"scripts.s{n}" for n in range(1, 6)]
    assert faults("package.json", text) == []


def test_no_symbol_is_as_long_as_its_file() -> None:
    for path, text in (
        ("package.json", '{"a":' * 5000 + "1" + "}" * 5000),
        ("a.yml", "".join(f"{' ' * n}{'k' * 90}:\n" for n in range(150)) + " " * 150 + "x: " + "v" * 9000),
    ):
        found = chunks(path, text)
        assert max(len(one.symbol) for one in found) < 2000, path
        assert faults(path, text) == []


MANIFEST = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: NAME
spec:
  replicas: 2
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec:
      containers:
        - name: NAME
          image: registry.example.com/NAME:1.2.3
          ports: [{containerPort: 8080}]
          env: [{name: LEVEL, value: info}, {name: PORT, value: "8080"}]
          resources: {limits: {memory: 128Mi}}
"""


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("web.yaml", "---\n".join(MANIFEST.replace("NAME", name) for name in ("web", "api", "db"))),
        ("one.yaml", "apiVersion: v1\nkind: K\n" + "".join(f"k{n}:\n  v: {'x ' * 150}\n" for n in range(3))),
        ("two.yaml", "a: 1\n---\n" + "".join(f"k{n}:\n  v: {'x ' * 150}\n" for n in range(3))),
        ("tag.yaml", "!model\n" + "".join(f"k{n}:\n  v: {'x ' * 400}\n" for n in range(3))),
        ("said.yaml", 'a: "\\ud83d\\ude00"\n' + "".join(f"k{n}:\n  v: {'x ' * 150}\n" for n in range(3))),
        ("dumped.yaml", yaml.safe_dump({"k" * 150: {"r": [{"name": f"n{n}", "v": "x" * 900} for n in range(4)]}})),
        ("text.yaml", MANIFEST.replace("NAME", "web") + "---\n|\n  a text\n"),
        (
            "package.json",
            json.dumps({"jest": {"a": 1, "moduleNameMapper": ["x" * 400], "transform": ["y" * 400]}}, indent=2),
        ),
        ("package.json", json.dumps({"views": [{"when": "x " * 300, "then": "y " * 900, "name": "tree"}]}, indent=2)),
        ("manifest.json", json.dumps([{f"k{n}": ["x" * 400] for n in range(3)}], indent=2)),
    ],
)
def test_what_is_called_by_what_it_lies_in_is_no_fault_of_many_files(path: str, text: str) -> None:
    rows = [{name: getattr(one, name) for name in Chunk.__dataclass_fields__} for one in chunks(path, text)]
    named = NamedPieces()
    for number in range(3):
        list(named.faults_of(f"{number}/{path}", lines_of(text), rows, 2000))
    assert list(named.faults()) == [] and faults(path, text) == []


def test_ids_do_not_move_with_what_stands_elsewhere() -> None:
    before = {one.symbol: one.chunk_id for one in chunks("ci.yml", WORKFLOW)}
    after = {one.symbol: one.chunk_id for one in chunks("ci.yml", WORKFLOW.replace("jobs:", "env: {A: 1}\njobs:"))}
    assert before == after


@pytest.mark.parametrize(
    ("path", "style"),
    [
        ("a/CMakeLists.txt", "cmake"),
        ("a/notes.txt", None),
        ("Makefile.am", "make"),
        ("tsconfig.build.json", "json"),
        ("data.json", None),
        ("x.YML", "yaml"),
        (".flake8", "ini"),
    ],
)
def test_how_a_file_is_read_goes_by_its_name(path: str, style: str | None) -> None:
    assert config_style(path) == style
