"""How much address space the process may take (`ulimit -v`), and what to say where it was too little.

Libraries map far more than they use: FAISS and its BLAS some 500 MB, each thread of a pool its stack. What happens
below that is theirs: a segmentation fault, a pool that waits for ever for a thread that was never there.
"""

import resource

from xtr_assets.core.errors import ProviderError

# Below which loading FAISS, or the client of stores, ended in a segmentation fault or never, on two cores: bytes.
LEAST_ADDRESSES = 700_000 * 1024
ENOUGH = "raise it to 1000000 or more, or limit the memory itself (a cgroup, `systemd-run -p MemoryMax=`)"

# What libraries say where no thread can be made, or no memory had.
_SAID = (
    "can't start new thread",
    "Failed to launch worker thread",
    "Resource temporarily unavailable",
    "Cannot allocate memory",
    "failed to map segment from shared object",
    "std::bad_alloc",
)


def refuse_narrow(what: str) -> None:
    """ProviderError where there is too little address space for `what`, which would end the process, or hang it."""
    limit = _limit()
    if limit is not None and limit < LEAST_ADDRESSES:
        raise ProviderError(
            f"the limit of address space is {limit // 1024} kB (`ulimit -v`), in which {what} cannot be loaded; "
            f"{ENOUGH}"
        )


def shortage(error: BaseException) -> str | None:
    """What to say of an error that came of too little memory, or of threads that could not be made; None of others."""
    cause = _cause(error)
    if cause is None:
        return None
    helps = _remedy()
    return helps if _limit() is not None else f"{' '.join(str(cause).split()) or 'memory ran out'}; {helps}"


def shortage_remedy(error: BaseException) -> str | None:
    """What helps against it, for who has said it in words of its own; None of others."""
    return None if _cause(error) is None else _remedy()


def _cause(error: BaseException) -> BaseException | None:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError) or any(said in str(cause) for said in _SAID):
            return cause
        cause = cause.__cause__ or cause.__context__
    return None


def _remedy() -> str:
    limit = _limit()
    if limit is not None:
        return f"the limit of address space is {limit // 1024} kB (`ulimit -v`), which is too little here; {ENOUGH}"
    return "give the process more memory, or more threads (`ulimit -u`, the limits of its container)"


def _limit() -> int | None:
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if limit == resource.RLIM_INFINITY else limit
