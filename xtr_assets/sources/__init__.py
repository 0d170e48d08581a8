"""Where chunks come from: Python trees, text trees and records, behind one protocol."""

from xtr_assets.config import SourceConfig
from xtr_assets.sources.base import Reason, Source
from xtr_assets.sources.python_tree import PythonTree
from xtr_assets.sources.records import Records
from xtr_assets.sources.text_tree import TextTree

__all__ = ["Reason", "Source", "open_source"]


def open_source(config: SourceConfig) -> Source:
    """The source that a configuration describes. Whether it is there is asked by `scan`, not here.

    Raises ConfigError for a pattern that is none.
    """
    if config.kind == "python":
        return PythonTree(config)
    return TextTree(config) if config.kind == "text" else Records(config)
