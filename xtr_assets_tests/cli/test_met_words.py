"""Met words are marked where they stand, and the lines shown are those that hold most of them."""

import pytest

from xtr_assets.cli.met_words import Line, asked_terms, shown_lines

TEXT = "# Animals\n\nThe zebra has stripes.\nIt runs.\nThe giraffe has a long neck, and no stripe of a Zebra.\n"


def met(line: Line) -> list[str]:
    return [line.text[start:end] for start, end in line.met]


def test_words_are_met_whatever_their_case_and_ending() -> None:
    shown = shown_lines(TEXT, asked_terms("zebras with striped necks"), 3, 80)
    assert [met(line) for line in shown] == [["zebra", "stripes"], [], ["neck", "stripe", "Zebra"]]


def test_the_lines_are_those_that_hold_most_and_the_first_of_equals() -> None:
    assert shown_lines(TEXT, asked_terms("giraffe"), 1, 80)[0].text.startswith("The giraffe")
    assert shown_lines(TEXT, asked_terms("elephant"), 2, 80)[0].text == "# Animals"
    assert [line.text for line in shown_lines(TEXT, asked_terms("stripes"), 1, 80)] == ["The zebra has stripes."]


def test_common_words_are_not_marked_unless_nothing_else_was_asked() -> None:
    assert [met(line) for line in shown_lines("The zebra\n", asked_terms("the zebra"), 3, 80)] == [["zebra"]]
    assert [met(line) for line in shown_lines("The zebra\n", asked_terms("the"), 3, 80)] == [["The"]]


def test_parts_of_names_are_met() -> None:
    (line,) = shown_lines("def parse_iso_date(text):", asked_terms("parse a date"), 3, 80)
    assert met(line) == ["parse_iso_date"]


@pytest.mark.parametrize("width", [6, 10, 40])
def test_a_paragraph_in_one_line_shows_where_it_holds_what_was_asked(width: int) -> None:
    text = "nothing of it " * 40 + "a zebra " + "nor here " * 40
    shown = shown_lines(text, asked_terms("zebra"), 2, width)
    assert [word for line in shown for word in met(line)] == ["zebra"]
    assert all(0 < len(line.text) <= width for line in shown)


@pytest.mark.parametrize("text", ["", "\n\n", "===\n---", "\0", "x" * 100_000])
def test_any_text_and_any_query_is_shown(text: str) -> None:
    for query in ("", " ", "\0", '"phrase" +must', "日本"):
        assert len(shown_lines(text, asked_terms(query), 3, 72)) <= 3
