"""Searching a published generation. Loaded on first use: importing this package imports no index and no encoder."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xtr_assets.search.hit_table import Hits
    from xtr_assets.search.hits import Copy, Explanation, Hit, SpaceExplanation, TermMatch, TokenMatch
    from xtr_assets.search.reconstruction import Reconstruction
    from xtr_assets.search.searcher import Searcher, open

_HOMES = {
    "Copy": "hits",
    "Explanation": "hits",
    "Hit": "hits",
    "Hits": "hit_table",
    "Reconstruction": "reconstruction",
    "Searcher": "searcher",
    "SpaceExplanation": "hits",
    "TermMatch": "hits",
    "TokenMatch": "hits",
    "open": "searcher",
}

__all__ = [
    "Copy",
    "Explanation",
    "Hit",
    "Hits",
    "Reconstruction",
    "Searcher",
    "SpaceExplanation",
    "TermMatch",
    "TokenMatch",
    "open",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
