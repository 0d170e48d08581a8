"""Pairs mined from chunks: a question never stands in its own answer, and what says nothing gives no pair."""

from xtr_assets.core.chunking import chunk_python, chunk_text
from xtr_assets.core.training_pairs import Pair, asked, distinct, pairs_of, spread

MODULE = '''
class Calendar:
    def parse_date(self, text, *, strict=False):
        """Parse a date in ISO format.

        What follows the tenth character is an hour, which this function does not look at.

        Parameters
        ----------
        text : str
            What is parsed.
        """
        found = DATES.match(text[:10])
        return None if found is None or (strict and found.end() != len(text)) else found.group()

    def stub(self):
        """Do nothing at all here."""
        pass

    def silent(self):
        return [one for one in self.days if one.is_holiday and one.year == self.year]
'''


def of_code(text: str = MODULE) -> dict[str, Pair]:
    return {pair.kind: pair for chunk in chunk_python("docs", "a.py", text, 2000) for pair in pairs_of(chunk)}


def test_a_function_gives_its_docstring_its_name_and_the_rest_of_the_docstring() -> None:
    found = of_code()
    assert set(found) == {"docstring", "name", "summary"}
    docstring, name, summary = found["docstring"], found["name"], found["summary"]
    assert docstring.question == "Parse a date in ISO format."
    assert "ISO" not in docstring.answer and "tenth" not in docstring.answer and "DATES.match" in docstring.answer
    assert docstring.answer.startswith("class Calendar\n")
    assert name.question == "parse date"
    assert "parse_date" not in name.answer and "Parse a date in ISO" in name.answer
    assert summary.answer == "What follows the tenth character is an hour, which this function does not look at."
    assert {pair.origin for pair in found.values()} == {"docs"}


def test_a_docstring_on_the_line_of_the_function_leaves_code_that_parses() -> None:
    code = 'def area(width, height): "The area of a rectangle by its sides."; size = width * height; return abs(size)\n'
    (pair,) = [pair for pair in of_code(code).values() if pair.kind == "docstring"]
    assert "rectangle" not in pair.answer
    compile(pair.answer, "a.py", "exec")


def test_stubs_and_functions_without_a_docstring_give_nothing() -> None:
    places = {pair.place for chunk in chunk_python("docs", "a.py", MODULE, 2000) for pair in pairs_of(chunk)}
    assert places == {"a.py:Calendar.parse_date"}


def test_a_part_of_a_function_that_was_split_gives_nothing() -> None:
    long = 'def f(x):\n    """Say what the value is worth now."""\n' + "    x = x + 1  # and once more\n" * 200
    chunks = list(chunk_python("docs", "a.py", long, 400))
    assert len(chunks) > 3
    assert all(len(pair.answer) < 600 for chunk in chunks[1:] for pair in pairs_of(chunk))
    assert not [pair for chunk in chunks[1:] for pair in pairs_of(chunk)]


def test_a_section_is_asked_for_by_its_heading_and_by_a_sentence_that_is_cut_out() -> None:
    page = (
        "# Guide\n\n## Install the package\n\nThe wheel holds everything. It is copied to a folder of its own. Nothing "
        "else is touched by it. A second copy does no harm. Remove the folder and it is gone.\n"
    )
    found = {
        pair.kind: pair for chunk in chunk_text("docs", "a.md", page, 2000, "markdown") for pair in pairs_of(chunk)
    }
    assert found["heading"].question == "Install the package"
    assert found["heading"].answer.startswith("The wheel holds everything.")
    assert found["cloze"].question not in found["cloze"].answer
    assert len(found["cloze"].question) + len(found["cloze"].answer) + 1 == len(found["heading"].answer)


def test_a_pair_that_stood_before_is_left_out() -> None:
    first = Pair("Parse a date", "code of the parser", "docstring", "a", "")
    again = Pair("parse A date!", "some other code", "docstring", "b", "")
    other = Pair("Parse an hour", "Code of, the parser", "docstring", "b", "")
    kind = Pair("Parse a date", "its documentation", "summary", "a", "")
    assert distinct([first, again, other, kind]) == [first, kind]


def test_no_origin_crowds_out_the_others() -> None:
    pairs = [Pair(f"{i}", "", "name", "large", "") for i in range(1000)]
    pairs += [Pair(f"{i}", "", "name", "small", "") for i in range(30)]
    chosen = spread(pairs, 100, seed=4)
    assert sum(pair.origin == "small" for pair in chosen) == 30
    assert len(chosen) == 100 and chosen == spread(pairs, 100, seed=4) != spread(pairs, 100, seed=5)


def test_questions_of_code_come_in_the_forms_that_people_use() -> None:
    code = [Pair("Parse a date.", "", "docstring", "a", "")] * 400
    told = asked(code, seed=1)
    assert set(told) == {
        "Parse a date", "python parse a date", "how to parse a date in python", "parse a date in python",
    }  # fmt: skip
    assert 60 < sum(one.startswith("python") for one in told) < 140
    assert asked([Pair("A date.", "", "cloze", "a", "")], 1) == ["A date."]
