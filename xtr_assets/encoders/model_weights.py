"""The files that decide what a model of somebody's own gives: which are there, may be read, and their digests."""

import hashlib
from pathlib import Path

from xtr_assets.core.errors import ProviderError
from xtr_assets.core.files import sha256_file
from xtr_assets.encoders.late_layout import PICKLED_WEIGHTS, SAFE_WEIGHTS, SHARDED_WEIGHTS, json_file

# All that the tokenizers of transformers read, and no more: a README is no part of a model.
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
)
VOCABULARY_FILES = frozenset(TOKENIZER_FILES) - {
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "merges.txt",
}


def weights_file(folder: Path, trust_pickle: bool = False) -> Path:
    """The weights of one folder: safetensors, in one file or by index; a pickle only where it is trusted.

    Raises ProviderError.
    """
    for name in (SAFE_WEIGHTS, SHARDED_WEIGHTS):
        if (folder / name).is_file():
            return folder / name
    pickled = folder / PICKLED_WEIGHTS
    if not pickled.is_file():
        raise ProviderError(f"{folder} holds no {SAFE_WEIGHTS}; get the whole model")
    if not trust_pickle:
        raise ProviderError(
            f"{folder} holds {PICKLED_WEIGHTS} and no {SAFE_WEIGHTS}; a pickle can run code: convert it, or set "
            "`trust_pickle: true` where you trust who wrote it"
        )
    return pickled


def shard_files(weights: Path) -> tuple[Path, ...]:
    """The files that weights consist of. Raises ProviderError where one is missing or lies elsewhere."""
    if weights.name != SHARDED_WEIGHTS:
        return (weights,)
    named = json_file(weights).get("weight_map")
    if not isinstance(named, dict) or not named or not all(isinstance(name, str) for name in named.values()):
        raise ProviderError(f"{weights} must hold a `weight_map`; get the model again")
    files = tuple(weights.parent / name for name in sorted(set(named.values())))
    for file in files:
        if file.parent != weights.parent or not file.is_file():
            raise ProviderError(f"{weights} names {file.name!r}, which is not in {weights.parent}; get the whole model")
    return (weights, *files)


def tokenizer_files(folder: Path) -> tuple[Path, ...]:
    """What of TOKENIZER_FILES is there. Raises ProviderError where no vocabulary is."""
    files = tuple(folder / name for name in TOKENIZER_FILES if (folder / name).is_file())
    if not VOCABULARY_FILES & {file.name for file in files}:
        raise ProviderError(f"{folder} holds no tokenizer: no tokenizer.json; get the whole model")
    return files


def digest_of(files: tuple[Path, ...], root: Path) -> str:
    """sha256 (hex) over the names, below `root`, and the sha256 of files, in order of the names."""
    lines = sorted(f"{file.relative_to(root).as_posix()} {sha256_file(file)}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
