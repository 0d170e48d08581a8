import json
from pathlib import Path

import numpy as np
import pytest

from xtr_assets.core.errors import CorruptFile, InvalidInput, UnknownFormat
from xtr_assets.core.row_store import RowTokens, TokenPart
from xtr_assets.core.token_codec import encode_int8
from xtr_assets.core.types import Floats, Halves, Int32s
from xtr_assets.index.late.centroids import ARRAYS, LEVEL_MAX, LEVEL_MIN, TokenModel
from xtr_assets.index.late.options import Route, SearchProfile, plan_search
from xtr_assets.index.late.postings import open_postings, write_postings
from xtr_assets.index.late.query import LEVEL_SPAN, best_lists, centroid_levels, centroid_scores, make_query
from xtr_assets.index.late.training import centroid_count, residual_levels, train
from xtr_assets_tests.index.late.token_corpus import make_corpus


@pytest.fixture(scope="module")
def part() -> TokenPart:
    corpus = make_corpus(200, dim=32)
    return TokenPart(0, *encode_int8(corpus.tokens), corpus.offsets)


@pytest.fixture(scope="module")
def model(part: TokenPart) -> TokenModel:
    return train(RowTokens([part], 32))


def nearest(part: TokenPart, model: TokenModel) -> Int32s:
    """By the definition, in float64."""
    tokens = decoded(part).astype(np.float64) - model.mean
    distances = ((tokens[:, None] - model.centroid_vectors.astype(np.float64)) ** 2).sum(axis=2)
    lists: Int32s = distances.argmin(axis=1).astype(np.int32)
    return lists


def decoded(part: TokenPart) -> Floats:
    return part.tokens.astype(np.float32) * scales_of(part).astype(np.float32)[:, None]


def scales_of(part: TokenPart) -> Halves:
    assert part.scales is not None
    return part.scales


def test_the_same_tokens_train_the_same_model_however_they_are_cut(part: TokenPart, model: TokenModel) -> None:
    half = int(part.offsets[100])
    parts = [
        TokenPart(0, part.tokens[:half], scales_of(part)[:half], part.offsets[:101]),
        TokenPart(150, part.tokens[half:], scales_of(part)[half:], part.offsets[100:] - half),
    ]
    assert train(RowTokens(parts, 32)).fingerprint == model.fingerprint


def test_centroids_grow_with_the_root_and_stay_bounded() -> None:
    assert [centroid_count(tokens) for tokens in (1, 80, 900_000, 10**12)] == [1, 10, 3794, 1 << 20]


def test_32_bits_are_taken_where_twice_what_16_count_would_be_right() -> None:
    assert [centroid_count(tokens) for tokens in (268_000_000, 300_000_000, 1_073_000_000, 1_073_741_824)] == [
        65_482,
        65_536,
        65_536,
        131_072,
    ]


def test_residual_codes_bring_tokens_closer_than_centroids_alone(part: TokenPart, model: TokenModel) -> None:
    tokens = decoded(part)
    lists = nearest(part, model).astype(np.uint16)
    packed = model.encode_residuals(tokens, lists)
    assert packed.shape == (len(tokens), 20) and packed.dtype == np.uint8
    restored = model.decode_residuals(packed, lists)
    left = np.linalg.norm(tokens - restored, axis=1).mean()
    # 32 Lloyd levels leave a normal variable 0.0025 of its variance: a twentieth of its deviation.
    assert left / np.linalg.norm(tokens - model.anchors[lists], axis=1).mean() < 0.08


