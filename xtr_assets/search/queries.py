"""Texts to query vectors, by the encoder that the generation was made with."""

from collections.abc import Mapping, Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from xtr_assets.config import EncoderConfig
from xtr_assets.core.errors import EncoderMismatch, UnknownFormat
from xtr_assets.core.types import Int32s
from xtr_assets.search.spaces import QueryVectors
from xtr_assets.storage.generations import Generation

if TYPE_CHECKING:
    from xtr_assets.encoders import Encoder


class QueryEncoder:
    """Loads the encoder at the first query: opening a warehouse for vectors of one's own needs no model."""

    def __init__(self, device: str) -> None:
        self._wanted = device
        self._lock = Lock()
        self._encoder: Encoder | None = None
        self.device: str | None = None

    def encode(self, generation: Generation, texts: Sequence[str], spaces: Sequence[str]) -> list[QueryVectors]:
        """One QueryVectors per text; only the `spaces` asked for are filled."""
        encoded = self.of(generation).encode_queries(list(texts))
        return [
            QueryVectors(
                encoded.embeddings[i] if "dense" in spaces else None,
                *((encoded.tokens[i], encoded.token_ids[i]) if "xtr" in spaces else (None, None)),
            )
            for i in range(len(texts))
        ]

    def surface(self, generation: Generation, token_ids: Int32s) -> list[str]:
        """The strings of token ids int32 [n]."""
        return list(self.of(generation).surface(token_ids))

    def of(self, generation: Generation) -> "Encoder":
        """The encoder of a generation; EncoderMismatch where this installation makes other vectors."""
        with self._lock:
            if self._encoder is None or self._encoder.fingerprint != generation.fingerprint:
                self._encoder = self._open(generation)
            return self._encoder

    def _open(self, generation: Generation) -> "Encoder":
        from xtr_assets.encoders import open_encoder

        described = generation.manifest.encoder.model_dump()
        config = encoder_config(described)
        device = resolve_device(self._wanted, config)
        encoder = open_encoder(config, device)
        if encoder.fingerprint != generation.fingerprint:
            raise EncoderMismatch(
                f"generation {generation.number} holds vectors of {described['name']} with fingerprint "
                f"{generation.fingerprint[:8]}, the encoder installed here has {encoder.fingerprint[:8]}; "
                "install the encoder it was built with, or rebuild with `xtr-assets build`"
            )
        self.device = device
        return encoder


def encoder_config(described: Mapping[str, Any]) -> EncoderConfig:
    """The settings that `Encoder.describe` wrote into a manifest, as a config that opens the same encoder."""
    settings = {"kind": described.get("kind"), **described.get("settings", {})}
    try:
        return EncoderConfig.model_validate({k: v for k, v in settings.items() if k in EncoderConfig.model_fields})
    except ValidationError as error:
        raise UnknownFormat(
            f"the manifest's encoder {described.get('name')!r} of kind {described.get('kind')!r} is none that this "
            "release opens; open the warehouse with the release that built it"
        ) from error


def resolve_device(wanted: str, config: EncoderConfig) -> str:
    """Where the encoder runs: "auto" is a GPU where torch sees one. Only encoders that compute with torch ask."""
    if wanted != "auto":
        return wanted
    if config.kind == "hashing":
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
