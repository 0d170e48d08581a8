"""Requests of an event loop that their caller may leave."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import anyio

Result = TypeVar("Result")


async def cancellable(request: Coroutine[Any, Any, Result]) -> Result:
    """What a request gives. Who is cancelled meanwhile leaves at once, and the request ends by itself.

    httpcore 1.0 shields the steps that give a connection back from anyio's cancellation alone. A task that asyncio
    cancels there, as `asyncio.timeout` does, takes the connection with it for good: of 2,000 questions that were
    cancelled a few milliseconds after they began 100 did, which is all that a client has. So the request runs in a task
    of its own that anyio cancels.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        # Of another library (trio), whose cancellation respects the shields.
        return await request
    scope = anyio.CancelScope()
    task = asyncio.ensure_future(_within(scope, request))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        scope.cancel()
        # An error that it still ends in is nobody's: asyncio would tell of one that no one looks at.
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        raise


async def _within(scope: anyio.CancelScope, request: Coroutine[Any, Any, Result]) -> Result:
    with scope:
        return await request
    raise asyncio.CancelledError
