"""Dead runs: one whose process died has nobody to report its end, nor has one whose host died or was cut off."""

import os
import socket
from pathlib import Path

import dagster as dg

from xtr_assets.defs.context import INDEX_TAG
from xtr_assets.defs.jobs import GENERATIONS
from xtr_assets.defs.names import POINTER_JOBS, Names
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.run_mark import read_mark

# Which process executes a run: host, number, when it began, since numbers are given out again, and where that number
# means anything: containers may have the name of their host, and hosts the same one.
PROCESS_TAG = "xtr-assets/process"

# Between the last step of a run and its last event lies a moment; between its first event and its mark another. A
# minute is far more than both, and less than the wait before work is asked for again.
QUIET_SECONDS = 60.0
# A started run that never took a mark: killed within its first moment, or begun by a release that knows no marks. It
# may still be working; then its locks keep out whoever takes its place.
UNMARKED_SECONDS = 1800.0

STARTED = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def end_dead_runs(instance: dg.DagsterInstance, layout: Layout, names: Names, now: float) -> list[dg.DagsterRun]:
    """Tell Dagster of the runs of this index that no process executes any more: they would take a place among the runs
    that may go on at a time, and be waited for. Returns them. layout : where the runs leave their marks."""
    ended = []
    filters = dg.RunsFilter(statuses=STARTED, tags={INDEX_TAG: names.index})
    for record in instance.get_run_records(filters):
        cause = _dead(layout, names, record, now)
        # Its end may have been told while others were looked at.
        run = instance.get_run_by_id(record.dagster_run.run_id) if cause else None
        if run is not None and run.status in STARTED:
            instance.report_run_failed(run, f"{cause}. What it did not finish is asked for again.")
            ended.append(run)
    return ended


def _dead(layout: Layout, names: Names, record: dg.RunRecord, now: float) -> str:
    """Why no process can be executing a run; empty where one may."""
    mark = read_mark(layout, record.dagster_run.run_id)
    silent = now - record.update_timestamp.timestamp()
    if mark is None:
        if record.dagster_run.job_name not in {names.named(job) for job in ("ingest", *GENERATIONS, *POINTER_JOBS)}:
            return ""  # it may be one that writes nothing here
        return f"the run took no mark within {silent:.0f} s of its start" if silent > UNMARKED_SECONDS else ""
    if mark.held or min(silent, now - mark.at) <= QUIET_SECONDS:
        return ""
    return (
        f"no process holds the mark of the run, last held or taken {now - mark.at:.0f} s ago: it died, or was cut off"
    )


def this_process() -> str:
    """The value of the tag for this process."""
    return f"{socket.gethostname()} {os.getpid()} {_began(os.getpid())} {_numbered()}"


def is_gone(process: str) -> bool:
    """Whether the process of a tag has ended for certain: never said of one on another host, in another container, or
    from before the host started."""
    host, number, began, numbered = (*process.split(" "), "", "", "", "")[:4]
    # Releases before did not say where the number is one.
    if host != socket.gethostname() or not number.isdigit() or numbered not in ("", _numbered()):
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return _began(int(number)) != began


def _numbered() -> str:
    """The kernel as it was started, and whose numbers of processes these are; empty where the system does not tell."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink().name}"
    except OSError:
        return ""


def _began(number: int) -> str:
    """Clock ticks from the machine's start to the process'; empty where the system does not tell."""
    try:
        # The name, in parentheses, may hold spaces; the 20th field after it is the 22nd of all.
        return Path(f"/proc/{number}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
