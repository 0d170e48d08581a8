"""Models of the user's: a folder, or a commit of the Hugging Face hub; and the sha256 of what is read from it."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from xtr_assets.config import ModelConfig
from xtr_assets.core.errors import ConfigError, ProviderError
from xtr_assets.core.files import sha256_file

HUB_NAME = re.compile(r"^[\w.-]+/[\w.-]+$")
COMMIT = re.compile(r"^[0-9a-f]{40}$")
# What readers of models read: settings, vocabularies, weights. Not: exports for other runtimes, cards, pictures.
READ = re.compile(
    r"^(config|modules|config_sentence_transformers|sentence_\w+_config|tokenizer|tokenizer_config|special_tokens_map"
    r"|added_tokens|vocab|preprocessor_config|processor_config|chat_template|artifact|model\.safetensors\.index"
    r"|router_config|cnn_config|lstm_config)\.(json|metadata)$"
    r"|^(vocab|merges)\.txt$|^(spiece|tokenizer|sentencepiece\.bpe)\.model$"
    r"|^[\w.-]+\.safetensors$"
)
SAFE = re.compile(r"^[\w.-]+\.safetensors$")
PICKLE = re.compile(r"^(pytorch_model[\w.-]*\.bin|[\w.-]+\.(pt|pth|ckpt))$")
CODE = re.compile(r"^\w+\.py$")
ADAPTER = "adapter_config.json"
# Folders of a repository that hold exports or the history of training.
NOT_READ = frozenset({"onnx", "openvino", "eval", "runs", "coreml", "imgs", "images", ".git", ".cache"})


def locate_model(config: ModelConfig, also: Sequence[str] = (), needs: Sequence[str] = ()) -> Path:
    """The folder of a model, downloaded where it is a commit of the hub that the cache lacks, or has a part of.

    also : files besides. needs : what a whole one has beside its weights, one of these at least.
    Raises ConfigError for a name of the hub without a commit, and for a commit that the folder is not of; ProviderError
    where there is no such folder or commit to be had.
    """
    folder = Path(config.model).expanduser()
    if folder.is_dir():
        _check_revision(folder, config)
        return folder
    if not HUB_NAME.match(config.model):
        raise ProviderError(
            f"`encoder.model`: no folder at {config.model}; put the model there, or give another folder, or OWNER/NAME "
            "of the hub"
        )
    if config.revision is None:
        raise ConfigError(
            f"`encoder.model` is {config.model} of the hub without `revision`: what it names may be another model "
            "tomorrow; add `revision` with the commit in full (40 hex digits, on the model's page under Files)"
        )
    return _from_hub(config.model, config.revision, [*(["*.bin"] if config.trust_pickle else []), *also], needs)


def _check_revision(folder: Path, config: ModelConfig) -> None:
    if config.revision is None or folder.resolve().name == config.revision:
        return
    found = folder.resolve().name
    said = f"is commit {found}" if COMMIT.match(found) else "does not say which commit it is"
    raise ConfigError(
        f"`encoder.revision` is {config.revision}, the folder {folder} {said}; name the folder "
        "snapshots/<commit> of the hub's cache, or leave `revision` out: files in a folder are known by their sha256"
    )


def _from_hub(name: str, revision: str, also: Sequence[str], needs: Sequence[str]) -> Path:
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError
    except ImportError as error:
        raise ProviderError('models of the hub need huggingface_hub; `pip install "xtr-assets[models]"`') from error
    wanted = ["*.json", "*.txt", "*.model", "*.safetensors", "*.metadata", *also]
    left_out = [f"{one}/*" for one in sorted(NOT_READ)]
    files: dict[str, Any] = {"revision": revision, "allow_patterns": wanted, "ignore_patterns": left_out}
    with suppress(LocalEntryNotFoundError):
        here = Path(snapshot_download(name, local_files_only=True, **files))
        # Who asked for single files of this commit, as a tokenizer alone, left those and no word of the others.
        told = not needs or any((here / one).exists() for one in needs)
        if told and any(SAFE.match(path.name) or PICKLE.match(path.name) for path in _files(here)):
            return here
    try:
        return Path(snapshot_download(name, **files))
    except Exception as error:  # the client raises errors of several libraries; all mean "not to be had"
        raise ProviderError(
            f"{name} at {revision} is neither whole in the hub's cache here nor to be had ({type(error).__name__}); "
            "check name and commit, connect once, or copy the model to a folder and name that"
        ) from error


def read_files(folder: Path, *, pickles: bool = False, code: bool = False) -> list[Path]:
    """What is read of a model: files at its top and in the folders of its modules; sorted."""
    patterns = [READ, *([PICKLE] if pickles else []), *([CODE] if code else [])]
    return sorted(path for path in _files(folder) if any(pattern.match(path.name) for pattern in patterns))


def _files(folder: Path) -> Iterator[Path]:
    return (path for place in module_folders(folder) for path in place.iterdir() if path.is_file())


def module_folders(folder: Path, depth: int = 3) -> list[Path]:
    """A model's folder and those below it in which modules may lie, themselves of modules (a Router), in order."""
    below = sorted(path for path in folder.iterdir() if path.is_dir() and path.name not in NOT_READ) if depth else []
    return [folder, *(found for one in below for found in module_folders(one, depth - 1))]


def digests_of(folder: Path, files: Iterable[Path]) -> dict[str, str]:
    """Name below the folder -> sha256; the same for a folder and its copy."""
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in files}


def require_files(folder: Path, names: Iterable[str], what: str) -> None:
    """ProviderError where the folder lacks one of the files."""
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise ProviderError(f"{folder} lacks {', '.join(missing)}; {what} holds them: copy the whole model again")


def refuse_adapters(places: Iterable[Path]) -> None:
    """ProviderError where the folder of a transformer holds an adapter as well: transformers reads it, or does not, as
    the package peft is installed, so that one set of files is two models."""
    for place in places:
        if (place / ADAPTER).is_file():
            raise ProviderError(
                f"{place} is an adapter over a model that it only names; merge the two and save the result"
            )


def refuse_pickles(folder: Path, *, trusted: bool) -> None:
    """ProviderError where weights lie in a pickle alone, unless pickles are trusted."""
    if trusted:
        return
    for place in module_folders(folder):
        pickles = sorted(p.name for p in place.iterdir() if PICKLE.match(p.name))
        if pickles and not any(p.suffix == ".safetensors" for p in place.iterdir()):
            raise ProviderError(
                f"the weights in {place} are a pickle ({pickles[0]}) and no safetensors: a pickle may be a program; "
                "convert them, or set `trust_pickle: true` where you know who made them"
            )
