"""Faults planted in the rows of configuration, and healthy files of each form."""

import dataclasses
from pathlib import Path

import pytest

from xtr_assets.config import SourceConfig
from xtr_assets.core.chunking import config as chunker
from xtr_assets.core.ids import chunk_id
from xtr_assets.core.types import Chunk
from xtr_assets.pipeline.gate.source_agrees import check
from xtr_assets_tests.core.chunking.config_samples import SAMPLES
from xtr_assets_tests.pipeline.gate.conftest import Plant, World
from xtr_assets_tests.pipeline.gate.test_folder_evidence import looked
from xtr_assets_tests.pipeline.gate.test_source_agrees import FAULTS, in_file

JOB = """\
  NAME:
    runs-on: ubuntu-latest
    steps:
      - name: Step of NAME
        run: make NAME && echo "a long line that says what NAME does, so that it is long enough by itself" && exit 0
        env: {A: "1", B: "2", C: "3", D: "4", E: "5", F: "6", G: "7", H: "8"}
"""
WORKFLOW = "on: push\njobs:\n" + "".join(JOB.replace("NAME", one) for one in ("alpha", "beta", "gamma", "delta"))


@pytest.fixture
def run_by(world: World) -> World:
    source = SourceConfig(name="conf", kind="config", path=world.folder / "conf")
    world.config_with(sources=(*world.config.sources, source))
    world.write("conf/ci.yml", WORKFLOW)
    for path, (text, _) in SAMPLES.items():
        world.write(f"conf/{path}", text)
    return world


def test_healthy_configuration_of_every_form_passes(run_by: World) -> None:
    run_by.write("conf/crlf.yml", WORKFLOW.replace("\n", "\r\n"))
    run_by.write("conf/bom.toml", b"\xef\xbb\xbf[a]\nb = 1\n")
    run_by.write("conf/template.yaml", "a:\n{{ if x }}\n  b: 1\n{{ end }}\n")
    run_by.write("conf/one.json", "{}")
    run_by.write("conf/binary.ini", b"a\0b")
    run_by.write("conf/latin.ini", b"[a]\nb = \xe9\n")
    for name, data in (
        ("latin", b"gru\xdf=\xe9t\xe9\n"),
        ("null", b"a=\xe9\0"),
        ("bom", b"\xef\xbb\xbfa=\xe9"),
        ("utf", "ä=ß".encode()),
    ):
        run_by.write(f"conf/{name}.properties", data)
    run_by.write("conf/blank.cfg", "\n\n")
    run_by.write("conf/pnpm-lock.yaml", "a: 1\n")
    run_by.write("conf/secrets.yml", "a: 1\n")
    run_by.write("conf/.env.yml", "a: 1\n")
    run_by.write("conf/.hidden/a.yml", "a: 1\n")
    session = run_by.build()
    found = check(session)
    assert found.passed, found.details["faults"]
    snapshot = run_by.warehouse.snapshot("conf")
    assert snapshot is not None and not {"pnpm-lock.yaml", "secrets.yml", ".env.yml"} & snapshot.files.keys()
    assert ".github/workflows/release.yml" in snapshot.files
    refused = {entry.path for entry in snapshot.quarantine}
    assert refused == {"binary.ini", "latin.ini", "null.properties", "bom.properties"}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_rows_of_a_workflow_is_found_and_told(run_by: World, plant: Plant, fault: str) -> None:
    plant(in_file("ci.yml", FAULTS[fault]))
    found = check(run_by.build())
    assert not found.passed and "ci.yml" in found.summary


def exchanged(held: list[Chunk]) -> list[Chunk]:
    """Two jobs that are called by each other's name, with the ids of these names."""
    other = {"jobs.alpha": "jobs.beta", "jobs.beta": "jobs.alpha"}
    found = []
    for one in held:
        symbol = other.get(one.symbol, one.symbol)
        number = chunk_id(one.source, one.path, symbol, 0, one.part)
        found.append(dataclasses.replace(one, symbol=symbol, title=symbol, chunk_id=number))
    return found


def test_names_that_were_exchanged_with_their_ids_are_found(run_by: World, plant: Plant) -> None:
    plant(in_file("ci.yml", exchanged))
    found = check(run_by.build())
    assert not found.passed and "lie in 'jobs.beta', and are called 'jobs.alpha'" in found.summary


