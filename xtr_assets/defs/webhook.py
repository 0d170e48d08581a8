"""The failure webhook: one JSON document by POST for a failed run.

The address of such an endpoint is a secret (chat services put a token into its path), so that no message and no log
line shows more of it than scheme and host.
"""

import asyncio
import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import sleep

import httpx

from xtr_assets.core.errors import ConfigError, ProviderError
from xtr_assets.core.http_environment import made_here

# A chat service answers in tenths of a second; the daemon's other sensors wait meanwhile. It bounds a whole try, so
# that an endpoint which sends a byte a second holds nobody up.
TIMEOUT_SECONDS = 5.0
# Seconds before the second and the third try: what restarts in a moment is waited for, an outage is not.
WAITS = (1.0, 4.0)
JSON = {"Content-Type": "application/json"}
# These write the address, or that of a redirect, to their logs.
_LOGGERS = ("httpx", "httpcore.connection", "httpcore.http11")


def resolve(address: str) -> httpx.URL:
    """The address itself, or what the environment variable holds that `$NAME` names. Raises ConfigError."""
    named = address.startswith("$")
    # Secrets that come out of files end in a line break.
    found = os.environ.get(address[1:], "").strip() if named else address
    shown = f"{address}, which holds" if named else "an address that is"
    try:
        url = httpx.URL(found)
        # The port and an international host name are read, and may be wrong, only when they are asked for.
        usable = url.scheme in ("http", "https") and bool(url.host) and url.raw_host.isascii() and url.port != 0
    except (httpx.InvalidURL, ValueError):
        usable = False
    if not usable:
        raise ConfigError(f"`upkeep.failure_webhook` is {shown} no http address; give http(s)://host/path")
    return url


def shown(url: httpx.URL) -> str:
    """What may be told of an address: scheme, host and port."""
    return f"{url.scheme}://{url.host}{f':{url.port}' if url.port else ''}/..."


def post(address: str, document: Mapping[str, object], waits: tuple[float, ...] = WAITS) -> None:
    """POST a document. ProviderError where the first try and one after each wait failed; a redirect is a failure."""
    url = resolve(address)
    for wait in (*waits, None):
        failure = _try(url, document)
        if failure is None:
            return
        if wait is not None:
            sleep(wait)
    raise ProviderError(f"{shown(url)} was not told in {len(waits) + 1} tries, the last: {failure}")


def _try(url: httpx.URL, document: Mapping[str, object]) -> str | None:
    """What went wrong, in words without the address; None where the endpoint took the document."""
    try:
        with _unlogged():
            status = asyncio.run(asyncio.wait_for(_send(url, document), TIMEOUT_SECONDS))
    except ConfigError as error:
        return str(error)
    except TimeoutError:
        return f"no answer within {TIMEOUT_SECONDS:g} seconds"
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        # The library's own words may hold the address.
        return f"{type(error).__name__}, no answer that is HTTP"
    if 200 <= status < 300:
        return None
    moved = " (a redirect; give the address it leads to)" if 300 <= status < 400 else ""
    return f"status {status}{moved}"


async def _send(url: httpx.URL, document: Mapping[str, object]) -> int:
    async with made_here(lambda: httpx.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False)) as client:
        # ASCII: a path whose bytes are no text is told in escapes.
        body = json.dumps(document).encode("ascii")
        # The answer's body is nobody's concern, and has no bound.
        async with client.stream("POST", url, content=body, headers=JSON) as response:
            return response.status_code


@contextmanager
def _unlogged() -> Iterator[None]:
    """Without the log lines of the libraries."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]

    def nothing(_record: logging.LogRecord) -> bool:
        return False

    for logger in loggers:
        logger.addFilter(nothing)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(nothing)
