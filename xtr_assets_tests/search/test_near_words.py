"""Words that no row holds are asked as the nearest that rows hold: which, where, and whose rows may say so."""

import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

import xtr_assets as xa
from xtr_assets.core.edits import LEAST_LETTERS, edits
from xtr_assets.search.hit_table import Hits
from xtr_assets.search.searcher import Searcher
from xtr_assets_tests.fixtures import make_chunk, new_warehouse, publish, write_shard

CHUNKS = [
    make_chunk("asyncio/tasks.py", "gather", "def gather(*coros):\n    runs all of the coroutines"),
    make_chunk("asyncio/locks.py", "Semaphore", "class Semaphore: limits how many"),
    make_chunk("pool.py", "ProcessPoolExecutor", "class ProcessPoolExecutor: workers in processes"),
    make_chunk("nested.py", "flatten", "def flatten(values): values in nested lists"),
    make_chunk("plans/phoenix.md", "", "The Phoenix project is delayed.", source="board"),
    make_chunk("notes/birds.md", "", "A phonix is no bird, and a raven is one.", source="notes"),
    make_chunk("notes/people.md", "", "A linker is on linkedin, and could be at the universitat.", source="notes"),
    *(make_chunk(f"many/f{i}.md", "", f"filler number {i}", source="notes") for i in range(60)),
]


@pytest.fixture(scope="module")
def searcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searcher]:
    folder = tmp_path_factory.mktemp("spelling") / "w"
    new_warehouse(folder, CHUNKS)
    with xa.open(folder) as opened:
        yield opened


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ("gahter", "gather"),
        ("asyncio.gahter", "asyncio.gather"),
        ("gathr the corutines", "gather the coroutines"),
        ("Semaphroe", "Semaphore"),
        ("SEMPHORE", "SEMAPHORE"),
        ("ProcesPoolExecutor", "ProcessPoolExecutor"),
        ("the limts of a semaphore", "the limits of a semaphore"),
        ("flaten the\tvaluess", "flatten the\tvalues"),
        ("gahter in gahter/x.py:12", "gather in gahter/x.py:12"),
        ("asyncio.gahter(12)", "asyncio.gather(12)"),
    ],
)
def test_a_word_that_no_row_holds_is_asked_as_the_nearest_one(searcher: Searcher, typed: str, asked: str) -> None:
    found = searcher.search(typed, 5, "lexical")
    assert found.corrected == asked
    assert found == searcher.search(asked, 5, "lexical"), "the same hits with the same scores"
    assert searcher.search(asked, 5, "lexical").corrected == ""


@pytest.mark.parametrize(
    "typed",
    [
        "gather coroutines",
        "gathering",  # the stem is held
        "athger",  # two edits
        "gather1 gathr1 2gathr",  # beside digits
        "xather",  # the first letter
        "gatr",  # too short
        "gähter",
        "ga\u0308hter",  # the same with an accent of its own
        "Universita\u0308t",  # no letter comes before an accent
        "linke\u00addin",  # a soft hyphen: half of a word is none
        "linke\u200bdin",
        "couldn't",  # rows hold "could"
        "couldn\u2019t",
        "asyncoi/taskz.py:12",  # the path of a place
        'File "/opt/gahter/x.py", line 12',
        "LinkedIn",  # "linkedin" is held, "linked" is not, and "linker" is
        "tested lists",  # "nested" has another first letter
        "",
        "E1234 404",
        " ".join(["gahter"] * 17),  # a page that was pasted
    ],
)
def test_what_is_known_short_or_far_is_asked_as_it_is(searcher: Searcher, typed: str) -> None:
    assert searcher.search(typed, 5, "lexical").corrected == ""


def test_a_language_is_no_mistake_whatever_rows_hold(tmp_path: Path) -> None:
    """Files of it that do not say its name speak of what is spelled nearly so."""
    new_warehouse(
        tmp_path / "w",
        [
            make_chunk("core.clj", "", "(defn closure [f] (fn [x] (f x)))"),
            make_chunk("scale.js", "", "function scale(shift) { return closure; }"),
        ],
    )
    with xa.open(tmp_path / "w") as opened:
        for typed in ("a function in Clojure", "Scala or Swift", "clojure"):
            assert opened.search(typed, 2, "lexical").corrected == ""
        assert opened.search("x of Clojure", 2, "lexical")[0].path == "core.clj"
        assert opened.search("a closuer", 2, "lexical").corrected == "a closure"


