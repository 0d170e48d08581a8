"""New rows that an index lacks or mixes up are refused, however small the change; a healthy change is not."""

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from xtr_assets.config import DenseConfig, IndexConfig, RecallConfig, SourceConfig
from xtr_assets.core.recall import recall_at_k
from xtr_assets.core.row_store import RowVectors, TokenPart, VectorPart
from xtr_assets.core.types import Chunk, Floats, Ints, Mask
from xtr_assets.index import DenseIndex
from xtr_assets.index.late.centroids import TokenModel
from xtr_assets.index.late.options import SearchProfile
from xtr_assets.index.late.postings import write_postings
from xtr_assets.pipeline.derive import token_index
from xtr_assets.pipeline.derive.dense_index import derive_dense
from xtr_assets.pipeline.derive.exact_neighbors import exact_neighbors
from xtr_assets.pipeline.derive.neighbor_lists import Neighbors, write_neighbors
from xtr_assets.pipeline.derive.token_index import derive_tokens
from xtr_assets.pipeline.gate.index_recall import scored_anew, xtr_recall
from xtr_assets.pipeline.gate.new_row_recall import (
    Space,
    dense_recall_new_rows,
    judge_new,
    measure,
    xtr_recall_new_rows,
)
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.pipeline.queries.query_sample import sample_queries
from xtr_assets.search.loaders import DENSE_FILE
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import ENCODER, encode, make_chunk, publish, write_shard

OLD, ADDED = 900, 12
CONFIG = IndexConfig(sources=(SourceConfig(name="s", kind="records", path=Path("c.jsonl")),), recall=RecallConfig())
Words = Callable[[int], str]


def sentence(i: int) -> str:
    """30 words; those of neighbours overlap, so that new rows have old neighbours."""
    chance = np.random.default_rng(i)
    return " ".join(f"w{word}" for word in chance.integers(0, 400, 30) + 20 * (i % 40))


def chunks(first: int, count: int, words: Words = sentence) -> list[Chunk]:
    return [make_chunk(f"f{i}", str(i), words(i), source="s", kind="record") for i in range(first, first + count)]


def drafted(
    root: Path,
    old: Sequence[Chunk],
    added: Sequence[Chunk],
    recipe: str = "IVF16,Flat",
    *,
    spoil_tokens: str = "",
    lists: bool = False,
) -> DraftSession:
    """A draft that adds rows to a published generation, with its queries, exact lists and indexes: a copy of one that
    the first who asked had made. It lies beside the folders of tests, and goes with them."""
    asked = hashlib.sha256(repr((old, added, recipe, spoil_tokens)).encode()).hexdigest()
    base = root.parent.parent / f"draft-{asked}"
    if base not in _drafts:
        shutil.rmtree(base, ignore_errors=True)
        _drafts[base] = _derived(base, old, added, recipe, spoil_tokens)
    warehouse = Warehouse.open(shutil.copytree(base, root))
    draft = warehouse.open_draft(_drafts[base])
    if lists:
        # So small an index is scanned by plan, and a scan reads no postings.
        draft.set_profile("xtr", asdict(SearchProfile()))
    return DraftSession(warehouse, draft, settings(recipe), encoder=lambda: ENCODER)


# Draft numbers of what was made, by its folder.
_drafts: dict[Path, int] = {}


def settings(recipe: str) -> IndexConfig:
    return CONFIG.model_copy(update={"dense": DenseConfig(recipe=recipe)})


def _derived(root: Path, old: Sequence[Chunk], added: Sequence[Chunk], recipe: str, spoil_tokens: str) -> int:
    """The number of the draft."""
    warehouse = copied(root, old, recipe)
    write_shard(warehouse, "s", [*old, *added])
    snapshot = warehouse.snapshot("s")
    assert snapshot is not None
    for one in snapshot.segments:
        segment = warehouse.segment(one.segment_id)
        if not segment.has_embeddings(ENCODER.fingerprint):
            encode(segment)
    versions = {"s": snapshot.data_version}
    draft = warehouse.draft("t", encoder=ENCODER.describe(), fingerprint=ENCODER.fingerprint, snapshots=versions)
    session = DraftSession(warehouse, draft, settings(recipe), encoder=lambda: ENCODER)
    sample_queries(session)
    exact_neighbors(session)
    derive_dense(session)
    with pytest.MonkeyPatch.context() as patch:
        if spoil_tokens:
            patch.setattr(token_index, "write_postings", spoiled(spoil_tokens))
        derive_tokens(session)
    return draft.number


