"""The whole graph through Dagster, over a few real modules."""

import shutil
from pathlib import Path

import pytest

from xtr_assets.core.errors import CorruptFile, PublishRefused, SourceError, WarehouseLocked, XtrAssetsError
from xtr_assets.defs import build_project_defs
from xtr_assets.defs.in_process import build
from xtr_assets.defs.names import CORPUS, DERIVED
from xtr_assets.pipeline.derive.neighbor_lists import read_neighbors
from xtr_assets.pipeline.gate.registry import checks_of, requirement
from xtr_assets.pipeline.plan.decide import Decision
from xtr_assets.pipeline.queries import gate_queries
from xtr_assets.search.blend import Blend
from xtr_assets.search.searcher import Searcher
from xtr_assets_tests.defs.conftest import CONFIG, MODULES, STDLIB, Project


def materialized(project: Project) -> list[str]:
    keys = project.instance.all_asset_keys()
    found = {key: project.instance.fetch_materializations(key, limit=1000).records for key in keys}
    return sorted(key.path[-1] for key, records in found.items() for _ in records)


def test_a_first_build_publishes_generation_1_with_every_check(fresh: Project) -> None:
    project = fresh
    result = project.build()

    assert result.ok
    assert (result.generation, result.built, result.published) == (1, 1, True)
    assert result.failed == ()
    generation = project.warehouse.published
    assert generation is not None
    records = {record.name: record for record in generation.check_results()}
    assert set(records) == {check.name for check in checks_of(project.config)}
    assert all(record.passed for record in records.values())
    assert "heappush" in project.symbols()
    assert "insort_left" in project.top("insert item x in list a, and keep it sorted")
    assert sorted(set(materialized(project))) == sorted([*CORPUS, *DERIVED])
    assert result.shards["modules"]["encoded"] == result.live_rows
    assert generation.manifest.profile["hybrid"] == Blend.standard().document()
    with Searcher(project.warehouse, "cpu") as searcher:
        (hit,) = searcher.search("insert item x in list a, and keep it sorted", 1)
    assert set(hit.scores) == {"dense", "name", "xtr", "lexical", "verbatim"}
    assert {"generation", "faiss_index", "xtr_index", "lexical_index"} <= set(generation.manifest.notes["costs"])


def test_a_second_build_with_nothing_changed_materializes_nothing(project: Project) -> None:
    before = materialized(project)

    result = project.build()

    assert result.ok
    assert result.built is None
    assert result.reason.startswith("nothing to do")
    assert result.generation == 1
    assert materialized(project) == before
    # A file that was only touched is read again, and found to be the same.
    (project.modules / "queue.py").touch()
    assert project.build().built is None


def test_added_changed_and_deleted_files_make_a_right_second_generation(project: Project) -> None:
    ids, rows = project.ids(), project.warehouse.generation(1).live_rows
    (project.modules / "queue.py").unlink()
    shutil.copy(STDLIB / "glob.py", project.modules)
    heap = project.modules / "heapq.py"
    heap.write_text(heap.read_text().replace("def heappush(", "def heap_insert("))

    result = project.build()

    assert (result.generation, result.published) == (2, True)
    symbols = project.symbols()
    assert {"glob", "heap_insert"} <= symbols
    assert "heappush" not in symbols
    after = project.ids()
    assert not [place for place in after if place.startswith("queue.py")]
    kept = ids.keys() & after.keys()
    assert len(kept) > rows / 2
    assert all(ids[place] == after[place] for place in kept)
    # Nothing of the deleted file is ever returned, whatever is asked.
    assert not {symbol for symbol in project.top("put an item into the queue", k=1000) if symbol.startswith("Queue")}
    report = result.shards["modules"]
    assert report["files_touched"] == 2
    # Only what is new is encoded.
    assert 0 < report["encoded"] < result.live_rows / 2
    generation = project.warehouse.generation(2)
    assert generation.manifest.notes["costs"]["exact_neighbors"]["dense_carried"] > 0


