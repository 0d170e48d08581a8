"""Hits as people see them."""

from typing import TYPE_CHECKING

from xtr_assets.cli.console import console, escaped, literal, one_line, say, table

if TYPE_CHECKING:
    from rich.text import Text

    from xtr_assets.config import IndexConfig
    from xtr_assets.core.query_syntax import Syntax
    from xtr_assets.search.hit_table import Hits

SNIPPET_LINES = 3
SNIPPET_WIDTH = 72


def show_hits(
    query: str,
    hits: "Hits",
    footing: str,
    lines: int = SNIPPET_LINES,
    config: "IndexConfig | None" = None,
    syntax: "Syntax" = "terms",
) -> None:
    """A table of hits with the lines of each that hold most words of the query, these marked; how likely it is right
    below its score; explanations below. With the `config` of its sources a place is a link to its file, where the
    terminal knows links (OSC 8)."""
    from rich.text import Text

    from xtr_assets.cli.editor import file_of
    from xtr_assets.cli.met_words import asked_terms

    if not hits:
        say(f"no hit for {literal(repr(query))} ({footing})")
        _say_demanded(query, syntax)
        _say_corrected(hits)
        return
    found = table(query, ("", "score", "place", "text"), (), right=("", "score"))
    found.columns[2].overflow = "fold"
    terms = asked_terms(query)
    for rank, hit in enumerate(hits, 1):
        file = file_of(hit, config)
        # The host of a file's address is empty: this machine.
        link = "" if file is None else f" link {file.as_uri()}"
        where = one_line(f"{hit.path}:{hit.start_line}-{hit.end_line}")
        place = Text.assemble((where, f"cyan{link}"), "\n", (one_line(hit.symbol), "bold"))
        if also := hit.told_also():
            place.append(f"\nalso in {one_line(also)}", style="dim")
        text = _marked(escaped(hit.text), terms, lines)
        score = Text(f"{hit.score:.3f}", style="green")
        if hit.confidence is not None:
            score.append(f"\n{hit.confidence:.0%}", style="dim")
        found.add_row(str(rank), score, place, text)
    out = console()
    out.print(found)
    for rank, hit in enumerate(hits, 1):
        if hit.explanation is not None:
            out.print(Text(one_line(f"{rank}. {hit.path} {hit.symbol}"), style="bold"))
            out.print(Text(escaped(str(hit.explanation))))
    say(f"[dim]{footing}[/dim]")
    _say_corrected(hits)


def _say_demanded(query: str, syntax: "Syntax") -> None:
    from xtr_assets.core.query_syntax import parse_query

    parsed = parse_query(query, syntax)
    told = [*(f'"{phrase}"' for phrase in parsed.phrases), *(f"+{word}" for word in parsed.required)]
    if told:
        what = literal(", ".join(told))
        say(f"demanded were {what}, and no text that passes holds all of it; --syntax plain asks without")


def _say_corrected(hits: "Hits") -> None:
    if hits.corrected:
        say(f"asked for {literal(repr(hits.corrected))}: no text holds what was typed; --syntax plain asks for that")


def _marked(text: str, terms: frozenset[str], lines: int) -> "Text":
    """The best lines, with the words that the query says too in a colour of their own."""
    from rich.text import Text

    from xtr_assets.cli.met_words import shown_lines

    made = Text()
    for number, line in enumerate(shown_lines(text, terms, lines, SNIPPET_WIDTH)):
        shown = Text(line.text, style="dim")
        for start, end in line.met:
            shown.stylize("not dim bold yellow", start, end)
        made.append("\n" if number else "").append_text(shown)
    return made
