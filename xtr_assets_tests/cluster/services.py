"""What Debian brings: Redis and PostgreSQL, started on a host and waited for."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from xtr_assets_tests.cluster.hosts import Host

NEEDED = {"redis-server": "redis-server", "ip": "iproute2", "unshare": "util-linux", "setpriv": "util-linux"}
# The server refuses to run as root.
POSTGRES_USER = "postgres"


def missing() -> list[str]:
    """Packages of Debian that are needed and not there."""
    packages = [package for program, package in NEEDED.items() if shutil.which(program) is None]
    return sorted({*packages, *(["postgresql"] if _postgres("initdb") is None else [])})


def install(packages: list[str]) -> None:
    """Install packages of Debian; needs root."""
    subprocess.run(["apt-get", "update", "-qq"], check=True)
    subprocess.run(
        ["apt-get", "install", "-y", "-qq", *packages],
        check=True,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
    )


def _postgres(program: str) -> str | None:
    """A program of the server; Debian keeps them off the path."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    return str(found[-1]) if found else shutil.which(program)


def start_redis(host: Host) -> None:
    """Redis on the host's address, and on a socket in its home."""
    socket = host.home / "redis.sock"
    command = ["redis-server", "--bind", "0.0.0.0", "--protected-mode", "no", "--unixsocket", str(socket), "--save", ""]
    host.start("redis", command, {})
    wait_for("Redis", socket.exists, 30)


def start_postgres(host: Host) -> str:
    """PostgreSQL with a database `dagster`. Returns a URL that reaches it from outside of the network."""
    data = host.home / "postgres"
    data.mkdir()
    # Its folders above are those of root, and only to be passed through.
    shutil.chown(data, POSTGRES_USER, POSTGRES_USER)
    as_user = ["setpriv", f"--reuid={POSTGRES_USER}", f"--regid={POSTGRES_USER}", "--init-groups"]
    initdb, server = _postgres("initdb"), _postgres("postgres")
    assert initdb is not None
    assert server is not None
    made = [*as_user, initdb, "-D", str(data / "base"), "-U", "dagster", "--auth=trust", "--no-sync"]
    subprocess.run(made, check=True, capture_output=True, cwd=data)
    with (data / "base" / "pg_hba.conf").open("a") as file:
        file.write("host all all 10.77.0.0/24 trust\n")
    command = [server, "-D", str(data / "base"), "-k", str(data), "-h", "0.0.0.0", "-c", "fsync=off"]
    host.start("postgres", command, {}, POSTGRES_USER)
    make = ["createdb", "-h", str(data), "-U", "dagster", "dagster"]
    wait_for("PostgreSQL", lambda: subprocess.run(make, capture_output=True).returncode == 0, 60)
    return f"postgresql+psycopg2://dagster@/dagster?host={data}"


def wait_for(what: str, look: Callable[[], bool], seconds: float, every: float = 0.5) -> float:
    """Seconds until `look` said so; TimeoutError past `seconds`."""
    started = time.monotonic()
    while not look():
        if time.monotonic() - started > seconds:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(every)
    return time.monotonic() - started