def test_neighbours_computed_by_delta_equal_those_of_a_full_build(project: Project) -> None:
    (project.modules / "queue.py").unlink()
    shutil.copy(STDLIB / "glob.py", project.modules)
    project.build()
    by_delta = {space: read_neighbors(project.warehouse.generation(2), space) for space in ("dense", "xtr")}
    texts = [query.text for query in gate_queries.read_queries(project.warehouse.generation(2)).queries]

    project.build(full=True)

    whole = project.warehouse.generation(3)
    again = [query.text for query in gate_queries.read_queries(whole).queries]
    common = [(texts.index(text), again.index(text)) for text in texts if text in again]
    assert len(common) >= 8
    for space, found in by_delta.items():
        full = read_neighbors(whole, space)
        for mine, other in common:
            assert found.rows[mine, :10].tolist() == full.rows[other, :10].tolist()


def test_a_change_is_not_told_the_ingest_of_the_generation_before(fresh: Project) -> None:
    fresh.build()
    (fresh.modules / "queue.py").write_text("def put(x):\n    return x\n")
    costs = fresh.build().costs
    assert (costs["ingest.chunks"]["runs"], costs["ingest.encode"]["runs"]) == (1, 1)
    assert costs["ingest.encode"]["encoded"] == 1


def test_a_build_of_names_alone_says_what_it_encoded(fresh: Project) -> None:
    with_names = CONFIG.format(name="small")
    fresh.configure(with_names.replace("path: modules", "path: modules, names: false"))
    first = fresh.build().costs["ingest.encode"]
    assert (first["runs"], first["named"]) == (1, 0)
    fresh.configure(with_names)

    result = fresh.build()

    assert (result.built, result.published) == (2, True)
    named, chunked = result.costs["ingest.encode"], result.costs["ingest.chunks"]
    assert (named["runs"], named["encoded"], chunked["runs"]) == (1, 0, 0)
    assert 0 < named["named"] <= result.live_rows
    assert named["cpu_seconds"] > 0 and named["bytes"] > 0


@pytest.mark.long
def test_a_full_build_encodes_nothing_twice(project: Project) -> None:
    result = project.build(full=True)
    assert (result.built, result.published) == (2, True)
    assert result.shards["modules"]["files_touched"] == len(MODULES)
    assert result.shards["modules"]["encoded"] == 0


