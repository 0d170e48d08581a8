"""CSV as a source reads it: what is certain is read, and all else is refused with the line and the remedy."""

import csv
import io
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtr_assets.core.types import Chunk, Quarantined
from xtr_assets.sources import csv_table
from xtr_assets.sources.place import LocalFile
from xtr_assets.sources.record_rows import InvalidRecord
from xtr_assets_tests.sources.conftest import Opener, chunks, refusals, write


def said(source: Any, path: str) -> list[tuple[int, str, str]]:
    return [(one.line, one.reason, one.detail) for one in source.read(path) if isinstance(one, Quarantined)]


def test_a_table_gives_one_chunk_a_record_with_its_lines(tmp_path: Path, opened: Opener) -> None:
    content = (
        'id,Title,answer,price,of\r\n1,Hours,"From ""nine""\r\nto six, daily.",10,\r\n\r\n007,"",Täglich,n/a,NA\r\n'
    )
    write(tmp_path, "faq.csv", b"\xef\xbb\xbf" + content.encode())
    source = opened("records", id="id", title="Title", text="answer", metadata=("price", "of"))
    one, other = chunks(source, "faq.csv")
    assert (one.symbol, one.title, one.text) == ("1", "Hours", 'From "nine"\nto six, daily.')
    assert (one.start_line, one.end_line, one.metadata) == (2, 3, '{"of":null,"price":"10","title":"Hours"}')
    assert (other.symbol, other.title, other.text, other.start_line) == ("007", "", "Täglich", 5)
    assert other.metadata == '{"of":"NA","price":"n/a"}'


