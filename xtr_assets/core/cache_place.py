"""Where this user keeps on this host what can be made again."""

import os
import tempfile
from pathlib import Path

from xtr_assets.core.errors import ConfigError


def cache_folder() -> Path:
    """XTR_ASSETS_CACHE, else XDG_CACHE_HOME/xtr-assets, else ~/.cache/xtr-assets. ConfigError for a home of nobody.

    A relative XDG_CACHE_HOME counts for nothing, as the XDG Base Directory Specification has it: there would be a cache
    in each folder that a command is run in.
    """
    if given := os.environ.get("XTR_ASSETS_CACHE"):
        return named_path(given, "XTR_ASSETS_CACHE")
    cache = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(cache) if cache and Path(cache).is_absolute() else Path.home() / ".cache") / "xtr-assets"
    except RuntimeError:
        # A container whose user has no name has no home either.
        return Path(tempfile.gettempdir()) / f"xtr-assets-{os.geteuid()}"


def named_path(given: str, variable: str) -> Path:
    """What a variable of the environment names: no shell fills in a ~ of what a service's file of variables says.
    ConfigError where there is no such home."""
    try:
        return Path(given).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"${variable} is {given}, and there is no such home here; write the folder out") from error
