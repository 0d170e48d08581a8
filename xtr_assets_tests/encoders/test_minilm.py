import dataclasses
import json
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from xtr_assets.core.errors import InvalidInput, ProviderError, UnusableText
from xtr_assets.core.types import Floats
from xtr_assets.encoders.bert import Bert
from xtr_assets.encoders.bert_shape import BertShape
from xtr_assets.encoders.encoder_record import of_this_code
from xtr_assets.encoders.forward_pass import TOKEN_BUDGET
from xtr_assets.encoders.minilm import MiniLm
from xtr_assets.encoders.precision import (
    IntegerPrecision,
    Precision,
    choose_device,
    choose_precision,
    torch_precision,
)
from xtr_assets.encoders.weights import ModelFiles
from xtr_assets_tests.encoders.conftest import TOKEN_DIM, VOCABULARY, open_tiny, random_state, tiny_head, write_model

SHORT = "alpha beta, gamma!"
LONG = "alpha beta gamma delta parse date iso a b c alpha date , beta parse gamma delta a iso b c delta"


def states_of(files: ModelFiles, words: list[str]) -> torch.Tensor:
    """Last hidden states of [CLS] words [SEP], one plain pass: the slow reference."""
    bert = Bert(load_file(files.weights), BertShape.read(files.config), torch.float32, torch.device("cpu"))
    ids = torch.tensor([[VOCABULARY.index(word) for word in ["[CLS]", *words, "[SEP]"]]])
    return bert(ids, torch.tensor([ids.shape[1]]), (2,))[2][0]


def unit(vector: torch.Tensor) -> Floats:
    scaled: Floats = torch.nn.functional.normalize(vector, dim=-1).numpy()
    return scaled


def test_a_short_text_is_the_plain_model_with_mean_pooling(tiny: MiniLm, tiny_files: ModelFiles) -> None:
    states = states_of(tiny_files, ["alpha", "beta", ",", "gamma", "!"])
    found = tiny.encode_queries([SHORT])
    np.testing.assert_allclose(found.embeddings[0], unit(states.mean(0)), atol=1e-5)
    head = tiny_head(2)
    np.testing.assert_allclose(found.tokens[0], head({2: states[[1, 2, 4]]}).numpy(), atol=1e-5)


def test_a_long_text_is_the_mean_over_all_tokens_of_its_windows(tiny: MiniLm, tiny_files: ModelFiles) -> None:
    words = LONG.split()
    assert len(words) == 22  # windows of 12 hold 10 words: 7, 7 and 8 of them
    parts = [states_of(tiny_files, words[a:b]) for a, b in ((0, 7), (7, 14), (14, 22))]
    found = tiny.encode_documents([SHORT, LONG])
    np.testing.assert_allclose(found.embeddings[1], unit(torch.cat(parts).mean(0)), atol=1e-3)
    assert found.windows == 1
    kept = torch.cat([part[1:-1] for part in parts])[[word != "," for word in words]]
    mine = found.tokens[found.offsets[1] : found.offsets[2]]
    np.testing.assert_allclose(mine, tiny_head(2)({2: kept}).numpy(), atol=1e-3)
    assert tiny.surface(found.token_ids[found.offsets[1] : found.offsets[2]]) == [word for word in words if word != ","]


def test_special_and_punctuation_tokens_are_no_document_tokens_unless_asked(tiny_files: ModelFiles) -> None:
    kept = open_tiny(tiny_files, keep_punctuation=True)
    plain = open_tiny(tiny_files)
    found, asked = plain.encode_documents([SHORT]), kept.encode_documents([SHORT])
    assert plain.surface(found.token_ids) == ["alpha", "beta", "gamma"]
    assert kept.surface(asked.token_ids) == ["alpha", "beta", ",", "gamma", "!"]
    assert kept.fingerprint != plain.fingerprint


