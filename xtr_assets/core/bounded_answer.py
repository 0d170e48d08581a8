"""An HTTP answer, whole, within a time: httpx bounds each wait for more of it, and not all of them."""

from collections.abc import Iterator
from contextlib import closing
from time import monotonic

import httpx


class _Bounded(httpx.SyncByteStream):
    """What comes until a time of `monotonic`."""

    def __init__(self, stream: httpx.SyncByteStream, until: float) -> None:
        self._stream, self._until = stream, until

    def __iter__(self) -> Iterator[bytes]:
        for part in self._stream:
            yield part
            if monotonic() > self._until:
                raise httpx.ReadTimeout("the answer goes on")

    def close(self) -> None:
        self._stream.close()


def whole_answer(client: httpx.Client, request: httpx.Request, seconds: float) -> httpx.Response:
    """The answer to a request. Raises httpx.ReadTimeout where it goes on for longer."""
    until = monotonic() + seconds
    with closing(client.send(request, stream=True)) as answer:
        assert isinstance(answer.stream, httpx.SyncByteStream)
        answer.stream = _Bounded(answer.stream, until)
        answer.read()
    return answer
