"""Tiny late-interaction models with random weights, in each layout in which they are published."""

import json
import string
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

HIDDEN, TOKEN_DIM, POSITIONS = 32, 24, 64
WORDS = ["alpha", "beta", "gamma", "delta", "parse", "date", "##s", "##ing", "iso", "a", "b", "c", "query", "search"]
MARKERS = ["[unused0]", "[unused1]"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
# Those of a small corpus, so that texts about different things have different tokens.
TOPICS = ["ferry", "harvest", "volcano", "choir", "satellite", "bakery", "glacier", "orchard", "lighthouse", "tunnel"]
VERBS = ["closes", "opens", "moves", "waits", "burns", "sings"]
PAGE = ["the", "at", "noon", "as", "notice", "number", "of", "says", *"012345"]
VOCABULARY = [*SPECIAL, *MARKERS, *WORDS, *string.punctuation, *TOPICS, *VERBS, *PAGE]
PREFIXES = ("[Q] ", "[D] ")
PIECES = [
    "<pad>",
    "</s>",
    "<unk>",
    *("▁" + word for word in ("alpha", "beta", "parse", "date", "a")),
    "▁",
    *"abdelprst,.",
]


def draw(*shape: int, seed: int = 5) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * 0.4


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), "utf-8")


def write_tokenizer(folder: Path, added: tuple[str, ...] = ()) -> None:
    """BERT's word pieces; `added` are put in as PyLate puts in its prefixes. It cuts and pads as published ones do."""
    from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

    tokenizer = Tokenizer(models.WordPiece(vocab={word: i for i, word in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.add_tokens([AddedToken(one, normalized=False) for one in added])
    tokenizer.enable_truncation(6)
    tokenizer.enable_padding(length=6)
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", **names})


def write_bert(folder: Path, extra: int = 0) -> None:
    """A BertModel; `extra` rows of its word table are those of added tokens."""
    from transformers import BertConfig, BertModel

    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=len(VOCABULARY) + extra,
        hidden_size=HIDDEN,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=48,
        max_position_embeddings=POSITIONS,
        # Ten times the usual: states then differ clearly by their neighbours.
        initializer_range=0.2,
    )
    model = BertModel(config, add_pooling_layer=False)
    with torch.no_grad():
        # The word says more than its place and its neighbours, as in a trained model.
        model.embeddings.position_embeddings.weight.mul_(0.1)
        for name, tensor in model.named_parameters():
            if name.endswith("output.dense.weight"):
                tensor.mul_(0.3)
    model.save_pretrained(folder)


def write_pylate(folder: Path, **settings: Any) -> Path:
    """As PyLate saves: two modules, its settings flat beside the prompts."""
    folder.mkdir(parents=True, exist_ok=True)
    write_bert(folder, extra=len(PREFIXES))
    write_tokenizer(folder, PREFIXES)
    write_dense(folder / "1_Dense", draw(TOKEN_DIM, HIDDEN))
    write_json(
        folder / "modules.json",
        [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Dense", "type": "pylate.models.Dense.Dense"},
        ],
    )
    plain: dict[str, Any] = {
        "model_type": "ColBERT",
        "prompts": {},
        "default_prompt_name": None,
        "similarity_fn_name": "MaxSim",
        "query_prefix": PREFIXES[0],
        "document_prefix": PREFIXES[1],
        "query_length": 12,
        "document_length": 20,
        "attend_to_expansion_tokens": False,
        "skiplist_words": list(string.punctuation),
        "do_query_expansion": True,
    }
    write_json(folder / "config_sentence_transformers.json", {**plain, **settings})
    return folder


def write_dense(folder: Path, weight: torch.Tensor, **config: Any) -> None:
    plain = {
        "in_features": weight.shape[1],
        "out_features": weight.shape[0],
        "bias": False,
        "activation_function": "torch.nn.modules.linear.Identity",
    }
    write_json(folder / "config.json", {**plain, **config})
    save_file({"linear.weight": weight}, folder / "model.safetensors")


def write_stanford(folder: Path, **metadata: Any) -> Path:
    """As stanford-futuredata/ColBERT saves: one file of weights, with the projection among them."""
    folder.mkdir(parents=True, exist_ok=True)
    write_bert(folder)
    write_tokenizer(folder)
    bert = {f"bert.{name}": tensor for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file({**bert, "linear.weight": draw(TOKEN_DIM, HIDDEN)}, folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    write_json(folder / "config.json", {**config, "architectures": ["HF_ColBERT"]})
    plain = {"query_token_id": MARKERS[0], "doc_token_id": MARKERS[1], "query_maxlen": 10, "doc_maxlen": 22}
    write_json(
        folder / "artifact.metadata", {**plain, "mask_punctuation": True, "attend_to_mask_tokens": False, **metadata}
    )
    return folder


def write_own(folder: Path, expansion: dict[str, Any] | None, *, marked: bool = False, **settings: Any) -> Path:
    """As sentence-transformers 6 saves a multi-vector model: every step a module, prompts as text.

    `marked` : its prompts are entries of the tokenizer, as those of a model that began as PyLate's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_bert(folder, extra=len(PREFIXES))
    write_tokenizer(folder, PREFIXES if marked else ())
    write_dense(folder / "1_Dense", draw(TOKEN_DIM, HIDDEN), module_input_name="token_embeddings")
    write_json(folder / "2_MultiVectorMask" / "config.json", {"skiplist_words": [",", "!"], **settings})
    write_json(folder / "3_Normalize" / "config.json", {"module_input_name": "token_embeddings"})
    parts = [
        ("", "base.modules.transformer.Transformer"),
        ("1_Dense", "base.modules.dense.Dense"),
        ("2_MultiVectorMask", "multi_vector_encoder.modules.multi_vector_mask.MultiVectorMask"),
        ("3_Normalize", "base.modules.normalize.Normalize"),
    ]
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.{kind}"}
        for i, (path, kind) in enumerate(parts)
    ]
    write_json(folder / "modules.json", modules)
    prompts = dict(zip(("query", "document"), PREFIXES if marked else ("query: ", "search "), strict=True))
    write_json(folder / "config_sentence_transformers.json", {"model_type": "MultiVectorEncoder", "prompts": prompts})
    model = {
        "document_length": 20,
        "query_length": None,
        "query_expansion": expansion,
        "transformer_task": "feature-extraction",
    }
    write_json(folder / "sentence_bert_config.json", model)
    return folder


def write_xtr(folder: Path, pickled: bool = True) -> Path:
    """As google/xtr-base-en lies on the hub: T5's encoder in safetensors, the projection in a pickle."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import T5Config, T5EncoderModel

    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(4)
    config = T5Config(
        vocab_size=len(PIECES),
        d_model=HIDDEN,
        d_kv=8,
        d_ff=48,
        num_layers=2,
        num_heads=4,
        feed_forward_proj="gated-gelu",
        initializer_factor=1.0,
    )
    model = T5EncoderModel(config)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if name.endswith(("SelfAttention.o.weight", "DenseReluDense.wo.weight")):
                tensor.mul_(0.3)
    model.save_pretrained(folder)
    tokenizer = Tokenizer(models.Unigram([(piece, -float(i)) for i, piece in enumerate(PIECES)], unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer.add_special_tokens(["<pad>", "</s>", "<unk>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", **names})
    weight = draw(TOKEN_DIM, HIDDEN)
    write_dense(folder / "2_Dense", weight)
    if pickled:
        (folder / "2_Dense" / "model.safetensors").unlink()
        torch.save({"linear.weight": weight}, folder / "2_Dense" / "pytorch_model.bin")
    return folder
