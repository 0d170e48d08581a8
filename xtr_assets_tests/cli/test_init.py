import json
import os
import shutil
import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner

from xtr_assets.cli import app
from xtr_assets.cli.project_walk import walk_project
from xtr_assets.cli.source_proposals import propose
from xtr_assets.config import load_config
from xtr_assets.core.types import Chunk
from xtr_assets.sources import open_source
from xtr_assets.sources.globs import Globs
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.workbooks import workbook

run = CliRunner().invoke
WRITTEN = ("xtr.yaml", "definitions.py", "workspace.yaml", "dagster.yaml")


def test_init_proposes_what_lies_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "guide").mkdir()
    (tmp_path / "guide" / "start.md").write_text("# Start\n")
    (tmp_path / "tool.py").write_text("def f(): ...\n")
    (tmp_path / "2020.jsonl").write_text(json.dumps({"doc_id": "1", "body": "text", "year": 3}) + "\n")
    pq.write_table(pa.table({"_id": ["1"], "title": ["t"], "text": ["x"]}), tmp_path / "papers.parquet")
    result = run(app, ["init", str(tmp_path)])
    assert result.exit_code == 0, result.output
    sources = {source.name: source for source in load_config(tmp_path / "xtr.yaml").sources}
    assert [(name, source.kind) for name, source in sources.items()] == [
        ("code", "python"),
        ("documents", "text"),
        ("2020", "records"),
        ("papers", "records"),
    ]
    assert "definitions.py" in sources["code"].exclude
    assert (sources["2020"].id, sources["2020"].text, sources["2020"].metadata) == ("doc_id", "body", ("year",))
    assert (sources["papers"].id, sources["papers"].title) == ("_id", "title")


def test_init_in_an_empty_or_missing_folder_writes_a_config_that_loads(tmp_path: Path) -> None:
    folder = tmp_path / "My Handbook"
    refused = run(app, ["init", str(folder)])
    assert refused.exit_code == 1 and not folder.exists()
    assert "--create" in refused.stderr
    result = run(app, ["init", str(folder), "--create"])
    assert result.exit_code == 0, result.output
    assert "nothing yet" in result.stderr
    assert load_config(folder / "xtr.yaml").name == "my_handbook"
    assert yaml.safe_load((folder / "workspace.yaml").read_text()) == {
        "load_from": [{"python_file": {"relative_path": "definitions.py", "location_name": "my_handbook"}}]
    }
    compile((folder / "definitions.py").read_text(), "definitions.py", "exec")
    assert "$" not in (folder / "definitions.py").read_text()


def test_init_overwrites_nothing_unless_forced(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text("mine")
    (tmp_path / "a.md").write_text("# A\n")
    refused = run(app, ["init", str(tmp_path)])
    assert refused.exit_code == 1
    assert "dagster.yaml in" in refused.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.md", "dagster.yaml"]
    assert (tmp_path / "dagster.yaml").read_text() == "mine"
    assert run(app, ["init", str(tmp_path), "--force"]).exit_code == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["a.md", *WRITTEN])


@pytest.mark.parametrize("above", ["", "packages/web", "a/b/c/d"])
def test_what_tools_made_is_left_out_at_every_level(tmp_path: Path, above: str) -> None:
    for name in (".venv", ".git", "node_modules", "dist", "venv", "my-env"):
        folder = tmp_path / above / name
        folder.mkdir(parents=True)
        (folder / "other.py").write_text("x = 1\n")
        (folder / "README.md").write_text("# Theirs\n")
    (tmp_path / above / "my-env" / "pyvenv.cfg").write_text("home = /usr\n")
    (tmp_path / above / "venv" / "bin").mkdir()
    (tmp_path / above / "venv" / "bin" / "activate").write_text("")
    assert propose(tmp_path).sources == []
    (tmp_path / above / "mine.py").write_text("x = 1\n")
    (tmp_path / above / "README.md").write_text("# Mine\n")
    assert run(app, ["init", str(tmp_path)]).exit_code == 0
    held = {source.name: open_source(source).listing() for source in load_config(tmp_path / "xtr.yaml").sources}
    inside = f"{above}/" if above else ""
    assert held["code"].files == [f"{inside}mine.py"]
    assert held["documents"].files == [f"{inside}README.md"]


