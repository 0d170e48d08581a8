"""What one index is called in Dagster: keys under the index' name; jobs, sensors and resources under its prefix."""

from collections.abc import Iterable
from dataclasses import dataclass

import dagster as dg

from xtr_assets.pipeline.plan.begin import OF_SHARDS

# Every asset there may be; those of a leg that the configuration says is absent are left out (`Site.there`).
CORPUS = OF_SHARDS
DERIVED = (
    "generation",
    "queries",
    "exact_neighbors",
    "faiss_index",
    "xtr_index",
    "lexical_index",
    "id_map",
    "catalog",
    "published",
)
# Jobs by which a person moves the pointer.
POINTER_JOBS = ("publish", "rollback", "withdraw")


@dataclass(frozen=True, slots=True)
class Names:
    """Names of one index.

    A project of one index calls its jobs `rebuild`, its sensor `source_changes`, its resource `search`. Dagster knows
    one namespace for each of these, so that a project of several puts a prefix (`docs_`) before them; asset keys carry
    the index' name in any case.
    """

    index: str
    prefix: str = ""

    def key(self, asset: str) -> dg.AssetKey:
        return dg.AssetKey([self.index, asset])

    def keys(self, assets: Iterable[str]) -> list[dg.AssetKey]:
        return [self.key(asset) for asset in assets]

    def named(self, name: str) -> str:
        """The name of a job, sensor, schedule or resource."""
        return f"{self.prefix}{name}"

    def step(self, name: str) -> str:
        """The name of an op that is not simply an asset's."""
        return f"{self.index}__{name}"

    @property
    def warehouse(self) -> str:
        return self.named("warehouse")

    @property
    def parts(self) -> str:
        return self.named("parts")

    @property
    def encoder(self) -> str:
        return self.named("encoder")

    @property
    def search(self) -> str:
        return self.named("search")
