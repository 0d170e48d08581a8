"""Somebody's own source: a factory by its name, or by an entry point of an installed package."""

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from xtr_assets.config import SOURCE_GROUP, SourceConfig
from xtr_assets.config.field_types import by_text, in_order
from xtr_assets.core.errors import ConfigError, SourceError, XtrAssetsError
from xtr_assets.core.factory_name import make_own
from xtr_assets.core.types import Chunk, FileState, Quarantined
from xtr_assets.sources.file_scan import Listing

log = logging.getLogger(__name__)

METHODS = ("shards", "fingerprint", "scan", "read", "listing", "reread")
CHECK = "`xtr_assets.testing.check_source` says what is wrong with a source"


def open_own_source(config: SourceConfig) -> "OwnSource":
    """Call the factory with the source's configuration and its settings. ProviderError where it cannot be imported or
    fails, ConfigError where what it gives is no source."""
    made = make_own(config.kind, SOURCE_GROUP, "source", config, **config.settings)
    missing = [name for name in METHODS if not callable(getattr(made, name, None))]
    if missing:
        raise ConfigError(f"{config.kind} gave a {type(made).__name__} without {', '.join(missing)}; {CHECK}")
    return OwnSource(made, config)


class OwnSource:
    """A source of somebody's. What it raises is told of the source, or of the file that it was asked for."""

    def __init__(self, inner: Any, config: SourceConfig) -> None:
        self.config, self._inner = config, inner

    def shards(self) -> tuple[str, ...]:
        """The Dagster partitions of the source."""
        return tuple(self._ask("shards"))

    def fingerprint(self) -> str:
        """Hex sha256 of what the source says decides its chunks, and of its settings."""
        held = [
            self.config.kind,
            self.config.name,
            self.config.max_chars,
            by_text(in_order(self.config.settings)),
            self._ask("fingerprint"),
        ]
        return hashlib.sha256(json.dumps(held, sort_keys=True, default=str).encode()).hexdigest()

    def scan(self, shard: str, known: Mapping[str, FileState]) -> dict[str, FileState]:
        """Its files now. Whatever it raises is a SourceError: nothing is dropped."""
        found: dict[str, FileState] = self._ask("scan", shard, known)
        if not isinstance(found, dict) or not all(isinstance(one, FileState) for one in found.values()):
            raise SourceError(f"source {self.config.name}: scan gave no dict of FileState; {CHECK}")
        return found

    def listing(self) -> Listing:
        """Every file of the source."""
        found: Listing = self._ask("listing")
        return found

    def read(self, path: str) -> Iterator[Chunk | Quarantined]:
        """Its chunks of one file; where it raises, the file keeps the rows that it has."""
        try:
            yield from self._inner.read(path)
        except Exception as error:
            log.exception("source %s: %s cannot be read", self.config.name, path)
            detail = f"{type(error).__name__}: {error!s:.200}"
            yield Quarantined(self.config.name, path, 0, "unreadable", detail)

    def reread(self, path: str) -> str:
        """The text that the rows of a file hold together. OSError where it cannot be had."""
        try:
            return str(self._inner.reread(path))
        except Exception as error:
            raise OSError(0, f"{type(error).__name__}: {error!s:.200}") from error

    def _ask(self, method: str, *given: Any) -> Any:
        try:
            return getattr(self._inner, method)(*given)
        except XtrAssetsError:
            raise
        except Exception as error:
            raise SourceError(
                f"source {self.config.name}: {self.config.kind} failed ({method}: {type(error).__name__}: "
                f"{str(error)[:200]}); what was ingested of it stays; {CHECK}"
            ) from error
