"""How much address space the process may take (`ulimit -v`), and what to say where it was too little.

Libraries map far more than they use: FAISS and its BLAS some 500 MB, each thread of a pool its stack. What happens
below that is theirs: a segmentation fault, a pool that waits for ever for a thread that was never there.
"""

import resource
from threading import Event, Thread

from xtr_assets.core.errors import ProviderError

# Below which loading FAISS, or the client of stores, ended in a segmentation fault or never, on two cores: bytes.
LEAST_ADDRESSES = 700_000 * 1024
# In which a build of 22 chunks ended in a segmentation fault, or an abort of a library, on one core and on two. It
# takes 3.1 GB on two.
LEAST_BUILD_ADDRESSES = 2_500_000 * 1024
# A build on two cores has 24 threads. Arrow waits for ever where the system gives it none.
LEAST_BUILD_THREADS = 16
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


def refuse_narrow_build() -> None:
    """ProviderError where a build would end in a crash, or never, for want of address space or of threads."""
    limit = _limit()
    if limit is not None and limit < LEAST_BUILD_ADDRESSES:
        raise ProviderError(
            f"the limit of address space is {limit // 1024} kB (`ulimit -v`), and a build maps more than "
            f"{LEAST_BUILD_ADDRESSES // 1024}; raise it to 4000000 or more, or limit the memory itself (a cgroup, "
            "`systemd-run -p MemoryMax=`)"
        )
    if (made := _threads_to_be_had(LEAST_BUILD_THREADS)) < LEAST_BUILD_THREADS:
        raise ProviderError(
            f"a build needs {LEAST_BUILD_THREADS} threads at least, and the system gives it {made}; raise `ulimit -u` "
            "or the limit of processes of its container"
        )


def _threads_to_be_had(most: int) -> int:
    done, threads = Event(), list[Thread]()
    try:
        for _ in range(most):
            one = Thread(target=done.wait, daemon=True)
            one.start()
            threads.append(one)
    except RuntimeError:  # can't start new thread
        pass
    finally:
        done.set()
    for one in threads:
        one.join()
    return len(threads)


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
