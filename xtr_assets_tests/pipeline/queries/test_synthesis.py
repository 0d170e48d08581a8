from itertools import islice

import numpy as np
import regex

from xtr_assets.pipeline.queries.synthesis import MAX_WORDS, Piece, draw, excerpted, named, rank, spans, words_of

FUNCTION = '''def parse_date(text):
    """Read a date in ISO 8601
    form. Raises ValueError.
    """
    return text
'''


def piece(
    text: str, chunk_id: int = 1, path: str = "a.py", symbol: str = "parse_date", title: str = "", kind: str = ""
) -> Piece:
    return Piece(chunk_id, path, symbol, title, text, kind)


def named_so(one: Piece) -> tuple[str, str] | None:
    found = named(one)
    return None if found is None else (found.kind, found.text)


def excerpt(one: Piece) -> str | None:
    found = excerpted(one)
    return None if found is None else found.text


def test_a_function_is_named_by_the_first_sentence_of_its_docstring() -> None:
    assert named_so(piece(FUNCTION)) == ("docstring", "Read a date in ISO 8601 form")
    assert named(piece("def f():\n    x = '''not a docstring of two words'''\n")) is None


def test_a_section_is_named_by_its_own_heading_and_a_record_by_its_title() -> None:
    section = piece("Body of text.", path="guide.md", title="Guide > Using the command line")
    assert named_so(section) == ("heading", "Using the command line")
    record = piece("Body of text.", path="c.jsonl", title="Growth > 2 in mice", kind="record")
    assert named_so(record) == ("title", "Growth > 2 in mice")


def test_what_nobody_named_gives_the_words_of_its_symbol_or_half_a_sentence() -> None:
    assert excerpt(piece("pass", symbol="HTTPServer.handle_request")) == "HTTPServer handle request"
    record = piece("Short. The quick brown fox jumps over the lazy dog.", path="corpus.jsonl", symbol="7")
    assert excerpt(record) == "brown fox jumps over"


def test_sentences_end_as_their_language_ends_them() -> None:
    chinese = piece("短句。这是一个比较长的句子没有空格。", path="c.jsonl")
    assert excerpt(chinese) == "一个比较长的"
    thai = piece("ก" * 400, path="c.jsonl")
    assert excerpt(thai) is not None and len(words_of(excerpt(thai) or "")) == MAX_WORDS
    assert excerpt(piece("كيف؟ هذا سؤال أطول من الأول بكثير", path="c.jsonl")) == "سؤال أطول من"


def test_a_vowel_sign_goes_with_its_letter() -> None:
    for query in spans(piece("ที่นี่มีผู้คนที่ดีมากที่สุด", path="c.jsonl")):
        assert query.text[0] not in "\u0e31\u0e34\u0e35\u0e36\u0e37\u0e38\u0e39\u0e48\u0e49" or len(query.text) > 2


def test_a_query_is_never_the_whole_text_of_its_piece_while_there_are_others() -> None:
    assert excerpted(piece("two words", path="corpus.jsonl")) is None
    assert named(piece("# Only a heading", path="a.md", title="Only a heading")) is None
    offered = [(query.kind, query.text) for query in draw([piece("two words", path="corpus.jsonl")], 9)]
    assert offered == [("span", "two"), ("span", "words"), ("text", "two words")]
    assert [query.text for query in draw([piece("hello", path="c.jsonl")], 9)] == ["hello"]
    assert not list(draw([piece("... !!! ---", path="c.jsonl")], 9))


