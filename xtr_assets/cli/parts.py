"""`parts`: an index of several warehouses that serve together, published by one move."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xtr_assets.cli.app import LIFE, ConfigOption, JsonOption, app
from xtr_assets.cli.console import console, emit, literal, one_line, say, table
from xtr_assets.cli.pointer import tell_move
from xtr_assets.core.part_places import MOST_CHUNKS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xtr_assets.config import IndexConfig
    from xtr_assets.storage.parts.part_set import PartSet

parts = typer.Typer(no_args_is_help=True)

SetArgument = Annotated[Path, typer.Argument(help="The folder of the set.", show_default=False, metavar="SET")]
PartArgument = Annotated[str, typer.Argument(help="The part's name.", show_default=False, metavar="PART")]
ReasonOption = Annotated[str | None, typer.Option(help="Why; kept in the move.", show_default=False)]


@parts.callback()
def about() -> None:
    """An index of several warehouses that serve together. `search`, `serve` and `mcp` take the set by --warehouse."""


@parts.command()
def init(
    folder: SetArgument,
    most_chunks: Annotated[int, typer.Option(help="Chunks that a part takes shards up to.", min=1)] = MOST_CHUNKS,
) -> None:
    """Make an empty set."""
    from xtr_assets.storage.parts.part_set import PartSet

    say(f"[green]made[/green] the set {literal(str(PartSet.create(folder, most_chunks=most_chunks).root))}")


@parts.command()
def add(folder: SetArgument, part: PartArgument) -> None:
    """Make an empty part, or take in the warehouse that lies at parts/PART."""
    made = _open(folder).add(part)
    say(f"[green]added[/green] part {part}: build it at {literal(str(made.root))}, then `xtr-assets parts publish`")


@parts.command()
def remove(folder: SetArgument, part: PartArgument) -> None:
    """Take a part out of the set; its folder stays, and it serves until the next publish, which asks for --force."""
    _open(folder).remove(part)
    say(f"[green]taken out[/green]: part {part}; `xtr-assets parts publish --force REASON` lets the others serve alone")


@parts.command()
def place(
    folder: SetArgument,
    shards: Annotated[list[str], typer.Argument(help="Shards with their chunks.", metavar="SHARD=CHUNKS...")],
    as_json: JsonOption = False,
) -> None:
    """Say in which part each shard belongs: where it was placed before, else where there is room."""
    placed = _open(folder).place(dict(map(_size, shards)))
    if as_json:
        emit(placed)
        return
    console().print(table(None, ("shard", "part"), sorted(placed.items())))


@parts.command()
def move(
    folder: SetArgument,
    shard: Annotated[str, typer.Argument(help="The shard.", show_default=False, metavar="SHARD")],
    part: PartArgument,
) -> None:
    """Let a shard belong to another part; both have to be built then, and serve so by one move."""
    before = _open(folder).reassign(shard, part)
    if before == part:
        say(f"shard {shard} is in part {part} already")
        return
    say(f"[green]moved[/green] shard {shard} from part {before} to {part}: build both, then `xtr-assets parts publish`")


@parts.command()
def status(folder: SetArgument, as_json: JsonOption = False) -> None:
    """What serves together, what each part serves by itself, and the moves."""
    show_parts(_open(folder), {}, as_json)


@parts.command()
def publish(
    folder: SetArgument,
    reason: ReasonOption = None,
    force: Annotated[
        str | None,
        typer.Option(
            help="Why past a part that was forced, a shard that moved or is gone, a part that was taken out, a check.",
            show_default=False,
            metavar="REASON",
        ),
    ] = None,
    again: Annotated[
        str | None,
        typer.Option(
            help="Why what a rollback of the set took back serves again.", show_default=False, metavar="REASON"
        ),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let what each part serves now serve together, by one move; refused naming the part and why."""
    from xtr_assets.cli.locate import find_place
    from xtr_assets.pipeline.gate.joined_quality import set_checks

    opened = _open(folder)
    before, known = opened.number, find_place(config, folder).config
    checks = None if known is None else set_checks(known)
    served = opened.publish(reason=reason, force_reason=force, again_reason=again, checks=checks)
    tell_move(served, "nothing is new" if served.number == before else "published", as_json)


