"""`make test-ray`: deploy/ray-serve/parts.py on one machine, over loopback: equal answers, a move, a killed replica.

Ray is no package of these tests: `pip install 'ray[serve]'` beside them. Two minutes.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx

import xtr_assets as xa
from xtr_assets.search.request import MODES
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets_tests.cluster.asker import QUERIES
from xtr_assets_tests.cluster.services import wait_for
from xtr_assets_tests.server.test_part_front import FORCE, TOKEN, build, hits, local

URL = "http://127.0.0.1:8000"
SCRIPT = Path(__file__).parents[2] / "deploy" / "ray-serve" / "parts.py"
# Loopback alone, and no dashboard; the cluster ends with this process.
START = """
import runpy, sys, ray
ray.init(_node_ip_address="127.0.0.1", include_dashboard=False, num_cpus=8, object_store_memory=200 * 2**20,
         _temp_dir=sys.argv[2], logging_level="warning")
runpy.run_path(sys.argv[1], run_name="__main__")
"""
THREADS, PATIENCE_SECONDS, LOAD_SECONDS = 3, 180.0, 30.0


@contextmanager
def served(root: Path, folder: Path) -> Iterator[int]:
    """The process that started Ray and the deployments; it is ended after."""
    env = {**os.environ, "XTR_ASSETS_SET": str(root), "XTR_ASSETS_TOKEN": TOKEN, "RAY_USAGE_STATS_ENABLED": "0"}
    env |= {"XTR_ASSETS_TOKENS": f"front {TOKEN}"}
    command = [sys.executable, "-c", START, str(SCRIPT), str(folder / "ray")]
    with (folder / "log").open("w") as log, subprocess.Popen(command, env=env, stdout=log, stderr=log) as process:
        try:
            yield process.pid
        finally:
            process.terminate()
            process.wait()


def ask(client: httpx.Client, query: str, mode: str = "hybrid", **more: Any) -> httpx.Response:
    return client.post(f"{URL}/v1/search", json={"query": query, "k": 7, "mode": mode, **more})


def compared(client: httpx.Client, root: Path) -> int:
    """Questions in every mode, each held against one process over the whole set."""
    count = 0
    with xa.open(root, "cpu") as whole:
        for mode in MODES:
            for query in QUERIES:
                for where in (None, {"source": "b"}):
                    assert hits(ask(client, query, mode, where=where)) == local(whole, query, 7, mode, where)
                    count += 1
    return count


def replicas(part: str, ancestor: int) -> list[int]:
    """Processes of a part's replicas that descend from this one."""
    listed = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(maxsplit=2) for line in listed.splitlines()[1:]]
    parents = {int(pid): int(parent) for pid, parent, *_ in rows}
    found = []
    for pid, _, *args in rows:
        above = int(pid)
        while above in parents and above != ancestor:
            above = parents[above]
        if above == ancestor and args and f"ServeReplica:{part}:" in args[0]:
            found.append(int(pid))
    return found


def killed(pid: int) -> Counter[int]:
    """By status, what clients got while a replica was killed under load."""
    codes: Counter[int] = Counter()
    end = time.monotonic() + LOAD_SECONDS

    def work() -> None:
        with httpx.Client(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60) as client:
            while time.monotonic() < end:
                codes[ask(client, QUERIES[0]).status_code] += 1

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for one in threads:
        one.start()
    time.sleep(LOAD_SECONDS / 6)
    os.kill(pid, signal.SIGKILL)
    for one in threads:
        one.join()
    return codes


def main() -> None:
    if find_spec("ray") is None:
        raise SystemExit("ray is not installed; `pip install 'ray[serve]'` in the environment of the tests")
    folder = Path(tempfile.mkdtemp(prefix="xtr-ray-"))
    try:
        parts = PartSet.create(folder / "set")
        for seed, name in enumerate(("a", "b")):
            parts.add(name)
            build(parts, name, seed)
        parts.publish(force_reason=FORCE)
        with served(parts.root, folder) as pid, httpx.Client(timeout=60) as client:
            client.headers["Authorization"] = f"Bearer {TOKEN}"
            wait_for("the front", lambda: _ready(client), PATIENCE_SECONDS)
            print(f"{compared(client, parts.root)} questions are answered as one process answers them")
            build(parts, "a", 9)
            parts.publish(force_reason=FORCE)
            wait_for("move 2", lambda: ask(client, QUERIES[0]).json()["generation"] == 2, PATIENCE_SECONDS)
            print(f"after a move {compared(client, parts.root)} more")
            before = replicas("a", pid)
            codes = killed(before[0])
            print(f"a replica of {len(before)} was killed: answers by status {dict(codes)}")
            assert set(codes) == {200}, (folder / "log").read_text()[-4000:]
            wait_for("another replica", lambda: len(set(replicas("a", pid)) - {before[0]}) >= 2, PATIENCE_SECONDS)
            print(f"then {compared(client, parts.root)} more")
    finally:
        shutil.rmtree(folder)


def _ready(client: httpx.Client) -> bool:
    try:
        return client.get(f"{URL}/readyz").status_code == 200
    except httpx.HTTPError:
        return False


if __name__ == "__main__":
    main()
