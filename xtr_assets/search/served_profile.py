"""How an opened generation searches: as it was published, until somebody tries other settings in this process."""

from dataclasses import asdict
from typing import Any

from xtr_assets.search.loaders import dense_profile, token_profile
from xtr_assets.search.reader import OpenGeneration, ServedIndexes


def profile_of(opened: OpenGeneration) -> dict[str, dict[str, Any]]:
    """By index that there is, the fields of DenseProfile and SearchProfile; of a set of parts by "<part>/<index>"."""
    found: dict[str, dict[str, Any]] = {}
    for one in opened.served:
        prefix = f"{one.part}/" if one.part else ""
        if one.dense is not None:
            found[f"{prefix}dense"] = one.dense.profile
        if one.tokens is not None:
            found[f"{prefix}xtr"] = asdict(one.tokens.profile)
    return found


def apply_settings(opened: OpenGeneration, dense: str, xtr: str) -> dict[str, dict[str, Any]]:
    """Keep settings for all indexes, or, where one of them is wrong, for none (InvalidInput). NotInThisIndex where the
    generation has no such index."""
    if dense:
        opened.spaces("dense")
    if xtr:
        opened.spaces("xtr")
    before = [(one, _kept(one)) for one in opened.served]
    try:
        for one in opened.served:
            if one.tokens is not None and xtr:
                one.tokens.apply(xtr)
            if one.dense is not None and dense:
                one.dense.apply(dense)
    except BaseException:
        for one, (dense_before, tokens_before) in before:
            if one.dense is not None and one.dense.profile != dense_before:
                one.dense.restore(dense_before)
            if one.tokens is not None:
                one.tokens.profile = tokens_before
        raise
    return profile_of(opened)


def reset_settings(opened: OpenGeneration) -> dict[str, dict[str, Any]]:
    """Go back to the profile in the manifest."""
    for one in opened.served:
        restore_settings(one)
    return profile_of(opened)


def restore_settings(one: ServedIndexes) -> None:
    """The profile that the manifest of these indexes has."""
    if one.dense is not None:
        one.dense.restore(dense_profile(one.generation))
    if one.tokens is not None:
        one.tokens.profile = token_profile(one.generation)


def _kept(one: ServedIndexes) -> tuple[Any, Any]:
    return None if one.dense is None else one.dense.profile, None if one.tokens is None else one.tokens.profile
