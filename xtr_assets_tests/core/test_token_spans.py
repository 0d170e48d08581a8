"""Tokens are found again in the text that they were made of."""

import pytest

from xtr_assets.core.token_spans import MOST_CHARACTERS, token_spans


def shown(tokens: list[str], text: str) -> list[str | None]:
    return [None if span is None else text[slice(*span)] for span in token_spans(tokens, text)]


@pytest.mark.parametrize(
    ("tokens", "text", "wanted"),
    [
        # A word that stands inside another one is not it.
        (["up", "##date", "the", "date"], "update the DATE", ["up", "date", "the", "DATE"]),
        # Case, accents and ligatures: characters of the text, however many the tokenizer made of them.
        (["cafe", "istanbul", "ete"], "Café İstanbul\u0301 e\u0301te\u0301", ["Café", "İstanbul", "e\u0301te"]),
        # Punctuation that is kept, and that is left out.
        (["f", "(", "x", ")"], "f  (x)", ["f", "(", "x", ")"]),
        (["f", "x"], "f ---- ____ (x)", ["f", "x"]),
        # An unknown word, a marker of a model, a hash: the rest is found all the same.
        (["[CLS]", "a", "[UNK]", "b"], "a \u4e2d\u6587 b", [None, "a", None, "b"]),
        (["#00ff", "cat"], "concat cat", [None, "cat"]),
        (["▁new", "▁york"], "New York", ["New", "York"]),
        # Text of another document: nothing is found, nothing fails.
        (["zebra", "##s", "", "##"], "nothing here", [None, None, None, None]),
        ([], "", []),
        (["a"], "", [None]),
    ],
)
def test_a_token_is_found_where_it_stands(tokens: list[str], text: str, wanted: list[str | None]) -> None:
    assert shown(tokens, text) == wanted


def test_a_text_of_any_length_is_walked_in_bounded_time() -> None:
    text = "é" * 1_000_000 + " word"
    assert shown(["e" * 10, "word"], text) == ["é" * 10, None]
    assert token_spans(["word"], "-" * (MOST_CHARACTERS - 4) + "word") == [(MOST_CHARACTERS - 4, MOST_CHARACTERS)]