@parts.command()
def rollback(
    folder: SetArgument,
    number: Annotated[
        int | None,
        typer.Argument(metavar="[N]", help="To which move; the one before without it.", min=1, show_default=False),
    ] = None,
    reason: ReasonOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let the generations of an earlier move serve again, by one more move."""
    tell_move(_open(folder).rollback(number, reason=reason), "rolled back", as_json)


def show_parts(opened: "PartSet", configs: "Mapping[str, IndexConfig]", as_json: bool) -> None:
    """What `parts status`, and `status` of an index of parts, print. configs : by part, where they are known."""
    document = status_document(opened, configs)
    if as_json:
        emit(document)
        return
    rows = [
        (
            one["part"],
            _shown(one["generation"]),
            _shown(one["serves"]),
            f"{one['live_rows']:,}",
            f"{one['share']:.0%}",
            str(len(one["shards"])),
            _late(one["behind"]),
            one["problem"] or "",
        )
        for one in document["parts"]
    ]
    columns = ("part", "in the set", "by itself", "live rows", "full", "shards", "behind", "problem")
    console().print(table(None, columns, rows, right=("in the set", "by itself", "live rows", "full", "shards")))
    for move in document["moves"][-3:]:
        who = literal(one_line(move["who"]))
        say(f"move {move['number']}: {move['action'].replace('_', ' ')} on {move['at']} by {who}")


def status_document(opened: "PartSet", configs: "Mapping[str, IndexConfig]") -> dict[str, Any]:
    """What `parts status --json` prints. `problem` is why a part could not be looked at, null where it could; `behind`,
    where a configuration says what the sources are, how far its shards are behind them."""
    from xtr_assets.cli.staleness import behind
    from xtr_assets.core.errors import StorageError

    info, moves = opened.info, opened.moves()
    named = moves[-1].parts if moves else {}
    found = []
    for part in dict.fromkeys((*info.parts, *named)):
        serves, rows, problem, late = None, 0, None, None
        try:
            warehouse = opened.warehouse(part)
            published = warehouse.published
            if part in configs:
                late = behind(configs[part], warehouse, {} if published is None else published.snapshots())
            serves, rows = (None, 0) if published is None else (published.number, published.live_rows)
        except StorageError as error:
            problem = str(error)
        state = named.get(part)
        if state is not None and problem is None:
            problem = _withdrawn(opened, part, state.generation)
        found.append(
            {
                "part": part,
                "generation": None if state is None else state.generation,
                "serves": serves,
                "live_rows": rows,
                "share": round(rows / info.most_chunks, 4),
                "shards": [] if state is None else list(state.shards),
                "behind": None if late is None else {shard: one.document() for shard, one in sorted(late.items())},
                "problem": problem,
            }
        )
    return {
        "move": moves[-1].number if moves else None,
        "live_rows": moves[-1].live_rows if moves else 0,
        "most_chunks": info.most_chunks,
        "parts": found,
        "shards": {shard: one.part for shard, one in sorted(info.shards.items())},
        "moves": [move.document() for move in moves],
    }


def _late(behind: dict[str, Any] | None) -> str:
    """Shards that differ from their source, in a word."""
    if behind is None:
        return "sources unknown here"
    late = [shard for shard, one in behind.items() if any(one.values())]
    return ", ".join(late) or "up to date"


def _withdrawn(opened: "PartSet", part: str, number: int) -> str | None:
    """What is wrong with the generation that the set serves of a part; None where nothing is."""
    from xtr_assets.core.errors import StorageError

    try:
        if opened.warehouse(part).generation(number).state == "withdrawn":
            return f"generation {number} was withdrawn and serves in the set; `xtr-assets parts rollback`, or publish"
    except StorageError as error:
        return str(error)
    return None


def _open(folder: Path) -> "PartSet":
    from xtr_assets.storage.parts.part_set import PartSet

    return PartSet.open(folder)


def _size(text: str) -> tuple[str, int]:
    shard, equals, chunks = text.rpartition("=")
    if not equals or not shard or not (chunks.isascii() and chunks.isdigit()):
        raise typer.BadParameter(f"{text!r} is not SHARD=CHUNKS; write docs-00of04=1200000", param_hint="SHARD=CHUNKS")
    return shard, int(chunks)


def _shown(number: int | None) -> str:
    return "none" if number is None else str(number)


app.add_typer(parts, name="parts", rich_help_panel=LIFE)