@pytest.mark.parametrize("dim", [1, 7, 32, 33])
def test_every_residual_takes_the_nearest_level(dim: int) -> None:
    rng = np.random.default_rng(dim)
    tokens = rng.normal(size=(200, dim)).astype(np.float32)
    own = train(RowTokens([TokenPart(0, *encode_int8(tokens), np.array([0, 200]))], dim), centroids=3)
    lists = rng.integers(0, 3, 200).astype(np.uint16)
    steps = np.clip(np.rint((tokens - own.anchors[lists]) / own.residual_scales), LEVEL_MIN, LEVEL_MAX)
    chosen = (
        own.decode_residuals(own.encode_residuals(tokens, lists), lists) - own.anchors[lists]
    ) / own.residual_scales
    best = np.abs(steps[:, :, None] - own.levels.astype(np.float32)).min(axis=2)
    np.testing.assert_allclose(np.abs(steps - chosen), best, atol=1e-2)


def test_levels_of_residuals_that_never_vary() -> None:
    levels, steps = residual_levels(np.zeros((10, 3), np.float32))
    assert (
        levels.dtype == np.int8
        and (np.diff(levels.astype(int)) >= 0).all()
        and (steps > 0).all()
        and steps.max() < 1e-6
    )


def test_a_model_survives_its_folder(tmp_path: Path, model: TokenModel) -> None:
    folder = model.save(tmp_path)
    assert folder.name == model.fingerprint8 and model.save(tmp_path) == folder
    loaded = TokenModel.load(folder)
    assert loaded.fingerprint == model.fingerprint and loaded.training == model.training
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(loaded, name), getattr(model, name))
    assert [entry.name for entry in tmp_path.iterdir()] == [folder.name]


@pytest.mark.parametrize("name", [f"{array}.npy" for array in ARRAYS])
def test_an_altered_model_is_refused_by_file(tmp_path: Path, model: TokenModel, name: str) -> None:
    path = model.save(tmp_path) / name
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(CorruptFile, match=name):
        TokenModel.load(path.parent)


def test_a_model_of_another_format_or_of_no_format_is_refused(tmp_path: Path, model: TokenModel) -> None:
    path = model.save(tmp_path) / "model.json"
    described = json.loads(path.read_text())
    path.write_text(json.dumps(described | {"format_version": 4}))
    with pytest.raises(UnknownFormat, match="format_version 4, this release reads 2 and 3"):
        TokenModel.load(path.parent)
    path.write_text("{")
    with pytest.raises(CorruptFile, match="unreadable JSON"):
        TokenModel.load(path.parent)
    path.write_text("{}")
    with pytest.raises(CorruptFile, match="kind None"):
        TokenModel.load(path.parent)
    path.unlink()
    with pytest.raises(CorruptFile, match="no file"):
        TokenModel.load(path.parent)


def test_a_list_holds_each_document_with_one_of_its_tokens_once(
    tmp_path: Path, part: TokenPart, model: TokenModel
) -> None:
    write_postings(model, part, tmp_path)
    postings = open_postings(model, part, tmp_path)
    np.testing.assert_array_equal(postings.numbers, nearest(part, model))
    row = np.repeat(np.arange(part.rows), np.diff(part.offsets))
    for number in range(len(model.centroids)):
        mine = postings.documents[postings.lists[number] : postings.lists[number + 1]]
        np.testing.assert_array_equal(mine, np.unique(row[postings.numbers == number]))


def test_postings_of_another_model_or_segment_are_refused(tmp_path: Path, part: TokenPart, model: TokenModel) -> None:
    write_postings(model, part, tmp_path)
    other = train(RowTokens([part], 32), centroids=9)
    with pytest.raises(InvalidInput, match=r"model \w+ in the postings"):
        open_postings(other, part, tmp_path)
    first = int(part.offsets[10])
    shorter = TokenPart(0, part.tokens[:first], scales_of(part)[:first], part.offsets[:11])
    with pytest.raises(InvalidInput, match="rows 200 in the postings, 10 expected"):
        open_postings(model, shorter, tmp_path)


