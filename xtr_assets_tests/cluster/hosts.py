"""Hosts of this machine: each a network namespace with an address, a host name, a home and processes of its own."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

# Stories that run at the same time have hosts of their own.
PREFIX = f"xtra-{os.getpid()}-"
NETWORK = "10.77.0"


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@dataclass
class Host:
    """A host by name, with its number in the network and the folder that is its home."""

    name: str
    number: int
    home: Path
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def space(self) -> str:
        return f"{PREFIX}{self.name}"

    @property
    def address(self) -> str:
        return f"{NETWORK}.{self.number}"

    def start(self, name: str, command: Sequence[str], env: Mapping[str, str], user: str | None = None) -> None:
        """Start a process in a session of its own; its output goes to `<home>/<name>.log`."""
        inner = 'hostname "$1"; shift; exec "$@"'
        as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"] if user else []
        words = ["ip", "netns", "exec", self.space, "unshare", "--uts", "sh", "-c", inner, "sh", self.name]
        with (self.home / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                [*words, *as_user, *command],
                cwd=self.home,
                env={**os.environ, **env, "HOME": str(self.home)},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self, name: str) -> None:
        """SIGKILL to a process and all of its session, at once: what a power cut does to them."""
        process = self.running.pop(name)
        for member in _session(process.pid):
            with suppress(ProcessLookupError):
                os.kill(member, signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        """End all that runs here."""
        for process in self.running.values():
            for member in _session(process.pid):
                with suppress(ProcessLookupError):
                    os.kill(member, signal.SIGTERM)
        deadline = time.monotonic() + 10
        for name, process in list(self.running.items()):
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))
            self.kill(name)

    def cut(self) -> None:
        """Take the host's cable out."""
        _ip("-n", self.space, "link", "set", "eth0", "down")

    def mend(self) -> None:
        """Put it back."""
        _ip("-n", self.space, "link", "set", "eth0", "up")


def _session(leader: int) -> list[int]:
    """The processes of a session."""
    members = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            with suppress(OSError, IndexError, ValueError):
                if int((path / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[3]) == leader:
                    members.append(int(path.name))
    return members


@contextmanager
def network(folder: Path, names: Sequence[str]) -> Iterator[list[Host]]:
    """Hosts on one network; the first has the switch. All that they run ends with the block."""
    hosts = [Host(name, number, folder / name) for number, name in enumerate(names, 1)]
    hub = hosts[0]
    try:
        for host in hosts:
            host.home.mkdir(parents=True)
            _ip("netns", "add", host.space)
            _ip("-n", host.space, "link", "set", "lo", "up")
        _ip("-n", hub.space, "link", "add", "switch", "type", "bridge")
        _ip("-n", hub.space, "addr", "add", f"{hub.address}/24", "dev", "switch")
        _ip("-n", hub.space, "link", "set", "switch", "up")
        for host in hosts[1:]:
            port = f"port{host.number}"
            _ip("-n", hub.space, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", host.space)
            _ip("-n", hub.space, "link", "set", port, "master", "switch", "up")
            _ip("-n", host.space, "addr", "add", f"{host.address}/24", "dev", "eth0")
            _ip("-n", host.space, "link", "set", "eth0", "up")
        yield hosts
    finally:
        for host in hosts[::-1]:
            host.stop()
        for host in hosts:
            with suppress(subprocess.CalledProcessError):
                _ip("netns", "del", host.space)
