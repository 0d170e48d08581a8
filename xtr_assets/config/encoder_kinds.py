"""The kinds of encoders, and their settings. A wrong field is answered with the kind and the fields that it has."""

import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias
from urllib.parse import urlsplit

from pydantic import (
    Discriminator,
    Field,
    Tag,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from xtr_assets.config.field_types import Strict, UsablePath, in_order
from xtr_assets.core.errors import ConfigError
from xtr_assets.core.factory_name import check_factory_name
from xtr_assets.core.field_problem import problems
from xtr_assets.core.types import BOTH_LEGS, Leg, Legs, legs_of

DENSE: Legs = frozenset({"dense"})
TOKENS: Legs = frozenset({"tokens"})

AS_JSON = TypeAdapter[Any](Any, config={"ser_json_inf_nan": "constants"})

# Packages announce their encoders here; the entry point's name is the kind.
ENCODER_GROUP = "xtr_assets.encoders"

Dim = Annotated[int, Field(ge=8, le=4096)]
# Of models of one's own: there are wider ones.
ModelDim = Annotated[int, Field(ge=8, le=65536)]
Precision = Literal["auto", "fp32", "bf16"]
# What the extension computes minilm in; int8 is another encoder, with a fingerprint of its own.
MiniLmPrecision = Precision | Literal["int16", "int8"]
# A commit, in full: a branch, a tag and a short one may be another commit tomorrow.
Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]


class Kind(Strict):
    """Settings of one encoder; those that change vectors are part of its fingerprint."""

    @model_validator(mode="before")
    @classmethod
    def _fields_are_of_the_kind(cls, value: Any) -> Any:
        if isinstance(value, dict) and (strange := [name for name in value if name not in cls.model_fields]):
            known = ", ".join(cls.model_fields)
            told = ", ".join(f"`{str(name)[:60]}`" for name in strange)
            raise ValueError(f"{cls.called(value)} has no field {told}; its fields are {known}")
        return value

    @classmethod
    def called(cls, value: dict[str, Any]) -> str:
        """How messages call it."""
        return f"kind {str(value.get('kind', cls.model_fields['kind'].default))[:60]!r}"

    def at(self, folder: Path) -> Self:  # noqa: ARG002 (kinds with paths use it)
        """The same with every relative path taken from `folder`."""
        return self


class MiniLmConfig(Kind):
    """The embedded all-MiniLM-L6-v2.

    `weights` says where its files come from (the package, the Hugging Face hub, or a folder); their sha256 are pinned,
    so it changes nothing but the place. `head` turns its token states into token embeddings: the trained one
    that is shipped, the one that was shipped before, the untrained projection, or a file (or folder) that `train-head`
    wrote.
    """

    kind: Literal["minilm"] = "minilm"
    weights: Literal["package", "hub"] | UsablePath = "package"
    head: Literal["shipped", "shipped-2", "shipped-1", "projection"] | UsablePath = "shipped"
    max_tokens: Annotated[int, Field(ge=16, le=512)] = 256
    keep_punctuation: bool = False
    precision: MiniLmPrecision = "auto"

    def at(self, folder: Path) -> Self:
        """The same with every relative path taken from `folder`."""
        own = {name: getattr(self, name) for name in ("weights", "head")}
        return self.model_copy(update={n: folder / p.expanduser() for n, p in own.items() if isinstance(p, Path)})


class HashingConfig(Kind):
    """Words as random directions, for tests and trials; a dimension of 0 leaves that leg out."""

    kind: Literal["hashing"] = "hashing"
    dim: Literal[0] | Dim = 64
    token_dim: Literal[0] | Annotated[int, Field(ge=8, le=1024)] = 32

    @model_validator(mode="after")
    def _has_a_leg(self) -> Self:
        if not self.dim and not self.token_dim:
            raise ValueError(
                "`dim` and `token_dim` are both 0, which leaves nothing to search; give one of them 8 to 4096"
            )
        return self


class ModelConfig(Kind):
    """A model of the user's: a folder, or a name of the Hugging Face hub at a commit.

    A text with a `/` at most once that names no folder beside the configuration is a name of the hub. `trust_pickle`
    reads weights that lie in a pickle (pytorch_model.bin), without running what is in it.
    """

    model: Annotated[str, Field(min_length=1, max_length=4096)]
    revision: Commit | None = None
    # Without an end: models without a last position say 10^30, and their record is read as such settings are.
    max_tokens: Annotated[int, Field(ge=8)] | None = None
    precision: Precision = "auto"
    trust_pickle: bool = False

    def at(self, folder: Path) -> Self:
        """The same with a relative path taken from `folder`; a name of the hub stays."""
        path = Path(self.model).expanduser()
        if self.model.startswith((".", "/", "~")) or (folder / path).is_dir():
            return self.model_copy(update={"model": str(folder / path)})
        return self


