"""The first answer from an object store, through an empty cache, over a line of a given bandwidth.

    python benchmarks/cold_store.py WAREHOUSE [--mbit 1000] [--delay-ms 5] [--runs 3]

What the warehouse serves is pushed to a folder. A small server of this file gives it out as S3 does: bytes of answers
leave at the bandwidth, all connections together, and each request waits for the delay. (SeaweedFS on the machine of
docs/measurements.md gives 69 MB a second, and takes 35 ms for a range.) The client is a process of its own: it imports,
opens the store, loads the encoder and asks in mode dense. It does so as the command `xtr-assets search`, as it answers
from ranges (cold), and as all of it is brought before (whole). Seconds are those of the clock, since the process began:
on a machine that is busy with something else they are upper bounds, and CPU seconds of the client stand beside them.
Bytes are those of answers until the first hits. The answers of both ways must be equal.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

CHUNK = 64 * 1024
QUERY = "records that name a topic and its words"
MORE = [f"{QUERY} {i}" for i in range(1, 21)]


class Server:
    """What obstore asks of S3, over a folder: ranges, sizes, listings, creates and removals."""

    def __init__(self, folder: Path, mbit: float, delay: float) -> None:
        self._folder, self._rate, self._delay = folder, mbit * 1e6 / 8, delay
        self.bytes, self.requests, self.port = 0, 0, 0
        self._free_at = 0.0
        started = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve(started)), daemon=True).start()
        started.wait()

    async def _serve(self, started: threading.Event) -> None:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        await server.serve_forever()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode("latin-1").split("\r\n")
                method, target, _ = lines[0].split(" ")
                fields = {k.lower(): v.strip() for k, _, v in (one.partition(":") for one in lines[1:])}
                body = await reader.readexactly(int(fields.get("content-length", 0)))
                self.requests += 1
                await asyncio.sleep(self._delay)
                status, more, data = self._done(method, urlsplit(target), fields, body)
                length = "" if "Content-Length" in more else f"Content-Length: {len(data)}\r\n"
                writer.write(f"HTTP/1.1 {status} X\r\n{more}{length}\r\n".encode())
                for at in range(0, len(data), CHUNK):
                    await self._paced(data[at : at + CHUNK])
                    writer.write(data[at : at + CHUNK])
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _paced(self, data: bytes) -> None:
        now = time.monotonic()
        self._free_at = max(now, self._free_at) + len(data) / self._rate
        self.bytes += len(data)
        # The timer has a millisecond: sooner is at once.
        if self._free_at - now > 0.001:
            await asyncio.sleep(self._free_at - now)

    def _done(self, method: str, target: SplitResult, fields: dict[str, str], body: bytes) -> tuple[int, str, bytes]:
        asked = {k: v[0] for k, v in parse_qs(target.query).items()}
        if "list-type" in asked:
            return 200, "", self._listed(asked.get("prefix", ""))
        path = self._folder / target.path.removeprefix("/bucket/")
        if method == "PUT":
            if path.exists():
                return 412, "", b""
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
            return 200, 'ETag: "x"\r\n', b""
        if method == "DELETE":
            path.unlink(missing_ok=True)
            return 204, "", b""
        if not path.is_file():
            return 404, "", b""
        size = path.stat().st_size
        about = f'ETag: "x"\r\nLast-Modified: {formatdate(path.stat().st_mtime, usegmt=True)}\r\n'
        if method == "HEAD":
            return 200, f"{about}Content-Length: {size}\r\n", b""
        first, last = (int(one) for one in fields["range"].removeprefix("bytes=").split("-"))
        last = min(last, size - 1)
        with path.open("rb") as file:
            file.seek(first)
            return 206, f"{about}Content-Range: bytes {first}-{last}/{size}\r\n", file.read(last - first + 1)

    def _listed(self, prefix: str) -> bytes:
        found = "".join(
            f"<Contents><Key>{one.relative_to(self._folder).as_posix()}</Key><Size>{one.stat().st_size}</Size>"
            "<LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>x</ETag></Contents>"
            for one in sorted(self._folder.rglob("*"))
            if one.is_file() and one.relative_to(self._folder).as_posix().startswith(prefix)
        )
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{found}</ListBucketResult>".encode()


def client(address: str, cache: Path, cold: bool, rescore: int | None) -> None:
    """Ask, and tell when what was done: seconds since the process began."""
    began = time.time() - (time.clock_gettime(time.CLOCK_BOOTTIME) - _began())
    from xtr_assets.search import Searcher
    from xtr_assets.storage.remote.store_cache import CacheOptions, open_place

    told: dict[str, Any] = {"imported": time.time() - began}
    opened = open_place(address, CacheOptions(cache), cold=cold)
    with Searcher(opened, device="cpu") as searcher:
        told["opened"] = time.time() - began
        searcher.load_encoder()
        told["encoder"] = time.time() - began
        hits = searcher.search(QUERY, 10, "dense", rescore=rescore)
        told["answered"] = time.time() - began
        told["cpu"] = sum(os.times()[:2])
        told["arriving"] = searcher.arriving
        print(json.dumps(told), flush=True)
        sys.stdin.readline()
        each = []
        answers = [[(hit.chunk_id, hit.score, hit.text) for hit in hits]]
        for one in MORE:
            at = time.perf_counter()
            found = searcher.search(one, 10, "dense", rescore=rescore)
            each.append(time.perf_counter() - at)
            answers.append([(hit.chunk_id, hit.score, hit.text) for hit in found])
        print(json.dumps({"next_ms": sorted(1000 * one for one in each)[len(each) // 2], "answers": answers}))


def _began() -> float:
    """When this process began, in seconds since the machine did."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")


