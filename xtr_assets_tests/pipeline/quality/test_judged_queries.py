from pathlib import Path
from typing import Any

import pytest

from xtr_assets.core.errors import ConfigError
from xtr_assets.pipeline.quality.evaluation import evaluate
from xtr_assets.pipeline.quality.judged_queries import (
    UNITS,
    JudgedQueries,
    document_names,
    missing_documents,
    named_by,
    read_folder,
    read_log,
)
from xtr_assets.pipeline.queries.gate_queries import read_jsonl_queries
from xtr_assets.search.searcher import Searcher
from xtr_assets_tests.fixtures import make_chunk, new_warehouse


def beir(folder: Path, queries: str, qrels: str) -> Path:
    (folder / "queries.jsonl").write_text(queries)
    (folder / "qrels.tsv").write_text(qrels)
    return folder


def test_a_folder_in_beir_form_keeps_what_is_asked_and_judged(tmp_path: Path) -> None:
    queries = '{"_id": "1", "text": "one"}\n{"_id": "2", "text": "two"}\n\n{"_id": "3", "text": "three"}\n'
    judged = read_folder(beir(tmp_path, queries, "query-id\tcorpus-id\tscore\n1\ta\t2\n1\tb\t0\n3\tc\t0\n9\ta\t1\n"))
    assert judged.texts == {"1": "one"}
    assert judged.grades == {"1": {"a": 2.0, "b": 0.0}}
    assert not judged.synthetic
    assert judged.documents == {"a", "b"}


@pytest.mark.parametrize("score", ["1", "1.0", "1e0", " 1.0 "])
def test_a_file_of_judgments_may_begin_with_one(tmp_path: Path, score: str) -> None:
    queries = '{"_id": "1", "text": "one"}\n{"_id": "2", "text": "two"}\n'
    judged = read_folder(beir(tmp_path, queries, f"1\ta\t{score}\n2\tb\t1\n"))
    assert judged.grades == {"1": {"a": 1.0}, "2": {"b": 1.0}}


@pytest.mark.parametrize(
    ("qrels", "said"),
    [
        ("query-id\tcorpus-id\tscore\n1\ta\n", "line 2"),
        ("query-id\tcorpus-id\tscore\n1\ta\tnan\n", "line 2"),
        ("1\ta\t0\n", "no positive judgment"),
        # TREC's four columns, a table of commas and a tab too many were taken for a header: a judgment was lost.
        ("1\t0\ta\t1\n1\ta\t1\n", "line 1: .*'0', 'a', '1'"),
        ("1,a,1\n1\ta\t1\n", "line 1"),
        ("1\ta\t1\t\n1\tb\t1\n", "line 1"),
        # Every chunk without a symbol would be right.
        ("1\t\t1\n", "line 1"),
        ("9\ta\t1\n", "the ids must be the same"),
    ],
)
def test_wrong_judgments_are_named(tmp_path: Path, qrels: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_folder(beir(tmp_path, '{"_id": "1", "text": "one"}\n', qrels))


def test_one_id_of_two_texts_is_named(tmp_path: Path) -> None:
    """The last one was judged by what the first had been."""
    twice = '{"_id": "1", "text": "one"}\n{"_id": 1, "text": "one"}\n'
    assert read_folder(beir(tmp_path, twice, "1\ta\t1\n")).texts == {"1": "one"}
    with pytest.raises(ConfigError, match="the id '1' asks 'one' and 'two'"):
        read_folder(beir(tmp_path, twice + '{"_id": "1", "text": "two"}\n', "1\ta\t1\n"))


def test_a_log_adds_up_what_was_right_for_a_text(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(
        '{"text": "a date", "clicked": ["x"]}\n{"query": "a date ", "relevant": {"y": 2, "x": 1}}\n'
        '{"text": "nobody clicked"}\n{"text": "", "clicked": ["x"]}\n'
    )
    judged = read_log(log)
    assert judged.grades == {"a date": {"x": 1.0, "y": 2.0}}
    assert judged.texts == {"a date": "a date"}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('{"text": "a", "clicked": "x"}', "line 1"),
        ('\n{"clicked": ["x"]}', "line 2"),
        ("[]", "line 1"),
        ('{"text": "a"', "line 1"),
        ('{"text": "a", "relevant": {"x": "Infinity"}}', "line 1"),
        ('{"text": "a"}', "names no right answer"),
        # Neither is asked as the word None, nor is half a character asked.
        ('{"text": null, "relevant": ["x"]}', "line 1.*a null"),
        ('{"text": "a", "relevant": [null]}', "line 1.*a null"),
        ('{"text": ["a"], "relevant": ["x"]}', "line 1.*a text is needed"),
        ('{"text": "a", "relevant": [""]}', "line 1.*an empty id"),
        ('{"text": "a\\ud800", "relevant": ["x"]}', "line 1"),
        ("", "names no right answer"),
    ],
)
def test_a_log_that_is_wrong_is_named_by_its_line(tmp_path: Path, lines: str, said: str) -> None:
    (tmp_path / "log.jsonl").write_text(lines)
    with pytest.raises(ConfigError, match=said):
        read_log(tmp_path / "log.jsonl")


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_bytes(b'{"text": "\xff"}')
    with pytest.raises(ConfigError, match="no UTF-8"):
        read_log(tmp_path / "log.jsonl")
    with pytest.raises(ConfigError, match="no UTF-8"):
        read_jsonl_queries(tmp_path / "log.jsonl")


