"""Makes the canaries that the package ships: `python -m xtr_assets.encoders.make_canaries OUT`.

Of the embedded encoders at their default settings, with each head that is shipped, in fp32. The result is data under
review like a golden warehouse: it is made again only with a new fingerprint (other weights, another head, a raised
CODE_VERSION) or other texts, never because a test of it fails.
"""

import json
import sys
from pathlib import Path

from xtr_assets.config import HashingConfig, MiniLmConfig
from xtr_assets.encoders import open_fresh
from xtr_assets.encoders.canary import sketch_canary

PINNED = (
    HashingConfig(),
    MiniLmConfig(precision="fp32", head="projection"),
    MiniLmConfig(precision="fp32", head="shipped-1"),
    MiniLmConfig(precision="fp32", head="shipped-2"),
    MiniLmConfig(precision="fp32", head="shipped"),
)


def canaries_text() -> str:
    """Canonical JSON: fingerprint to canary, a line each."""
    encoders = [open_fresh(config) for config in PINNED]
    made = {one.fingerprint: sketch_canary(one).as_json() for one in encoders}
    lines = (f"{json.dumps(name)}: {json.dumps(made[name], sort_keys=True)}" for name in sorted(made))
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(canaries_text(), "ascii")
