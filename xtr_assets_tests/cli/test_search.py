import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from xtr_assets.search import Searcher
from xtr_assets_tests.cli.answers import document
from xtr_assets_tests.cli.conftest import Command
from xtr_assets_tests.fixtures import make_chunk, new_warehouse

PLACE_KEYS = ["source", "path", "symbol", "start_line", "end_line", "text"]
CHUNK_KEYS = ["id", "kind", "part", "title", "metadata"]
CHUNK_KEYS += ["copies", "also"]
HIT_KEYS = ["rank", "chunk_id", "score", "scores", "confidence", *PLACE_KEYS, *CHUNK_KEYS]
LEGS = {"dense", "xtr", "lexical"}


@pytest.mark.parametrize("mode", ["hybrid", "dense", "xtr", "lexical", "exact"])
def test_search_prints_the_documented_document(run: Command, mode: str) -> None:
    found = document(run, "search", "zebra stripes", "--mode", mode, "-k", "3")
    assert list(found) == ["generation", "mode", "took_ms", "hits"]
    assert (found["generation"], found["mode"]) == (1, mode)
    assert found["took_ms"] > 0
    assert [hit["rank"] for hit in found["hits"]] == [1, 2, 3][: len(found["hits"])]
    assert all(list(hit) == HIT_KEYS for hit in found["hits"])
    best = found["hits"][0]
    assert (best["source"], best["path"]) == ("guide", "animals.md")
    assert "zebra" in best["text"]
    assert (best["id"], best["kind"], best["metadata"]) == (str(best["chunk_id"]), "section", {})
    alone = {"xtr", "dense"} if mode == "xtr" else {mode}
    assert set(best["scores"]) == (alone if mode in LEGS else LEGS)
    scores = [hit["score"] for hit in found["hits"]]
    assert scores == sorted(scores, reverse=True)


def test_a_filter_narrows_the_hits(run: Command) -> None:
    hits = document(run, "search", "zebra", "--where", "source=guide", "--where", "path=glob:t*.md")["hits"]
    assert hits
    assert {hit["path"] for hit in hits} == {"travel.md"}


def test_an_explanation_comes_where_it_was_asked_for(run: Command) -> None:
    hits = document(run, "search", "zebra stripes", "--explain", "-k", "1")["hits"]
    assert list(hits[0]) == [*HIT_KEYS, "explanation"]
    assert set(hits[0]["explanation"]["spaces"]) == LEGS
    assert hits[0]["explanation"]["spaces"]["xtr"]["weight"] == 0.5
    assert "zebra" in [match["token"] for match in hits[0]["explanation"]["tokens"]]


def test_no_hit_tells_what_was_demanded(run: Command) -> None:
    told = " ".join(run("search", 'why "zebra is no horse" +nowhere', "--mode", "lexical").stderr.split())
    assert 'demanded were "zebra is no horse", +nowhere, and no text that passes' in told
    assert "--syntax plain asks without" in told
    for words in (["zebrastripes"], ['"zebrastripes"', "--syntax", "plain"]):
        result = run("search", *words, "--mode", "lexical")
        assert "no hit for" in result.stderr
        assert "demanded" not in result.stderr


def test_people_see_a_table_and_standard_output_stays_empty(run: Command) -> None:
    result = run("search", "zebra stripes", "--explain")
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert "animals.md:" in result.stderr


@pytest.mark.parametrize("arguments", [("zebra", "--where", "colour=red"), ("zebra", "--mode", "psychic")])
def test_a_search_that_cannot_be_is_wrong_use(run: Command, arguments: tuple[str, ...]) -> None:
    result = run("search", *arguments, "--json")
    assert (result.exit_code, result.stdout) == (2, "")


def test_words_without_quotes_are_the_question(run: Command) -> None:
    quoted = document(run, "search", "zebra stripes", "-k", "2")["hits"]
    assert document(run, "search", "zebra", "-k", "2", "stripes")["hits"] == quoted


