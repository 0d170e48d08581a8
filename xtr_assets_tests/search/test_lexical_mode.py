"""Mode lexical and what a query demands, through the searcher: words, filters, deletions, generations of old."""

import math
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

import xtr_assets as xa
from xtr_assets.core.errors import CorruptFile, GenerationError, InvalidInput
from xtr_assets.core.lexical_terms import document_terms, query_terms
from xtr_assets.core.query_syntax import Query
from xtr_assets.core.types import Chunk, Mask
from xtr_assets.pipeline.gate.demand_truth import folded, stands
from xtr_assets.search.query_encoder import QueryEncoder
from xtr_assets.search.ranker import Mode
from xtr_assets.search.required_text import RequiredText
from xtr_assets.search.searcher import Searcher
from xtr_assets_tests import fixtures
from xtr_assets_tests.fixtures import make_chunk, new_warehouse, publish_chunks

MODES: tuple[Mode, ...] = ("dense", "xtr", "lexical", "hybrid", "exact")
CHUNKS = [
    make_chunk("asyncio/tasks.py", "gather", "def gather(*coros):\n    runs all of them", title="module tasks"),
    make_chunk("asyncio/tasks.py", "wait", "def wait(tasks): stop when one raises E1234", line=9),
    make_chunk("net/errors.md", "", "Connection  refused: HTTP_404 or E1234.", source="notes"),
    make_chunk("net/other.md", "", "refused connection, gather_all was asked", source="notes"),
    make_chunk("net/empty.md", "", "... --- ...", source="notes"),
    *(make_chunk(f"many/f{i}.py", f"f{i}", f"word{i % 7} word{i % 11} filler {i}") for i in range(150)),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("words") / "w"
    new_warehouse(folder, CHUNKS)
    return folder


@pytest.fixture
def path(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "w"))


def symbols(searcher: Searcher, query: str, **options: object) -> list[str]:
    hits = searcher.search(query, 50, options.pop("mode", "lexical"), **options)  # type: ignore[arg-type]
    return [hit.symbol or hit.path for hit in hits]


def by_the_book(chunks: list[Chunk], query: str) -> dict[int, float]:
    """BM25 of the chunks that score above 0, by chunk_id."""
    counts = {one.chunk_id: Counter(document_terms(one.path, one.symbol, one.title, one.text)) for one in chunks}
    mean = sum(one.total() for one in counts.values()) / len(counts)
    found: Counter[int] = Counter()
    for term in query_terms(query):
        holding = [one for one, own in counts.items() if own[term]]
        idf = math.log(1 + (len(counts) - len(holding) + 0.5) / (len(holding) + 0.5)) if holding else 0.0
        for one in holding:
            tf, length = counts[one][term], counts[one].total()
            found[one] += idf * 2.2 * tf / (tf + 1.2 * (0.25 + 0.75 * length / mean))  # type: ignore[assignment]
    return dict(found)


QUERIES = ("gather", "E1234 refused", "word3 word5 filler filler", "asyncio.gather", "tasks")


def test_scores_are_bm25_of_the_live_chunks_and_what_shares_no_word_is_no_hit(path: Path) -> None:
    warehouse = xa.Warehouse.open(path)
    left = CHUNKS[1:100]
    for chunks in (CHUNKS, left, [*left, make_chunk("new.py", "gather", "word3 gathers again")]):
        if chunks is not CHUNKS:
            publish_chunks(warehouse, chunks)
        with xa.open(path, "cpu") as searcher:
            answers = searcher.search_batch(QUERIES, 400, "lexical")
        for query, hits in zip(QUERIES, answers, strict=True):
            true = by_the_book(chunks, query)
            assert {hit.chunk_id for hit in hits} == set(true)
            assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
            for hit in hits:
                assert hit.scores == {"lexical": hit.score}
                assert hit.score == pytest.approx(true[hit.chunk_id], rel=1e-5)


def test_words_load_no_encoder(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QueryEncoder, "of", lambda *_: pytest.fail("an encoder was loaded"))
    with xa.open(path, "cpu") as searcher:
        assert symbols(searcher, "gather")[0] == "gather"
        assert "encoder" not in searcher.devices
        with pytest.raises(BaseException, match="an encoder was loaded"):
            searcher.search("gather", 5, "hybrid")


