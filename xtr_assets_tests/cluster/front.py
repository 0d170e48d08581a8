"""`make test-front`: a front and two hosts that serve the parts of a set, as deploy/kubernetes runs them, under load.

Servers are killed, a host loses the network, and moves are pushed meanwhile. Root on Linux; some five minutes.
"""

import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import xtr_assets as xa
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets_tests.cluster.asker import QUERIES
from xtr_assets_tests.cluster.hosts import Host, network
from xtr_assets_tests.cluster.services import wait_for
from xtr_assets_tests.server.test_part_front import FORCE, build

PARTS = ("a", "b", "c")
TOKEN = "a-token-of-the-front"
ENV = {"XTR_ASSETS_TOKENS": f"front {TOKEN}", "XTR_ASSETS_TOKEN": TOKEN, "XTR_ASSETS_PROGRESS": "silent"}
ROUNDS, CUT_SECONDS = 12, 5.0
# Of questions while each part had a server: those that met a move, or a server in the moment of its death.
MOST_REFUSED = 0.02
FRONT_PORT, PATIENCE_SECONDS = 8080, 180.0


@dataclass
class Story:
    """The set where it is built, its store, the hub with the front, and two hosts with every part on each."""

    folder: Path
    parts: PartSet
    hub: Host
    hosts: Sequence[Host]
    right: dict[int, dict[str, list[Any]]] = field(default_factory=dict)
    named: dict[int, dict[str, int]] = field(default_factory=dict)

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def answers(self) -> Path:
        return self.hub.home / "answers.jsonl"

    def publish(self, part: str, seed: int) -> int:
        """A change in a part, moved and pushed; the move, whose answers are known then."""
        build(self.parts, part, seed)
        joined = self.parts.publish(force_reason=FORCE)
        with xa.open(self.parts.root, "cpu") as whole:
            found = {one: whole.search(one, 8) for one in QUERIES}
        self.right[joined.number] = {one: [[h.chunk_id, h.score] for h in hits] for one, hits in found.items()}
        self.named[joined.number] = {name: state.generation for name, state in joined.move.parts.items()}
        self.parts.push(self.store)
        return joined.number

    def follow(self, host: Host, words: Sequence[str]) -> None:
        """What the container `follow` does."""
        place = ["--warehouse", str(host.home / "set")]
        host.start("follow", [*command("pull"), str(self.store), *place, *words, "--follow", "1"], ENV)

    def serve(self, host: Host, part: str) -> None:
        """What the container `server` of a part does."""
        folder = host.home / "set" / "parts" / part
        words = ["--host", "0.0.0.0", "--port", str(port(part)), "--index", f"{part}={folder}", "--recall-share", "0"]
        host.start(part, [*command("serve"), *words, "--device", "cpu"], ENV)

    def serve_front(self) -> None:
        """What the front's container does."""
        named = [f"--part={part}=http://{host.address}:{port(part)}" for part in PARTS for host in self.hosts]
        words = [f"--parts={self.hub.home / 'set'}", "--host=0.0.0.0", f"--port={FRONT_PORT}", *named]
        self.hub.start("front", [*command("serve"), *words], ENV)

    def ready(self, address: str, at: int) -> bool:
        """Whether a server says so to the hub."""
        code = "import sys, urllib.request as u; u.urlopen(sys.argv[1], timeout=3)"
        words = [
            "ip",
            "netns",
            "exec",
            self.hub.space,
            sys.executable,
            "-S",
            "-c",
            code,
            f"http://{address}:{at}/readyz",
        ]
        return subprocess.run(words, capture_output=True).returncode == 0

    def wait_for_servers(self) -> None:
        """Until each host serves each part."""
        for host in self.hosts:
            for part in PARTS:
                ready = partial(self.ready, host.address, port(part))
                wait_for(f"{part} on {host.name}", ready, PATIENCE_SECONDS)

    def lines(self) -> list[dict[str, Any]]:
        """What was answered so far."""
        text = self.answers.read_text() if self.answers.exists() else ""
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def served(self, number: int) -> bool:
        """Whether the last answers are of a move."""
        last = [one for one in self.lines()[-6:] if one["status"] == 200]
        return bool(last) and all(one["answer"]["generation"] == number for one in last)


def command(name: str) -> list[str]:
    return [sys.executable, "-c", "from xtr_assets.cli import main; main()", name]


def port(part: str) -> int:
    return FRONT_PORT + 1 + PARTS.index(part)


