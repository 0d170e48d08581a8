"""Where chunks come from: trees of Python, of other code and of text, and records, behind one protocol."""

from collections.abc import Callable

from xtr_assets.config import SourceConfig
from xtr_assets.sources.base import Reason, Source
from xtr_assets.sources.code_tree import CodeTree
from xtr_assets.sources.python_tree import PythonTree
from xtr_assets.sources.records import Records
from xtr_assets.sources.text_tree import TextTree

__all__ = ["Reason", "Source", "open_source"]


def open_source(config: SourceConfig) -> Source:
    """The source that a configuration describes. Whether it is there is asked by `scan`, not here.

    Raises ConfigError for a pattern that is none.
    """
    return _KINDS[config.kind](config)


_KINDS: dict[str, Callable[[SourceConfig], Source]] = {
    "python": PythonTree,
    "code": CodeTree,
    "text": TextTree,
    "records": Records,
}
