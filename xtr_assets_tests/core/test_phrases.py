"""Phrases: the same words and punctuation in the same order; case, accents and white space are free."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtr_assets.core.phrases import holds_phrase


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("Connection\n   REFUSED by peer", "connection refused"),
        ("raise ValueError('no such file')", "ValueError('no such"),
        ("x = await asyncio.gather(a)", "gather(a)"),
        ("x = await asyncio.gather(a)", "asyncio.gather"),
        ("the café is open", "CAFE is"),
        ("Straße frei", "STRASSE FREI"),
        ("用Python读取文件", "取文"),
        ("用Python读取文件", "python"),
        ("ภาษาไทยง่าย", "ไทย"),
        ("a+b", "+b"),
        ("tab\there", "tab here"),
        ("anything", "  "),
        ("", ""),
    ],
)
def test_it_stands_there(text: str, phrase: str) -> None:
    assert holds_phrase(text, phrase)


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("the gatherer", "gather"),
        ("together", "gather"),
        ("add_attachment", "attachment"),
        ("refused connection", "connection refused"),
        ("connection, refused", "connection refused"),
        ("error 404", "error 40"),
        ("a.b", "a*b"),
        ("", "a"),
        ("取读", "读取"),
    ],
)
def test_it_does_not_stand_there(text: str, phrase: str) -> None:
    assert not holds_phrase(text, phrase)


@given(st.text(st.characters()), st.sampled_from(["", "one ", "(", "\n\t"]), st.sampled_from(["", " two", ").", "\n"]))
def test_any_text_holds_itself_between_others(phrase: str, before: str, after: str) -> None:
    assert holds_phrase(phrase, phrase)
    # A mark would be written on the letter before it; what has no width goes.
    if phrase.isascii():
        assert holds_phrase(before + phrase + after, phrase)
