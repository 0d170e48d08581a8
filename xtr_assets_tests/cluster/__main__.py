"""`make test-cluster`: root on Linux, for network namespaces; about fifteen minutes."""

import argparse
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from xtr_assets_tests.cluster.services import install, missing
from xtr_assets_tests.cluster.story import live, told


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--install", action="store_true", help="install the packages of Debian that are missing")
    parser.add_argument("--keep", action="store_true", help="leave the folder, with the logs, where all went well")
    asked = parser.parse_args()
    # Whoever ends the story ends its hosts with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if os.geteuid() != 0:
        print("network namespaces need root: sudo make test-cluster")
        return 2
    if packages := missing():
        if not asked.install:
            print(f"missing: apt-get install {' '.join(packages)}, or make test-cluster CLUSTER=--install")
            return 2
        install(packages)
    folder = Path(tempfile.mkdtemp(prefix="xtra-"))
    # The database runs as a user of its own below it.
    folder.chmod(0o755)
    told(f"in {folder}")
    try:
        live(folder)
    except BaseException:
        print(f"failed; logs: {folder}/hosts/*/*.log", file=sys.stderr)
        raise
    if not asked.keep:
        shutil.rmtree(folder)
    told("everything was published, nothing twice, nobody did anything")
    return 0


if __name__ == "__main__":
    sys.exit(main())
