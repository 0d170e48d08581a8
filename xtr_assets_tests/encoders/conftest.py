"""A BERT with random weights, two layers and thirty words: the real code paths in milliseconds, no package needed."""

import json
import string
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from xtr_assets.core.files import sha256_file
from xtr_assets.encoders.head import Projection
from xtr_assets.encoders.minilm import MiniLm
from xtr_assets.encoders.weights import CONFIG, TOKENIZER, WEIGHTS, ModelFiles
from xtr_assets_tests.encoders.tiny_models import sentence_model, static_model

HIDDEN, LAYERS, HEADS, POSITIONS, INNER, TOKEN_DIM = 24, 2, 3, 32, 48, 8
WORDS = ["alpha", "beta", "gamma", "delta", "parse", "date", "##s", "##ing", "iso", "a", "b", "c", *string.punctuation]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]


def random_state() -> dict[str, torch.Tensor]:
    """The tensors of a BertModel checkpoint, large enough for states to differ clearly."""
    generator = torch.Generator().manual_seed(7)

    def draw(*shape: int, around: float = 0.0) -> torch.Tensor:
        return around + torch.randn(*shape, generator=generator) * 0.3

    state = {
        "embeddings.word_embeddings.weight": draw(len(VOCABULARY), HIDDEN),
        "embeddings.position_embeddings.weight": draw(POSITIONS, HIDDEN),
        "embeddings.token_type_embeddings.weight": draw(2, HIDDEN),
        "embeddings.LayerNorm.weight": draw(HIDDEN, around=1.0),
        "embeddings.LayerNorm.bias": draw(HIDDEN),
    }
    for i in range(LAYERS):
        prefix = f"encoder.layer.{i}."
        for name, out, inner in (
            ("attention.self.query", HIDDEN, HIDDEN),
            ("attention.self.key", HIDDEN, HIDDEN),
            ("attention.self.value", HIDDEN, HIDDEN),
            ("attention.output.dense", HIDDEN, HIDDEN),
            ("intermediate.dense", INNER, HIDDEN),
            ("output.dense", HIDDEN, INNER),
        ):
            state[f"{prefix}{name}.weight"], state[f"{prefix}{name}.bias"] = draw(out, inner), draw(out)
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            state[f"{prefix}{name}.weight"], state[f"{prefix}{name}.bias"] = draw(HIDDEN, around=1.0), draw(HIDDEN)
    return state


def write_model(folder: Path, state: dict[str, torch.Tensor]) -> ModelFiles:
    """A model folder as the hub lays it out; its tokenizer carries truncation and padding as the published one does."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {word: number for number, word in enumerate(VOCABULARY)}
    tokenizer = Tokenizer(models.WordPiece(vocab=vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    tokenizer.enable_truncation(6)
    tokenizer.enable_padding(length=6)
    tokenizer.save(str(folder / TOKENIZER))
    config = {
        "model_type": "bert",
        "hidden_act": "gelu",
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "intermediate_size": INNER,
        "max_position_embeddings": POSITIONS,
        "type_vocab_size": 2,
        "vocab_size": len(VOCABULARY),
        "layer_norm_eps": 1e-12,
    }
    (folder / CONFIG).write_text(json.dumps(config), "utf-8")
    save_file(state, folder / WEIGHTS)
    paths = [folder / name for name in (WEIGHTS, TOKENIZER, CONFIG)]
    return ModelFiles(paths[0], paths[1], paths[2], *(sha256_file(path) for path in paths))


def tiny_head(layer: int) -> Projection:
    matrix = torch.randn(HIDDEN, TOKEN_DIM, generator=torch.Generator().manual_seed(3)).numpy()
    return Projection(matrix, layer, "0" * 64)


def open_tiny(files: ModelFiles, max_tokens: int = 12, keep_punctuation: bool = False) -> MiniLm:
    return MiniLm(
        files,
        tiny_head,
        device=torch.device("cpu"),
        max_tokens=max_tokens,
        keep_punctuation=keep_punctuation,
        precision="fp32",
        name="tiny",
    )


@pytest.fixture(scope="session")
def tiny_files(tmp_path_factory: pytest.TempPathFactory) -> ModelFiles:
    return write_model(tmp_path_factory.mktemp("tiny"), random_state())


@pytest.fixture(scope="session")
def tiny(tiny_files: ModelFiles) -> MiniLm:
    return open_tiny(tiny_files)


@pytest.fixture
def no_extension(monkeypatch: pytest.MonkeyPatch) -> None:
    """Encoders that are opened now do without the extension, as where it was not compiled."""
    monkeypatch.setattr("xtr_assets.encoders.native_pass.engines", lambda precision: ())


@pytest.fixture(scope="session")
def sentence_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of sentence-transformers with prompts; read only."""
    pytest.importorskip("sentence_transformers", reason='needs sentence-transformers: pip install "xtr-assets[models]"')
    prompts = {"query": "query: ", "document": "passage: "}
    return sentence_model(tmp_path_factory.mktemp("models") / "sentences", prompts=prompts)


@pytest.fixture(scope="session")
def static_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model2vec table; read only."""
    return static_model(tmp_path_factory.mktemp("models") / "static")
