"""`parts`: a set from nothing to a rollback, by the command alone; and what takes a set in place of a warehouse."""

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from xtr_assets.cli import app
from xtr_assets.config import IndexConfig
from xtr_assets.core.errors import SourceError
from xtr_assets.defs import in_process
from xtr_assets.defs.in_process import BuildResult
from xtr_assets.storage.parts import part_set
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.cli.conftest import enter
from xtr_assets_tests.fixtures import make_chunk, publish_chunks


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments])


def build(folder: str, part: str, said: str) -> None:
    chunks = [make_chunk(f"{part}{i}.py", f"f{i}", f"{said} text {i}") for i in range(3)]
    publish_chunks(PartSet.open(folder).warehouse(part), chunks, shard=f"shard-{part}", recipe="Flat")


def test_a_set_from_nothing_to_a_rollback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(tmp_path, monkeypatch)
    assert run("parts", "init", "set", "--most-chunks", "4").exit_code == 0
    placed = run("parts", "place", "set", "shard-part-0001=3", "shard-part-0002=3", "--json")
    assert json.loads(placed.stdout) == {"shard-part-0001": "part-0001", "shard-part-0002": "part-0002"}
    refused = run("parts", "publish", "set")
    assert refused.exit_code == 1 and "part part-0001: it has published nothing" in refused.stderr
    for part in ("part-0001", "part-0002"):
        build("set", part, "zebra")
    refused = run("parts", "publish", "set")
    assert refused.exit_code == 1 and refused.stderr.count("was forced past its own gate") == 2
    published = run("parts", "publish", "set", "--force", "no gate here", "--json")
    assert json.loads(published.stdout)["move"] == 1
    search = ("search", "zebra text", "-k", "9", "-w", "set", "--json")
    # Both parts hold the same texts.
    once = json.loads(run(*search).stdout)["hits"]
    assert len(once) == 3 and all(hit["also"][0]["path"][:9] != hit["path"][:9] for hit in once)
    found = json.loads(run(*search, "--collapse", "none").stdout)
    assert found["generation"] == 1 and len({hit["path"][:9] for hit in found["hits"]}) == 2 and len(found["hits"]) == 6
    build("set", "part-0002", "giraffe")
    status = json.loads(run("parts", "status", "set", "--json").stdout)
    assert [(one["part"], one["generation"], one["serves"], one["share"]) for one in status["parts"]] == [
        ("part-0001", 1, 1, 0.75),
        ("part-0002", 1, 2, 0.75),
    ]
    assert status["move"] == 1 and status["live_rows"] == 6
    assert run("parts", "publish", "set", "--force", "no gate here").exit_code == 0
    PartSet.open("set").warehouse("part-0002").withdraw(2, "bad")
    status = json.loads(run("parts", "status", "set", "--json").stdout)
    assert status["parts"][0]["problem"] is None and "generation 2 was withdrawn" in status["parts"][1]["problem"]
    told = run("rollback", "-w", "set", "--reason", "worse")
    assert told.exit_code == 0 and "move 3 serves 6 chunks (part-0001: 1, part-0002: 1)" in told.stderr
    verified = json.loads(run("verify", "-w", "set", "--json").stdout)
    assert verified["ok"] and verified["files"] > 10
    assert json.loads(run("verify", "1", "-w", "set", "--json").stdout)["files"] < verified["files"]
    kept = json.loads(run("gc", "--keep", "1", "--dry-run", "-w", "set", "--json").stdout)
    assert kept["part-0002"]["kept"] == [1] and kept["part-0002"]["dry_run"]
    health = json.loads(run("health", "-w", "set", "--json").stdout)
    assert health["ok"] and health["move"] == 3 and set(health["parts"]) == {"part-0001", "part-0002"}
    moves = json.loads(run("generations", "-w", "set", "--json").stdout)
    assert [(one["number"], one["to"], one["parts"]["part-0002"]["generation"], one["live_rows"]) for one in moves] == [
        (1, None, 1, 6),
        (2, None, 2, 6),
        (3, 1, 1, 6),
    ]
    listed = " ".join(run("generations", "-w", "set").stderr.split())
    assert "rolled_back to 1" in listed and listed.count("serves") == 1
    damaged = next((tmp_path / "set" / "parts" / "part-0001" / "segments").rglob("chunks.parquet"))
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    (tmp_path / "set" / "moves" / "00000002.json").unlink()
    told = json.loads(run("verify", "-w", "set", "--json").stdout)
    places = [one["path"] for one in told["problems"]]
    assert not told["ok"] and "moves/00000002.json" in places
    assert any(one.startswith("parts/part-0001/segments/") and one.endswith("chunks.parquet") for one in places)
    assert run("health", "-w", "set").exit_code == 1
    (tmp_path / "set" / "parts" / "part-0002").rename(tmp_path / "elsewhere")
    told = json.loads(run("verify", "-w", "set", "--json").stdout)
    assert "parts/part-0002/warehouse.json" in [one["path"] for one in told["problems"]]


