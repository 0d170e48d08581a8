"""How full the inverted lists are: a histogram as a small SVG inside Markdown, as the recall curves are."""

import dagster as dg
import numpy as np

from xtr_assets.core.types import Ints
from xtr_assets.defs.plots import BOTTOM, HEIGHT, INK, LEFT, RIGHT, TOP, WIDTH, embedded

# Bars of the histogram: with more of them those of a few hundred lists are noise.
BARS = 12


def list_sizes_picture(sizes: Ints) -> dg.MarkdownMetadataValue:
    """A bar for each twelfth of the range of sizes, as high as lists are in it. sizes : int64 [nlist], nlist > 0."""
    return embedded(draw_sizes(sizes), "lists by their rows")


def draw_sizes(sizes: Ints) -> str:
    """The SVG: bars in a frame, the smallest and largest size below, the most lists of a bar beside, the mean as a
    line."""
    smallest, largest = int(sizes.min()), int(sizes.max())
    bars = min(BARS, largest - smallest + 1)
    counts, _ = np.histogram(sizes, bars, (smallest, max(largest, smallest + 1)))
    most, width = int(counts.max()), (RIGHT - LEFT) / bars
    columns = "".join(
        f"M{round(LEFT + width * (number + 0.5))} {BOTTOM}V{round(BOTTOM - (BOTTOM - TOP) * count / most)}"
        for number, count in enumerate(counts.tolist())
        if count
    )
    mean = float(sizes.mean())
    middle = round(LEFT + (RIGHT - LEFT) * (mean - smallest) / max(largest - smallest, 1))
    told = f"{len(sizes)} lists, {int((sizes == 0).sum())} empty, : mean {mean:.1f} rows"
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{HEIGHT}' "
        f"style='background:white;font:13px Arial'><g fill='none'>"
        f"<path id='b' d='{columns}' stroke='skyblue' stroke-width='{max(1, round(width) - 3)}'/>"
        f"<path id='f' d='M{LEFT} {TOP}V{BOTTOM}H{RIGHT}' stroke='{INK}'/>"
        f"<path id='m' d='M{middle} {TOP}V{BOTTOM}' stroke='navy' stroke-dasharray='2'/></g>"
        f"<text x='{LEFT}' y='{TOP - 11}'>{told}</text>"
        f"<text x='4' y='{TOP + 9}'>{most}</text>"
        f"<text x='{LEFT}' y='{BOTTOM + 15}'>{smallest}</text>"
        f"<text x='{RIGHT - 8 * len(str(largest))}' y='{BOTTOM + 15}'>{largest}</text>"
        f"<text x='{(LEFT + RIGHT) // 2 - 40}' y='{HEIGHT - 8}'>rows in a list</text></svg>"
    )
