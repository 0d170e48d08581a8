"""Texts to query vectors, by the encoder that the generation was made with."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from xtr_assets.config import EncoderConfig
from xtr_assets.core.errors import EncoderMismatch, UnknownFormat
from xtr_assets.core.lexical_terms import query_terms
from xtr_assets.core.types import Int32s
from xtr_assets.encoders.head_file import HEAD_FILE, HeadName, shipped_name
from xtr_assets.search.retrievers import QueryVectors
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.manifest import HEAD_KEY

if TYPE_CHECKING:
    from xtr_assets.encoders import Encoder


# Spaces in which a query is what an encoder makes of it.
ENCODED = frozenset({"dense", "xtr"})


class QueryEncoder:
    """Loads the encoder at the first query: opening a warehouse for vectors of one's own needs no model."""

    def __init__(self, device: str, config: EncoderConfig | None = None) -> None:
        self._wanted, self._config = device, config
        self._lock = Lock()
        self._encoder: Encoder | None = None
        self.device: str | None = None

    def encode(self, generation: Generation, texts: Sequence[str], spaces: Sequence[str]) -> list[QueryVectors]:
        """One QueryVectors per text; only the `spaces` asked for are filled. Words alone need no model."""
        terms = [tuple(query_terms(text)) if "lexical" in spaces else None for text in texts]
        if not ENCODED.intersection(spaces):
            return [QueryVectors(terms=one) for one in terms]
        encoded = self.of(generation).encode_queries(list(texts))
        return [
            QueryVectors(
                encoded.embeddings[i] if "dense" in spaces else None,
                encoded.tokens[i] if "xtr" in spaces else None,
                encoded.token_ids[i] if "xtr" in spaces else None,
                terms[i],
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
        config = self._config
        if config is None:
            config = encoder_config(described).model_copy(update={"head": head_of(generation)})
        elif not isinstance(config.head, Path):
            # A release ships another head one day; what was encoded before is asked by the head that it has.
            config = config.model_copy(update={"head": head_of(generation)})
        encoder = open_encoder(config, self._wanted)
        if encoder.fingerprint != generation.fingerprint:
            raise EncoderMismatch(
                f"generation {generation.number} holds vectors of {described['name']} with fingerprint "
                f"{generation.fingerprint[:8]}, the encoder installed here has {encoder.fingerprint[:8]}; "
                "install the encoder it was built with, or rebuild with `xtr-assets build`"
            )
        self.device = str(encoder.describe().get("device", "cpu"))
        return encoder


def head_of(generation: Generation) -> HeadName | Path:
    """The head that the token embeddings of a generation were made with: a shipped one, or the file that it keeps.

    Raises EncoderMismatch where this release has no such head, CorruptFile where the file is damaged.
    """
    sha256 = generation.manifest.encoder.model_dump().get("head")
    if sha256 is None:
        return "shipped"
    if (name := shipped_name(str(sha256))) is not None:
        return name
    folder = generation.manifest.notes.get(HEAD_KEY)
    if folder is None:
        raise EncoderMismatch(
            f"generation {generation.number} was encoded with the head {str(sha256)[:8]}, which neither this release "
            "nor the warehouse has; search with the release that built it, or rebuild with `xtr-assets build`"
        )
    return generation.path(f"{folder}/{HEAD_FILE}", full=True)


def encoder_config(described: Mapping[str, Any]) -> EncoderConfig:
    """The settings that `Encoder.describe` wrote into a manifest, as a config that opens the same encoder.

    What decides the vectors is taken over. Where the weights lie and with which precision they serve is not: that is
    the business of this machine.
    """
    fields = ["kind", "max_tokens", "keep_punctuation"]
    if described.get("kind") == "hashing":
        fields += ["dim", "token_dim"]
    try:
        return EncoderConfig.model_validate({name: described[name] for name in fields if name in described})
    except ValidationError as error:
        raise UnknownFormat(
            f"the manifest's encoder {described.get('name')!r} of kind {described.get('kind')!r} is none that this "
            "release opens; open the warehouse with the release that built it"
        ) from error
