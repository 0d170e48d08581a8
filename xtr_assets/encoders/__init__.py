"""Encoders: texts to embeddings and token embeddings. `open_encoder` is the way in.

The extension encodes on a CPU, without torch. Where it is not compiled, torch is imported when it is worth it: a query,
or the few texts of a small change, are encoded in numpy.
"""

import threading
from functools import partial
from pathlib import Path

from xtr_assets.config import EncoderConfig
from xtr_assets.encoders.base import Encoded, EncodedQueries, Encoder, Progress, Tolerance

__all__ = ["Encoded", "EncodedQueries", "Encoder", "Progress", "Tolerance", "open_encoder", "open_fresh"]

_opened: dict[tuple[EncoderConfig, str, str], Encoder] = {}
_opening = threading.Lock()


def open_encoder(config: EncoderConfig, device: str = "cpu") -> Encoder:
    """The encoder of a configuration, loaded once per process, configuration and device (cpu | cuda | cuda:N | auto).

    Raises ProviderError where a package or the device is missing, or weights are not the pinned ones.
    """
    if config.kind == "hashing":
        device = "cpu"
    with _opening:
        key = (config, device, _head_now(config))
        if key not in _opened:
            _opened[key] = _open(config, device)
        return _opened[key]


def _head_now(config: EncoderConfig) -> str:
    """The head's sha256: a file of the user's may be another one since it was opened."""
    if config.kind == "hashing" or not isinstance(config.head, Path):
        return ""
    from xtr_assets.encoders.head_file import head_sha256

    return head_sha256(config.head)


def open_fresh(config: EncoderConfig, device: str = "cpu") -> Encoder:
    """The same opened anew: nothing is shared with the one that encoded, whose memory may be what is wrong.

    The weights are read and verified once more: 0.1 CPU s for minilm in numpy, 0.4 where it has to be torch.
    """
    return _open(config, "cpu" if config.kind == "hashing" else device)


def _open(config: EncoderConfig, device: str) -> Encoder:
    if config.kind == "hashing":
        from xtr_assets.encoders.hashing import Hashing

        return Hashing(config.dim, config.token_dim)
    from xtr_assets.encoders.head_file import open_head
    from xtr_assets.encoders.minilm import LIGHT_TOKENS, MiniLm
    from xtr_assets.encoders.precision import choose_device, surely_cpu
    from xtr_assets.encoders.weights import locate_minilm

    on_cpu = surely_cpu(device)
    return MiniLm(
        locate_minilm(config.weights),
        partial(open_head, config.head),
        device="cpu" if on_cpu else choose_device(device),
        max_tokens=config.max_tokens,
        keep_punctuation=config.keep_punctuation,
        precision=config.precision,
        light_tokens=LIGHT_TOKENS if on_cpu and config.precision != "bf16" else 0,
    )
