"""Texts to query vectors, by the encoder that the generation was made with."""

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from xtr_assets.config import EncoderConfig, EncoderPair, MiniLmConfig
from xtr_assets.config.trust import refuse_unvouched
from xtr_assets.core.arguments import query_tokens, query_vectors
from xtr_assets.core.asked_name import asked_name
from xtr_assets.core.asked_place import asked_places
from xtr_assets.core.errors import EncoderMismatch, InvalidInput
from xtr_assets.core.lexical_terms import query_terms
from xtr_assets.core.types import Floats, Int32s
from xtr_assets.core.verbatim import asked_words
from xtr_assets.encoders.encoder_record import apart, hold_to_record, minilm_with_tokens, recorded_config
from xtr_assets.encoders.head_file import HEAD_FILE, HeadName, shipped_name
from xtr_assets.search.loaders import terms_version
from xtr_assets.search.retrievers import QueryVectors
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.manifest import HEAD_KEY

if TYPE_CHECKING:
    from xtr_assets.encoders import Encoder
    from xtr_assets.encoders.base import EncodedQueries


# Spaces in which a query is what an encoder makes of it.
ENCODED = frozenset({"dense", "xtr"})


class QueryEncoder:
    """Loads the encoder at the first query: opening a warehouse for vectors of one's own needs no model."""

    def __init__(self, device: str, config: EncoderConfig | None = None) -> None:
        self._wanted, self._config = device, config
        self._lock = Lock()
        self._encoder: Encoder | None = None
        self.device: str | None = None

    @staticmethod
    def given(encoder: "EncoderConfig | QueryEncoder | None", device: str) -> "QueryEncoder":
        """One that is open already, or one of this configuration on the device. InvalidInput for anything else."""
        if isinstance(encoder, QueryEncoder):
            return encoder
        if encoder is not None and not hasattr(encoder, "model_dump_json"):
            raise InvalidInput(
                f"encoder is a {type(encoder).__name__}; pass that of a configuration, "
                'xtr_assets.config.load_config(Path("xtr.yaml")).encoder'
            )
        return QueryEncoder(device, encoder)

    def encode(self, generation: Generation, texts: Sequence[str], spaces: Sequence[str]) -> list[QueryVectors]:
        """One QueryVectors per text; only the `spaces` asked for are filled. Words alone need no model."""
        version = terms_version(generation)
        terms = [tuple(query_terms(text, version)) if "lexical" in spaces else None for text in texts]
        if not ENCODED.intersection(spaces):
            return [QueryVectors(terms=one) for one in terms]
        encoded = self.encoded(generation, texts)
        embeddings, tokens = _held_against(generation, encoded, len(texts), spaces)
        return [
            QueryVectors(
                embeddings[i] if "dense" in spaces else None,
                tokens[i] if "xtr" in spaces else None,
                encoded.token_ids[i] if "xtr" in spaces else None,
                terms[i],
                asked_name(text),
                asked_places(text),
                asked_words(text),
            )
            for i, text in enumerate(texts)
        ]

    def encoded(self, generation: Generation, texts: Sequence[str]) -> "EncodedQueries":
        """What the encoder of a generation makes of texts, in order."""
        return self.of(generation).encode_queries(list(texts))

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
            config = recorded_config(described)
            refuse_unvouched(config, f"generation {generation.number}")
        config = _with_head(config, generation)
        encoder = open_encoder(config, self._wanted)
        if encoder.fingerprint != generation.fingerprint:
            raise EncoderMismatch(
                f"generation {generation.number} holds vectors of {described['name']} with fingerprint "
                f"{generation.fingerprint[:8]}, the encoder installed here has {encoder.fingerprint[:8]}; "
                "install the encoder it was built with, or rebuild with `xtr-assets build`"
            )
        # Another warehouse in this process may hold it to another record.
        encoder = apart(encoder)
        hold_to_record(encoder, described)
        self.device = str(encoder.describe().get("device", "cpu"))
        return encoder


def _held_against(
    generation: Generation, encoded: "EncodedQueries", count: int, spaces: Sequence[str]
) -> tuple[Floats, Sequence[Floats]]:
    """The embeddings and token embeddings that spaces ask for, held against the index as those of any caller: an own
    encoder of somebody's may give NaN, another dim or too few. Raises InvalidInput, EncoderMismatch."""
    described = generation.manifest.encoder
    embeddings, tokens = encoded.embeddings, encoded.tokens
    given = {"dense": len(embeddings), "xtr": len(tokens)}
    for space in ENCODED.intersection(spaces):
        if given[space] != count:
            raise EncoderMismatch(
                f"{described.name} gave vectors of {given[space]} queries for {count}; "
                "`xtr_assets.testing.check_encoder` says what is wrong with an encoder"
            )
    if "dense" in spaces:
        embeddings = query_vectors(embeddings, described.dim)
    if "xtr" in spaces:
        tokens = tuple(query_tokens(one, described.token_dim) for one in tokens)
    return embeddings, tokens


def _with_head(config: EncoderConfig, generation: Generation) -> EncoderConfig:
    """The same with the head that made the token embeddings, unless the configuration names a file.

    A release ships another head one day; what was encoded before is asked by the head that it has.
    """
    if isinstance(config, EncoderPair):
        tokens = config.tokens
        return config if tokens is None else config.model_copy(update={"tokens": _with_head(tokens, generation)})
    if not isinstance(config, MiniLmConfig) or isinstance(config.head, Path):
        return config
    return config.model_copy(update={"head": head_of(generation)})


def head_of(generation: Generation) -> HeadName | Path:
    """The head that the token embeddings of a generation were made with: a shipped one, or the file that it keeps.

    Raises EncoderMismatch where this release has no such head, CorruptFile where the file is damaged.
    """
    recorded = minilm_with_tokens(generation.manifest.encoder.model_dump())
    sha256 = None if recorded is None else recorded.get("head")
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