def test_a_build_of_parts_tells_of_each_and_of_the_move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(tmp_path, monkeypatch)
    (tmp_path / "xtr.yaml").write_text(
        "name: docs\nparts: {}\nsources: [{name: a, kind: text, path: a}, {name: b, kind: text, path: b}]\n"
        "encoder: {kind: hashing}\n"
    )

    def work(config: IndexConfig, _: object, *, prefix: str, **asked: object) -> BuildResult:
        if prefix == "part_0002_":
            raise SourceError("the source b is away")
        assert config.name == "docs_part_0001" and asked["full"] is True
        return BuildResult(generation=None, built=1, published=False, reason="nothing serves", live_rows=4)

    monkeypatch.setattr(in_process, "build", work)
    done = run("build", "--full")
    said = " ".join(done.stderr.split())
    assert done.exit_code == 1
    for told in ("refused generation 1", "failed: the source b is away", "not moved: part part-0001 serves nothing"):
        assert told in said
    document = json.loads(run("build", "--full", "--json").stdout)
    assert not document["ok"] and document["errors"] == {"part-0002": "the source b is away"}
    assert json.loads(run("status", "--json").stdout)["shards"] == {"a": "part-0001", "b": "part-0002"}
    assert run("parts", "move", "warehouse", "b", "part-0001").exit_code == 0
    assert json.loads(run("parts", "status", "warehouse", "--json").stdout)["shards"]["b"] == "part-0001"


def test_a_set_goes_through_a_store_and_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(tmp_path, monkeypatch)
    run("parts", "init", "set")
    for part in ("a", "b"):
        run("parts", "add", "set", part)
        build("set", part, "zebra")
    run("parts", "publish", "set", "--force", "no gate here")
    assert json.loads(run("push", "store", "-w", "set", "--json").stdout)["push"] == 1
    assert "already (push 1)" in run("push", "store", "-w", "set").stderr
    assert run("pull", "store", "-w", "front", "--moves").exit_code == 0
    assert run("pull", "store/parts/a", "-w", "one", "--part", "a").exit_code == 2
    looks = iter(range(3))

    def sleep(seconds: float) -> None:
        assert seconds == 7.0
        look = next(looks)
        if look == 0:
            build("set", "a", "giraffe")
            run("parts", "publish", "set", "--force", "no gate here")
            run("push", "store", "-w", "set")
        elif look == 1:
            (tmp_path / "store").rename(tmp_path / "away")
        else:
            raise KeyboardInterrupt

    monkeypatch.setattr("xtr_assets.cli.pull.sleep", sleep)
    followed = run("pull", "store", "-w", "host", "--part", "a", "--follow", "7")
    told = " ".join(followed.stderr.split())
    assert "pulled move 1 of" in told and "pulled move 2 of" in told and "away" not in told and "store" in told
    assert followed.exit_code != 0 and json.loads(run("parts", "status", "host", "--json").stdout)["move"] == 2
    found = json.loads(run("search", "giraffe", "-k", "1", "-w", "host/parts/a", "--json").stdout)
    assert "giraffe" in found["hits"][0]["text"] and found["generation"] == 2


def test_what_is_shown_of_a_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(tmp_path, monkeypatch)
    assert run("parts", "init", "set").exit_code == 0
    run("parts", "add", "set", "part-0002")
    build("set", "part-0002", "zebra")
    run("parts", "publish", "set", "--force", "no gate here")
    shown = run("parts", "status", "set")
    assert "part-0002" in shown.stderr and "move 1: published" in shown.stderr
    assert "sources unknown here" in " ".join(shown.stderr.split())