@pytest.mark.parametrize("mode", MODES)
def test_a_demand_holds_in_every_mode_and_under_a_filter(path: Path, mode: str) -> None:
    with xa.open(path, "cpu") as searcher:
        assert symbols(searcher, '"connection refused"', mode=mode) == ["net/errors.md"]
        assert set(symbols(searcher, "+e1234 wait", mode=mode)) == {"wait", "net/errors.md"}
        assert symbols(searcher, "+E1234 wait", mode=mode, where={"source": "code"}) == ["wait"]
        assert symbols(searcher, "+E1234 wait", mode=mode, where={"source": "none"}) == []
        assert symbols(searcher, '+E1234 +"Connection refused"', mode=mode) == ["net/errors.md"]
        assert symbols(searcher, "+nowhere gather", mode=mode) == []
        assert symbols(searcher, "+gather", mode=mode) == ["gather"], "a word is whole"
        assert len(symbols(searcher, '"connection refused" gather', mode=mode, syntax="plain")) >= 3


@pytest.mark.parametrize("mode", MODES)
def test_what_is_quoted_and_stands_nowhere_is_asked_by_its_words(path: Path, mode: Mode) -> None:
    """People quote messages as they saw them, with values in them that no text holds."""
    query = 'why is "connection refused: HTTP_503 or E1234" raised'
    with xa.open(path, "cpu") as searcher:
        found = searcher.search(query, 5, mode, explain=True)
        plain = "why is connection refused: HTTP_503 or E1234 raised"
        assert found.corrected == plain and found
        assert found == searcher.search(plain, 5, mode, syntax="plain", explain=True)
        # A row that the filter hides holds nothing.
        assert searcher.search('who "stops when" one', 5, mode).corrected == "who stops when one"
        stop = 'who will "stop when" one'
        assert [hit.symbol for hit in searcher.search(stop, 5, mode)] == ["wait"]
        hidden = searcher.search(stop, 5, mode, {"source": "notes"})
        assert hidden.corrected == "who will stop when one" and bool(hidden) is (mode != "lexical")
        assert searcher.search('"stops whenever"', 5, mode).corrected == "stops whenever"
        # A plus is meant.
        for strict in ('+"connection accepted"', '+E9 "no such" thing', "+nowhere gather"):
            assert (searcher.search(strict, 5, mode), searcher.search(strict, 5, mode).corrected) == ([], "")
        batch = searcher.search_batch([query, "gather", '+"connection accepted"', stop], 5, mode)
        assert [one.corrected for one in batch] == [plain, "", "", ""]
        assert batch[0] == searcher.search(plain, 5, mode, syntax="plain")


def test_a_hit_explains_its_score_and_its_rank(path: Path) -> None:
    with xa.open(path, "cpu") as searcher:
        first, second = searcher.search("E1234 raises", 2, "lexical", explain=True)
        for rank, hit in enumerate((first, second), 1):
            assert hit.explanation is not None and hit.explanation.tokens == ()
            (space,) = hit.explanation.spaces.values()
            assert (space.score, space.rank, space.listed, space.z) == (hit.score, rank, rank, None)
            assert str(hit.explanation).startswith("lexical: ")


def test_a_batch_keeps_demands_apart(path: Path) -> None:
    queries = ["+E1234 gather", "gather", "", '"refused connection"', "+nowhere", "wait"]
    with xa.open(path, "cpu") as searcher:
        for mode in MODES:
            alone = [searcher.search(query, 5, mode) for query in queries]
            together = searcher.search_batch(queries, 5, mode)
            assert [[hit.chunk_id for hit in one] for one in together] == [
                [hit.chunk_id for hit in one] for one in alone
            ]
            assert [len(one) for one in together][2:5] == [0, 1, 0]


def test_demands_are_looked_for_in_path_symbol_and_title_too(path: Path) -> None:
    with xa.open(path, "cpu") as searcher:
        assert symbols(searcher, '"module tasks"') == ["gather"]
        assert symbols(searcher, '"asyncio/tasks.py"') == ["gather", "wait"]
        assert symbols(searcher, '"f17"') == ["f17"]