@pytest.mark.parametrize("name", ["[PAD]", "[SEP]", "[CLS]", "[UNK]"])
def test_the_name_of_a_special_token_in_a_text_is_text(tiny: MiniLm, name: str) -> None:
    """Queries and documents alike: all that stands beside the name counts, and the name is no token of the model."""
    specials = [VOCABULARY.index(each) for each in ("[PAD]", "[SEP]", "[CLS]")]
    document, query = tiny.encode_documents([f"alpha beta {name} gamma"]), tiny.encode_queries([f"{name} alpha"])
    assert not {*specials} & {*document.token_ids.tolist(), *query.token_ids[0].tolist()}
    assert [word for word in tiny.surface(document.token_ids) if word != "[UNK]"] == ["alpha", "beta", "gamma"]
    spaced = tiny.encode_queries([f"[ {name[1:-1]} ] alpha"])
    np.testing.assert_allclose(query.embeddings, spaced.embeddings, atol=1e-6)


def test_an_unknown_word_is_a_token(tiny: MiniLm) -> None:
    assert tiny.surface(tiny.encode_documents(["alpha zebra"]).token_ids) == ["alpha", "[UNK]"]


@pytest.mark.parametrize(
    "text", ["", "...", "( ) [ ] { } ; ; ; ; ; ; ; ; ; ; ; ; ;"], ids=["empty", "dots", "two windows"]
)
def test_a_text_of_which_nothing_is_kept_keeps_one_row(tiny: MiniLm, text: str) -> None:
    found = tiny.encode_documents(["alpha", text, "beta"])
    assert found.offsets.tolist() == [0, 1, 2, 3]
    assert tiny.surface(found.token_ids) == ["alpha", "[CLS]", "beta"]
    np.testing.assert_allclose(np.linalg.norm(found.tokens.astype("f4"), axis=1), 1.0, atol=2e-3)


