"""IndexConfig: what one index is made of, read from YAML. Errors name the field, its value and what is allowed."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from xtr_assets.config.encoder_kinds import EncoderConfig, EncoderPair, MiniLmConfig, configured_legs
from xtr_assets.config.field_types import Strict, UsablePath
from xtr_assets.config.source_config import SourceConfig
from xtr_assets.config.trust import vouch
from xtr_assets.core.errors import ConfigError
from xtr_assets.core.field_problem import problems
from xtr_assets.core.part_places import MOST_CHUNKS
from xtr_assets.core.recipe_grammar import parse_recipe
from xtr_assets.core.types import Legs
from xtr_assets.core.yaml_document import read_yaml

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]
# A source that lost more than this share of its files or records waits for a person. One of four equal parts (a disk, a
# shard, a quarter's export) that is missing must be caught; asking in vain costs one command, not asking loses content.
DEFAULT_SHRINK = 0.2

Share = Annotated[float, Field(ge=0.0)]


def _no_address(value: Path, why: str) -> Path:
    # As a path it would be a folder of the name `s3:`.
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:/", str(value)):
        raise ValueError(f"{why}. Name a folder")
    return value


class RecallConfig(Strict):
    """Thresholds of the gate; a threshold above 1 can never pass."""

    dense: Share = 0.95
    xtr: Share = 0.95
    new_rows: Share = 0.93
    k: Annotated[int, Field(ge=1, le=1000)] = 10
    queries: Annotated[int, Field(ge=1)] = 200


class GateConfig(Strict):
    """What the gate asks of a change beside recall.

    `shrink`: share of its files, records or text that a source may lose, or find unusable, without a person's word.
    """

    shrink: Annotated[float, Field(ge=0.0, le=1.0)] = DEFAULT_SHRINK


class QueriesConfig(Strict):
    """BEIR files: queries.jsonl ({"_id", "text"}) and, for judged quality, qrels.tsv.

    `floor`: the nDCG@10 over judged queries that hybrid search has to reach, whatever served before.
    """

    path: UsablePath
    judgments: UsablePath | None = None
    floor: Annotated[float, Field(ge=0.0, le=1.0)] | None = None

    @model_validator(mode="after")
    def _floor_is_of_judgments(self) -> "QueriesConfig":
        if self.floor is not None and self.judgments is None:
            raise ValueError(f"`floor` is {self.floor:g} without `judgments`; name a qrels.tsv, or remove it")
        return self


class QueryLogConfig(Strict):
    """What people ask a server, kept to measure with. Whoever writes it switches it on.

    `folder`: where the logs lie; `megabytes`: of the log of an index at most; `redact`: `python:module:function`, given
    a text, returns what is kept of it, or None to keep nothing; `changed`: share of their answers that a draft may
    change before it warns.
    """

    folder: UsablePath = Path("query-log")
    megabytes: Annotated[float, Field(gt=0.0, le=1024.0)] = 16.0
    redact: Annotated[str | None, Field(pattern=r"^python:[A-Za-z_][\w.]*:[A-Za-z_][\w.]*$")] = None
    changed: Annotated[float, Field(ge=0.0, le=1.0)] = 0.2

    @field_validator("folder")
    @classmethod
    def _is_a_folder(cls, value: Path) -> Path:
        return _no_address(value, "it is kept in a folder of this machine")

    @property
    def most_bytes(self) -> int:
        """`megabytes` in bytes."""
        return int(self.megabytes * 1_000_000)


class DenseConfig(Strict):
    """The dense index: a FAISS recipe, or "auto", and what it will be served on."""

    recipe: str = "auto"
    target: Literal["cpu", "gpu", "gpu-cuvs"] = "cpu"

    @field_validator("recipe")
    @classmethod
    def _recipe_is_known(cls, value: str) -> str:
        if value != "auto":
            parse_recipe(value)
        return value

    @model_validator(mode="after")
    def _recipe_serves_there(self) -> "DenseConfig":
        if self.recipe != "auto":
            parse_recipe(self.recipe).check_target(self.target)
        return self


class UpkeepConfig(Strict):
    """What happens unattended: how many generations the nightly collection keeps, and who is told of a failed run.

    `failure_webhook` is an http address, or `$NAME` for the environment variable that holds it. `page` is where
    `xtr-assets serve` answers for people: what Dagster shows links there.
    """

    keep: Annotated[int, Field(ge=1)] = 3
    failure_webhook: Annotated[str | None, Field(pattern=r"^(https?://.+|\$[A-Za-z_][A-Za-z0-9_]*)$", repr=False)] = (
        None
    )
    page: Annotated[str | None, Field(pattern=r"^https?://.+")] = None


class PartsConfig(Strict):
    """An index of several parts, each a warehouse in the folder `warehouse`, which serve together.

    `shards`: how many shards a part takes, in the order of the sources; one that was placed stays where it is, and a
    new one goes to the newest part. `max_chunks`: a part that serves so many takes no more shards, and one that serves
    more is told of.
    """

    shards: Annotated[int, Field(ge=1, le=1000)] = 1
    max_chunks: Annotated[int, Field(ge=1)] = MOST_CHUNKS


class IndexConfig(Strict):
    """One index: its sources, encoder and thresholds, and the warehouse that keeps it.

    `queries_from_log` is what `queries: log` says.
    """

    name: Name = "docs"
    warehouse: UsablePath = Path("warehouse")
    parts: PartsConfig | None = None
    sources: tuple[SourceConfig, ...]
    encoder: EncoderConfig = MiniLmConfig.model_construct()
    recall: RecallConfig = RecallConfig.model_construct()
    gate: GateConfig = GateConfig.model_construct()
    queries: QueriesConfig | None = None
    queries_from_log: bool = False
    query_log: QueryLogConfig | None = None
    dense: DenseConfig = DenseConfig.model_construct()
    upkeep: UpkeepConfig = UpkeepConfig.model_construct()

    @model_validator(mode="before")
    @classmethod
    def _queries_of_the_log(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("queries") == "log":
            return {**given, "queries": None, "queries_from_log": True}
        return given

    @model_validator(mode="after")
    def _log_is_kept(self) -> "IndexConfig":
        if self.queries_from_log and (self.query_log is None or self.queries is not None):
            raise ValueError("`queries: log` needs a `query_log` and no file; add `query_log: {}`, or name a file")
        return self

    @field_validator("warehouse")
    @classmethod
    def _is_a_folder(cls, value: Path) -> Path:
        return _no_address(value, "it is built in a folder; `xtr-assets push` brings it to an object store")

    @model_validator(mode="after")
    def _sources_are_usable(self) -> "IndexConfig":
        if not self.sources:
            raise ValueError("`sources` needs at least 1 source")
        names = [source.name for source in self.sources]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ValueError(f"source names must differ, {doubled} stand twice; rename one")
        return self

    @model_validator(mode="after")
    def _embeddings_are_there(self) -> "IndexConfig":
        """What is asked of embeddings needs an encoder that gives some."""
        if "dense" in self.legs:
            return self
        named = [source.name for source in self.sources if source.names]
        if named:
            raise ValueError(f"source {named[0]} has `names: true`, which are embeddings, and the encoder gives none")
        if self.dense.recipe != "auto":
            raise ValueError(f"`dense.recipe` is {self.dense.recipe!r}, and the encoder gives no embeddings")
        return self

    @model_validator(mode="after")
    def _vouches_for_its_encoder(self) -> "IndexConfig":
        vouch(self.encoder)
        return self

    def keeps(self, shard: str) -> bool:  # noqa: ARG002
        """Whether a shard of its sources belongs to it: each does, but in a part."""
        return True

    @property
    def known_sources(self) -> tuple[str, ...]:
        """Names of sources that somebody may speak of."""
        return tuple(source.name for source in self.sources)

    @property
    def log_name(self) -> str:
        """What the log of the questions that people ask it is called."""
        return self.name

    @property
    def legs(self) -> Legs:
        """What its encoder gives of each text: embeddings ("dense"), token embeddings ("tokens"), or both."""
        return configured_legs(self.encoder)

    @property
    def token_kind(self) -> str:
        """The kind of encoder that its token embeddings are of; empty without any."""
        made = self.encoder.tokens if isinstance(self.encoder, EncoderPair) else self.encoder
        return "" if made is None else made.kind

    def resolved(self, folder: Path) -> "IndexConfig":
        """The same with every relative path taken from `folder`, where the file lies."""
        sources = tuple(source.at(folder) for source in self.sources)
        update: dict[str, Any] = {"sources": sources, "warehouse": folder / self.warehouse.expanduser()}
        update["encoder"] = self.encoder.at(folder)
        vouch(update["encoder"])
        if self.queries is not None:
            judgments = self.queries.judgments
            update["queries"] = QueriesConfig(
                path=folder / self.queries.path.expanduser(),
                judgments=None if judgments is None else folder / judgments.expanduser(),
                floor=self.queries.floor,
            )
        if self.query_log is not None:
            place = folder / self.query_log.folder.expanduser()
            update["query_log"] = self.query_log.model_copy(update={"folder": place})
        return self.model_copy(update=update)


def parse_config(text: str | bytes, folder: Path, origin: str = "xtr.yaml") -> IndexConfig:
    """Read YAML; relative paths are taken from `folder`. Raises ConfigError."""
    loaded = read_yaml(text.encode() if isinstance(text, str) else text, origin)
    if not isinstance(loaded, dict):
        raise ConfigError(
            f"{origin} must be a mapping with the key `sources`, found {type(loaded).__name__}; "
            "`xtr-assets init` writes one"
        )
    try:
        return IndexConfig.model_validate(loaded).resolved(folder)
    except ValidationError as error:
        raise ConfigError(f"{origin}: {problems(dict(item) for item in error.errors())}") from error


def read_config_file(path: Path) -> IndexConfig:
    """Read an xtr.yaml. Raises ConfigError where it is missing or wrong."""
    if not path.is_file():
        raise ConfigError(f"no config at {path}; `xtr-assets init` writes one, `--config` names another")
    return parse_config(path.read_bytes(), path.resolve().parent, path.name)
