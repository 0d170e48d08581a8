"""The body of a request: read within bounds, then strict JSON, so that nothing odd comes further."""

import asyncio
import json
from typing import Any

from starlette.requests import ClientDisconnect, Request

from xtr_assets.server.limits import Limits
from xtr_assets.server.problem import Problem, refused, too_slow


async def json_object(request: Request, limits: Limits) -> dict[str, Any]:
    """The JSON object of the body. Raises Problem: 413, 415, 408 or 400."""
    return parse_object(await body_bytes(request, limits))


async def body_bytes(request: Request, limits: Limits) -> bytes:
    """The body of a request that says it is JSON. Raises Problem: 413, 415 or 408."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise refused(415, f"the content type is {kind[:100] or 'missing'!r}; send application/json")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise refused(415, "the body is compressed; send it as it is")
    return await _body(request, limits)


async def _body(request: Request, limits: Limits) -> bytes:
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced[:20]) > limits.body_bytes:
        raise _too_large(announced[:20], limits)
    body = bytearray()
    try:
        async with asyncio.timeout(limits.body_seconds):
            async for part in request.stream():
                body += part
                # A chunked body announces nothing: it is counted.
                if len(body) > limits.body_bytes:
                    raise _too_large(f"more than {limits.body_bytes}", limits)
    except TimeoutError:
        raise too_slow(
            f"{len(body)} bytes of the body came in {limits.body_seconds:g} s; send it in one piece, or ask for less"
        ) from None
    except ClientDisconnect:
        raise refused(400, "the connection ended before the body did") from None
    return bytes(body)


def parse_object(body: bytes) -> dict[str, Any]:
    """A JSON object in UTF-8. Raises Problem 400 for anything else, NaN and Infinity included."""
    try:
        parsed = json.loads(body.decode(), parse_constant=_no_number)
    except RecursionError:
        raise refused(400, "the body nests objects or lists deeper than any question does; ask plainly") from None
    except UnicodeDecodeError as error:
        raise refused(400, f"the body is no UTF-8 (byte {error.start}); send JSON in UTF-8") from None
    except json.JSONDecodeError as error:
        raise refused(400, f"the body is no JSON: {error.msg} at character {error.pos}") from None
    except ValueError:
        # An integer of more than 4,300 digits.
        raise refused(400, "the body holds a number that is too long to be one; send numbers of 64 bits") from None
    if not isinstance(parsed, dict):
        raise refused(400, f'the body is a JSON {_name(parsed)}; send an object such as {{"query": "..."}}')
    return parsed


def _too_large(size: str, limits: Limits) -> Problem:
    problem = refused(413, f"the body has {size} bytes, at most {limits.body_bytes} are taken; ask in several requests")
    # What is still to come is not read.
    problem.headers = {"Connection": "close"}
    return problem


def _no_number(name: str) -> float:
    raise refused(400, f"the body holds {name}, which is no JSON and no component of a vector; check the encoder")


def _name(value: Any) -> str:
    return {list: "list", str: "text", bool: "truth value", type(None): "null"}.get(type(value), "number")