@pytest.mark.parametrize("name", ["lists.npy", "documents.npy", "numbers.npy"])
def test_postings_that_are_cut_or_of_another_type_are_refused(
    tmp_path: Path, part: TokenPart, model: TokenModel, name: str
) -> None:
    write_postings(model, part, tmp_path)
    path = tmp_path / name
    data, array = path.read_bytes(), np.load(path)
    for broken in (data[:-5], data[:40], b"", b"junk"):
        path.write_bytes(broken)
        with pytest.raises(CorruptFile, match=name):
            open_postings(model, part, tmp_path)
    np.save(path, array.astype(np.int64))
    with pytest.raises(CorruptFile, match="int64"):
        open_postings(model, part, tmp_path)
    path.unlink()
    with pytest.raises(CorruptFile, match="no file"):
        open_postings(model, part, tmp_path)


def test_lists_that_point_outside_are_refused(tmp_path: Path, part: TokenPart, model: TokenModel) -> None:
    write_postings(model, part, tmp_path)
    lists = np.load(tmp_path / "lists.npy")
    lists[3] = lists[-1] + 100
    np.save(tmp_path / "lists.npy", lists)
    with pytest.raises(CorruptFile, match="ascending bounds"):
        open_postings(model, part, tmp_path)


def test_tokens_of_another_dim_are_refused(tmp_path: Path, model: TokenModel) -> None:
    other = TokenPart(0, np.ones((2, 16), np.int8), np.ones(2, np.float16), np.array([0, 2]))
    with pytest.raises(InvalidInput, match="dim 16 in the tokens, 32 in the model"):
        write_postings(model, other, tmp_path)


def test_the_best_lists_are_those_of_a_sort_and_the_floor_is_the_next(model: TokenModel) -> None:
    query = make_query(model, make_corpus(3).queries[0])
    scores = centroid_scores(model, query)
    levels = centroid_levels(scores)
    probes = best_lists(scores, levels, 3)
    order = np.argsort(-scores, axis=1, kind="stable")
    np.testing.assert_array_equal(probes.lists, order[:, :3])
    np.testing.assert_array_equal(probes.levels, np.take_along_axis(levels.T, order[:, :3], axis=1))
    np.testing.assert_array_equal(probes.floors, np.take_along_axis(levels.T, order[:, 3:4], axis=1)[:, 0])


def test_lists_that_tie_are_taken_from_the_lowest_up() -> None:
    scores = np.array([[1, 5, 3, 3, 3, 0]], np.float32)
    probes = best_lists(scores, centroid_levels(scores), 3)
    assert probes.lists.tolist() == [[1, 2, 3]] and probes.levels.tolist() == [[69, 67, 67]]


def test_levels_are_centroid_products_in_steps_of_the_largest(model: TokenModel) -> None:
    tokens = make_corpus(3).queries[1]
    scores = centroid_scores(model, make_query(model, tokens))
    unit = LEVEL_SPAN / (np.linalg.norm(tokens, axis=1).max() * np.linalg.norm(model.centroid_vectors, axis=1).max())
    np.testing.assert_allclose(scores / unit, tokens @ model.centroid_vectors.T, atol=5e-3)
    assert centroid_levels(np.array([[-300, -64, -0.4, 190.6, 200]], np.float32))[:, 0].tolist() == [0, 0, 64, 255, 255]


def test_a_filter_widens_the_lists_until_centroids_or_scanning_are_cheaper() -> None:
    def plan(allowed: int) -> Route:
        return plan_search(tokens=3_500_000, rows=50_000, allowed_rows=allowed, centroids=7483, nprobe=4, limit=192)

    assert plan(50_000).nprobe == 4 and plan(25_000).nprobe == 6
    assert not plan(3_000).scan and plan(3_000).nprobe == 0
    assert plan(100).scan and plan(0).scan


@pytest.mark.parametrize("field", ["nprobe", "k_prime", "rescore"])
def test_a_profile_below_one_is_refused(field: str) -> None:
    with pytest.raises(InvalidInput, match=f"{field} is 0"):
        SearchProfile(**{field: 0})  # type: ignore[arg-type]
