"""`serve`: the index over HTTP."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xtr_assets.cli.app import SEARCH, ConfigOption, WarehouseOption, app
from xtr_assets.cli.console import note
from xtr_assets.cli.locate import find_place, shown
from xtr_assets.core.errors import ProviderError

if TYPE_CHECKING:
    from xtr_assets.server.hosted_index import HostedIndex
    from xtr_assets.server.query_log import QueryLog

# A search holds Python's lock for a part of its time: more threads than this only take turns.
MOST_THREADS = 8


@app.command(rich_help_panel=SEARCH)
def serve(
    host: Annotated[
        str, typer.Option(help="The address to listen at; others than loopback want tokens.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0 takes a free one.", min=0, max=65535)] = 8080,
    index: Annotated[
        list[str] | None,
        typer.Option(
            help="Another index, by name; repeat it for several.", show_default=False, metavar="NAME=WAREHOUSE"
        ),
    ] = None,
    tokens: Annotated[
        Path | None,
        typer.Option(
            help="Who may ask: lines `name token`; read again when it changes. $XTR_ASSETS_TOKENS counts besides.",
            show_default=False,
            dir_okay=False,
        ),
    ] = None,
    anyone: Annotated[bool, typer.Option("--anyone", help="Ask for no token at an address that others reach.")] = False,
    threads: Annotated[
        int | None, typer.Option(help="Searches at a time.", min=1, show_default="cores, 2 to 8")
    ] = None,
    mcp: Annotated[bool, typer.Option("--mcp", help="Offer the tools of agents at /mcp.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or cuda:N,M.")] = "auto",
    recall_share: Annotated[
        float,
        typer.Option(help="Share of the questions that are answered again by a scan: live recall.", min=0.0, max=1.0),
    ] = 0.01,
    recall_budget: Annotated[
        float, typer.Option(help="Share of a core that live recall may take.", min=0.0001, max=1.0)
    ] = 0.02,
    query_log: Annotated[
        Path | None,
        typer.Option(
            help="Keep what is asked in this folder; without it, where xtr.yaml has a `query_log`.",
            show_default=False,
            file_okay=False,
        ),
    ] = None,
    redact: Annotated[
        str | None,
        typer.Option(
            help="What is kept of a text: given it, returns a text or None.",
            show_default=False,
            metavar="python:MODULE:FUNCTION",
        ),
    ] = None,
    access_log: Annotated[
        bool, typer.Option("--access-log", help="A line for each request on standard error.")
    ] = False,
    config: ConfigOption = None,
    warehouse: WarehouseOption = None,
) -> None:
    """Answer questions over HTTP, with a search page at /; moves to each newly published generation by itself."""
    import logging

    from xtr_assets.server.bearers import Bearers

    try:
        from xtr_assets.server.live_recall import LiveRecall
        from xtr_assets.server.runner import Address, uvicorn_server
    except ModuleNotFoundError as error:
        raise ProviderError(f"{error.name} is not installed; `pip install 'xtr-assets[serve]'`") from error

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    indexes = hosted(index or [], config, warehouse, device)
    try:
        server = uvicorn_server(
            indexes,
            Bearers(tokens),
            Address(host, port, anyone),
            workers=threads or min(max(2, cores), MOST_THREADS),
            access_log=access_log,
            agents=mcp,
            live=LiveRecall(recall_share, recall_budget) if recall_share > 0 else None,
            query_log=kept_log(indexes, index or [], config, warehouse, query_log, redact),
        )
    except ModuleNotFoundError as error:
        raise ProviderError(f"{error.name} is not installed; `pip install 'xtr-assets[mcp]'`") from error
    server.run()
    if not server.started:
        # uvicorn has said why: the port is taken, the address is none of this machine.
        raise typer.Exit(1)


def hosted(named: list[str], config: Path | None, warehouse: Path | None, device: str) -> "list[HostedIndex]":
    """The indexes to serve: those named, and that of the config where one was named or none was."""
    from xtr_assets.server.hosted_index import HostedIndex

    folders = dict(_pair(one) for one in named)
    if len(folders) < len(named):
        raise typer.BadParameter("two indexes have one name; give each its own", param_hint="--index")
    if not folders or config is not None or warehouse is not None:
        place = find_place(config, warehouse)
        name = place.warehouse.resolve().name if place.config is None else place.config.name
        if name in folders:
            raise typer.BadParameter(
                f"{name} is the config's own index; name the other one otherwise", param_hint="--index"
            )
        folders[name] = place.warehouse
    for name, folder in folders.items():
        note(f"index {name}: {shown(folder)}")
    return [HostedIndex(name, folder, device) for name, folder in folders.items()]


def kept_log(
    indexes: "list[HostedIndex]",
    named: list[str],
    config: Path | None,
    warehouse: Path | None,
    folder: Path | None,
    redact: str | None,
) -> "QueryLog | None":
    """The log that somebody asked for: of every index in `folder`, else of the config's own where it has a
    `query_log`; None where nobody did."""
    from xtr_assets.config import QueryLogConfig
    from xtr_assets.pipeline.queries.question_log import QuestionLog
    from xtr_assets.server.query_log import QueryLog, find_redact

    own = None
    if not named or config is not None or warehouse is not None:
        found = find_place(config, warehouse).config
        own = None if found is None or found.query_log is None else (found.name, found.query_log)
    if folder is not None:
        kept = {one.name: QueryLogConfig(folder=folder) for one in indexes}
        hook = redact or (None if own is None else own[1].redact)
    elif own is not None:
        kept, hook = dict([own]), redact or own[1].redact
    elif redact is not None:
        raise typer.BadParameter("there is no query log to redact; give --query-log FOLDER", param_hint="--redact")
    else:
        return None
    logs = {name: QuestionLog(one.folder, name, one.most_bytes) for name, one in kept.items()}
    for one in logs.values():
        note(f"index {one.index}: questions are kept in {shown(one.files[1])}")
    return QueryLog(logs, None if hook is None else find_redact(hook))


def _pair(text: str) -> tuple[str, Path]:
    import re

    name, equals, folder = text.partition("=")
    # It stands in URLs and in labels of metrics.
    if not equals or not folder or re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name) is None:
        raise typer.BadParameter(f"{text!r} is not NAME=WAREHOUSE; write docs=./warehouse", param_hint="--index")
    return name, Path(folder)
