"""What the cluster goes through, and what has to be true in the end. Nobody asks for a run: the daemon's sensors do."""

import os
import shutil
import sys
import sysconfig
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg

import xtr_assets
from xtr_assets.core.errors import XtrAssetsError
from xtr_assets.search.searcher import Searcher
from xtr_assets.storage.run_mark import read_mark
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.cluster.hosts import Host, network
from xtr_assets_tests.cluster.services import start_postgres, start_redis, wait_for

ROOT = Path(xtr_assets.__file__).parents[1]
SHIPPED = ROOT / "deploy" / "dagster" / "celery"
SHARDS = 8
WORKERS = ("one", "two")
# Runs at a time on a host; the shipped dagster.yaml lets four go on at a time.
SLOTS = 2
PATIENCE_SECONDS = float(os.environ.get("XTR_ASSETS_CLUSTER_PATIENCE", "900"))
CUT_SECONDS = 60.0
# Functions of a module beside the first.
DIALS = 20
# What a service manager takes to start a worker again.
RESTART_SECONDS = 15.0

CONFIG = f"""
name: spread
warehouse: warehouse
sources:
  - {{name: lib, kind: python, path: lib, shards: {SHARDS}}}
encoder: {{kind: hashing}}
recall: {{queries: 20}}
"""
WORKSPACE = "load_from:\n  - python_module: {module_name: xtr_assets.definitions, location_name: xtr_assets}\n"
STATUS = dg.DagsterRunStatus


@dataclass
class Cluster:
    """A hub with the services and the daemon, two workers, and the folder that all of them see."""

    folder: Path
    hub: Host
    workers: dict[str, Host]
    instance: dg.DagsterInstance
    env: dict[str, str]
    # Which host executed a run, and which hosts were seen at work at the same moment.
    hosts_of: dict[str, str] = field(default_factory=dict)
    together: set[frozenset[str]] = field(default_factory=set)
    # What was written, by symbol, and what of it is searched for in the end.
    written: dict[str, str] = field(default_factory=dict)
    asked: dict[str, str] = field(default_factory=dict)

    @property
    def warehouse(self) -> Warehouse:
        return Warehouse.open(self.folder / "warehouse")

    def start_worker(self, name: str) -> None:
        """A Celery worker of `SLOTS` processes on a host, with the shipped configuration."""
        host = self.workers[name]
        options = ["worker", "--concurrency", str(SLOTS), "-Q", "dagster", "-n", f"worker@{name}", "-l", "INFO"]
        host.start("worker", [sys.executable, "-m", "celery", "-A", "dagster_celery.app", *options], self._env(host))

    def start_daemon(self) -> None:
        daemon = Path(sys.executable).with_name("dagster-daemon")
        command = [str(daemon), "run", "-w", str(self.folder / "workspace.yaml")]
        self.hub.start("daemon", command, self._env(self.hub))

    def _env(self, host: Host) -> dict[str, str]:
        home = host.home / "dagster"
        home.mkdir(exist_ok=True)
        shutil.copy(SHIPPED / "dagster.yaml", home)
        return {**self.env, "DAGSTER_HOME": str(home)}

    def look(self) -> list[tuple[dg.DagsterRun, str]]:
        """Runs that a worker executes now, each with its host."""
        seen = []
        for run in self.instance.get_runs(dg.RunsFilter(statuses=[STATUS.STARTED])):
            mark = read_mark(self.warehouse.layout, run.run_id)
            if mark is not None and mark.held:
                host = mark.holder.removeprefix("host ").partition(",")[0]
                self.hosts_of[run.run_id] = host
                seen.append((run, host))
        self.together |= {frozenset((a, b)) for _, a in seen for _, b in seen if a != b}
        return seen

    def write(self, phase: str, count: int) -> None:
        """New modules, a few for each shard, with enough in each that a step takes a second or two."""
        for number in range(count):
            gauge = f"{phase}_number_{number}"
            told = {gauge: f"The {phase} gauge number {number} is read from the boiler."}
            told |= {
                f"{gauge}_dial_{n}": f"Dial {n * 7919} of {gauge} turns valve {n} of {phase}." for n in range(DIALS)
            }
            functions = [f'def {symbol}():\n    """{text}"""\n' for symbol, text in told.items()]
            (self.folder / "lib" / f"{gauge}.py").write_text("\n".join(functions))
            self.written |= told
            self.asked |= {gauge: told[gauge]}

    def caught(self, job: str, step: str) -> tuple[dg.DagsterRun, str]:
        """Wait for a run of the job in the middle of a step; (the run, its host)."""
        found: list[tuple[dg.DagsterRun, str]] = []

        def look() -> bool:
            for run, host in self.look():
                if run.job_name == job and self._within(run, step):
                    found.append((run, host))
            return bool(found)

        wait_for(f"a run of {job} within {step}", look, PATIENCE_SECONDS, every=0.05)
        return found[0]

    def _within(self, run: dg.DagsterRun, step: str) -> bool:
        kinds = {dg.DagsterEventType.STEP_START, dg.DagsterEventType.STEP_SUCCESS}
        events = [e for e in self.instance.all_logs(run.run_id, of_type=kinds) if step in str(e.step_key)]
        return len(events) == 1

    def settled(self) -> float:
        """Wait until all that was written is served, and no run goes on; seconds."""
        return wait_for("everything is published", self._settled, PATIENCE_SECONDS, every=0.3)

    def _settled(self) -> bool:
        self.look()
        if self.instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
            return False
        return set(self.written) <= set(self.symbols())

    def symbols(self) -> Counter[str]:
        try:
            generation = self.warehouse.published
        except XtrAssetsError:
            return Counter()
        return Counter() if generation is None else Counter(generation.chunk_table(["symbol"])["symbol"].to_pylist())


