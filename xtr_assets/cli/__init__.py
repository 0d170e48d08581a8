"""The command `xtr-assets`: one file a command.

A command imports what it needs when it runs, so that `--help` stays fast.
"""

# Importing a command registers it; the order here is the order that --help shows.
# isort: off
from xtr_assets.cli import init, demo, build  # noqa: F401
from xtr_assets.cli import search, status, health, generations, verify  # noqa: F401
from xtr_assets.cli import serve, questions, mcp  # noqa: F401
from xtr_assets.cli import publish, rollback, withdraw, diff, parts  # noqa: F401
from xtr_assets.cli import push, pull, mirror  # noqa: F401
from xtr_assets.cli import plan, tune, train_head, compact, gc, export, export_idmap, import_, evaluate  # noqa: F401

# isort: on
from xtr_assets.cli.app import app, main

__all__ = ["app", "main"]
