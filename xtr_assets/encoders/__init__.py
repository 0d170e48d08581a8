"""Encoders: texts to embeddings and token embeddings. `open_encoder` is the way in.

The extension encodes minilm on a CPU, without torch. Where it is not compiled, torch is imported when it is worth it: a
query, or the few texts of a small change, are encoded in numpy.
"""

import threading
from collections.abc import Callable
from functools import partial
from importlib import import_module

from xtr_assets.config import EncoderConfig, EncoderPair, HashingConfig, MiniLmConfig, PythonConfig
from xtr_assets.core.errors import ProviderError
from xtr_assets.encoders.base import Encoded, EncodedQueries, Encoder, Progress, Tolerance
from xtr_assets.encoders.encoder_files import files_now

__all__ = ["Encoded", "EncodedQueries", "Encoder", "Progress", "Tolerance", "open_encoder", "open_fresh"]

# Where a kind is opened: module and function, called with config and device. Imported when asked for: each needs
# packages that others do without.
OPENERS: dict[str, tuple[str, str]] = {
    "endpoint": ("xtr_assets.encoders.endpoint", "open_endpoint"),
    "late-interaction": ("xtr_assets.encoders.late_reader", "open_late_interaction"),
    "python": ("xtr_assets.encoders.own_encoder", "open_own"),
    "sentence-transformers": ("xtr_assets.encoders.sentence_transformer", "open_sentence_transformer"),
    "static": ("xtr_assets.encoders.static_table", "open_static"),
    "xtr": ("xtr_assets.encoders.late_reader", "open_xtr"),
}

_opened: dict[tuple[str, str, str], Encoder] = {}
_opening = threading.RLock()


def open_encoder(config: EncoderConfig, device: str = "cpu") -> Encoder:
    """The encoder of a configuration, loaded once per process, configuration and device (cpu | cuda | cuda:N | auto).

    Raises ProviderError where a package or the device is missing, or weights are not the pinned ones; ConfigError where
    a model is not as the configuration says.
    """
    if isinstance(config, HashingConfig):
        device = "cpu"
    with _opening:
        # A file of the user's may be another one since it was opened.
        key = (f"{type(config).__name__} {config.model_dump_json()}", device, files_now(config))
        if key not in _opened:
            _opened[key] = _open(config, device, open_encoder)
        return _opened[key]


def open_fresh(config: EncoderConfig, device: str = "cpu") -> Encoder:
    """The same opened anew: nothing is shared with the one that encoded, whose memory may be what is wrong.

    The weights are read and verified once more: 0.1 CPU s for minilm in numpy, 0.4 where it has to be torch.
    """
    return _open(config, "cpu" if isinstance(config, HashingConfig) else device, open_fresh)


def _open(config: EncoderConfig, device: str, open_part: Callable[[EncoderConfig, str], Encoder]) -> Encoder:
    if isinstance(config, EncoderPair):
        return _open_pair(config, device, open_part)
    if isinstance(config, HashingConfig):
        from xtr_assets.encoders.hashing import Hashing

        return Hashing(config.dim, config.token_dim)
    if isinstance(config, MiniLmConfig):
        return _open_minilm(config, device)
    kind = "python" if isinstance(config, PythonConfig) else config.kind
    if kind not in OPENERS:
        raise ProviderError(f"this release opens no encoder of kind {kind!r}; it opens {', '.join(sorted(OPENERS))}")
    module, function = OPENERS[kind]
    opened: Encoder = getattr(import_module(module), function)(config, device)
    return opened


def _open_pair(config: EncoderPair, device: str, open_part: Callable[[EncoderConfig, str], Encoder]) -> Encoder:
    """Both parts; one encoder where both name the same."""
    from xtr_assets.encoders.encoder_pair import Paired

    dense = config.dense
    if isinstance(dense, MiniLmConfig):
        # Of token embeddings that nobody asks for the head does not matter; one for all keeps one fingerprint.
        dense = dense.model_copy(update={"head": "projection"})
    opened = None if dense is None else open_part(dense, device)
    if config.tokens is None or config.tokens == dense:
        return Paired(opened, None if config.tokens is None else opened)
    return Paired(opened, open_part(config.tokens, device))


def _open_minilm(config: MiniLmConfig, device: str) -> Encoder:
    from xtr_assets.encoders.head_file import open_head
    from xtr_assets.encoders.minilm import LIGHT_TOKENS, MiniLm
    from xtr_assets.encoders.precision import INTEGERS, choose_device, surely_cpu
    from xtr_assets.encoders.weights import locate_minilm

    # Integers are computed on a CPU alone: beside a GPU "auto" is that all the same.
    on_cpu = surely_cpu(device) or (device == "auto" and config.precision in INTEGERS)
    return MiniLm(
        locate_minilm(config.weights),
        partial(open_head, config.head),
        device="cpu" if on_cpu else choose_device(device),
        max_tokens=config.max_tokens,
        keep_punctuation=config.keep_punctuation,
        precision=config.precision,
        light_tokens=LIGHT_TOKENS if on_cpu and config.precision != "bf16" else 0,
    )
