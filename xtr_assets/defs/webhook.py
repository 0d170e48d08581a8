"""Telling somebody's endpoint of a failed run: one JSON document by POST."""

import json
import os
import urllib.request
from collections.abc import Mapping
from time import sleep

from xtr_assets.core.errors import ConfigError

# A chat service answers in tenths of a second; the daemon's other sensors wait meanwhile.
TIMEOUT_SECONDS = 5.0
# Seconds before the second and the third try: what restarts in a moment is waited for, an outage is not.
WAITS = (1.0, 4.0)


def resolve(address: str) -> str:
    """The address itself, or what the environment variable holds that `$NAME` names: such addresses are secrets."""
    if not address.startswith("$"):
        return address
    found = os.environ.get(address[1:], "")
    if not found.startswith(("http://", "https://")):
        raise ConfigError(f"`upkeep.failure_webhook` is {address}, which holds no http address in this environment")
    return found


def post(address: str, document: Mapping[str, object], waits: tuple[float, ...] = WAITS) -> None:
    """POST a document. OSError (URLError, HTTPError, TimeoutError) where the first try and one after each wait
    failed."""
    body, header = json.dumps(document).encode(), {"Content-Type": "application/json"}
    request = urllib.request.Request(resolve(address), body, header, method="POST")
    for wait in (*waits, None):
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS):
                return
        except OSError:
            if wait is None:
                raise
            sleep(wait)
