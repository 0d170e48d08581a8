"""Late-interaction models in each layout, held against transformers one text at a time, and against the libraries."""

import json
import shutil
import string
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.torch import load_file, save_file
from transformers import AutoModelForTextEncoding, AutoTokenizer

from xtr_assets.config import LateInteractionConfig, XtrConfig
from xtr_assets.core.errors import ConfigError, ProviderError, UnusableText
from xtr_assets.core.vector_agreement import agreement
from xtr_assets.encoders import open_encoder
from xtr_assets.encoders.encoder_record import of_this_code, recorded_config
from xtr_assets.encoders.late_interaction import LateInteraction
from xtr_assets.encoders.late_reader import open_late_interaction, open_xtr, read_late
from xtr_assets.encoders.xtr_layout import read_xtr
from xtr_assets.testing import check_encoder
from xtr_assets_tests.encoders.late_models import (
    MARKERS,
    PREFIXES,
    TOKEN_DIM,
    draw,
    write_dense,
    write_json,
    write_own,
    write_pylate,
    write_stanford,
    write_xtr,
)

TEXTS = ["alpha parse dates, iso!", "beta", "Gamma: a, b ... c zeta", "", "parse the date of iso delta a b c"]
# Short enough for each query length: the libraries would cut longer ones.
QUERIES = ["alpha parse dates!", "beta", "", "gamma: a, b"]
NEAR = 1e-5
COMMIT = "0123456789abcdef0123456789abcdef01234567"
FIXED = {"strategy": "fixed", "attend": False, "length": 12}


def opened(folder: Path, **settings: Any) -> LateInteraction:
    plain = {"model": str(folder), "precision": "fp32"}
    return open_late_interaction(LateInteractionConfig.model_validate({**plain, **settings}), "cpu")


def opened_xtr(folder: Path, **settings: Any) -> LateInteraction:
    plain = {"model": str(folder), "precision": "fp32"}
    return open_xtr(XtrConfig.model_validate({**plain, **settings}), "cpu")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("late")
    return {
        "pylate": write_pylate(root / "pylate"),
        "stanford": write_stanford(root / "stanford"),
        "own": write_own(root / "own", FIXED),
        "marked": write_own(root / "marked", FIXED, marked=True),
        "xtr": write_xtr(root / "xtr"),
    }


@pytest.fixture(scope="module")
def pylate(folders: dict[str, Path]) -> LateInteraction:
    return opened(folders["pylate"])