def test_a_mark_of_byte_order_is_no_part_of_the_first_query(tmp_path: Path) -> None:
    judged = read_folder(beir(tmp_path, '\ufeff{"_id": "1", "text": "one"}\n', "\ufeff1\ta\t1\n"))
    assert (judged.texts, judged.grades) == ({"1": "one"}, {"1": {"a": 1.0}})


@pytest.mark.parametrize(
    "line", ['{"_id": "1", "text": null}', '{"_id": null, "text": "a"}', '{"_id": "1", "text": ["a"]}']
)
def test_what_is_no_text_is_no_query(tmp_path: Path, line: str) -> None:
    (tmp_path / "queries.jsonl").write_text(f"{line}\n")
    with pytest.raises(ConfigError, match=r"line 1.*a (null|text is needed)"):
        read_jsonl_queries(tmp_path / "queries.jsonl")


def test_a_chunk_is_called_by_what_is_judged_first() -> None:
    rows: dict[str, list[Any]] = {
        "symbol": ["f", "f", "", ""],
        "path": ["a.py", "b.py", "c.md", "d.md"],
        "chunk_id": [1, 2, 3, 4],
    }
    assert document_names(rows, {"b.py", "3"}) == ["a.py f", "b.py", "3", "d.md"]
    assert document_names(rows, {"f", "b.py"}) == ["f", "f", "c.md", "d.md"]


def test_where_files_are_judged_every_document_is_a_file(tmp_path: Path) -> None:
    """A file that nobody judged counted as many as it has sections, one that was judged once; and the introductions
    of all files that nobody judged were one document."""
    pages = {"b.md": ("Intro", "Use", "More"), "c.md": ("Intro",), "a.md": ("Intro", "Use")}
    chunks = [
        make_chunk(path, symbol, f"zebra {'zebra ' * (9 - len(path) - at)}{path} {symbol} {at}")
        for path, symbols in pages.items()
        for at, symbol in enumerate(symbols)
    ]
    judged = JudgedQueries({"q": "zebra"}, {"q": {"a.md": 1.0}}, "here")
    with Searcher(new_warehouse(tmp_path / "w", chunks), "cpu") as searcher:
        hits = searcher.search("zebra", 10, "lexical")
        found = evaluate(searcher, judged, ("lexical",))
        files = list(dict.fromkeys(hit.path for hit in hits))
        assert len(hits) == 6 and found.legs["lexical"].top == (tuple(files),)
        assert found.legs["lexical"].values["mrr@10"].tolist() == [1 / (1 + files.index("a.md"))]
        with searcher.opened() as opened:
            assert named_by(opened.generation, {"a.md", "Use", f"{hits[0].chunk_id}", "?"}).keys() == set(UNITS)
            # What was judged wrong is in it, and no right answer is: each figure would be 0, and pass.
            wrong = JudgedQueries({"q": "zebra"}, {"q": {"a.md": 0.0, "gone.md": 2.0}}, "here")
            with pytest.raises(ConfigError, match=r"none of the 1 documents that here judges right .* 'gone\.md'"):
                missing_documents(wrong, opened.generation)
