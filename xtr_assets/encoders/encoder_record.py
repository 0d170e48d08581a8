"""What a manifest says of its encoder, as a configuration that opens the same one."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel, ValidationError

from xtr_assets.config import (
    EncoderConfig,
    EncoderPair,
    EndpointConfig,
    HashingConfig,
    LateInteractionConfig,
    MiniLmConfig,
    PythonConfig,
    SentenceTransformersConfig,
    StaticConfig,
    XtrConfig,
)
from xtr_assets.core.errors import ConfigError, UnknownFormat
from xtr_assets.encoders.base import Encoder

_CLASSES: tuple[type[BaseModel], ...] = (
    MiniLmConfig,
    HashingConfig,
    SentenceTransformersConfig,
    StaticConfig,
    EndpointConfig,
    LateInteractionConfig,
    XtrConfig,
)
# The version of the code of each kind: part of its fingerprint, and raised where the code gives other vectors for the
# same files, answers and settings. Here, where a sensor reads them: a module of an encoder is 25 to 100 ms of imports.
CODE_VERSIONS = {
    "minilm": 2,
    "hashing": 1,
    "sentence-transformers": 1,
    "static": 1,
    "endpoint": 1,
    "late-interaction": 1,
    "xtr": 1,
    # How the vectors of two are joined.
    "pair": 1,
}
# Where minilm's weights lie is the business of this machine, and its head is found by its sha256; nor does a record say
# in which precision this machine serves, but for int8, which is another encoder.
NOT_TAKEN = frozenset({"weights", "head", "precision"})


def recorded_config(described: Mapping[str, Any]) -> EncoderConfig:
    """The settings that `Encoder.describe` wrote, as a config that opens the same encoder; the head of minilm aside.

    Raises UnknownFormat where this release has no such kind.
    """
    kind = described.get("kind")
    try:
        if kind == "pair":
            parts = {leg: recorded_config(described[leg]) for leg in ("dense", "tokens") if leg in described}
            return EncoderPair.model_validate(parts)
        known = next((one for one in _CLASSES if one.model_fields["kind"].default == kind), PythonConfig)
        taken = {name: described[name] for name in known.model_fields if name in described and name not in NOT_TAKEN}
        if known is MiniLmConfig and described.get("precision") == "int8":
            taken["precision"] = "int8"
        config: EncoderConfig = known.model_validate(taken)  # type: ignore[assignment]
    except (ValidationError, ConfigError, TypeError) as error:
        raise UnknownFormat(
            f"the manifest's encoder {described.get('name')!r} of kind {kind!r} is none that this release opens; open "
            "the warehouse with the release that built it, or install the package that brings this kind"
        ) from error
    return config


def of_this_code(described: Mapping[str, Any]) -> bool:
    """Whether the code that made vectors, as `Encoder.describe` wrote, is that of this release. What does not say is
    not."""
    kind, said = described.get("kind"), described.get("reads")
    version = (said if isinstance(said, Mapping) else described).get("code")
    parts = [described[leg] for leg in ("dense", "tokens") if leg in described] if kind == "pair" else []
    return version is not None and version == CODE_VERSIONS.get(str(kind)) and all(map(of_this_code, parts))


@runtime_checkable
class Held(Protocol):
    """An encoder that its fingerprint does not tell all about, and that compares itself with its record."""

    def hold_to(self, described: Mapping[str, Any]) -> None:
        """Compare what comes from now on with what `describe` wrote once; EncoderMismatch where it is another."""
        ...


@runtime_checkable
class Copied(Protocol):
    """One that is opened once per process, though each warehouse holds it to a record of its own."""

    def apart(self) -> Encoder:
        """The same encoder, its record aside: what the copy is held to, this one is not."""
        ...


def apart(encoder: Encoder) -> Encoder:
    """A copy to hold to a record, where an encoder can be; weights and connections are shared."""
    return encoder.apart() if isinstance(encoder, Copied) else encoder


def hold_to_record(encoder: Encoder, described: Mapping[str, Any] | None) -> None:
    """Let an encoder that can compare itself with its record do so."""
    if described is not None and isinstance(encoder, Held):
        encoder.hold_to(described)


def minilm_with_tokens(described: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Of what is recorded, the minilm whose head made the token embeddings; None where it was another encoder."""
    part = described.get("tokens") if described.get("kind") == "pair" else described
    return part if isinstance(part, Mapping) and part.get("kind") == "minilm" else None
