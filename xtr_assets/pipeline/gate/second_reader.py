"""Documents are read a second time by a process of their own: one that was made to stop a parser stops that process.

Its parsers are others than those of the build (document_evidence.py), so a document that the build read without harm
may hang or crash them. Without this one such file would end every gate, and nothing would be published any more.
"""

import json
import os
import pickle
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from xtr_assets.pipeline.gate.document_evidence import document_faults, refusal_faults
from xtr_assets.pipeline.gate.text_evidence import Row

if TYPE_CHECKING:
    from xtr_assets.config import SourceConfig

# Of one document: 100 pages of PDF take 5 s, a page of HTML of 32 MiB with its rows 20. Where a machine is so busy that
# this much CPU is not had in the second time, waiting ends.
CPU_SECONDS, WALL_SECONDS = 120.0, 1200.0
# Address space of the process.
MEMORY_BYTES = 4 << 30


def _workbook_faults(*arguments: Any) -> Iterator[str]:
    # What holds records against rows imports Arrow, of which documents need nothing: 0.3 s and 300 MB of addresses.
    from xtr_assets.pipeline.gate.workbook_evidence import workbook_faults

    return workbook_faults(*arguments)


_QUESTIONS: dict[str, Callable[..., Iterator[str]]] = {
    "document": document_faults,
    "refusal": refusal_faults,
    "workbook": _workbook_faults,
}


class Unread(Exception):
    """The process ended over a document: of what it says nothing is known."""


class SecondReader:
    """The process, started when it is first asked and again after it died. Not for two threads at a time."""

    def __init__(self, cpu_seconds: float = CPU_SECONDS, wall_seconds: float = WALL_SECONDS) -> None:
        self.cpu_seconds, self.wall_seconds = cpu_seconds, wall_seconds
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def document_faults(self, path: str, data: bytes, rows: Sequence[Row], pages: int) -> list[str]:
        """`document_evidence.document_faults`. Raises Unread."""
        return self._ask("document", (path, data, list(rows), pages))

    def refusal_faults(self, path: str, data: bytes, reasons: set[str]) -> list[str]:
        """`document_evidence.refusal_faults`. Raises Unread."""
        return self._ask("refusal", (path, data, reasons))

    def workbook_faults(
        self, path: str, data: bytes, rows: Sequence[Row], quarantined: set[int], config: "SourceConfig"
    ) -> list[str]:
        """`workbook_evidence.workbook_faults`. Raises Unread."""
        return self._ask("workbook", (path, data, list(rows), quarantined, config))

    def _ask(self, question: str, arguments: tuple[Any, ...]) -> list[str]:
        process = self._running()
        assert process.stdin is not None and process.stdout is not None
        request = pickle.dumps((question, arguments, self.cpu_seconds))
        line = b""
        # Of the whole: one that hangs before it reads leaves its question in the pipe, and whoever writes it waits.
        ends = threading.Timer(self.wall_seconds, process.kill)
        ends.daemon = True
        ends.start()
        try:
            with suppress(OSError):
                process.stdin.write(len(request).to_bytes(8, "little") + request)
                process.stdin.flush()
                # Nobody else speaks on this pipe, and the one line comes whole or not at all.
                line = process.stdout.readline()
        finally:
            ends.cancel()
        if not line.endswith(b"\n"):
            raise Unread(_epitaph(self._end(), self))
        said = json.loads(line)
        if "error" in said:
            raise Unread(f"its second reader fails on it ({said['error']})")
        return [str(one) for one in said["faults"]]

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._end()
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "xtr_assets.pipeline.gate.second_reader"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env={**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)},
                )
            except OSError as error:
                raise Unread(f"its second reader cannot be started ({error})") from error
        return self._process

    def _end(self) -> int:
        """End the process, and how it ended: 0 where it was still well."""
        process, self._process = self._process, None
        if process is None:
            return 0
        code = process.poll()
        process.kill()
        code = process.wait() if code is None else code
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        return code


def _epitaph(code: int, limits: SecondReader) -> str:
    if code == -signal.SIGPROF:
        return f"its second reader takes more than {limits.cpu_seconds:g} s of CPU"
    if code == -signal.SIGKILL:
        return f"its second reader takes more than {limits.wall_seconds:g} s, or more memory than the machine has"
    return f"its second reader crashed on it (exit {code})"


def main() -> None:
    """Serve until the input ends."""
    requests = sys.stdin.buffer
    # Answers have a descriptor of their own: what a library prints goes nowhere.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    if sys.platform == "linux":  # macOS takes the limit and keeps none.
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        allowed = MEMORY_BYTES if most == resource.RLIM_INFINITY else min(MEMORY_BYTES, most)
        resource.setrlimit(resource.RLIMIT_AS, (allowed, most))
    while head := requests.read(8):
        # From the gate alone, which started this process.
        question, arguments, seconds = pickle.loads(requests.read(int.from_bytes(head, "little")))
        # Seconds of CPU, whatever else the machine does; nothing in C can hold the signal off, and it ends us.
        signal.setitimer(signal.ITIMER_PROF, seconds)
        try:
            said: dict[str, object] = {"faults": list(_QUESTIONS[question](*arguments))}
        except Exception as error:
            said = {"error": f"{type(error).__name__}: {error!s:.200}"}
        signal.setitimer(signal.ITIMER_PROF, 0)
        answers.write(json.dumps(said).encode() + b"\n")
        answers.flush()
        del arguments, said


if __name__ == "__main__":
    main()
