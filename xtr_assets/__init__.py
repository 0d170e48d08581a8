"""Retrieval indexes as Dagster assets.

`import xtr_assets` loads nothing: each public name is imported where it is first used.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

# Locks (flock), renames and memory maps are used as POSIX has them; nothing else is built or tested.
_PLATFORMS = ("linux", "darwin")
if sys.platform not in _PLATFORMS:
    raise ImportError(
        f"xtr-assets runs on Linux and macOS; this is {sys.platform!r}. On Windows use it inside WSL, which is Linux."
    )

if TYPE_CHECKING:
    from xtr_assets.client.async_searcher import AsyncRemoteSearcher, connect_async
    from xtr_assets.client.remote_searcher import RemoteSearcher, connect
    from xtr_assets.core.deprecation import XtrAssetsDeprecation
    from xtr_assets.core.errors import (
        ConfigError,
        CorruptFile,
        EncoderMismatch,
        GenerationError,
        IndexClosed,
        InvalidInput,
        NotInThisIndex,
        ProviderError,
        PublishRefused,
        QuestionTimeout,
        RemoteError,
        ServerBusy,
        SourceError,
        StillArriving,
        StorageError,
        StoreConflict,
        StoreError,
        StoreUnreachable,
        Unauthorized,
        UnknownFormat,
        WarehouseLocked,
        WarehouseNotFound,
        XtrAssetsError,
    )
    from xtr_assets.defs.component import RetrievalIndex
    from xtr_assets.search.facade import Warehouse
    from xtr_assets.search.hits import Explanation, Hit
    from xtr_assets.search.searcher import Searcher, open
    from xtr_assets.storage.generation import Generation
    from xtr_assets.storage.parts.part_set import PartSet

__all__ = [
    "AsyncRemoteSearcher",
    "ConfigError",
    "CorruptFile",
    "EncoderMismatch",
    "Explanation",
    "Generation",
    "GenerationError",
    "Hit",
    "IndexClosed",
    "InvalidInput",
    "NotInThisIndex",
    "PartSet",
    "ProviderError",
    "PublishRefused",
    "QuestionTimeout",
    "RemoteError",
    "RemoteSearcher",
    "RetrievalIndex",
    "Searcher",
    "ServerBusy",
    "SourceError",
    "StillArriving",
    "StorageError",
    "StoreConflict",
    "StoreError",
    "StoreUnreachable",
    "Unauthorized",
    "UnknownFormat",
    "Warehouse",
    "WarehouseLocked",
    "WarehouseNotFound",
    "XtrAssetsDeprecation",
    "XtrAssetsError",
    "connect",
    "connect_async",
    "open",
]

# Where a name lives; the errors share one module.
_HOMES = {
    "AsyncRemoteSearcher": "client.async_searcher",
    "Explanation": "search.hits",
    "Generation": "storage.generation",
    "PartSet": "storage.parts.part_set",
    "Hit": "search.hits",
    "RemoteSearcher": "client.remote_searcher",
    "RetrievalIndex": "defs.component",
    "Searcher": "search.searcher",
    "Warehouse": "search.facade",
    "XtrAssetsDeprecation": "core.deprecation",
    "connect": "client.remote_searcher",
    "connect_async": "client.async_searcher",
    "open": "search.searcher",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'core.errors')}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