def test_brackets_in_a_question_are_shown_as_they_are(run: Command) -> None:
    """rich takes `[int]` for a tag, shows nothing of it, and ends at `[/]`."""
    for query in ("zebra list[int] [/]", "zebra [bold]"):
        assert query in run("search", query).stderr
        assert repr(query) in run("search", query, "--where", "path=nowhere").stderr


def test_an_empty_query_finds_nothing(run: Command) -> None:
    assert document(run, "search", " ")["hits"] == []


def test_settings_stand_in_for_the_profile(run: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[dict[str, object]] = []
    search = Searcher.search

    def noted(*arguments: Any, **named: Any) -> Any:
        given.append(named)
        return search(*arguments, **named)

    monkeypatch.setattr(Searcher, "search", noted)
    settings = ("--nprobe", "3", "--ef-search", "40", "--k-prime", "50", "--rescore", "60")
    assert document(run, "search", "zebra", *settings)["hits"]
    asked = {"nprobe": 3, "ef_search": 40, "k_prime": 50, "rescore": 60, "syntax": "terms", "explain": False}
    assert given == [{**asked, "collapse": "text"}]


def test_one_hit_a_symbol_is_asked_for_by_name(run: Command) -> None:
    hits = document(run, "search", "zebra", "--collapse", "symbol")["hits"]
    places = [(hit["source"], hit["path"], hit["symbol"]) for hit in hits]
    assert hits and len(set(places)) == len(places)
    assert run("search", "zebra", "--collapse", "file").exit_code == 2


def test_equal_texts_are_one_hit_unless_somebody_says_otherwise(
    run: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    copies = [make_chunk(f"v{i}/install.md", "Install", "zebra stripes", line=3) for i in range(5)]
    new_warehouse(tmp_path / "w", [*copies, make_chunk("other.md", "Other", "zebra and horse")])
    search = ("search", "zebra stripes", "-w", str(tmp_path / "w"))
    first, second = document(run, *search)["hits"]
    others = sorted({chunk.path for chunk in copies} - {first["path"]})
    assert (first["copies"], second["copies"]) == (4, 0)
    assert [(one["path"], one["start_line"]) for one in first["also"]] == [(path, 3) for path in others]
    assert f"also in {others[0]}:3 and 3 more" in run(*search).stderr
    every = document(run, *search, "--collapse", "none")["hits"]
    assert len(every) == 6 and "copies" not in every[0] and "also in" not in run(*search, "--collapse", "none").stderr
    # While the rest of a generation is still to come nobody knows which texts are equal.
    monkeypatch.setattr(Searcher, "arriving", True)
    assert (
        document(run, *search, "--mode", "dense")["hits"][:5]
        == document(run, *search, "--mode", "dense", "--collapse", "none")["hits"][:5]
    )
    assert "equal texts stand each by itself while" in run(*search, "--mode", "dense").stderr
    assert document(run, *search, "--mode", "dense", "--collapse", "text")["hits"][0]["copies"] == 4


def test_words_are_searched_without_a_model_and_demands_are_kept_or_taken_as_words(
    run: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    for loads in ("xtr_assets.encoders.open_encoder", "xtr_assets.search.searcher.Searcher.load_encoder"):
        monkeypatch.setattr(loads, lambda *_: pytest.fail("a model was loaded"))
    found = document(run, "search", "zebra", "--mode", "lexical")
    assert found["mode"] == "lexical" and found["hits"]
    assert all(set(hit["scores"]) == {"lexical"} and "zebra" in hit["text"].lower() for hit in found["hits"])
    assert document(run, "search", "zebra +nowhere", "--mode", "lexical")["hits"] == []
    plain = document(run, "search", "zebra +nowhere", "--mode", "lexical", "--syntax", "plain")
    assert [hit["chunk_id"] for hit in plain["hits"]] == [hit["chunk_id"] for hit in found["hits"]]


def test_people_and_programs_are_told_what_was_asked_where_the_spelling_was_corrected(run: Command) -> None:
    found = document(run, "search", "zebrra", "--mode", "lexical")
    assert found["corrected"] == "zebra"
    assert found["hits"] == document(run, "search", "zebra", "--mode", "lexical")["hits"]
    assert "asked for 'zebra': no text holds what was typed" in run("search", "zebrra", "--mode", "lexical").stderr
    assert "corrected" not in document(run, "search", "zebrra", "--mode", "lexical", "--syntax", "plain")


@pytest.mark.parametrize(
    "arguments",
    ["--nprobe 0", "--rescore -1", "--nprobe x", "--k-prime 9 --mode dense", "--ef-search 9 --mode xtr",
     "--nprobe 9 --mode exact", "--rescore 9 --mode lexical", "--syntax free"],
)  # fmt: skip
def test_a_setting_that_cannot_be_is_wrong_use(run: Command, arguments: str) -> None:
    result = run("search", "zebra", *arguments.split(), "--json")
    assert (result.exit_code, result.stdout) == (2, "")


def test_no_name_and_no_text_steers_the_terminal(project: Path, change: Command) -> None:
    """Files are anybody's: escapes that clear the screen, set its title, or turn the direction of what follows."""
    wild = "\x1b[2J\x1b]0;title\x07\u202eyp"
    (project / "tools" / "two\nrows.py").write_text("def (:\n")
    (project / "tools" / f"{wild}.py").write_text(f"def wild():\n    return 'zorilla {wild}'\n")
    (project / "tools" / f"{wild}2.py").write_text("def (:\n")
    (project / "sent.jsonl").write_text(json.dumps({"_id": "1", "text": "a zorse", wild: 1}) + "\n")
    config = yaml.safe_load((project / "xtr.yaml").read_text())
    config["sources"].append({"name": "sent", "kind": "records", "path": "sent.jsonl", "metadata": [wild]})
    (project / "xtr.yaml").write_text(yaml.safe_dump(config))
    said = [change("build"), change("status"), change("search", "zorilla"), change("search", wild)]
    assert all(one.exit_code == 0 for one in said), [one.output for one in said]
    refused = change("search", "zorilla", "--where", "nosuch=1")
    assert (refused.exit_code, "nosuch" in refused.stderr) == (2, True)
    assert not set("\x1b\x07\u202e") & set("".join(one.output for one in (*said, refused)))
    assert r"\x1b[2J\x1b]0;title\x07\u202eyp2.py" in said[1].stderr.replace("\n", "").replace(" ", "")
    assert r"two\nrows.py" in said[1].stderr
    assert document(change, "search", "zorilla")["hits"][0]["path"] == f"{wild}.py"


@pytest.mark.parametrize(
    ("addresses", "command"),
    [(400_000_000, ("search", "zebra")), (660_000_000, ("search", "zebra")), (560_000_000, ("push", "store"))],
)
def test_few_addresses_are_an_error_and_no_crash(project: Path, addresses: int, command: tuple[str, ...]) -> None:
    """Under `ulimit -v 400000` and 650000 the BLAS of FAISS ended the process: 139, and not a word. The client of
    stores hung."""
    code = (
        f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({addresses}, {addresses}))\n"
        "from xtr_assets.cli import main; main()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, *command], cwd=project, capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == 1, ended.stderr
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"error: the limit of address space is {addresses // 1024} kB") and "raise it" in line


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't start new thread")])
def test_memory_that_ran_out_is_a_line_and_no_traceback(
    run: Command, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def failing(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr("xtr_assets.storage.verify.verify_warehouse", failing)
    result = run("verify")
    (line,) = result.stderr.splitlines()
    assert result.exit_code == 1 and line.startswith("error: ") and "give the process more memory" in line
    assert run("--debug", "verify").exception is error
