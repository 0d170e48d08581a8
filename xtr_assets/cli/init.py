"""`init`: a new project over your own documents."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Annotated

import typer

from xtr_assets.cli.app import FAILED, START, app
from xtr_assets.cli.console import literal, one_line, say
from xtr_assets.cli.locate import HOME_FILE, shown, template
from xtr_assets.core.suffix_counts import told_suffixes

if TYPE_CHECKING:
    from xtr_assets.cli.source_proposals import Proposal, Proposals


# File that is written -> template it comes from. The definitions lie as text, so that no tool takes them for ours.
FILES = {
    "xtr.yaml": "xtr.yaml",
    "definitions.py": "definitions.py.txt",
    "workspace.yaml": "workspace.yaml",
    HOME_FILE: HOME_FILE,
}

# So many suffixes are told; a folder of data may have hundreds.
MOST_SUFFIXES = 8
NO_QUERIES = """\
# queries:
#   path: ./queries.jsonl     # {"_id": "1", "text": "how do I ..."}
#   judgments: ./qrels.tsv    # query-id, corpus-id, score; adds the judged quality (nDCG) to the checks
#   floor: 0.5                # the nDCG@10 that hybrid search has to reach"""


@app.command(rich_help_panel=START)
def init(
    directory: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="The project's folder, with what is to be indexed.", file_okay=False)
    ] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")] = False,
    create: Annotated[
        bool,
        typer.Option("--create", help="Make the folder where it is missing; write even where nothing is there yet."),
    ] = False,
) -> None:
    """Write a commented xtr.yaml and the Dagster files for documents of your own."""
    from rich.markup import escape

    from xtr_assets.cli.source_proposals import Proposal, Proposals, propose
    from xtr_assets.config import parse_config
    from xtr_assets.core.files import write_atomic

    there = [name for name in FILES if (directory / name).exists()]
    if there and not force:
        names, where = ", ".join(there), literal(shown(directory))
        say(f"[red]error:[/red] {names} in {where} already; --force overwrites; nothing was written")
        raise typer.Exit(FAILED)
    if not directory.is_dir() and not create:
        say(f"[red]error:[/red] there is no folder {escape(shown(directory))}; --create makes it; nothing was written")
        raise typer.Exit(FAILED)
    found = propose(directory) if directory.is_dir() else Proposals([])
    if not found.sources and not create:
        say(f"[red]error:[/red] nothing to index in {escape(shown(directory.resolve()))}: it holds {_held(found)}")
        for note in found.notes:
            say(f"  [yellow]note[/yellow] {escape(one_line(note))}")
        say("  name its files in an xtr.yaml by hand, or --create writes one for what will be there")
        raise typer.Exit(FAILED)
    directory.mkdir(parents=True, exist_ok=True)
    proposals = found.sources
    if not proposals:
        fields: dict[str, object] = {
            "name": "documents",
            "kind": "text",
            "path": ".",
            "include": ["**/*.md", "**/*.txt"],
        }
        proposals = [Proposal(fields, "nothing yet: no code, text or records are there")]
    values = {
        "name": index_name(directory),
        "sources": "\n".join(_source(proposal) for proposal in proposals),
        "queries": _queries(found.queries),
    }
    texts = {name: Template(template(origin)).substitute(values) for name, origin in FILES.items()}
    parse_config(texts["xtr.yaml"], directory)
    for name, text in texts.items():
        write_atomic(directory / name, text.encode())
    say(f"[green]wrote[/green] {', '.join(FILES)} in {literal(shown(directory.resolve()))}")
    for proposal in proposals:
        seen = escape(one_line(proposal.seen))
        say(f"  source [bold]{proposal.fields['name']}[/bold] ({proposal.fields['kind']}): {seen}")
    if found.queries:
        say(f"  queries: {escape(', '.join(found.queries.values()))}: measured with, not indexed")
    for note in found.notes:
        say(f"  [yellow]note[/yellow] {escape(one_line(note))}")
    if found.unread:
        unread = escape(told_suffixes(found.unread, MOST_SUFFIXES))
        say(
            f"  [yellow]note[/yellow] no source reads {unread}; what of that is text a source "
            'of kind text reads where its `include` names it: \\["**", "**/*.SUFFIX"]'
        )
    step = "" if directory.resolve() == Path.cwd() else f"cd {shown(directory)} && "
    say(f'next: look at xtr.yaml, then `{literal(step)}xtr-assets build` and `xtr-assets search "..."`')


def index_name(directory: Path) -> str:
    """A name Dagster takes as a prefix of asset keys, from the folder's.

    >>> index_name(Path("/srv/My Handbook-2")), index_name(Path("/srv/2024"))
    ('my_handbook_2', 'docs')
    """
    name = re.sub(r"[^a-z0-9]+", "_", directory.resolve().name.lower()).strip("_")[:40]
    return name if re.match(r"[a-z]", name) else "docs"


def _held(found: "Proposals") -> str:
    if found.unread:
        return told_suffixes(found.unread, MOST_SUFFIXES)
    return "what the notes say" if found.notes else "no files but hidden ones and those of tools"


def _queries(fields: Mapping[str, str]) -> str:
    """The section `queries` as YAML; commented out where there are none."""
    if not fields:
        return NO_QUERIES
    return "\n".join(["queries:", *(f"  {name}: {_quoted(value)}" for name, value in fields.items())])


def _source(proposal: "Proposal") -> str:
    import yaml

    # Names of files and of their fields are anybody's: one with a line end in it would add lines to the configuration.
    lines = [f"  # {_visible(proposal.seen)}"]
    lead = "  - "
    for key, value in proposal.fields.items():
        if value == []:
            continue
        plain = isinstance(value, str) and re.fullmatch(r"[\w./-]+", value) and yaml.safe_load(value) == value
        lines.append(f"{lead}{key}: {value if plain else _quoted(value)}")
        lead = "    "
    return "\n".join(lines)


def _quoted(value: object) -> str:
    """A text, list or nothing as YAML that every reader of it takes for just that."""
    return _visible(json.dumps(value, ensure_ascii=False))


def _visible(text: str) -> str:
    r"""A text on one line, what does not print as an escape of JSON and YAML.

    >>> print(_visible("two" + chr(10) + "lines" + chr(0x2028)), _visible("\U0001f600\U000e0001"))
    two\u000alines\u2028 \U0001f600\U000e0001
    """
    return "".join(one if one.isprintable() else _escape(ord(one)) for one in text)


def _escape(code: int) -> str:
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