def live(folder: Path) -> None:
    """All of it. AssertionError where an answer is not that of one move."""
    parts = PartSet.create(folder / "set")
    for seed, part in enumerate(PARTS):
        parts.add(part)
        build(parts, part, seed)
    chosen = random.Random(18)
    with network(folder / "hosts", ("hub", "one", "two")) as (hub, *hosts):
        story = Story(folder, parts, hub, hosts)
        story.publish("a", 50)
        for host in hosts:
            story.follow(host, [word for part in PARTS for word in ("--part", part)])
        story.follow(hub, ["--moves"])
        for host in hosts:
            wait_for(f"the set on {host.name}", partial(has_all, host), PATIENCE_SECONDS)
            for part in PARTS:
                story.serve(host, part)
        wait_for("the moves", (hub.home / "set" / "parts.json").exists, PATIENCE_SECONDS)
        story.serve_front()
        story.wait_for_servers()
        wait_for("the front", lambda: story.ready(hub.address, FRONT_PORT), PATIENCE_SECONDS)
        stop = hub.home / "stop"
        words = [f"http://{hub.address}:{FRONT_PORT}", TOKEN, str(story.answers), str(stop)]
        hub.start("asker", [sys.executable, "-m", "xtr_assets_tests.cluster.asker", *words], ENV)
        began = time.time()
        for number in range(ROUNDS):
            _round(story, chosen, number)
        _until_served(story, max(story.right))
        quiet = time.time()
        tell(story, began, quiet)
        for host in hosts:
            host.kill("b")
        time.sleep(5)
        stop.touch()
        time.sleep(2)
        lost = [one for one in story.lines() if one["at"] > quiet + 2]
        assert lost and all(one["status"] == 503 and "part b" in str(one["answer"]) for one in lost), lost[:3]
        print(f"without any server of part b: {len(lost)} questions, each refused by that part's name", flush=True)


def has_all(host: Host) -> bool:
    return all((host.home / "set" / "parts" / part / "PUBLISHED").exists() for part in PARTS)


def _round(story: Story, chosen: random.Random, number: int) -> None:
    """A server dies, or who follows, or a host's network; every third time a move is pushed meanwhile."""
    host = chosen.choice(story.hosts)
    what = chosen.choice([*PARTS, *PARTS, "follow", "cut"])
    print(f"round {number}: {what} on {host.name}", flush=True)
    if what == "cut":
        host.cut()
    else:
        host.kill(what)
    pushed = story.publish(chosen.choice(PARTS), 100 + number) if number % 3 == 1 else 0
    time.sleep(CUT_SECONDS if what == "cut" else 2.0)
    if what == "cut":
        host.mend()
    elif what == "follow":
        story.follow(host, [word for part in PARTS for word in ("--part", part)])
    else:
        story.serve(host, what)
    story.wait_for_servers()
    if pushed:
        _until_served(story, pushed)


def _until_served(story: Story, number: int) -> None:
    wait_for(f"answers of move {number}", lambda: story.served(number), PATIENCE_SECONDS)


def tell(story: Story, began: float, ended: float) -> None:
    """Hold every answer against the move that it names."""
    lines = [one for one in story.lines() if one["at"] < ended]
    status = Counter(one["status"] for one in lines)
    moves: Counter[int] = Counter()
    for one in lines:
        said = one["answer"]
        if one["status"] == 503:
            assert any(f"part {part}" in str(said) for part in PARTS) or "move" in str(said), said
            continue
        assert one["status"] == 200, one
        number = said["generation"]
        assert [[hit["chunk_id"], hit["score"]] for hit in said["hits"]] == story.right[number][one["query"]], one
        assert said["parts"] == story.named[number] and said["partial"] == [], one
        moves[number] += 1
    assert set(moves) == set(story.right), (moves, set(story.right))
    took = sorted(one["took"] for one in lines if one["status"] == 200)
    refused = status[503] / len(lines)
    print(
        f"{len(lines)} questions in {ended - began:.0f} s over {len(moves)} moves: {status[200]} answered, each as one "
        f"index over the parts of its move; {status[503]} refused ({refused:.2%}); median "
        f"{took[len(took) // 2] * 1000:.0f} ms, 99 % within {took[int(len(took) * 0.99)] * 1000:.0f} ms",
        flush=True,
    )
    assert refused <= MOST_REFUSED, refused


def main() -> int:
    """Whoever ends the story ends its hosts with it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = Path(tempfile.mkdtemp(prefix="xtra-front-"))
    try:
        live(folder)
    except BaseException:
        print(f"failed; logs: {folder}/hosts/*/*.log", file=sys.stderr)
        raise
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
