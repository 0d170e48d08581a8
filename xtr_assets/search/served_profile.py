"""How an opened generation searches: as it was published, until somebody tries other settings in this process."""

from dataclasses import asdict
from typing import Any

from xtr_assets.search.loaders import dense_profile, token_profile
from xtr_assets.search.reader import OpenGeneration


def profile_of(opened: OpenGeneration) -> dict[str, dict[str, Any]]:
    """By index that there is, the fields of DenseProfile and SearchProfile."""
    found: dict[str, dict[str, Any]] = {}
    if opened.dense is not None:
        found["dense"] = opened.dense.index.profile
    if opened.tokens is not None:
        found["xtr"] = asdict(opened.tokens.index.profile)
    return found


def apply_settings(opened: OpenGeneration, dense: str, xtr: str) -> dict[str, dict[str, Any]]:
    """Keep settings for both indexes, or, where one of them is wrong, for neither (InvalidInput). NotInThisIndex where
    the generation has no such index."""
    if dense:
        opened.spaces("dense")
    if xtr:
        opened.spaces("xtr")
    tokens = None if opened.tokens is None else opened.tokens.index
    before = None if tokens is None else tokens.profile
    if tokens is not None and xtr:
        tokens.apply(xtr)
    try:
        if opened.dense is not None and dense:
            opened.dense.index.apply(dense)
    except BaseException:
        if tokens is not None and before is not None:
            tokens.profile = before
        raise
    return profile_of(opened)


def reset_settings(opened: OpenGeneration) -> dict[str, dict[str, Any]]:
    """Go back to the profile in the manifest."""
    if opened.dense is not None:
        opened.dense.index.restore(dense_profile(opened.generation))
    if opened.tokens is not None:
        opened.tokens.index.profile = token_profile(opened.generation)
    return profile_of(opened)
