"""The legs of a search as bars with their intervals: a small SVG inside Markdown, as the recall curves are."""

from collections.abc import Mapping

import dagster as dg

from xtr_assets.core.significance import Interval
from xtr_assets.defs.plots import embedded

# Pixels: names to the left, a bar a leg, the mean to the right of its interval.
WIDTH, LEFT, RIGHT, STEP, TOP = 430, 70, 370, 24, 24


def legs_picture(legs: Mapping[str, Interval], measure: str) -> dg.MarkdownMetadataValue:
    """A bar for each leg from 0 to its mean, a line over its 95 % interval, the figure beside it."""
    return embedded(draw_legs(legs, measure), measure)


def draw_legs(legs: Mapping[str, Interval], measure: str) -> str:
    """The SVG: one scale for all, from 0 to the highest end of an interval."""
    most = max((one.high for one in legs.values()), default=1.0) or 1.0

    def x(value: float) -> int:
        return round(LEFT + (RIGHT - LEFT) * value / most)

    # All bars are one path, and all intervals: the UI shows what is short in its place (plots.py).
    bars, intervals, said = "", "", []
    for number, (leg, one) in enumerate(legs.items()):
        middle = TOP + STEP * number + 8
        bars += f"M{LEFT} {middle}H{x(one.mean)}"
        intervals += f"M{x(one.low)} {middle}H{x(one.high)}"
        said += [f"<text x='2' y='{middle + 5}'>{leg}</text>"]
        said += [f"<text x='{x(one.high) + 6}' y='{middle + 5}'>{one.mean:.3f}</text>"]
    height = TOP + STEP * len(legs)
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{height}' "
        f"style='background:white;font:13px Arial'><text x='2' y='14'>{measure}, 95 % intervals</text>"
        f"<path d='{bars}' stroke='skyblue' stroke-width='14'/><path d='{intervals}' stroke='navy'/>"
        f"{''.join(said)}</svg>"
    )
