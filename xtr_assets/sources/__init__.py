"""Where chunks come from: code, configuration, text and records, in folders, repositories and object stores, behind one
protocol."""

from collections.abc import Callable

from xtr_assets.config import SourceConfig
from xtr_assets.sources.asset_records import AssetRecords
from xtr_assets.sources.base import Reason, Source
from xtr_assets.sources.code_tree import CodeTree
from xtr_assets.sources.config_tree import ConfigTree
from xtr_assets.sources.folder_place import FolderPlace
from xtr_assets.sources.git_place import GitPlace
from xtr_assets.sources.mixed_tree import MixedTree
from xtr_assets.sources.own_source import OwnSource, open_own_source
from xtr_assets.sources.place import Place
from xtr_assets.sources.python_tree import PythonTree
from xtr_assets.sources.records import Records
from xtr_assets.sources.store_place import StorePlace
from xtr_assets.sources.text_tree import TextTree

__all__ = ["OwnSource", "Reason", "Source", "open_source"]


def open_source(config: SourceConfig) -> Source:
    """The source that a configuration describes. Whether it is there is asked by `scan`, not here.

    Raises ConfigError for a pattern that is none, ProviderError where what reads it is not installed.
    """
    if config.own:
        return open_own_source(config)
    if config.kind == "asset":
        return AssetRecords(config)
    return _KINDS[config.holds](config, _place_of(config))


def _place_of(config: SourceConfig) -> Place:
    if config.kind == "git":
        return GitPlace(config)
    return StorePlace(config) if config.stored else FolderPlace(config)


_KINDS: dict[str, Callable[[SourceConfig, Place], Source]] = {
    "python": PythonTree,
    "code": CodeTree,
    "config": ConfigTree,
    "text": TextTree,
    "records": Records,
    "mixed": MixedTree,
}
