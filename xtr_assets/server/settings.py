"""Everything a server is started with, as plain values: they go to processes that are spawned, and become a server."""

from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

import uvicorn

from xtr_assets.pipeline.queries.question_log import QuestionLog
from xtr_assets.server import heap
from xtr_assets.server.bearers import Bearers
from xtr_assets.server.host_process import enough_files
from xtr_assets.server.hosted_index import LEASE_SECONDS, HostedIndex
from xtr_assets.server.limits import Limits
from xtr_assets.server.live_recall import BUDGET, SHARE, LiveRecall
from xtr_assets.server.query_log import QueryLog, find_redact
from xtr_assets.server.runner import Address, names_for, uvicorn_server
from xtr_assets.server.worker_leases import WorkerLeases
from xtr_assets.storage.remote.store_cache import CacheOptions
from xtr_assets.telemetry.shared_metrics import SharedMetrics


@dataclass(frozen=True, slots=True)
class KeptLog:
    """Where the questions to an index are kept, and how many bytes of them."""

    index: str
    folder: Path
    most_bytes: int


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What the options of `serve` say.

    indexes : (name, warehouse or address of a store) each. threads : searches at a time, of each worker. workers :
    processes, 1 for this one. cache : where stores are read through.
    """

    indexes: tuple[tuple[str, Path], ...]
    address: Address = field(default_factory=Address)
    tokens: Path | None = None
    device: str = "auto"
    threads: int = 2
    workers: int = 1
    agents: bool = False
    access_log: bool = False
    recall_share: float = SHARE
    recall_budget: float = BUDGET
    logs: tuple[KeptLog, ...] = ()
    redact: str | None = None
    cache: CacheOptions | None = None
    poll_seconds: float = 1.0
    limits: Limits = field(default_factory=Limits)

    def server(self, shared: SharedMetrics | None = None) -> uvicorn.Server:
        """The server of this process, not started yet; one of several where their metrics are shared.

        Raises ConfigError where the tokens or the redaction hook cannot be used, ModuleNotFoundError where a package is
        missing.
        """
        heap.one_heap()
        enough_files(self.limits.connections)
        indexes = [
            HostedIndex(
                name,
                folder,
                self.device,
                leases=None if shared is None else self._leases(shared, name),
                cache=self.cache,
            )
            for name, folder in self.indexes
        ]
        live = None
        if self.recall_share > 0:
            # The budget is that of all workers.
            live = LiveRecall(self.recall_share, self.recall_budget / self.workers)
        return uvicorn_server(
            indexes,
            Bearers(self.tokens),
            self.address,
            self.limits,
            self.threads,
            self.poll_seconds,
            self.access_log,
            self.agents,
            live,
            self._query_log(),
            shared,
            own_process=True,
        )

    def check(self) -> None:
        """Raise what `server` would, before anything is started."""
        names_for(self.address, Bearers(self.tokens))
        self._query_log()
        if self.agents:
            import_module("xtr_assets.server.agent_route")

    def _query_log(self) -> QueryLog | None:
        if not self.logs:
            return None
        logs = {one.index: QuestionLog(one.folder, one.index, one.most_bytes) for one in self.logs}
        for log in logs.values():
            log.prepare()
        return QueryLog(logs, None if self.redact is None else find_redact(self.redact))

    def _leases(self, shared: SharedMetrics, index: str) -> WorkerLeases:
        return WorkerLeases(shared.folder, index, LEASE_SECONDS)
