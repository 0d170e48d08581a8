"""`lexical_agrees`, and lexical postings in `rows_everywhere`: silent on healthy drafts, loud where words are wrong."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xtr_assets.core import file_language
from xtr_assets.core.file_language import language_of
from xtr_assets.core.lexical_terms import document_terms, numbered_terms, query_terms
from xtr_assets.core.phrases import holds_phrase
from xtr_assets.index.lexical.index import LexicalIndex
from xtr_assets.pipeline.derive.lexical_index import LEXICAL_FOLDER
from xtr_assets.pipeline.gate import file_truth, lexical_agrees, rows_everywhere, term_truth
from xtr_assets.pipeline.gate.demand_truth import folded, stands
from xtr_assets.pipeline.gate.lexical_truth import nth_largest
from xtr_assets.search.query_encoder import QueryEncoder
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import make_chunk, write_shard
from xtr_assets_tests.pipeline.gate.drafts import (
    built,
    changed,
    newest_segment,
    session_of,
    whole_draft,
    with_array,
)

STRANGE = [
    "", "...", "a", "ÄÖ größe Straße ﬁne İstanbul \u0131I", "数据库 and 数 データベース ー 한국어 ไทย", "e\u0301" * 40,
    "x" * 700, ".".join("abcdefghijkl"), "HTTPServer2_x __init__ a1b2c3d4e5f6g7h8i9 getUserName URLs",
    "\x00 \u200b soft\u00adhyphen \ufeff", "שָׁלוֹם مُحَمَّد Ελλάδα", "😀 👍🏽 e\ud800 half", "word " * 70_000,
]  # fmt: skip


@pytest.fixture(scope="module")
def strange(tmp_path_factory: pytest.TempPathFactory) -> tuple[Warehouse, Draft]:
    warehouse = Warehouse.create(tmp_path_factory.mktemp("strange") / "w")
    texts = [one.encode("utf-8", "replace").decode() for one in STRANGE]
    write_shard(warehouse, "code", [make_chunk(f"p{i}/é{i}.py", f"s{i}.t", text) for i, text in enumerate(texts)])
    return warehouse, whole_draft(warehouse, "Flat")


def test_healthy_drafts_pass_first_changed_and_compacted(tmp_path: Path) -> None:
    warehouse, draft = changed(tmp_path / "w", "Flat")
    found = lexical_agrees.check(session_of(warehouse, draft))
    assert found.passed, found.details["problems"]
    assert found.details["new_rows"] == 40 and found.details["rows"] == 168 and found.details["skipped"] == 0
    warehouse.publish(draft.number, force_reason="no gate in this test")
    warehouse.compact(warehouse.plan_compaction())
    again = whole_draft(warehouse, "Flat")
    assert lexical_agrees.check(session_of(warehouse, again)).passed
    write_shard(warehouse, "code", [])
    empty = lexical_agrees.check(session_of(warehouse, whole_draft(warehouse, "Flat")))
    assert empty.passed and empty.details["rows"] == 0


def test_strange_texts_pass(strange: tuple[Warehouse, Draft]) -> None:
    for check in (lexical_agrees.check, rows_everywhere.check):
        found = check(session_of(*strange))
        assert found.passed, (found.summary, found.details)


def _array(draft: Draft, name: str) -> str:
    return f"segments/{newest_segment(draft)[1]}/{LEXICAL_FOLDER}/{name}.npy"


def _slip(documents: np.ndarray, lists: np.ndarray, rows: int) -> np.ndarray:
    parts = [np.sort((one + 1) % rows) for one in np.split(documents, lists[1:-1])]
    return np.concatenate(parts).astype(np.int32)


FAULTS: dict[str, tuple[str, Callable[[np.ndarray], np.ndarray], str]] = {
    "counts are lost": (
        "counts",
        lambda a: np.where(np.arange(len(a)) == 3, a + 1, a).astype("u2"),
        "count other words",
    ),
    "a length is wrong": (
        "lengths",
        lambda a: np.where(np.arange(len(a)) == 2, a + 1, a).astype("i4"),
        "count other words",
    ),
    "rows lie outside": ("documents", lambda a: np.where(np.arange(len(a)) == 5, 2**30, a).astype("i4"), "lie outside"),
    "lists without bounds": ("lists", lambda a: a[::-1].copy(), "without bounds"),
    "a row fewer": ("lengths", lambda a: a[:-1], "another number"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_lists_that_no_rows_fit_are_refused_by_rows_everywhere(tmp_path: Path, fault: str) -> None:
    warehouse, draft = changed(tmp_path / "w", "Flat")
    name, alter, words = FAULTS[fault]
    with_array(draft, _array(draft, name), alter)
    found = rows_everywhere.check(session_of(warehouse, draft))
    assert not found.passed and words in found.summary, found.summary
    assert not lexical_agrees.check(session_of(warehouse, draft)).passed


def test_words_of_other_rows_are_refused_though_every_row_has_some(tmp_path: Path) -> None:
    """Each list names the next row, and lengths follow: a set of rows cannot tell."""
    warehouse, draft = changed(tmp_path / "w", "Flat")
    folder = draft.layout.resolve(_array(draft, "lists")).parent
    lists, rows = np.load(folder / "lists.npy"), newest_segment(draft)[2]
    with_array(draft, _array(draft, "documents"), lambda a: _slip(a, lists, rows))
    with_array(draft, _array(draft, "lengths"), lambda a: np.roll(a, 1))
    found = lexical_agrees.check(session_of(warehouse, draft))
    assert not found.passed and found.value and found.remedy
    assert "its text has" in found.summary


def _dead_too(original: Any) -> Any:
    def made(self: Any, parts: Any, live: Any, **options: Any) -> None:
        original(self, parts, np.ones_like(live), **options)

    return made


SERVED: dict[str, tuple[Any, str, Callable[[Any], Any]]] = {
    "dead rows": (LexicalIndex, "__init__", _dead_too),
    "other words": (
        QueryEncoder, "encode", lambda original: lambda self, g, texts, s: original(self, g, [t[1:] for t in texts], s),
    ),
    "doubled scores": (
        LexicalIndex, "answer",
        lambda original: lambda self, *a: [replace(one, scores=one.scores * 2) for one in original(self, *a)],
    ),
    "the best is lost": (
        LexicalIndex, "answer",
        lambda original: lambda self, *a: [
            replace(one, scores=one.scores[1:], rows=one.rows[1:]) for one in original(self, *a)
        ],
    ),
    "nothing is found": (
        LexicalIndex, "answer",
        lambda original: lambda self, *a: [
            replace(one, scores=one.scores[:0], rows=one.rows[:0]) for one in original(self, *a)
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", SERVED)
def test_answers_that_are_not_those_of_the_postings_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    warehouse, draft = changed(tmp_path / "w", "Flat")
    owner, name, alter = SERVED[fault]
    monkeypatch.setattr(owner, name, alter(getattr(owner, name)))
    found = lexical_agrees.check(session_of(warehouse, draft))
    assert not found.passed, fault


def test_what_cannot_be_read_is_no_evidence(tmp_path: Path) -> None:
    warehouse, draft = built(tmp_path / "w", "Flat", 40)
    draft.layout.resolve(_array(draft, "terms")).unlink()
    found = lexical_agrees.check(session_of(warehouse, draft))
    assert not found.passed and found.value is None


def test_the_second_reading_says_what_the_first_says() -> None:
    chance = np.random.default_rng(5)
    letters = list('aB1_.. Éé日本ーカ한글ไทยАя\u0301\u0131İß①ﬁ\u0660Ǆ\u0640 "+-/😀') + [
        chr(one) for one in range(0x100, 0x2000, 7)
    ]
    for _ in range(2_000):
        text = "".join(letters[i] for i in chance.integers(len(letters), size=int(chance.integers(30))).tolist())
        if term_truth.tellable(text):
            assert term_truth.counted("a/é.py", "A.b", text[:9], text) == Counter(
                document_terms("a/é.py", "A.b", text[:9], text)
            ), text
            assert term_truth.asked(text) == Counter(query_terms(text)), text


def test_letters_that_changed_their_kind_between_years_of_unicode_are_not_told_of() -> None:
    # A small letter in the tables of some Pythons, a letter without case in later ones.
    assert not term_truth.tellable("\u0294\u0295") and term_truth.tellable("\u0294 \u65e5 \u0301 \u00df \ud800")
    told = 0
    for text in (f"\u0294{chr(one)}a{chr(one)}B" for one in range(0x80, 0x3000)):
        if term_truth.tellable(text):
            told += 1
            assert term_truth.counted("", "", "", text) == Counter(document_terms("", None, None, text)), text
    assert told > 10_000


def test_both_readings_know_the_same_versions_and_words_with_a_digit() -> None:
    chance = np.random.default_rng(4)
    pieces = ["v", "V", "1", "2.3", ".", "v1.2", "V2.28.0", "x", "_", " ", "-", "\u00e9", "\u00b2", "\u2163", "\u0663"]
    pieces += ["\uff56", "\uff11", "v.1", "1.2.3", "#", "file", "\u65e5", "E12", "HTTP_404", "\u0301", " v3.4.5"]
    numbered = 0
    for _ in range(3_000):
        text = "".join(pieces[i] for i in chance.integers(len(pieces), size=int(chance.integers(1, 7))).tolist())
        terms = query_terms(text)
        assert term_truth.asked(text) == Counter(terms), text
        assert term_truth.counted("", "", text, text) == Counter(document_terms("", None, text, text)), text
        found = numbered_terms(terms)
        assert sorted(term_truth.numbered(terms)) == sorted(found), text
        numbered += bool(found)
    assert numbered > 1_000


def test_both_readings_know_the_same_languages() -> None:
    for language, suffixes in file_language._SUFFIXES.items():
        for suffix in (*suffixes, *map(str.upper, suffixes)):
            assert language_of(f"a.b/c.{suffix}") == language
            ended = (f"a.b/c.{suffix}", f"a/..{suffix}", f".a.{suffix}")
            for path in (*ended, suffix, f".{suffix}", f"a.{suffix}/b", f"{suffix}.x"):
                assert file_truth.written_in(path) == [f".{one}" for one in [language_of(path)] if one], path
    chance = np.random.default_rng(9)
    short = [*map(" in {}".format, term_truth.SHORT), "using Go", "IN\nC", "c", "-", "'"]
    marks = [*short, " ", " ", " ", ".", "_", "+", "#", "x", "1", "é", "\u0301", "\u017f", "\u212a", "in", "\u0130"]
    marks += ["\u7528", "\u30d5", "\uff30", "\u0940", ".3", "17", "\uff0b", "Java\uff33cript", "&", ":/", ":\\"]
    pieces = [*term_truth.NAMES, *term_truth.WITHIN, "PYTHON", *marks]
    named = 0
    for _ in range(3_000):
        text = "".join(pieces[i] for i in chance.integers(len(pieces), size=int(chance.integers(1, 7))).tolist())
        found = term_truth.asked(text)
        assert found == Counter(query_terms(text)), text
        assert term_truth.counted(text, "", "", text) == Counter(document_terms(text, None, None, text)), text
        named += any(term.startswith(".") for term in found)
    assert named > 600


def test_files_whose_language_is_lost_or_another_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for told in ("", "ruby"):
        with monkeypatch.context() as patch:
            patch.setattr("xtr_assets.core.lexical_terms.language_of", lambda path, told=told: told)
            warehouse = Warehouse.create(tmp_path / (told or "none"))
            write_shard(warehouse, "code", [make_chunk(f"f{i}.py", f"s{i}", f"word{i} of {i}") for i in range(12)])
            draft = whole_draft(warehouse, "Flat")
        found = lexical_agrees.check(session_of(warehouse, draft))
        assert not found.passed and "its text has" in found.summary, found.summary


def test_both_readings_agree_where_a_phrase_stands() -> None:
    chance = np.random.default_rng(6)
    words = ["gather", "Gather", "gather_all", "asyncio.gather", "(gather)", "数据库", "数据", "Größe", "E1234", "x"]
    for _ in range(600):
        text = " ".join(words[i] for i in chance.integers(len(words), size=4).tolist())
        phrase = " ".join(words[i] for i in chance.integers(len(words), size=int(chance.integers(1, 3))).tolist())
        assert stands(folded(text), folded(phrase)) == holds_phrase(text, phrase), (text, phrase)


def test_both_readings_agree_where_a_piece_of_a_run_stands() -> None:
    chance = np.random.default_rng(7)
    letters = list("กขชิ์าแ日本語〇ガガがー々한글ខ្មែរ ab")
    for _ in range(600):
        text = "".join(letters[i] for i in chance.integers(len(letters), size=12).tolist())
        start = int(chance.integers(len(text)))
        phrase = text[start : start + int(chance.integers(1, 4))]
        if phrase.strip():
            assert stands(folded(text), folded(phrase)) == holds_phrase(text, phrase), (text, phrase)


@pytest.mark.parametrize("count", [1, 63, 64, 640, 5_003])
def test_the_nth_largest_of_values_that_many_share(count: int) -> None:
    chance = np.random.default_rng(count)
    for values in (chance.random(count), chance.integers(0, 3, count) / 2.0, np.zeros(count)):
        ordered = np.sort(values)
        for n in {1, min(10, count), count}:
            assert nth_largest(values, n) == ordered[-n]
