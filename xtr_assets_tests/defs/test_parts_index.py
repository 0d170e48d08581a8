"""An index of parts in Dagster: a change in one shard rebuilds its part alone, and one move lets all parts serve."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

import xtr_assets as xa
from xtr_assets.config import IndexConfig, parse_config
from xtr_assets.defs import build_index_defs
from xtr_assets.defs.in_process import build
from xtr_assets.defs.part_builds import SetResult, in_parts
from xtr_assets.storage.parts.part_set import PartSet

CONFIG = """
name: small
warehouse: small
parts: {{max_chunks: {most}}}
sources:
  - {{name: birds, kind: text, path: birds}}
  - {{name: trees, kind: text, path: trees{shards}}}
encoder: {{kind: hashing}}
recall: {{queries: 5}}
gate: {{shrink: {shrink}}}
"""


def write(folder: Path, name: str, said: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.md").write_text(f"# {name}\n\nThe {name} {said}.\n")


@dataclass
class Site:
    folder: Path
    instance: dg.DagsterInstance
    config: IndexConfig
    defs: dg.Definitions = field(init=False)
    cursors: dict[str, str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.load()

    def load(self) -> None:
        self.defs = build_index_defs(self.config)

    @property
    def parts(self) -> PartSet:
        return PartSet.open(self.config.warehouse)

    def serves(self) -> dict[str, int]:
        moves = self.parts.moves()
        return {part: state.generation for part, state in moves[-1].parts.items()} if moves else {}

    def build(self, **options: Any) -> SetResult:
        return in_parts(self.config, self.instance, build, **options)

    def tick(self, sensor: str) -> Any:
        definition = self.defs.resolve_sensor_def(sensor)
        wanted = {key: (self.defs.resources or {})[key] for key in definition.required_resource_keys}
        with dg.build_sensor_context(
            instance=self.instance, cursor=self.cursors.get(sensor), definitions=self.defs, resources=wanted
        ) as context:
            result = definition.evaluate_tick(context)
        self.cursors[sensor] = result.cursor
        return result

    def run(self, job: str, **options: Any) -> bool:
        made = self.defs.resolve_job_def(job)
        return made.execute_in_process(instance=self.instance, raise_on_error=False, **options).success

    def settle(self) -> list[str]:
        """Tick every sensor that asks for runs until none does; the jobs that ran."""
        ran: list[str] = []
        quiet = 0
        while quiet < 3:
            quiet += 1
            for label in ("part_0001_", "part_0002_", ""):
                asking = {"source_changes": "ingest", "automation": "rebuild"} if label else {"moves": "publish"}
                for sensor, job in asking.items():
                    for request in self.tick(f"{label}{sensor}").run_requests or []:
                        quiet = 0
                        ran.append(f"{label}{job}")
                        self.run(f"{label}{job}", partition_key=request.partition_key, tags=dict(request.tags))
        return ran

    def top(self, query: str) -> str:
        with xa.open(self.config.warehouse, device="cpu") as searcher:
            return searcher.search(query, 1)[0].path


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    for name in ("heron", "stork", "crane", "egret"):
        write(tmp_path / "birds", name, "wades at noon")
    for name in ("alder", "aspen", "beech", "cedar"):
        write(tmp_path / "trees", name, "grows at noon")
    with dg.DagsterInstance.ephemeral() as instance:
        yield Site(tmp_path, instance, parse_config(CONFIG.format(most=100, shards="", shrink=0.2), tmp_path))


def test_x(site: Site) -> None:
    print(site.settle())
    print(site.serves())