@pytest.fixture
def copy(folders: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    def copied(name: str) -> Path:
        return shutil.copytree(folders[name], tmp_path / name)

    return copied


def change(path: Path, **values: Any) -> None:
    write_json(path, {**json.loads(path.read_text("utf-8")), **values})


def states(folder: Path, ids: list[int], seen: int) -> torch.Tensor:
    """Of one text by itself, without padding: hidden states through the projection, of unit length."""
    model = AutoModelForTextEncoding.from_pretrained(folder, dtype=torch.float32).eval()
    mask = torch.tensor([[1] * seen + [0] * (len(ids) - seen)])
    dense = sorted(folder.glob("*_Dense/model.safetensors")) or [folder / "model.safetensors"]
    weight = load_file(dense[0])["linear.weight"]
    with torch.inference_mode():
        found = model(input_ids=torch.tensor([ids]), attention_mask=mask).last_hidden_state[0] @ weight.T
    scaled: torch.Tensor = found / found.norm(dim=1, keepdim=True)
    return scaled


def library_ids(folder: Path, text: str, marker: str, length: int) -> list[int]:
    """As PyLate and Stanford put a text together: cut to one less, and the prefix put in behind the first token."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(text, truncation=True, max_length=length - 1, padding=False)["input_ids"]
    return [ids[0], tokenizer.convert_tokens_to_ids(marker), *ids[1:]]


@pytest.mark.parametrize(
    ("name", "marker", "length", "skipped"),
    [("pylate", PREFIXES[1], 20, string.punctuation), ("stanford", MARKERS[1], 22, string.punctuation)],
)
def test_documents_are_the_transformers_own(
    folders: dict[str, Path], name: str, marker: str, length: int, skipped: str
) -> None:
    encoded = opened(folders[name]).encode_documents(TEXTS)
    tokenizer = AutoTokenizer.from_pretrained(folders[name])
    skip = {tokenizer.convert_tokens_to_ids(one) for one in skipped}
    for i, text in enumerate(TEXTS):
        ids = library_ids(folders[name], text, marker, length)
        kept = [place for place, number in enumerate(ids) if number not in skip]
        mine = slice(*encoded.offsets[i : i + 2])
        assert encoded.token_ids[mine].tolist() == [ids[place] for place in kept]
        expected = states(folders[name], ids, len(ids))[kept].numpy()
        # Documents are kept in float16: half a unit in the last place of a component below 1.
        assert np.abs(encoded.tokens[mine].astype(np.float32) - expected).max() < NEAR + 2**-12


@pytest.mark.parametrize("attend", [False, True])
@pytest.mark.parametrize("name", ["pylate", "stanford"])
def test_queries_are_filled_up_with_masks(copy: Callable[[str], Path], name: str, attend: bool) -> None:
    folder = copy(name)
    if name == "pylate":
        change(folder / "config_sentence_transformers.json", attend_to_expansion_tokens=attend)
        marker, length = PREFIXES[0], 12
    else:
        change(folder / "artifact.metadata", attend_to_mask_tokens=attend)
        marker, length = MARKERS[0], 10
    encoded = opened(folder).encode_queries(QUERIES)
    for i, text in enumerate(QUERIES):
        ids = library_ids(folder, text, marker, length)
        filled = ids + [4] * (length - len(ids))
        assert encoded.token_ids[i].tolist() == filled
        expected = states(folder, filled, length if attend else len(ids)).numpy()
        assert np.abs(encoded.tokens[i] - expected).max() < NEAR


def test_a_model_trained_without_expansion_gets_none(copy: Callable[[str], Path]) -> None:
    folder = copy("pylate")
    change(folder / "config_sentence_transformers.json", do_query_expansion=False)
    encoded = opened(folder).encode_queries(QUERIES)
    for i, text in enumerate(QUERIES):
        ids = library_ids(folder, text, PREFIXES[0], 12)
        assert encoded.token_ids[i].tolist() == ids
        assert np.abs(encoded.tokens[i] - states(folder, ids, len(ids)).numpy()).max() < NEAR


@pytest.mark.parametrize("name", ["pylate", "stanford", "own", "marked"])
def test_sentence_transformers_reads_the_same(folders: dict[str, Path], name: str) -> None:
    from sentence_transformers import MultiVectorEncoder

    theirs, mine = MultiVectorEncoder(str(folders[name]), device="cpu"), opened(folders[name])
    documents, queries = mine.encode_documents(TEXTS), mine.encode_queries(QUERIES)
    for i, document in enumerate(theirs.encode_document(TEXTS, convert_to_numpy=True)):
        found = documents.tokens[documents.offsets[i] : documents.offsets[i + 1]].astype(np.float32)
        assert found.shape == document.shape
        assert np.abs(found - document).max() < NEAR + 2**-12
    for i, query in enumerate(theirs.encode_query(QUERIES, convert_to_numpy=True)):
        assert np.abs(queries.tokens[i] - query).max() < NEAR


def test_an_expansion_to_the_least_keeps_long_queries(tmp_path: Path) -> None:
    folder = write_own(tmp_path / "own", {"strategy": "min", "attend": True, "length": 8})
    encoded = opened(folder).encode_queries(["alpha", "alpha beta gamma delta parse date iso"])
    assert [len(ids) for ids in encoded.token_ids] == [8, 11]
    assert (encoded.token_ids[0] == 4).sum() == 3
    assert (encoded.token_ids[1] == 4).sum() == 0


def test_skipping_in_queries_is_the_models_choice(tmp_path: Path) -> None:
    folder = write_own(tmp_path / "own", None, skiplist_tasks=["query", "document"])
    encoder = opened(folder)
    assert encoder.surface(encoder.encode_queries(["alpha, beta!"]).token_ids[0]) == [
        *("[CLS]", "query", ":", "alpha", "beta", "[SEP]")
    ]


def test_a_long_document_loses_nothing(folders: dict[str, Path], pylate: LateInteraction) -> None:
    words = ["alpha", "beta", "gamma", "delta", "parse"] * 9
    encoded = pylate.encode_documents(["beta", " ".join(words)])
    assert encoded.windows == 1
    found = pylate.surface(encoded.token_ids[encoded.offsets[1] :])
    assert [word for word in found if not word.startswith("[")] == words
    # 45 words, 17 to a window at most: three windows of 15, each as if it were a document.
    assert found.count("[D] ") == 3
    alone = pylate.encode_documents([" ".join(words[i : i + 15]) for i in (0, 15, 30)])
    assert np.abs(encoded.tokens[encoded.offsets[1] :].astype("f4") - alone.tokens.astype("f4")).max() < 1e-3


def test_no_text_holds_a_special_token(pylate: LateInteraction, folders: dict[str, Path]) -> None:
    encoded = pylate.encode_documents(["[SEP] alpha [D] [Q] [MASK] [PAD]"])
    found = pylate.surface(encoded.token_ids)
    assert (found.count("[SEP]"), found.count("[D] "), found.count("[Q] "), found.count("[MASK]")) == (1, 1, 0, 0)
    xtr = opened_xtr(folders["xtr"])
    assert xtr.surface(xtr.encode_documents(["a </s> <pad> a"]).token_ids).count("</s>") == 1


def test_a_word_that_is_no_token_skips_nothing(copy: Callable[[str], Path]) -> None:
    folder = copy("pylate")
    change(folder / "config_sentence_transformers.json", skiplist_words=["nosuchword", "beta"])
    encoder = opened(folder)
    found = encoder.surface(encoder.encode_documents(["zeta beta, alpha"]).token_ids)
    assert found == ["[CLS]", "[D] ", "[UNK]", ",", "alpha", "[SEP]"]


def test_a_document_of_which_nothing_is_kept_keeps_one(copy: Callable[[str], Path]) -> None:
    folder = copy("pylate")
    change(folder / "config_sentence_transformers.json", skiplist_words=["[CLS]", "[D] ", "[SEP]", "alpha"])
    assert np.diff(opened(folder).encode_documents(["alpha", "beta"]).offsets).tolist() == [1, 1]


def test_a_prompt_stands_behind_the_prefix(copy: Callable[[str], Path]) -> None:
    folder = copy("pylate")
    prompts = {"query": "query: ", "document": PREFIXES[1] + "search "}
    change(folder / "config_sentence_transformers.json", prompts=prompts, do_query_expansion=False)
    encoder = opened(folder)
    assert encoder.surface(encoder.encode_queries(["alpha"]).token_ids[0]) == [
        *("[CLS]", PREFIXES[0], "query", ":", "alpha", "[SEP]")
    ]
    # In front of each window, and once.
    found = encoder.surface(encoder.encode_documents(["beta " * 20]).token_ids)
    assert found.count("search") == found.count(PREFIXES[1]) == 2
    assert found.count("beta") == 20


def test_the_transformers_settings_count(copy: Callable[[str], Path]) -> None:
    folder = copy("pylate")
    assert not read_late(folder).lower
    write_json(folder / "sentence_bert_config.json", {"do_lower_case": True, "max_seq_length": 19})
    assert read_late(folder).lower
    own = copy("own")
    assert (read_late(own).query.length, read_late(own).document.length) == (None, 20)
    change(own / "sentence_bert_config.json", max_seq_length=18, query_expansion=None)
    assert (read_late(own).query.length, read_late(own).document.length) == (18, 20)
    assert len(opened(own, expansion=True).encode_queries(["alpha"]).tokens[0]) == 18


def test_a_text_has_the_same_vectors_in_any_company(pylate: LateInteraction) -> None:
    together = pylate.encode_documents([*TEXTS, "delta " * 40])
    with ThreadPoolExecutor(4) as pool:
        alone = list(pool.map(lambda text: pylate.encode_documents([text]), TEXTS))
    for i, one in enumerate(alone):
        mine = slice(*together.offsets[i : i + 2])
        assert np.array_equal(together.token_ids[mine], one.token_ids)
        assert np.abs(together.tokens[mine].astype("f4") - one.tokens.astype("f4")).max() < 1e-3


@pytest.mark.parametrize("name", ["pylate", "stanford", "own", "xtr"])
def test_each_keeps_the_protocol(folders: dict[str, Path], name: str) -> None:
    def opens() -> LateInteraction:
        # Masks and cut queries of random weights say little of a text, and one question is about meaning.
        return opened_xtr(folders[name]) if name == "xtr" else opened(folders[name], query_tokens=40, expansion=False)

    report = check_encoder(opens(), opens)
    assert "reopened" in report.passed


def test_it_is_opened_again_by_what_it_says_of_itself(folders: dict[str, Path]) -> None:
    config = LateInteractionConfig(model=str(folders["pylate"]), max_tokens=10, query_tokens=9, expansion=False)
    encoder = open_encoder(config)
    assert recorded_config(encoder.describe()) == config and of_this_code(encoder.describe())
    xtr = open_encoder(XtrConfig(model=str(folders["xtr"]), max_tokens=64))
    assert recorded_config(xtr.describe()) == XtrConfig(model=str(folders["xtr"]), max_tokens=64)
    assert of_this_code(xtr.describe())


def test_nothing_gives_nothing_and_progress_counts_each_text_once(pylate: LateInteraction) -> None:
    empty = pylate.encode_documents([])
    assert (empty.embeddings.shape, empty.tokens.shape, empty.offsets.tolist()) == ((0, 0), (0, TOKEN_DIM), [0])
    assert pylate.encode_queries([]).tokens == ()
    told: list[int] = []
    pylate.encode_documents([*TEXTS, "alpha " * 60], told.append)
    assert sum(told) == len(TEXTS) + 1


def test_bf16_stays_within_the_tolerance(folders: dict[str, Path], pylate: LateInteraction) -> None:
    coarse = opened(folders["pylate"], precision="bf16")
    assert coarse.fingerprint == pylate.fingerprint
    fine = pylate.encode_documents(TEXTS)
    assert agreement(coarse.encode_documents(TEXTS).tokens, fine.tokens).min() > coarse.tolerance.token


def test_lengths_may_be_asked_for(folders: dict[str, Path], pylate: LateInteraction) -> None:
    encoder = opened(folders["pylate"], max_tokens=10, query_tokens=16)
    assert encoder.encode_documents(["alpha " * 14]).windows == 1
    assert len(encoder.encode_queries(["alpha"]).tokens[0]) == 16
    assert len(opened(folders["pylate"], expansion=False).encode_queries(["alpha"]).tokens[0]) == 4
    assert encoder.fingerprint != pylate.fingerprint


def test_a_long_query_loses_nothing(folders: dict[str, Path], pylate: LateInteraction) -> None:
    (middle, long) = pylate.encode_queries(["beta " * 30, "alpha " * 100]).token_ids
    # Longer than the query length of 12, and so without masks; then longer than the 64 positions.
    assert pylate.surface(middle) == ["[CLS]", PREFIXES[0], *["beta"] * 30, "[SEP]"]
    assert pylate.surface(long) == ["[CLS]", PREFIXES[0], *["alpha"] * 50, "[SEP]"] * 2
    ids = library_ids(folders["pylate"], "beta " * 30, PREFIXES[0], 60)
    found = pylate.encode_queries(["beta " * 30]).tokens[0]
    assert np.abs(found - states(folders["pylate"], ids, len(ids)).numpy()).max() < NEAR


def test_the_fingerprint_is_of_what_decides_the_vectors(copy: Callable[[str], Path], pylate: LateInteraction) -> None:
    folder = copy("pylate")
    (folder / "README.md").write_text("moved", "utf-8")
    change(folder / "config_sentence_transformers.json", similarity_fn_name="other")
    assert opened(folder).fingerprint == pylate.fingerprint
    seen = {pylate.fingerprint}
    for path, values in (
        ("config_sentence_transformers.json", {"document_length": 18}),
        ("config_sentence_transformers.json", {"skiplist_words": []}),
        ("config_sentence_transformers.json", {"do_query_expansion": False}),
        ("tokenizer_config.json", {"do_lower_case": False}),
        ("config.json", {"layer_norm_eps": 1e-6}),
    ):
        change(folder / path, **values)
        seen.add(opened(folder).fingerprint)
    write_dense(folder / "1_Dense", draw(TOKEN_DIM, 32, seed=6))
    seen.add(opened(folder).fingerprint)
    assert len(seen) == 7


def test_steps_follow_one_another(copy: Callable[[str], Path]) -> None:
    folder = copy("pylate")
    first, second, added = draw(40, 32), draw(16, 40, seed=8), draw(16, 40, seed=9)
    write_dense(folder / "1_Dense", first, activation_function="torch.nn.modules.activation.GELU")
    write_dense(folder / "2_Dense", second, use_residual=True)
    save_file({"linear.weight": second, "residual.weight": added}, folder / "2_Dense" / "model.safetensors")
    modules = json.loads((folder / "modules.json").read_text("utf-8"))
    write_json(folder / "modules.json", [*modules, {"path": "2_Dense", "type": "pylate.models.Dense.Dense"}])
    encoded = opened(folder).encode_queries(["alpha beta"])
    write_dense(folder / "1_Dense", torch.eye(32))
    ids = encoded.token_ids[0].tolist()
    model = AutoModelForTextEncoding.from_pretrained(folder, dtype=torch.float32).eval()
    mask = torch.tensor([[1] * 5 + [0] * (len(ids) - 5)])
    with torch.inference_mode():
        hidden = model(input_ids=torch.tensor([ids]), attention_mask=mask).last_hidden_state[0]
        grown = torch.nn.functional.gelu(hidden @ first.T)
        found = torch.nn.functional.normalize(grown @ second.T + grown @ added.T, dim=-1)
    assert np.abs(encoded.tokens[0] - found.numpy()).max() < NEAR


def test_shards_of_weights_are_read(copy: Callable[[str], Path], folders: dict[str, Path]) -> None:
    folder = copy("stanford")
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(tensors)
    halves = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, held in halves.items():
        save_file({name: tensors[name] for name in held}, folder / file, metadata={"format": "pt"})
    where = {name: file for file, held in halves.items() for name in held}
    write_json(folder / "model.safetensors.index.json", {"metadata": {}, "weight_map": where})
    whole = opened(folders["stanford"]).encode_queries(["alpha beta"]).tokens[0]
    assert np.array_equal(opened(folder).encode_queries(["alpha beta"]).tokens[0], whole)
    (folder / "b.safetensors").unlink()
    with pytest.raises(ProviderError, match=r"names 'b\.safetensors', which is not in"):
        opened(folder)


def _no_projection(folder: Path) -> None:
    write_json(folder / "modules.json", json.loads((folder / "modules.json").read_text("utf-8"))[:1])


def _bare(folder: Path) -> None:
    (folder / "modules.json").unlink()


def _pooled(folder: Path) -> None:
    modules = json.loads((folder / "modules.json").read_text("utf-8"))
    pooling = {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}
    write_json(folder / "modules.json", [modules[0], pooling])


def _outside(folder: Path) -> None:
    modules = json.loads((folder / "modules.json").read_text("utf-8"))
    write_json(folder / "modules.json", [modules[0], {**modules[1], "path": "../1_Dense"}])


def _unknown_activation(folder: Path) -> None:
    change(folder / "1_Dense" / "config.json", activation_function="somebody.Activation")


def _other_dims(folder: Path) -> None:
    write_dense(folder / "1_Dense", draw(TOKEN_DIM, 40))


def _other_shape(folder: Path) -> None:
    save_file({"linear.weight": draw(16, 32)}, folder / "1_Dense" / "model.safetensors")


def _nan(folder: Path) -> None:
    save_file({"linear.weight": draw(TOKEN_DIM, 32) * float("nan")}, folder / "1_Dense" / "model.safetensors")


def _no_matrix(folder: Path) -> None:
    save_file({"other": draw(TOKEN_DIM, 32)}, folder / "1_Dense" / "model.safetensors")


def _no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def _broken_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}", "utf-8")


def _no_prefix(folder: Path) -> None:
    change(folder / "config_sentence_transformers.json", query_prefix="[Query] ")


def _larger_tokenizer(folder: Path) -> None:
    described = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    described["model"]["vocab"]["surplus"] = 500
    write_json(folder / "tokenizer.json", described)


def _lost_tensor(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    del tensors["encoder.layer.1.output.dense.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def _cut_file(folder: Path) -> None:
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])


def _pickle_only(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def _no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def _own_code(folder: Path) -> None:
    change(folder / "config.json", auto_map={"AutoModel": "modeling.Model"})


def _wrong_setting(folder: Path) -> None:
    change(folder / "config_sentence_transformers.json", query_length="many")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_no_projection, "has no projection"),
        (_bare, "has no projection"),
        (_pooled, "a pooled model is `kind: sentence-transformers`"),
        (_outside, "which is not the model's"),
        (_unknown_activation, "known are Identity, Tanh"),
        (_other_dims, "maps 40 dimensions, what comes before it has 32"),
        (_other_shape, "must map 32 dimensions to 24, `linear.weight` maps 32 to 16"),
        (_nan, "holds NaN"),
        (_no_matrix, "no matrix `linear.weight`"),
        (_no_tokenizer, "holds no tokenizer"),
        (_broken_tokenizer, "the tokenizer of .* cannot be read"),
        (_no_prefix, r"the prefix '\[Query\] ' of the model is not in the vocabulary"),
        (_larger_tokenizer, "has 501 entries, the model has vectors of"),
        (_lost_tensor, "lacks encoder.layer.1.output.dense.weight"),
        (_cut_file, "the weights of .* cannot be read"),
        (_pickle_only, "`trust_pickle: true`"),
        (_no_weights, "holds no model.safetensors"),
        (_own_code, "code of its own"),
        # transformers reads it where peft is installed, and not where it is not.
        (lambda folder: write_json(folder / "adapter_config.json", {}), "is an adapter over a model"),
        (_wrong_setting, "`query_length` is 'many', wanted is a number above 0"),
    ],
)
def test_a_spoilt_folder_has_one_clear_error(
    copy: Callable[[str], Path], spoil: Callable[[Path], None], told: str
) -> None:
    folder = copy("pylate")
    spoil(folder)
    with pytest.raises(ProviderError, match=told):
        opened(folder)


def test_a_trusted_pickle_is_read(copy: Callable[[str], Path], pylate: LateInteraction) -> None:
    folder = copy("pylate")
    _pickle_only(folder)
    found = opened(folder, trust_pickle=True).encode_queries(["alpha"]).tokens[0]
    assert np.array_equal(found, pylate.encode_queries(["alpha"]).tokens[0])


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"max_tokens": 65}, "`max_tokens` is 65; .* has 64 positions"),
        ({"query_tokens": 80}, "filled up to 80 tokens; .* has 64 positions"),
    ],
)
def test_a_length_that_cannot_be_is_refused(folders: dict[str, Path], settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        opened(folders["pylate"], **settings)


def test_a_window_without_room_for_a_text_is_refused(copy: Callable[[str], Path]) -> None:
    folder = copy("pylate")
    change(folder / "config_sentence_transformers.json", document_length=3)
    with pytest.raises(ConfigError, match="`max_tokens` is 3, of which 3 stand around"):
        opened(folder)


def test_a_model_that_gives_nan_names_the_text(copy: Callable[[str], Path]) -> None:
    folder = copy("pylate")
    tensors = load_file(folder / "model.safetensors")
    tensors["embeddings.word_embeddings.weight"][8] = float("nan")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    encoder = opened(folder)
    encoder.encode_documents(["alpha"])
    with pytest.raises(UnusableText, match="NaN") as told:
        encoder.encode_documents(["alpha", "gamma", "alpha beta"])
    assert told.value.index == 2


def test_xtr_is_the_paper_s_encoder(folders: dict[str, Path]) -> None:
    encoder = opened_xtr(folders["xtr"])
    encoded, queries = encoder.encode_documents(TEXTS), encoder.encode_queries(TEXTS)
    weight = torch.load(folders["xtr"] / "2_Dense" / "pytorch_model.bin", weights_only=True)["linear.weight"]
    tokenizer = AutoTokenizer.from_pretrained(folders["xtr"])
    model = AutoModelForTextEncoding.from_pretrained(folders["xtr"], dtype=torch.float32).eval()
    for i, text in enumerate(TEXTS):
        ids = tokenizer(text.lower())["input_ids"]
        assert ids[-1] == 1
        with torch.inference_mode():
            found = model(input_ids=torch.tensor([ids])).last_hidden_state[0] @ weight.T
        expected = (found / found.norm(dim=1, keepdim=True)).numpy()
        assert queries.token_ids[i].tolist() == ids == encoded.token_ids[slice(*encoded.offsets[i : i + 2])].tolist()
        assert np.abs(queries.tokens[i] - expected).max() < NEAR
        documents = encoded.tokens[encoded.offsets[i] : encoded.offsets[i + 1]].astype(np.float32)
        assert np.abs(documents - expected).max() < NEAR + 2**-12


def test_xtr_s_projection_may_lie_in_safetensors(folders: dict[str, Path], tmp_path: Path) -> None:
    safe = opened_xtr(write_xtr(tmp_path / "xtr", pickled=False))
    found = opened_xtr(folders["xtr"]).encode_queries(["alpha date"]).tokens[0]
    assert np.array_equal(safe.encode_queries(["alpha date"]).tokens[0], found)


def test_the_hub_gives_a_commit_with_the_pickle_that_xtr_needs(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []
    snapshot = tmp_path / "snapshots" / COMMIT

    def download(name: str, *, local_files_only: bool = False, **settings: Any) -> str:
        if local_files_only:
            raise LocalEntryNotFoundError("nothing here")
        asked.append({"name": name, **settings})
        # As the hub's cache has it: links to blobs.
        for path in folders["xtr"].rglob("*.*"):
            link = snapshot / path.relative_to(folders["xtr"])
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path)
        return str(snapshot)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    found = open_xtr(XtrConfig(model="somebody/xtr", revision=COMMIT, precision="fp32"), "cpu")
    assert found.fingerprint == opened_xtr(folders["xtr"]).fingerprint
    assert found.name == "somebody/xtr"
    assert (asked[0]["name"], asked[0]["revision"]) == ("somebody/xtr", COMMIT)
    pickles = [pattern for pattern in asked[0]["allow_patterns"] if pattern.endswith("bin")]
    assert pickles == ["2_Dense/pytorch_model.bin"]


@pytest.mark.parametrize("name", ["pylate", "stanford"])
def test_a_cache_with_the_bare_transformer_of_a_model_is_completed(
    name: str, folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As AutoModel leaves it: "no projection", or without Stanford's settings another model."""
    snapshot = tmp_path / "snapshots" / COMMIT
    shutil.copytree(folders[name], snapshot, ignore=lambda _, names: {one for one in names if _of_a_layout(one)})

    def download(name_of: str, *, local_files_only: bool = False, **_: Any) -> str:
        assert name_of == "somebody/colbert"
        if not local_files_only:
            shutil.copytree(folders[name], snapshot, dirs_exist_ok=True)
        return str(snapshot)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    config = LateInteractionConfig(model="somebody/colbert", revision=COMMIT, precision="fp32")
    assert open_late_interaction(config, "cpu").fingerprint == opened(folders[name]).fingerprint


def _of_a_layout(name: str) -> bool:
    return name in ("modules.json", "artifact.metadata", "1_Dense")


@pytest.mark.parametrize("kind", [LateInteractionConfig, XtrConfig])
def test_a_name_of_the_hub_needs_its_commit(kind: type[LateInteractionConfig | XtrConfig]) -> None:
    with pytest.raises(ConfigError, match="without `revision`"):
        open_encoder(kind(model="somebody/colbert"))


def test_a_projection_that_is_written_anew_is_another_encoder(copy: Callable[[str], Path]) -> None:
    config = XtrConfig(model=str(copy("xtr")))
    before = open_encoder(config)
    assert open_encoder(config) is before
    weight = {"linear.weight": draw(TOKEN_DIM, 32, seed=9)}
    torch.save(weight, Path(config.model) / "2_Dense" / "pytorch_model.bin")
    assert open_encoder(config).fingerprint != before.fingerprint


def test_a_missing_package_is_named_with_the_extra(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xtr_assets.encoders.late_reader.PACKAGES", ("tokenizers", "package_of_nobody"))
    with pytest.raises(ProviderError, match=r"needs package_of_nobody; `pip install .xtr-assets\[models\]"):
        opened(folders["pylate"])


class Payload:
    """What a pickle of somebody's own may hold: a call that is made when it is read."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.mark,))


def test_a_pickle_runs_no_code(copy: Callable[[str], Path], tmp_path: Path) -> None:
    folder, mark = copy("xtr"), tmp_path / "mark"
    torch.save({"linear.weight": Payload(mark)}, folder / "2_Dense" / "pytorch_model.bin")
    with pytest.raises(ProviderError, match="holds more than tensors"):
        opened_xtr(folder)
    assert not mark.exists()


def test_each_layout_names_the_kind_that_reads_it(folders: dict[str, Path], copy: Callable[[str], Path]) -> None:
    with pytest.raises(ProviderError, match="set `kind: xtr`"):
        read_late(folders["xtr"])
    with pytest.raises(ProviderError, match="set `kind: late-interaction`"):
        read_xtr(folders["stanford"])
    folder = copy("xtr")
    shutil.rmtree(folder / "2_Dense")
    with pytest.raises(ProviderError, match="has no projection"):
        read_xtr(folder)
