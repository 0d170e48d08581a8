"""Places that queries name, and the rows that stand there; the gate's own reading of both says the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtr_assets.core.asked_place import (
    MOST_PLACES,
    agreeing,
    asked_places,
    components,
    is_pasted,
    place_shares,
    place_spans,
    without_places,
)
from xtr_assets.pipeline.gate.place_truth import bare, places_in, stands_of

TRACEBACK = """Traceback (most recent call last):
  File "/opt/me/job.py", line 7, in <module>
    json.loads("{")
  File "/usr/lib/python3.11/json/__init__.py", line 346, in loads
    return _default_decoder.decode(s)
  File "/usr/lib/python3.11/json/decoder.py", line 355, in raw_decode
json.decoder.JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)
"""
RUST = """error[E0308]: mismatched types
 --> src/main.rs:4:18
  |
4 |     let x: i32 = "a";
note: function defined here
 --> src/lib.rs:12:5
"""
PYTEST = """tests/test_job.py:5: in test_it
    run()
src/job.py:12: in run
    raise ValueError("x")
E   ValueError: x
"""
DIFF = """--- a/src/x.py
+++ b/src/x.py\t2026-01-01
@@ -10,7 +12,8 @@ def f():
+import os
@@ -40 +44 @@
+++ b/y.py
@@ -1,2 +3,0 @@
"""

# What a query says, and its places: path, first line, last line where that is another one.
WRITTEN: list[tuple[str, list[tuple[str, int] | tuple[str, int, int]]]] = [
    ('File "asyncio/tasks.py", line 349', [("asyncio/tasks.py", 349)]),
    ('File "my dir/caf\u00e9.py", line 3, in f', [("my dir/cafe.py", 3)]),
    ("File ~/job.py:12, in f(a)", [("job.py", 12)]),
    ("x.py:12", [("x.py", 12)]),
    ("./src/x.c:12:5: error: expected ';'", [("src/x.c", 12)]),
    ("x.py:12-20", [("x.py", 12, 20)]),
    ("x.py:20-12", [("x.py", 20)]),
    ("src/x.py:12:def f(x): return x[1:3]", [("src/x.py", 12)]),
    ("main.main()\n\t/src/x.go:12 +0x1d\nmain.f()\n\t/src/y.go:3", [("src/x.go", 12), ("src/y.go", 3)]),
    ("at org.Foo.bar(Foo.java:12)", [("Foo.java", 12)]),
    ("    at f (src/x.ts:12:5)", [("src/x.ts", 12)]),
    ("at f (webpack:///./src/x.vue?1a2b:12:5)", [("webpack/src/x.vue", 12)]),
    ("http://localhost:3000/src/x.js:12:5", [("http/localhost/3000/src/x.js", 12)]),
    ("app/(group)/[id]/page.tsx:3:1", [("app/(group)/[id]/page.tsx", 3)]),
    ("(app/(group)/page.tsx:3:1)", [("(app/(group)/page.tsx", 3)]),
    ("https://forge.example/o/r/blob/main/src/x.py#L12", [("https/forge.example/o/r/blob/main/src/x.py", 12)]),
    ("src/x.py#L12-L20", [("src/x.py", 12, 20)]),
    ("README.md?plain=1#L12C3-L20C1", [("README.md", 12, 20)]),
    ("x.cs(12)", [("x.cs", 12)]),
    ("src/x.ts(12,5): error TS2304: Cannot find name", [("src/x.ts", 12)]),
    (r"at N.C.M() in C:\src\y.cs:line 12", [("C/src/y.cs", 12)]),
    (r'"C:\my dir\y.cs":12', [("C/my dir/y.cs", 12)]),
    ("copy(1)/x.py:12", [("copy(1)/x.py", 12)]),
    ("x.py line 12", [("x.py", 12)]),
    ("x.pl, line 12.", [("x.pl", 12)]),
    ("Fatal error: Uncaught in /srv/x.php on line 12", [("srv/x.php", 12)]),
    ("x.py:3 at line 12", [("x.py", 3)]),
    ("x.py line 3 on line 12", [("x.py", 3)]),
    ("./x.sh: line 12: foo: command not found", [("x.sh", 12)]),
    ("file:///src/x.kt:12:5 Unresolved reference", [("file/src/x.kt", 12)]),
    ("`src/x.py:3`, <src/y.py:4> and 'z.py:5'", [("src/x.py", 3), ("src/y.py", 4), ("z.py", 5)]),
    ("\uff41.py:12", [("a.py", 12)]),
    # The innermost comes first, and each once.
    (TRACEBACK, [("usr/lib/python3.11/json/decoder.py", 355), ("usr/lib/python3.11/json/__init__.py", 346),
                 ("opt/me/job.py", 7)]),
    (RUST, [("src/main.rs", 4), ("src/lib.rs", 12)]),
    (PYTEST, [("src/job.py", 12), ("tests/test_job.py", 5)]),
    ("x.py:1 y.py:2 x.py:1", [("x.py", 1), ("y.py", 2)]),
    (DIFF, [("src/x.py", 16), ("src/x.py", 44), ("y.py", 3)]),
    # It means a file where one is called so.
    ("localhost:8080", [("localhost", 8080)]),
    # A file and nothing else.
    ("asyncio/tasks.py", [("asyncio/tasks.py", 0)]),
    (" README.md\n", [("README.md", 0)]),
    (r"src\x.cs", [("src/x.cs", 0)]),
    ('"my notes.txt"', [("my notes.txt", 0)]),
    ("see asyncio/tasks.py", []),
    ("tasks", []),
    ("", []),
    ("...", []),
    # No line is written so.
    ("what is x.py:0", []),
    ("10:30", []),
    ("range(12) of x[1:3]", []),
    ("Expecting value: line 1 column 2", []),
    ("what is x.py:1.5", []),
    ("what is a:12b", []),
    ("what is a:12/b", []),
    ("what is a:1234567890", []),
    ("what is a:\u0661", []),
    ("what is #L12", []),
    ("what is a#L12x", []),
    ("what is :12", []),
    ("what is f(12", []),
    ("what is f(12)x", []),
    ("x.py lines 12", []),
    ("line 12", []),
    ("the last\nline 12", []),
]  # fmt: skip


@pytest.mark.parametrize(("text", "named"), WRITTEN)
def test_places_of_a_query(text: str, named: list[tuple[str, int]]) -> None:
    expected = [(components(path), lines[0], lines[-1]) for path, *lines in named]
    assert [(one.path, one.first, one.last) for one in asked_places(text)] == expected
    assert places_in(text) == expected
    assert without_places(text) == bare(text) and len(bare(text)) == len(text)


@pytest.mark.parametrize(
    ("asked", "own", "shared"),
    [
        ("/usr/lib/json/decoder.py", "json/decoder.py", 2),
        ("decoder.py", "lib/json/decoder.py", 1),
        ("/usr/decoder.py", "decoder.py", 1),
        ("a/x.py", "b/x.py", 0),
        ("a/b/x.py", "c/b/x.py", 2),
        ("a/x.py", "a/y.py", 0),
        ("x.py", "ax.py", 0),
        (r"C:\Src\X.cs", "src/x.cs", 2),
        ("caf\u00e9/x.py", "cafe\u0301/x.py", 2),
    ],
)
def test_paths_agree_by_what_they_end_with(asked: str, own: str, shared: int) -> None:
    (place,) = asked_places(f"{asked}:3")
    assert agreeing(place.path, components(own)) == shared
    rows = {0: {"path": own, "start_line": 3, "end_line": 3}}
    assert (stands_of(f"{asked}:3", np.array([0]), rows)[0] > 0) == bool(shared)


def test_a_row_at_the_innermost_place_has_the_largest_share_and_of_two_rows_the_shorter() -> None:
    # By hand: two frames, of which the first is the outer one; rows of 1, 8, 64 and 2,048 lines.
    text = 'File "a/x.py", line 5\nFile "b/c/x.py", line 900'
    places = asked_places(text)
    start, end = np.array([5, 1, 900, 1, 6]), np.array([5, 8, 963, 2048, 6])
    inner, outer = ((2 * number - 1) for number in (2, 1))
    expected = {
        # The same path counts as one component more.
        "a/x.py": [outer + (2 + 1) / 4, outer + (2 + 0.7) / 4, np.nan, outer + 2 / 4, np.nan],
        "b/c/x.py": [np.nan, np.nan, inner + (3 + 0.4) / 4, inner + 3 / 4, np.nan],
        "a/b/c/x.py": [np.nan, np.nan, inner + (2 + 0.4) / 4, inner + 2 / 4, np.nan],
        "c/x.py": [np.nan, np.nan, inner + (1 + 0.4) / 4, inner + 1 / 4, np.nan],
        # The end of both, of the inner one first.
        "x.py": [outer + 1 / 4, outer + 0.7 / 4, inner + 0.4 / 4, inner, np.nan],
        "d/x.py": [np.nan] * 5,
    }
    for path, shares in expected.items():
        np.testing.assert_allclose(place_shares(places, components(path), start, end), shares, rtol=1e-6)
        lines = zip(start.tolist(), end.tolist(), strict=True)
        rows = {row: {"path": path, "start_line": a, "end_line": b} for row, (a, b) in enumerate(lines)}
        np.testing.assert_allclose(stands_of(text, np.arange(5), rows), np.nan_to_num(shares), rtol=1e-12)


def test_a_file_alone_is_all_of_its_rows_alike() -> None:
    start, end = np.array([1, 9]), np.array([8, 900])
    shares = place_shares(asked_places("json/decoder.py"), ("lib", "json", "decoder.py"), start, end)
    assert shares.tolist() == [1.25, 1.25]


def test_of_many_places_the_innermost_count() -> None:
    frames = [f'File "x.py", line {number}, in f' for number in range(1, 101)]
    assert [one.first for one in asked_places("\n".join(frames))] == list(range(100, 100 - MOST_PLACES, -1))
    assert [one.first for one in asked_places(" ".join(f"x.c:{n}" for n in range(1, 101)))] == list(range(1, 33))


@pytest.mark.parametrize(
    ("text", "pasted"),
    [
        (TRACEBACK, True),
        (TRACEBACK.replace("\n", ""), True),
        (DIFF, True),
        ('  File "<stdin>", line 1, in <module>\nValueError: "x"', True),
        ('x.py:12: error: Name "f" is not defined', True),
        ('  src/x.ts(12,5): error: "f"', True),
        ('x.py:12:5: "f"', True),
        ('x.py:12 "wait for"', False),
        ('how x.py:12: "wait for"', False),
        ('localhost:8080: "wait for"', False),
        ('10:30\n"wait for"', False),
        ('self.peek(1)\n"wait for"', False),
        ('"wait for"\n+it', False),
    ],
)
def test_what_a_tool_wrote(text: str, pasted: bool) -> None:
    assert is_pasted(text) is pasted


def test_words_of_paths_are_blank() -> None:
    assert without_places("rust/x.py:12: in Rust") == " " * 12 + ": in Rust"
    assert without_places("random.shufle(5) of x:3") == "random.shufle(5) of x:3"
    assert place_spans('in "my dir/x.py", line 12 of') == [(3, 25)]


PIECES = (
    "a", "x.py", "b/", "/", " on ", "at", "\\", ":",
    "12", "3", "0", "(", ")", '"', " ", "\n", "#L", "C", "-", "L", "line", ", line ",
    "File ", "+++ b/", "@@ -1,2 +3,4 @@", "@@ -1 +", "`", "'", "<", "|", "?", "[", "]", "}", ".", "..", "~", "\t", "\r",
    "\u00e9", "e\u0301", "\uff1a", "\u0661", "E   ", "most recent call last", "1234567890", "_", "\x1c", "\u2028",
    "\ud800", "\u2105",
)  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_the_gate_reads_the_same_places(text: str) -> None:
    assert places_in(text) == [(one.path, one.first, one.last) for one in asked_places(text)]
    assert without_places(text) == bare(text)


@pytest.mark.parametrize("piece", ["x.py:1 ", '"', ' "', "(1", "#L1C", "line 1 ", 'File "a b", line 3\n', ":1-", "/:"])
def test_a_log_is_read_once(piece: str) -> None:
    """Whoever reads parts of it again and again does not come to an end."""
    log = piece * (100_000 // len(piece))
    assert len(asked_places(log)) <= 1 and len(without_places(log)) == len(log)
    assert is_pasted(log) is piece.startswith("File")
