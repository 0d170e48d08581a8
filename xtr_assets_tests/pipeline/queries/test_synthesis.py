import numpy as np

from xtr_assets.pipeline.queries.synthesis import Piece, described, draw, excerpted, rank

FUNCTION = '''def parse_date(text):
    """Read a date in ISO 8601
    form. Raises ValueError.
    """
    return text
'''


def piece(text: str, chunk_id: int = 1, path: str = "a.py", symbol: str = "parse_date", title: str = "") -> Piece:
    return Piece(chunk_id, path, symbol, title, text)


def test_a_function_is_described_by_the_first_sentence_of_its_docstring() -> None:
    assert described(piece(FUNCTION)) == "Read a date in ISO 8601 form"
    assert described(piece("def f():\n    x = '''not a docstring of two words'''\n")) is None


def test_a_section_is_described_by_its_own_heading() -> None:
    section = piece("Body of text.", path="guide.md", title="Guide > Using the command line")
    assert described(section) == "Using the command line"


def test_what_nobody_described_gives_the_words_of_its_symbol_or_half_a_sentence() -> None:
    assert excerpted(piece("pass", symbol="HTTPServer.handle_request")) == "HTTPServer handle request"
    record = piece("Short. The quick brown fox jumps over the lazy dog.", path="corpus.jsonl", symbol="7")
    assert excerpted(record) == "brown fox jumps over"


def test_a_query_is_never_the_whole_text_of_its_piece() -> None:
    assert excerpted(piece("two words", path="corpus.jsonl")) is None
    assert described(piece("# Only a heading", path="a.md", title="Only a heading")) is None


def test_described_pieces_come_first_and_no_query_comes_twice() -> None:
    pieces = [piece("x", 1, symbol="alpha_beta"), piece(FUNCTION, 2), piece(FUNCTION, 3), piece("y", 4, symbol="g_h")]
    assert list(draw(pieces, 3)) == [(2, "Read a date in ISO 8601 form"), (1, "alpha beta"), (3, "parse date")]
    assert list(draw(pieces, 1)) == [(2, "Read a date in ISO 8601 form")]
    assert list(draw(pieces, 9, taken=["READ a date in ISO 8601 form", "g h"])) == [
        (1, "alpha beta"),
        (2, "parse date"),
    ]


def test_ranks_are_a_permutation_that_does_not_depend_on_the_rest() -> None:
    ids = np.arange(10_000, dtype=np.int64)
    ranks = rank(ids)
    assert len(np.unique(ranks)) == len(ids)
    assert rank(ids[5000:]).tolist() == ranks[5000:].tolist()
    assert abs(np.corrcoef(ids, ranks.astype(float))[0, 1]) < 0.05
