"""`serve`: the index over HTTP."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xtr_assets.cli.app import SEARCH, CacheOption, CacheSizeOption, ConfigOption, WarehouseOption, app
from xtr_assets.cli.console import note
from xtr_assets.cli.locate import cache_options, find_place, shown
from xtr_assets.core.errors import ProviderError

if TYPE_CHECKING:
    from xtr_assets.server.hosted_index import HostedIndex
    from xtr_assets.server.runner import Address, Runnable
    from xtr_assets.server.settings import KeptLog

# A search holds Python's lock for a part of its time: more threads than this only take turns.
MOST_THREADS = 8
# Each holds an encoder and what is not mapped of the indexes; a machine of more cores serves several of these.
MOST_WORKERS = 64


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
    workers: Annotated[
        int,
        typer.Option(help="Processes that answer; they share mapped files and one socket.", min=1, max=MOST_WORKERS),
    ] = 1,
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
    parts: Annotated[
        Path | None,
        typer.Option(
            help="Be the front of a set of parts that other servers hold: its folder.",
            show_default=False,
            file_okay=False,
        ),
    ] = None,
    part: Annotated[
        list[str] | None,
        typer.Option(
            help="With --parts, where a part is served; repeat it, also for replicas. $XTR_ASSETS_TOKEN is its token.",
            show_default=False,
            metavar="NAME=URL",
        ),
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="With --parts, answer without a part that is down, and say so.")
    ] = False,
    hedge: Annotated[
        float, typer.Option(help="With --parts, seconds until the next replica is asked as well.", min=0.001)
    ] = 0.2,
    config: ConfigOption = None,
    warehouse: WarehouseOption = None,
    cache: CacheOption = None,
    cache_size: CacheSizeOption = None,
) -> None:
    """Answer questions over HTTP, with a search page at /; moves to each newly published generation by itself."""
    import logging

    if (parts is None) != (not part):
        raise typer.BadParameter("--parts SET and --part NAME=URL go together: the set, and where its parts are served")

    try:
        from xtr_assets.server.runner import Address
        from xtr_assets.server.settings import ServerSettings
        from xtr_assets.server.worker_pool import LOG_FORMAT, WorkerPool
    except ModuleNotFoundError as error:
        raise ProviderError(f"{error.name} is not installed; `pip install 'xtr-assets[serve]'`") from error

    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    if parts is not None:
        given = {
            "--index": index, "--mcp": mcp, "--workers": workers > 1, "--query-log": query_log, "--redact": redact,
            "--config": config, "--warehouse": warehouse, "--cache": cache, "--cache-size": cache_size,
        }  # fmt: skip
        if idle := [name for name, value in given.items() if value]:
            raise typer.BadParameter(
                f"{idle[0]} is nothing that a front of parts (--parts) does; leave it out, or serve the whole set with "
                f"`xtr-assets serve --warehouse {parts}`"
            )
        _run(_front(parts, part or [], Address(host, port, anyone), tokens, partial, hedge, access_log))
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    folders = served_folders(index or [], config, warehouse)
    logs, hook = kept_logs(folders, index or [], config, warehouse, query_log, redact)
    settings = ServerSettings(
        indexes=tuple(folders.items()),
        address=Address(host, port, anyone),
        tokens=tokens,
        device=device,
        threads=threads or min(max(2, cores), MOST_THREADS),
        workers=workers,
        agents=mcp,
        access_log=access_log,
        recall_share=recall_share,
        recall_budget=recall_budget,
        logs=logs,
        redact=hook,
        cache=cache_options(cache, cache_size),
    )
    try:
        settings.check()
        if workers > 1:
            raise typer.Exit(WorkerPool(settings).run())
        server = settings.server()
    except ModuleNotFoundError as error:
        raise ProviderError(f"{error.name} is not installed; `pip install 'xtr-assets[mcp]'`") from error
    _run(server)


def _run(server: "Runnable") -> None:
    from xtr_assets.server.host_process import end_on_hang_up

    end_on_hang_up(server)
    # Where it cannot listen uvicorn ends the process, with a code of its own.
    with suppress(SystemExit):
        server.run()
    if not server.started:
        # uvicorn has said why: the port is taken, the address is none of this machine.
        raise typer.Exit(1)


def _front(
    folder: Path,
    named: list[str],
    address: "Address",
    tokens: Path | None,
    partial: bool,
    hedge: float,
    access_log: bool,
) -> "Runnable":
    """The front of a set, not yet started."""
    from xtr_assets.server.bearers import Bearers
    from xtr_assets.server.front_runner import front_server
    from xtr_assets.storage.parts.part_set import PartSet

    found: dict[str, list[str]] = {}
    for one in named:
        name, equals, url = one.partition("=")
        if not equals or not name or not url:
            raise typer.BadParameter(f"{one!r} is not NAME=URL; write a=http://host:8080", param_hint="--part")
        found.setdefault(name, []).append(url)
    if unserved := sorted(set(PartSet.open(folder).info.parts) - set(found)):
        note(f"no server is named for the parts {', '.join(unserved)}")
    return front_server(folder, found, address, Bearers(tokens), partial, hedge, access_log)


def hosted(named: list[str], config: Path | None, warehouse: Path | None, device: str) -> "list[HostedIndex]":
    """The indexes to serve, not yet opened."""
    from xtr_assets.server.hosted_index import HostedIndex

    return [HostedIndex(name, folder, device) for name, folder in served_folders(named, config, warehouse).items()]


def served_folders(named: list[str], config: Path | None, warehouse: Path | None) -> dict[str, Path]:
    """The warehouses to serve by name: those named, and that of the config where one was named or none was."""
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
    return folders


def kept_logs(
    names: Iterable[str],
    named: list[str],
    config: Path | None,
    warehouse: Path | None,
    folder: Path | None,
    redact: str | None,
) -> "tuple[tuple[KeptLog, ...], str | None]":
    """The logs that somebody asked for, and their redaction hook: of every index in `folder`, else of the config's own
    where it has a `query_log`; none where nobody did."""
    from xtr_assets.config import QueryLogConfig
    from xtr_assets.server.settings import KeptLog

    own = None
    if not named or config is not None or warehouse is not None:
        found = find_place(config, warehouse).config
        own = None if found is None or found.query_log is None else (found.name, found.query_log)
    hook = redact or (None if own is None else own[1].redact)
    if folder is not None:
        kept = {name: QueryLogConfig(folder=folder) for name in names}
        if own is not None:
            kept[own[0]] = own[1].model_copy(update={"folder": folder})
    elif own is not None:
        kept = dict([own])
    elif redact is not None:
        raise typer.BadParameter("there is no query log to redact; give --query-log FOLDER", param_hint="--redact")
    else:
        return (), None
    for name, one in kept.items():
        note(f"index {name}: questions are kept in {shown(one.folder)}")
    return tuple(KeptLog(name, one.folder.absolute(), one.most_bytes) for name, one in kept.items()), hook


def _pair(text: str) -> tuple[str, Path]:
    import re

    name, equals, folder = text.partition("=")
    # It stands in URLs and in labels of metrics.
    if not equals or not folder or re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name) is None:
        raise typer.BadParameter(f"{text!r} is not NAME=WAREHOUSE; write docs=./warehouse", param_hint="--index")
    return name, Path(folder)
