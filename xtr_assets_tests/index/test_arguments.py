"""One rule for each argument of both indexes: the same value is taken, or refused with the same words, by either."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtr_assets.core.arguments import MOST_RESULTS
from xtr_assets.core.errors import EncoderMismatch, InvalidInput
from xtr_assets.index import DenseIndex, TokenIndex

ROWS, DIM = 40, 16
Index = DenseIndex | TokenIndex


def unit(*shape: int) -> Any:
    drawn = np.random.default_rng(7).standard_normal(shape).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=-1, keepdims=True)


def dense() -> DenseIndex:
    return DenseIndex.build(unit(ROWS, DIM), "IVF4,Flat")


def tokens() -> TokenIndex:
    return TokenIndex.build(unit(2 * ROWS, DIM), np.arange(0, 2 * ROWS + 1, 2))


BOTH: tuple[Index, ...] = (dense(), tokens())
MAKERS: tuple[Callable[[], Index], ...] = (dense, tokens)


def query(index: Index) -> Any:
    """One query of an index: [dim], or [tokens, dim]."""
    return unit(DIM) if isinstance(index, DenseIndex) else unit(3, DIM)


def refusals(call: Callable[[Index], Any]) -> list[str]:
    """What each index says to the same wrong call."""
    said = []
    for index in BOTH:
        with pytest.raises((InvalidInput, EncoderMismatch)) as caught:
            call(index)
        said.append(str(caught.value))
    return said


@pytest.mark.parametrize(
    "k", [2.5, 2.0, True, False, 0, -1, 2**40, MOST_RESULTS + 1, "3", None, [3], np.float32(3), np.nan]
)
def test_a_k_that_is_no_number_of_results_is_refused_alike(k: Any) -> None:
    dense_said, tokens_said = refusals(lambda index: index.search(query(index), k))
    assert dense_said == tokens_said == f"k is {k!r}; pass a whole number from 1 to {MOST_RESULTS}"


def test_a_tensor_that_gives_no_array_is_refused_in_the_words_of_its_library() -> None:
    class Tensor:
        def __array__(self, *_: Any, **__: Any) -> Any:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad")

    for said in refusals(lambda index: index.search(Tensor(), 3)):  # type: ignore[arg-type]
        assert "requires grad" in said


@given(k=st.integers(1, 120), kind=st.sampled_from([int, np.int8, np.int32, np.int64, np.uint64]))
def test_a_whole_k_of_any_width_gives_k_results(k: int, kind: Any) -> None:
    for index in BOTH:
        scores, rows = index.search(query(index), kind(k))
        assert scores.shape == rows.shape == (k,)
        found = rows[rows >= 0].tolist()
        assert len(found) == len(set(found)) == min(k, ROWS)
        assert (rows[min(k, ROWS) :] == -1).all()


@given(
    value=st.one_of(
        st.integers(max_value=0), st.floats(), st.booleans(), st.text(max_size=3), st.lists(st.integers(), max_size=2)
    ),
    name=st.sampled_from(["nprobe", "rescore"]),
)
def test_a_setting_that_is_no_positive_whole_number_is_refused_alike(value: Any, name: str) -> None:
    dense_said, tokens_said = refusals(lambda index: index.search(query(index), 3, **{name: value}))
    assert dense_said == tokens_said
    assert dense_said.startswith(f"{name} is {value!r}; pass a whole number of at least 1, or None")


WRONG_MASKS = [
    [True] * ROWS,
    tuple([True] * ROWS),
    np.ones(ROWS, np.int64),
    np.ones(ROWS),
    np.arange(3),
    np.ones(ROWS - 1, np.bool_),
    np.ones(ROWS + 1, np.bool_),
    np.ones((1, ROWS), np.bool_),
    np.bool_(True),
    "all",
    {1, 2},
]


@pytest.mark.parametrize("allowed", WRONG_MASKS, ids=lambda one: f"{type(one).__name__}-{getattr(one, 'shape', '')}")
def test_what_is_no_mask_of_all_rows_is_refused_alike(allowed: Any) -> None:
    dense_said, tokens_said = refusals(lambda index: index.search(query(index), 3, allowed=allowed))
    assert dense_said == tokens_said
    assert "`allowed`" in dense_said and "one entry a row" in dense_said


@given(allowed=st.lists(st.booleans(), min_size=ROWS, max_size=ROWS))
def test_a_mask_gives_just_the_rows_it_names(allowed: list[bool]) -> None:
    mask = np.array(allowed)
    for index in BOTH:
        _, rows = index.search(query(index), ROWS, allowed=mask)
        assert sorted(rows[rows >= 0].tolist()) == np.flatnonzero(mask).tolist()


# (what is given for rows, words of the error)
WRONG_ROWS: list[tuple[Any, str]] = [
    (np.ones(ROWS, np.bool_), "is a mask, bool"),
    (np.array([True, False]), "is a mask, bool"),
    ([True, False], "is a mask, bool"),
    ([7.9], "holds np.float64(7.9)"),
    (np.array([1.5]), "holds np.float64(1.5)"),
    (np.array([3.0]), "holds np.float64(3.0)"),
    ([ROWS], f"holds {ROWS}; the rows here are 0 to {ROWS - 1}"),
    ([-1], "holds -1; the rows here are 0 to"),
    (np.array([2**63], np.uint64), f"holds {2**63};"),
    ([2**70], "row numbers are whole numbers"),
    ([[1, 2]], "of one dimension"),
    (3, "of one dimension"),
    (["1"], "row numbers are whole numbers"),
    ([None], "row numbers are whole numbers"),
    ([[1], [1, 2]], "is ragged"),
]


def takers(index: Index) -> list[Callable[[Any], Any]]:
    """Every method that takes row numbers."""
    if isinstance(index, DenseIndex):
        return [index.remove, index.add_rows, index.reconstruct, lambda rows: index.evolve(rows, [], index.vectors)]  # type: ignore[arg-type]
    return [index.remove, lambda rows: index.score(query(index), rows)]


@pytest.mark.parametrize(("rows", "words"), WRONG_ROWS)
def test_what_are_no_row_numbers_changes_nothing_and_is_refused_alike(rows: Any, words: str) -> None:
    said = set()
    for index in BOTH:
        for take in takers(index):
            with pytest.raises(InvalidInput) as caught:
                take(rows)
            said.add(str(caught.value).replace("`removed`", "`rows`"))
        assert len(index) == ROWS
    assert len(said) == 1 and words in said.pop()


def test_a_row_given_twice_cannot_be_removed() -> None:
    said = refusals(lambda index: index.remove(np.array([4, 9, 4])))
    assert said[0] == said[1] and "holds 4 more than once" in said[0]
    assert [len(index) for index in BOTH] == [ROWS, ROWS]


@given(
    gone=st.lists(st.integers(0, ROWS - 1), unique=True, max_size=ROWS),
    kind=st.sampled_from([list, np.int8, np.uint16, np.int64]),
)
def test_just_the_rows_that_are_named_are_removed(gone: list[int], kind: Any) -> None:
    rows: Any = gone if kind is list else np.array(gone, kind)
    for make in MAKERS:
        index = make()
        index.remove(rows)
        found = index.search(query(index), ROWS)[1]
        assert sorted(found[found >= 0].tolist()) == sorted(set(range(ROWS)) - set(gone))


WRONG_QUERIES: list[tuple[Any, str]] = [
    (np.nan, "holds NaN or an infinity"),
    (np.inf, "holds NaN or an infinity"),
    (-np.inf, "holds NaN or an infinity"),
    (1e300, "holds NaN or an infinity"),
    (1j, "not an array of numbers"),
    ("a", "not an array of numbers"),
    (None, "not an array of numbers"),
    (True, "not an array of numbers"),
]


@pytest.mark.parametrize(("value", "words"), WRONG_QUERIES)
def test_queries_of_what_is_no_finite_number_are_refused(value: Any, words: str) -> None:
    for index in BOTH:
        shape = np.shape(query(index))
        with pytest.raises(InvalidInput, match=words):
            index.search(np.full(shape, value), 3)


def test_queries_of_another_dim_are_of_another_encoder() -> None:
    for said in refusals(lambda index: index.search(query(index)[..., :-1], 3)):
        assert f"dim {DIM} in the index, {DIM - 1} in" in said and said.endswith("use the index's encoder")


@pytest.mark.parametrize("kind", [np.float16, np.float64, list])
def test_queries_of_any_width_find_what_their_float32_finds(kind: Any) -> None:
    for index in BOTH:
        asked = query(index).astype(np.float16)
        given = asked.tolist() if kind is list else asked.astype(kind)
        wanted = index.search(asked.astype(np.float32), 5)
        for mine, other in zip(index.search(given, 5), wanted, strict=True):
            np.testing.assert_array_equal(mine, other)


@given(count=st.integers(0, 5), k=st.integers(1, 6))
def test_a_batch_is_its_queries_one_by_one(count: int, k: int) -> None:
    for index in BOTH:
        one = query(index)
        asked = [one * (1 + 0.1 * number) + 0.01 * number for number in range(count)]
        forms: tuple[Any, ...] = (asked, np.array(asked)) if count else (asked,)
        for batch in forms:
            scores, rows = index.search(batch, k)
            assert scores.shape == rows.shape == (count, k)
            for number in range(count):
                single = index.search(asked[number], k)
                np.testing.assert_array_equal(rows[number], single[1])
                np.testing.assert_array_equal(scores[number], single[0])


@pytest.mark.parametrize("offsets", [[0, 0.5, 80], [0.0, 80.0], [True, False], ["0", "80"], [[0, 80]], [], 80])
def test_offsets_are_whole_numbers(offsets: Any) -> None:
    index = tokens()
    for take in (index.add, lambda one, at: TokenIndex.build(one, at)):
        with pytest.raises(InvalidInput, match=r"pass int64 \[rows \+ 1\], whole numbers"):
            take(unit(80, DIM), np.array(offsets))
    assert len(index) == ROWS


@pytest.mark.parametrize("values", [np.ones((2, DIM), np.bool_), np.ones((2, DIM), complex), np.full((2, DIM), "a")])
def test_documents_are_numbers(values: Any) -> None:
    with pytest.raises(InvalidInput, match=str(values.dtype)):
        dense().add(values)
    with pytest.raises(InvalidInput, match=str(values.dtype)):
        tokens().add(values, np.array([0, 2]))


@pytest.mark.parametrize("parameters", [5, None, b"nprobe=2", ["nprobe=2"]])
def test_parameters_are_text(parameters: Any) -> None:
    with pytest.raises(InvalidInput, match="pass text such as 'nprobe=32,rescore=200'"):
        dense().search(unit(DIM), 3, parameters=parameters)


@pytest.mark.parametrize(
    "text", ["nprobe=²", "nprobe=-1", "nprobe=1.5", "nprobe=" + "9" * 5000, "nprobe=0", "rescore="]
)
def test_a_parameter_is_a_whole_number(text: str) -> None:
    with pytest.raises(InvalidInput, match="whole number") as caught:
        dense().search(unit(DIM), 3, parameters=text)
    assert len(str(caught.value)) < 200


def test_nothing_is_tuned_without_queries() -> None:
    with pytest.raises(InvalidInput, match="0 tuning queries"):
        dense().tune(np.empty((0, DIM), np.float32))
    for index in BOTH:
        with pytest.raises(InvalidInput, match="k is 0"):
            index.tune([query(index)], k=0)  # type: ignore[arg-type]


RAGGED = [[1.0] * DIM, [2.0]]


def test_lines_of_several_lengths_are_no_array() -> None:
    """Wherever arrays are taken; NumPy's own words are of no argument."""
    small, index = tokens(), BOTH[1]
    assert isinstance(index, TokenIndex)
    for call in (
        lambda: DenseIndex.build(RAGGED),  # type: ignore[arg-type]
        lambda: dense().add(RAGGED),  # type: ignore[arg-type]
        lambda: dense().search(RAGGED, 3),  # type: ignore[arg-type]
        lambda: TokenIndex.build(RAGGED, np.array([0, 2])),  # type: ignore[arg-type]
        lambda: small.add(unit(2, DIM), [[0], [1, 2]]),  # type: ignore[arg-type]
        lambda: index.search([RAGGED], 3),  # type: ignore[list-item]
        lambda: index.search_batch([unit(2, DIM), RAGGED], 3),  # type: ignore[list-item]
    ):
        with pytest.raises(InvalidInput, match="not an array of numbers"):
            call()


@pytest.mark.parametrize("queries", [None, 3, np.array(3.0)])
def test_what_is_no_list_of_queries_is_refused(queries: Any) -> None:
    index = BOTH[1]
    assert isinstance(index, TokenIndex)
    with pytest.raises(InvalidInput, match=r"queries are a \w+; pass a list of \[tokens, 16\] arrays"):
        index.search_batch(queries, 3)