def test_a_file_that_was_left_out_is_found(run_by: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from xtr_assets.sources import file_scan

    original = file_scan._look

    def blind(folder, entries, globs, listing):  # type: ignore[no-untyped-def]
        return original(folder, [one for one in entries if one.name != ".github"], globs, listing)

    monkeypatch.setattr(file_scan, "_look", blind)
    found = looked(run_by)
    assert not found.passed and ".github/workflows/release.yml: it lies in the source" in found.summary


def test_an_outline_that_finds_nothing_is_found(run_by: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        keys = "".join(f"key{n}:\n  long: {'x ' * 200}\n" for n in range(3))
        run_by.write(f"conf/long{number}.yml", keys)
    assert check(run_by.build()).passed
    monkeypatch.setattr(chunker, "_OUTLINES", {**chunker._OUTLINES, "yaml": lambda _: None})
    found = check(run_by.build(full=True))
    assert not found.passed and "3 of 3 files of .yml name things" in str(found.details["faults"]), found.summary


def test_a_text_in_quotes_may_go_on_at_the_beginning_of_a_line(run_by: World) -> None:
    """Its lines are indented less than the key that they are of."""
    says = "\n\n".join(f"says: {'x ' * 60}" for _ in range(4))
    items = "".join(f'  - type: markdown\n    attributes:\n      value: "\n\n{says}\n\n    "\n' for _ in range(4))
    run_by.write("conf/form.yaml", f"name: A form\nbody:\n{items}")
    found = check(run_by.build())
    assert found.passed, found.details["faults"]


def test_templates_that_are_no_yaml_are_no_fault(run_by: World) -> None:
    for number in range(4):
        keys = "".join(f"key{n}:\n{{{{- if x }}}}\n  long: {'x ' * 200}\n" for n in range(3))
        run_by.write(f"conf/t{number}.yml", keys)
    found = check(run_by.build())
    assert found.passed, found.details["faults"]


def test_texts_in_quotes_that_are_indented_as_they_like_are_no_fault(run_by: World) -> None:
    form = "body:\n" + "".join(
        f"""  - type: checkboxes
    id: {one}
    attributes:
      label: "What {one} is:
all of it, see
name: not a key
" # said
      description: 'It''s {one}
    and goes on'
      script: |
        node -e '
        '
      text: "{"long " * 60}"

"""
        for one in ("stubs", "untyped", "typed", "other")
    )
    run_by.write("conf/.github/ISSUE_TEMPLATE/typing.yaml", form)
    found = check(run_by.build())
    assert found.passed, found.details["faults"]


def test_a_repository_holds_its_configuration_too(tmp_path: Path) -> None:
    from xtr_assets.pipeline.gate.path_patterns import kind_of
    from xtr_assets.sources.mixed_tree import kind_of as read_as

    source = SourceConfig(name="repo", kind="git", path=tmp_path)
    for path in (
        *SAMPLES, ".github/workflows/ci.yml", ".flake8", "a.py", "a.ts", "Makefile.py", "notes.txt", "LICENSE", "x.KTS",
        "build.gradle.kts", "Dockerfile.dev", "data.json", "settings.JSON", "appsettings.Dev.json",
    ):  # fmt: skip
        assert kind_of(source, path) == read_as(path), path


def test_one_wrong_name_is_listed_and_one_in_each_of_several_files_is_found(run_by: World, plant: Plant) -> None:
    for number in range(3):
        run_by.write(f"conf/more{number}.yml", WORKFLOW)

    def misnamed(held: list[Chunk]) -> list[Chunk]:
        """The second of the jobs is called by a word that is nowhere."""
        symbol, lost = "jobs.omega", held[1]
        number = chunk_id(lost.source, lost.path, symbol)
        return [held[0], dataclasses.replace(lost, symbol=symbol, title=symbol, chunk_id=number), *held[2:]]

    plant(in_file("more0.yml", misnamed))
    found = check(run_by.build())
    assert found.passed and found.details["files_nameless"] == ["more0.yml"]
    names = {"more0.yml", "more1.yml", "more2.yml"}
    change = {name: in_file(name, misnamed) for name in names}
    plant(lambda shard, path, items: change[path](shard, path, items) if path in names else items)
    found = check(run_by.build(full=True))
    assert not found.passed and "3 of 5 files of .yml have chunks" in str(found.details["faults"]), found.details
