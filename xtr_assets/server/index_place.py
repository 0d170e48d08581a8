"""What is said of the place of an index that nothing serves from, or that is gone."""

from xtr_assets.search.loaders import Place
from xtr_assets.storage.parts.part_set import PartSet

GONE = "its folder is gone or empty: it was moved, or its disk is not mounted; it is followed again once back"


def is_gone(place: Place) -> bool:
    """Whether the folder cannot be listed, or holds nothing: an empty mount point looks so."""
    try:
        return not any(place.root.iterdir())
    except OSError:
        return True


def unpublished(place: Place) -> str:
    """Why nothing serves, and what helps."""
    if is_gone(place):
        return GONE
    if isinstance(place, PartSet):
        return "nothing is published; `xtr-assets parts publish` lets the parts serve together"
    return "nothing is published; `xtr-assets build` publishes a generation that passes its checks"