UNFINISHED = [STATUS.QUEUED, STATUS.NOT_STARTED, STATUS.STARTING, STATUS.STARTED, STATUS.CANCELING]


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """All of it, running; ended with the block."""
    modules = folder / "lib"
    modules.mkdir()
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
        shutil.copy(path, modules)
    (folder / "xtr.yaml").write_text(CONFIG)
    (folder / "workspace.yaml").write_text(WORKSPACE)
    with network(folder / "hosts", ("hub", *WORKERS)) as (hub, *workers):
        start_redis(hub)
        url = start_postgres(hub)
        env = {
            "DAGSTER_POSTGRES_URL": f"postgresql+psycopg2://dagster@{hub.address}:5432/dagster",
            "DAGSTER_BROKER_URL": f"redis://{hub.address}:6379/0",
            "XTR_ASSETS_CONFIG": str(folder / "xtr.yaml"),
            "PYTHONPATH": os.pathsep.join([str(SHIPPED), str(ROOT)]),
            "OMP_NUM_THREADS": "1",
        }
        here = folder / "story"
        here.mkdir()
        shutil.copy(SHIPPED / "dagster.yaml", here)
        os.environ |= {"DAGSTER_HOME": str(here), "DAGSTER_POSTGRES_URL": url, "DAGSTER_BROKER_URL": "redis://unused"}
        with dg.DagsterInstance.get() as instance:
            made = Cluster(folder, hub, dict(zip(WORKERS, workers, strict=True)), instance, env)
            for name in WORKERS:
                made.start_worker(name)
            made.start_daemon()
            yield made


def told(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", flush=True)


def first_build(there: Cluster) -> None:
    """Shards are ingested on both hosts at the same time, rebuilt and published."""
    there.write("first", 16)
    seconds = there.settled()
    ingests = [r for r in there.instance.get_runs(dg.RunsFilter(job_name="ingest")) if r.status == STATUS.SUCCESS]
    by_host = Counter(there.hosts_of.get(run.run_id, "not seen") for run in ingests)
    told(f"first generation after {seconds:.0f} s; ingest runs by host: {dict(by_host)}")
    assert {run.tags["dagster/partition"] for run in ingests} == {f"lib-{n}" for n in range(SHARDS)} or len(
        ingests
    ) >= SHARDS
    assert min(by_host[name] for name in WORKERS) >= SHARDS // 2 - 1, by_host
    assert frozenset(WORKERS) in there.together, "no moment at which both hosts executed runs"


def kill_within(there: Cluster, phase: str, job: str, step: str) -> None:
    """A host dies in the middle of a step, and its worker is started again a little later."""
    there.write(phase, 16)
    run, host = there.caught(job, step)
    there.workers[host].kill("worker")
    told(f"{phase}: {host} was killed within {step} of {run.job_name} {run.run_id[:8]}")
    time.sleep(RESTART_SECONDS)
    there.start_worker(host)
    seconds = there.settled()
    ended = there.instance.get_run_by_id(run.run_id)
    assert ended is not None
    told(f"{phase}: all is published after {seconds:.0f} s; the killed run: {ended.status.value}")
    assert ended.status == STATUS.FAILURE


def cut_off(there: Cluster) -> None:
    """A host that executes a run loses the network, to broker and database, for a minute."""
    there.write("cut", 16)
    run, host = there.caught("ingest", "chunks")
    there.workers[host].cut()
    told(f"cut: {host} has no network within {run.job_name} {run.run_id[:8]}")
    time.sleep(CUT_SECONDS)
    there.workers[host].mend()
    seconds = there.settled()
    ended = there.instance.get_run_by_id(run.run_id)
    told(f"cut: all is published after {seconds:.0f} s; the run that was cut off: {ended and ended.status.value}")


def nothing_twice(there: Cluster) -> None:
    """What was written is found, each once; each generation was published once; every byte is as it was written."""
    symbols = there.symbols()
    assert {name: symbols[name] for name in there.written} == dict.fromkeys(there.written, 1)
    warehouse = there.warehouse
    generation = warehouse.published
    assert generation is not None
    ids = generation.chunk_table(["chunk_id"])["chunk_id"].to_pylist()
    assert len(ids) == len(set(ids))
    history = [(entry.action, entry.generation) for entry in warehouse.history()]
    assert history == sorted(set(history), key=lambda one: one[1] or 0), history
    assert {action for action, _ in history} == {"published"}
    with Searcher(warehouse, "cpu") as searcher:
        lost = [name for name, text in there.asked.items() if searcher.search(text, 1)[0].symbol != name]
    assert lost == []
    assert warehouse.verify().ok
    runs = there.instance.get_runs()
    by_content: dict[str, int] = defaultdict(int)
    for one in runs:
        if one.status == STATUS.SUCCESS and one.job_name == "ingest":
            by_content[one.tags["dagster/sensor_name"] + one.tags["dagster/run_key"].rpartition(":")[0]] += 1
    told(f"runs: {dict(Counter((r.job_name, r.status.value) for r in runs))}; history: {len(history)} publishes")
    assert max(by_content.values()) == 1, {key: n for key, n in by_content.items() if n > 1}


def live(folder: Path) -> None:
    """The whole story; raises where something is not as it has to be."""
    with cluster(folder) as there:
        first_build(there)
        kill_within(there, "encoding", "ingest", "encode")
        kill_within(there, "rebuild", "rebuild", "xtr_index")
        cut_off(there)
        nothing_twice(there)
