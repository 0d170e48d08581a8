"""Dead runs: a run in the process that asked for it has nobody to report its end when that process dies."""

import os
import socket
from pathlib import Path

# Which process executes a run: host, number, and when it began, since numbers are given out again.
PROCESS_TAG = "xtr-assets/process"


def this_process() -> str:
    """The value of the tag for this process."""
    return f"{socket.gethostname()} {os.getpid()} {_began(os.getpid())}"


def is_gone(process: str) -> bool:
    """Whether the process of a tag has ended for certain: never said of one on another host."""
    host, _, rest = process.partition(" ")
    number, _, began = rest.partition(" ")
    if host != socket.gethostname() or not number.isdigit():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return _began(int(number)) != began


def _began(number: int) -> str:
    """Clock ticks from the machine's start to the process'; empty where the system does not tell."""
    try:
        # The name, in parentheses, may hold spaces; the 20th field after it is the 22nd of all.
        return Path(f"/proc/{number}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