def test_named_pieces_come_first_then_excerpts_then_spans_and_no_query_comes_twice() -> None:
    pieces = [piece("x", 1, symbol="alpha_beta"), piece(FUNCTION, 2), piece(FUNCTION, 3), piece("y", 4, symbol="g_h")]
    drawn = list(draw(pieces, 9))
    assert [(one.chunk_id, one.text) for one in drawn[:4]] == [
        (2, "Read a date in ISO 8601 form"),
        (1, "alpha beta"),
        (4, "g h"),
        (2, "parse date"),
    ]
    assert len({one.text.casefold() for one in drawn}) == len(drawn)
    kinds = [one.kind for one in drawn]
    assert kinds[:5] == ["docstring", "symbol", "symbol", "symbol", "span"]
    taken = list(draw(pieces, 9, taken=["READ a date in ISO 8601 form", "g h"]))
    assert [(one.chunk_id, one.text) for one in taken[:2]] == [(1, "alpha beta"), (2, "parse date")]


def test_one_text_many_times_gives_many_queries() -> None:
    text = "the quick brown fox jumps over the lazy dog and runs away from all of the others in the yard"
    drawn = list(draw([piece(text, i, path="c.jsonl") for i in range(2500)], 200))
    assert len(drawn) > 80 and len({one.text for one in drawn}) == len(drawn)


def test_spans_go_round() -> None:
    pieces = [piece(" ".join(f"w{i}{n}" for n in range(20)), i, path="c.jsonl") for i in range(5)]
    spanned = [one.chunk_id for one in draw(pieces, 5) if one.kind == "span"]
    assert sorted(spanned[:5]) == [0, 1, 2, 3, 4]


def test_ranks_are_a_permutation_that_does_not_depend_on_the_rest() -> None:
    ids = np.arange(10_000, dtype=np.int64)
    ranks = rank(ids)
    assert len(np.unique(ranks)) == len(ids)
    assert rank(ids[5000:]).tolist() == ranks[5000:].tolist()
    assert abs(np.corrcoef(ids, ranks.astype(float))[0, 1]) < 0.05


def test_no_query_begins_or_ends_inside_a_character() -> None:
    family = "\U0001f469\u200d\U0001f469\u200d\U0001f467"
    text = f"{family}\u0e19\u0e49\u0e33{family}\u0e04\u0e33" * 20
    borders, at = {0}, 0
    for cluster in regex.findall(r"\X", text):
        borders.add(at := at + len(cluster))
    for query in islice(spans(Piece(7, "a.md", "", "", text)), 50):
        places = [at for at in range(len(text)) if text.startswith(query.text, at)]
        assert any(at in borders and at + len(query.text) in borders for at in places), query.text


def test_a_query_is_a_sentence_where_no_space_ends_one() -> None:
    text = "短い文。" + "これは検索の索引を作るためのとても長い文章です。" + "終わり。"
    found = excerpted(Piece(7, "a.md", "", "", text))
    assert found is not None
    assert found.text in "これは検索の索引を作るためのとても長い文章です"


def test_code_is_asked_for_by_the_comment_above_it_and_never_by_its_class() -> None:
    text = "/**\n * Reads the next line. Then more.\n * @return a line\n */\npublic String next() {\n}"
    one = piece(text, path="a.java", symbol="Reader.next", title="class Reader", kind="method")
    assert named_so(one) == ("docstring", "Reads the next line")
    go = piece("// Next reads a line.\nfunc Next() {}", path="a.go", symbol="Next", title="type R", kind="function")
    assert named_so(go) == ("docstring", "Next reads a line")
    bare = piece("func readNextLine() {}", path="a.go", symbol="readNextLine", title="type R", kind="function")
    assert named_so(bare) is None
    assert excerpt(bare) == "read Next Line"


def test_configuration_is_asked_for_by_the_comment_above_it_and_never_by_its_keys() -> None:
    text = "# Builds the wheels of a release. By hand, too.\nbuild:\n  runs-on: linux"
    one = piece(text, path="ci.yml", symbol="jobs.build wheels", title="jobs.build wheels", kind="config")
    assert named_so(one) == ("docstring", "Builds the wheels of a release")
    assert named(piece("build: x", path="ci.yml", title="jobs of a release", kind="config")) is None
