"""numpy with one thread of BLAS, for commands whose products are small."""

import os

# Read by OpenBLAS when numpy is imported.
BLAS_THREADS = "OPENBLAS_NUM_THREADS"


def import_numpy() -> None:
    """Import it so, unless the environment says how many threads.

    What a question multiplies, and what a build does beside the extension, fits one core; the threads of BLAS wait for
    each other in a loop: 0.05 CPU s of a cold search, a fifth of a small build. What is started later, an editor for
    example, does not see the setting.
    """
    if BLAS_THREADS in os.environ:
        return
    os.environ[BLAS_THREADS] = "1"
    try:
        import numpy  # noqa: F401
    finally:
        del os.environ[BLAS_THREADS]
