"""Recall curves as small SVG pictures inside Markdown, which Dagster's UI shows beside a check and an asset."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import dagster as dg

# Pixels of a picture: the metadata tables of the UI are about so wide. The frame lies inside, the legend right of it.
WIDTH, HEIGHT = 600, 220
LEFT, TOP, RIGHT, BOTTOM = 46, 22, 420, 180
LINE, THRESHOLD, INK = "#1f77b4", "#d62728", "#555"
# The UI shows Markdown shorter than this in its place, longer one behind a link: hence one curve a picture, few
# elements, and percent signs in place of base64.
INLINE_CHARACTERS = 1000
# Recall is drawn from .8 up, or from where the points begin, with some room above 1.
LOWEST, ROOM = 0.8, 0.02
# Places of a curve that are named below it: each takes a thirtieth of the characters.
MOST_TICKS = 6

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Curve:
    """Recall over some setting. mark, marked : the place on the axis that counts, and what it is called in the legend.
    bound : what the recall there surely reaches, None where that is not known."""

    recall: str
    over: str
    points: Points
    threshold: float
    mark: float | None = None
    marked: str = ""
    bound: float | None = None


def recall_pictures(report: Mapping[str, Any], threshold: float | None) -> dict[str, dg.MarkdownMetadataValue]:
    """Pictures of a recall check by name: over the profile's nprobe where the index has lists, and over k.

    report : details of its record, as RecallReport.as_json gives them. {} where nothing was measured.
    """
    if threshold is None or not report.get("curve"):
        return {}
    k, shown = report["k"], {}
    if report.get("nprobe_curve"):
        points = [(float(probes), float(recall)) for probes, recall, *_ in report["nprobe_curve"]]
        nprobe = report.get("nprobe")
        mark = None if nprobe is None else float(nprobe)
        shown["recall_over_nprobe"] = picture(
            Curve(f"recall@{k}", "nprobe (lists read)", points, threshold, mark, f"profile: nprobe {nprobe}")
        )
    points = [(float(at), float(recall)) for at, recall in report["curve"]]
    judged = Curve("recall@k", "k", points, threshold, float(k), f"judged at k {k}", report.get("lower_bound"))
    return {**shown, "recall_over_k": picture(judged)}


def tuning_picture(trials: Points, goal: float, chosen: float | None, k: int) -> dg.MarkdownMetadataValue:
    """The best recall that a search of some cost reached while tuning; trials : (cost, recall), in any order."""
    best: list[tuple[float, float]] = []
    for cost, recall in sorted(trials):
        if not best or recall > best[-1][1] or cost == chosen:
            best.append((round(cost), recall))
    mark = None if chosen is None else float(round(chosen))
    marked = "" if mark is None else f"profile: {mark:g}"
    return picture(Curve(f"recall@{k}", "tokens multiplied", best, goal, mark, marked))


def picture(curve: Curve) -> dg.MarkdownMetadataValue:
    """A curve as Markdown with a data URI."""
    caption = f"{curve.recall} over {curve.over}"
    encoded = quote(draw(curve), safe=" /:;=',.()+-")
    return dg.MetadataValue.md(f"![{caption}](<data:image/svg+xml,{encoded}>)")


def draw(curve: Curve) -> str:
    """The SVG: a frame with ticks and titles, the threshold, the marked place, a line with its dots, a legend."""
    values = [recall for _, recall in curve.points]
    bounds = [] if curve.bound is None else [curve.bound]
    low, high = min(LOWEST, curve.threshold, *values, *bounds) - ROOM, max(1.0, curve.threshold) + ROOM
    places = [at for at, _ in curve.points] + ([] if curve.mark is None else [curve.mark])
    first, last = min(places), max(places)

    def x(place: float) -> int:
        return round((LEFT + RIGHT) / 2 if last == first else LEFT + (RIGHT - LEFT) * (place - first) / (last - first))

    def y(recall: float) -> int:
        return round(BOTTOM - (BOTTOM - TOP) * (recall - low) / (high - low))

    below = "".join(
        f"<text x='{x(at)}' y='{BOTTOM + 15}'>{at:g}</text>" for at in _ticks([at for at, _ in curve.points], x)
    )
    beside = "".join(f"<text x='{LEFT - 5}' y='{y(tick) + 4}'>{tick:g}</text>" for tick in (round(low + ROOM, 2), 1))
    line = " ".join(f"{x(at)} {y(recall)}" for at, recall in curve.points)
    dots = "".join(f"M{x(at)} {y(recall)}h0" for at, recall in curve.points)
    legend = [(LINE, f"o {curve.recall}"), (THRESHOLD, f"-- asked {curve.threshold:g}")]
    marks = ""
    if curve.mark is not None:
        marks = f"<path id='m' d='M{x(curve.mark)} {TOP}V{BOTTOM}' stroke='{INK}' stroke-dasharray='2'/>"
        legend.append((INK, f": {curve.marked}"))
        if curve.bound is not None:
            at = min(curve.points, key=lambda point: abs(point[0] - curve.mark))  # type: ignore[operator]
            marks += f"<path id='b' d='M{x(at[0])} {y(at[1])}V{y(curve.bound)}' stroke='{LINE}'/>"
            legend.insert(1, (LINE, f"| surely {curve.bound:.3f}"))
    words = "".join(
        f"<text x='{RIGHT + 15}' y='{60 + 20 * i}' fill='{colour}'>{text}</text>"
        for i, (colour, text) in enumerate(legend)
    )
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{HEIGHT}' font-family='Arial' font-size='13' "
        f"style='background:white'><g fill='none'><path id='f' d='M{LEFT} {TOP}V{BOTTOM}H{RIGHT}' stroke='{INK}'/>"
        f"<path id='t' d='M{LEFT} {y(curve.threshold)}H{RIGHT}' stroke='{THRESHOLD}' stroke-dasharray='5'/>{marks}"
        f"<path id='c' d='M{line}' stroke='{LINE}'/>"
        f"<path id='d' d='{dots}' stroke='{LINE}' stroke-width='7' stroke-linecap='round'/></g>"
        f"<g text-anchor='middle'>{below}<text x='{(LEFT + RIGHT) // 2}' y='{HEIGHT - 8}'>{curve.over}</text>"
        f"<text x='{LEFT}' y='14'>{curve.recall}</text></g><g text-anchor='end'>{beside}</g>{words}</svg>"
    )


def _ticks(places: Sequence[float], x: Any) -> list[float]:
    """Places whose names stand beside each other: the last, the first, and between them what leaves room."""
    wanted = list(dict.fromkeys((places[-1], places[0], *places)))
    taken: list[float] = []
    for at in wanted:
        if len(taken) < MOST_TICKS and all(abs(x(at) - x(other)) >= 30 for other in taken):
            taken.append(at)
    return sorted(taken)
