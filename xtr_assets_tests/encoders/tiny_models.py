"""Models of random weights in each layout: two layers, 32 dimensions, made in a blink."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

DIM, POSITIONS = 32, 64
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,:;()_-!?\"'=<>[]{}"
WORDS = (
    "parse",
    "date",
    "text",
    "returns",
    "none",
    "query",
    "passage",
    "the",
    "ferry",
    "island",
    "noon",
    "where",
    "is",
)


def vocabulary(words: Sequence[str] = WORDS) -> list[str]:
    """Word pieces: special ones, words, letters, and letters that go on."""
    return [*SPECIAL, *words, *LETTERS, *(f"##{one}" for one in LETTERS if one.isalnum())]


def bare_tokenizer(words: Sequence[str] = WORDS) -> Any:
    """A BERT tokenizer over `vocabulary`, of the package tokenizers."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    table = {piece: number for number, piece in enumerate(vocabulary(words))}
    made = Tokenizer(models.WordPiece(table, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", table["[CLS]"]), ("[SEP]", table["[SEP]"])]
    )
    return made


def word_piece_tokenizer() -> Any:
    """The same for transformers."""
    from transformers import PreTrainedTokenizerFast

    make: Any = PreTrainedTokenizerFast
    return make(
        tokenizer_object=bare_tokenizer(),
        pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]",
        model_max_length=POSITIONS,
    )  # fmt: skip


def sentence_model(folder: Path, pooling: str = "mean", prompts: dict[str, str] | None = None, seed: int = 1) -> Path:
    """A model of sentence-transformers in a folder: BERT, pooling, normalization."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling
    from transformers import BertConfig, BertModel

    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(vocabulary()), hidden_size=DIM, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=POSITIONS, initializer_range=0.5,
    )  # fmt: skip
    bare = folder.parent / f"{folder.name}-bare"
    BertModel(config).save_pretrained(bare)
    word_piece_tokenizer().save_pretrained(bare)
    word = Transformer(str(bare), max_seq_length=POSITIONS)
    made = SentenceTransformer(modules=[word, Pooling(DIM, pooling_mode=pooling), Normalize()], prompts=prompts)
    made.save(str(folder), create_model_card=False)
    return folder


def static_model(
    folder: Path, dim: int = DIM, seed: int = 3, weights: bool = False, words: Sequence[str] = WORDS
) -> Path:
    """A model2vec folder."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    tensors = {"embeddings": random.standard_normal((len(vocabulary(words)), dim)).astype(np.float32)}
    if weights:
        tensors["weights"] = random.uniform(0.2, 1.0, len(vocabulary(words))).astype(np.float32)
    save_file(tensors, folder / "model.safetensors")
    bare_tokenizer(words).save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text(json.dumps({"model_type": "model2vec", "hidden_dim": dim, "normalize": True}))
    return folder
