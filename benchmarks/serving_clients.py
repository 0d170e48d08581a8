"""Slow and broken clients against the server, while a sound one asks.

    python benchmarks/serving_clients.py WAREHOUSE [--clients 10000] [--at-once 900]

Each client does one of: connects and says nothing; sends half a head; drips a body; sends what is no HTTP; asks for
a large answer and does not read it; goes away while it is answered; resets. A sound client asks all the while. Printed:
how it was answered, how long the server keeps files open afterwards, and its memory before and after.
"""

import argparse
import asyncio
import contextlib
import json
import random
import socket
import struct
import threading
import time
from pathlib import Path

import serving
from serving_moves import memory

HEAD = b"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
LARGE = json.dumps({"queries": ["parse date"] * 60, "k": 50, "mode": "lexical"}).encode()


async def _broken(port: int, kind: int, chance: random.Random) -> None:
    with contextlib.suppress(OSError, asyncio.TimeoutError, TimeoutError):
        reader, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port), 20)
        try:
            if kind == 1:
                writer.write(HEAD[: chance.randint(1, len(HEAD))])
            elif kind == 2:
                writer.write(HEAD + b"Content-Length: 1000\r\n\r\n")
                for _ in range(30):
                    writer.write(b" ")
                    await asyncio.sleep(0.5)
            elif kind == 3:
                writer.write(chance.randbytes(chance.randint(1, 2000)) + b"\r\n\r\n")
            elif kind in (4, 5):
                writer.write(HEAD + f"Content-Length: {len(LARGE)}\r\n\r\n".encode() + LARGE)
                if kind == 5:
                    await asyncio.sleep(chance.random() / 50)
                    return
            elif kind == 6:
                own = writer.get_extra_info("socket")
                own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            # What is asked and never read stays in the socket; the others wait for the server to lose its patience.
            await asyncio.wait_for(reader.read(1) if kind != 4 else asyncio.sleep(12), 15)
        finally:
            writer.close()


async def _all(port: int, clients: int, at_once: int) -> None:
    chance, turns = random.Random(3), asyncio.Semaphore(at_once)

    async def one(number: int) -> None:
        async with turns:
            await _broken(port, number % 7, chance)

    await asyncio.gather(*(one(number) for number in range(clients)))


def _sound(port: int, stop: list[bool], told: dict[str, list[float]]) -> None:
    while not stop:
        began = time.perf_counter()
        try:
            serving.bare(port, "lexical")("parse date")
            told["answered"].append(1000 * (time.perf_counter() - began))
        except Exception:
            told["failed"].append(1000 * (time.perf_counter() - began))
        time.sleep(0.1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("warehouse", type=Path)
    parser.add_argument("--clients", type=int, default=10_000)
    parser.add_argument("--at-once", type=int, default=900)
    given = parser.parse_args()
    process, port = serving.started(given.warehouse)
    files = Path(f"/proc/{process.pid}/fd")
    try:
        for query in serving.questions(50):
            serving.bare(port, "lexical")(query)
        before = len([*files.iterdir()]), *memory([process.pid])
        stop: list[bool] = []
        told: dict[str, list[float]] = {"answered": [], "failed": []}
        watching = threading.Thread(target=_sound, args=(port, stop, told))
        watching.start()
        began = time.perf_counter()
        asyncio.run(_all(port, given.clients, given.at_once))
        took = time.perf_counter() - began
        stop.append(True)
        watching.join()
        ended = time.perf_counter()
        while len([*files.iterdir()]) > before[0] + 2 and time.perf_counter() - ended < 60:
            time.sleep(0.2)
        after = len([*files.iterdir()]), *memory([process.pid])
        times = told["answered"]
        print(
            f"{given.clients:,} broken clients in {took:.0f} s; the sound one: {len(times)} answers, "
            f"{len(told['failed'])} failed, p50 {serving.share(times, 0.5):.1f} ms, "
            f"p90 {serving.share(times, 0.9):.1f} ms, longest {max(times):.0f} ms"
        )
        print(
            f"open files {before[0]} before, {after[0]} {time.perf_counter() - ended:.0f} s after; "
            f"own memory {before[2]:.0f} and {after[2]:.0f} MB"
        )
        serving.bare(port, "lexical")("parse date")
        assert process.poll() is None
    finally:
        process.terminate()
        process.wait(60)


if __name__ == "__main__":
    main()