def test_what_builders_and_package_managers_made_is_left_out(tmp_path: Path) -> None:
    """Each by what tells it; a folder of the same name that a person made is read."""
    tells = {
        "rust/target": "Cargo.toml",
        "java/target": "pom.xml",
        "net/bin": "App.csproj",
        "net/obj": "App.csproj",
        "gradle/out": "build.gradle",
        "go/vendor": "go.mod",
        "php/vendor": "composer.json",
        "ios/Pods": "Podfile",
        "elixir/deps": "mix.exs",
        "js/coverage": "package.json",
        "bazel/bazel-out": "WORKSPACE",
        "site/_site": "_config.yml",
        "docs/_build": "",
        "py/build": "setup.py",
        "web/build": "package.json",
        "py/thing.egg-info": "",
        "py/lib/site-packages": "",
        "c/cmake-build-debug": "",
        "mac/DerivedData": "",
        "js/bower_components": "",
        "old/.tox": "",
        "js/.next": "",
    }
    for made, tell in tells.items():
        (tmp_path / made).mkdir(parents=True)
        (tmp_path / made / "theirs.md").write_text("# Theirs\n")
        if tell:
            (tmp_path / made).with_name(tell).write_text("")
    for inside, text in (("any/CMakeCache.txt", ""), ("conda/conda-meta", ""), ("myenv/pyvenv.cfg", "")):
        (tmp_path / inside).parent.mkdir()
        (tmp_path / inside).write_text(text)
        (tmp_path / inside).with_name("theirs.md").write_text("# Theirs\n")
    for name, signature in (("tagged", "Signature: 8a477f597d28d172789f06886806bc55\n"), ("untagged", "a tag\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "CACHEDIR.TAG").write_text(signature)
        (tmp_path / name / "a.md").write_text("# A\n")
    mine = [
        "bazel-notes/a.md",
        "bin/a.md",
        "cmd/internal/build/a.md",
        "lib/env/a.md",
        "lib/venv/a.md",
        "obj/a.md",
        "out/a.md",
        "rust/src/target/a.md",
        "target/a.md",
        "vendor/a.md",
        "warehouse/a.md",
    ]
    for path in mine:
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text("# Mine\n")
    assert run(app, ["init", str(tmp_path)]).exit_code == 0
    listed = {source.name: open_source(source).listing().files for source in load_config(tmp_path / "xtr.yaml").sources}
    assert sorted(path for path in listed["documents"] if path.endswith(".md")) == sorted([*mine, "untagged/a.md"])


def test_what_generators_write_is_left_out_and_markup_is_proposed(tmp_path: Path) -> None:
    made = (
        "jquery.min.js",
        "web/app.min.mjs",
        "site.min.css",
        "api_pb2.py",
        "api.pb.go",
        "user.g.dart",
        "Form1.Designer.cs",
    )
    mine = ("web/admin.js", "web/site.css", "web/Door.vue", "Main.hs", "api.py", "api.go", "user.dart", "Form1.cs")
    prose = ("ch01.asc", "notes.org", "paper.tex", "page.textile", "guide.mdx")
    for path in (*made, *mine, *prose, "ch01.wiki"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("x\n")
    said = " ".join(run(app, ["init", str(tmp_path)]).stderr.split())
    listed = {source.name: open_source(source).listing().files for source in load_config(tmp_path / "xtr.yaml").sources}
    assert {path for files in listed.values() for path in files} == {*mine, *prose}
    # What the project changes to is read too.
    for path in ("api.kt", "guide.rst"):
        (tmp_path / path).write_text("x\n")
    sources = [open_source(source) for source in load_config(tmp_path / "xtr.yaml").sources]
    assert {"api.kt", "guide.rst"} < {path for source in sources for path in source.listing().files}
    assert (
        "left out, as tools made it: **/*.[Dd]esigner.cs, **/*.g.dart, **/*.min.css, **/*.min.js, **/*.min.mjs" in said
    )
    assert "no source reads 1 .wiki; what of that is text a source of kind text reads where its `include`" in said
    assert '["**", "**/*.SUFFIX"]' in said


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_what_git_ignores_is_left_out_and_said(tmp_path: Path) -> None:
    """Folders and files, at every level, of a repository within another, but for what is tracked all the same; in a
    folder that is ignored itself all is asked for."""
    away = tmp_path / "away"
    home = tmp_path / "home"
    for path in (
        "a/lib/x.md", "b/lib/x.md", "out/x.md", "gen[1]/x.md", "forced/kept.md", "forced/x.md", "notes/draft.md",
        "notes/draft.o", "notes/a.md", "inner/skip/x.md", "inner/a.md", "only/x.log", "README.md", "-x.md", "skip/a.md",
    ):  # fmt: skip
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        (home / path).write_text("# A\n")
    (away / "lib").mkdir(parents=True)
    (away / "lib" / "a.md").write_text("# A\n")
    (home / "shared").symlink_to(away)
    (home / ".gitignore").write_text("lib/\nout/\ngen*/\nforced/\ndraft.*\n*.log\n-x.md\n")
    (home / "inner" / ".gitignore").write_text("skip/\n")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    for folder in (home, home / "inner"):
        subprocess.run([*git, "init", "-q"], cwd=folder, check=True)
    subprocess.run([*git, "add", "-f", "forced/kept.md"], cwd=home, check=True)
    result = run(app, ["init", str(home)])
    listed = {source.name: open_source(source).listing().files for source in load_config(home / "xtr.yaml").sources}
    assert listed["documents"] == [
        "README.md", "forced/kept.md", "inner/a.md", "notes/a.md", "shared/lib/a.md", "skip/a.md",
    ]  # fmt: skip
    assert f"documents (text): {len(listed['documents'])} text files" in result.stderr
    told = " ".join(result.stderr.split())
    assert "left out, as git ignores it:" in told and "gen[[]1]/**" in told and "notes/draft.md" in told
    assert "draft.o" not in told  # No source would take it.
    assert [
        str(path.relative_to(home)) for path in walk_project(home / "out", str.isupper, Globs((), (), (), "x")).files
    ] == ["out/x.md"]


def test_a_repository_without_the_command_git_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "a.md").write_text("# A\n")
    monkeypatch.setenv("PATH", "")
    told = " ".join(run(app, ["init", str(tmp_path)]).stderr.split())
    assert "what git ignores was not left out: the command git is not on the PATH" in told


def test_what_init_counts_is_what_the_sources_it_proposes_read(tmp_path: Path) -> None:
    """Links to folders among them: out of the project, into it, in circles, to what it lies in, to what tools made."""
    home, away = tmp_path / "home", tmp_path / "away"
    for folder in ("docs/deep", "node_modules/theirs", "packages/web/src"):
        (home / folder).mkdir(parents=True)
        (home / folder / "a.md").write_text("# A\n")
    (away / "inner" / "env").mkdir(parents=True)
    for path in ("b.md", "c.py", "inner/d.md", "inner/env/e.md", "inner/env/pyvenv.cfg"):
        (away / path).write_text("x = 1\n")
    Warehouse.create(away / "index")
    (away / "index" / "f.md").write_text("# F\n")
    (away / "inner" / "again").symlink_to(away)
    for name, target in (
        ("shared", away),
        ("shared2", away / "inner"),
        ("circle", home),
        ("up", tmp_path),
        ("docs/same", home / "docs" / "deep"),
        ("theirs", home / "node_modules" / "theirs"),
        ("nowhere", tmp_path / "nothing"),
        ("docs/one.md", away / "b.md"),
        ("docs/dist-packages", away / "inner"),
    ):
        (home / name).symlink_to(target)
    said = run(app, ["init", str(home)]).stderr
    listed = {source.name: open_source(source).listing().files for source in load_config(home / "xtr.yaml").sources}
    assert listed["documents"] == [
        "docs/deep/a.md",
        "docs/one.md",
        "packages/web/src/a.md",
        "shared/b.md",
        "shared/inner/d.md",
        "theirs/a.md",
    ]
    assert listed["code"] == ["shared/c.py"]
    assert "documents (text): 6 text files" in said and "code (python): 1 Python files" in said
    told = " ".join(said.split())
    assert f"shared is a link to {away}: what lies there is read too, unless `exclude` names it" in told
    assert "up is a link" not in told


@pytest.mark.parametrize("beside", ["qrels.tsv", "qrels/test.tsv", ""])
@pytest.mark.parametrize("above", ["", "eval"])
def test_questions_and_judgments_are_measured_with_and_never_a_source(tmp_path: Path, beside: str, above: str) -> None:
    folder = tmp_path / above
    folder.mkdir(exist_ok=True)
    (folder / "queries.jsonl").write_text(json.dumps({"_id": "q1", "text": "how"}) + "\n")
    (folder / "corpus.jsonl").write_text(json.dumps({"_id": "d1", "title": "t", "text": "so"}) + "\n")
    if beside:
        (folder / beside).parent.mkdir(exist_ok=True)
        (folder / beside).write_text("query-id\tcorpus-id\tscore\nq1\td1\t1\n")
    result = run(app, ["init", str(tmp_path)])
    assert result.exit_code == 0, result.output
    config = load_config(tmp_path / "xtr.yaml")
    assert [source.name for source in config.sources] == ["corpus"]
    assert config.queries is not None and config.queries.path == folder / "queries.jsonl"
    assert config.queries.judgments == (folder / beside if beside else None)
    assert "measured with" in result.stderr


def test_records_called_queries_that_are_none_are_a_source(tmp_path: Path) -> None:
    (tmp_path / "queries.jsonl").write_text(json.dumps({"id": "1", "body": "select"}) + "\n")
    found = propose(tmp_path)
    assert (found.queries, [one.fields["name"] for one in found.sources]) == ({}, ["queries"])


def test_a_warehouse_of_before_is_no_source(tmp_path: Path) -> None:
    Warehouse.create(tmp_path / "index")
    (tmp_path / "index" / "history.jsonl").write_text('{"_id": "a", "text": "b"}\n')
    (tmp_path / "notes.md").write_text("# Notes\n\nText.\n")
    assert [one.fields["name"] for one in propose(tmp_path).sources] == ["documents"]


def test_a_folder_without_anything_to_index_is_told_with_what_it_holds(tmp_path: Path) -> None:
    for name in ("a.png", "b.PNG", "c.zip", "LICENSE"):
        (tmp_path / name).write_bytes(b"x")
    refused = run(app, ["init", str(tmp_path)])
    assert refused.exit_code == 1
    assert "2 .png, 1 .zip, 1 no suffix" in " ".join(refused.stderr.split())
    assert len(list(tmp_path.iterdir())) == 4
    assert run(app, ["init", str(tmp_path), "--create"]).exit_code == 0


def test_code_of_other_languages_is_proposed_and_the_rest_is_counted(tmp_path: Path) -> None:
    for name in ("a.go", "b.RS", "c.py", "d.MD", "e.png", "f"):
        (tmp_path / name).write_text("x\n")
    os.mkfifo(tmp_path / "pipe.jsonl")
    result = run(app, ["init", str(tmp_path)])
    assert result.exit_code == 0, result.output
    sources = {source.name: source for source in load_config(tmp_path / "xtr.yaml").sources}
    assert {name: source.kind for name, source in sources.items()} == {
        "code": "python",
        "other_code": "code",
        "documents": "text",
    }
    said = " ".join(result.stderr.split())
    assert "2 files of code in other languages (.go, .rs)" in said
    assert "no source reads 1 .png, 1 no suffix" in said
    assert "xtr-assets[code]" not in said


def test_what_is_not_installed_is_told_where_files_need_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.go", "b.html"):
        (tmp_path / name).write_text("x\n")
    assert not propose(tmp_path).notes
    monkeypatch.setattr("xtr_assets.cli.source_proposals.find_spec", lambda name: None)
    assert ["xtr-assets[code]" in note or "xtr-assets[documents]" in note for note in propose(tmp_path).notes] == [
        True
    ] * 2


def test_a_workbook_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# A\n")
    (tmp_path / "b.ods").write_bytes(b"PK")
    said = " ".join(run(app, ["init", str(tmp_path)]).stderr.split())
    assert (
        "1 workbook (.ods): records are read from CSV, XLSX, JSON lines (an object a line) and Parquet; write it so"
        in said
    )


def test_a_table_is_proposed_with_its_ids_and_numbers(tmp_path: Path) -> None:
    """Without a column of ids records are called by what they say; a code (`007`) is no number."""
    (tmp_path / "faq.csv").write_text(
        "Question,Answer,Category,Price,Code,,x,x\nHours?,From nine.,a,10,007,,1,1\nOpen?,Yes.,b,,8,,1,1\n"
    )
    (tmp_path / "tickets.tsv").write_text("Ticket ID\tsubject\tbody\n1\ta\tOne, two.\n2\ta\tThree.\n")
    (tmp_path / "twice.csv").write_text("id;text\n1;a\n1;b\n")
    (tmp_path / "wide.xlsx").write_bytes(
        workbook({"About": [["what"]], "A": [["2024"], ["Key", "Body", "n"], ["k", "a"]]})
    )
    for name in ("places.csv", "qrels.tsv"):
        (tmp_path / name).write_text("place,of\n1,2\n")
    result = run(app, ["init", str(tmp_path)])
    assert result.exit_code == 0, result.output
    faq, tickets, twice, wide = load_config(tmp_path / "xtr.yaml").sources
    assert (faq.id, faq.title, faq.text) == (None, "Question", "Answer")
    assert (faq.metadata, faq.numbers) == (("Category", "Price", "Code"), ("Price",))
    assert (tickets.id, tickets.title, tickets.text, twice.id) == ("Ticket ID", "subject", "body", None)
    assert (wide.id, wide.text, wide.metadata, wide.numbers) == ("Key", "Body", ("n",), ())
    said = " ".join(result.stderr.split())
    assert "of the first 2: Question, Category, Code" in said.replace("in each ", "")
    assert (
        "places.csv has no field that is known for a text: add it by hand; its fields are place, of (so it is" in said
    )
    assert [one.text for one in open_source(tickets).read("tickets.tsv") if isinstance(one, Chunk)] == [
        "One, two.",
        "Three.",
    ]


def test_a_folder_of_tables_without_a_known_text_holds_files(tmp_path: Path) -> None:
    (tmp_path / "places.csv").write_text("place,of\n1,2\n")
    refused = run(app, ["init", str(tmp_path)])
    said = " ".join(refused.stderr.split())
    assert refused.exit_code == 1 and "it holds what the notes say note places.csv has no field" in said


def test_record_files_beyond_some_are_counted(tmp_path: Path) -> None:
    """Tables come last: what was written as records is proposed before them."""
    for number in range(4):
        (tmp_path / f"a{number}.csv").write_text("id,text\n1,a\n")
        (tmp_path / f"b{number}.jsonl").write_text('{"id": 1, "text": "a"}\n')
    found = propose(tmp_path)
    assert [one.fields["name"] for one in found.sources] == ["b0", "b1", "b2", "b3", "a0"]
    assert found.notes == ["3 more record files were left out"]


NO_RECORD = "begins with no record that can be read: a JSON object a line or CSV, in UTF-8, or Parquet"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", NO_RECORD),
        (b"no json", NO_RECORD),
        (b"[1]", NO_RECORD),
        ('{"id": 1, "text": "a"}'.encode("utf-16"), NO_RECORD),
        (b'{"n": 3}', "has no field that is known for a text: add it by hand; its fields are n"),
        (b'{"id": 3, "n": "a"}', "has no field that is known for a text: add it by hand; its fields are id, n"),
    ],
)
def test_records_without_a_known_text_are_left_to_the_user(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "odd.jsonl").write_bytes(content + b"\n")
    found = propose(tmp_path)
    assert found.sources == []
    assert found.notes == [f"odd.jsonl {said}"]


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.parquet", "a.pq"])
def test_every_file_of_records_that_a_source_reads_is_proposed_and_gives_its_chunks(tmp_path: Path, name: str) -> None:
    """Also where a program of another system wrote it: a byte order mark, lines that end with a return, bytes."""
    if "json" in name:
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + b'{"id": 1, "message": "it failed", "level": "warn"}\r\n')
    else:
        held = pa.array([{"raw": b"\xff"}])
        kinds = {"blob": pa.array([b"\xff\x00"]), "held": held, "listed": pa.array([[b"\xff"]]), "level": ["warn"]}
        pq.write_table(pa.table({"id": [1], "message": ["it failed"], **kinds}), tmp_path / name)
    assert not propose(tmp_path).unread
    assert run(app, ["init", str(tmp_path)]).exit_code == 0
    (config,) = load_config(tmp_path / "xtr.yaml").sources
    (chunk,) = open_source(config).read(name)
    assert isinstance(chunk, Chunk) and (chunk.text, chunk.metadata) == ("it failed", '{"level":"warn"}')


