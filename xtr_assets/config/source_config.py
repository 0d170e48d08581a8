"""SourceConfig: where the texts of an index come from, and how they are read."""

import sysconfig
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from xtr_assets.config.field_types import Location, Strict
from xtr_assets.config.git_names import check_ref, is_repository_address
from xtr_assets.core.factory_name import check_factory_name
from xtr_assets.core.name_text import Naming


def _partition_key(value: str) -> str:
    # Dagster keeps it for ranges of partitions.
    if "..." in value:
        raise ValueError("no three dots follow each other in a partition of Dagster; write fewer")
    return value


SourceName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.]*$", max_length=60), AfterValidator(_partition_key)
]
# What files hold, and so how they are read. A source of files is of one of these kinds, or says which in `content`;
# mixed: Python, other code, configuration and text, each file by its name.
ContentKind = Literal["python", "code", "config", "text", "records", "mixed", "own"]
# What the package reads; any other kind is somebody's own: `python:package.module:factory`, or an entry point.
KINDS = frozenset({"python", "code", "config", "text", "records", "git", "asset"})
# Object stores, by how an address of theirs begins.
STORES = ("s3://", "gs://", "gcs://", "az://", "abfs://", "abfss://", "memory://")
SOURCE_GROUP = "xtr_assets.sources"
# What is of one kind alone.
FIELDS_OF = {"git": ("content", "ref"), "asset": ("asset", "partitions", "definitions")}
RECORD_FIELDS = ("id", "title", "text", "metadata", "numbers")
# A partition that is a shard is part of the shard's name.
Partition = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100), AfterValidator(_partition_key)
]

# 2,000 characters of code are about 600 word pieces: two to three windows of the default encoder. Longer chunks blur
# what a hit points at; shorter ones cut most functions of the standard library (its 90th percentile is about 1,000).
DEFAULT_MAX_CHARS = 2000

# A file that is larger is quarantined unread. Python's syntax tree takes 70 bytes a byte of the standard library
# (140 MiB for 2 MiB), and 926 of the densest text tried (`a;a;a`: 1.9 GB); text of newlines alone takes 16. Records are
# read one at a time: a file of them has no limit.
DEFAULT_FILE_BYTES = {"python": 2 << 20, "code": 2 << 20, "config": 1 << 20, "text": 32 << 20}

# A function is asked for by what it is called, and its text may not hold that; what prose is called, its title, is
# encoded with it already, and a vector of its own added nothing (docs/measurements.md).
# Which rows have names where a source says nothing: of mixed content each kind is named as in a source of its own.
NAMED_KINDS: dict[str, Naming] = {"python": "all", "code": "all", "config": "all", "mixed": "code"}


def is_store_address(value: str) -> bool:
    """Whether this is a bucket of an object store, or below one."""
    return value.startswith(STORES) and bool(value.partition("://")[2].strip("/")) and value.isprintable()


