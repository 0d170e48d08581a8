"""Recall curves as small SVG pictures inside Markdown, which Dagster's UI shows beside a check."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

# Pixels of a panel with its labels: two of them fit the UI's side panel. The frame lies inside.
WIDTH, HEIGHT = 210, 190
LEFT, TOP, RIGHT, BOTTOM = 40, 12, 8, 38
LINE, PROBED, THRESHOLD, INK = "#1f77b4", "#2ca02c", "#d62728", "#333"
# Recall is drawn from .8 up, or from where the points begin, with some room above 1.
LOWEST, ROOM = 0.8, 0.02

Points = Sequence[tuple[float, float]]


def recall_picture(report: Mapping[str, Any], threshold: float) -> dg.MarkdownMetadataValue:
    """Recall over k, and over nprobe where the index has lists, with the threshold; `report` as RecallReport.as_json
    gives it."""
    panels = [("k", LINE, [(float(k), float(recall)) for k, recall in report["curve"]])]
    if report.get("nprobe_curve"):
        probed = [(float(probes), float(recall)) for probes, recall, _ in report["nprobe_curve"]]
        panels.append((f"nprobe (recall@{report['k']})", PROBED, probed))
    shown = [recall for _, _, points in panels for _, recall in points]
    span = (min(LOWEST, threshold, *shown) - ROOM, max(1.0, threshold) + ROOM)
    drawn = "".join(
        f'<g transform="translate({number * WIDTH} 0)">{_panel(label, colour, points, threshold, span)}</g>'
        for number, (label, colour, points) in enumerate(panels)
    )
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH * len(panels)}" height="{HEIGHT}" '
        f'font-family="sans-serif" font-size="10" fill="{INK}"><rect width="100%" height="100%" fill="#fff"/>'
        f"{drawn}</svg>"
    )
    return picture(svg, f"recall@{report['k']} {report['mean']:.4f}")


def picture(svg: str, caption: str) -> dg.MarkdownMetadataValue:
    """An SVG as Markdown with a data URI."""
    encoded = base64.b64encode(svg.encode("utf-8")).decode("ascii")
    return dg.MetadataValue.md(f"![{caption}](data:image/svg+xml;base64,{encoded})")


def _panel(label: str, colour: str, points: Points, threshold: float, span: tuple[float, float]) -> str:
    """One curve in its frame: a dot a point, the first and last place named below, the recalls of both at the side."""
    (first, last), (low, high) = (points[0][0], points[-1][0]), span

    def x(place: float) -> float:
        wide = WIDTH - LEFT - RIGHT
        return round(LEFT + (wide / 2 if last == first else wide * (place - first) / (last - first)), 1)

    def y(recall: float) -> float:
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (recall - low) / (high - low), 1)

    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    ticks, ends = [round(low + ROOM, 2), 1.0], dict.fromkeys((first, last))
    return "".join(
        [
            f'<rect x="{LEFT}" y="{TOP}" width="{right - LEFT}" height="{bottom - TOP}" fill="none" stroke="#ccc"/>',
            *(f'<text x="{LEFT - 4}" y="{y(tick) + 3}" text-anchor="end">{tick:g}</text>' for tick in ticks),
            *(f'<text x="{x(at)}" y="{bottom + 14}" text-anchor="middle">{at:g}</text>' for at in ends),
            f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{label}</text>',
            f'<path d="M{LEFT} {y(threshold)}H{right}" stroke="{THRESHOLD}" stroke-dasharray="4 3"/>',
            f'<polyline points="{" ".join(f"{x(at)},{y(recall)}" for at, recall in points)}" fill="none" '
            f'stroke="{colour}" stroke-width="1.5"/>',
            *(f'<circle cx="{x(at)}" cy="{y(recall)}" r="2.5" fill="{colour}"/>' for at, recall in points),
        ]
    )
