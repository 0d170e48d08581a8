"""The command's own processes: a front and servers of parts, killed at random while moves are published."""

import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

import xtr_assets as xa
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets_tests.server.test_hot_swap import until
from xtr_assets_tests.server.test_part_front import FORCE, build

QUERY = "parse date zebra"
ROUNDS = 12


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def started(*arguments: str) -> subprocess.Popen[bytes]:
    code = "import sys; from xtr_assets.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, "serve", *arguments, "--recall-share", "0", "--device", "cpu"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


class Replica:
    """A server of one part, which is killed and started again at its address."""

    def __init__(self, part: str, folder: Path) -> None:
        self.part, self._folder, self.port = part, folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        self.process = started("--index", f"{self.part}={self._folder}", "--port", str(self.port))

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def site(parts: PartSet) -> Iterator[tuple[list[Replica], str]]:
    with ExitStack() as stack:
        replicas = [Replica(part, parts.layout.part(part)) for part in ("a", "a", "b", "b")]
        for one in replicas:
            stack.callback(one.kill)
        named = [word for one in replicas for word in ("--part", f"{one.part}={one.url}")]
        port = free_port()
        front = started("--parts", str(parts.root), *named, "--port", str(port), "--hedge", "0.1")
        stack.callback(front.wait)
        stack.callback(front.kill)
        until(lambda: all(ready(one.url) for one in replicas), 120)
        until(lambda: ready(f"http://127.0.0.1:{port}"), 60)
        yield replicas, f"http://127.0.0.1:{port}"


@pytest.mark.long
def test_every_answer_is_that_of_one_move_whoever_is_killed(tmp_path: Path) -> None:
    parts = PartSet.create(tmp_path / "set")
    for seed, name in enumerate(("a", "b")):
        parts.add(name)
        build(parts, name, seed)
    right: dict[int, list[Any]] = {}

    def publish() -> None:
        number = parts.publish(force_reason=FORCE).number
        with xa.open(parts.root, "cpu") as whole:
            right[number] = [(hit.chunk_id, hit.score) for hit in whole.search(QUERY, 8)]

    publish()
    chosen = random.Random(18)
    refused, served = 0, set()
    with site(parts) as (replicas, url), httpx.Client(base_url=url, timeout=30) as client:

        def asked(times: int) -> None:
            nonlocal refused
            for _ in range(times):
                answer = client.post("/v1/search", json={"query": QUERY, "k": 8})
                if answer.status_code == 503:
                    refused += 1
                    continue
                said = answer.json()
                assert answer.status_code == 200 and said["partial"] == [], answer.text
                assert [(one["chunk_id"], one["score"]) for one in said["hits"]] == right[said["generation"]]
                named = {name: one.generation for name, one in parts.moves()[said["generation"] - 1].parts.items()}
                assert said["parts"] == named
                served.add(said["generation"])

        for number in range(ROUNDS):
            victim = chosen.choice(replicas)
            victim.kill()
            asked(5)
            if number % 3 == 1:
                build(parts, chosen.choice("ab"), 100 + number)
                publish()
            asked(5)
            victim.start()
            until(lambda one=victim: ready(one.url), 120)  # type: ignore[misc]
            asked(5)
        # One of two replicas was always there: what was refused is a question or two beside a move.
        assert served == set(right) and refused <= ROUNDS, (served, refused)
        until(lambda: ready(url), 30)
        time.sleep(1.5)
        answer = client.post("/v1/search", json={"query": QUERY, "k": 8})
        assert answer.json()["generation"] == max(right)
        for one in replicas:
            if one.part == "b":
                one.kill()
        lost = client.post("/v1/search", json={"query": QUERY, "k": 8})
        assert lost.status_code == 503 and "part b does not answer on any server" in lost.text
