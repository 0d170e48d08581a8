"""What happens by itself: changed shards are ingested, and when all are, the next generation is built."""

from collections.abc import Mapping

import dagster as dg

from xtr_assets.defs.jobs import AssetJob
from xtr_assets.defs.site import Site

Jobs = Mapping[str, AssetJob | dg.JobDefinition]


def index_sensors(site: Site, jobs: Jobs) -> list[dg.SensorDefinition]:
    return []
