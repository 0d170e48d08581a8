"""Files of heads: which ones there are, and that they are what they should be before they are parsed."""

import hashlib
from importlib import resources
from pathlib import Path
from typing import Literal

import numpy as np

from xtr_assets.core.errors import ConfigError, ProviderError
from xtr_assets.core.files import read_regular
from xtr_assets.encoders.head import Head, Projection, TrainedHead

HeadName = Literal["shipped", "shipped-2", "shipped-1", "projection"]

# The files that the package ships. A head that serves in some warehouse is never changed or taken away: what was
# encoded with it could no longer be asked.
SHIPPED: dict[HeadName, tuple[str, str]] = {
    "shipped": ("head.safetensors", "0809dc30f080cb9b5c71560728fd83d180a85a4134f8283132453a53bb815cb3"),
    # Trained for the sum alone, with 128 dimensions.
    "shipped-2": ("head-2.safetensors", "a6e658916f3b4a9304bc15aa2bbc40457c8398ee8aa988f77dbe4d9f2fd37b38"),
    # Trained to find alone, for no release's default.
    "shipped-1": ("head-1.safetensors", "03abd2f2cc55716d677fcdbbf0483ce7ca78ce1daf8eca84afc3e99f7bea8268"),
    "projection": ("projection.safetensors", "742a9cdb4a7dca4422a05a6de3fef32d97abe77b32be818801027f0deb5624e7"),
}

# A head of 768 dimensions over a model of 1024 is 9 MB; what is larger is no head, and is not read.
MOST_BYTES = 64 << 20
HEAD_FILE, CARD_FILE, CARD_TEXT = "head.safetensors", "head.card.json", "head.card.md"


def head_sha256(setting: HeadName | Path) -> str:
    """The sha256 of the file that a setting names; of a shipped one without reading it."""
    return sha256_of(head_file_bytes(setting)) if isinstance(setting, Path) else SHIPPED[setting][1]


def sha256_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def shipped_name(sha256: str) -> HeadName | None:
    """The shipped head with this sha256; None where it is somebody's own."""
    return next((name for name, (_, digest) in SHIPPED.items() if digest == sha256), None)


def open_head(setting: HeadName | Path, layers: int) -> Head:
    """The head that a setting names, for a model of so many layers. Raises ProviderError, ConfigError, InvalidInput."""
    if isinstance(setting, Path):
        return parse_head(head_file_bytes(setting), layers, str(setting))
    name, expected = SHIPPED[setting]
    data = resources.files("xtr_assets.encoders").joinpath(name).read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise ProviderError(
            f"the head {name} of xtr-assets must have the sha256 {expected}, found {found}; install the package again"
        )
    return parse_head(data, layers, name)


def parse_head(data: bytes, layers: int, origin: str) -> Head:
    """A head from the bytes of its file: {"matrix"} is a projection of the last state, {"center", "matrix"} a trained
    head. Raises ProviderError, InvalidInput."""
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load
    except ImportError as error:
        raise ProviderError(
            'the encoder minilm needs the package safetensors; `pip install "xtr-assets[minilm]"`'
        ) from error
    try:
        loaded = load(data)
    except (SafetensorError, ValueError, TypeError) as error:
        raise ProviderError(f"{origin} is no safetensors file: {error!s:.200}; train it again") from error
    except (KeyError, AttributeError) as error:
        # What numpy has no numbers for, as bfloat16.
        raise ProviderError(
            f"{origin} holds numbers of another kind ({error}); save it in float16 or float32"
        ) from error
    if strange := sorted({str(one.dtype) for one in loaded.values() if one.dtype.kind != "f"}):
        raise ProviderError(f"{origin} holds numbers of another kind ({strange[0]}); save it in float16 or float32")
    tensors = {name: np.asarray(tensor, np.float32) for name, tensor in loaded.items()}
    sha256 = hashlib.sha256(data).hexdigest()
    if set(tensors) == {"matrix"}:
        return Projection(tensors["matrix"], layers, sha256)
    if set(tensors) == {"center", "matrix"}:
        return TrainedHead(tensors["center"], tensors["matrix"], layers, sha256)
    raise ProviderError(
        f"{origin} holds {sorted(tensors)}, a head is `center` and `matrix`; write one with `xtr-assets train-head`"
    )


def refuse_other_width(head: Head, hidden: int) -> None:
    """ProviderError for a head over states of other dimensions than a model has."""
    if head.hidden != hidden:
        raise ProviderError(
            f"`encoder.head` reads states of {head.hidden} dimensions, the model has {hidden}: it was trained for "
            "another one; train one for this model with `xtr-assets train-head`, or set `shipped`"
        )


def head_bytes(head: TrainedHead) -> bytes:
    """The file of a trained head: float16, half the bytes, which changes no token by more than 0.0003 of its length."""
    from safetensors.numpy import save

    return bytes(save({"center": head.center.astype(np.float16), "matrix": head.matrix.astype(np.float16)}))


def head_file_bytes(path: Path) -> bytes:
    """A head file of the user's, or the folder that `train-head` wrote it to."""
    file = path / HEAD_FILE if path.is_dir() else path
    try:
        if file.stat().st_size > MOST_BYTES:
            raise ConfigError(
                f"`encoder.head`: {file} has {file.stat().st_size:,} bytes; a head has {MOST_BYTES:,} at most"
            )
        return read_regular(file, str(file))
    except FileNotFoundError:
        raise ConfigError(
            f"`encoder.head`: no file at {file}; write one with `xtr-assets train-head`, or set `shipped`"
        ) from None
