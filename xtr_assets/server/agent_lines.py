"""MCP on standard input: a line that no message can be read from is answered, so that nobody waits for it for ever.

The SDK passes over such a line without a word: half of a character in a question, which JSON may escape and UTF-8
cannot hold, left an agent waiting until it gave up.
"""

import logging
from types import TracebackType
from typing import Any, Self

import anyio
from mcp.shared.message import SessionMessage
from mcp.types import INVALID_REQUEST, PARSE_ERROR, ErrorData, JSONRPCError
from pydantic import ValidationError

from xtr_assets.core.json_document import read_json

log = logging.getLogger(__name__)


class AnsweredLines:
    """A stream of messages as a server reads it; what could not be read as one is answered here and not handed on."""

    def __init__(self, reading: Any, writing: Any) -> None:
        self._reading, self._writing = reading, writing

    @property
    def last_context(self) -> Any:
        """As the SDK's own streams have it."""
        return getattr(self._reading, "last_context", None)

    async def receive(self) -> Any:
        """The next message. Raises anyio.EndOfStream."""
        while isinstance(item := await self._reading.receive(), Exception):
            answer = answer_to(item)
            log.warning("a line was no message: %s", "nothing in it" if answer is None else answer.error.message)
            if answer is not None:
                await self._writing.send(SessionMessage(answer))
        return item

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        """Nothing more is read."""
        await self._reading.aclose()

    async def __aenter__(self) -> Self:
        await self._reading.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Any:
        return await self._reading.__aexit__(kind, error, trace)


def answer_to(error: Exception) -> JSONRPCError | None:
    """What to say of a line that could not be read; None where nobody waits: it is empty, a notification or an answer.

    The id is that of the line where it can be told, and sent back; else null, as JSON-RPC has it.
    """
    fault = _first(error)
    line, parsed = fault.get("input"), None
    if fault.get("type") == "json_invalid" and isinstance(line, str | bytes):
        if not line.strip():
            return None
        try:
            parsed = read_json(line)
        except ValueError:
            return _answer(None, PARSE_ERROR, "the line is no JSON; send a JSON-RPC message a line, in UTF-8")
        said = "the message holds half of a character (a surrogate), or a number too long to be one; send Unicode text"
        code = PARSE_ERROR
    else:
        parsed, code = line, INVALID_REQUEST
        said = 'the line is no JSON-RPC message; send {"jsonrpc": "2.0", "id": 1, "method": ...} on a line of its own'
    if not isinstance(parsed, dict):
        return _answer(None, code, said)
    if "id" not in parsed or "method" not in parsed:
        return None if {"method", "result", "error"} & parsed.keys() else _answer(None, code, said)
    return _answer(_returned(parsed["id"]), code, said)


def _first(error: Exception) -> dict[str, Any]:
    """Of what pydantic says, the fault of the line as a whole: where it is no JSON, else where a field is missing."""
    faults = [dict(one) for one in error.errors()] if isinstance(error, ValidationError) else []
    whole = [one for one in faults if one["type"] == "json_invalid" or isinstance(one["input"], dict)]
    return next(iter(whole or faults), {})


def _returned(given: Any) -> str | int | None:
    """An id as it can be sent back."""
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    if not isinstance(given, str):
        return None
    return given if given.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in given) else None


def _answer(identity: str | int | None, code: int, said: str) -> JSONRPCError:
    return JSONRPCError(jsonrpc="2.0", id=identity, error=ErrorData(code=code, message=said))
