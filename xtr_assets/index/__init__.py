"""Indexes over arrays: DenseIndex (FAISS) and TokenIndex (late interaction). No text and no warehouse are needed.

Loaded on first use: importing this package imports neither FAISS nor numba.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xtr_assets.index.dense.index import DenseIndex
    from xtr_assets.index.late.index import TokenIndex

__all__ = ["DenseIndex", "TokenIndex"]


def __getattr__(name: str) -> Any:
    if name == "DenseIndex":
        from xtr_assets.index.dense.index import DenseIndex

        return DenseIndex
    if name == "TokenIndex":
        from xtr_assets.index.late.index import TokenIndex

        return TokenIndex
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
