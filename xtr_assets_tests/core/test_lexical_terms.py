"""Terms: what code, prose and other scripts are split into, and what a query meets of it."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from snowballstemmer.english_stemmer import EnglishStemmer

from xtr_assets.core.lexical_terms import (
    MAX_NAME_WORDS,
    MAX_PARTS,
    MAX_WORD,
    _stem,
    document_terms,
    needed_terms,
    query_terms,
)
from xtr_assets.core.phrases import holds_phrase

# Everything that Unicode has and Python can hold, halves of characters too.
ANY_TEXT = st.text(st.characters())


def terms(text: str) -> list[str]:
    return document_terms("", None, None, text)


def assert_needs_are_met(text: str, phrase: str) -> None:
    stored = set(terms(text))
    assert all(stored & set(alternatives) for alternatives in needed_terms(phrase)), (text, phrase)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("raises HTTP_404", ["rais", "http_404", "http", "404"]),
        ("E1234", ["e1234", "e", "1234"]),
        ("asyncio.gather(*coros)", ["asyncio.gather", "asyncio", "gather", "coro"]),
        ("XMLHttpRequest", ["xmlhttprequest", "xml", "http", "request"]),
        ("add_attachment", ["add_attachment", "add", "attach"]),
        ("utf8 UTF-8", ["utf8", "utf", "8", "utf", "8"]),
        ("__init__ ___ _._ .", ["__init__", "init"]),
        ("end. Start 3.14", ["end", "start", "3.14", "3", "14"]),
        ("naïve CAFÉ", ["naiv", "cafe"]),
        ("Straße STRASSE", ["strass", "strass"]),
        ("ﬁle \uff57\uff49\uff44\uff45", ["file", "wide"]),
        ("soft\u00adhyphen zero\u200bwidth", ["softhyphen", "zerowidth"]),
        # The four letters i of Turkish are one, as capitals and as small ones.
        ("\u0130stanbul ISTANBUL istanbul \u0131stanbul", ["istanbul"] * 4),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        # Right to left, with and without vowel points.
        ("שָׁלוֹם שלום", ["שלום", "שלום"]),
        ("\u202bمُحَمَّد\u202c محمد", ["محمد", "محمد"]),
        ("a\x00b \ud800 c", ["a", "b", "c"]),
        ("\u0301 \ufe0f \U0001f600", []),
    ],
)
def test_texts_become_terms(text: str, expected: list[str]) -> None:
    assert terms(text) == expected
    assert query_terms(text) == list(dict.fromkeys(expected))


def test_a_question_has_each_of_its_terms_once() -> None:
    assert query_terms("the string in the strings") == ["the", "string", "in"]


def test_scripts_without_spaces_are_read_in_pairs() -> None:
    assert terms("用Python读取文件") == ["用", "python", "读取", "取文", "文件", "读", "取", "文", "件"]
    assert query_terms("读取文件") == ["读取", "取文", "文件"]
    # A word of one character is found in any run.
    assert set(query_terms("猫")) <= set(terms("黑猫警长"))
    assert query_terms("학교에서") == ["학교", "교에", "에서"]
    assert set(query_terms("ไทย")) <= set(terms("ภาษาไทยง่าย"))
    assert set(query_terms("ﾌｧｲﾙ")) <= set(terms("このファイルを開く"))


def test_a_symbol_is_found_behind_its_module_and_its_package() -> None:
    found = document_terms("lib/asyncio/tasks.py", "gather", None, "")
    assert {"asyncio.gather", "tasks.gather", "tasks.py", "gather", "lib"} <= set(found)
    assert "lib.gather" not in found
    assert "email.Message.attach".casefold() in document_terms("email/__init__.py", "Message.attach", None, "")
    # A heading or the id of a record is no name of code.
    assert document_terms("guide.md", "How to start", None, "") == ["guide.md", "guid", "md", "how", "to", "start"]
    assert document_terms("a.jsonl", "17", "Title", "text") == ["a.jsonl", "a", "jsonl", "17", "titl", "text"]
    assert document_terms("", None, "", "") == []


def test_a_megabyte_of_one_word_is_many_short_ones() -> None:
    assert {len(one) for one in terms("a" * 1_000_000)} == {MAX_WORD, 1_000_000 % MAX_WORD}
    dotted = terms(".".join(["ab"] * 1000))
    assert max(map(len, dotted)) == MAX_NAME_WORDS * 3 - 1
    assert dotted.count("ab") == 1000


def test_of_a_hash_only_the_whole_is_a_term() -> None:
    digest = "3b1f0c9a7d2e4a6b8c0d1e2f3a4b5c6d7e8f9a0b1c2d3e4f5a6b7c8d9e0f1a2b"
    assert terms(digest) == [digest]
    assert len(terms("_".join(["ab"] * MAX_PARTS))) == MAX_PARTS + 1


def test_marks_by_the_million_take_no_quadratic_time() -> None:
    started = time.process_time()
    assert query_terms("e" + "\u0301\u0316" * 300_000) == ["e"]
    # In order of insertion it would be hours.
    assert time.process_time() - started < 10


@given(ANY_TEXT, ANY_TEXT)
@example("\ud800.py", "A")
def test_any_text_has_terms_that_can_be_stored(path: str, text: str) -> None:
    for term in document_terms(path, text, path, text):
        assert term
        assert len(term.encode()) <= 8 * MAX_WORD


@given(ANY_TEXT)
def test_a_text_is_found_by_itself_in_any_case(text: str) -> None:
    # A language that is named asks for its files as well.
    assert {term for term in query_terms(text) if term[0] != "."} <= set(terms(text))
    assert_needs_are_met(text, text)


@given(*(st.text(st.sampled_from(letters)) for letters in ('abAB.ßéÉiİ_1 猫文é-"ไท', " .-(", " .-)")))
def test_what_a_phrase_needs_stands_wherever_the_phrase_stands(phrase: str, before: str, after: str) -> None:
    """Between other words, as a part of a longer name or run, in other capitals."""
    for text in (before + phrase + after, f"x{before}.{phrase}.{after}y", f"文{before} {phrase} {after}猫"):
        for form in (text, text.upper(), text.lower(), text.title(), text.swapcase()):
            if holds_phrase(form, phrase):
                assert_needs_are_met(form, phrase)


@given(st.text(st.sampled_from("aAbB _."), min_size=8), st.integers(0, 7), st.integers(1, 4))
def test_what_a_piece_of_a_text_needs_stands_there(text: str, start: int, length: int) -> None:
    piece = text[start : start + length].swapcase()
    if holds_phrase(text, piece):
        assert_needs_are_met(text, piece)


def test_threads_do_not_mix_up_their_words() -> None:
    words = [f"{a}{b}{c}ational" for a in "bcdfghklmn" for b in "aeiou" for c in "prstvwxz"]
    stemmer, interval = EnglishStemmer(), sys.getswitchinterval()
    expected = [[stemmer.stemWord(word)] for word in words]
    try:
        sys.setswitchinterval(1e-6)
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(query_terms, words)) == expected
    finally:
        sys.setswitchinterval(interval)


def test_the_stemmer_stems_as_it_did() -> None:
    """Another release that stems otherwise needs another TERMS_VERSION: stored terms would not be found any more."""
    words = "running files gathered happily studies organization university universal news generously skies dying"
    stems = "run file gather happili studi organiz universiti universal news generous sky die"
    assert [_stem(word) for word in words.split()] == stems.split()