def test_what_another_release_wrote_in_other_formats_is_built_anew(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xtr_assets.pipeline.plan.index_settings.POSTINGS_FORMAT", 99)
    result = project.build()
    assert (result.built, result.published) == (2, True)
    assert result.reason == "generation 1 was written by another release, in other formats"
    assert result.shards == {}, "nothing is chunked or encoded again"
    assert project.build().built is None


def test_a_failing_recall_check_leaves_the_published_generation(project: Project) -> None:
    answers = project.top("split text into lines of a given width")
    project.configure(CONFIG.format(name="small").replace("queries: 10", "queries: 10, dense: 1.01"))

    result = project.build()

    assert not result.ok
    assert (result.built, result.published, result.generation) == (2, False, 1)
    failed = {check.name: check for check in result.failed}
    assert failed["dense_recall"].blocking
    assert failed["dense_recall"].threshold == 1.01
    assert failed["dense_recall"].value == 1.0
    assert project.published == 1
    assert project.top("split text into lines of a given width") == answers
    with pytest.raises(PublishRefused, match="dense_recall"):
        project.warehouse.publish(2, required=requirement(project.config))
    assert project.published == 1


def test_publish_itself_refuses_a_draft_whose_bytes_are_not_those_that_were_checked(fresh: Project) -> None:
    project = fresh
    project.configure(CONFIG.format(name="small").replace("queries: 10", "queries: 10, xtr: 1.01"))
    project.build()
    draft = project.warehouse.open_draft(1)
    draft.record_check("xtr_recall", passed=True, value=1.0, threshold=0.9, subject=("xtr",))
    with draft.writing("dense.faiss") as path:
        path.write_bytes(b"something else")

    with pytest.raises(PublishRefused, match="other bytes"):
        project.warehouse.publish(1, required=requirement(project.config))
    assert project.warehouse.published is None


@pytest.mark.long
def test_a_rolled_back_generation_is_not_built_again_until_something_changes(project: Project) -> None:
    (project.modules / "queue.py").unlink()
    project.build()
    project.warehouse.rollback()

    result = project.build()

    assert result.ok
    assert result.built is None
    assert "rolled back" in result.reason
    assert project.published == 1
    shutil.copy(STDLIB / "glob.py", project.modules)
    result = project.build()
    assert (result.built, result.published) == (3, True)
    # Built from what served, with all that changed since.
    assert project.warehouse.generation(3).parent == 1
    assert "glob" in project.symbols()
    assert not [symbol for symbol in project.symbols() if symbol.startswith("Queue")]


@pytest.mark.long
def test_a_corpus_that_returns_to_an_earlier_state_is_built_again(project: Project) -> None:
    shutil.copy(STDLIB / "glob.py", project.modules)
    project.build()
    (project.modules / "glob.py").unlink()

    result = project.build()

    assert (result.built, result.published) == (3, True)
    assert "glob" not in project.symbols()


def test_a_source_that_is_cut_otherwise_left_the_configuration_in_no_build(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor in the one after a refusal, which ingests nothing."""
    monkeypatch.setattr("xtr_assets.defs.in_process.decide", lambda *_, **__: Decision(False, "it waits"))
    cut = CONFIG.format(name="small").replace("path: modules", "path: modules, shards: 2")
    project.configure(cut)
    results = project.build(), project.build()
    assert [len(one.shards) for one in results] == [2, 0]
    assert {(one.retired, one.left) for one in results} == {(("modules",), ())}
    project.configure(cut.replace("name: modules", "name: code"))
    assert project.build().left == ("modules",)


def test_the_rollback_job_moves_the_pointer_back(project: Project) -> None:
    (project.modules / "queue.py").unlink()
    project.build()
    defs = build_project_defs([project.config])

    result = defs.resolve_job_def("rollback").execute_in_process(instance=project.instance)

    assert result.success
    assert project.published == 1


@pytest.mark.long
def test_a_build_that_died_leaves_what_serves_and_the_next_one_is_clean(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project.modules / "queue.py").unlink()

    def die(*_: object, **__: object) -> None:
        raise MemoryError("no more")

    with monkeypatch.context() as patch, pytest.raises(XtrAssetsError, match=r"xtr_index.*no more"):
        patch.setattr("xtr_assets.defs.assets.xtr_index.derive_tokens", die)
        project.build()
    assert project.published == 1
    assert [g.state for g in project.warehouse.generations()] == ["published", "draft"]

    result = project.build()

    assert (result.built, result.published) == (3, True)
    assert not [symbol for symbol in project.symbols() if symbol.startswith("Queue")]
    assert project.warehouse.verify().ok


def test_a_source_that_vanished_is_an_error_and_never_an_empty_corpus(project: Project) -> None:
    shutil.rmtree(project.modules)
    with pytest.raises(SourceError, match="modules"):
        project.build()
    assert project.published == 1


def test_a_second_builder_is_told_who_holds_the_lock(project: Project, tmp_path: Path) -> None:
    import subprocess
    import sys

    code = (
        "import sys; from xtr_assets.storage.warehouse import Warehouse\n"
        f"with Warehouse.open({str(project.config.warehouse)!r}).lock('another build'):\n"
        "    print('held', flush=True); sys.stdin.readline()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == b"held"
        with pytest.raises(WarehouseLocked, match=rf"another build.*{holder.pid}"):
            build(project.config, project.instance)
        holder.communicate(b"\n")
    assert project.build().ok


def test_a_quarantined_file_stays_visible_and_the_rest_goes_on(project: Project) -> None:
    (project.modules / "broken.py").write_text("def f(:\n")
    result = project.build()
    assert result.published
    assert result.shards["modules"]["quarantined"] == 1
    snapshot = project.warehouse.snapshot("modules")
    assert snapshot is not None
    assert [(entry.path, entry.reason) for entry in snapshot.quarantine] == [("broken.py", "unparsable")]


def test_a_corpus_of_one_chunk_and_one_of_none_can_be_published(fresh: Project) -> None:
    project = fresh
    for name in MODULES:
        (project.modules / name).unlink()
    (project.modules / "one.py").write_text("x = 1\n")
    one = project.build()
    assert (one.live_rows, one.published) == (1, True)
    (project.modules / "one.py").write_text("")
    emptied = project.build()
    assert [check.name for check in emptied.failed] == ["nothing_vanished"] and emptied.generation == one.generation
    none = build(project.config, project.instance, accept_shrink=["modules"])
    assert (none.live_rows, none.published, none.accepted) == (0, True, ("modules",))
    assert project.top("anything") == []


def test_judgments_are_asked_and_a_surely_worse_generation_is_refused(project: Project) -> None:
    symbols = ["insort_left", "heappush", "wrap", "Queue.put", "nlargest", "bisect_right", "dedent", "Queue.get"]
    texts = {
        "insort_left": "Insert item x in list a, and keep it sorted assuming a is sorted",
        "heappush": "Push item onto heap, maintaining the heap invariant",
        "wrap": "Wrap a single paragraph of text, returning a list of wrapped lines",
        "Queue.put": "Put an item into the queue",
        "nlargest": "Find the n largest elements in a dataset",
        "bisect_right": "Return the index where to insert item x in list a",
        "dedent": "Remove any common leading whitespace from every line in text",
        "Queue.get": "Remove and return an item from the queue",
    }
    lines = [f'{{"_id": "q-{symbol}", "text": "{texts[symbol]}"}}' for symbol in symbols]
    (project.folder / "queries.jsonl").write_text("\n".join(lines) + "\n")
    judged = ["query-id\tcorpus-id\tscore", *(f"q-{symbol}\t{symbol}\t1" for symbol in symbols)]
    (project.folder / "qrels.tsv").write_text("\n".join(judged) + "\n")
    project.configure(CONFIG.format(name="small") + "queries: {path: queries.jsonl, judgments: qrels.tsv}\n")
    assert project.build().published
    record = project.warehouse.generation(2).manifest.checks["judged_quality"]
    assert record.value is not None
    assert record.value > 0.5
    assert record.details["hybrid"]["queries"] == len(symbols)

    # A floor that nothing reaches refuses, whatever served before; the best so far is kept from record to record.
    asked = "queries: {path: queries.jsonl, judgments: qrels.tsv, floor: 1.0}\n"
    project.configure(CONFIG.format(name="small") + asked)
    (project.modules / "more.py").write_text("def more():\n    return 1\n")
    refused = project.build()
    (verdict,) = [check for check in refused.failed if check.name == "judged_quality"]
    assert "`queries.floor` asks for 1" in verdict.summary
    assert refused.built is not None
    kept = project.warehouse.generation(refused.built).manifest.checks["judged_quality"].details["best"]
    assert (kept["generation"], kept["per_query"]) == (2, record.details["per_query"])
    project.configure(CONFIG.format(name="small") + "queries: {path: queries.jsonl, judgments: qrels.tsv}\n")

    for module in ("bisect.py", "heapq.py", "textwrap.py"):
        (project.modules / module).write_text("def nothing():\n    return 0\n")
    result = project.build()

    assert not result.published
    assert "judged_quality" in {check.name for check in result.failed if check.blocking}
    assert project.published == 2


def test_what_a_step_raised_is_raised_itself(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    (project.modules / "queue.py").unlink()
    damaged = CorruptFile("segments/a/embeddings.npy", "sha256 aa", "sha256 bb")

    def finds_damage(*_: object, **__: object) -> None:
        raise damaged

    monkeypatch.setattr("xtr_assets.defs.assets.xtr_index.derive_tokens", finds_damage)
    with pytest.raises(CorruptFile) as caught:
        project.build()
    assert caught.value is damaged