def copied(root: Path, old: Sequence[Chunk], recipe: str) -> Warehouse:
    """A copy of a warehouse that serves these rows; it lies beside `root`."""
    base = root.parent / f"{recipe.replace(',', '-')}-{hashlib.sha256(repr(old).encode()).hexdigest()}"
    if base not in _served:
        shutil.rmtree(base, ignore_errors=True)
        warehouse = Warehouse.create(base)
        write_shard(warehouse, "s", old)
        publish(warehouse, recipe=recipe)
        _served.add(base)
    return Warehouse.open(shutil.copytree(base, root))


_served = set[Path]()


def spoiled(how: str) -> Callable[..., None]:
    """`write_postings` that writes those of other tokens: of the next document, or of noise."""

    def write(model: TokenModel, part: TokenPart, folder: Path) -> None:
        tokens = np.array(part.tokens)
        if how == "shifted":
            documents = np.split(tokens, np.asarray(part.offsets)[1:-1])
            documents = [*documents[1:], documents[0]]
            offsets = np.concatenate([[0], np.cumsum([len(one) for one in documents])])
            return write_postings(model, replace(part, tokens=np.concatenate(documents), offsets=offsets), folder)
        noise = np.random.default_rng(1).integers(-127, 128, tokens.shape).astype(np.int8)
        return write_postings(model, replace(part, tokens=noise), folder)

    return write


def rewrite_dense(draft: Draft, index: DenseIndex) -> None:
    with draft.writing(DENSE_FILE) as path:
        index.save_index(path)


def without_new_rows(session: DraftSession) -> None:
    index = session.dense()
    index.remove(np.flatnonzero(session.rows.added))
    rewrite_dense(session.draft, index)


def shifted_new_rows(session: DraftSession, recipe: str) -> None:
    """The same index, but each new row has the vector of the next one."""
    vectors = session.draft.vectors()
    parts = [
        VectorPart(one.base_row, np.roll(np.asarray(one.vectors), -1, axis=0) if one.base_row >= OLD else one.vectors)
        for one in vectors.parts
    ]
    made = DenseIndex.build(RowVectors(parts, vectors.dim), recipe, live=session.draft.live)
    rewrite_dense(session.draft, made)


@pytest.mark.parametrize("recipe", ["Flat", "IVF16,Flat", "HNSW16"])
def test_a_healthy_change_passes(tmp_path: Path, recipe: str) -> None:
    session = drafted(tmp_path / "w", chunks(0, OLD), chunks(OLD, ADDED), recipe)
    for look in (dense_recall_new_rows, xtr_recall_new_rows):
        finding = look(session)
        assert finding.passed and finding.value is not None, finding.summary
        assert finding.details["queries"] >= 8
        assert finding.details["new_rows"] == ADDED
        assert "of the neighbours that are new" in finding.summary


@pytest.mark.parametrize("recipe", ["IVF16,Flat", "Flat"])
def test_new_rows_missing_from_faiss_are_refused(tmp_path: Path, recipe: str) -> None:
    session = drafted(tmp_path / "w", chunks(0, OLD), chunks(OLD, ADDED), recipe)
    without_new_rows(session)
    finding = dense_recall_new_rows(session)
    assert not finding.passed
    assert finding.details["mean"] == 0.0
    gate, exact = session.queries(), session.neighbors("dense")
    rows = session.dense().search(gate.embeddings, 10)[1]
    assert recall_at_k(rows, exact.rows[:, :10])[gate.of("fixed")].mean() > 0.95, "what the average hides"