def test_whoever_wants_what_was_typed_gets_it(searcher: Searcher) -> None:
    for found in (
        searcher.search("gahter", 5, "lexical", syntax="plain"),
        searcher.search("+gahter", 5, "lexical"),
        searcher.search('limits +"gahter"', 5, "lexical"),
    ):
        assert found.corrected == "" and not found
    assert searcher.search('limits "gahter"', 5, "lexical").corrected == "limits gahter"
    assert searcher.search("gahter", 5, "dense").corrected == "", "a mode that looks at no words"


def test_a_word_that_the_encoder_knows_is_no_mistake(searcher: Searcher) -> None:
    """The encoder of these tests knows each word as one piece; words alone are looked at without it."""
    assert searcher.search("gahter", 5, "hybrid").corrected == ""


def test_a_filter_hides_words_too(searcher: Searcher) -> None:
    assert searcher.search("phoenx", 5, "lexical").corrected == "phoenix"
    assert searcher.search("phoenx", 5, "lexical", {"source": "board"}).corrected == "phoenix"
    assert searcher.search("phoenx", 5, "lexical", {"source": "notes"}).corrected == "", "whose rows do not hold it"


def test_of_near_words_the_one_of_most_rows_is_asked_that_may_be_seen(tmp_path: Path) -> None:
    rows = [make_chunk(f"a/{i}.md", "", f"The cabinet {i}", source="a") for i in range(9)]
    rows += [make_chunk(f"b/{i}.md", "", f"A cabiner {i}", source="b") for i in range(3)]
    new_warehouse(tmp_path / "w", rows)
    with xa.open(tmp_path / "w") as opened:
        assert opened.search("cabinex", 1, "lexical").corrected == "cabinet"
        assert opened.search("cabinex", 1, "lexical", {"source": "b"}).corrected == "cabiner"


def test_each_query_of_a_batch_by_itself_and_explanations_of_what_was_asked(searcher: Searcher) -> None:
    asked = ["semaphroe", "gather", "", "flaten"]
    found = searcher.search_batch(asked, 3, "lexical", explain=True)
    assert [one.corrected for one in found] == ["semaphore", "", "", "flatten"]
    assert [len(one) for one in found] == [1, 1, 0, 1]
    assert found[0][0].explanation is not None
    assert [one.term for one in found[0][0].explanation.terms] == ["semaphor"]


def test_a_form_that_the_encoder_knows_is_known_too(searcher: Searcher) -> None:
    """It has the word without capitals: rows hold neither."""
    assert searcher.search("GatherQueue", 5, "lexical").corrected == ""
    assert searcher.search("GahterPool", 5, "lexical").corrected == "GatherPool"
    assert searcher.search("GahterPool", 5, "hybrid").corrected == ""


def test_a_batch_asks_about_as_many_words_as_a_server_has_time_for(searcher: Searcher) -> None:
    typed, asked = "flaten gahter semaphroe", "flatten gather semaphore"
    batches = ([typed, *["nested"] * more] for more in (31, 32, 63))
    found = [searcher.search_batch(batch, 1, "lexical")[0].corrected for batch in batches]
    assert found == [asked, "flatten gather semaphroe", "flatten gahter semaphroe"]
    again = searcher.search_batch(["gahter"] * 500, 1, "lexical")
    assert {one.corrected for one in again} == {"gather"}, "each query has one"


def test_words_of_rows_that_died_are_asked_no_more(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path / "w", CHUNKS[:3])
    write_shard(warehouse, "code", [one for one in CHUNKS[:3] if one.symbol != "Semaphore"])
    with xa.open(tmp_path / "w") as opened:
        assert opened.search("semaphroe", 1, "lexical").corrected == "semaphore"
        publish(warehouse)
        opened.refresh()
        assert opened.search("semaphroe", 1, "lexical").corrected == ""


def test_all_edits_of_a_word_by_their_definition() -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    word = "gahter"
    near = set(edits(word))
    assert len(edits(word)) == len(near) and word not in near
    for at in range(1, len(word)):
        assert word[:at] + word[at + 1 :] in near or word[:at] + word[at + 1 :] == word
        for letter in letters:
            assert {word[:at] + letter + word[at:], word[:at] + letter + word[at + 1 :]} - {word} <= near
    assert all(one[0] == word[0] and abs(len(one) - len(word)) <= 1 for one in near)
    assert LEAST_LETTERS == 5


def test_hits_keep_what_was_asked(searcher: Searcher) -> None:
    found = searcher.search("semaphroe", 3, "lexical")
    again = pickle.loads(pickle.dumps(found))
    assert isinstance(again, Hits) and again == found and again.corrected == found.corrected == "semaphore"
    assert found[:1].corrected == "semaphore", "a part of an answer was asked as the whole"
    del again.corrected
    assert pickle.loads(pickle.dumps(again)).corrected == "", "pickled by a release that corrected nothing"