class Prompts(Strict):
    """What goes before a text; None is what the model itself says, an empty text is nothing."""

    query: str | None = None
    document: str | None = None


class SentenceTransformersConfig(ModelConfig):
    """A pooled model of sentence-transformers; prompts, pooling, normalization and lengths are read from it.

    `dim` keeps the first so many dimensions (Matryoshka). `remote_code` names the code that the model brings and that
    may run: "own" for that in its folder, REPOSITORY@COMMIT for another repository of the hub.
    """

    kind: Literal["sentence-transformers"] = "sentence-transformers"
    prompts: Prompts = Prompts()
    dim: ModelDim | None = None
    remote_code: Annotated[str, Field(pattern=r"^(own|[\w.-]+/[\w.-]+@[0-9a-f]{40})$")] | None = None


class StaticConfig(Kind):
    """A table of vectors by token (model2vec, or sentence-transformers' StaticEmbedding), for both legs."""

    kind: Literal["static"] = "static"
    model: UsablePath
    dim: ModelDim | None = None
    keep_punctuation: bool = False

    def at(self, folder: Path) -> Self:
        """The same with a relative path taken from `folder`."""
        return self.model_copy(update={"model": folder / self.model.expanduser()})


class EndpointConfig(Kind):
    """An OpenAI-compatible `/v1/embeddings` (also of TEI, vLLM, Ollama).

    `url` : up to and without `/embeddings`. `key` : $NAME of the environment variable that holds it. `revision` : a
    word for the state of the model, yours to change when the model behind the address became another one: it is part
    of the fingerprint. `max_chars` : longer texts are encoded in windows. `shorten` asks the server for vectors of
    `dim` dimensions. `rate` : requests a second.
    """

    kind: Literal["endpoint"] = "endpoint"
    url: str
    model: Annotated[str, Field(min_length=1, max_length=300)]
    dim: ModelDim
    key: Annotated[str, Field(pattern=r"^\$[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    revision: str = ""
    prompts: Prompts = Prompts()
    shorten: bool = False
    max_chars: Annotated[int, Field(ge=100)] = 2000
    batch_texts: Annotated[int, Field(ge=1, le=2048)] = 32
    batch_tokens: Annotated[int, Field(ge=64)] = 8192
    concurrency: Annotated[int, Field(ge=1, le=256)] = 4
    rate: Annotated[float, Field(gt=0.0)] | None = None
    timeout: Annotated[float, Field(gt=0.0, le=3600.0)] = 60.0

    @field_validator("url")
    @classmethod
    def _address_without_secrets(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            # A port is read when it is asked for.
            usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            usable = False
        if not usable or re.search(r"\s", value):
            raise ValueError("give an address like https://host/v1")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("an address is recorded, so it holds no user, password or query; put the key into `key`")
        return value.rstrip("/").removesuffix("/embeddings")


class LateInteractionConfig(ModelConfig):
    """A ColBERT in the layout of PyLate or Stanford; prefixes, lengths and skip list are read from the model."""

    kind: Literal["late-interaction"] = "late-interaction"
    query_tokens: Annotated[int, Field(ge=4, le=4096)] | None = None
    expansion: Literal["auto", True, False] = "auto"


class XtrConfig(ModelConfig):
    """google/xtr-base-en and alike: a T5 encoder and a projection."""

    kind: Literal["xtr"] = "xtr"


class PythonConfig(Kind):
    """Somebody's own encoder: `kind: python:package.module:factory`, or the name of an installed entry point.

    The factory is called with `settings`. `legs` : what the encoder gives, so that the assets are known before it is
    opened; checked when it is.
    """

    kind: str
    settings: dict[str, Any] = Field(default_factory=dict)
    legs: tuple[Leg, ...] = ("dense", "tokens")

    @field_validator("settings")
    @classmethod
    def _settings_are_plain(cls, value: dict[str, Any]) -> Any:
        # A run of Dagster, and who opens what a manifest notes, call the factory with what JSON holds of them: with a
        # date, or a set, it may be another encoder elsewhere.
        try:
            made = AS_JSON.dump_python(in_order(value), mode="json")
            json.dumps(made, allow_nan=False)
        except ValueError as error:
            raise ValueError("they hold what JSON has not; give text, finite numbers, lists, mappings") from error
        return made

    @field_validator("kind")
    @classmethod
    def _kind_is_known(cls, value: str) -> str:
        return check_factory_name(value, ENCODER_GROUP, frozenset(KINDS))

    @field_validator("legs")
    @classmethod
    def _has_a_leg(cls, value: tuple[Leg, ...]) -> tuple[Leg, ...]:
        if not value or len(set(value)) != len(value):
            raise ValueError("give [dense, tokens], [dense] or [tokens]")
        return value

    @model_validator(mode="before")
    @classmethod
    def _fields_are_of_the_kind(cls, value: Any) -> Any:
        # Of an unknown kind no field is known either: the kind is what is wrong.
        strange = isinstance(value, dict) and set(value) - set(cls.model_fields)
        if strange and isinstance(value.get("kind"), str):
            try:
                cls._kind_is_known(value["kind"])
            except ValueError:
                return {name: held for name, held in value.items() if name in cls.model_fields}
        return super()._fields_are_of_the_kind(value)  # type: ignore[operator]


KINDS: dict[str, Legs] = {
    "minilm": BOTH_LEGS,
    "hashing": BOTH_LEGS,
    "sentence-transformers": DENSE,
    "static": BOTH_LEGS,
    "endpoint": DENSE,
    "late-interaction": TOKENS,
    "xtr": TOKENS,
}


def _tag(value: Any) -> str:
    """The alternative that a value is meant for. Tags hold a colon, so that messages leave them out of the place."""
    if isinstance(value, Kind):
        value = value.model_dump(include={"kind", "dense", "tokens"})
    if not isinstance(value, dict):
        return "kind:minilm"
    if "kind" not in value and {"dense", "tokens"} & set(value):
        return "kind:pair"
    kind = value.get("kind", "minilm")
    return f"kind:{kind}" if isinstance(kind, str) and kind in KINDS else "kind:python"


def _single_tag(value: Any) -> str:
    """The same where no pair may stand."""
    return "kind:minilm" if (tag := _tag(value)) == "kind:pair" else tag


_Kinds: TypeAlias = (
    Annotated[MiniLmConfig, Tag("kind:minilm")]
    | Annotated[HashingConfig, Tag("kind:hashing")]
    | Annotated[SentenceTransformersConfig, Tag("kind:sentence-transformers")]
    | Annotated[StaticConfig, Tag("kind:static")]
    | Annotated[EndpointConfig, Tag("kind:endpoint")]
    | Annotated[LateInteractionConfig, Tag("kind:late-interaction")]
    | Annotated[XtrConfig, Tag("kind:xtr")]
    | Annotated[PythonConfig, Tag("kind:python")]
)
SingleEncoder: TypeAlias = Annotated[_Kinds, Discriminator(_single_tag)]


class EncoderPair(Kind):
    """One encoder for the embeddings, one for the token embeddings; or one of them alone."""

    dense: SingleEncoder | None = None
    tokens: SingleEncoder | None = None

    @classmethod
    def called(cls, value: dict[str, Any]) -> str:  # noqa: ARG003 (there is one)
        """How messages call it."""
        return "an encoder of two parts"

    @model_validator(mode="after")
    def _parts_have_their_legs(self) -> Self:
        parts = {"dense": self.dense, "tokens": self.tokens}
        for leg, part in parts.items():
            if part is not None and leg not in configured_legs(part):
                able = ", ".join(repr(kind) for kind, legs in KINDS.items() if leg in legs)
                raise ValueError(f"`{leg}` is of kind {part.kind!r} without {leg} vectors as it is set; use {able}")
        if self.dense is None and self.tokens is None:
            raise ValueError("give `dense`, `tokens` or both")
        return self

    def at(self, folder: Path) -> Self:
        """The same with every relative path taken from `folder`."""
        parts = {"dense": self.dense, "tokens": self.tokens}
        return self.model_copy(update={n: one and one.at(folder) for n, one in parts.items()})


EncoderConfig: TypeAlias = Annotated[_Kinds | Annotated[EncoderPair, Tag("kind:pair")], Discriminator(_tag)]


def configured_legs(config: EncoderConfig) -> Legs:
    """What an encoder of this configuration gives, told without opening it."""
    if isinstance(config, EncoderPair):
        parts: dict[Leg, Any] = {"dense": config.dense, "tokens": config.tokens}
        return frozenset(leg for leg, part in parts.items() if part is not None)
    if isinstance(config, HashingConfig):
        return legs_of(config.dim, config.token_dim)
    return frozenset(config.legs) if isinstance(config, PythonConfig) else KINDS[config.kind]


def parse_encoder(value: Any, origin: str = "the encoder") -> EncoderConfig:
    """An encoder's configuration from plain values. Raises ConfigError."""
    try:
        parsed: EncoderConfig = TypeAdapter[Any](EncoderConfig).validate_python(value)
    except ValidationError as error:
        # The place is said as in a file of the whole configuration.
        faults = ({**item, "loc": ("encoder", *item["loc"])} for item in error.errors())
        raise ConfigError(f"{origin}: {problems(dict(one) for one in faults)}") from error
    return parsed
