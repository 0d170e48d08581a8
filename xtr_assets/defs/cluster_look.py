"""A look at the instance as a process begins: do the settings of its queue, launcher and monitor go together?"""

from collections.abc import Callable
from typing import Any

import dagster as dg

# Workers answer within milliseconds; those that are cut off are not waited for.
ANSWER_SECONDS = 2.0
# A worker loads the definitions and the encoder before its first step: 10 to 60 s from a cold disk.
LEAST_START_SECONDS = 60

_looked: set[str] = set()


def look_once(instance: dg.DagsterInstance, told: Callable[[str], None]) -> None:
    """Tell what contradicts, once a process and index' instance. Nothing is stopped: runs may still come through."""
    key = instance.root_directory if instance.is_persistent else ""
    if key in _looked or not instance.is_persistent:
        return
    _looked.add(key)
    for problem in contradictions(instance):
        told(problem)


def contradictions(instance: dg.DagsterInstance) -> list[str]:
    """What cannot work together, each with both values and the setting to change."""
    launcher: Any = instance.run_launcher
    # By name: the package of the launcher is there where somebody uses it.
    if type(launcher).__name__ != "CeleryRunLauncher":
        return []
    found = []
    if not instance.run_monitoring_enabled:
        found.append(
            "run_monitoring is off, and runs go to workers: one that is lost on its way is starting for ever, and a "
            "worker that dies fails no run; set `run_monitoring: {enabled: true}` in dagster.yaml"
        )
    elif instance.run_monitoring_start_timeout_seconds < LEAST_START_SECONDS:
        found.append(
            f"start_timeout_seconds is {instance.run_monitoring_start_timeout_seconds}, and a worker may load for "
            f"{LEAST_START_SECONDS} s before its first step; set it to 600 in `run_monitoring` of dagster.yaml"
        )
    backend = str(launcher.backend or "")
    if instance.run_monitoring_enabled and backend.startswith("rpc"):
        found.append(
            f"the launcher's backend is {backend!r}, which tells nobody else what became of a run, and run monitoring "
            "fails each run it cannot ask for; set `backend` to the broker's redis:// address"
        )
    limit = _most_runs(instance)
    slots = worker_slots(launcher)
    if limit is None:
        found.append(
            "runs go to the broker as they are asked for, and waiting there counts as starting; set "
            "`max_concurrent_runs` of a QueuedRunCoordinator in dagster.yaml to the slots of all workers"
        )
    elif slots == 0:
        found.append("no worker answers: start one for each host, or look whether it reaches the broker")
    elif slots is not None and limit > slots:
        found.append(
            f"max_concurrent_runs is {limit}, and the workers that answer have {slots} slots: what waits in the broker "
            f"for {instance.run_monitoring_start_timeout_seconds} s is failed though nothing is wrong with it; set "
            f"max_concurrent_runs to {slots} in dagster.yaml, or start more workers"
        )
    return found


def _most_runs(instance: dg.DagsterInstance) -> int | None:
    """How many runs the queue lets go on at a time; None where there is no queue or no limit."""
    if not isinstance(instance.run_coordinator, dg.QueuedRunCoordinator):
        return None
    limit = instance.get_concurrency_config().run_queue_config
    return None if limit is None or limit.max_concurrent_runs < 0 else limit.max_concurrent_runs


def worker_slots(launcher: Any) -> int | None:
    """Processes of all workers that answer; None where the broker cannot be asked."""
    try:
        answers = launcher.celery.control.inspect(timeout=ANSWER_SECONDS).stats() or {}
    except Exception:
        return None
    return sum(int(one.get("pool", {}).get("max-concurrency", 0)) for one in answers.values())
