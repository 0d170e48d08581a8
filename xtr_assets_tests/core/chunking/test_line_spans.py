import time
from itertools import accumulate

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from xtr_assets.core.chunking.line_spans import Lines, Span, normalize_newlines, pack, slices
from xtr_assets.core.chunking.text import split_text

texts = st.text(st.sampled_from("ab. \n\t"), max_size=300)


@given(st.text(st.sampled_from("ab.! \n\u00e9\U0001f600"), max_size=400), st.integers(1, 60))
def test_slices_join_to_the_text_and_keep_the_limit(text: str, limit: int) -> None:
    pieces = slices(text, limit)
    assert "".join(pieces) == text
    assert all(len(piece) <= limit for piece in pieces)
    assert len(pieces) == 1 or all(pieces)


@given(texts, st.integers(5, 80))
def test_packing_loses_only_white_space(text: str, limit: int) -> None:
    lines = Lines(text)
    spans = pack(lines, [(1, len(lines))], limit)
    assert "".join("".join(span.text for span in spans).split()) == "".join(text.split())
    assert all(len(span.text) <= limit and span.text.strip() for span in spans)
    for span in spans:
        verbatim = lines.text(span.start, span.end)
        assert span.text == verbatim or span.text in verbatim


def test_spans_are_of_about_equal_size_instead_of_full_and_rest() -> None:
    lines = Lines("\n".join(["x" * 9] * 11))  # 109 characters; two spans of at most 100.
    spans = pack(lines, [(number, number) for number in range(1, 12)], 100)
    assert [(span.start, span.end) for span in spans] == [(1, 6), (7, 11)]


def test_an_atom_that_fits_is_not_torn() -> None:
    lines = Lines("\n".join(["a" * 30, "b" * 10, "b" * 10, "b" * 10]))
    spans = pack(lines, [(1, 1), (2, 4)], 40)
    assert spans == [Span(1, 1, "a" * 30), Span(2, 4, "\n".join(["b" * 10] * 3))]


def test_a_line_is_cut_after_a_sentence_or_a_space_or_anywhere() -> None:
    assert slices("Aaa bbb. Ccc ddd.", 12) == ["Aaa bbb. ", "Ccc ddd."]
    assert slices("aaaa bbbb cccc", 8) == ["aaaa ", "bbbb cccc"[:5], "cccc"]
    assert slices("x" * 10, 4) == ["xxxx", "xxx", "xxx"]


def test_only_the_newlines_of_python_are_normalized() -> None:
    assert normalize_newlines("a\r\nb\rc\x0cd\u2028e\n") == "a\nb\nc\x0cd\u2028e\n"


def test_a_text_without_a_file_is_whole_where_it_fits_and_else_split_at_paragraphs() -> None:
    assert split_text("  as it is \r\n", 20) == ["  as it is \r\n"]
    assert split_text(f"{'a' * 15}\n\n{'b' * 15}", 20) == ["a" * 15, "b" * 15]


@pytest.mark.parametrize(
    ("text", "limit", "pieces"),
    [
        ("検索する。索引を作る。公開する。", 12, ["検索する。", "索引を作る。公開する。"]),
        ("「終わり。」次の文です。", 8, ["「終わり。」", "次の文です。"]),
        ("あいう、えおか、きく", 8, ["あいう、", "えおか、きく"]),
        ("ประโยคแรก ประโยคสอง", 12, ["ประโยคแรก ", "ประโยคสอง"]),
        ("पहला वाक्य है। दूसरा वाक्य", 16, ["पहला वाक्य है। ", "दूसरा वाक्य"]),
        ("هل هذا؟ نعم هذا هو", 12, ["هل هذا؟ ", "نعم هذا هو"]),
        ("一二三。四五六七八", 6, ["一二三。", "四五六七八"]),
        ("3.14159265358979", 8, ["3.141592", "65358979"]),
    ],
)
def test_sentences_end_as_their_script_ends_them(text: str, limit: int, pieces: list[str]) -> None:
    assert slices(text, limit) == pieces


CLUSTERS = [
    "\U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466",
    "e\u0301\u0323",
    "\U0001f1e9\U0001f1ea",
    "\U0001f44d\U0001f3fd",
    "\u1112\u1161\u11ab",
    "\u0e19\u0e49\u0e33",
    "\u0915\u094d\u0937\u093f",
    "1\ufe0f\u20e3",
    "a",
]


@given(st.lists(st.sampled_from([*CLUSTERS, " ", ". ", "\u3002"]), max_size=60), st.integers(8, 40))
def test_no_cut_lies_inside_what_people_see_as_one_character(parts: list[str], limit: int) -> None:
    text = "".join(parts)
    borders, at = {0}, 0
    for cluster in regex.findall(r"\X", text):
        borders.add(at := at + len(cluster))
    pieces = slices(text, limit)
    assert "".join(pieces) == text
    assert set(accumulate(map(len, pieces))) <= borders


def test_a_character_longer_than_a_piece_is_cut_all_the_same() -> None:
    text = "e" + "\u0301" * 25
    assert [len(piece) for piece in slices(text, 10)] == [10, 10, 6]


def test_what_is_too_long_is_cut_at_the_borders_of_its_blocks_first() -> None:
    lines = Lines("\n".join(["a" * 10, "b" * 10, "b" * 10, "c" * 10, "c" * 10]))
    cut = pack(lines, [(1, 5)], 34, borders={2, 4})
    assert [(span.start, span.end) for span in cut] == [(1, 3), (4, 5)]


def test_flags_without_an_end_take_time_in_proportion() -> None:
    """20,000 of them took 3 CPU seconds: which two letters are a flag depends on how many stand before."""
    begun, flag = time.thread_time(), "\U0001f1e9\U0001f1ea"
    pieces = slices(flag * 20_000, 2000)
    assert set("".join(pieces[:2])) == set(flag) and {len(piece) % 2 for piece in pieces} == {0}
    assert time.thread_time() - begun < 1.5