def test_numbers_are_those_that_are_asked_for(tmp_path: Path, opened: Opener) -> None:
    write(tmp_path, "a.csv", '_id,text,price,zip\n1,a,10,01234\n2,b,-2.50,1\n3,c,"1,5",\n4,d,1e999,\n5,e,007,\n')
    write(tmp_path, "a.jsonl", '{"_id": "1", "text": "a", "price": "10", "zip": 5}\n')
    source = opened("records", metadata=("zip", "price"), numbers=("price",))
    found = [one.metadata for one in chunks(source, "a.csv")]
    assert found[:2] == ['{"price":10,"zip":"01234"}', '{"price":-2.5,"zip":"1"}']
    assert found[2:] == [f'{{"price":{value},"zip":null}}' for value in ('"1,5"', '"1e999"', "7")]
    assert [one.metadata for one in chunks(source, "a.jsonl")] == ['{"price":10,"zip":5}']


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiters_are_told_from_the_header_and_lines_end_in_any_way(
    tmp_path: Path, opened: Opener, mark: str, end: str
) -> None:
    rows = [" _id ", "text", "a,b;c"], ["1", "one, two; three", "x"], ["2", "four\n|five", "y"]
    content = io.StringIO(newline="")
    csv.writer(content, delimiter=mark, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(rows)
    write(tmp_path, "a.csv", content.getvalue())
    found = chunks(opened("records"), "a.csv")
    assert [(one.symbol, one.text) for one in found] == [("1", "one, two; three"), ("2", "four\n|five")]


def test_a_column_by_itself_has_the_delimiter_of_its_suffix(tmp_path: Path, opened: Opener) -> None:
    for name in ("a.csv", "a.tsv"):
        write(tmp_path, name, "text\none; two\nthree, four\nfive\tsix\n")
    source = opened("records", id=None)
    assert [one.text for one in source.read("a.csv") if isinstance(one, Chunk)] == ["one; two", "five\tsix"]
    assert refusals(source, "a.csv") == [(3, "unparsable")]
    assert refusals(source, "a.tsv") == [(4, "unparsable")]


@pytest.mark.parametrize(
    ("header", "detail"),
    [
        (b"id;text;z,_id,text,y\n", None),
        (b"_id;text;z,_id,text,y\n", "by a comma (_id;text;z, _id, text, y) and by a semicolon (_id, text, z,_id,"),
        (b"1,Hello\n", "no column `_id`, `text`; the header, its first line, has 1, Hello"),
        (b"_id,text,text\n", "the column `text` stands there twice"),
        (b"_id,text,,,x,x\n", None),
        (b'sep=;\r\n"_id";text\r\n', None),
        (b"sep=,\n", "it is empty"),
        (b'"_id",te"xt"\n', "no column `text`"),
        (b'"_id"x,"te"xt\n', "a quote within a name"),
        (b'_id,"text\n', "a quote in its header, the first line, is never closed"),
        ("_id,text,größe\n".encode("cp1252"), 'byte 0xf6 is not UTF-8; save it as UTF-8 ("CSV UTF-8" in Excel)'),
        ("_id,text\n".encode("utf-16"), "byte order mark of UTF-16"),
        ("_id,text\n".encode("utf-16-le"), "a null character"),
        (b"\xef\xbb\xbf \n\n", "it is empty; its first line names the columns"),
    ],
)
def test_a_header_is_certain_or_refused(tmp_path: Path, opened: Opener, header: bytes, detail: str | None) -> None:
    write(tmp_path, "a.csv", header)
    found = said(opened("records"), "a.csv")
    assert found[-1][:2] == (0, "no-records")
    assert (detail or "it holds no record") in found[-1 if detail is None else 0][2], found


@pytest.mark.parametrize(
    ("content", "ids", "refused"),
    [
        ("1,a\n2\n3,b,c\n4,d\n", "14", [(3, "unparsable"), (4, "unparsable")]),
        # Blank records are none.
        ('1,a\n\n , \n,\n"",""\n,,,\n2,b', "12", []),
        # Delimiters at the end of lines.
        ("1,a,\n2,b,,,\n3,,c,\n", "12", [(4, "unparsable")]),
        # A header that ends so; where the columns have tabs, quotes may be letters.
        ("_id,text,,\n1,a\n2,b,c\n3\n4,d,e,f,g\n", "12", [(4, "unparsable"), (5, "unparsable")]),
        ('_id\ttext\n1\t"a\n2\tb"\n3\t"c\nd"\n4\t"e\tf"\n', "34", [(2, "unparsable")]),
        # What ends in the midst was cut off.
        ("1,a\n2", "1", [(3, "truncated")]),
        ('1,a\n2,"b\n3,c\n', "1", [(3, "truncated")]),
        ("1,a\n2,b", "12", []),
        # A quote within quotes; the next line is read where they are even again.
        ('1,a\n2,"b "c" d"\n3,e\n', "13", [(3, "unparsable")]),
        ('1,a\n2,"b "c\nd" e"\n3,f\n', "13", [(3, "unparsable"), (4, "unparsable")]),
        ('1,a\n2,"b" c\n3,d\n', "13", [(3, "unparsable")]),
        ('1,a\n2,"5" tall"\n3,d\n', "1", [(3, "truncated")]),
        ('1,5" tall\n2,"b"\n', "12", []),
        ("1,a\0\n2,b\n", "2", [(2, "null-bytes")]),
        ("1,\udcfc\n2,b\n", "2", [(2, "undecodable")]),
        ("1,a\n1,b\n,c\n2,\n", "1", [(3, "duplicate-id"), (4, "invalid-record"), (5, "invalid-record")]),
    ],
)
def test_broken_records_are_told_by_their_first_line(
    tmp_path: Path, opened: Opener, content: str, ids: str, refused: list[tuple[int, str]]
) -> None:
    header = "" if content.startswith("_id") else "_id,text\n"
    write(tmp_path, "a.csv", (header + content).encode("utf-8", "surrogateescape"))
    source = opened("records")
    assert "".join(one.symbol for one in source.read("a.csv") if isinstance(one, Chunk)) == ids
    assert refusals(source, "a.csv") == refused


def test_a_refusal_names_the_lines_and_what_to_do(tmp_path: Path, opened: Opener) -> None:
    content = '_id;text\n1;a;b\n2\n3; "a;b"\n4;"a\nb" c"d"\n5;"a\nb\n'
    write(tmp_path, "a.csv", content)
    assert [detail for _, _, detail in said(opened("records"), "a.csv")[:5]] == [
        "it has 3 cells, the header has 2: quote a cell that holds a semicolon",
        "it has 1 cell, the header has 2: quote a cell that holds a line break",
        "it has 3 cells, the header has 2: a quote opens a cell where nothing stands before it: remove the blank",
        "a quote in line 6 ends a cell that goes on: inside of quotes a quote is doubled; lines 5 to 6 are lost",
        "a quote is never closed: lines 7 to 8, the end of the file, are lost; double it where it is a letter",
    ]


def test_a_quote_that_is_never_closed_fills_no_memory(
    tmp_path: Path, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_table, "MOST_BYTES", 1000)
    write(tmp_path, "a.csv", '_id,text\n1,a\n2,"b\n' + "3,c\n" * 500 + '"\n4,d\n')
    source = opened("records")
    ((line, reason, detail),) = said(source, "a.csv")
    assert (line, reason) == (3, "unparsable") and "more than 1,000 bytes" in detail
    assert [one.symbol for one in source.read("a.csv") if isinstance(one, Chunk)] == ["1", "4"]


def test_a_cell_may_be_a_book(tmp_path: Path, opened: Opener) -> None:
    text = "One line of a book.\n" * 20_000
    write(tmp_path, "a.csv", f'_id,text\n1,"{text}"\n2,b\n')
    found = chunks(opened("records", max_chars=200_000), "a.csv")
    assert " ".join(one.text for one in found[:-1]).split() == text.split()
    assert {(one.start_line, one.end_line) for one in found} == {(2, 20_002), (20_003, 20_003)}


def test_a_table_of_other_rows_is_not_read_to_its_end(tmp_path: Path, opened: Opener) -> None:
    write(tmp_path, "a.csv", "_id,text\n" + "1,2,3\n" * 5000)
    found = said(opened("records"), "a.csv")
    assert (len(found), found[-1]) == (1001, (0, "no-records", "none of its first 1,000 records can be read"))


def test_records_without_ids_are_called_by_what_they_say(tmp_path: Path, opened: Opener) -> None:
    """A record above them, or another order, changes none."""
    source = opened("records", id=None, title="q", text="a", metadata=("m",))
    rows = ["Hours?,From nine.,x", "Price?,Ten.,x", "Hours?,From nine.,y"]
    write(tmp_path, "a.csv", "\n".join(["q,a,m", *rows, ""]))
    before = {(one.symbol, one.chunk_id): one.title for one in chunks(source, "a.csv")}
    assert sorted(symbol for symbol, _ in before) == ["08b0f510c59c6150", "3a92e263d99be726", "3a92e263d99be726-2"]
    write(tmp_path, "a.csv", "\n".join(["q,a,m", "New?,Yes.,x", *reversed(rows), ""]))
    after = {(one.symbol, one.chunk_id): one.title for one in chunks(source, "a.csv")}
    assert before.items() <= after.items() and len(after) == 4
    write(tmp_path, "a.jsonl", '{"q": "Hours?", "a": "From nine."}\n{"a": ""}\n')
    assert refusals(source, "a.jsonl") == [(2, "invalid-record")]
    (one,) = (one for one in source.read("a.jsonl") if isinstance(one, Chunk))
    assert one.symbol == "3a92e263d99be726"


_CELLS = st.text(st.sampled_from('ab",;\t|\r\n é'), max_size=6)


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(st.tuples(_CELLS, _CELLS), max_size=5), mark=st.sampled_from(list(csv_table.DELIMITERS)))
def test_what_python_writes_comes_back(rows: list[tuple[str, str]], mark: str) -> None:
    content = io.StringIO(newline="")
    csv.writer(content, delimiter=mark).writerows([("_id", "text"), *rows])
    with tempfile.TemporaryDirectory() as folder:
        file = write(Path(folder), "a.csv", content.getvalue())
        found = list(csv_table.read_csv(LocalFile(file), ["_id", "text"], []))
    read = [one.values for one in found if not isinstance(one, InvalidRecord)]
    rows = [row for row in rows if mark != "\t" or not any(re.search("(?s)\t.*[\r\n]|[\r\n].*\t", one) for one in row)]
    told = [[re.sub("\r\n?", "\n", cell) or None for cell in row] for row in rows if "".join(row).strip()]
    assert read == [dict(zip(("_id", "text"), row, strict=True)) for row in told]