def test_documents_are_proposed_as_text(tmp_path: Path) -> None:
    for name in ("a.html", "b.PDF", "c.docx", "d.odp", "e.pptx", "f.epub", "g.odt"):
        (tmp_path / name).write_text("x\n")
    found = propose(tmp_path)
    (source,) = found.sources
    assert (source.fields["kind"], source.seen) == ("text", "6 text files (.html, .docx, .odt, .pptx, .epub, .pdf)")
    assert found.unread == {".odp": 1}
    assert not found.notes


def test_a_folder_with_brackets_is_shown_as_it_is_called(tmp_path: Path) -> None:
    folder = tmp_path / "[id]" / "[bold]"
    folder.mkdir(parents=True)
    (folder / "a.md").write_text("# A\n")
    for arguments, told in (((), f"in {folder}"), ((), f"{folder} already"), (("--force",), f"cd {folder} &&")):
        said = run(app, ["init", str(folder), *arguments]).stderr
        assert told in said.replace("\n", ""), said


HOSTILE = "x\n  - {name: evil, kind: 'python:os:getcwd', path: .}\n  #"


@pytest.mark.parametrize("end", ["\n", "\u2028", "\x85", "\r"])
def test_a_name_of_strangers_writes_no_line_of_the_configuration(tmp_path: Path, end: str) -> None:
    """A field of a record file that somebody sent would have been a source that runs code at the next build."""
    field = HOSTILE.replace("\n", end)
    (tmp_path / "sent.jsonl").write_text(json.dumps({"_id": "1", "text": "x", field: 1}) + "\n")
    result = run(app, ["init", str(tmp_path)])
    assert result.exit_code == 0, result.output
    (source,) = load_config(tmp_path / "xtr.yaml").sources
    assert (source.name, source.metadata) == ("sent", (field,))
    assert "\n  - {name" not in result.output


