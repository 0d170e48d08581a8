"""The server against the library in process: milliseconds of a question, by number of connections.

    python benchmarks/serving.py WAREHOUSE [--mode dense] [--seconds 3] [--workers 1]

Starts `xtr-assets serve` over the warehouse and asks it the same questions as a Searcher in this process, in turns:
over a socket with as little Python as there can be, over http.client, and through `connect`. The server's overhead is
the median of the differences between the first of these and the library, question by question. Then 1, 8 and 32
connections from a process of their own, in Python and, where it is installed, by wrk.
Beside the wall clock, which a busy machine makes long: CPU milliseconds a question in process and in the server
(Linux).
"""

import argparse
import http.client
import json
import os
import random
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import xtr_assets as xa

COMMAND = "from xtr_assets.cli import main; main()"
SENTENCE = (
    "parse date zebra index search token vector graph list file path name read write open close lock thread queue "
    "event loop task future result error value key map set tree node edge weight score rank query filter"
)
ROUNDS = 400


def questions(count: int) -> list[str]:
    """Three to eight words each."""
    chance = random.Random(5)
    return [" ".join(chance.sample(SENTENCE.split(), chance.randint(3, 8))) for _ in range(count)]


def started(warehouse: Path, options: Sequence[str] = ()) -> tuple["subprocess.Popen[str]", int]:
    """The server, and its port."""
    command = [sys.executable, "-c", COMMAND, "serve", "--port", "0", "--device", "cpu", "--index", f"docs={warehouse}"]
    command += options
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return process, int(found[1])
    raise SystemExit("the server did not start")


def bare(port: int, mode: str) -> Callable[[str], Any]:
    """A question over one keep-alive connection of the standard library."""
    connection = http.client.HTTPConnection("127.0.0.1", port)

    def ask(query: str) -> Any:
        body = json.dumps({"query": query, "k": 10, "mode": mode})
        connection.request("POST", "/v1/search", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        found = json.loads(answer.read())
        assert answer.status == 200, found
        return found

    return ask


def request_of(query: str, mode: str) -> bytes:
    """The whole of an HTTP request."""
    body = json.dumps({"query": query, "k": 10, "mode": mode})
    head = (
        f"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    )
    return f"{head}\r\n\r\n{body}".encode()


def socketed(port: int, mode: str) -> Callable[[str], Any]:
    """A question over one connection; the answer is read, not parsed."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    requests = {query: request_of(query, mode) for query in questions(ROUNDS)}

    def ask(query: str) -> Any:
        connection.sendall(requests[query])
        answer = connection.recv(1 << 20)
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), answer
        found = re.search(rb"content-length: (\d+)", head)
        assert found is not None
        left = int(found[1]) - len(body)
        while left:
            left -= len(connection.recv(left))
        return answer

    return ask


def wrk(port: int, mode: str, connections: int, seconds: float) -> str:
    """What wrk says: one line."""
    bodies = ", ".join(json.dumps(json.dumps({"query": query, "k": 10, "mode": mode})) for query in questions(200))
    script = (
        f"bodies = {{{bodies}}}\nplace = 0\nwrk.method = 'POST'\nwrk.headers['Content-Type'] = 'application/json'\n"
        "function request()\n  place = place % #bodies + 1\n  return wrk.format(nil, nil, nil, bodies[place])\nend\n"
        "function done(summary, latency)\n  local e = summary.errors\n"
        "  print(string.format('WRK %.0f questions/s  p50 %6.2f ms  p99 %6.2f ms  %d errors', summary.requests * 1e6 /"
        " summary.duration, latency:percentile(50) / 1000, latency:percentile(99) / 1000, e.connect + e.read + e.write"
        " + e.status + e.timeout))\nend\n"
    )
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        options = ["-t", "1", "-c", str(connections), "-d", f"{seconds:.0f}s", "-s", file.name]
        told = subprocess.run(
            ["wrk", *options, f"http://127.0.0.1:{port}/v1/search"], capture_output=True, text=True, check=True
        )
    return next(line.removeprefix("WRK ") for line in told.stdout.splitlines() if line.startswith("WRK"))


def processes(pid: int) -> list[int]:
    """A process and those it started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in processes(int(child)))]


