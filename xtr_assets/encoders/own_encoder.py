"""Somebody's own encoder: a factory by its name, or by an entry point of an installed package."""

from collections.abc import Mapping, Sequence
from typing import Any

from xtr_assets.config import ENCODER_GROUP, PythonConfig
from xtr_assets.core.errors import ConfigError
from xtr_assets.core.factory_name import make_own
from xtr_assets.core.types import Int32s, legs_of
from xtr_assets.encoders.base import Encoded, EncodedQueries, Encoder, Progress
from xtr_assets.encoders.encoder_record import apart, hold_to_record

MEMBERS = ("name", "legs", "dim", "token_dim", "fingerprint", "tolerance")
METHODS = ("describe", "encode_documents", "encode_queries", "surface")
CHECK = "`xtr_assets.testing.check_encoder` says what is wrong with an encoder"


def open_own(config: PythonConfig, device: str) -> "OwnEncoder":  # noqa: ARG001 (its settings say where it runs)
    """Call the factory with its settings. ProviderError where it cannot be imported or fails, ConfigError where what
    it gives is no encoder or has other legs than the configuration says."""
    made = make_own(config.kind, ENCODER_GROUP, "encoder", **config.settings)
    missing = [name for name in MEMBERS if not hasattr(made, name)]
    missing += [name for name in METHODS if not callable(getattr(made, name, None))]
    if missing:
        raise ConfigError(f"{config.kind} gave a {type(made).__name__} without {', '.join(missing)}; {CHECK}")
    legs = frozenset(config.legs)
    if frozenset(made.legs) != legs or legs_of(made.dim, made.token_dim) != legs:
        raise ConfigError(
            f"`encoder.legs` is {sorted(legs)}, {config.kind} gives {sorted(made.legs)} with dims {made.dim} and "
            f"{made.token_dim}; write `legs: [{', '.join(sorted(made.legs))}]`"
        )
    return OwnEncoder(made, config)


class OwnEncoder:
    """An encoder of somebody's, whose record says how it is opened again."""

    def __init__(self, inner: Encoder, config: PythonConfig) -> None:
        self._inner, self._config = inner, config
        self.name, self.legs, self.tolerance = inner.name, frozenset(inner.legs), inner.tolerance
        self.dim, self.token_dim, self.fingerprint = inner.dim, inner.token_dim, inner.fingerprint

    def describe(self) -> dict[str, Any]:
        """What it says of itself, with its kind and settings."""
        own = dict(self._inner.describe())
        return {
            **own,
            **self._config.model_dump(mode="json"),
            "name": self.name,
            "dim": self.dim,
            "token_dim": self.token_dim,
            "fingerprint": self.fingerprint,
        }

    def encode_documents(self, texts: Sequence[str], progress: Progress | None = None) -> Encoded:
        """Encode whole texts, whatever their length."""
        return self._inner.encode_documents(texts, progress)

    def encode_queries(self, texts: Sequence[str]) -> EncodedQueries:
        """Encode queries."""
        return self._inner.encode_queries(texts)

    def hold_to(self, described: Mapping[str, Any]) -> None:
        """Let it compare itself with its record, where it can."""
        hold_to_record(self._inner, described)

    def apart(self) -> "OwnEncoder":
        """A copy to hold to another record, where the encoder that it wraps can be copied."""
        return OwnEncoder(apart(self._inner), self._config)

    def surface(self, token_ids: Sequence[int] | Int32s) -> list[str]:
        """The strings of token ids."""
        return self._inner.surface(token_ids)
