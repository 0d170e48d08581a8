"""The index as a Dagster component: `type: xtr_assets.defs.component.IndexComponent` in a defs.yaml."""

import dagster as dg

from xtr_assets.config import load_config
from xtr_assets.defs.factory import build_index_defs


class IndexComponent(dg.Component, dg.Resolvable, dg.Model):
    """The assets, checks, jobs, sensors and schedules of one index.

    config : its xtr.yaml, relative to the folder of the component. prefix : goes before the names of jobs, sensors,
    schedules and resources, where a project holds several indexes.
    """

    config: str = "xtr.yaml"
    prefix: str = ""

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """What `build_index_defs` gives for the config."""
        return build_index_defs(load_config(context.path / self.config), self.prefix)
