"""Documents read by a process of their own, so that none of them can hang, crash or fill the process that builds."""

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from importlib.metadata import PackageNotFoundError
from typing import Any

from xtr_assets.core.chunking.blocks import Block, DocumentRefused
from xtr_assets.sources.installed_version import installed_version

# The libraries of the extra, by the suffix of what they read; the second one of HTML and PDF is the gate's. Without
# docutils reStructuredText is read all the same: its titles are found by line rules then.
TITLES = "docutils"
_HTML: tuple[str, ...] = ("lxml", "selectolax")
LIBRARIES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys((".html", ".htm", ".xhtml"), _HTML),
    **dict.fromkeys((".docx", ".odt", ".pptx", ".epub"), ("lxml",)),
    ".pdf": ("pypdf", "pypdfium2"),
}
# Of records, and so none of the kind `text`.
WORKBOOK, WORKBOOK_LIBRARIES = ".xlsx", ("lxml", "python-calamine")
INSTALL = "pip install 'xtr-assets[documents]'"

# Of one document. A PDF of 1,000 pages takes 5 to 50 s, the largest page of HTML that is read (32 MiB) 7, as much
# reStructuredText 45. Where a machine is so busy that this much CPU is not had in an hour, waiting ends all the same.
CPU_SECONDS, WALL_SECONDS = 120.0, 3600.0
# What died, or was told that no more comes, ends within this; else it is killed.
DYING_SECONDS = 0.2
# Address space; a page of 32 MB takes 1.2 GB of elements.
MEMORY_BYTES = 4 << 30


def versions() -> dict[str, str]:
    """The installed version of each library; "" where it is not installed."""
    return {name: _version(name) for name in sorted({TITLES, *(one for names in LIBRARIES.values() for one in names)})}


def reads_workbooks() -> bool:
    """Whether the libraries are installed."""
    return all(map(_version, WORKBOOK_LIBRARIES))


def _version(name: str) -> str:
    try:
        return installed_version(name)
    except PackageNotFoundError:
        return ""


class DocumentWorker:
    """The process, started when it is first asked and again after it died; one document at a time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = self._number = 0
        self._lock = threading.Lock()

    def read(self, suffix: str, data: bytes) -> list[Block]:
        """The blocks of a document. Raises DocumentRefused for what cannot be used, or reaches beyond a limit."""
        needed = WORKBOOK_LIBRARIES if suffix == WORKBOOK else LIBRARIES.get(suffix, (TITLES,))
        if missing := [name for name in needed if not _version(name)]:
            raise DocumentRefused("not-installed", f"{suffix} files need {' and '.join(missing)}: {INSTALL}")
        with self._lock:
            said = self._ask(suffix, data)
        if "refused" in said:
            raise DocumentRefused(*said["refused"])
        return [Block(*one) for one in said["blocks"]]

    def forked(self) -> None:
        """In a forked child: a lock that another thread held there is held by nobody here."""
        self._lock = threading.Lock()

    def close(self) -> None:
        with self._lock:
            if self._process is not None and self._process.stdin is not None:
                with suppress(OSError):
                    self._process.stdin.close()  # It ends by itself.
            self._end()

    def _ask(self, suffix: str, data: bytes) -> dict[str, Any]:
        process = self._running()
        assert process.stdin is not None and process.stdout is not None
        late = threading.Timer(WALL_SECONDS, process.kill)
        late.daemon = True
        late.start()
        self._number += 1
        limits = {"seconds": CPU_SECONDS, "memory": MEMORY_BYTES}
        request = {"number": self._number, "suffix": suffix, "bytes": len(data), **limits}
        said: dict[str, Any] = {}
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n" + data)
            process.stdin.flush()
            line = process.stdout.readline()
            said = json.loads(line) if line.endswith(b"\n") else {}
        except OSError:
            pass  # It died; how is told below.
        finally:
            late.cancel()
            # Also where we were interrupted: an answer that comes late would be taken for that of the next document.
            answered = said.get("number") == self._number
            code = 0 if answered else self._end()
        if not answered:
            raise DocumentRefused("beyond-limits", _epitaph(code))
        return said

    def _running(self) -> subprocess.Popen[bytes]:
        # A forked child has its parent's pipes, and must not speak into them.
        if self._process is not None and (self._owner != os.getpid() or self._process.poll() is not None):
            self._end()
        if self._process is None:
            command = [sys.executable, "-P", "-m", "xtr_assets.core.chunking.document_reader"]
            path = os.pathsep.join(entry for entry in sys.path if entry)
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": path},
            )
            self._owner = os.getpid()
        return self._process

    def _end(self) -> int:
        """End the process, and how it ended."""
        process, self._process = self._process, None
        if process is None:
            return 0
        if self._owner == os.getpid():
            with suppress(subprocess.TimeoutExpired):
                process.wait(DYING_SECONDS)
            process.kill()
            process.wait()
        else:
            process.returncode = 0  # Not ours to wait for.
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        return process.returncode or 0


def _epitaph(code: int) -> str:
    """Why the process that read a document died."""
    if code == -signal.SIGPROF:
        why = f"reading it takes more than {CPU_SECONDS:g} s of CPU"
    elif code == -signal.SIGKILL:
        why = f"reading it takes more than {WALL_SECONDS:g} s, or more memory than the machine has"
    else:
        why = f"its parser crashed on it (exit {code})"
    return f"{why}; split, save anew or exclude the file"


WORKER = DocumentWorker()
atexit.register(WORKER.close)
os.register_at_fork(after_in_child=WORKER.forked)