def test_order_and_batches_change_nothing(tiny: MiniLm, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [LONG, "a", SHORT, "", LONG + LONG, "date iso", "?"]
    together = tiny.encode_documents(texts)
    monkeypatch.setitem(TOKEN_BUDGET, "cpu", 1)
    for number, text in enumerate(texts):
        alone = tiny.encode_documents([text])
        mine = slice(together.offsets[number], together.offsets[number + 1])
        np.testing.assert_allclose(together.embeddings[number], alone.embeddings[0], atol=1e-3)
        np.testing.assert_allclose(together.tokens[mine], alone.tokens, atol=1e-3)
        assert together.token_ids[mine].tolist() == alone.token_ids.tolist()


def test_shapes_and_dtypes_are_those_of_the_protocol(tiny: MiniLm) -> None:
    found = tiny.encode_documents([SHORT, LONG])
    assert [str(a.dtype) for a in (found.embeddings, found.tokens)] == ["float16", "float16"]
    assert [str(a.dtype) for a in (found.offsets, found.token_ids)] == ["int64", "int32"]
    assert found.tokens.shape == (24, TOKEN_DIM)
    queries = tiny.encode_queries([SHORT])
    assert queries.embeddings.dtype == queries.tokens[0].dtype == np.float32


def test_no_texts_give_empty_arrays(tiny: MiniLm) -> None:
    found, queries = tiny.encode_documents([]), tiny.encode_queries([])
    assert found.embeddings.shape == (0, tiny.dim) and found.tokens.shape == (0, TOKEN_DIM)
    assert found.offsets.tolist() == [0] and queries.tokens == ()


def test_progress_counts_every_text_once(tiny: MiniLm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TOKEN_BUDGET, "cpu", 12)
    calls: list[int] = []
    tiny.encode_documents([LONG, "a", SHORT, LONG, ""], calls.append)
    assert sum(calls) == 5 and min(calls) > 0


def test_nan_from_the_model_names_the_text(tmp_path: Path) -> None:
    state = random_state()
    state["embeddings.word_embeddings.weight"][VOCABULARY.index("date")] = float("nan")
    broken = open_tiny(write_model(tmp_path, state))
    with pytest.raises(UnusableText, match="text 2: the model gave NaN or infinity") as caught:
        broken.encode_documents(["alpha", LONG.replace("date", "a"), "date", "beta gamma delta", "date date"])
    assert caught.value.index == 2
    assert len(broken.encode_documents(["alpha", "beta"])) == 2


def test_a_changed_byte_of_any_model_file_is_refused(tmp_path: Path) -> None:
    for name in ("weights", "tokenizer", "config"):
        files = write_model(tmp_path / name, random_state())
        path: Path = getattr(files, name)
        data = bytearray(path.read_bytes())
        data[-2] ^= 1
        path.write_bytes(data)
        with pytest.raises(ProviderError, match=f"{path.name} must have the sha256"):
            open_tiny(files)


def test_the_fingerprint_covers_what_changes_vectors_and_nothing_else(tiny_files: ModelFiles) -> None:
    first = open_tiny(tiny_files)
    assert first.fingerprint == open_tiny(tiny_files).fingerprint
    assert len(first.fingerprint) == 64
    assert open_tiny(tiny_files, max_tokens=16).fingerprint != first.fingerprint

    def other_head(layer: int) -> "object":
        head = tiny_head(layer)
        head.sha256 = "1" * 64
        return head

    cpu = torch.device("cpu")
    headed = MiniLm(tiny_files, other_head, device=cpu, max_tokens=12, precision="fp32")  # type: ignore[arg-type]
    assert headed.fingerprint != first.fingerprint
    halved = MiniLm(tiny_files, tiny_head, device=cpu, max_tokens=12, precision="bf16")
    assert halved.fingerprint == first.fingerprint
    assert (halved.describe()["precision"], first.describe()["precision"]) == ("bf16", "fp32")
    json.dumps(first.describe())
    assert of_this_code(first.describe())


def test_more_tokens_than_positions_are_refused(tiny_files: ModelFiles) -> None:
    with pytest.raises(InvalidInput, match="max_tokens is 33; the model takes 3 to 32"):
        open_tiny(tiny_files, max_tokens=33)


def test_queries_from_many_threads_equal_those_of_one(tiny: MiniLm) -> None:
    texts = [" ".join(LONG.split()[n : n + 4]) for n in range(16)]
    expected = [tiny.encode_queries([text]).embeddings[0] for text in texts]
    found: dict[int, Floats] = {}

    def work(number: int) -> None:
        found[number] = tiny.encode_queries([texts[number]]).embeddings[0]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(texts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(np.stack([found[n] for n in range(len(texts))]), np.stack(expected))


def test_a_device_that_is_not_there_is_an_error_and_auto_takes_what_is() -> None:
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    with pytest.raises(ProviderError, match=f"{count} CUDA devices found"):
        choose_device(f"cuda:{count}")
    assert choose_device("auto").type == ("cuda" if count else "cpu")
    for wrong in ("tpu", "mps", ""):
        with pytest.raises(InvalidInput, match="allowed are auto, cpu, cuda"):
            choose_device(wrong)


@pytest.mark.parametrize(
    ("native", "gains", "chosen"), [(True, True, "bf16"), (True, False, "fp32"), (False, True, "fp32")]
)
def test_auto_takes_bf16_only_where_the_processor_has_it_and_gains(
    native: bool, gains: bool, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": native})
    monkeypatch.setattr("xtr_assets.encoders.precision.bf16_gains", lambda: gains)
    assert choose_precision("auto", torch.device("cpu")) == chosen
    assert choose_precision("fp32", torch.device("cpu")) == "fp32"


def test_where_the_extension_multiplies_integers_torch_computes_in_fp32() -> None:
    asked: tuple[Precision | IntegerPrecision, ...] = ("int16", "int8", "fp32", "bf16", "auto")
    assert [torch_precision(one) for one in asked] == ["fp32", "fp32", "fp32", "bf16", "auto"]


def test_the_place_of_the_files_is_no_part_of_the_fingerprint(tiny_files: ModelFiles, tmp_path: Path) -> None:
    moved = write_model(tmp_path / "elsewhere", random_state())
    assert dataclasses.replace(moved, weights=tiny_files.weights).weights_sha256 == tiny_files.weights_sha256
    assert open_tiny(moved).fingerprint == open_tiny(tiny_files).fingerprint


def test_it_passes_the_kit(tiny_files: ModelFiles, tiny: MiniLm) -> None:
    from xtr_assets.testing import check_encoder

    check_encoder(tiny, lambda: open_tiny(tiny_files))