@pytest.mark.parametrize("text", ['"', '""', '"..."', "+", "+ +", "++", '"\x00"', "+\ud800", '"' * 3_000, "+x" * 5_000])
def test_strange_demands_are_words(path: Path, text: str) -> None:
    with xa.open(path, "cpu") as searcher:
        for mode in MODES:
            searcher.search(text, 3, mode)


def test_rows_that_died_never_answer_and_rows_that_came_do(path: Path) -> None:
    warehouse = xa.Warehouse.open(path)
    publish_chunks(warehouse, [*CHUNKS[1:], make_chunk("late.py", "late", "gather E1234 once more")])
    with xa.open(path, "cpu") as searcher:
        assert "gather" not in symbols(searcher, "gather") and "late" in symbols(searcher, "gather")
        assert symbols(searcher, '+"def gather"') == []
        assert symbols(searcher, '"once more"') == ["late"]
        assert symbols(searcher, '"once more"', mode="dense") == ["late"]


def test_an_old_generation_answers_in_its_modes_and_says_what_makes_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(fixtures, "derive_lexical", lambda _: None)
        warehouse = new_warehouse(tmp_path / "w", CHUNKS)
    with xa.open(tmp_path / "w", "cpu") as searcher:
        assert len(searcher.search("gather", 5)) == 5
        assert symbols(searcher, '"connection refused"', mode="hybrid") == ["net/errors.md"]
        remedy = r"generation 1 has no lexical index to ask: it was published by a release that made none; `xtr-assets"
        for query in ("gather", ""):
            with pytest.raises(GenerationError, match=remedy):
                searcher.search(query, 5, "lexical")
        publish_chunks(warehouse, CHUNKS)
        searcher.refresh()
        assert symbols(searcher, "gather")[0] == "gather"


def test_terms_of_another_release_are_not_looked_up_in(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xtr_assets.search.loaders.TERMS_VERSION", 9)
    monkeypatch.setattr("xtr_assets.search.loaders.READ_TERMS", (9,))
    with (
        xa.open(path, "cpu") as searcher,
        pytest.raises(GenerationError, match=r"terms are of version 5, this release splits words by version 9"),
    ):
        searcher.search("gather", 5, "lexical")


def test_a_wrong_argument_names_what_is_allowed(path: Path) -> None:
    with xa.open(path, "cpu") as searcher:
        with pytest.raises(InvalidInput, match="syntax is 'free'; use one of terms, plain"):
            searcher.search("gather", syntax="free")  # type: ignore[arg-type]
        with pytest.raises(InvalidInput, match="nprobe is 3 in mode 'lexical'"):
            searcher.search("gather", mode="lexical", nprobe=3)
        with pytest.raises(InvalidInput, match="fusion is 'rrf' in mode 'lexical'"):
            searcher.search("gather", mode="lexical", fusion="rrf")


def test_a_list_that_names_rows_outside_is_refused_by_name(path: Path) -> None:
    (documents,) = path.rglob("lexical.*/documents.npy")
    data = np.load(documents)
    data[:] = 2**31 - 1
    np.save(documents, data)
    with pytest.raises(CorruptFile, match=r"documents\.npy"), xa.open(path, "cpu", verify="sizes") as searcher:
        searcher.search("gather", 5, "lexical")


def test_masks_of_demands_are_kept_and_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Sequence[str]] = []
    original = RequiredText._read

    def noted(self: RequiredText, demanded: Sequence[str]) -> Mask:
        read.append(demanded)
        return original(self, demanded)

    monkeypatch.setattr(RequiredText, "_read", noted)
    with xa.open(path, "cpu") as searcher:
        for _ in range(3):
            symbols(searcher, "+E1234")
        assert len(read) == 1
        monkeypatch.setattr("xtr_assets.search.required_text.CACHED_BYTES", 400)
        for word in ("filler", "word1", "word2", "E1234"):
            symbols(searcher, f"+{word}")
        assert len(read) == 5


