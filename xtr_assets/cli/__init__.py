"""The command `xtr-assets`. Commands import what they need when they run, so that `--help` stays fast."""

from xtr_assets.cli import building, comparing, project, reading, serving, tuning, upkeep  # noqa: F401  (registers the commands)
from xtr_assets.cli.app import app, main

__all__ = ["app", "main"]
