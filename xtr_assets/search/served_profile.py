"""How an opened generation searches: as it was published, until somebody tries other settings in this process."""

from dataclasses import asdict
from typing import Any

from xtr_assets.search.loaders import dense_profile, token_profile
from xtr_assets.search.reader import OpenGeneration


def profile_of(opened: OpenGeneration) -> dict[str, dict[str, Any]]:
    """By index, the fields of DenseProfile and SearchProfile."""
    return {"dense": opened.dense.index.profile, "xtr": asdict(opened.tokens.index.profile)}


def apply_settings(opened: OpenGeneration, dense: str, xtr: str) -> dict[str, dict[str, Any]]:
    """Keep settings for both indexes, or, where one of them is wrong, for neither (InvalidInput)."""
    before = opened.tokens.index.profile
    if xtr:
        opened.tokens.index.apply(xtr)
    try:
        if dense:
            opened.dense.index.apply(dense)
    except BaseException:
        opened.tokens.index.profile = before
        raise
    return profile_of(opened)


def reset_settings(opened: OpenGeneration) -> dict[str, dict[str, Any]]:
    """Go back to the profile in the manifest."""
    opened.dense.index.restore(dense_profile(opened.generation))
    opened.tokens.index.profile = token_profile(opened.generation)
    return profile_of(opened)
