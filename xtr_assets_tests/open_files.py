"""Which files a process holds open."""

from pathlib import Path


def leads_into(root: Path, descriptor: Path) -> bool:
    """Whether a link of /dev/fd or /proc/self/fd leads below a folder; another thread may close it meanwhile."""
    try:
        return str(descriptor.readlink()).startswith(str(root))
    except OSError:
        return False
