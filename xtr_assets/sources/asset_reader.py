"""Who reads upstream assets: Dagster, which this layer does not know, lends a reader for as long as it is at work."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

from xtr_assets.config import IndexConfig


@dataclass(frozen=True, slots=True)
class Materialization:
    """The latest one of an asset, or of a partition. version : another one is another value. written_ns : when."""

    version: str
    written_ns: int


def has_assets(config: IndexConfig) -> bool:
    """Whether a source of the index is an upstream asset."""
    return any(source.kind == "asset" for source in config.sources)


class AssetReader(Protocol):
    """What a source of kind `asset` asks of Dagster. An asset is named by its key, / between the parts."""

    def materializations(self, asset: str) -> Mapping[str, Materialization]:
        """By partition, "" where the asset has none; empty where it was never materialized. SourceError where these
        definitions have no such asset."""

    def load(self, asset: str, partition: str) -> Any:
        """The stored value, by the IO manager of the asset. SourceError where there is none."""


_reader: ContextVar[AssetReader | None] = ContextVar("asset_reader", default=None)


def lent_reader() -> AssetReader | None:
    """The reader that is lent now; None outside of Dagster and of builds."""
    return _reader.get()


@contextmanager
def lending(reader: AssetReader | None) -> Iterator[None]:
    """Sources inside read assets by it. One that is lent already stays: who builds from the shell knows more of the
    project than the run that it starts."""
    if reader is None or _reader.get() is not None:
        yield
        return
    token = _reader.set(reader)
    try:
        yield
    finally:
        _reader.reset(token)
