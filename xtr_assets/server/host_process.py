"""What a process that only serves asks of its system: files enough, and an orderly end when its terminal goes."""

import logging
import resource
import signal
import threading
from typing import Any

log = logging.getLogger(__name__)

# Beside one for each connection: those of warehouses while they are opened (hashing reads some at a time), of logs.
OWN_FILES = 512


def enough_files(connections: int) -> None:
    """Raise the soft limit of open files to what so many connections need, as far as the hard one goes.

    Many systems begin with 1,024, for programs that use `select`. Where a thousand clients took them, no pointer was
    read and no generation opened.
    """
    wanted = connections + OWN_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    given = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (given, hard))
    if given < wanted:
        log.warning("%d files may be open, %d connections want %d; raise the hard limit", given, connections, wanted)


def end_on_hang_up(server: Any) -> None:
    """A terminal that is closed ends a uvicorn server as SIGTERM does, and not in the middle of an answer; what was
    started by nohup goes on."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, lambda *_: server.handle_exit(signal.SIGTERM, None))
