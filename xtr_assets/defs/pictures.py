"""Recall curves as small PNG pictures inside Markdown, which Dagster's UI shows beside a check."""

import base64
import io

import dagster as dg

from xtr_assets.core.recall import RecallReport

# 4.2 x 2.4 inches at 96 dots are 400 pixels: readable in the UI's side panel, about 12 kB.
SIZE, DOTS = (4.2, 2.4), 96


def recall_picture(report: RecallReport, threshold: float) -> dg.MarkdownMetadataValue:
    """Recall over k, and over nprobe where the index has lists, with the threshold."""
    # Imported here: half a second that only a run of the gate pays.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, dpi=DOTS, layout="tight")
    panels = 2 if report.nprobe_curve else 1
    left = figure.add_subplot(1, panels, 1)
    depths, recalls = zip(*report.curve, strict=True)
    left.plot(depths, recalls, marker="o", markersize=3)
    left.set_xlabel("k")
    left.set_ylabel("recall@k")
    shown = list(recalls)
    if report.nprobe_curve:
        right = figure.add_subplot(1, panels, 2, sharey=left)
        probes, probed, _ = zip(*report.nprobe_curve, strict=True)
        shown += probed
        right.plot(probes, probed, marker="o", markersize=3, color="tab:green")
        right.set_xlabel(f"nprobe (recall@{report.k})")
    for axes in figure.axes:
        axes.axhline(threshold, color="tab:red", linewidth=0.8, linestyle="--")
        axes.set_ylim(min(0.8, *shown, threshold) - 0.02, max(1.02, threshold + 0.02))
        axes.tick_params(labelsize=7)
        axes.grid(alpha=0.3)
    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(buffer, format="png")
    return picture(buffer.getvalue(), f"recall@{report.k} {report.mean:.4f}")


def picture(png: bytes, caption: str) -> dg.MarkdownMetadataValue:
    """A PNG as Markdown with a data URI."""
    return dg.MetadataValue.md(f"![{caption}](data:image/png;base64,{base64.b64encode(png).decode('ascii')})")