def cpu_seconds(pid: int) -> float:
    """What a process and those it started have used so far, of themselves and the system; to 10 ms."""
    fields = [Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split() for one in processes(pid)]
    return sum(int(own[11]) + int(own[12]) for own in fields) / os.sysconf("SC_CLK_TCK")


def timed(ask: Callable[[str], object], query: str) -> float:
    start = time.perf_counter()
    ask(query)
    return 1000 * (time.perf_counter() - start)


def share(times: list[float], part: float) -> float:
    return sorted(times)[min(len(times) - 1, int(part * len(times)))]


def load(port: int, mode: str, connections: int, seconds: float) -> list[float]:
    """Milliseconds of each question that so many connections asked."""
    times: list[float] = []
    until = time.perf_counter() + seconds

    def asking(seed: int) -> None:
        ask, asked = bare(port, mode), questions(200)
        place = seed
        while time.perf_counter() < until:
            times.append(timed(ask, asked[place % 200]))
            place += 7

    threads = [threading.Thread(target=asking, args=(seed,)) for seed in range(connections)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("warehouse", type=Path)
    parser.add_argument("--mode", default="dense")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--core", type=int, help="keep the server to one core")
    parser.add_argument("--recall-share", type=float, default=0.01)
    parser.add_argument("--load", type=int, nargs=2, metavar=("PORT", "CONNECTIONS"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.load:
        print(json.dumps(load(given.load[0], given.mode, given.load[1], given.seconds)))
        return
    workers = ["--workers", str(given.workers)] if given.workers > 1 else []
    process, port = started(given.warehouse, [*workers, "--recall-share", str(given.recall_share)])
    if given.core is not None:
        for thread in Path(f"/proc/{process.pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {given.core})
    try:
        with xa.open(given.warehouse, device="cpu") as local, xa.connect(f"http://127.0.0.1:{port}") as remote:
            ways: dict[str, Callable[[str], object]] = {
                "in process": lambda query: local.search(query, 10, given.mode),
                "socket": socketed(port, given.mode),
                "http.client": bare(port, given.mode),
                "connect": lambda query: remote.search(query, 10, given.mode),
            }
            times: dict[str, list[float]] = {name: [] for name in ways}
            for query in questions(ROUNDS):
                for name, ask in ways.items():
                    times[name].append(timed(ask, query))
            for name, ask, used in (
                ("in process", ways["in process"], time.process_time),
                ("server", ways["socket"], lambda: cpu_seconds(process.pid)),
            ):
                begun = used()
                for query in questions(ROUNDS):
                    ask(query)
                print(f"{name:16} CPU {1000 * (used() - begun) / ROUNDS:6.2f} ms a question")
        for name, found in times.items():
            own = found[ROUNDS // 10 :]
            print(f"{name:16} p50 {share(own, 0.5):6.2f} ms  p99 {share(own, 0.99):6.2f} ms")
        pairs = zip(times["socket"], times["in process"], strict=True)
        print(f"overhead of the server: median {statistics.median(one - other for one, other in pairs):.2f} ms")
        for connections in (1, 8, 32):
            arguments = ["--mode", given.mode, "--seconds", str(given.seconds), "--load", str(port), str(connections)]
            begun_cpu = cpu_seconds(process.pid)
            asked = subprocess.run(
                [sys.executable, __file__, str(given.warehouse), *arguments], capture_output=True, text=True, check=True
            )
            own = json.loads(asked.stdout)
            rate, used_cpu = len(own) / given.seconds, 1000 * (cpu_seconds(process.pid) - begun_cpu) / len(own)
            print(
                f"{connections:3} connections  {rate:7.0f} questions/s  p50 {share(own, 0.5):6.2f} ms  "
                f"p99 {share(own, 0.99):6.2f} ms  CPU {used_cpu:6.2f} ms"
            )
            if shutil.which("wrk"):
                print(f"{connections:3} of wrk       {wrk(port, given.mode, connections, max(1, given.seconds))}")
    finally:
        process.terminate()
        process.wait(40)


if __name__ == "__main__":
    main()
