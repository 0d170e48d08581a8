"""Exactly one FAISS: three distributions install the module `faiss`, and two of them at once overwrite each other."""

import importlib
import importlib.metadata
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from typing import Any

from xtr_assets.core.address_space import refuse_narrow
from xtr_assets.core.errors import ProviderError

INSTALL = {
    "faiss-cpu": 'pip install "xtr-assets[cpu]"',
    "faiss-gpu": 'pip install "xtr-assets[gpu-cu12]"',
    "faiss-gpu-cuvs": 'pip install "xtr-assets[gpu]"',
}


@dataclass(frozen=True, slots=True)
class Provider:
    """The FAISS in use: its distribution and version, how it was compiled, and whether it can use a GPU at all."""

    distribution: str
    version: str
    compile_options: str
    gpu: bool
    cuvs: bool

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def choose(distributions: Sequence[str]) -> str:
    """The one distribution that provides the module. Raises ProviderError for none and for more than one."""
    names = sorted(set(distributions))
    if not names:
        lines = ", or ".join(f"`{line}` for {name}" for name, line in INSTALL.items())
        raise ProviderError(f"no FAISS is installed; install one of them: {lines}")
    if len(names) > 1:
        # The GPU builds contain the CPU's; whoever has one of them wanted it.
        keep = next((name for name in ("faiss-gpu-cuvs", "faiss-gpu") if name in names), names[0])
        others = " ".join(name for name in names if name != keep)
        raise ProviderError(
            f"{len(names)} distributions install the module `faiss` ({', '.join(names)}), over each other's files; "
            f"`pip uninstall {others}`, then `pip install --force-reinstall --no-deps {keep}`"
        )
    return names[0]


@lru_cache(maxsize=1)
def installed_distribution() -> str:
    """The distribution that provides the module `faiss`. Raises ProviderError for none and for more than one.

    Known names are looked up. Only where none of them is there (conda calls its own `faiss`) are the files of every
    installed distribution looked through, which takes 0.2 CPU s.
    """
    known = [name for name in INSTALL for _ in importlib.metadata.distributions(name=name)]
    return choose(known or importlib.metadata.packages_distributions().get("faiss", ()))


@lru_cache(maxsize=1)
def load_faiss() -> Any:
    """The module `faiss`, after exactly one provider was found. The only place that imports it."""
    installed_distribution()
    refuse_narrow("FAISS")
    # Read when FAISS loads its OpenMP. Threads that spin while they wait take the core from those they wait for: on two
    # busy cores IVF256,PQ32x4fsr over 20,000 x 128 was built in 6.9 CPU s spinning, in 1.0 asleep.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    faiss = importlib.import_module("faiss")
    # GNU OpenMP keeps its threads in a pool of the thread that started them. A forked child (gunicorn's preload,
    # celery, multiprocessing) inherits the pool and not the threads, and would wait for them for ever: the thread that
    # goes on in the child works alone. Threads that the child starts make pools of their own.
    os.register_at_fork(after_in_child=partial(faiss.omp_set_num_threads, 1))
    return faiss


@lru_cache(maxsize=1)
def provider() -> Provider:
    """What is installed, for metadata and for the choice of a device."""
    faiss = load_faiss()
    options = str(faiss.get_compile_options()).strip()
    return Provider(
        distribution=installed_distribution(),
        version=str(faiss.__version__),
        compile_options=options,
        gpu="GPU" in options.split() and hasattr(faiss, "StandardGpuResources"),
        cuvs="CUVS" in options,
    )
