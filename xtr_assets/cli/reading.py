"""The commands that look and change nothing: search, status, generations, verify."""

from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from xtr_assets.cli.app import FAILED, SEARCH, ConfigOption, JsonOption, WarehouseOption, app
from xtr_assets.cli.console import console, emit, say, size, table
from xtr_assets.cli.filter_option import parse_where
from xtr_assets.cli.locate import find_place, open_warehouse, shown
from xtr_assets.core.errors import InvalidInput

if TYPE_CHECKING:
    from xtr_assets.search.searcher import Searcher

Mode = Literal["hybrid", "dense", "xtr", "exact"]


@app.command(rich_help_panel=SEARCH)
def search(
    query: Annotated[str, typer.Argument(help="What is looked for, in plain words.", show_default=False)],
    k: Annotated[int, typer.Option("-k", "--k", help="How many hits.", min=1)] = 10,
    mode: Annotated[Mode, typer.Option(help="Which index answers; exact is the reference.")] = "hybrid",
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            help="key=value, key=glob:*.py, or JSON; repeat it for several.",
            show_default=False,
            metavar="KEY=VALUE",
        ),
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Which query token met what.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or cuda:N,M.")] = "auto",
    generation: Annotated[
        int | None, typer.Option(help="Another generation than the published one, a draft too.", show_default=False)
    ] = None,
    config: ConfigOption = None,
    warehouse: WarehouseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the chunks that answer a question."""
    from xtr_assets.cli.documents import hits_document
    from xtr_assets.cli.hit_list import show_hits
    from xtr_assets.search.searcher import open as open_searcher

    conditions = parse_where(where or [])
    place = find_place(config, warehouse)
    with open_searcher(open_warehouse(place), device, generation) as searcher:
        load_encoder(searcher, device)
        started = perf_counter()
        try:
            hits = searcher.search(query, k=k, mode=mode, where=conditions, explain=explain)
        except InvalidInput as error:
            raise typer.BadParameter(str(error)) from error
        took_ms = (perf_counter() - started) * 1000
        if as_json:
            emit(hits_document(searcher.generation, mode, took_ms, hits))
        else:
            show_hits(query, hits, f"generation {searcher.generation}, {mode}, {took_ms:.1f} ms")


def load_encoder(searcher: "Searcher", device: str) -> None:
    """Load the encoder before the clock starts: a process loads it once, a search takes what comes after."""
    from xtr_assets.encoders import open_encoder
    from xtr_assets.index.device import parse_device
    from xtr_assets.search.query_encoder import encoder_config

    settings = encoder_config(searcher.manifest.encoder.model_dump())
    open_encoder(settings, parse_device(device).first).encode_queries(["warm"])


@app.command(rich_help_panel=SEARCH)
def status(config: ConfigOption = None, warehouse: WarehouseOption = None, as_json: JsonOption = False) -> None:
    """The published generation: rows, sizes, checks, quarantine, and which shards are behind their source."""
    from xtr_assets.cli.status import show_status, status_document

    place = find_place(config, warehouse)
    document = status_document(place, open_warehouse(place))
    if as_json:
        emit(document)
    else:
        show_status(document)


@app.command(rich_help_panel=SEARCH)
def generations(config: ConfigOption = None, warehouse: WarehouseOption = None, as_json: JsonOption = False) -> None:
    """Every generation there is, and what became of it."""
    from xtr_assets.cli.documents import generation_document

    place = find_place(config, warehouse)
    documents = [generation_document(generation) for generation in open_warehouse(place).generations()]
    if as_json:
        emit(documents)
        return
    rows = [
        (
            str(d["generation"]),
            d["state"],
            d["created_at"],
            f"{d['live_rows']:,}",
            str(d["segments"]),
            size(d["bytes"]),
            ", ".join(check["name"] for check in d["checks"] if not check["passed"]) or "none",
            d["forced"] or "",
        )
        for d in documents
    ]
    columns = ("generation", "state", "created", "live rows", "segments", "bytes", "failed checks", "forced")
    console().print(table(None, columns, rows, right=("generation", "live rows", "segments", "bytes")))


@app.command(rich_help_panel=SEARCH)
def verify(
    number: Annotated[
        int | None, typer.Argument(metavar="[N]", help="One generation; all of them without it.", show_default=False)
    ] = None,
    config: ConfigOption = None,
    warehouse: WarehouseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare every byte with the manifests; names each file that differs and ends with 1."""
    place = find_place(config, warehouse)
    report = open_warehouse(place).verify(number)
    if as_json:
        problems = [{"path": p.path, "expected": p.expected, "found": p.found} for p in report.problems]
        emit({"ok": report.ok, "files": report.files, "bytes": report.bytes, "problems": problems})
    elif report.ok:
        say(f"[green]verified[/green] {report.files:,} files, {size(report.bytes)} in {shown(place.warehouse)}")
    else:
        for problem in report.problems:
            say(f"[red]differs[/red] {problem.path}: expected {problem.expected}, found {problem.found}")
        say("roll back to a generation that verifies (`xtr-assets rollback`), or restore these files from a copy")
    if not report.ok:
        raise typer.Exit(FAILED)