@pytest.mark.parametrize("recipe", ["HNSW16", "IVF64,Flat"])
def test_ids_of_new_rows_that_are_shifted_by_one_are_refused(tmp_path: Path, recipe: str) -> None:
    session = drafted(tmp_path / "w", chunks(0, OLD), chunks(OLD, ADDED), recipe)
    assert dense_recall_new_rows(session).passed
    shifted_new_rows(session, recipe)
    finding = dense_recall_new_rows(session)
    assert not finding.passed
    assert finding.value is not None and finding.value < 0.9


@pytest.mark.parametrize("how", ["", "shifted", "noise"])
def test_new_rows_whose_postings_are_of_other_tokens_are_refused(tmp_path: Path, how: str) -> None:
    session = drafted(tmp_path / "w", chunks(0, OLD), chunks(OLD, ADDED), spoil_tokens=how, lists=True)
    assert not session.tokens().search_detailed(session.queries().tokens[0], 10).scanned
    finding = xtr_recall_new_rows(session)
    assert finding.passed == (not how), finding.summary


def test_a_single_new_row_of_one_word_is_asked_for_by_its_own_vector(tmp_path: Path) -> None:
    added = chunks(OLD, 1, lambda i: "unheard")
    session = drafted(tmp_path / "w", chunks(0, OLD), added)
    finding = dense_recall_new_rows(session)
    assert finding.passed and finding.details["asked_by_own_vectors"] == 1
    assert xtr_recall_new_rows(session).passed
    without_new_rows(session)
    assert not dense_recall_new_rows(session).passed


def test_new_rows_that_offer_no_text_are_asked_for_by_their_own_vectors(tmp_path: Path) -> None:
    session = drafted(tmp_path / "w", chunks(0, OLD), chunks(OLD, ADDED, lambda i: "!" * (i % 7 + 1)))
    finding = dense_recall_new_rows(session)
    assert finding.passed, finding.summary
    # The hashing encoder gives all of them one vector: ten of twelve are found, whichever.
    assert finding.details["asked_by_own_vectors"] == 10 and finding.details["copies"] == 2
    without_new_rows(session)
    refused = dense_recall_new_rows(session)
    assert not refused.passed and refused.details["mean"] == 0.0


def test_copies_of_rows_there_were_are_not_refused_for_being_copies(tmp_path: Path) -> None:
    session = drafted(
        tmp_path / "w", chunks(0, 300, lambda i: "one text"), chunks(300, 20, lambda i: "one text"), "Flat"
    )
    for look in (dense_recall_new_rows, xtr_recall_new_rows):
        finding = look(session)
        assert finding.passed and "copies" in finding.summary


def test_rows_that_came_and_were_not_asked_for_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = drafted(tmp_path / "w", chunks(0, OLD), chunks(OLD, ADDED))
    nothing = np.zeros(len(session.queries()), np.bool_)
    monkeypatch.setattr("xtr_assets.pipeline.gate.new_row_recall.OWN_ROWS", 0)
    monkeypatch.setattr(type(session.queries()), "of", lambda *_: nothing)
    finding = dense_recall_new_rows(session)
    assert not finding.passed and finding.value is None
    assert finding.details["basis"] == "no queries"


@dataclass(frozen=True)
class Hidden:
    """An index that finds new row 0 for queries that begin below 4 alone, and old rows always."""

    def search(self, queries: Sequence[Floats], k: int) -> tuple[Floats, Ints]:
        found = [[0, 1] if query[0] < 4 else [1, 2] for query in queries]
        return np.ones((len(queries), 2), np.float32), np.array(found)

    def exact(self, queries: Sequence[Floats], rows: Mask, k: int) -> tuple[Floats, Ints]:
        return np.full((len(queries), 1), 0.9, np.float32), np.zeros((len(queries), 1), np.int64)

    def space(self) -> Space:
        return Space("dense search", False, self.search, self.exact, lambda row: (np.zeros(2, np.float32), 0.9), 1e-6)


