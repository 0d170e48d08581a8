"""Where a client asks, and as whom."""

import os
import re
from dataclasses import dataclass, field
from typing import Any, NoReturn

import httpx

from xtr_assets.client.wire import GENERATION_HEADER, Call
from xtr_assets.core.errors import GenerationError, InvalidInput

TOKEN_VARIABLE = "XTR_ASSETS_TOKEN"
TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
# How often a question is sent again where the server has no room.
ATTEMPTS = 4
# Seconds, of the 9e9 that a socket can wait: a generation of people, which is for ever.
LONGEST = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Destination:
    """A server, an index of it, and who asks."""

    url: str
    # Never shown: whoever prints a client prints no secret.
    token: str | None = field(repr=False)
    index: str | None
    timeout: float

    @classmethod
    def checked(cls, url: str, token: str | None, index: str | None, timeout: float) -> "Destination":
        """Raises InvalidInput. Without a token that of $XTR_ASSETS_TOKEN counts."""
        if not isinstance(url, str):
            raise InvalidInput(f"url is a {type(url).__name__}; give text such as http://localhost:8080")
        try:
            parsed = httpx.URL(url)
            # What asks for its address does so: of labels beyond 63 letters and the like it knows nothing.
            parsed.host.encode("idna")
        except (httpx.InvalidURL, UnicodeError) as error:
            # Not the url itself: it may hold a password.
            raise InvalidInput(f"the url is none ({error}); give one such as http://localhost:8080") from error
        if parsed.userinfo or ("://" not in url and "@" in url):
            raise InvalidInput("the url holds a name or password, which ends up in logs; give `token`")
        if url.strip() and "://" not in url:
            raise InvalidInput(
                f"url is {url!r}, without http:// or https://; give one such as http://localhost:8080. A warehouse of "
                "this machine is opened by `xtr_assets.open`"
            )
        if parsed.scheme not in ("http", "https") or not parsed.host or parsed.query or parsed.fragment:
            raise InvalidInput(f"url is {url!r}; give one such as http://localhost:8080")
        chosen = token if token is not None else os.environ.get(TOKEN_VARIABLE) or None
        if chosen is not None and (not isinstance(chosen, str) or TOKEN.fullmatch(chosen) is None):
            # Not the token itself: errors are logged.
            raise InvalidInput("the token holds characters that no token has; letters, digits and ._~+/- are allowed")
        if index is not None and (not isinstance(index, str) or not index.isprintable()):
            raise InvalidInput(f"index is {index!r}; give its name there, or None where it is the only one")
        return cls(url.rstrip("/"), chosen, index, _seconds(timeout))

    @property
    def headers(self) -> dict[str, str]:
        """Headers of every request."""
        own = {"Accept": "application/json", "Accept-Encoding": "identity"}
        return own if self.token is None else {**own, "Authorization": f"Bearer {self.token}"}

    def request(self, client: "httpx.Client | httpx.AsyncClient", call: Call, pinned: int | None) -> httpx.Request:
        """The request of a call, answered from the `pinned` generation or not at all."""
        headers = {} if pinned is None else {GENERATION_HEADER: str(pinned)}
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        return client.build_request(
            "GET" if call.body is None else "POST",
            self.url + call.path,
            params={**call.query, **({} if self.index is None else {"index": self.index})},
            content=call.body,
            headers=headers,
        )


def _seconds(timeout: Any) -> float:
    try:
        seconds = float(timeout)
    except (TypeError, ValueError, OverflowError):
        seconds = 0.0
    if not 0 < seconds <= LONGEST:
        raise InvalidInput(f"timeout is {timeout!r}; give seconds above 0, {LONGEST} at most")
    return seconds


class Connected:
    """What asks a server: how it is shown, whether it may still ask, and why it goes through no pickle."""

    _destination: Destination
    _closed: bool

    def _check_open(self) -> None:
        """Raises GenerationError after `close`, also to who was asking meanwhile."""
        if self._closed:
            raise GenerationError("this searcher was closed; connect again")

    def __repr__(self) -> str:
        index = "" if self._destination.index is None else f", index {self._destination.index}"
        return f"{type(self).__name__}({self._destination.url}{index})"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"a {type(self).__name__} holds connections of this process: connect to {self._destination.url} where it "
            "is needed, in each process; threads and forked children share this one"
        )
