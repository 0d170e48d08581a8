"""`init`: a project of one's own."""

import json
import re
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Annotated

import typer

from xtr_assets.cli.app import FAILED, START, app
from xtr_assets.cli.console import say
from xtr_assets.cli.locate import HOME_FILE, shown, template

if TYPE_CHECKING:
    from xtr_assets.cli.source_proposals import Proposal


# File that is written -> template it comes from. The definitions lie as text, so that no tool takes them for ours.
FILES = {
    "xtr.yaml": "xtr.yaml",
    "definitions.py": "definitions.py.txt",
    "workspace.yaml": "workspace.yaml",
    HOME_FILE: HOME_FILE,
}


@app.command(rich_help_panel=START)
def init(
    directory: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="The project's folder; made where it is missing.", file_okay=False)
    ] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")] = False,
) -> None:
    """Write a commented xtr.yaml and the Dagster files for documents of your own."""
    from xtr_assets.cli.source_proposals import Proposal, propose
    from xtr_assets.config import parse_config
    from xtr_assets.core.files import write_atomic

    there = [name for name in FILES if (directory / name).exists()]
    if there and not force:
        names = ", ".join(there)
        say(f"[red]error:[/red] {names} in {shown(directory)} already; --force overwrites; nothing was written")
        raise typer.Exit(FAILED)
    directory.mkdir(parents=True, exist_ok=True)
    proposals, notes = propose(directory)
    if not proposals:
        fields: dict[str, object] = {
            "name": "documents",
            "kind": "text",
            "path": ".",
            "include": ["**/*.md", "**/*.txt"],
        }
        proposals = [Proposal(fields, "nothing yet: no Python, Markdown, text, JSONL or Parquet file is there")]
    values = {"name": index_name(directory), "sources": "\n".join(_source(proposal) for proposal in proposals)}
    texts = {name: Template(template(origin)).substitute(values) for name, origin in FILES.items()}
    parse_config(texts["xtr.yaml"], directory)
    for name, text in texts.items():
        write_atomic(directory / name, text.encode())
    say(f"[green]wrote[/green] {', '.join(FILES)} in {shown(directory.resolve())}")
    for proposal in proposals:
        say(f"  source [bold]{proposal.fields['name']}[/bold] ({proposal.fields['kind']}): {proposal.seen}")
    for note in notes:
        say(f"  [yellow]note[/yellow] {note}")
    step = "" if directory.resolve() == Path.cwd() else f"cd {shown(directory)} && "
    say(f'next: look at xtr.yaml, then `{step}xtr-assets build` and `xtr-assets search "..."`')


def index_name(directory: Path) -> str:
    """A name Dagster takes as a prefix of asset keys, from the folder's.

    >>> index_name(Path("/srv/My Handbook-2")), index_name(Path("/srv/2024"))
    ('my_handbook_2', 'docs')
    """
    name = re.sub(r"[^a-z0-9]+", "_", directory.resolve().name.lower()).strip("_")[:40]
    return name if re.match(r"[a-z]", name) else "docs"


def _source(proposal: "Proposal") -> str:
    import yaml

    lines = [f"  # {proposal.seen}"]
    lead = "  - "
    for key, value in proposal.fields.items():
        if value == []:
            continue
        plain = isinstance(value, str) and re.fullmatch(r"[\w./-]+", value) and yaml.safe_load(value) == value
        lines.append(f"{lead}{key}: {value if plain else json.dumps(value, ensure_ascii=False)}")
        lead = "    "
    return "\n".join(lines)
