"""cache.json: what a cache of a store knows of it."""

from typing import Literal

from xtr_assets.storage.stored_json import Count, Digest, Stored


class CacheNote(Stored):
    """Which store the cache is of, the move that it followed last, and when generations were used."""

    format_version: Literal[1] = 1
    address: str
    store: str
    move: Count
    sha256: Digest
    used: dict[int, str]
