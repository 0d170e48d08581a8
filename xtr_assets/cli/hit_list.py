"""Hits as people see them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xtr_assets.cli.console import console, escaped, say, snippet, table

if TYPE_CHECKING:
    from xtr_assets.search.hits import Hit

SNIPPET_LINES = 3
SNIPPET_WIDTH = 72


def show_hits(query: str, hits: "Sequence[Hit]", footing: str, lines: int = SNIPPET_LINES) -> None:
    """A table of hits with the first lines of each, how likely it is right below its score; explanations below."""
    from rich.text import Text

    if not hits:
        say(f"no hit for {query!r} ({footing})")
        return
    found = table(query, ("", "score", "place", "text"), (), right=("", "score"))
    found.columns[2].overflow = "fold"
    for rank, hit in enumerate(hits, 1):
        where = escaped(f"{hit.path}:{hit.start_line}-{hit.end_line}")
        place = Text.assemble((where, "cyan"), "\n", (escaped(hit.symbol), "bold"))
        text = Text(snippet(escaped(hit.text), lines, SNIPPET_WIDTH), style="dim")
        score = Text(f"{hit.score:.3f}", style="green")
        if hit.confidence is not None:
            score.append(f"\n{hit.confidence:.0%}", style="dim")
        found.add_row(str(rank), score, place, text)
    out = console()
    out.print(found)
    for rank, hit in enumerate(hits, 1):
        if hit.explanation is not None:
            out.print(Text(f"{rank}. {hit.path} {hit.symbol}", style="bold"))
            out.print(Text(str(hit.explanation)))
    say(f"[dim]{footing}[/dim]")
