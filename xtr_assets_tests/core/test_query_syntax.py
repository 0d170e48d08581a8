"""The grammar of queries: small, and no text is an error."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.query_syntax import MOST_BESIDE, MOST_DEMANDS, Query, parse_query

MARKS = st.text(st.sampled_from('ab "+“”\n\t.é猫1_\ud800'))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"connection refused"', Query("connection refused", ("connection refused",))),
        ('why "a  b" now', Query("why a  b now", ("a  b",))),
        ('+"a b" c', Query("a b c", (), ("a b",))),
        ("“a b” c", Query("a b c", ("a b",))),
        ("+gather tasks", Query("gather tasks", (), ("gather",))),
        ("+asyncio.gather, +E1234!", Query("asyncio.gather, E1234!", (), ("asyncio.gather", "E1234"))),
        ('"a" "a" +b +b', Query("a a b b", ("a",), ("b",))),
        ("+__init__", Query("__init__", (), ("__init__",))),
        ("+猫", Query("猫", (), ("猫",))),
        # Words like any other.
        ('print("hello")', Query('print("hello")')),
        ("a + b, C++, a+b, +1", Query("a + b, C++, a+b, +1")),
        ('5" disk', Query('5" disk')),
        ('an "open quote', Query('an "open quote')),
        ('"" "  " "..." + +', Query('"" "  " "..." + +')),
        ('"a"b', Query('"a"b')),
        ("+__", Query("+__")),
        # The path of a place, and what a tool wrote.
        ('in File "x.py", line 3', Query('in File "x.py", line 3')),
        ('"my dir/x.py":3 "a b"', Query('"my dir/x.py":3 a b', ("a b",))),
        ('x.py:3: error: "f" +g', Query('x.py:3: error: "f" +g')),
        ('File "x.py", line 3\n  open(p, "rb")\n+import os', Query('File "x.py", line 3\n  open(p, "rb")\n+import os')),
        ('File "x.py"', Query("File x.py", ("x.py",))),
        ('localhost:8080 "a b"', Query("localhost:8080 a b", ("a b",))),
        ("", Query("")),
    ],
)
def test_queries_are_taken_apart(text: str, expected: Query) -> None:
    assert parse_query(text) == expected
    assert parse_query(text, "plain") == Query(text)


def test_an_unknown_syntax_is_refused() -> None:
    with pytest.raises(InvalidInput, match="syntax is 'lucene'; use one of terms, plain"):
        parse_query("a", "lucene")  # type: ignore[arg-type]


@given(st.one_of(MARKS, st.text(st.characters())))
def test_no_text_is_an_error_and_plain_is_the_text_itself(text: str) -> None:
    assert parse_query(text, "plain") == Query(text)
    query = parse_query(text)
    assert len(query.phrases) + len(query.required) <= MOST_DEMANDS
    # Nothing but marks goes, and what is demanded stands in the text.
    assert [one for one in query.text if one not in '"+“”'] == [one for one in text if one not in '"+“”']
    for demanded in (*query.phrases, *query.required):
        assert demanded in query.text
        assert demanded == demanded.strip()
    if not set('"+“') & set(text):
        assert query == Query(text)


def test_demands_beyond_the_most_are_words() -> None:
    query = parse_query(" ".join(f"+w{number}" for number in range(MOST_DEMANDS + 1)))
    assert query.required == tuple(f"w{number}" for number in range(MOST_DEMANDS))
    assert query.text.endswith(f" +w{MOST_DEMANDS}")


@pytest.mark.parametrize("mark", ['"', ' "', " “", " +", '+"', ' +"a', ' "a" '])
def test_a_megabyte_of_marks_is_read_once(mark: str) -> None:
    started = time.process_time()
    parse_query(mark * (1_000_000 // len(mark)))
    assert time.process_time() - started < 5


def test_a_story_quotes_and_demands_nothing() -> None:
    words = " ".join(f"w{number}" for number in range(MOST_BESIDE))
    assert parse_query(f'{words} "said it"').phrases == ("said it",)
    assert parse_query(f'{words} more "said it" +must') == Query(f"{words} more said it must", (), ("must",))
