import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtr_assets.config import HashingConfig
from xtr_assets.encoders import open_encoder
from xtr_assets.encoders.hashing import CONTEXT, Hashing, _hash, directions, mix


def test_mix_gives_the_published_splitmix64_sequence() -> None:
    # The first two outputs of splitmix64 seeded by 0 (the state advances by the same constant that mix adds).
    found = mix(np.array([0, 0x9E3779B97F4A7C15], np.uint64))
    assert [int(value) for value in found] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4]


def test_directions_are_unit_and_nearly_orthogonal() -> None:
    found = directions(np.arange(500, dtype=np.uint64), 64, 1)
    gram = found @ found.T
    np.testing.assert_allclose(np.diag(gram), 1.0, atol=1e-5)
    off = gram[~np.eye(500, dtype=bool)]
    assert abs(off.mean()) < 0.01 and 0.11 < off.std() < 0.14  # 1 / sqrt(64) = 0.125
    assert found.shape == (500, 64) and directions(np.arange(3, dtype=np.uint64), 9, 1).shape == (3, 9)


def test_an_embedding_is_the_sum_of_word_directions_weighted_by_counts() -> None:
    encoder = Hashing(16, 8)
    table = directions(np.array([_hash("alpha"), _hash("beta")], np.uint64), 16, 1)
    expected = (1 + np.log(3)) * table[0] + table[1]
    found = encoder.encode_queries(["Alpha alpha_beta ALPHA"]).embeddings[0]
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected), atol=1e-6)


def test_a_token_leans_to_its_neighbours_within_its_text_only() -> None:
    encoder = Hashing(16, 8)
    table = directions(np.array([_hash("a"), _hash("b"), _hash("c")], np.uint64), 8, 2)
    found = encoder.encode_queries(["c", "a b", "c"]).tokens
    expected = table[0] + CONTEXT * table[1]
    np.testing.assert_allclose(found[1][0], expected / np.linalg.norm(expected), atol=1e-6)
    np.testing.assert_allclose(found[0][0], table[2], atol=1e-6)
    np.testing.assert_allclose(found[2][0], table[2], atol=1e-6)


def test_vectors_are_the_same_in_every_release() -> None:
    found = Hashing(8, 8).encode_queries(["zebra"])
    expected = [0.3597333, -0.6079751, 0.0350889, 0.3092825, -0.5339833, -0.2452507, 0.0560104, -0.2358986]
    np.testing.assert_allclose(found.embeddings[0], expected, atol=1e-6)


def test_texts_that_share_words_are_near() -> None:
    encoder = Hashing()
    texts = ["parse an ISO date string", "open a socket and listen", "read rows of a csv file"]
    documents, query = encoder.encode_documents(texts), encoder.encode_queries(["date parse"])
    assert (documents.embeddings @ query.embeddings[0]).argmax() == 0
    best = np.maximum.reduceat(query.tokens[0] @ documents.tokens.astype("f4").T, documents.offsets[:-1], axis=1)
    assert best.sum(axis=0).argmax() == 0


@given(st.lists(st.text(max_size=30), max_size=8))
def test_a_text_is_encoded_alike_alone_and_among_others(texts: list[str]) -> None:
    encoder = Hashing(16, 8)
    together = encoder.encode_documents(texts)
    assert len(together) == len(texts)
    for number, text in enumerate(texts):
        alone = encoder.encode_documents([text])
        np.testing.assert_allclose(together.embeddings[number], alone.embeddings[0], atol=1e-3)
        mine = slice(together.offsets[number], together.offsets[number + 1])
        np.testing.assert_array_equal(together.tokens[mine], alone.tokens)
        np.testing.assert_array_equal(together.token_ids[mine], alone.token_ids)


def test_surface_names_words_of_queries_and_marks_the_rest() -> None:
    encoder = Hashing()
    unseen = encoder.encode_documents(["walrus"]).token_ids
    assert encoder.surface(unseen) == [f"#{int(unseen[0]):08x}"]
    assert encoder.surface(encoder.encode_queries(["the walrus"]).token_ids[0]) == ["the", "walrus"]
    assert encoder.surface(unseen) == ["walrus"]


def test_open_encoder_gives_one_encoder_per_setting_whatever_the_device() -> None:
    config = HashingConfig(dim=16, token_dim=8)
    first = open_encoder(config)
    assert open_encoder(config, "cuda") is first
    other = open_encoder(HashingConfig(dim=24, token_dim=8))
    assert other.fingerprint != first.fingerprint
    assert (other.dim, first.token_dim) == (24, 8)


@pytest.mark.parametrize("text", ["", "   ", "_ - !"])
def test_a_text_without_words_has_one_token(text: str) -> None:
    found = Hashing().encode_documents([text])
    assert found.offsets.tolist() == [0, 1]
    assert np.isfinite(found.tokens).all() and np.isfinite(found.embeddings).all()