def test_nine_queries_about_one_row_say_no_more_than_one_row_does() -> None:
    exact = Neighbors(np.tile(np.array([[0.9, 0.5, 0.1]], np.float32), (9, 1)), np.tile(np.array([[0, 1, 2]]), (9, 1)))
    added, live = np.array([True, False, False]), np.ones(3, np.bool_)
    queries = [np.array([i, 3], np.float32) for i in range(9)]
    found = measure(Hidden().space(), queries, exact, added, live, 2)
    assert (found.queries, found.rows, found.own) == (9, 1, 1)
    assert found.shares.tolist() == pytest.approx([4 / 9, 1.0]), "the row, and the row by its own vectors"
    assert judge_new("dense", found, 1, 2, 0.93, exact=False).passed
    assert (
        "9 queries and 1 rows' own vectors for 1 new rows, counted by 1 of these"
        in judge_new("dense", found, 1, 2, 0.93, exact=False).summary
    )


def test_an_index_that_scores_every_row_is_not_refused_for_lists_that_were_cut() -> None:
    """Lists that were carried over end where rows died. Five old rows lie between their end and the new row, which is
    no neighbour at any depth then."""
    scores = np.array([0.1, *np.linspace(0.9, 0.2, 12)], np.float32)  # Row 0 is new.
    order = np.argsort(-scores)

    def search(queries: Sequence[Floats], k: int) -> tuple[Floats, Ints]:
        return np.tile(scores[order][:k], (len(queries), 1)), np.tile(order[:k], (len(queries), 1))

    def exact(queries: Sequence[Floats], rows: Mask, k: int) -> tuple[Floats, Ints]:
        return np.full((len(queries), 1), 0.1, np.float32), np.zeros((len(queries), 1), np.int64)

    carried = Neighbors(np.full((6, 9), -np.inf, np.float32), np.full((6, 9), -1))
    carried.scores[:, :6], carried.rows[:, :6] = scores[order][:6], order[:6]
    space = Space("dense search", True, search, exact, lambda row: (np.zeros(2, np.float32), 0.1), 1e-6)
    added = np.arange(13) == 0
    queries = [np.array([i, 3], np.float32) for i in range(6)]
    found = measure(space, queries, carried, added, np.ones(13, np.bool_), 2)
    assert found.undecided == 6, "no query has a certain new neighbour"


def test_queries_of_the_same_vectors_are_one() -> None:
    exact = Neighbors(np.tile(np.array([[0.9, 0.5, 0.1]], np.float32), (50, 1)), np.tile([[0, 1, 2]], (50, 1)))
    added, live = np.array([True, False, False]), np.ones(3, np.bool_)
    found = measure(Hidden().space(), [np.array([9, 3], np.float32)] * 50, exact, added, live, 2)
    assert found.queries == 1 and found.shares.tolist() == [0.0, 1.0]


def test_a_scan_of_copies_finds_all_of_them_whichever_it_returns(tmp_path: Path) -> None:
    """The index scores a copy otherwise than the reference does, by some millionths; any ten copies are right."""
    first, second = (chunks(start, count, lambda i: sentence(7)) for start, count in ((0, 94), (94, 20)))
    session = drafted(tmp_path / "w", first, second, "Flat")
    session.draft.set_profile("xtr", asdict(SearchProfile(scan=True)))
    exact = session.neighbors("xtr")
    write_neighbors(session.draft, "xtr", Neighbors(exact.scores, np.where(exact.rows >= 0, exact.rows + 84, -1)))
    finding = xtr_recall(session)
    assert finding.passed and finding.value == 1.0, finding.summary
    scored = np.array([session.tokens().search(tokens, 10)[0][0] for tokens in session.queries().tokens])
    assert np.abs(scored - exact.scores[:, 0]).max() > 1e-6, "or nothing is shown"
    # What an index says of itself is no evidence: rows of other texts stay wrong whatever scores come with them.
    other = drafted(tmp_path / "o", chunks(0, 94), chunks(94, 20), "Flat")
    lists = other.neighbors("xtr")
    ten = Neighbors(lists.scores[:, :10], lists.rows[:, 10:20])
    anew = scored_anew(ten, lists, other.queries().tokens, other.draft.tokens())
    np.testing.assert_allclose(anew.scores, lists.scores[:, 10:20], atol=1e-6)


def test_without_new_rows_there_is_nothing_to_say(tmp_path: Path) -> None:
    session = drafted(tmp_path / "w", chunks(0, 40), [], "Flat")
    finding = dense_recall_new_rows(session)
    assert finding.passed and finding.summary == "no row is new"