def measured(
    server: Server, address: str, environment: dict[str, str], cold: bool, rescore: int | None
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as cache:
        before, asked = server.bytes, server.requests
        line = [sys.executable, __file__, address, "--client", cache, *(["--cold"] if cold else [])]
        line += [] if rescore is None else ["--rescore", str(rescore)]
        with subprocess.Popen(
            line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
        ) as running:
            assert running.stdout is not None and running.stdin is not None
            found: dict[str, Any] = json.loads(running.stdout.readline())
            found |= {"mb": (server.bytes - before) / 1e6, "requests": server.requests - asked}
            running.stdin.write("\n")
            running.stdin.flush()
            found |= json.loads(running.stdout.readline())
            running.kill()
        return found


def commanded(server: Server, address: str, environment: dict[str, str]) -> dict[str, float]:
    """The command of a person, from its start to its end."""
    with tempfile.TemporaryDirectory() as cache:
        before, asked, at = server.bytes, server.requests, time.monotonic()
        line = [sys.executable, "-m", "xtr_assets", "search", QUERY, "--mode", "dense", "-w", address, "--cache", cache]
        subprocess.run([*line, "--json"], env=environment, check=True, stdout=subprocess.DEVNULL)
        took = time.monotonic() - at
        return {"ended": took, "mb": (server.bytes - before) / 1e6, "requests": server.requests - asked}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("warehouse", help="a folder; it is only read")
    parser.add_argument("--mbit", type=float, default=1000)
    parser.add_argument("--delay-ms", type=float, default=5)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--whole-runs", type=int, default=1)
    parser.add_argument("--rescore", type=int, help="candidates that are re-ranked, in place of the profile's")
    parser.add_argument("--client", type=Path)
    parser.add_argument("--cold", action="store_true")
    given = parser.parse_args()
    if given.client is not None:
        client(given.warehouse, given.client, given.cold, given.rescore)
        return
    from xtr_assets.storage.warehouse import Warehouse

    with tempfile.TemporaryDirectory() as folder:
        at = time.monotonic(), time.process_time()
        report = Warehouse.open(given.warehouse).push(Path(folder) / "docs")
        took = time.monotonic() - at[0], time.process_time() - at[1]
        print(f"pushed {report.bytes / 1e6:.0f} MB in {took[0]:.1f} s, {took[1]:.1f} CPU s", flush=True)
        server = Server(Path(folder), given.mbit, given.delay_ms / 1000)
        environment = {
            **os.environ,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "tester",
            "AWS_SECRET_ACCESS_KEY": "of nobody",
        }
        for _ in range(given.runs):
            found = commanded(server, "s3://bucket/docs", environment)
            print("command", json.dumps({k: round(v, 2) for k, v in found.items()}), flush=True)
        answers = None
        for cold in [True] * given.runs + [False] * given.whole_runs:
            found = measured(server, "s3://bucket/docs", environment, cold, given.rescore)
            answers = answers or found["answers"]
            assert found.pop("answers") == answers, "the answers differ"
            told = "cold" if cold else "whole"
            print(told, json.dumps({k: round(v, 2) for k, v in found.items()}), flush=True)


if __name__ == "__main__":
    main()
