"""The command `xtr-assets`: one file a command.

A command imports what it needs when it runs, so that `--help` stays fast, and no other command where it is named first.
"""

import sys
from importlib import import_module
from pathlib import Path

from xtr_assets.cli.app import app, main

# Importing a command registers it; the order here is the order that --help shows.
COMMANDS = (
    *("init", "demo", "build"),
    *("search", "status", "health", "generations", "verify"),
    *("serve", "questions", "mcp"),
    *("publish", "rollback", "withdraw", "diff", "parts"),
    *("push", "pull", "mirror"),
    *("plan", "tune", "train_head", "compact", "gc", "export", "export_idmap", "import_", "evaluate"),
)
PROGRAM = "xtr-assets"


def wanted(arguments: list[str]) -> tuple[str, ...]:
    """The modules of the commands that a process may be asked for: the one it was started for, or all.

    >>> wanted(["/usr/bin/xtr-assets", "train-head", "x"])
    ('train_head',)
    >>> wanted(["/usr/bin/xtr-assets", "import", "x"])
    ('import_',)
    >>> len(wanted(["/usr/bin/xtr-assets", "--help"])) == len(wanted(["pytest", "search"])) == len(COMMANDS)
    True
    """
    program, asked = Path(arguments[0]).name if arguments else "", arguments[1:2]
    if program != PROGRAM or not asked:
        return COMMANDS
    module = asked[0].replace("-", "_")
    return tuple(one for one in COMMANDS if one.removesuffix("_") == module) or COMMANDS


for _command in wanted(sys.argv):
    import_module(f"xtr_assets.cli.{_command}")

__all__ = ["app", "main"]
