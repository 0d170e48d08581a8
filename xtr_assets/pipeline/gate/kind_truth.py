"""What comes beside the first hit, held against docs/searching.md, "Code and documents": rows with a name are one kind,
those without are the other, and the best of the kind that is not first gains, as far as just behind the first."""

from collections.abc import Sequence

import numpy as np

from xtr_assets.core.types import Ints, Mask
from xtr_assets.pipeline.gate.answer_truth import Doubles
from xtr_assets.pipeline.gate.shown_scores import SAME_SHARE
from xtr_assets.search.hits import Hit

# Sums of the same answer that are one.
SAME_SUM = 1e-4


def gains_of(hits: Sequence[Hit], most: float) -> Doubles:
    """What each hit says that it gained: float64 [hits]."""
    return most * np.array([hit.scores.get("beside", 0.0) for hit in hits], np.float64)


def kind_faults(
    hits: Sequence[Hit], at: Ints, total: Doubles, named: Mask, most: float, room: float, *, whole: bool, folded: bool
) -> str:
    """What is wrong with who gained, "" where nothing is.

    at : int64 [hits], the places of the hits among the rows; total : float64 [rows], the sums without the gain; named :
    bool [rows]; room : how far a sum may be off; whole : whether no row can have been missed; folded : whether some
    rows stand for others
    """
    gained = [place for place, hit in enumerate(hits) if "beside" in hit.scores]
    if len(gained) > 1:
        return f"{len(gained)} hits gained as the best of the other kind, one may"
    of_other = named != named[at[0]] if len(hits) else np.zeros(len(named), np.bool_)
    if gained:
        return _wrongly(hits, gained[0], at, total, of_other, room, whole=whole)
    if not whole or folded or not most or len(hits) < 2 or not of_other.any() or of_other[at[1]]:
        return ""
    best = float(total[of_other].max())
    reached = min(best + most, hits[0].score)
    # One that is as good as the first gains nothing, and may stand behind others that are.
    if reached - room > max(best, hits[-1].score):
        return f"the best row of the other kind than the first reaches {reached:.2f} and stands behind others"
    return ""


def _wrongly(
    hits: Sequence[Hit], place: int, at: Ints, total: Doubles, of_other: Mask, room: float, *, whole: bool
) -> str:
    hit, share = hits[place], hits[place].scores["beside"]
    if not 0.0 < share <= 1.0 + SAME_SHARE:
        return f"a hit gained {share:.4f} of what the best of the other kind may"
    if not of_other[at[place]]:
        return "a hit gained as the best of the other kind and is of the kind of the first"
    if share < 1.0 - SAME_SHARE and not abs(hits[0].score - hit.score) <= SAME_SUM:
        return f"the best of the other kind gained {share:.4f} and is {hits[0].score - hit.score:.4f} behind the first"
    best = float(total[of_other].max())
    if whole and best > float(total[at[place]]) + room:
        return f"a hit gained as the best of its kind with {total[at[place]]:.2f}, another has {best:.2f}"
    return ""
