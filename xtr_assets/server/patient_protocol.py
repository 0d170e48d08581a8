"""uvicorn's HTTP, with an end to the patience: uvicorn itself waits for ever for the head of a request."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from xtr_assets.server.limits import Limits

# Where the house is full, a connection that asked nothing for so long makes room for a new one.
IDLE_SECONDS = 0.5


class PatientProtocol(HttpToolsProtocol):
    """Ends a connection whose request's head does not come in time, one too many, and one that does not read; and the
    question of a client that is gone, which would only keep others waiting."""

    limits = Limits()
    # Since when nothing was asked; None while something is.
    _idle_since: float | None = None
    _head_timer: asyncio.TimerHandle | None = None
    _asking: "asyncio.Task[Any] | None" = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there: the clock runs until its first request has a head."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections and not self._room_made():
            # No words: whoever opens a thousand connections reads none.
            transport.abort()
            return
        self._idle_since = self.loop.time()
        self._await_head()

    def _room_made(self) -> bool:
        """End the connection that has been idle longest; False where none was long enough. 0.1 ms for a thousand."""
        latest = self.loop.time() - IDLE_SECONDS
        idle = [
            (one._idle_since, id(one), one)  # noqa: SLF001 (of its own class)
            for one in self.connections
            if isinstance(one, PatientProtocol) and one._idle_since is not None and one._idle_since < latest  # noqa: SLF001
        ]
        if not idle:
            return False
        _, _, longest = min(idle)
        longest._idle_since = None  # noqa: SLF001
        longest.timeout_keep_alive_handler()
        return True

    def data_received(self, data: bytes) -> None:
        """Bytes of a request; the clock of a later request begins with its first byte."""
        if self._head_timer is None and (self.cycle is None or self.cycle.response_complete):
            self._await_head()
        self._idle_since = None
        super().data_received(data)

    def on_response_complete(self) -> None:
        """It may ask again."""
        super().on_response_complete()
        if not self.pipeline and not self.transport.is_closing():
            self._idle_since = self.loop.time()

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._unset_head()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone, and whatever of its question still waits with it."""
        self._unset_head()
        super().connection_lost(exc)
        if self._asking is not None:
            self._asking.cancel()

    def timeout_keep_alive_handler(self) -> None:
        """Nothing came after an answer. A client that has not read all of it by now gets no more time."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            super().timeout_keep_alive_handler()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        async def noted(scope: Any, receive: Any, send: Any) -> None:
            self._asking = asyncio.current_task()
            try:
                await app(scope, receive, send)
            except asyncio.CancelledError:
                # Of a client that is gone: nobody is there to be told. A server that stops ends its tasks as well.
                if not cycle.disconnected:
                    raise
            finally:
                self._asking = None

        super()._start_asgi_task(cycle, noted)

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self.limits.head_seconds, self.transport.abort)

    def _unset_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


def patient(limits: Limits) -> type[asyncio.Protocol]:
    """The protocol with these limits, as uvicorn takes it: a class."""
    made: Any = type("PatientProtocol", (PatientProtocol,), {"limits": limits})
    return made  # type: ignore[no-any-return]
