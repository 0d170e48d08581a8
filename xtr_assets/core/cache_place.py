"""Where this user keeps on this host what can be made again."""

import os
import tempfile
from pathlib import Path


def cache_folder() -> Path:
    """XTR_ASSETS_CACHE, else XDG_CACHE_HOME/xtr-assets, else ~/.cache/xtr-assets."""
    given, cache = os.environ.get("XTR_ASSETS_CACHE"), os.environ.get("XDG_CACHE_HOME")
    try:
        # No shell fills in what a service's file of variables says.
        return Path(given).expanduser() if given else (Path(cache) if cache else Path.home() / ".cache") / "xtr-assets"
    except RuntimeError:
        # A container whose user has no name has no home either.
        return Path(tempfile.gettempdir()) / f"xtr-assets-{os.geteuid()}"