def test_a_set_is_evaluated_as_the_one_index_of_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(tmp_path, monkeypatch)
    run("parts", "init", "set")
    every = [
        make_chunk(f"{part}{i}.py", f"f{i}", f"{part} text {i}") for part in ("zebra", "giraffe") for i in range(3)
    ]
    publish_chunks(Warehouse.create("one"), every, recipe="Flat")
    for part in ("zebra", "giraffe"):
        run("parts", "add", "set", part)
        own = [chunk for chunk in every if chunk.path.startswith(part)]
        publish_chunks(PartSet.open("set").warehouse(part), own, shard=part, recipe="Flat")
    run("parts", "publish", "set", "--force", "no gate here")
    Path("queries.jsonl").write_text('{"_id": "1", "text": "zebra"}\n{"_id": "2", "text": "giraffe text 2"}\n')
    Path("qrels.tsv").write_text("query-id\tcorpus-id\tscore\n1\tzebra1.py\t1\n2\tgiraffe2.py\t1\n")
    found = [json.loads(run("evaluate", ".", "-w", where, "--json").stdout) for where in ("set", "one")]
    assert found[0] == found[1] and found[0]["queries"] == 2 and found[0]["modes"]["hybrid"]["success@1"] >= 0.5


def test_wrong_use_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(tmp_path, monkeypatch)
    assert run("parts", "init", "set").exit_code == 0
    assert run("parts", "place", "set", "docs").exit_code == 2
    assert run("parts", "place", "set", "docs=-4").exit_code == 2
    for arguments, told in (
        (("parts", "status", "nowhere"), "no set of parts at nowhere"),
        (("parts", "publish", "set"), "the set has no part"),
        (("search", "zebra", "-w", "set"), "parts publish"),
        (("tune", "-w", "set"), "is a set of parts, and no warehouse"),
        (("withdraw", "1", "--part", "a", "--reason", "bad", "-w", "set"), "no warehouse at"),
        (("diff", "1", "2", "-w", "set"), "no move yet"),
        (("publish", "1", "-w", "set"), "no move yet"),
        (("export", "copy", "-w", "set"), "`xtr-assets parts publish` first"),
    ):
        done = run(*arguments)
        assert done.exit_code == 1 and told in " ".join(done.stderr.split()), (arguments, done.stderr)


def test_a_judged_set_is_published_by_the_configuration_that_judges_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a folder alone nobody knows what its moves were asked."""
    enter(tmp_path, monkeypatch)
    monkeypatch.setattr(part_set, "set_problems", lambda *_, **__: [])
    run("parts", "init", "set")
    run("parts", "place", "set", "shard-part-0001=3")
    build("set", "part-0001", "zebra")
    Path("queries.jsonl").write_text('{"_id": "1", "text": "zebra text 1"}\n')
    Path("qrels.tsv").write_text("1\tpart-00011.py\t1\n")
    judged = "queries: {path: queries.jsonl, judgments: qrels.tsv, floor: 0.2}\nencoder: {kind: hashing}\n"
    # Of a part's own configuration, which somebody names for the whole, as of that of the set.
    Path("judged.yaml").write_text(f"warehouse: elsewhere\n{judged}sources: [{{name: a, kind: text, path: .}}]\n")
    published = run("parts", "publish", "set", "--config", "judged.yaml", "--json")
    (check,) = json.loads(published.stdout)["history"]["checks"]
    assert (check["name"], check["passed"], check["threshold"]) == ("judged_quality", True, 0.2)
    build("set", "part-0001", "giraffe")
    refused = run("parts", "publish", "set")
    assert refused.exit_code == 1 and "was asked 'judged_quality'" in refused.stderr and "--config" in refused.stderr
    assert run("parts", "publish", "set", "--config", "judged.yaml").exit_code == 0
    moves = json.loads(run("generations", "-w", "set", "--json").stdout)
    assert [len(move["checks"]) for move in moves] == [1, 1]
    # Who forced something else is told what else the reason let pass.
    Path("judged.yaml").write_text(Path("judged.yaml").read_text().replace("0.2", "1.0"))
    Path("queries.jsonl").write_text('{"_id": "1", "text": "giraffe text 2"}\n')
    forced = run("parts", "publish", "set", "--config", "judged.yaml", "--force", "it was meant")
    assert forced.exit_code == 0
    assert "check 'judged_quality' did not pass: nDCG@10" in " ".join(forced.stderr.split())