def test_a_demand_that_holds_a_null_is_not_two_demands(path: Path) -> None:
    """What is kept of the one is no answer to the other, in whichever order they are asked."""
    with xa.open(path, "cpu") as searcher:
        for _ in range(2):
            assert sorted(symbols(searcher, "+connection +refused")) == ["net/errors.md", "net/other.md"]
            assert symbols(searcher, '+"connection\0refused"') == []


def test_what_is_read_without_lists_is_what_lists_narrow_to(path: Path) -> None:
    """The candidates that postings give hold every row that the texts hold."""
    words = ["gather", "E1234", "word3", "connection refused", "refused: HTTP_404", "tasks.py", "def wait(tasks)"]
    with xa.open(path, "cpu") as searcher, searcher.opened() as opened:
        assert opened.lexical is not None
        narrowed, slow = RequiredText(opened.generation, opened.lexical.index), RequiredText(opened.generation, None)
        for word in words:
            mine, true = narrowed.mask(Query("", (word,))), slow.mask(Query("", (word,)))
            assert mine is not None and true is not None and true.any()
            assert np.array_equal(mine, true), word


# Runs of scripts without spaces in which characters stand that are no term there, and words whose terms are wholes.
RUNS = (
    *("ชื่อของฉัน", "กขคงจฉช", "データベース", "한국어문서", "数据库索引", "กช", "ช"),
    *("ខ្មែរ", "error_code", "x-y", "日本 ช"),
)
PIECES = ("ช", "า", "ベ", "국", "库", "คง", "タベ", "x-y", "error_code", "ข", "nowhere", "ー", "索引", "y")


def demanding(query: str) -> list[Chunk]:
    """The chunks that hold what `query` demands, by comparing characters."""
    wanted = folded(query.strip('+"'))
    return [one for one in SCRIPTS if any(stands(folded(text), wanted) for text in (one.title, one.text, one.path))]


SCRIPTS = [
    make_chunk(f"run/{at}.txt", "" if at % 3 else f"s{at % 4}", f"{RUNS[at % 11]} {RUNS[at * 5 % 7]}", source=source)
    for at, source in enumerate("ab" * 22)
]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searcher]:
    folder = tmp_path_factory.mktemp("runs") / "w"
    new_warehouse(folder, SCRIPTS)
    with xa.open(folder, "cpu") as searcher:
        yield searcher


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("marks", ['+"{}"', "+{}"])
def test_mode_lexical_lists_every_row_that_holds_what_is_demanded(runs: Searcher, piece: str, marks: str) -> None:
    """Those that score by the book first; then the others, with the score 0, by chunk_id, as far as k reaches."""
    query = marks.format(piece)
    scored = by_the_book(SCRIPTS, query)
    for source in (None, "a"):
        held = [one.chunk_id for one in demanding(query) if source in (None, one.source)]
        order = sorted(held, key=lambda one: (-round(scored.get(one, 0.0), 4), one))
        where = None if source is None else {"source": source}
        for k in (1, 7, 100):
            hits = runs.search(query, k, "lexical", where)
            assert [hit.chunk_id for hit in hits] == order[:k]
            assert [hit.score for hit in hits] == pytest.approx([scored.get(one, 0.0) for one in order[:k]], rel=1e-5)
        assert {hit.chunk_id for hit in runs.search(query, 100, "exact", where)} == set(held)
        folded_hits = runs.search(query, 100, "lexical", where, collapse="symbol", explain=True)
        assert len(folded_hits) == len({(hit.path, hit.symbol or hit.chunk_id) for hit in folded_hits})
        known = {one.chunk_id: (one.path, one.symbol or one.chunk_id) for one in SCRIPTS}
        assert {known[hit.chunk_id] for hit in folded_hits} == {known[one] for one in held}
        for hit in folded_hits:
            assert hit.explanation is not None
            assert (hit.explanation.spaces["lexical"].listed is None) == (hit.score == 0)


def test_words_that_demand_nothing_list_no_row_without_them(runs: Searcher) -> None:
    assert len(runs.search("ช", 100, "lexical", syntax="plain")) == len(by_the_book(SCRIPTS, "ช")) < 44
    assert len(runs.search("+ช", 100, "lexical")) == len(demanding("ช")) > len(by_the_book(SCRIPTS, "ช"))
