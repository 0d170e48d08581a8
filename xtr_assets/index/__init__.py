"""Indexes over arrays: DenseIndex (FAISS), TokenIndex (late interaction) and LexicalIndex (BM25 over terms).

No text and no warehouse are needed. Loaded on first use: importing this package imports neither FAISS nor numba.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xtr_assets.index.dense.index import DenseIndex
    from xtr_assets.index.late.index import TokenIndex
    from xtr_assets.index.lexical.index import LexicalIndex

_MODULES = {"DenseIndex": "dense", "LexicalIndex": "lexical", "TokenIndex": "late"}

__all__ = ["DenseIndex", "LexicalIndex", "TokenIndex"]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"xtr_assets.index.{_MODULES[name]}.index"), name)