@pytest.mark.parametrize("name", ["a\x7fb", "a\u2028b", "a\x85b", "\U0001f600", "\ufeffa", "a\u202eb", "r" * 90])
def test_any_name_of_a_file_is_the_path_of_its_source(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    for file in (f"{name}.jsonl", f"{name}/{name}.jsonl", f"{name}/queries.jsonl"):
        (tmp_path / file).write_text('{"_id": "1", "text": "x"}\n')
    result = run(app, ["init", str(tmp_path)])
    assert result.exit_code == 0, result.output
    config = load_config(tmp_path / "xtr.yaml")
    assert config.queries is not None
    found = {one.folder.relative_to(tmp_path).as_posix() for one in config.sources}
    assert found == {f"{name}.jsonl", f"{name}/{name}.jsonl"}
    assert config.queries.path == tmp_path / name / "queries.jsonl"
    assert len({one.name for one in config.sources}) == 2


def test_what_runs_a_project_is_proposed_with_the_hidden_files_that_are_known(tmp_path: Path) -> None:
    for path in (
        ".github/workflows/ci.yml", ".github/CONTRIBUTING.md", ".pre-commit-config.yaml", ".hidden/a.yml", ".env.yml",
        "CMakeLists.txt", "lib/CMakeLists.txt", "Dockerfile", "package.json", "package-lock.json", "pnpm-lock.yaml",
        "secrets.yml", "data.json", "notes.txt", "node_modules/x/package.json", "build.gradle.kts",
    ):  # fmt: skip
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("a: 1\n")
    said = run(app, ["init", str(tmp_path)])
    assert said.exit_code == 0, said.output
    listed = {source.name: open_source(source).listing().files for source in load_config(tmp_path / "xtr.yaml").sources}
    assert listed == {
        "code": ["build.gradle.kts"],
        "documents": ["notes.txt"],
        "configuration": [
            ".github/workflows/ci.yml", ".pre-commit-config.yaml", "CMakeLists.txt", "Dockerfile",
            "lib/CMakeLists.txt", "package.json",
        ],
    }  # fmt: skip
    assert "configuration (config): 6 files that run the project" in said.stderr
    assert "2 .json" in said.stderr and "no suffix" not in said.stderr
