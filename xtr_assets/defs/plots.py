"""Recall curves as small SVG pictures inside Markdown, which Dagster's UI shows beside a check and an asset."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import dagster as dg

# Pixels of a picture: the metadata tables of the UI show so much of it in a window of 1,500, and cut off the rest. The
# frame lies inside, the legend in one line above it.
WIDTH, HEIGHT = 430, 200
LEFT, TOP, RIGHT, BOTTOM = 40, 26, 414, 160
# Pixels of a character and between two words of the legend, in Arial of 13.
CHARACTER, APART = 6, 14
LINE, THRESHOLD, INK = "navy", "red", "gray"
# The UI shows Markdown shorter than this in its place, longer one behind a link: hence one curve a picture, few
# elements, short names of colours, and no base64.
INLINE_CHARACTERS = 1000
# Recall is drawn from 0.8 up, or from where the points begin, with some room above 1.
LOWEST, ROOM = 0.8, 0.02
# Places of a curve that are named below it: each takes a thirtieth of the characters.
MOST_TICKS = 3
# Steps of a ladder that are drawn: 24 characters each.
MOST_STEPS = 8

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
    # What the threshold is called in the legend.
    asked: str = "asked"


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
    judged = Curve("recall@k", "k", points, threshold, float(k), f"judged: k {k}", report.get("lower_bound"))
    return {**shown, "recall_over_k": picture(judged)}


def probes_picture(curve: Points, over: str, goal: float, k: int, mark: float | None) -> dg.MarkdownMetadataValue:
    """The recall that a dense index reached while tuning, over the steps of its ladder, in any order: (step, recall).

    The last MOST_STEPS of them, and the profile's: below them recall is far from what is asked.
    """
    marked = "" if mark is None else f"profile: {mark:g}"
    ladder = sorted(curve)
    points = [one for one in ladder[:-MOST_STEPS] if one[0] == mark] + ladder[-MOST_STEPS:]
    return picture(Curve(f"recall@{k}", over, points, goal, mark, marked))


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
    """A curve in its place."""
    return embedded(draw(curve), curve.recall)


def embedded(svg: str, called: str) -> dg.MarkdownMetadataValue:
    """An SVG as Markdown with a data URI; brackets are escaped as Markdown does it, in fewer characters than URIs."""
    encoded = quote(svg, safe=" /:;=',.()+-@|<>#").replace("#", "%23")
    escaped = encoded.replace("<", "\\<").replace(">", "\\>")
    return dg.MetadataValue.md(f"![{called}](<data:image/svg+xml,{escaped}>)")


def draw(curve: Curve) -> str:
    """The SVG: a frame with ticks and titles, the threshold, the marked place, a line with its dots, a legend."""
    values = [recall for _, recall in curve.points]
    bounds = [] if curve.bound is None else [curve.bound]
    low, high = min(LOWEST, curve.threshold, *values, *bounds) - ROOM, max(1.0, curve.threshold, *values) + ROOM
    places = [at for at, _ in curve.points] + ([] if curve.mark is None else [curve.mark])
    first, last = min(places), max(places)

    def x(place: float) -> int:
        return round((LEFT + RIGHT) / 2 if last == first else LEFT + (RIGHT - LEFT) * (place - first) / (last - first))

    def y(recall: float) -> int:
        return round(BOTTOM - (BOTTOM - TOP) * (recall - low) / (high - low))

    def text(left: int, top: int, said: str, more: str = "") -> str:
        return f"<text x='{left}' y='{top}'{more}>{said}</text>"

    def path(name: str, steps: str, colour: str, more: str = "") -> str:
        return f"<path id='{name}' d='{steps}' stroke='{colour}'{more}/>"

    line = "M" + " ".join(f"{x(at)} {y(recall)}" for at, recall in curve.points)
    dots = "".join(f"M{x(at)} {y(recall)}h0" for at, recall in curve.points)
    drawn = [
        path("f", f"M{LEFT} {TOP}V{BOTTOM}H{RIGHT}", INK),
        path("t", f"M{LEFT} {y(curve.threshold)}H{RIGHT}", THRESHOLD, " stroke-dasharray='5'"),
    ]
    # In the colour of the line, the title of the axis is its legend.
    legend = [(LINE, curve.recall), (THRESHOLD, f"- - {curve.asked} {curve.threshold:.3g}")]
    if curve.mark is not None:
        drawn.append(path("m", f"M{x(curve.mark)} {TOP}V{BOTTOM}", INK, " stroke-dasharray='2'"))
        legend.append((INK, f": {curve.marked}"))
    if curve.mark is not None and curve.bound is not None:
        line += f"M{x(curve.mark)} {y(curve.bound)}h-9h18"
        legend.insert(1, (LINE, f"_ surely {curve.bound:.3f}"))
    drawn += [path("c", line, LINE), path("d", dots, LINE, " stroke-width='7' stroke-linecap='round'")]
    # Set in the middle by eye: a group that is anchored there takes 44 characters.
    below = [
        *(text(x(at) - 4 * len(f"{at:g}"), BOTTOM + 15, f"{at:g}") for at in _ticks([at for at, _ in curve.points], x)),
        text((LEFT + RIGHT) // 2 - 3 * len(curve.over), HEIGHT - 8, curve.over),
    ]
    beside = [text(LEFT - 30, y(tick) + 4, f"{tick:g}") for tick in (round(low + ROOM, 2), 1)]
    words = []
    left = LEFT
    for colour, said in legend:
        words.append(text(left, TOP - 11, said, f" fill='{colour}'"))
        left += CHARACTER * len(said) + APART
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{HEIGHT}' "
        f"style='background:white;font:13px Arial'><g fill='none'>{''.join(drawn)}</g>"
        f"{''.join(below)}{''.join(beside)}{''.join(words)}</svg>"
    )


def _ticks(places: Sequence[float], x: Any) -> list[float]:
    """Places whose names stand beside each other: the last, the first, and between them what leaves room."""
    wanted = list(dict.fromkeys((places[-1], places[0], *places)))
    taken: list[float] = []
    for at in wanted:
        if len(taken) < MOST_TICKS and all(abs(x(at) - x(other)) >= 30 for other in taken):
            taken.append(at)
    return sorted(taken)
