"""How many lives are lived, and how each is: of one warehouse, of a set of parts."""

import os

from hypothesis import HealthCheck, Phase, settings

from xtr_assets_tests.long_cases import more

# `XTR_ASSETS_LIVES=300` lives 300 lives of 40 steps: of a warehouse with every check of the gate in each build, of sets
# some with late interaction and all checks.
LIVES = int(os.environ.get("XTR_ASSETS_LIVES", "0"))
DEEP = LIVES > 0


def lived(lives: int, steps: int) -> settings:
    """Those of the suite, half as many, unless more are asked for."""
    return settings(
        max_examples=LIVES or more((lives + 1) // 2, lives),
        stateful_step_count=40 if DEEP else steps,
        suppress_health_check=list(HealthCheck),
        derandomize=not DEEP,
        # A life takes seconds: what failed is read as it is, not lived again a hundred times to make it shorter.
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
    )