class SourceConfig(Strict):
    """One source. `path` may hold `{stdlib}`, the folder of the running Python's standard library.

    `content`: what the files of a repository hold (`kind: git`); by their names where it says nothing. `ref`: the
    branch, tag or commit that is read. `names`: whether the words of path and symbol are encoded beside the text; by
    default those of code and configuration are. `settings`: what somebody's own source is called with.

    `id`: the field that names a record, or nothing: each is called by what it says then. `numbers`: fields among
    `metadata` whose text is kept as a number where it is one, as that of a CSV file may be.

    `asset`: the key of a Dagster asset, its parts with / between them (`kind: asset`). `partitions`: those of its
    partitions that are read, each a shard; all that are materialized where it says nothing. `definitions`: the module
    with the Dagster definitions that the asset stands in, for builds from the shell.
    """

    name: SourceName
    kind: str
    path: Annotated[Location | None, Field(validate_default=True)] = None
    settings: dict[str, Any] = Field(default_factory=dict)
    content: Literal["python", "code", "config", "text", "records", "mixed"] | None = None
    ref: str | None = None
    asset: Annotated[str | None, Field(pattern=r"^[^/\s][^\n\r]*$", max_length=300)] = None
    partitions: tuple[Partition, ...] | None = None
    definitions: Annotated[str | None, Field(pattern=r"^[A-Za-z_][\w.]*$")] = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    shards: Annotated[int, Field(ge=1, le=1000)] = 1
    max_chars: Annotated[int, Field(ge=200)] = DEFAULT_MAX_CHARS
    max_file_bytes: Annotated[int, Field(ge=1)] | None = None
    id: str | None = "_id"
    title: str | None = "title"
    text: str = "text"
    metadata: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    names: bool | None = None

    @field_validator("kind")
    @classmethod
    def _kind_is_known(cls, value: str) -> str:
        return value if value in KINDS else check_factory_name(value, SOURCE_GROUP, KINDS)

    @field_validator("path")
    @classmethod
    def _is_somewhere(cls, value: Path | str | None, info: ValidationInfo) -> Path | str | None:
        if value is None and info.data.get("kind") in KINDS - {"asset"}:
            raise ValueError("it is missing; give a folder, a file or an address")
        return value

    @field_validator("path", mode="before")
    @classmethod
    def _placeholder(cls, value: Any) -> Any:
        if not isinstance(value, str | Path) or "{stdlib}" not in str(value):
            return value
        return str(value).replace("{stdlib}", sysconfig.get_paths()["stdlib"])

    @field_validator("ref")
    @classmethod
    def _ref_is_a_name(cls, value: str | None) -> str | None:
        return None if value is None else check_ref(value)

    @model_validator(mode="after")
    def _fields_fit_the_kind(self) -> "SourceConfig":
        for kind, fields in FIELDS_OF.items():
            for field in fields if self.kind != kind else ():
                if getattr(self, field) is not None:
                    raise ValueError(
                        f"source {self.name} has `{field}`, which is of `kind: {kind}`; its kind is {self.kind}"
                    )
        if self.holds not in ("records", "own"):
            for field in RECORD_FIELDS:
                if getattr(self, field) != type(self).model_fields[field].default:
                    raise ValueError(
                        f"source {self.name} has `{field}`, which is of records, and holds {self.holds}; remove it"
                    )
        if unknown := [field for field in self.numbers if field not in self.metadata]:
            raise ValueError(
                f"`numbers` of source {self.name} has {', '.join(unknown)}, and `metadata` has not; add it there"
            )
        if self.kind in KINDS and self.settings:
            raise ValueError(f"source {self.name} has `settings`, which its kind, {self.kind}, does not take")
        if self.kind == "asset":
            self._is_an_asset()
        if self.own:
            return self
        known = is_repository_address if self.kind == "git" else is_store_address
        if isinstance(self.path, str) and not known(self.path):
            raise ValueError(
                f"`path` of source {self.name} is no address that `kind: {self.kind}` reads; give a folder, an address "
                f"of {', '.join(STORES)}, or with `kind: git` the ssh or https address of a repository"
            )
        return self

    def _is_an_asset(self) -> None:
        if not self.asset:
            raise ValueError(f"`asset` of source {self.name} is missing; give the key of a Dagster asset")
        for field in ("path", "include", "exclude", "max_file_bytes"):
            if getattr(self, field):
                raise ValueError(f"source {self.name} has `{field}`, which an asset has not; remove it")
        if self.partitions is None:
            return
        if not self.partitions or len(set(self.partitions)) < len(self.partitions) or self.shards > 1:
            raise ValueError(
                f"`partitions` of source {self.name} is {list(self.partitions)} beside `shards: {self.shards}`; name "
                "different partitions, each of which is a shard, or leave it out to read all"
            )

    def __hash__(self) -> int:
        # Settings may hold lists and mappings, which have none.
        return hash((self.name, self.kind, self.path, self.asset, self.content, self.ref, self.shards))

    @property
    def holds(self) -> ContentKind:
        """What its files hold."""
        if self.kind == "git":
            return self.content or "mixed"
        if self.kind == "asset":
            return "records"
        return cast(ContentKind, self.kind) if self.kind in KINDS else "own"

    @property
    def own(self) -> bool:
        """Whether its kind is somebody's own."""
        return self.kind not in KINDS

    @property
    def folder(self) -> Path:
        """Its path on this machine. Not for what lies elsewhere."""
        assert isinstance(self.path, Path), self.path
        return self.path

    @property
    def most_bytes(self) -> int | None:
        """The largest file that is read; None for any. Of mixed files each kind has its own."""
        return self.max_file_bytes or DEFAULT_FILE_BYTES.get(self.holds)

    @property
    def named(self) -> bool:
        """Whether it has rows with name vectors."""
        return bool(self.naming)

    @property
    def naming(self) -> Naming:
        """Which of its rows have name vectors."""
        if self.names is None:
            return NAMED_KINDS.get(self.holds, "")
        return "all" if self.names else ""

    @property
    def stored(self) -> bool:
        """Whether its files are objects of a store."""
        return isinstance(self.path, str) and self.kind in KINDS - {"git"}

    def at(self, folder: Path) -> "SourceConfig":
        """The same with a relative path taken from `folder`."""
        if not isinstance(self.path, Path):
            return self
        return self.model_copy(update={"path": folder / self.path.expanduser()})
